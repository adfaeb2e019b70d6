//! HTML. The cleaner arrives with the next commits.

/// Plain text of a fragment.
#[must_use]
pub fn text(fragment: &str) -> String {
    fragment.to_owned()
}
