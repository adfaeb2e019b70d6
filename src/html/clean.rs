//! From a fragment in any state to clean HTML.
//!
//! Three roads, and the first that is open is taken: plain text is only escaped; simple, well-nested markup is verified
//! and written in one pass (`direct`); everything else goes through the HTML parser of ammonia, after `tame` has
//! taken from it what would cost that parser more time or memory than the fragment is worth.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::Builder;
use memchr::{memchr, memchr2, memmem};
use url::Url;

use super::attribute::{KEPT, SCHEMES};
use super::direct;
use super::element::KEPT_ELEMENTS;
use super::finish::finish;
use super::hygiene::{first_illegal, hygiene, is_illegal};
use super::reference::names_what_vanishes;
use super::tame;
use super::writer::Writer;

/// Elements nested deeper than this are left out.
pub const DEPTH: usize = 256;

/// Elements that go with all they hold.
const DROPPED: [&str; 16] = [
    "script",
    "style",
    "template",
    "noscript",
    "iframe",
    "frame",
    "frameset",
    "noframes",
    "title",
    "textarea",
    "select",
    "xmp",
    "plaintext",
    "noembed",
    // `tame` left their content only; what slips through would follow rules of its own.
    "math",
    "svg",
];

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(KEPT_ELEMENTS.into())
        .clean_content_tags(DROPPED.into())
        .tag_attributes([].into())
        .generic_attributes(KEPT.into())
        // Of `data:` the last pass keeps pictures only.
        .url_schemes(SCHEMES.into_iter().chain(["data"]).collect())
        .link_rel(None);
    builder
});

/// A clean fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// Balanced, allow-listed HTML; `None` if nothing is left.
    pub html: Option<String>,
    /// Whether a reader sees anything of it: text or media. `<p>&nbsp;</p><br>` shows nothing.
    pub shows: bool,
    /// Whether a limit cut something off: elements deeper than [`DEPTH`], or markup made to exhaust its reader.
    pub cut: bool,
}

/// Cleans a fragment: see [`clean_noting`]. `None` if nothing is left.
#[must_use]
pub fn clean(fragment: &str, base: Option<&Url>) -> Option<String> {
    clean_noting(fragment, base).html
}

/// Parses a fragment as HTML and writes it back by an allow-list of elements and attributes: no scripts, no styles, no
/// frames, no forms; addresses absolute where there is a `base`, and only of harmless schemes; no tracking pixels.
#[must_use]
pub fn clean_noting(fragment: &str, base: Option<&Url>) -> Cleaned {
    if memchr2(b'<', b'&', fragment.as_bytes()).is_none() {
        return escaped(without_mark(fragment), false);
    }
    let fragment = normalised(fragment);
    at_once(&fragment, base).unwrap_or_else(|| parsed(&fragment, base))
}

/// The fast road, where it is open. A character that vanishes is still there when the parser's side looks at addresses, and
/// makes one of which it is part of the host no address.
pub(super) fn at_once(fragment: &str, base: Option<&Url>) -> Option<Cleaned> {
    if names_what_vanishes(fragment) {
        return None;
    }
    direct::clean(fragment, base)
}

/// Plain text as a fragment that shows it: nothing in it is markup, nor a character reference.
#[must_use]
pub fn from_text(text: &str) -> Cleaned {
    escaped(text, false)
}

/// The road through the HTML parser, for fragments that it can bear.
pub(super) fn parsed(fragment: &str, base: Option<&Url>) -> Cleaned {
    let tamed = tame::tamed(fragment);
    if tamed.harmless || tame::is_bearable(&tamed) {
        // References may have stood for control characters.
        let clean = SANITIZER.clean(&tamed.html).to_string();
        return finish(&hygiene(&clean), base);
    }
    let balanced = tame::balanced(&tamed);
    match direct::clean(&balanced, base) {
        Some(cleaned) => Cleaned {
            cut: true,
            ..cleaned
        },
        None => escaped(&super::text(fragment), true),
    }
}

/// Text in which nothing is markup.
fn escaped(text: &str, cut: bool) -> Cleaned {
    let mut writer = Writer::new(text.len(), None, HashSet::new());
    writer.plain(text);
    writer.finish(cut)
}

/// A byte order mark in UTF-8.
const MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Without the byte order marks that some editors paste in front, and that the HTML parser would drop.
fn without_mark(fragment: &str) -> &str {
    fragment.trim_start_matches(|c: char| c == '\u{FEFF}' || is_illegal(c) && c != '\u{C}')
}

/// Line ends as HTML reads them, no byte order mark and no control characters, before anybody looks for tags.
pub(super) fn normalised(fragment: &str) -> Cow<'_, str> {
    let bytes = fragment.as_bytes();
    // Marks within go, too: behind what is dropped one would stand in front, where the HTML parser drops it.
    let is_plain = memchr(b'\r', bytes).is_none() && memmem::find(bytes, MARK).is_none();
    if is_plain && first_illegal(fragment).is_none() {
        return Cow::Borrowed(fragment);
    }
    let mut clean = String::with_capacity(fragment.len());
    let mut chars = fragment.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => clean.push('\n'),
            '\u{C}' => clean.push(' '),
            '\u{FEFF}' => {}
            c if is_illegal(c) => {}
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}
