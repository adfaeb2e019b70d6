//! Characters that no text of ours carries.

use std::borrow::Cow;

/// Bytes looked at together.
const BLOCK: usize = 64;

/// Removes what XML 1.0 cannot carry and no reader wants to see: control characters other than tab and line ends, and
/// the two non-characters at the end of the basic plane.
#[must_use]
pub fn hygiene(text: &str) -> Cow<'_, str> {
    match first_illegal(text) {
        None => Cow::Borrowed(text),
        Some(first) => {
            let mut clean = String::with_capacity(text.len());
            clean.push_str(&text[..first]);
            clean.extend(text[first..].chars().filter(|&c| !is_illegal(c)));
            Cow::Owned(clean)
        }
    }
}

/// Whether a character may not leave this house in any text: see [`hygiene`].
#[must_use]
pub const fn is_illegal(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Where the first illegal character stands. Several gigabytes a second: all that is read passes here.
#[must_use]
pub fn first_illegal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    // Each byte with its neighbour, without branches, which compilers turn into vector instructions.
    while let (Some(block), Some(next)) =
        (bytes.get(at..at + BLOCK), bytes.get(at + 1..=at + BLOCK))
    {
        let suspects = block
            .iter()
            .zip(next)
            .fold(0, |any, (&a, &b)| any | u8::from(may_begin_illegal(a, b)));
        if suspects != 0
            && let Some(found) = find(bytes, at, at + BLOCK)
        {
            return Some(found);
        }
        at += BLOCK;
    }
    find(bytes, at, bytes.len())
}

/// Whether an illegal character may begin with byte `a`, `b` being the byte after it.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches the compiler looks at a whole vector of bytes at once"
)]
const fn may_begin_illegal(a: u8, b: u8) -> bool {
    ((a < 0x20) & (a != b'\t') & (a != b'\n') & (a != b'\r'))
        | (a == 0x7F)
        | ((a == 0xC2) & (b < 0xA0))
        | ((a == 0xEF) & (b == 0xBF))
}

/// The first illegal character that begins in a part of a text.
fn find(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    (from..to).find(|&at| {
        let next = |ahead: usize| bytes.get(at + ahead).copied().unwrap_or(0);
        may_begin_illegal(bytes[at], next(1)) && (bytes[at] != 0xEF || next(2) >= 0xBE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_search_finds_what_the_definition_says() {
        let every: Vec<char> = (0..=0x2FFF_u32)
            .chain(0xFE00..=0x1_0010)
            .filter_map(char::from_u32)
            .collect();
        for c in every {
            // At each side of the border between two blocks, and at the end.
            for before in [0, 1, BLOCK - 2, BLOCK - 1, BLOCK, 2 * BLOCK - 1] {
                for after in [0, 1, BLOCK] {
                    let text = format!("{}{c}{}", "x".repeat(before), "\u{FFFD}".repeat(after));
                    assert_eq!(
                        first_illegal(&text),
                        is_illegal(c).then_some(before),
                        "{c:?} {before} {after}"
                    );
                }
            }
        }
    }

    #[test]
    fn hygiene_takes_what_xml_cannot_carry() {
        assert_eq!(
            hygiene("a\0b\u{b}c\td\r\ne\u{85}f\u{ffff}g\u{feff}é"),
            "abc\td\r\nefg\u{feff}é"
        );
    }
}
