//! From a fragment to plain text: no markup, references decoded, white space collapsed.
//!
//! A scanner of its own rather than the HTML parser, because every title and summary passes here.

use std::collections::HashSet;

use memchr::{memchr, memchr2};

use super::is_illegal;
use super::reference::{Place, decode};
use super::scan::{Scanner, Tag, Token};

/// Elements whose content nobody is meant to read.
const SILENT: [&str; 13] = [
    "script", "style", "template", "noscript", "iframe", "noframes", "noembed", "title",
    "textarea", "select", "xmp", "svg", "math",
];

/// Elements that part the words before and after them.
const PARTING: [&str; 45] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "td",
    "th",
    "tr",
    "ul",
    "tbody",
];

/// Other elements of HTML, past and present: what has one of these names between `<` and `>` is a tag.
const INLINE: [&str; 89] = [
    "a",
    "abbr",
    "acronym",
    "applet",
    "area",
    "audio",
    "b",
    "base",
    "basefont",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "body",
    "button",
    "canvas",
    "cite",
    "code",
    "col",
    "colgroup",
    "command",
    "data",
    "datalist",
    "del",
    "dfn",
    "em",
    "embed",
    "font",
    "frame",
    "frameset",
    "head",
    "html",
    "i",
    "ilayer",
    "image",
    "img",
    "input",
    "ins",
    "isindex",
    "kbd",
    "keygen",
    "label",
    "layer",
    "link",
    "listing",
    "map",
    "mark",
    "marquee",
    "menuitem",
    "meta",
    "meter",
    "multicol",
    "nobr",
    "noindex",
    "object",
    "optgroup",
    "output",
    "param",
    "picture",
    "plaintext",
    "progress",
    "q",
    "rb",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "samp",
    "search",
    "slot",
    "small",
    "source",
    "spacer",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "tfoot",
    "thead",
    "time",
    "track",
    "tt",
    "u",
    "var",
    "video",
    "wbr",
];

/// The longest name in the lists above.
const LONGEST_NAME: usize = 10;

/// What a name between `<` and `>` means for the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// With its place in [`SILENT`].
    Silent(usize),
    Parting,
    Inline,
    /// Not an element of HTML: `<o:p>`, `<my-element>`, or no tag at all, as in `Vec<String>`.
    Unknown,
}

/// Plain text of an HTML fragment: markup removed, references decoded, runs of white space collapsed to one space,
/// trimmed. Blocks and line breaks part words. Never contains control characters.
#[must_use]
pub fn text(fragment: &str) -> String {
    plain(fragment, ' ')
}

/// The same with one line for each block: what tells a footer from the text before it.
#[must_use]
pub fn lines(fragment: &str) -> String {
    plain(fragment, '\n')
}

fn plain(fragment: &str, between: char) -> String {
    let mut out = Collapser::new(fragment.len());
    if memchr2(b'<', b'&', fragment.as_bytes()).is_none() {
        out.push(fragment);
        return out.text;
    }
    let mut scanner = Scanner::new(fragment);
    let mut closed: Option<HashSet<String>> = None;
    let mut endless = [false; SILENT.len()];
    while let Some(token) = scanner.next() {
        match token {
            Token::Text(text) => decode(text, Place::Text, |piece| out.push(piece)),
            Token::Start(tag) => match role(tag.name) {
                Role::Silent(index) => {
                    endless[index] = endless[index] || !scanner.skip_closed(tag.name);
                }
                Role::Parting => out.part(between),
                Role::Unknown if !looks_like_tag(tag) => {
                    let closed = closed.get_or_insert_with(|| end_tags(fragment));
                    if !closed.contains(&tag.name.to_ascii_lowercase()) {
                        out.pushed_back(tag);
                    }
                }
                Role::Inline | Role::Unknown => {}
            },
            Token::End(name) if role(name) == Role::Parting => out.part(between),
            Token::End(_) | Token::Other(_) => {}
        }
    }
    out.text
}

/// Whether a text carries tags or comments of HTML, as opposed to plain text with character references: `a < b`,
/// `1<2`, `<3` and `Vec<String>` do not.
#[must_use]
pub fn has_markup(text: &str) -> bool {
    let mut rest = text;
    while let Some(open) = memchr(b'<', rest.as_bytes()) {
        rest = &rest[open..];
        let name = rest[1..].strip_prefix('/').unwrap_or(&rest[1..]);
        let end = name
            .bytes()
            .position(|b| !b.is_ascii_alphanumeric())
            .unwrap_or(name.len());
        let delimited = matches!(
            name.as_bytes().get(end),
            Some(b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'>')
        );
        if rest.starts_with("<!--") {
            return true;
        }
        if delimited && role(&name[..end]) != Role::Unknown {
            return memchr(b'>', rest.as_bytes()).is_some();
        }
        rest = &rest[1..];
    }
    false
}

fn role(name: &str) -> Role {
    let mut buffer = [0; LONGEST_NAME];
    let Some(lower) = buffer.get_mut(..name.len()) else {
        return Role::Unknown;
    };
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let place = |names: &[&str]| names.iter().position(|known| known.as_bytes() == lower);
    if place(&PARTING).is_some() {
        Role::Parting
    } else if place(&INLINE).is_some() {
        Role::Inline
    } else {
        place(&SILENT).map_or(Role::Unknown, Role::Silent)
    }
}

/// Whether an unknown name is a tag by its looks: it has attributes, or a prefix, or is no word.
fn looks_like_tag(tag: Tag<'_>) -> bool {
    !tag.attributes.trim_matches([' ', '/']).is_empty()
        || !tag
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The names of all end tags, in lower case: an unknown element that somebody closes is one.
fn end_tags(fragment: &str) -> HashSet<String> {
    Scanner::new(fragment)
        .filter_map(|token| {
            if let Token::End(name) = token {
                Some(name.to_ascii_lowercase())
            } else {
                None
            }
        })
        .collect()
}

/// Text with its white space collapsed as it comes in.
struct Collapser {
    text: String,
    /// What comes before the next word.
    parted: Option<char>,
}

impl Collapser {
    fn new(capacity: usize) -> Self {
        Self {
            text: String::with_capacity(capacity),
            parted: None,
        }
    }

    /// A word ends here.
    fn space(&mut self) {
        if self.parted.is_none() {
            self.part(' ');
        }
    }

    /// A block ends here.
    fn part(&mut self, between: char) {
        self.parted = (!self.text.is_empty()).then_some(between);
    }

    fn push(&mut self, piece: &str) {
        let mut rest = piece;
        loop {
            let end = word_end(rest);
            if end > 0 {
                self.text.extend(self.parted.take());
                self.text.push_str(&rest[..end]);
            }
            let mut chars = rest[end..].chars();
            match chars.next() {
                None => return,
                Some(c) if c.is_whitespace() => self.space(),
                Some(_) => {}
            }
            rest = chars.as_str();
        }
    }

    /// What looked like a tag was text.
    fn pushed_back(&mut self, tag: Tag<'_>) {
        for piece in ["<", tag.name, tag.attributes, ">"] {
            self.push(piece);
        }
    }
}

/// The length of the text up to the first white space that is more than one blank, or the first illegal character.
fn word_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            // One blank between two words stays as it is.
            b' ' if at > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_graphic) => at += 2,
            0..=b' ' | 0x7F => return at,
            // The first bytes of all characters above ASCII that are white space or illegal.
            0xC2 | 0xE1..=0xE3 | 0xEF => {
                let c = text[at..]
                    .chars()
                    .next()
                    .expect("a first byte begins a character");
                if c.is_whitespace() || is_illegal(c) {
                    return at;
                }
                at += c.len_utf8();
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_a_reader_sees() {
        for (fragment, plain) in [
            ("", ""),
            ("  plain\n\ttext ", "plain text"),
            ("a<br>b<p>c</p>d", "a b c d"),
            ("<b>bo</b>ld &amp; <i>it</i>", "bold & it"),
            ("a &lt;b> c", "a <b> c"),
            ("x < y > z", "x < y > z"),
            ("&nbsp; a&nbsp;&#160;b\u{3000}c\u{2003}", "a b c"),
            ("a<script>if (b<c) { '</b>' }</script>d", "ad"),
            ("a<style>p{}</style><!-- no -->b", "ab"),
            ("<svg><text>x</text></svg>y", "y"),
            ("a\u{1}b&#2;c\u{FFFE}", "abc"),
            ("Vec<String> and Option<T>", "Vec<String> and Option<T>"),
            ("<foo>bar</foo> <o:p>x</o:p> <my-tag>y", "bar x y"),
            ("<foo bar=1>x", "x"),
            (
                "safe<object classid=x> description</object>",
                "safe description",
            ),
            ("cut <a href=\"http://exam", "cut"),
            ("日本<b>語</b>　テキスト", "日本語 テキスト"),
            ("<IMG SRC=x ALT=y>z<BR/>w", "z w"),
            ("<ul><li>1<li>2</ul>", "1 2"),
            ("AT&T &copy 2024", "AT&T © 2024"),
            ("<title>t</title>x", "x"),
            (
                "the <title> tag and the <select> tag",
                "the tag and the tag",
            ),
            ("a</b>c", "ac"),
        ] {
            assert_eq!(text(fragment), plain, "{fragment}");
        }
    }

    #[test]
    fn each_block_is_a_line() {
        assert_eq!(
            lines("<div><p>one <b>two</b>\n three</p> <p>four<br>five</p></div>"),
            "one two three\nfour\nfive"
        );
    }

    #[test]
    fn markup_is_tags_and_nothing_less() {
        for markup in [
            "<b>x</b>",
            "a<br/>",
            "</p>",
            "x <A HREF='y'>z",
            "<!-- c -->",
            "cut <!--",
            "<p\n class=x>",
            "safe<object classid='x'> d",
            "<blink>x",
            "<META x>",
            "<script>",
        ] {
            assert!(has_markup(markup), "{markup}");
        }
        for plain in [
            "",
            "a < b",
            "1<2",
            "I <3 you",
            "Vec<String>",
            "<https://x.example>",
            "a &lt;b&gt;",
            "x <b",
            "<foo>",
        ] {
            assert!(!has_markup(plain), "{plain}");
        }
    }
}
