//! Finds near copies in memory: locality-sensitive hashing over the bands of signatures.
//!
//! Signatures come in in order of arrival and go in the same order, when the window has passed them, or one by one when
//! their articles have gone. Each band has a table of its own, hashed with linear probing: a
//! cell is the place of a signature and a byte of what it agrees on there. So a look at a band reads a few neighbours, and a
//! signature only where that byte agrees. A signature takes 224 bytes, and 250 to 380 of tables.

mod slots;

use std::collections::HashSet;

use crate::model::article::ArticleId;
use crate::model::signature::{
    BANDS, BODY_BANDS, Estimate, LEAD_BANDS, Reach, SERIES, Signature, TITLE,
};
use crate::model::time::Timestamp;

pub use slots::Piece;
use slots::{CHUNK, Slot, Slots};

/// A table is at most so full, in percent; then it grows by half.
const FULL: usize = 80;
/// Signatures that the smallest table has room for.
const SMALLEST: usize = 256;
/// Places fit 24 bits, beside a byte of the key.
const PLACES: usize = (1 << 24) - 1;
/// Of what agrees in a band so many are kept, the newest ones.
const BUCKET: usize = 64;
/// So many headlines, which are looked at one by one.
const TITLES: usize = 16;
/// The most alike that are handed out.
const MOST: usize = 24;
/// So many entries of one source under one headline but for its digits and dates are a series.
const SERIES_FROM: usize = 3;

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
    slots: Slots,
    /// One for each band. They grow one at a time, at different sizes: whoever waits for one that grows does not wait long.
    tables: Vec<Table>,
    /// The newest number.
    pub last: u64,
    /// The newest number whose commit is done.
    pub applied: u64,
}

/// What a signature is looked for by in one band, spread over 64 bits.
#[derive(Debug, Clone, Copy)]
struct Spread(u64);

impl Spread {
    /// `None` if it is not in this band.
    fn of(signature: &Signature, band: usize) -> Option<Self> {
        let key = u64::from(signature.band(band)?) ^ signature.realm;
        // Fibonacci hashing: the upper bits depend on all of the key.
        Some(Self(key.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The byte that stands in its cell.
    fn byte(self) -> u32 {
        u32::from(self.0.to_le_bytes()[2])
    }

    /// The cell where looking for it begins.
    fn first(self, cells: usize) -> usize {
        usize::try_from((u128::from(self.0) * cells as u128) >> 64).unwrap_or(0)
    }
}

/// The signatures of one band.
#[derive(Debug, Default)]
struct Table {
    /// Of each cell its place, counted from 1, above a byte of the key; 0 if it is empty.
    cells: Vec<u32>,
    /// Signatures that it was given, still there or not.
    entered: usize,
}

impl Table {
    fn is_full(&self) -> bool {
        self.entered * 100 >= self.cells.len() * FULL
    }

    /// Makes it anew, with room for so many.
    fn remake(&mut self, band: usize, slots: &Slots, room: usize) {
        // Never two of it at a time.
        self.cells = Vec::new();
        self.cells = vec![0; room * 100 / FULL + 1];
        self.entered = 0;
        for (place, slot) in slots.iter() {
            self.enter(band, slots, place, &slot.signature);
        }
    }

    /// Puts a signature into it, in which there is an empty cell.
    fn enter(&mut self, band: usize, slots: &Slots, place: usize, signature: &Signature) {
        self.entered += 1;
        let Some(spread) = Spread::of(signature, band) else {
            return;
        };
        let cells = &mut self.cells;
        let (mut equal, mut oldest, mut gone) = (0, (usize::MAX, 0), None);
        let mut at = spread.first(cells.len());
        while cells[at] != 0 {
            let other = place_in(cells[at]);
            match slots.get(other) {
                None => gone = Some(at),
                Some(slot)
                    if cells[at] & 0xff == spread.byte()
                        && slot.signature.meets(signature, band) =>
                {
                    equal += 1;
                    oldest = oldest.min((other, at));
                }
                Some(_) => {}
            }
            at = if at + 1 == cells.len() { 0 } else { at + 1 };
        }
        let at = if equal < BUCKET {
            gone.unwrap_or(at)
        } else {
            oldest.1
        };
        if let Ok(place) = u32::try_from(place + 1) {
            cells[at] = place << 8 | spread.byte();
        }
    }
}

/// The place in a cell that is not empty.
fn place_in(cell: u32) -> usize {
    (cell >> 8) as usize - 1
}

impl Lsh {
    /// Signatures that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len
    }

    /// True if it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.len == 0
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells: usize = self.tables.iter().map(|table| table.cells.capacity()).sum();
        self.slots.capacity() * size_of::<Slot>() + cells * size_of::<u32>()
    }

    /// Adds a signature that is found once [`Self::make_tables`] has been called; gives its place.
    pub fn push(&mut self, print: &Print) -> usize {
        if self.len() + CHUNK > PLACES
            && let Some(oldest) = self.slots.oldest()
        {
            self.slots.thin(oldest, |_| false);
        }
        self.last = self.last.max(print.number);
        self.slots.push(Slot {
            number: print.number,
            at: print.at,
            copy: print.copy,
            signature: print.signature.clone(),
        })
    }

    /// Lets those be found that were pushed. Each table is filled by itself, as long as it fits the processor's cache: where
    /// many signatures come at once, this takes a quarter of the time of inserting them.
    pub fn make_tables(&mut self) {
        self.slots.number_anew();
        let room = self.len().max(SMALLEST);
        self.tables.resize_with(BANDS, Table::default);
        for (band, table) in self.tables.iter_mut().enumerate() {
            table.remake(band, &self.slots, room + room * band / (2 * BANDS));
        }
    }

    /// Adds a signature; its number is higher than all before.
    pub fn insert(&mut self, print: &Print) {
        let place = self.push(print);
        if self.tables.is_empty() || place >= PLACES {
            self.make_tables();
        } else {
            self.enter(place);
        }
    }

    /// Lets the signature at a place be found in all bands.
    fn enter(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else {
            return;
        };
        let room = self.len() * 3 / 2;
        for (band, table) in self.tables.iter_mut().enumerate() {
            if table.is_full() {
                table.remake(band, &self.slots, room);
            } else {
                table.enter(band, &self.slots, place, &slot.signature);
            }
        }
    }

    /// The places of those that meet this one in a band, down to a number.
    fn meeting(&self, sought: &Signature, band: usize, from: u64) -> impl Iterator<Item = usize> {
        let spread = Spread::of(sought, band).filter(|_| !self.is_empty());
        let cells = spread.into_iter().flat_map(move |spread| {
            let table = &self.tables[band].cells;
            let (before, after) = table.split_at(spread.first(table.len()));
            let cells = after.iter().chain(before).take_while(|cell| **cell != 0);
            cells.filter(move |cell| **cell & 0xff == spread.byte())
        });
        cells.map(|cell| place_in(*cell)).filter(move |place| {
            self.slots
                .get(*place)
                .is_some_and(|slot| slot.number >= from && sought.meets(&slot.signature, band))
        })
    }

    /// True if the headline is one of a series, as far as is known and with `more` that are not in here.
    #[must_use]
    pub fn is_series(&self, of: &Signature, more: usize) -> bool {
        let known = self.meeting(of, SERIES, 0).take(SERIES_FROM);
        of.series != 0 && known.count() + more >= SERIES_FROM
    }

    /// Texts that may be the same as one, the most alike first.
    #[must_use]
    pub fn find(&self, sought: &Signature, range: &Range) -> Vec<Hit> {
        let (from, to) = range.numbers;
        let mut places: Vec<usize> = Vec::new();
        for band in 0..BODY_BANDS {
            places.extend(self.meeting(sought, band, from));
        }
        for band in BODY_BANDS..BODY_BANDS + LEAD_BANDS {
            let before = places.len();
            places.extend(self.meeting(sought, band, from));
            // So many texts begin like this that it says nothing.
            if places.len() - before == BUCKET {
                places.truncate(before);
            }
        }
        let mut titled: Vec<usize> = self.meeting(sought, TITLE, from).collect();
        titled.sort_unstable_by(|a, b| b.cmp(a));
        titled.truncate(TITLES);
        places.extend(&titled);
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        let here = (sought.source, sought.shelf);
        let mut hits: Vec<Hit> = places
            .into_iter()
            .filter_map(|place| {
                let slot = self.slots.get(place)?;
                let there = (slot.signature.source, slot.signature.shelf);
                let fits =
                    slot.number <= to && slot.at >= range.since && range.reach.covers(here, there);
                let estimate = sought.sketch.estimate(&slot.signature.sketch);
                let wanted = estimate.is_worth_a_look() || titled.contains(&place);
                (fits && wanted).then(|| Hit {
                    copy: slot.copy,
                    at: slot.at,
                    source: slot.signature.source,
                    estimate,
                    in_series: self.is_series(&slot.signature, 0),
                })
            })
            .collect();
        hits.sort_by(|a, b| b.estimate.most().total_cmp(&a.estimate.most()));
        // An edited text has several signatures.
        let mut seen = HashSet::new();
        hits.retain(|hit| seen.insert(hit.copy));
        hits.truncate(MOST);
        hits
    }

    /// Lets go of what was seen before a time, whole pieces of memory at once; gives the highest number that is gone.
    pub fn expire(&mut self, before: Timestamp) -> Option<u64> {
        let mut gone = None;
        while let Some(oldest) = self.slots.oldest()
            && self.slots.piece(oldest).iter().all(|slot| slot.at < before)
            && self.may_go(oldest)
        {
            self.slots.thin(oldest, |_| false);
            gone = Some(oldest.last);
        }
        gone
    }

    /// The pieces that may go, oldest first: all whose commits are done, but for the last one.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.slots.pieces().filter(|piece| self.may_go(*piece))
    }

    fn may_go(&self, piece: Piece) -> bool {
        self.slots.newest() != Some(piece.last) && piece.last <= self.applied
    }

    /// The copies of a piece; none if it has gone meanwhile.
    #[must_use]
    pub fn copies(&self, piece: Piece) -> Vec<ArticleId> {
        let slots = self.slots.piece(piece);
        slots.iter().map(|slot| slot.copy).collect()
    }

    /// Lets go of the signatures of a piece whose copies are not among these.
    pub fn keep(&mut self, piece: Piece, living: &HashSet<ArticleId>) {
        // What stays is found at its new place. At the old one another may stand, which then does not meet what is sought.
        for place in self.slots.thin(piece, |slot| living.contains(&slot.copy)) {
            self.enter(place);
        }
    }

    /// The numbers of all, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().map(|(_, slot)| slot.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::signature::{BODY, LEAD, Sketch};

    /// Some text.
    fn text(number: u64) -> [u8; BODY + LEAD] {
        let mut hashes = [0; BODY + LEAD];
        fastrand::Rng::with_seed(number).fill(&mut hashes);
        hashes
    }

    fn print(number: u64, hashes: [u8; BODY + LEAD]) -> Print {
        Print {
            number,
            at: Timestamp::from_secs(i64::try_from(number).unwrap()),
            copy: ArticleId(u128::from(number)),
            signature: Signature {
                realm: 3,
                title: 0,
                series: 0,
                sketch: Sketch {
                    hashes,
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
    fn equal_texts_meet_in_every_size_and_go_with_the_window() {
        let mut lsh = Lsh::default();
        for number in 1..=3000 {
            lsh.insert(&print(number, text(number / 2)));
            lsh.applied = number;
        }
        for number in [2u64, 700, 2998] {
            let mut found = copies(&lsh, &print(0, text(number / 2)), &all());
            found.sort_unstable();
            assert_eq!(found, [u128::from(number), u128::from(number) + 1]);
        }
        let gone = lsh.expire(Timestamp::from_secs(1000));
        assert_eq!(gone, Some(960));
        assert_eq!(lsh.len(), 3000 - 960);
        assert!(copies(&lsh, &print(0, text(350)), &all()).is_empty());
        assert_eq!(copies(&lsh, &print(0, text(1499)), &all()).len(), 2);
        for number in 3001..=20_000 {
            lsh.insert(&print(number, text(number / 2)));
        }
        assert_eq!(copies(&lsh, &print(0, text(1499)), &all()).len(), 2);
        assert!(
            lsh.bytes() / lsh.len() <= 768,
            "{}",
            lsh.bytes() / lsh.len()
        );
    }

    #[test]
    fn what_goes_makes_room_and_what_stays_is_found() {
        let mut lsh = Lsh::default();
        let stays = |number: u64| number.is_multiple_of(50);
        let (mut most, mut bytes) = (0, 0);
        for number in 1..=20_000 {
            lsh.insert(&print(number, text(number)));
            lsh.applied = number;
            if number % 500 == 0 {
                for piece in lsh.pieces().collect::<Vec<_>>() {
                    let copies = lsh.copies(piece);
                    let living = copies
                        .into_iter()
                        .filter(|copy| stays(u64::try_from(copy.0).unwrap()));
                    lsh.keep(piece, &living.collect());
                }
                most = most.max(lsh.len());
                bytes = bytes.max(lsh.bytes());
            }
        }
        assert!(most <= 400 + CHUNK, "{most}");
        assert!(bytes < 2000 * 768, "{bytes}");
        let check = |lsh: &Lsh| {
            assert_eq!(lsh.numbers().count(), lsh.len());
            assert!(lsh.numbers().is_sorted());
            for number in [50, 1000, 10_050, 19_950, 20_000, 1, 99, 10_001, 19_001] {
                let found = copies(lsh, &print(0, text(number)), &all());
                assert_eq!(!found.is_empty(), stays(number), "{number}: {found:?}");
            }
        };
        check(&lsh);
        lsh.make_tables();
        check(&lsh);
    }

    #[test]
    fn realm_reach_time_and_numbers_narrow_and_unlike_ones_are_left_out() {
        let mut lsh = Lsh::default();
        let mut far = print(1, text(1));
        far.signature.source = 9;
        lsh.insert(&far);
        lsh.insert(&print(2, text(1)));
        // It meets the others in one band.
        let mut unlike = text(2);
        unlike[..BODY / BODY_BANDS].copy_from_slice(&text(1)[..BODY / BODY_BANDS]);
        lsh.insert(&print(3, unlike));
        let mut private = print(4, text(1));
        private.signature.realm = 4;
        lsh.insert(&private);
        let sought = print(0, text(1));
        assert!(sought.signature.meets(&print(3, unlike).signature, 0));
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
            let mut one = text(number);
            one[BODY..].copy_from_slice(&text(1000)[BODY..]);
            lsh.insert(&print(number, one));
        }
        assert!(copies(&lsh, &print(0, text(1000)), &all()).is_empty());
        let mut lsh = Lsh::default();
        for number in 1..=200 {
            lsh.insert(&print(number, text(1)));
        }
        let found = copies(&lsh, &print(0, text(1)), &all());
        assert!(
            found.len() == MOST && found.iter().all(|copy| *copy > 136),
            "{found:?}"
        );
    }
}
