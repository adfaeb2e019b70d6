//! Writes clean HTML: escaped text, kept elements with their kept attributes, and nothing else.
//!
//! Both roads to a clean fragment end here, so that one place decides about attributes, addresses and pixels.

use std::borrow::Cow;
use std::collections::HashSet;

use url::Url;

use super::attribute::{self, KEPT, Kind};
use super::clean::Cleaned;
use super::is_illegal;
use super::reference::{Place, decode};
use super::scan::Tag;

/// The fragment as far as it is written.
pub(super) struct Writer<'a> {
    out: String,
    base: Option<&'a Url>,
    /// Ids that a link of the fragment leads to; only these are kept, and their links stay as they are.
    targets: HashSet<String>,
    /// Beyond this length addresses are left out: a short link with a long base is as long as the base.
    limit: usize,
    shows: bool,
}

/// How much longer than its source a fragment may become before its addresses go: so many times, and so many bytes.
const GROWTH: (usize, usize) = (8, 4096);

impl<'a> Writer<'a> {
    /// A writer for a source of this length.
    pub(super) fn new(length: usize, base: Option<&'a Url>, targets: HashSet<String>) -> Self {
        let out = String::with_capacity(length + length / 8);
        Self {
            out,
            base,
            targets,
            limit: length * GROWTH.0 + GROWTH.1,
            shows: false,
        }
    }

    /// The fragment, without white space around it. `cut` tells whether something was left out on the way.
    pub(super) fn finish(mut self, cut: bool) -> Cleaned {
        self.out.truncate(self.out.trim_ascii_end().len());
        let leading = self.out.len() - self.out.trim_ascii_start().len();
        self.out.drain(..leading);
        Cleaned {
            html: (!self.out.is_empty()).then_some(self.out),
            shows: self.shows,
            cut,
        }
    }

    /// Writes text in which `&` and `<` mean nothing but themselves.
    pub(super) fn plain(&mut self, text: &str) {
        escape(&mut self.out, text, Place::Text);
        self.shows = self.shows || shows(text);
    }

    /// Writes text as it stands in HTML, references and all, in its plainest form.
    pub(super) fn text(&mut self, source: &str) {
        let from = self.out.len();
        decode(source, Place::Text, |piece| {
            escape(&mut self.out, piece, Place::Text);
        });
        self.shows = self.shows || shows(&self.out[from..]);
    }

    /// Writes a start tag. `element` is a kept element, in lower case. Gives false if the element is not worth keeping
    /// (a tracking pixel) and nothing was written.
    pub(super) fn start(&mut self, element: &str, tag: Tag<'_>) -> bool {
        let before = self.out.len();
        self.out.push('<');
        self.out.push_str(element);
        let (mut seen, mut pixel, mut source) = (0_u32, 0, false);
        for (name, raw) in tag.attributes() {
            let Some(index) = attribute::index(name) else {
                continue;
            };
            if seen & (1 << index) != 0 {
                continue;
            }
            seen |= 1 << index;
            let value = decoded(raw);
            let kind = attribute::kind(index, element);
            pixel += u32::from(kind == Kind::Size && attribute::is_pixel(&value));
            if let Some(value) = self.kept(kind, &value) {
                source |= matches!(KEPT[index], "src" | "srcset");
                self.attribute(KEPT[index], &value);
            }
        }
        if element == "img" && pixel == 2 {
            self.out.truncate(before);
            return false;
        }
        if element == "a" {
            self.attribute("rel", "noopener noreferrer");
        }
        self.shows |= source || matches!(element, "audio" | "video" | "picture");
        self.out.push('>');
        true
    }

    /// Writes an end tag.
    pub(super) fn end(&mut self, element: &str) {
        self.out.extend(["</", element, ">"]);
    }

    /// Writes a start tag that the source left out, such as `tbody`.
    pub(super) fn implied(&mut self, element: &str) {
        self.out.extend(["<", element, ">"]);
    }

    fn kept<'v>(&self, kind: Kind, value: &'v str) -> Option<Cow<'v, str>> {
        match kind {
            Kind::Address | Kind::Picture | Kind::Candidates if self.out.len() > self.limit => None,
            Kind::Address => {
                let local = value.trim_matches(|c: char| c.is_ascii_whitespace());
                if local
                    .strip_prefix('#')
                    .is_some_and(|id| self.targets.contains(id))
                {
                    return Some(Cow::Borrowed(local));
                }
                attribute::address(value, self.base, false)
            }
            Kind::Picture => attribute::address(value, self.base, true),
            Kind::Candidates => attribute::candidates(value, self.base).map(Cow::Owned),
            Kind::Id => self.targets.contains(value).then_some(Cow::Borrowed(value)),
            Kind::Size | Kind::Plain => Some(Cow::Borrowed(value)),
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.extend([" ", name, "=\""]);
        escape(&mut self.out, value, Place::Attribute);
        self.out.push('"');
    }
}

/// The value of an attribute without references.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('&') {
        return Cow::Borrowed(raw);
    }
    let mut value = String::with_capacity(raw.len());
    decode(raw, Place::Attribute, |piece| value.push_str(piece));
    Cow::Owned(value)
}

/// Whether a piece of clean text shows anything but white space.
fn shows(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(after) = rest.strip_prefix("&nbsp;") {
        rest = after.trim_start();
    }
    !rest.is_empty()
}

/// Bytes that [`escape`] must look at: markup, the first bytes of no-break spaces and of what no text may carry.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = byte != b'\t' as usize && byte != b'\n' as usize;
        byte += 1;
    }
    table[b'&' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table[0x7F] = true;
    table[0xC2] = true;
    table[0xEF] = true;
    table
};

fn escape(out: &mut String, text: &str, place: Place) {
    let bytes = text.as_bytes();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|b| SPECIAL[usize::from(*b)]) {
        at += found;
        let (replacement, length) = match bytes[at] {
            b'&' => (Some("&amp;"), 1),
            b'<' => (Some("&lt;"), 1),
            b'>' => (Some("&gt;"), 1),
            b'"' => ((place == Place::Attribute).then_some("&quot;"), 1),
            b'\r' => (Some("\n"), 1),
            0xC2 if bytes.get(at + 1) == Some(&0xA0) => (Some("&nbsp;"), 2),
            _ => {
                let c = text[at..]
                    .chars()
                    .next()
                    .expect("a special byte begins a character");
                (is_illegal(c).then_some(""), c.len_utf8())
            }
        };
        if let Some(replacement) = replacement {
            out.push_str(&text[copied..at]);
            out.push_str(replacement);
            copied = at + length;
        }
        at += length;
    }
    out.push_str(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::scan::{Scanner, Token};

    fn written(source: &str) -> Cleaned {
        let mut writer = Writer::new(0, None, HashSet::from(["there".to_owned()]));
        for token in Scanner::new(source) {
            match token {
                Token::Text(text) => writer.text(text),
                Token::Start(tag) => {
                    writer.start(tag.name, tag);
                }
                Token::End(name) => writer.end(name),
                Token::Other(_) => {}
            }
        }
        writer.finish(false)
    }

    #[test]
    fn text_and_attributes_are_escaped_once() {
        for (source, expected) in [
            (
                "a &amp; b &lt; c > d \"e\" &nbsp;\u{a0}x",
                "a &amp; b &lt; c &gt; d \"e\" &nbsp;&nbsp;x",
            ),
            ("a&#1;\u{1}b\u{85}c\u{FFFE}d\u{FEFF}é", "abcd\u{FEFF}é"),
            (
                "<img src=x alt='\"&lt;&amp;'>",
                "<img src=\"x\" alt=\"&quot;&lt;&amp;\">",
            ),
            ("<img src=x width=1 height=1px>", ""),
            ("<img src=x width=1>", "<img src=\"x\" width=\"1\">"),
            (
                "<a href=#there id=there onclick=x>y</a>",
                "<a href=\"#there\" id=\"there\" rel=\"noopener noreferrer\">y</a>",
            ),
            (
                "<p id=here title=a title=b style=c>x</p>",
                "<p title=\"a\">x</p>",
            ),
            (
                "<a href='javascript:1' HREF=x>y</a>",
                "<a rel=\"noopener noreferrer\">y</a>",
            ),
            (" <p>x</p>\n", "<p>x</p>"),
            ("<br>", "<br>"),
        ] {
            assert_eq!(
                written(source).html.unwrap_or_default(),
                expected,
                "{source}"
            );
        }
    }

    #[test]
    fn text_and_media_show() {
        for source in ["x", "<p>&nbsp;x", "<img src=x>", "<video></video>", "&lt;"] {
            assert!(written(source).shows, "{source}");
        }
        for source in [
            "",
            " &nbsp; \n\u{a0}",
            "<p>&#32;</p><hr>",
            "<img alt=x>",
            "<a href=x></a>",
        ] {
            assert!(!written(source).shows, "{source}");
        }
    }
}
