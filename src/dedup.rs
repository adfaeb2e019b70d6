//! Step 4. Decides what is new, what is an edit, and what was seen before; touches nothing.

use std::time::Duration;

/// How far recognition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// By guid and URL alone.
    Off,
    /// And by equal text.
    Strict,
    /// And by near-equal text: a story is one article.
    #[default]
    Cluster,
}

/// Among whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Within one source.
    Feed,
    /// Within one category.
    Category,
    /// Among all.
    #[default]
    All,
}

/// `[dedup]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far recognition goes.
    pub mode: Mode,
    /// Among whom.
    pub scope: Reach,
    /// How far apart in time two copies of a text may be.
    pub window: Duration,
    /// A copy elsewhere moves `updated`.
    pub bump_on_new_source: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            scope: Reach::default(),
            window: Duration::from_hours(168),
            bump_on_new_source: false,
        }
    }
}
