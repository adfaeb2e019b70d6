//! Tombstones: keys of articles that are gone for good, each with its day, the file of the log that has it, and the source.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::listing::number;
use crate::model::article::Key;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::Error;
use crate::store::common::{day, days};
use crate::store::index::Table;
use crate::store::item::{Tombstone, parts};

/// Where a key's tombstone stands. Nothing can be compared with more than these bits, so they are mixed well.
pub(in crate::store) fn tomb_place(key: Key) -> ([u8; 2], u64) {
    let (kind, hash) = parts(key);
    ([b'x', kind], xxh3_64(&hash.to_be_bytes()))
}

/// Sets a tombstone, in the place of an older one.
pub(super) fn bury(table: &mut Table, tombstone: &Tombstone, file: u32) -> Result<(), Error> {
    let source = number(table, b'f', tombstone.source.as_str())?;
    let set = [b'x', tombstone.kind];
    for old in table.twins(&set, tombstone.hash)? {
        table.remove(&set, (tombstone.hash, old))?;
        table.figures.tombstones = table.figures.tombstones.saturating_sub(1);
    }
    let about = write_about(tombstone.day, file, source);
    if table.insert(&set, (tombstone.hash, about))? {
        table.figures.tombstones += 1;
    }
    Ok(())
}

/// Day, file and source of a tombstone in one number: 16, 24 and 24 bits.
fn write_about(day: u16, file: u32, source: u32) -> u64 {
    const LOW: u64 = (1 << 24) - 1;
    u64::from(day) << 48 | (u64::from(file) & LOW) << 24 | u64::from(source) & LOW
}

/// Reads what [`write_about`] wrote.
pub(in crate::store) fn read_about(about: u64) -> (u16, u32, u32) {
    let part = |shift: u32| u32::try_from(about >> shift & ((1 << 24) - 1)).unwrap_or(0);
    (u16::try_from(about >> 48).unwrap_or(0), part(24), part(0))
}

/// Takes a key's tombstone away.
pub(super) fn exhume(table: &mut Table, key: Key) -> Result<(), Error> {
    if table.figures.tombstones == 0 {
        return Ok(());
    }
    let (set, hash) = tomb_place(key);
    for about in table.twins(&set, hash)? {
        table.remove(&set, (hash, about))?;
        table.figures.tombstones = table.figures.tombstones.saturating_sub(1);
    }
    Ok(())
}

/// Takes away the tombstones for which `which` says so (day, file, source); gives their number.
fn exhume_all(table: &mut Table, which: impl Fn(u16, u32, u32) -> bool) -> Result<u64, Error> {
    let mut count = 0;
    for kind in 0..3u8 {
        let set = [b'x', kind];
        let mut doomed = Vec::new();
        table.walk(&set, (0, 0), |(hash, about)| {
            let (day, file, source) = read_about(about);
            if which(day, file, source) {
                doomed.push((hash, about));
            }
            true
        })?;
        for place in doomed {
            count += u64::from(table.remove(&set, place)?);
        }
    }
    table.figures.tombstones = table.figures.tombstones.saturating_sub(count);
    Ok(count)
}

/// Takes away the tombstones that are older than `limit`.
pub(in crate::store) fn expire(
    table: &mut Table,
    limit: Duration,
    now: Timestamp,
) -> Result<(), Error> {
    let oldest = u64::from(day(now)).saturating_sub(days(limit));
    exhume_all(table, |day, _, _| u64::from(day) < oldest).map(|_| ())
}

/// Takes the tombstones of a source away.
pub(in crate::store) fn unbury(table: &mut Table, source: &SourceId) -> Result<u64, Error> {
    let Some(rec) = table.name(b'f', source.as_str())? else {
        return Ok(0);
    };
    exhume_all(table, |_, _, of| of == rec.id)
}
