//! Character references of HTML (HTML standard, 13.2.5.72 and following): `&amp;`, `&copy`, `&#8217;`, `&#x2019;`.
//!
//! The names are the table of html5ever, so that plain text and clean HTML never disagree about them. What a reference
//! names but no text may carry (control characters) vanishes with it.

use std::borrow::Cow;

use html5ever::data::NAMED_ENTITIES;
use memchr::{memchr, memmem};

/// What `&#128;` to `&#159;` mean: the characters that windows-1252 has there. Zero where it has none.
const C1: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
    0x0152, 0, 0x017D, 0, 0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC,
    0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];

/// No name of the table is longer (`CounterClockwiseContourIntegral;` has 32 characters).
const LONGEST: usize = 32;
/// No name that works without its semicolon is longer.
const LONGEST_BARE: usize = 6;

/// Where a reference stands: inside attribute values `&copy=1` and `&copyright` are not one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In text.
    Text,
    /// In the value of an attribute.
    Attribute,
}

/// One decoded reference: up to two characters, and how many bytes after the `&` it took.
pub(super) struct Reference {
    pub(super) first: Option<char>,
    pub(super) second: Option<char>,
    pub(super) length: usize,
}

/// The text of an entity of HTML by its name, without `&` and `;`: `nbsp`, `rsquo`, `Auml`.
#[must_use]
pub fn named(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len() + 1);
    key.push_str(name);
    key.push(';');
    let (first, second) = lookup(&key)?;
    Some(first.into_iter().chain(second).collect())
}

/// Decodes every reference of a text as HTML does, named ones with or without the semicolon where HTML allows that.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    decode(text, Place::Text, |piece| out.push_str(piece));
    Cow::Owned(out)
}

/// Hands the text to `take` piece by piece, with references decoded.
pub(super) fn decode(text: &str, place: Place, mut take: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        match reference(&rest[at + 1..], place) {
            Some(found) => {
                take(&rest[..at]);
                let mut buffer = [0; 4];
                for c in [found.first, found.second].into_iter().flatten() {
                    take(c.encode_utf8(&mut buffer));
                }
                rest = &rest[at + 1 + found.length..];
            }
            None => {
                take(&rest[..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    take(rest);
}

/// Whether a numeric reference in markup names a character that no text may carry.
pub(super) fn names_what_vanishes(markup: &str) -> bool {
    let mut numbers = memmem::find_iter(markup.as_bytes(), b"&#");
    numbers.any(|at| numeric(&markup[at + 1..]).is_some_and(|found| found.first.is_none()))
}

/// Reads the reference whose `&` stands just before `after`, if there is one.
pub(super) fn reference(after: &str, place: Place) -> Option<Reference> {
    match after.as_bytes().first()? {
        b'#' => numeric(after),
        c if c.is_ascii_alphanumeric() => by_name(after, place),
        _ => None,
    }
}

fn numeric(after: &str) -> Option<Reference> {
    let bytes = after.as_bytes();
    let (radix, start) = if matches!(bytes.get(1), Some(b'x' | b'X')) {
        (16, 2)
    } else {
        (10, 1)
    };
    let digits = bytes[start..]
        .iter()
        .take_while(|b| char::from(**b).is_digit(radix))
        .count();
    if digits == 0 {
        return None;
    }
    let end = start + digits;
    // A number too long for u32 is beyond Unicode all the same.
    let code = u32::from_str_radix(&after[start..end], radix).unwrap_or(u32::MAX);
    let length = end + usize::from(bytes.get(end) == Some(&b';'));
    Some(Reference {
        first: by_number(code),
        second: None,
        length,
    })
}

/// The character of a numeric reference; `None` if it names one that no text may carry.
fn by_number(code: u32) -> Option<char> {
    let code = match code {
        0 => 0xFFFD,
        0x0D => 0x0A,
        0x80..=0x9F => u32::from(C1[(code - 0x80) as usize]),
        code => code,
    };
    let c = char::from_u32(code).unwrap_or('\u{FFFD}');
    (!super::is_illegal(c)).then_some(c)
}

fn by_name(after: &str, place: Place) -> Option<Reference> {
    let bytes = after.as_bytes();
    let run = bytes
        .iter()
        .take(LONGEST + 1)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    if bytes.get(run) == Some(&b';')
        && let Some((first, second)) = lookup(&after[..=run])
    {
        return Some(Reference {
            first,
            second,
            length: run + 1,
        });
    }
    let longest = run.min(LONGEST_BARE);
    let (length, (first, second)) = (2..=longest)
        .rev()
        .find_map(|n| lookup(&after[..n]).map(|found| (n, found)))?;
    let next = bytes.get(length);
    if place == Place::Attribute && next.is_some_and(|b| *b == b'=' || b.is_ascii_alphanumeric()) {
        return None;
    }
    Some(Reference {
        first,
        second,
        length,
    })
}

fn lookup(name: &str) -> Option<(Option<char>, Option<char>)> {
    // Nine of ten are one of these.
    match name {
        "amp;" => return Some((Some('&'), None)),
        "lt;" => return Some((Some('<'), None)),
        "gt;" => return Some((Some('>'), None)),
        "quot;" => return Some((Some('"'), None)),
        "nbsp;" => return Some((Some('\u{A0}'), None)),
        _ => {}
    }
    let &(first, second) = NAMED_ENTITIES.get(name)?;
    // The table also holds the beginnings of names, with zeros.
    if first == 0 {
        return None;
    }
    let second = if second == 0 {
        None
    } else {
        char::from_u32(second)
    };
    Some((char::from_u32(first), second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_those_of_html() {
        for (source, plain) in [
            ("a &amp; b", "a & b"),
            ("AT&T", "AT&T"),
            ("&", "&"),
            ("&;", "&;"),
            ("&&amp;&", "&&&"),
            ("&nbsp;|&rsquo;|&hellip;", "\u{a0}|’|…"),
            ("&copy 2024 &amp more", "© 2024 & more"),
            ("&notit; &notin;", "¬it; ∉"),
            ("&nosuch; &rsquo", "&nosuch; &rsquo"),
            ("&NotEqualTilde;", "≂̸"),
            ("&CounterClockwiseContourIntegral;", "∳"),
            ("&#65;&#x42;&#X43;&#68", "ABCD"),
            (
                "&#146;&#x80;&#129;",
                "’€\u{FFFD}".trim_end_matches('\u{FFFD}'),
            ),
            (
                "&#xD800;&#0;&#1114112;&#99999999999999;",
                "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}",
            ),
            ("a&#1;b&#x1F;c&#127;d&#xFFFE;e", "abcde"),
            ("&#10;&#13;&#9;", "\n\n\t"),
            ("&#;&#x;&#xg;", "&#;&#x;&#xg;"),
            ("&amp;lt;b>", "&lt;b>"),
            ("日本&yen;語", "日本¥語"),
        ] {
            assert_eq!(unescape(source), plain, "{source}");
        }
    }

    #[test]
    fn an_address_in_an_attribute_keeps_its_parameters() {
        let decoded = |text: &str| {
            let mut out = String::new();
            decode(text, Place::Attribute, |piece| out.push_str(piece));
            out
        };
        assert_eq!(decoded("?a=1&copy=2&amp;reg=3&lt"), "?a=1&copy=2&reg=3<");
        assert_eq!(decoded("?a=1&copyright"), "?a=1&copyright");
    }

    #[test]
    fn entities_by_name() {
        assert_eq!(named("nbsp").as_deref(), Some("\u{a0}"));
        assert_eq!(named("Auml").as_deref(), Some("Ä"));
        assert_eq!(named("nosuch"), None);
        assert_eq!(named("no"), None);
    }
}
