//! How often a source's paragraphs were seen, to tell what it puts under everything. Each commit's paragraphs stand beside
//! its signatures; when a file of the log goes, the counts go on in an item of their own.

use std::collections::HashMap;

use super::Error;
use super::codec::{In, Out};
use super::core::Core;
use super::index::Table;
use super::log::{Loc, Pos};
use crate::model::boilerplate::Boilerplate;
use crate::model::source::SourceId;

/// The key of what a source puts under everything.
pub(super) fn boilerplate_key(source: &SourceId) -> Vec<u8> {
    let mut key = vec![b'p'];
    key.extend_from_slice(source.as_str().as_bytes());
    key
}

pub(super) fn write_boilerplate(upto: Pos, boilerplate: &Boilerplate) -> Vec<u8> {
    let mut out = Out::default();
    out.number(u64::from(upto.file));
    out.number(upto.at);
    out.number(u64::from(boilerplate.entries));
    let mut all: Vec<_> = boilerplate.seen.iter().collect();
    all.sort_unstable();
    out.number(all.len() as u64);
    for (hash, (count, last)) in all {
        out.0.extend_from_slice(&hash.to_be_bytes());
        out.number(u64::from(*count));
        out.number(u64::from(boilerplate.entries.wrapping_sub(*last)));
    }
    out.0
}

pub(super) fn read_boilerplate(value: &[u8]) -> Option<(Pos, Boilerplate)> {
    let mut input = In(value);
    let upto = Pos {
        file: input.small()?,
        at: input.number()?,
    };
    let entries = input.small()?;
    let count = input.count()?;
    let mut seen = HashMap::with_capacity(count);
    for _ in 0..count {
        let hash = input.half()?;
        let often = u16::try_from(input.number()?).ok()?;
        let last = entries.wrapping_sub(input.small()?);
        seen.insert(hash, (often, last));
    }
    Some((upto, Boilerplate { entries, seen }))
}

/// What a source puts under everything.
pub(super) fn boilerplate(core: &Core, source: &SourceId) -> Result<Boilerplate, Error> {
    let value = core.index.read().raw(&boilerplate_key(source))?;
    Ok(value
        .as_deref()
        .and_then(read_boilerplate)
        .map(|(_, boilerplate)| boilerplate)
        .unwrap_or_default())
}

/// Counts the paragraphs of some entries, which stand in an item of the log.
pub(super) fn count(
    table: &mut Table,
    source: &SourceId,
    loc: Loc,
    paragraphs: &[Vec<u32>],
) -> Result<(), Error> {
    if paragraphs.is_empty() {
        return Ok(());
    }
    let here = place_of(loc);
    let key = boilerplate_key(source);
    let known = table.raw(&key)?;
    let (upto, mut boilerplate) = known
        .as_deref()
        .and_then(read_boilerplate)
        .unwrap_or_default();
    // Doing a stretch of the log twice must count nothing twice.
    if upto >= here {
        return Ok(());
    }
    for entry in paragraphs {
        boilerplate.count(entry);
    }
    table.put_raw(&key, Some(&write_boilerplate(here, &boilerplate)))
}

fn place_of(loc: Loc) -> Pos {
    Pos {
        file: loc.file,
        at: u64::from(loc.at),
    }
}

/// The body of an item that has all counts of a source so far; `None` if there is nothing worth a line. What was seen once
/// is left out: most paragraphs are never seen again, and they would weigh as much as the texts.
pub(super) fn carried(table: &Table, source: &SourceId) -> Result<Option<Vec<u8>>, Error> {
    let known = table.raw(&boilerplate_key(source))?;
    let Some((_, mut boilerplate)) = known.as_deref().and_then(read_boilerplate) else {
        return Ok(None);
    };
    boilerplate.seen.retain(|_, (count, _)| *count > 1);
    // Positions mean nothing in another store: the item's own place says up to where it counts.
    let body = write_boilerplate(Pos::default(), &boilerplate);
    Ok((!boilerplate.seen.is_empty()).then_some(body))
}

/// Lets the index know of such an item: everything before it is in it.
pub(super) fn apply(
    table: &mut Table,
    source: &SourceId,
    loc: Loc,
    body: &[u8],
) -> Result<(), Error> {
    let here = place_of(loc);
    let key = boilerplate_key(source);
    let known = table.raw(&key)?;
    if let Some((upto, _)) = known.as_deref().and_then(read_boilerplate)
        && upto >= here
    {
        return Ok(());
    }
    let Some((_, boilerplate)) = read_boilerplate(body) else {
        return Err(Error::Damaged {
            what: format!("the paragraphs of `{source}` at {}:{}", loc.file, loc.at),
        });
    };
    table.put_raw(&key, Some(&write_boilerplate(here, &boilerplate)))
}
