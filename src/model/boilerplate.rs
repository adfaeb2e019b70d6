//! Which paragraphs a source puts under everything it says: footers, calls to subscribe, notes of its editors.

use std::collections::{HashMap, HashSet};

/// Entries that are remembered.
const ENTRIES: u32 = 200;
/// Paragraphs that are remembered; of more, those go that were seen once and longest ago.
const PARAGRAPHS: usize = 1024;
/// Paragraphs of one entry that count.
const OF_ONE: usize = 64;
/// A paragraph in so many entries is none of any of them.
const OFTEN: u16 = 3;

/// How often each paragraph was seen in a source's last entries, by hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boilerplate {
    /// Entries counted so far.
    pub entries: u32,
    /// Hash → in how many entries, and the number of the last of them.
    pub seen: HashMap<u32, (u16, u32)>,
}

impl Boilerplate {
    /// Counts one more entry with these paragraphs.
    pub fn count(&mut self, paragraphs: &[u32]) {
        self.entries = self.entries.wrapping_add(1);
        let unique: HashSet<u32> = paragraphs.iter().take(OF_ONE).copied().collect();
        for hash in unique {
            let (count, last) = self.seen.entry(hash).or_insert((0, 0));
            *count = count.saturating_add(1);
            *last = self.entries;
        }
        if self.seen.len() > PARAGRAPHS {
            self.forget();
        }
    }

    /// Takes away what the last entries did not have, and then the rarest.
    fn forget(&mut self) {
        let entries = self.entries;
        self.seen
            .retain(|_, (_, last)| entries.wrapping_sub(*last) < ENTRIES);
        if self.seen.len() > PARAGRAPHS {
            let mut all: Vec<(u16, u32, u32)> = self
                .seen
                .iter()
                .map(|(hash, (count, last))| (*count, *last, *hash))
                .collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            for (_, _, hash) in all.split_off(PARAGRAPHS / 4 * 3) {
                self.seen.remove(&hash);
            }
        }
    }

    /// True if this paragraph stands under everything.
    #[must_use]
    pub fn covers(&self, paragraph: u32) -> bool {
        self.seen.get(&paragraph).is_some_and(|(count, last)| {
            *count >= OFTEN && self.entries.wrapping_sub(*last) < ENTRIES
        })
    }

    /// True if nothing was counted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_known_by_its_third_time_and_forgotten_when_it_no_longer_comes() {
        let mut source = Boilerplate::default();
        for entry in 1..=2 {
            source.count(&[7, 7, entry * 1000]);
        }
        assert!(!source.covers(7));
        source.count(&[7]);
        assert!(source.covers(7) && !source.covers(1000));
        for entry in 0..ENTRIES {
            source.count(&[entry + 50_000]);
        }
        assert!(!source.covers(7));
    }

    #[test]
    fn memory_has_an_end_and_keeps_what_is_frequent() {
        let mut source = Boilerplate::default();
        for entry in 0..2000 {
            let own: Vec<u32> = (0..40).map(|n| 1_000 + entry * 40 + n).collect();
            source.count(&own);
            source.count(&[7]);
        }
        assert!(source.seen.len() <= PARAGRAPHS);
        assert!(source.covers(7));
    }
}
