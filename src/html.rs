//! HTML: what a feed carries inside its texts, made clean or made plain.
//!
//! Fragments come in as publishers write them, in any state. Out go clean fragments ([`fn@clean`]) that are safe inside any
//! element of a page, or plain text ([`fn@text`]). Nothing here fetches, nothing here fails: what cannot be kept is dropped.

mod attribute;
mod clean;
mod direct;
mod element;
mod finish;
mod hygiene;
mod reference;
mod scan;
mod tame;
mod text;
mod writer;

pub use clean::{Cleaned, DEPTH, clean, clean_noting, from_text};
pub use hygiene::{first_illegal, hygiene, is_illegal};
pub use reference::{named as entity, unescape};
pub use text::{has_markup, lines, text};

/// Cleans a fragment by the fast road, where it is open, and by the HTML parser: for a fuzzer to compare.
#[cfg(fuzzing)]
#[must_use]
pub fn both_roads(fragment: &str, base: &url::Url) -> (Option<Cleaned>, Cleaned) {
    let fragment = clean::normalised(fragment);
    (
        clean::at_once(&fragment, Some(base)),
        clean::parsed(&fragment, Some(base)),
    )
}

#[cfg(test)]
mod tests;
