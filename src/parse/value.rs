//! Small values: collapsed text, numbers, dates, yes and no.

use std::borrow::Cow;

use super::date;
use super::xml::{Level, Reader};
use crate::html;
use crate::model::time::Timestamp;
use crate::model::warning::WarningCode;

impl<'a> Reader<'a> {
    /// The element's value as text for people: without markup, references of HTML decoded, collapsed. `None` if empty.
    pub(super) fn words(&mut self, level: Level) -> Option<String> {
        let value = self.value(level);
        filled(plain(&value))
    }

    /// The element's value as written, trimmed. `None` if empty.
    pub(super) fn filled_value(&mut self, level: Level) -> Option<Cow<'a, str>> {
        let value = self.value(level);
        (!value.is_empty()).then_some(value)
    }

    /// The element's value as an address.
    pub(super) fn url_value(&mut self, level: Level) -> Option<String> {
        let base = self.base();
        let value = self.value(level);
        self.url_from(&value, base)
    }

    /// The element's value as a date.
    pub(super) fn date_value(&mut self, level: Level) -> Option<Timestamp> {
        let value = self.value(level);
        self.date(&value)
    }

    /// A date; a warning if it cannot be read.
    pub(super) fn date(&mut self, value: &str) -> Option<Timestamp> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let date = date::parse(value);
        if date.is_none() {
            self.note(WarningCode::BadDate, || {
                format!(
                    "`{}` is no date; write it as RFC 822 (RSS) or RFC 3339 (Atom)",
                    excerpt(value)
                )
            });
        }
        date
    }

    /// The element's value as a number.
    pub(super) fn number_value(&mut self, level: Level) -> Option<u64> {
        let value = self.value(level);
        self.number(&value)
    }

    /// A whole number; a warning if it is none.
    pub(super) fn number(&mut self, value: &str) -> Option<u64> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let number = value.parse().ok();
        if number.is_none() {
            self.bad(value, "whole number");
        }
        number
    }

    /// An attribute as a whole number.
    pub(super) fn number_attr(&mut self, name: &str) -> Option<u64> {
        let value = self.filled_attr(name)?;
        self.number(&value)
    }

    /// An attribute as an address.
    pub(super) fn url_attr(&mut self, name: &str) -> Option<String> {
        let value = self.filled_attr(name)?;
        self.url(&value)
    }

    /// An attribute as text, collapsed.
    pub(super) fn text_attr(&mut self, name: &str) -> Option<String> {
        filled(collapse(&self.filled_attr(name)?))
    }

    /// A playing time in seconds.
    pub(super) fn duration(&mut self, value: &str) -> Option<u64> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let seconds = date::duration(value);
        if seconds.is_none() {
            self.bad(value, "duration");
        }
        seconds
    }

    /// Warns of a value that is not the `kind` it should be.
    pub(super) fn bad(&mut self, value: &str, kind: &str) {
        self.note(WarningCode::BadValue, || {
            format!("`{}` is no {kind}", excerpt(value))
        });
    }
}

/// The beginning of a value, for a message.
pub(super) fn excerpt(value: &str) -> String {
    value.chars().take(60).collect()
}

/// `None` for the empty string.
pub(super) fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Plain text from a value that may carry HTML.
pub(super) fn plain(value: &str) -> String {
    if html::has_markup(value) {
        html::text(value)
    } else {
        collapse(&html::unescape(value))
    }
}

/// White space runs become one space, none is left at the ends.
pub(super) fn collapse(text: &str) -> String {
    let text = text.trim();
    let Some(first) = first_odd_space(text.as_bytes()) else {
        return text.to_owned();
    };
    // Start where the run of white space starts.
    let kept = text[..first].trim_end();
    let mut out = String::with_capacity(text.len());
    out.push_str(kept);
    for word in text[kept.len()..].split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The first white space that is not a single U+0020, looked for in blocks so that compilers can use wide registers.
fn first_odd_space(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 64;
    let mut at = 0;
    while at + BLOCK + 2 <= bytes.len() {
        let (here, next, third) = (
            &bytes[at..at + BLOCK],
            &bytes[(at + 1)..=(at + BLOCK)],
            &bytes[at + 2..at + BLOCK + 2],
        );
        let mut any = false;
        for ((&a, &b), &c) in here.iter().zip(next).zip(third) {
            any |= is_odd(a, b, c);
        }
        if any {
            break;
        }
        at += BLOCK;
    }
    let byte = |index: usize| bytes.get(index).copied().unwrap_or(0x21);
    // Only these bytes can begin one.
    let may_begin = |byte: u8| byte <= 0x20 || matches!(byte, 0xC2 | 0xE1..=0xE3);
    (at..bytes.len())
        .find(|&at| may_begin(bytes[at]) && is_odd(bytes[at], byte(at + 1), byte(at + 2)))
}

/// Does white space other than a single U+0020 begin with these bytes?
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches it compiles to wide instructions, ten times as fast"
)]
const fn is_odd(a: u8, b: u8, c: u8) -> bool {
    (a < 0x20)
        | ((a == 0x20) & (b <= 0x20))
        | ((a == 0xC2) & ((b == 0x85) | (b == 0xA0)))
        | ((a == 0xE1) & (b == 0x9A) & (c == 0x80))
        | ((a == 0xE2) & (b == 0x80) & ((c <= 0x8A) | (c == 0xA8) | (c == 0xA9) | (c == 0xAF)))
        | ((a == 0xE2) & (b == 0x81) & (c == 0x9F))
        | ((a == 0xE3) & (b == 0x80) & (c == 0x80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_of_all_scripts_collapses() {
        assert_eq!(collapse("  a b\n\t c "), "a b c");
        assert_eq!(collapse("a\u{a0}b\u{3000}c\u{2009}\u{2028}d"), "a b c d");
        assert_eq!(collapse("“字”，字。字"), "“字”，字。字");
        assert_eq!(collapse(" \n "), "");
        let long = "wörd ".repeat(100);
        assert_eq!(collapse(&long), long.trim());
        assert_eq!(
            collapse(&format!("{long} {long}")),
            format!("{0} {0}", long.trim())
        );
    }

    #[test]
    fn a_value_becomes_plain_text() {
        assert_eq!(plain("AT&amp;T  &rsquo;"), "AT&T ’");
        assert_eq!(plain("&lt;b>"), "<b>");
    }
}
