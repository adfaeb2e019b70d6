//! Tombstones: keys of articles that are gone for good, each with its tick, the file of the log that has it, and the source.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::listing::number;
use crate::model::article::Key;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::Error;
use crate::store::common::{tick, ticks};
use crate::store::index::{Index, Table};
use crate::store::item::{Tombstone, parts};
use crate::store::packed::Place;

/// Kinds of keys.
const KINDS: std::ops::Range<u8> = 0..3;
/// Tombstones that are looked at before the writer or readers get their turn.
const AT_ONCE: usize = 1024;
/// Bits for the tick and for the source of a tombstone: more than a century, and more names than a store has.
const WIDE: u32 = 24;
/// Bits for its file, of which only the last ones are kept: so many files would be terabytes.
const NARROW: u32 = 16;

/// Where a key's tombstone stands. Nothing can be compared with more than these bits, so they are mixed well.
pub(in crate::store) fn tomb_place(key: Key) -> ([u8; 2], u64) {
    let (kind, hash) = parts(key);
    ([b'x', kind], xxh3_64(&hash.to_be_bytes()))
}

/// Sets a tombstone, in the place of an older one.
pub(super) fn bury(table: &mut Table, tombstone: &Tombstone, file: u32) -> Result<(), Error> {
    let source = number(table, b'f', tombstone.source.as_str())?;
    let set = [b'x', tombstone.kind];
    take_away_twins(table, &set, tombstone.hash)?;
    let about = write_about(tombstone.tick, file, source);
    if table.insert(&set, (tombstone.hash, about))? {
        table.figures.tombstones += 1;
    }
    Ok(())
}

fn low(value: u32, bits: u32) -> u32 {
    value & ((1 << bits) - 1)
}

/// Tick, file and source of a tombstone in one number.
fn write_about(tick: u32, file: u32, source: u32) -> u64 {
    u64::from(low(tick, WIDE)) << (NARROW + WIDE)
        | u64::from(home(file)) << WIDE
        | u64::from(low(source, WIDE))
}

/// Reads what [`write_about`] wrote: tick, [`home`] and source.
pub(in crate::store) fn read_about(about: u64) -> (u32, u32, u32) {
    let part =
        |shift: u32, bits: u32| u32::try_from(about >> shift & ((1 << bits) - 1)).unwrap_or(0);
    (part(NARROW + WIDE, WIDE), part(WIDE, NARROW), part(0, WIDE))
}

/// As what a tombstone remembers a file.
pub(in crate::store) fn home(file: u32) -> u32 {
    low(file, NARROW)
}

/// Takes a key's tombstone away.
pub(super) fn exhume(table: &mut Table, key: Key) -> Result<(), Error> {
    if table.figures.tombstones == 0 {
        return Ok(());
    }
    let (set, hash) = tomb_place(key);
    take_away_twins(table, &set, hash)
}

/// Takes away all that stand under one hash.
fn take_away_twins(table: &mut Table, set: &[u8], hash: u64) -> Result<(), Error> {
    let twins = table.twins(set, hash)?;
    let doomed = twins.into_iter().map(|about| (hash, about)).collect();
    take_away(table, set, doomed).map(|_| ())
}

fn take_away(table: &mut Table, set: &[u8], doomed: Vec<Place>) -> Result<u64, Error> {
    let mut count = 0;
    for place in doomed {
        count += u64::from(table.remove(set, place)?);
    }
    table.figures.tombstones = table.figures.tombstones.saturating_sub(count);
    Ok(count)
}

/// Takes away the tombstones that are older than `limit`, a stretch at a time: readers go on in between. Only the writer
/// may call this.
pub(in crate::store) fn expire(
    index: &Index,
    limit: Duration,
    now: Timestamp,
) -> Result<(), Error> {
    let oldest = u64::from(tick(now)).saturating_sub(ticks(limit));
    for kind in KINDS {
        let set = [b'x', kind];
        let mut from = Some((0, 0));
        while let Some(begin) = from.take() {
            let (mut looked, mut outdated) = (0, Vec::new());
            index.read().walk(&set, begin, |place| {
                if u64::from(read_about(place.1).0) < oldest {
                    outdated.push(place);
                }
                looked += 1;
                from = (looked == AT_ONCE).then_some((place.0, place.1.saturating_add(1)));
                from.is_none()
            })?;
            if !outdated.is_empty() {
                take_away(&mut index.write(), &set, outdated)?;
            }
        }
    }
    Ok(())
}

/// Takes the tombstones of a source away.
pub(in crate::store) fn unbury(table: &mut Table, source: &SourceId) -> Result<u64, Error> {
    let Some(rec) = table.name(b'f', source.as_str())? else {
        return Ok(0);
    };
    let mut count = 0;
    for kind in KINDS {
        let set = [b'x', kind];
        let mut of_source = Vec::new();
        table.walk(&set, (0, 0), |place| {
            if read_about(place.1).2 == rec.id {
                of_source.push(place);
            }
            true
        })?;
        count += take_away(table, &set, of_source)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::Pos;

    #[test]
    fn the_old_ones_go_and_no_others_however_many_there_are() {
        const EACH: u32 = 3000;
        let dir = tempfile::tempdir().unwrap();
        let index = Index::new(Table::create(dir.path(), 8 << 20, Pos::default()).unwrap());
        let at = |minute: i64| Timestamp::from_secs(1_800_000_000 + minute * 60);
        let source = SourceId::new("a").unwrap();
        for kind in KINDS {
            for n in 0..EACH {
                let tombstone = Tombstone {
                    kind,
                    hash: xxh3_64(&n.to_be_bytes()),
                    tick: tick(at(i64::from(n % 60))),
                    source: source.clone(),
                };
                bury(&mut index.write(), &tombstone, 1 + (n << 15)).unwrap();
            }
        }
        assert_eq!(index.read().figures.tombstones, u64::from(EACH) * 3);
        // Dates are rounded to five minutes, so none goes early.
        expire(&index, Duration::from_mins(30), at(60)).unwrap();
        let mut left = Vec::new();
        index
            .read()
            .walk(&[b'x', 2], (0, 0), |(_, about)| {
                left.push(read_about(about));
                true
            })
            .unwrap();
        let oldest = tick(at(30));
        assert!(
            left.iter()
                .all(|(tick, file, _)| *tick >= oldest && file & 0x7fff == 1)
        );
        assert_eq!(left.len() * 2, EACH as usize);
        assert_eq!(index.read().figures.tombstones, left.len() as u64 * 3);
    }
}
