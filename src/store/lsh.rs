//! Finds near copies in memory: locality-sensitive hashing over the bands of signatures.
//!
//! Signatures come in in order of arrival and go in the same order, when the window has passed them. Each band of each is
//! a link in a chain of equal ones, the newest first, so that a look at a chain sees the newest and may stop there. A
//! signature costs some 610 bytes and 100 to 200 of chain heads.

use std::collections::VecDeque;

use crate::model::article::ArticleId;
use crate::model::signature::{
    BANDS, BODY_BANDS, Estimate, LEAD_BANDS, Reach, SERIES, Signature, Sketch, TITLE,
};
use crate::model::time::Timestamp;

/// Signatures in one piece of memory.
const CHUNK: usize = 256;
/// Links to a chain head at most, on the average: fewer heads take less memory, longer chains more time.
const LINKS: usize = 2;
/// The newest of a bucket that are looked at.
const BUCKET: usize = 64;
/// The same for headlines, which are looked at one by one.
const TITLES: usize = 16;
/// The most alike that are handed out.
const MOST: usize = 24;
/// So many entries of one source under one headline but for its digits and dates are a series.
const SERIES_FROM: usize = 3;

#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    at: Timestamp,
    copy: ArticleId,
    source: u32,
    shelf: u32,
    bands: [u32; BANDS],
    /// Place of the next older link of the same chain, plus one; 0: there is none.
    next: [u32; BANDS],
    sketch: Sketch,
}

/// One signature with what it belongs to.
#[derive(Debug, Clone)]
pub struct Print {
    /// In order of arrival.
    pub number: u64,
    /// When it was first seen.
    pub at: Timestamp,
    /// Guid key of the copy.
    pub copy: ArticleId,
    /// Its signature.
    pub signature: Signature,
}

/// A text that may be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Guid key of the copy.
    pub copy: ArticleId,
    /// When it was first seen.
    pub at: Timestamp,
    /// Hash of its source.
    pub source: u32,
    /// How alike the two seem.
    pub estimate: Estimate,
    /// Its headline is one of a series.
    pub in_series: bool,
}

/// What is looked for: among whom, not older than, and not newer than this number.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Among whom.
    pub reach: Reach,
    /// Not first seen before this.
    pub since: Timestamp,
    /// Numbers from … to …, both included.
    pub numbers: (u64, u64),
}

/// The signatures of the window.
#[derive(Debug, Default)]
pub struct Lsh {
    chunks: VecDeque<Vec<Slot>>,
    /// Signatures in chunks that are gone: places count on.
    gone: usize,
    heads: Vec<u32>,
    len: usize,
    /// The newest number.
    pub last: u64,
    /// The newest number whose commit is done.
    pub applied: u64,
}

impl Lsh {
    /// Signatures that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Slot>() + self.heads.capacity() * 4
    }

    /// Adds a signature; its number is higher than all before.
    pub fn insert(&mut self, print: &Print) {
        if (self.len + 1) * BANDS > self.heads.len() * LINKS {
            self.grow();
        }
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        let place =
            self.gone + (self.chunks.len() - 1) * CHUNK + self.chunks.back().map_or(0, Vec::len);
        let mut slot = Slot {
            number: print.number,
            at: print.at,
            copy: print.copy,
            source: print.signature.source,
            shelf: print.signature.shelf,
            bands: print.signature.bands,
            next: [0; BANDS],
            sketch: print.signature.sketch,
        };
        self.link(place, &mut slot);
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(slot);
        }
        self.len += 1;
        self.last = self.last.max(print.number);
    }

    fn link(&mut self, place: usize, slot: &mut Slot) {
        for band in 0..BANDS {
            let key = slot.bands[band];
            if key != 0 {
                let bucket = self.bucket(band, key);
                let node = place * BANDS + band + 1;
                slot.next[band] = self.heads[bucket];
                self.heads[bucket] = u32::try_from(node).unwrap_or(0);
            }
        }
    }

    fn bucket(&self, band: usize, key: u32) -> usize {
        // Fibonacci hashing; the keys are well mixed, but equal ones of different bands must not meet.
        let mixed = (u64::from(key) << 6 | band as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> 24).unwrap_or(0) & (self.heads.len() - 1)
    }

    /// Makes more chain heads and links everything anew, counting places from the oldest on.
    fn grow(&mut self) {
        let wanted = ((self.len + 1) * BANDS / LINKS).next_power_of_two();
        let wanted = wanted.max(1 << 12);
        self.heads = vec![0; wanted];
        self.gone = 0;
        let mut chunks = std::mem::take(&mut self.chunks);
        let mut place = 0;
        for chunk in &mut chunks {
            for slot in chunk.iter_mut() {
                slot.next = [0; BANDS];
                self.link(place, slot);
                place += 1;
            }
            place = place.next_multiple_of(CHUNK);
        }
        self.chunks = chunks;
    }

    fn slot(&self, place: usize) -> Option<&Slot> {
        let place = place.checked_sub(self.gone)?;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    /// The places of a chain down to a number, the newest first.
    fn chain(&self, band: usize, key: u32, from: u64) -> impl Iterator<Item = (usize, &Slot)> {
        let mut node = if key == 0 || self.heads.is_empty() {
            0
        } else {
            self.heads[self.bucket(band, key)]
        };
        std::iter::from_fn(move || {
            while node != 0 {
                let (place, of) = ((node as usize - 1) / BANDS, (node as usize - 1) % BANDS);
                let slot = self.slot(place).filter(|slot| slot.number >= from)?;
                node = slot.next[of];
                if of == band && slot.bands[band] == key {
                    return Some((place, slot));
                }
            }
            None
        })
    }

    /// True if the headline is one of a series, as far as is known and with `more` that are not in here.
    #[must_use]
    pub fn is_series(&self, key: u32, more: usize) -> bool {
        key != 0 && self.chain(SERIES, key, 0).take(SERIES_FROM).count() + more >= SERIES_FROM
    }

    /// Texts that may be the same as one, the most alike first.
    #[must_use]
    pub fn find(&self, sought: &Signature, range: &Range) -> Vec<Hit> {
        let (from, to) = range.numbers;
        let newest = |band: usize, most: usize| {
            self.chain(band, sought.bands[band], from)
                .take(most)
                .map(|(place, _)| place)
        };
        let mut places: Vec<usize> = Vec::new();
        for band in 0..BODY_BANDS {
            places.extend(newest(band, BUCKET));
        }
        for band in BODY_BANDS..BODY_BANDS + LEAD_BANDS {
            let before = places.len();
            places.extend(newest(band, BUCKET));
            // So many texts begin like this that it says nothing.
            if places.len() - before == BUCKET {
                places.truncate(before);
            }
        }
        let titled: Vec<usize> = newest(TITLE, TITLES).collect();
        places.extend(&titled);
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        let here = (sought.source, sought.shelf);
        let mut hits: Vec<Hit> = places
            .into_iter()
            .filter_map(|place| {
                let slot = self.slot(place)?;
                let fits = slot.number <= to
                    && slot.at >= range.since
                    && range.reach.covers(here, (slot.source, slot.shelf));
                let estimate = sought.sketch.estimate(&slot.sketch);
                let wanted = estimate.is_worth_a_look() || titled.contains(&place);
                (fits && wanted).then(|| Hit {
                    copy: slot.copy,
                    at: slot.at,
                    source: slot.source,
                    estimate,
                    in_series: self.is_series(slot.bands[SERIES], 0),
                })
            })
            .collect();
        hits.sort_by(|a, b| b.estimate.most().total_cmp(&a.estimate.most()));
        // An edited text has several signatures.
        let mut seen = std::collections::HashSet::new();
        hits.retain(|hit| seen.insert(hit.copy));
        hits.truncate(MOST);
        hits
    }

    /// Lets go of what was seen before a time, whole pieces of memory at once; gives the highest number that is gone.
    pub fn expire(&mut self, before: Timestamp) -> Option<u64> {
        let mut gone = None;
        while self.chunks.len() > 1
            && self.chunks[0].iter().all(|slot| slot.at < before)
            && self.chunks[0]
                .last()
                .is_some_and(|slot| slot.number <= self.applied)
        {
            if let Some(chunk) = self.chunks.pop_front() {
                gone = chunk.last().map(|slot| slot.number);
                self.len -= chunk.len();
                self.gone += CHUNK;
            }
        }
        // Places are 32 bits; they begin anew long before those are used up.
        if self.gone > 1 << 25 {
            self.grow();
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signature::{BODY, LEAD};

    fn print(number: u64, band: u32, byte: u8) -> Print {
        let mut bands = [0; BANDS];
        for (at, key) in bands.iter_mut().take(TITLE).enumerate() {
            *key = band * 1000 + u32::try_from(at).unwrap() + 1;
        }
        Print {
            number,
            at: Timestamp::from_secs(i64::try_from(number).unwrap()),
            copy: ArticleId(u128::from(number)),
            signature: Signature {
                bands,
                sketch: Sketch {
                    hashes: [byte; BODY + LEAD],
                    shingles: 100,
                },
                source: 1,
                shelf: 2,
            },
        }
    }

    fn all() -> Range {
        Range {
            reach: Reach::All,
            since: Timestamp::EPOCH,
            numbers: (0, u64::MAX),
        }
    }

    fn copies(lsh: &Lsh, of: &Print, range: &Range) -> Vec<u128> {
        lsh.find(&of.signature, range)
            .iter()
            .map(|hit| hit.copy.0)
            .collect()
    }

    #[test]
    fn equal_bands_meet_in_every_size_and_go_with_the_window() {
        let mut lsh = Lsh::default();
        for number in 1..=3000 {
            lsh.insert(&print(number, u32::try_from(number / 2).unwrap(), 5));
            lsh.applied = number;
        }
        for number in [2u64, 700, 2998] {
            let mut found = copies(
                &lsh,
                &print(0, u32::try_from(number / 2).unwrap(), 5),
                &all(),
            );
            found.sort_unstable();
            assert_eq!(found, [u128::from(number), u128::from(number) + 1]);
        }
        let gone = lsh.expire(Timestamp::from_secs(1000));
        assert_eq!(gone, Some(768));
        assert_eq!(lsh.len(), 3000 - 768);
        assert!(copies(&lsh, &print(0, 350, 5), &all()).is_empty());
        assert_eq!(copies(&lsh, &print(0, 1499, 5), &all()).len(), 2);
        for number in 3001..=20_000 {
            lsh.insert(&print(number, u32::try_from(number / 2).unwrap(), 5));
        }
        assert_eq!(copies(&lsh, &print(0, 1499, 5), &all()).len(), 2);
        assert!(
            lsh.bytes() / lsh.len() <= 1024,
            "{}",
            lsh.bytes() / lsh.len()
        );
    }

    #[test]
    fn reach_time_and_numbers_narrow_and_unlike_ones_are_left_out() {
        let mut lsh = Lsh::default();
        let mut far = print(1, 1, 5);
        far.signature.source = 9;
        lsh.insert(&far);
        lsh.insert(&print(2, 1, 5));
        lsh.insert(&print(3, 1, 77));
        let sought = print(0, 1, 5);
        assert_eq!(copies(&lsh, &sought, &all()), [2, 1]);
        let feed = Range {
            reach: Reach::Feed,
            ..all()
        };
        assert_eq!(copies(&lsh, &sought, &feed), [2]);
        let late = Range {
            since: Timestamp::from_secs(2),
            ..all()
        };
        assert_eq!(copies(&lsh, &sought, &late), [2]);
        let early = Range {
            numbers: (0, 1),
            ..all()
        };
        assert_eq!(copies(&lsh, &sought, &early), [1]);
    }

    #[test]
    fn a_bucket_shows_its_newest_and_formulaic_beginnings_say_nothing() {
        let mut lsh = Lsh::default();
        for number in 1..=200 {
            let mut one = print(number, 1, 5);
            one.signature.bands[..BODY_BANDS].fill(0);
            lsh.insert(&one);
        }
        assert!(copies(&lsh, &print(0, 1, 5), &all()).is_empty());
        let mut lsh = Lsh::default();
        for number in 1..=200 {
            lsh.insert(&print(number, 1, 5));
        }
        let found = copies(&lsh, &print(0, 1, 5), &all());
        assert!(
            found.len() == MOST && found.iter().all(|copy| *copy > 136),
            "{found:?}"
        );
    }
}
