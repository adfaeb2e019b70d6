//! Makes a fragment bearable for the HTML parser: the same tokens without what would not be kept anyway, and an answer
//! to whether parsing them could cost more than the fragment is worth.
//!
//! HTML's rules for misnested tags let a few kilobytes grow into millions of elements, and a tree of depth `n` takes
//! `n`² steps. Most fragments are too small or too orderly for that, which counting shows; for others a trial run of the
//! parser does, with a sink that builds nothing. What fails the trial is closed and cut by simpler rules (`balance`).

use super::attribute::{self, Kind};
use super::element::element;
use super::scan::{Scanner, Tag, Token};
use super::text;
use super::writer::decoded;

mod balance;
mod trial;

/// Elements whose content is raw characters up to their end tag. None of them is kept.
const RAW: [&str; 9] = [
    "iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp",
];
/// Elements that go with their content as far as it is closed.
const CLOSED: [&str; 2] = ["select", "template"];
/// Elements that begin another vocabulary, in which `<title/>` is empty and `<image>` no picture.
const FOREIGN: [&str; 2] = ["math", "svg"];
/// Tags that say nothing inside a fragment, and elements without content that are not kept.
const SILENT: [&str; 17] = [
    "area",
    "base",
    "basefont",
    "bgsound",
    "body",
    "embed",
    "frame",
    "frameset",
    "head",
    "html",
    "input",
    "isindex",
    "keygen",
    "link",
    "meta",
    "param",
    "plaintext",
];
/// Elements that the parser opens again where they were closed in the wrong order.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// Elements that keep the parser from closing what was opened outside.
const WALLS: [&str; 7] = [
    "applet", "caption", "marquee", "object", "table", "td", "th",
];

/// So many start tags do no harm whatever their order, as long as hardly any formatting stays open.
const FEW_TAGS: usize = 400;
/// So many formatting elements may stay open without a trial.
const FEW_OPEN: usize = 3;
/// Stands where something was left out, so that what was apart stays apart.
const GAP: &str = "<!---->";

/// A fragment as the parser will see it.
pub(super) struct Tamed {
    /// The same tokens, less what is never kept.
    pub(super) html: String,
    /// How many start tags it has.
    tags: usize,
    /// Whether it may be parsed without a trial.
    pub(super) harmless: bool,
}

/// Takes from a fragment what would not be kept: raw content, foreign tags, attributes.
pub(super) fn tamed(fragment: &str) -> Tamed {
    let mut scanner = Scanner::new(fragment);
    let mut html = String::with_capacity(fragment.len() + 64);
    let mut survey = Survey::default();
    let mut endless = [false; CLOSED.len()];
    let mut foreign = 0_usize;
    while let Some(token) = scanner.next() {
        match token {
            Token::Text(text) => escape(&mut html, text, b'<', "&lt;"),
            Token::Start(tag) => {
                let lower = tag.name.to_ascii_lowercase();
                let name = if lower == "image" {
                    "img"
                } else {
                    lower.as_str()
                };
                let empty = tag.attributes.ends_with('/');
                foreign += usize::from(!empty && FOREIGN.contains(&name));
                if is_strange(name)
                    || foreign > 0 && (lower == "image" || empty && RAW.contains(&name))
                {
                    gap(&mut html);
                } else if RAW.contains(&name) {
                    scanner.skip_raw(name);
                    gap(&mut html);
                } else if name == "plaintext" {
                    break;
                } else if let Some(index) = CLOSED.iter().position(|closed| *closed == name) {
                    if !empty && !endless[index] {
                        endless[index] = !scanner.skip_closed(name);
                    }
                    gap(&mut html);
                } else if SILENT.contains(&name) {
                    gap(&mut html);
                } else {
                    survey.opened(name);
                    start(&mut html, name, tag);
                }
            }
            Token::End(name) => {
                let name = name.to_ascii_lowercase();
                let name = name.as_str();
                foreign -= usize::from(foreign > 0 && FOREIGN.contains(&name));
                if is_strange(name)
                    || RAW.contains(&name)
                    || CLOSED.contains(&name)
                    || SILENT.contains(&name)
                {
                    gap(&mut html);
                } else {
                    survey.closed(name);
                    html.extend(["</", name, ">"]);
                }
            }
            Token::Other(_) => gap(&mut html),
        }
    }
    Tamed {
        html,
        tags: survey.tags,
        harmless: survey.is_harmless(),
    }
}

/// Marks that something was left out, where what stands before it could join what follows: a reference that is not
/// finished, a tag that swallows a line end. Not everywhere, since each mark is a node of the parser's tree.
fn gap(html: &mut String) {
    const LONGEST_REFERENCE: usize = 40;
    let bytes = html.as_bytes();
    let tail = &bytes[bytes.len().saturating_sub(LONGEST_REFERENCE)..];
    let named = memchr::memrchr2(b'&', b';', tail).is_some_and(|at| tail[at] == b'&');
    // A number may have any count of digits, so that where it begins may be further back.
    let digits = tail
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_hexdigit());
    let numbered = digits.count() + "&#x".len() >= LONGEST_REFERENCE;
    if named || numbered || bytes.last() == Some(&b'>') && !html.ends_with(GAP) {
        html.push_str(GAP);
    }
}

/// Whether a tag goes while its content stays: what HTML does not know, formulas and drawings among it. The sanitiser would
/// take `<text>` outside of a drawing for an attack.
fn is_strange(name: &str) -> bool {
    FOREIGN.contains(&name) || element(name).is_none() && !text::is_element(name)
}

/// Whether the HTML parser can read the fragment at a cost in proportion to its size.
pub(super) fn is_bearable(tamed: &Tamed) -> bool {
    trial::is_bearable(&tamed.html, tamed.tags)
}

/// The fragment nested and closed by simpler rules than the parser's, in bounded depth.
pub(super) fn balanced(tamed: &Tamed) -> String {
    balance::balanced(&tamed.html)
}

fn start(html: &mut String, name: &str, tag: Tag<'_>) {
    html.extend(["<", name]);
    attributes(html, tag, |_| true);
    html.push('>');
}

/// Writes the attributes of a tag that may be kept and are `wanted`, values as they stand in the source.
fn attributes(html: &mut String, tag: Tag<'_>, wanted: impl Fn(&str) -> bool) {
    let mut seen = 0_u32;
    for (name, value) in tag.attributes() {
        let Some(index) = attribute::index(name) else {
            continue;
        };
        if seen & (1 << index) == 0 && wanted(value) {
            seen |= 1 << index;
            html.extend([" ", attribute::KEPT[index], "=\""]);
            // On whatever element it stands.
            if attribute::kind(index, "") == Kind::Address {
                address(html, value);
            } else {
                escape(html, value, b'"', "&quot;");
            }
            html.push('"');
        }
    }
}

/// Writes an address without what is overlooked in one: the sanitiser would take `https://example.org&nbsp;` for none.
fn address(html: &mut String, value: &str) {
    let plain = decoded(value);
    let trimmed = attribute::without_breaks(&plain);
    if trimmed == plain {
        escape(html, value, b'"', "&quot;");
    } else {
        html.push_str(&trimmed.replace('&', "&amp;").replace('"', "&quot;"));
    }
}

fn escape(html: &mut String, text: &str, byte: u8, replacement: &str) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(byte, rest.as_bytes()) {
        html.push_str(&rest[..at]);
        html.push_str(replacement);
        rest = &rest[at + 1..];
    }
    html.push_str(rest);
}

/// What counting tags tells about the cost of parsing them.
#[derive(Default)]
struct Survey {
    tags: usize,
    /// Formatting elements open, by name, and in all; the most there ever were.
    open: [usize; FORMATTING.len()],
    all_open: usize,
    most_open: usize,
    walled: bool,
}

impl Survey {
    fn opened(&mut self, name: &str) {
        self.tags += 1;
        self.walled |= WALLS.contains(&name);
        if let Some(index) = FORMATTING.iter().position(|formatting| *formatting == name) {
            self.open[index] += 1;
            self.all_open += 1;
            self.most_open = self.most_open.max(self.all_open);
        }
    }

    fn closed(&mut self, name: &str) {
        // Behind a wall an end tag may miss what it seems to close.
        if !self.walled
            && let Some(index) = FORMATTING.iter().position(|formatting| *formatting == name)
            && self.open[index] > 0
        {
            self.open[index] -= 1;
            self.all_open -= 1;
        }
    }

    const fn is_harmless(&self) -> bool {
        self.tags <= FEW_TAGS && self.most_open <= FEW_OPEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_leaves_a_mark_only_where_it_must() {
        let many = "x<path/><meta>&amp;<!-- c -->".repeat(100);
        assert_eq!(tamed(&many).html, "x&amp;".repeat(100));
        for apart in ["&am<meta>p;", "&lt<path/>;", "<pre><svg>\n"] {
            assert!(tamed(apart).html.contains(GAP), "{apart}");
        }
        for digits in 1..60 {
            for begin in ["&#", "&#x"] {
                let number = format!("{begin}{}<!>8", "4".repeat(digits));
                assert!(tamed(&number).html.contains(GAP), "{number}");
            }
        }
    }
}
