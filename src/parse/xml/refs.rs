//! Character references of the XML level: `&amp;`, `&#8217;`, and the HTML names that so many feeds use without declaring them.
//!
//! Raw text goes in, decoded text comes out, with word of what was wrong. Entities of a DTD are never expanded.

use std::borrow::Cow;

use crate::html;

/// The longest name of an HTML entity is shorter than this.
const LONGEST: usize = 34;

/// What was wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `&` that begins no reference.
    BareAmpersand,
    /// A name that XML does not know; `true` if HTML does.
    Undefined {
        /// HTML knows the name, so it was decoded.
        html: bool,
    },
    /// A number that is no character XML allows.
    NotACharacter,
    /// `]]>` outside of a CDATA section.
    CdataEnd,
}

/// Decodes `raw` behind what `out` holds already; `fault` hears of every fault with its byte in `raw`.
pub(super) fn decode_into<'a>(
    out: &mut Cow<'a, str>,
    raw: &'a str,
    mut fault: impl FnMut(Fault, usize),
) {
    let bytes = raw.as_bytes();
    let mut from = 0;
    for at in memchr::memchr2_iter(b'&', b']', bytes) {
        if at < from {
            continue;
        }
        if bytes[at] == b']' {
            if bytes[at..].starts_with(b"]]>") {
                fault(Fault::CdataEnd, at);
            }
            continue;
        }
        let Some(reference) = reference(&raw[at..]) else {
            fault(Fault::BareAmpersand, at);
            continue;
        };
        append(out, &raw[from..at]);
        match reference {
            Reference::Char(c, len) => {
                out.to_mut().push(c);
                from = at + len;
            }
            Reference::Html(text, len) => {
                fault(Fault::Undefined { html: true }, at);
                out.to_mut().push_str(&text);
                from = at + len;
            }
            Reference::Mapped(text, len) => {
                out.to_mut().push_str(&text);
                from = at + len;
            }
            Reference::Unknown => {
                fault(Fault::Undefined { html: false }, at);
                from = at;
            }
            Reference::Open(c, len) => {
                fault(Fault::BareAmpersand, at);
                out.to_mut().push(c);
                from = at + len;
            }
            Reference::Nothing(len) => {
                fault(Fault::NotACharacter, at);
                out.to_mut();
                from = at + len;
            }
            Reference::Surrogate(len) => {
                fault(Fault::NotACharacter, at);
                out.to_mut().push('\u{FFFD}');
                from = at + len;
            }
        }
    }
    append(out, &raw[from..]);
}

/// Adds `more`; the first piece is only borrowed.
pub(super) fn append<'a>(out: &mut Cow<'a, str>, more: &'a str) {
    if more.is_empty() {
    } else if out.is_empty() && matches!(out, Cow::Borrowed(_)) {
        *out = Cow::Borrowed(more);
    } else {
        out.to_mut().push_str(more);
    }
}

/// A reference at the start of some text, with its length in bytes.
enum Reference {
    Char(char, usize),
    /// Without its `;`.
    Open(char, usize),
    Html(String, usize),
    Mapped(String, usize),
    Unknown,
    Nothing(usize),
    Surrogate(usize),
}

/// Reads the reference that `text` begins with; `None` if its `&` is bare.
fn reference(text: &str) -> Option<Reference> {
    let bytes = text.as_bytes();
    match bytes.get(1)? {
        b'#' => number(text),
        first if first.is_ascii_alphabetic() || *first == b'_' => {
            let name_end = bytes
                .iter()
                .take(LONGEST)
                .skip(1)
                .position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'_' | b'-' | b'.'))?
                + 1;
            if bytes[name_end] != b';' {
                return open(&text[..name_end], bytes[name_end]);
            }
            let len = name_end + 1;
            Some(match &text[1..name_end] {
                "amp" => Reference::Char('&', len),
                "lt" => Reference::Char('<', len),
                "gt" => Reference::Char('>', len),
                "quot" => Reference::Char('"', len),
                "apos" => Reference::Char('\'', len),
                _ => match html::unescape(&text[..len]) {
                    decoded if decoded != text[..len] && !decoded.starts_with('&') => {
                        Reference::Html(decoded.into_owned(), len)
                    }
                    _ => Reference::Unknown,
                },
            })
        }
        _ => None,
    }
}

/// `&amp`, `&lt`, `&gt` or `&quot` whose `;` is missing; not in `?a=1&lt=2`, where it is the name of something.
fn open(name: &str, next: u8) -> Option<Reference> {
    let c = match name {
        "&amp" => '&',
        "&lt" => '<',
        "&gt" => '>',
        "&quot" => '"',
        _ => return None,
    };
    (next != b'=').then_some(Reference::Open(c, name.len()))
}

/// Reads `&#…;`.
fn number(text: &str) -> Option<Reference> {
    let bytes = text.as_bytes();
    let (digits_at, radix) = if matches!(bytes.get(2), Some(b'x' | b'X')) {
        (3, 16)
    } else {
        (2, 10)
    };
    let digits = bytes[digits_at..]
        .iter()
        .take(12)
        .take_while(|b| b.is_ascii_hexdigit())
        .count();
    let end = digits_at + digits;
    if digits == 0 {
        return None;
    }
    if bytes.get(end) != Some(&b';') {
        return open_number(&text[digits_at..end], radix, end);
    }
    let Ok(code) = u32::from_str_radix(&text[digits_at..end], radix) else {
        // `&#1a;` is no number; eleven digits are one, but no character.
        return (digits > 9).then_some(Reference::Surrogate(end + 1));
    };
    let len = end + 1;
    Some(match code {
        0x9 | 0xA | 0xD | 0x20..=0x7E | 0xA0..=0xD7FF | 0xE000..=0xFFFD | 0x10000..=0x0010_FFFF => {
            char::from_u32(code).map_or(Reference::Surrogate(len), |c| Reference::Char(c, len))
        }
        // What Windows programs write for their own quotation marks and dashes.
        0x80..=0x9F => Reference::Mapped(html::unescape(&text[..len]).into_owned(), len),
        0..=0x1F | 0x7F => Reference::Nothing(len),
        _ => Reference::Surrogate(len),
    })
}

/// `&#8217` whose `;` is missing: a number of a character that prints.
fn open_number(digits: &str, radix: u32, len: usize) -> Option<Reference> {
    let code = u32::from_str_radix(digits, radix).ok()?;
    let c = char::from_u32(code).filter(|c| !c.is_control() && !html::is_illegal(*c))?;
    Some(Reference::Open(c, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(raw: &str) -> (String, Vec<Fault>) {
        let mut out = Cow::Borrowed("");
        let mut faults = Vec::new();
        decode_into(&mut out, raw, |fault, _| faults.push(fault));
        (out.into_owned(), faults)
    }

    #[test]
    fn references_become_characters_once() {
        assert_eq!(
            decode("a &lt;b&gt; &amp;amp; &#8217;&#x26;&#38;#38;"),
            ("a <b> &amp; ’&&#38;".to_owned(), vec![])
        );
        assert_eq!(decode("&rsquo;").0, "’");
        assert_eq!(decode("&rsquo;").1, [Fault::Undefined { html: true }]);
        assert_eq!(decode("&#146;"), ("’".to_owned(), vec![]));
    }

    #[test]
    fn what_is_no_reference_stays_as_it_is() {
        assert_eq!(
            decode("AT&T & co &"),
            ("AT&T & co &".to_owned(), vec![Fault::BareAmpersand; 3])
        );
        assert_eq!(
            decode("&ours; x"),
            (
                "&ours; x".to_owned(),
                vec![Fault::Undefined { html: false }]
            )
        );
        assert_eq!(decode("?a=1&lt=2&ltd=3").0, "?a=1&lt=2&ltd=3");
        assert_eq!(decode("a]]>b"), ("a]]>b".to_owned(), vec![Fault::CdataEnd]));
    }

    #[test]
    fn references_without_an_end_count_where_nothing_else_is_meant() {
        assert_eq!(
            decode("Tom &amp Jerry&#8217s &lt b &quot x&#x2019"),
            (
                "Tom & Jerry’s < b \" x’".to_owned(),
                vec![Fault::BareAmpersand; 5]
            )
        );
        assert_eq!(decode("?a&#1 &amplify &#zz").0, "?a&#1 &amplify &#zz");
    }

    #[test]
    fn impossible_characters_vanish_or_are_replaced() {
        assert_eq!(
            decode("a&#1;b&#xD800;c&#99999999999;"),
            (
                "ab\u{FFFD}c\u{FFFD}".to_owned(),
                vec![Fault::NotACharacter; 3]
            )
        );
    }

    #[test]
    fn text_without_references_is_borrowed() {
        let mut out = Cow::Borrowed("");
        decode_into(&mut out, "plain", |_, _| {});
        assert!(matches!(out, Cow::Borrowed("plain")));
    }
}
