//! HTML: what a feed carries inside its texts, made clean or made plain.
//!
//! Fragments come in as publishers write them, in any state. Out go clean fragments ([`clean`]) that are safe inside any
//! element of a page, or plain text ([`text`]). Nothing here fetches, nothing here fails: what cannot be kept is dropped.

use std::borrow::Cow;

mod attribute;
mod clean;
mod direct;
mod finish;
mod reference;
mod scan;
mod tame;
mod text;
mod writer;

pub use clean::{Cleaned, DEPTH, clean, clean_noting};
pub use reference::{named as entity, unescape};
pub use text::{has_markup, text};

/// Removes what XML 1.0 cannot carry and no reader wants to see: control characters other than tab and line ends, and
/// the two non-characters at the end of the basic plane.
#[must_use]
pub fn hygiene(text: &str) -> Cow<'_, str> {
    match text.char_indices().find(|&(_, c)| is_illegal(c)) {
        None => Cow::Borrowed(text),
        Some((first, _)) => {
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

#[cfg(test)]
mod tests;
