//! What every engine does alike: how much at once, how dates and hashes are shortened, which spelling is shown.

use crate::model::article::{Head, Sighting};
use crate::model::label::LabelCount;
use crate::model::time::Timestamp;

/// Articles that one commit of retention drops at most.
pub(super) const FORGET_AT_ONCE: usize = 256;
/// Spellings of one label that are counted.
pub(super) const SPELLINGS: usize = 7;

/// Seconds of a tick.
const TICK: u32 = 300;

/// Ticks since 2020 began: tombstones are dated no finer.
pub(super) fn tick(at: Timestamp) -> u32 {
    const BEGIN: i64 = 1_577_836_800;
    u32::try_from((at.as_secs() - BEGIN).max(0) / i64::from(TICK)).unwrap_or(u32::MAX)
}

/// Whole ticks of a duration.
pub(super) fn ticks(duration: std::time::Duration) -> u64 {
    duration.as_secs() / u64::from(TICK)
}

/// The first 64 bits of a key: how a source's state names what it lists.
pub(super) fn prefix(hash: u128) -> u64 {
    u64::try_from(hash >> 64).expect("64 bits are left")
}

/// Sightings as the head names them; one that it does not name is gone.
pub(super) fn in_order(head: &Head, mut all: Vec<Sighting>) -> Vec<Sighting> {
    let mut sorted = Vec::with_capacity(all.len());
    for seen in &head.seen_at {
        let same =
            |s: &Sighting| s.source.as_ref() == Some(&seen.source) && s.guid_key == seen.guid_key;
        if let Some(at) = all.iter().position(same) {
            sorted.push(all.remove(at));
        }
    }
    sorted
}

/// The spelling that most articles use; of equals the first in the order of the alphabet.
pub(super) fn commonest(spellings: &[(String, u64)]) -> Option<&str> {
    spellings
        .iter()
        .filter(|(_, count)| *count > 0)
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
        .map(|(spelling, _)| spelling.as_str())
}

/// Most articles first, then by key.
pub(super) fn by_count(counts: &mut [LabelCount]) {
    counts.sort_unstable_by(|a, b| b.articles.cmp(&a.articles).then_with(|| a.key.cmp(&b.key)));
}
