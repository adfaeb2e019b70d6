//! The loop: one visit, one outcome, the next visit planned from it.

use std::time::Duration;

use crate::model::source::Every;

/// `[poll]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shortest and longest interval.
    pub every: Every,
    /// How far a publisher's hint may stretch it.
    pub hint_cap: Duration,
    /// Longer silence is reported.
    pub silent_after: Duration,
    /// A permanent redirect must hold this long.
    pub move_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            every: Every {
                min: Duration::from_mins(15),
                max: Duration::from_secs(DAY),
            },
            hint_cap: Duration::from_secs(7 * DAY),
            silent_after: Duration::from_secs(30 * DAY),
            move_after: Duration::from_secs(DAY),
        }
    }
}
