//! Finds where a tag ends and which attributes it carries, whatever was forgotten in it.
//!
//! Bytes go in, slices of them come out; nothing is decoded or copied here. Each byte is looked at a bounded number of
//! times, also in tags that never end.

use memchr::memmem::Finder;
use memchr::{memchr, memchr3};

/// More attributes than this on one element are read past.
const MOST_ATTRIBUTES: usize = 128;

/// An attribute as it stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) struct Attr<'a> {
    /// Qualified name.
    pub(in crate::parse) name: &'a str,
    /// Value without its quotation marks, references not yet decoded; empty if there is none.
    pub(in crate::parse) value: &'a str,
}

/// What was wrong inside a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No quotation marks around a value.
    Unquoted,
    /// A name without a value.
    Valueless,
    /// The same name again; the first counts.
    Duplicate,
    /// A quotation mark without its partner.
    OpenQuote,
    /// `<` where the tag should have ended.
    OpenTag,
    /// Something that belongs to no attribute.
    Stray,
    /// More attributes than anybody needs.
    TooMany,
}

/// Where a tag ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The byte behind the tag, and whether it was `<tag/>`.
    At(usize, bool),
    /// The document ended first.
    Eof,
}

/// What was looked for already, so that nobody looks through the same text for it again and again.
#[derive(Debug)]
pub(super) struct Missing {
    /// Quotation marks that do not occur from some byte on.
    double: Option<usize>,
    single: Option<usize>,
    /// The next `-->`, once somebody looked for it.
    pub(super) comment_end: usize,
    /// The next `]]>`, once somebody looked for it.
    pub(super) cdata_end: usize,
    /// Finds `]]>`.
    pub(super) section_end: Finder<'static>,
    /// Finds `<![CDATA[`.
    pub(super) section_start: Finder<'static>,
}

impl Default for Missing {
    fn default() -> Self {
        Self {
            double: None,
            single: None,
            comment_end: 0,
            cdata_end: 0,
            section_end: Finder::new(b"]]>"),
            section_start: Finder::new(b"<![CDATA["),
        }
    }
}

impl Missing {
    fn of(&mut self, quote: u8) -> &mut Option<usize> {
        if quote == b'"' {
            &mut self.double
        } else {
            &mut self.single
        }
    }
}

/// True for bytes that may stand in a name. Everything beyond ASCII may, but for U+0080 to U+00BF: the no-break space that
/// word processors put between attributes is no letter.
pub(super) const fn is_name(byte: u8) -> bool {
    NAME[byte as usize]
}

/// The first byte of U+0080 to U+00BF in UTF-8.
const LATIN_SIGNS: u8 = 0xC2;

const NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b':' | b'-' | b'.')
            || byte >= 0x80 && byte != LATIN_SIGNS;
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// `<a href=http://x/>` may be an empty element, or one whose value ends with a slash: the end tag that follows tells.
pub(super) fn is_followed_by_end(text: &str, at: usize, name: &str) -> bool {
    let bytes = text.as_bytes();
    memchr(b'<', &bytes[at..]).is_some_and(|found| {
        text[at + found..]
            .strip_prefix("</")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| !rest.bytes().next().is_some_and(is_name))
    })
}

/// Reads the attributes from `at`, the byte behind the element's name, to the end of the tag.
pub(super) fn attributes<'a>(
    text: &'a str,
    mut at: usize,
    out: &mut Vec<Attr<'a>>,
    missing: &mut Missing,
    fault: &mut impl FnMut(Fault, usize),
) -> End {
    let bytes = text.as_bytes();
    loop {
        at = skip_space(bytes, at);
        let Some(&byte) = bytes.get(at) else {
            return End::Eof;
        };
        match byte {
            b'>' => return End::At(at + 1, false),
            b'/' if bytes.get(at + 1) == Some(&b'>') => return End::At(at + 2, true),
            b'<' => {
                fault(Fault::OpenTag, at);
                return End::At(at, false);
            }
            _ if !is_name(byte) => {
                fault(Fault::Stray, at);
                at += 1 + usize::from(byte == LATIN_SIGNS);
            }
            _ => {
                let name_at = at;
                at = skip_name(bytes, at);
                let name = &text[name_at..at];
                let Some((value, next)) = value(text, at, missing, fault) else {
                    return End::Eof;
                };
                at = next;
                if out.len() == MOST_ATTRIBUTES {
                    fault(Fault::TooMany, name_at);
                } else if out.iter().any(|attr| attr.name == name) {
                    fault(Fault::Duplicate, name_at);
                } else {
                    out.push(Attr { name, value });
                }
            }
        }
    }
}

/// Reads `="…"` behind a name: the value and the byte behind it; `None` at the end of the document.
fn value<'a>(
    text: &'a str,
    name_end: usize,
    missing: &mut Missing,
    fault: &mut impl FnMut(Fault, usize),
) -> Option<(&'a str, usize)> {
    let bytes = text.as_bytes();
    let equals = skip_space(bytes, name_end);
    if bytes.get(equals)? != &b'=' {
        fault(Fault::Valueless, name_end);
        return Some((&text[name_end..name_end], name_end));
    }
    let at = skip_space(bytes, equals + 1);
    let quote = *bytes.get(at)?;
    if quote == b'"' || quote == b'\'' {
        if let Some(end) = closing(bytes, at + 1, quote, missing)
            && !opens_next(bytes, at + 1, end)
        {
            return Some((&text[at + 1..end], end + 1));
        }
        fault(Fault::OpenQuote, at);
        let end = unquoted_end(bytes, at + 1);
        return Some((&text[at + 1..end], end));
    }
    fault(Fault::Unquoted, at);
    // What a program escaped for its own sake: `href=\"/\"`.
    if quote == b'\\'
        && let Some(&inner @ (b'"' | b'\'')) = bytes.get(at + 1)
        && let Some(end) = closing(bytes, at + 2, inner, missing)
    {
        let value = &text[at + 2..end];
        return Some((value.strip_suffix('\\').unwrap_or(value), end + 1));
    }
    if let Some((from, end, after)) = curly(text, at) {
        return Some((&text[from..end], after));
    }
    let end = unquoted_end(bytes, at);
    Some((&text[at..end], end))
}

/// The extent of a value in the quotation marks of a word processor, and the byte behind it: `rel=“self”`.
fn curly(text: &str, at: usize) -> Option<(usize, usize, usize)> {
    const MARKS: [char; 7] = ['“', '”', '„', '‟', '″', '‘', '’'];
    let first = text[at..].chars().next().filter(|c| MARKS.contains(c))?;
    let from = at + first.len_utf8();
    let end = from + text[from..].find(|c| MARKS.contains(&c) || matches!(c, '"' | '<' | '>'))?;
    let last = text[end..].chars().next()?;
    let after = end
        + if MARKS.contains(&last) || last == '"' {
            last.len_utf8()
        } else {
            0
        };
    Some((from, end, after))
}

/// The closing quotation mark. `None` if there is none, or if it plainly belongs to a later tag: a `>` and then a `<` lie
/// between, as in `<a href="x>text <b class="y">`.
fn closing(bytes: &[u8], from: usize, quote: u8, missing: &mut Missing) -> Option<usize> {
    if missing.of(quote).is_some_and(|none_from| from >= none_from) {
        return None;
    }
    let mut at = from;
    let mut tag_end = false;
    // Nearly every value ends before any angle bracket.
    while let Some(found) = memchr3(quote, b'<', b'>', &bytes[at..]) {
        at += found;
        match bytes[at] {
            b'>' => tag_end = true,
            b'<' if tag_end => return None,
            b'<' => {
                let end = memchr(quote, &bytes[at..]).map(|found| at + found);
                if end.is_none() {
                    *missing.of(quote) = Some(from);
                }
                return end;
            }
            _ => return Some(at),
        }
        at += 1;
    }
    *missing.of(quote) = Some(from);
    None
}

/// True if the quotation mark at `end` does not close the value but opens the next one: `rel="self type="text/html"`.
fn opens_next(bytes: &[u8], from: usize, end: usize) -> bool {
    let next = bytes.get(end + 1).copied().unwrap_or(b'>');
    if bytes[from..end].last() != Some(&b'=') || !is_name(next) {
        return false;
    }
    let before = &bytes[from..end - 1];
    let name = before.iter().rev().take_while(|b| is_name(**b)).count();
    name > 0
        && matches!(
            before.iter().nth_back(name),
            Some(b' ' | b'\t' | b'\r' | b'\n')
        )
}

/// Where a value without (a partner for) its quotation mark ends.
fn unquoted_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'<')
            || byte == b'/' && bytes.get(at + 1) == Some(&b'>')
        {
            break;
        }
        at += 1;
    }
    at
}

/// The first byte from `at` on that is no white space.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The first byte from `at` on that belongs to no name.
pub(super) fn skip_name(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&byte| is_name(byte)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> (Vec<(&str, &str)>, End, Vec<Fault>) {
        let (mut out, mut faults) = (Vec::new(), Vec::new());
        let end = attributes(
            text,
            0,
            &mut out,
            &mut Missing::default(),
            &mut |fault, _| faults.push(fault),
        );
        (out.iter().map(|a| (a.name, a.value)).collect(), end, faults)
    }

    #[test]
    fn a_proper_tag_has_no_faults() {
        assert_eq!(
            scan(" a=\"1\" b = '2>'/>x"),
            (vec![("a", "1"), ("b", "2>")], End::At(17, true), vec![])
        );
        assert_eq!(scan(">"), (vec![], End::At(1, false), vec![]));
    }

    #[test]
    fn sloppy_attributes_are_read() {
        assert_eq!(
            scan(" a=1 b a=2 ='x>"),
            (
                vec![("a", "1"), ("b", ""), ("x", "")],
                End::At(15, false),
                vec![
                    Fault::Unquoted,
                    Fault::Valueless,
                    Fault::Unquoted,
                    Fault::Duplicate,
                    Fault::Stray,
                    Fault::Stray,
                    Fault::Valueless
                ]
            )
        );
        assert_eq!(
            scan(" a=http://x/y/>"),
            (
                vec![("a", "http://x/y")],
                End::At(15, true),
                vec![Fault::Unquoted]
            )
        );
    }

    #[test]
    fn escaped_quotation_marks_are_quotation_marks() {
        let (attributes, end, _) = scan(" a=\\\"1 2\\\" b=\\'3\\'>");
        assert_eq!(attributes, [("a", "1 2"), ("b", "3")]);
        assert_eq!(end, End::At(19, false));
    }

    #[test]
    fn signs_of_a_word_processor_are_understood() {
        let (attributes, end, _) = scan("\u{a0}rel=“self”\u{a0}href=”a b„/>");
        assert_eq!(attributes, [("rel", "self"), ("href", "a b")]);
        assert_eq!(end, End::At(34, true));
        assert_eq!(scan(" a=“x>y").0, [("a", "x")]);
    }

    #[test]
    fn a_forgotten_quotation_mark_does_not_eat_the_next_attribute() {
        let (attributes, end, faults) = scan(" rel=\"self type=\"text/html\" href=\"/?a=\">");
        assert_eq!(
            attributes,
            [("rel", "self"), ("type", "text/html"), ("href", "/?a=")]
        );
        assert_eq!((end, faults), (End::At(40, false), vec![Fault::OpenQuote]));
    }

    #[test]
    fn a_forgotten_quotation_mark_does_not_eat_the_next_tag() {
        assert_eq!(
            scan(" a=\"x>text <b c=\"y\">"),
            (vec![("a", "x")], End::At(6, false), vec![Fault::OpenQuote])
        );
        assert_eq!(
            scan(" a=\"x <b> y\">"),
            (vec![("a", "x <b> y")], End::At(13, false), vec![])
        );
    }

    #[test]
    fn an_unfinished_tag_ends_where_the_next_begins() {
        assert_eq!(
            scan(" a=\"1\" <b>"),
            (vec![("a", "1")], End::At(7, false), vec![Fault::OpenTag])
        );
        assert_eq!(
            scan(" a=\"1"),
            (vec![("a", "1")], End::Eof, vec![Fault::OpenQuote])
        );
    }
}
