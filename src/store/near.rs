//! Near copies: signatures as the log and the index keep them, the hashing in memory made from them, and whether a commit
//! came too late to know of one.
//!
//! Nothing of this costs anything until the first question: only then are the signatures of the window read.

use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::apply::{read_state, spot};
use super::codec::{In, Out};
use super::core::Core;
use super::index::{Table, Value};
use super::item::{self, Item};
use super::log::{Loc, Pos};
use super::lsh::{Hit, Lsh, Print, Range};
use super::{Alike, Among, Error, Near, Prints};
use crate::model::article::{ArticleId, Key};
use crate::model::boilerplate::Boilerplate;
use crate::model::signature::{BODY, LEAD, Signature, Sketch};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// Signatures read at a time.
const AT_ONCE: usize = 512;

/// The signatures that one commit adds, and the paragraphs of the entries they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) source: SourceId,
    /// Number of the first signature; the others follow.
    pub(super) first: u64,
    pub(super) count: u32,
}

/// The hashing, once somebody asked for it.
#[derive(Debug, Default)]
pub(super) struct Shelf(std::sync::RwLock<Option<Lsh>>);

impl Shelf {
    fn read(&self) -> RwLockReadGuard<'_, Option<Lsh>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Lsh>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the hashing says; nothing if it is not there yet.
    fn ask<T: Default>(&self, question: impl FnOnce(&Lsh) -> T) -> T {
        self.read().as_ref().map(question).unwrap_or_default()
    }

    /// As if nobody had asked yet.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *self.write() = None;
    }

    /// Signatures in memory, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        self.ask(|lsh| (lsh.len() as u64, lsh.bytes() as u64))
    }
}

/// The signatures of one commit, as the index knows them: where they stand in the log. Kept in the index themselves they
/// would be in memory twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the first one.
    first: u64,
    count: u32,
    /// The item of the log.
    pub(super) loc: Loc,
}

impl Run {
    /// The key of a run whose first signature has this number.
    fn key(first: u64) -> [u8; 9] {
        let mut key = [b'd'; 9];
        key[1..].copy_from_slice(&first.to_be_bytes());
        key
    }

    fn value(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.number(u64::from(self.loc.at));
        out.number(u64::from(self.loc.length));
        out.number(u64::from(self.count));
        super::apply::write_state(self.loc.file, &out.0)
    }

    /// Reads an item of the index.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let first = u64::from_be_bytes(key.get(1..)?.try_into().ok()?);
        let (file, place) = read_state(value)?;
        let mut input = In(place);
        let (at, length) = (input.small()?, input.small()?);
        let count = input.small()?;
        let loc = Loc { file, at, length };
        input.0.is_empty().then_some(Self { first, count, loc })
    }

    /// Number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.first + u64::from(self.count).saturating_sub(1)
    }

    /// The signatures; none if the log is damaged there, or was written by a build that laid them out otherwise.
    pub(super) fn prints(&self, core: &Core) -> Result<Vec<Print>, Error> {
        let bytes = match core.log.item(self.loc, usize::MAX) {
            Ok(bytes) => bytes,
            Err(Error::Damaged { .. }) => return Ok(Vec::new()),
            Err(error) => {
                // Cleaning may have carried it into another file meanwhile.
                let key = Self::key(self.first);
                let value = core.index.read().raw(&key)?;
                return match value.and_then(|value| Self::read(&key, &value)) {
                    Some(moved) if moved.loc != self.loc => moved.prints(core),
                    Some(_) => Err(error),
                    None => Ok(Vec::new()),
                };
            }
        };
        let laid = item::raw(&bytes).and_then(|raw| read_marks(raw.body));
        let prints = laid.map(|laid| laid.prints).unwrap_or_default();
        let numbered = (self.first..).zip(prints);
        Ok(numbered
            .filter_map(|(number, print)| read_print(&mut In(print), number))
            .collect())
    }

    /// The same item of the log once more (`None` if it cannot be read), without the paragraphs, which are counted already.
    pub(super) fn carried(&self, core: &Core) -> Result<Option<(Item, Vec<u8>)>, Error> {
        let bytes = match core.log.item(self.loc, usize::MAX) {
            Err(Error::Damaged { .. }) => return Ok(None),
            other => other?,
        };
        let Some(laid) = item::raw(&bytes).and_then(|raw| read_marks(raw.body)) else {
            return Ok(None);
        };
        let mut out = Out::default();
        out.number(laid.prints.len() as u64);
        for print in &laid.prints {
            out.0.extend_from_slice(print);
        }
        out.number(0);
        let marks = Marks {
            source: SourceId::new("carried").expect("a name of the allowed form"),
            first: self.first,
            count: self.count,
        };
        Ok(Some((Item::Marks(marks), out.0)))
    }
}

/// The key of an item of the index.
pub(super) type ItemKey = Vec<u8>;

/// The next runs behind a key, with their keys; `None` for what cannot be read.
pub(super) fn runs(
    core: &Core,
    after: Option<&[u8]>,
    most: usize,
) -> Result<Vec<(ItemKey, Option<Run>)>, Error> {
    let page = core.index.read().page(b"d", after, most)?;
    let read = page.into_iter().map(|(key, value)| {
        let run = match &value {
            Value::Raw(bytes) => Run::read(&key, bytes),
            _ => None,
        };
        (key, run)
    });
    Ok(read.collect())
}

/// The key of what a source puts under everything.
pub(super) fn boilerplate_key(source: &SourceId) -> Vec<u8> {
    let mut key = vec![b'p'];
    key.extend_from_slice(source.as_str().as_bytes());
    key
}

/// The body of the log's item.
pub(super) fn write_marks(prints: &Prints, at: Timestamp) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(prints.signatures.len() * PRINT + 16));
    out.number(prints.signatures.len() as u64);
    for (copy, signature) in &prints.signatures {
        write_print(&mut out, at, *copy, signature);
    }
    out.number(prints.paragraphs.len() as u64);
    for entry in &prints.paragraphs {
        out.number(entry.len() as u64);
        for hash in entry {
            out.0.extend_from_slice(&hash.to_be_bytes());
        }
    }
    out.0
}

fn write_print(out: &mut Out, at: Timestamp, copy: ArticleId, signature: &Signature) {
    out.word(at.as_micros().cast_unsigned());
    out.hash(copy.0);
    out.word(signature.realm);
    for number in [
        signature.source,
        signature.shelf,
        signature.title,
        signature.series,
    ] {
        out.0.extend_from_slice(&number.to_be_bytes());
    }
    out.0
        .extend_from_slice(&signature.sketch.shingles.to_be_bytes());
    out.0.extend_from_slice(&signature.sketch.hashes);
}

/// Bytes of one signature.
const PRINT: usize = 8 + 16 + 8 + 4 * 4 + 2 + BODY + LEAD;

fn read_print(input: &mut In<'_>, number: u64) -> Option<Print> {
    let at = Timestamp::from_micros(input.word()?.cast_signed());
    let copy = ArticleId(input.hash()?);
    let realm = input.word()?;
    let (source, shelf) = (half(input)?, half(input)?);
    let (title, series) = (half(input)?, half(input)?);
    let sketch = Sketch {
        shingles: u16::from_be_bytes(input.take(2)?.try_into().ok()?),
        hashes: input.take(BODY + LEAD)?.try_into().ok()?,
    };
    Some(Print {
        number,
        at,
        copy,
        signature: Signature {
            realm,
            title,
            series,
            sketch,
            source,
            shelf,
        },
    })
}

fn half(input: &mut In<'_>) -> Option<u32> {
    Some(u32::from_be_bytes(input.take(4)?.try_into().ok()?))
}

/// The signatures of an item of the log, and the paragraphs of each entry.
struct Laid<'a> {
    prints: Vec<&'a [u8]>,
    paragraphs: Vec<Vec<u32>>,
}

/// Reads the body of an item of the log; `None` if it was written by a build that laid
/// them out otherwise.
fn read_marks(body: &[u8]) -> Option<Laid<'_>> {
    let mut input = In(body);
    let count = input.count()?;
    let prints = (0..count)
        .map(|_| input.take(PRINT))
        .collect::<Option<Vec<_>>>()?;
    let entries = input.count()?;
    let mut paragraphs = Vec::new();
    for _ in 0..entries {
        let count = input.count()?;
        let hashes = (0..count).map(|_| half(&mut input));
        paragraphs.push(hashes.collect::<Option<Vec<_>>>()?);
    }
    let laid = Laid { prints, paragraphs };
    input.0.is_empty().then_some(laid)
}

/// Lets the index know of an item of the log.
pub(super) fn apply(table: &mut Table, marks: &Marks, loc: Loc, body: &[u8]) -> Result<(), Error> {
    // The frame is sound, or nobody would ask. Texts are compared anew as they come again.
    let Some(Laid { prints, paragraphs }) = read_marks(body) else {
        tracing::debug!(
            file = loc.file,
            at = loc.at,
            "signatures of another layout are left out"
        );
        return Ok(());
    };
    if let Ok(count @ 1..) = u32::try_from(prints.len()) {
        let run = Run {
            first: marks.first,
            count,
            loc,
        };
        table.put_raw(&Run::key(run.first), Some(&run.value()))?;
        table.figures.last_print = table.figures.last_print.max(run.last());
    }
    if paragraphs.is_empty() {
        return Ok(());
    }
    let here = Pos {
        file: loc.file,
        at: u64::from(loc.at),
    };
    let key = boilerplate_key(&marks.source);
    let known = table.raw(&key)?;
    let (upto, mut boilerplate) = known
        .as_deref()
        .and_then(read_boilerplate)
        .unwrap_or_default();
    // Doing a stretch of the log twice must count nothing twice.
    if upto >= here {
        return Ok(());
    }
    for entry in &paragraphs {
        boilerplate.count(entry);
    }
    table.put_raw(&key, Some(&write_boilerplate(here, &boilerplate)))
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
    let mut seen = std::collections::HashMap::with_capacity(count);
    for _ in 0..count {
        let hash = half(&mut input)?;
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

/// Reads the signatures that the index knows into memory.
fn load(core: &Core) -> Result<Lsh, Error> {
    let mut lsh = Lsh::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = runs(core, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for run in some.iter().filter_map(|(_, run)| run.as_ref()) {
            for print in run.prints(core)? {
                lsh.push(&print);
            }
            lsh.last = lsh.last.max(run.last());
        }
    }
    lsh.make_tables();
    lsh.applied = lsh.last;
    if !lsh.is_empty() {
        tracing::debug!(
            signatures = lsh.len(),
            bytes = lsh.bytes(),
            "near copies can be found"
        );
    }
    Ok(lsh)
}

/// Texts that may be the same as these, with the articles they belong to now.
pub(super) fn alike(core: &Core, sought: &[Signature], among: Among) -> Result<Alike, Error> {
    if core.near.read().is_none() {
        let mut shelf = core.near.write();
        if shelf.is_none() {
            *shelf = Some(load(core)?);
        }
    }
    let (as_of, hits) = {
        let shelf = core.near.read();
        let Some(lsh) = shelf.as_ref() else {
            return Err(Error::Closed);
        };
        let range = Range {
            reach: among.reach,
            since: among.since,
            numbers: (0, lsh.applied),
        };
        let hits: Vec<(bool, Vec<Hit>)> = sought
            .iter()
            .map(|one| (lsh.is_series(one, 1), lsh.find(one, &range)))
            .collect();
        (lsh.applied, hits)
    };
    let mut alike = Alike {
        as_of,
        found: Vec::with_capacity(hits.len()),
    };
    for (in_series, hits) in hits {
        let mut near = Vec::with_capacity(hits.len());
        for hit in hits {
            // Its article may be gone: then nothing leads there any more.
            if let Some(live) = core.holders(Key::Guid(hit.copy.0))?.into_iter().next_back() {
                near.push(Near {
                    copy: hit.copy,
                    article: live.stand.head.id,
                    seen: hit.at,
                    source: hit.source,
                    in_series: in_series || hit.in_series,
                });
            }
        }
        alike.found.push(near);
    }
    Ok(alike)
}

/// True if since the question that these signatures were decided by something came that is too alike to be overlooked.
pub(super) fn came_too_late(core: &Core, prints: &Prints) -> bool {
    let shelf = core.near.read();
    let Some(lsh) = shelf.as_ref().filter(|lsh| lsh.last > prints.as_of) else {
        return false;
    };
    let range = Range {
        reach: prints.among.reach,
        since: prints.among.since,
        numbers: (prints.as_of + 1, u64::MAX),
    };
    prints.signatures.iter().any(|(_, one)| {
        let hits = lsh.find(one, &range);
        hits.iter().any(|hit| hit.estimate.is_worth_a_look())
    })
}

/// Lets others see what a batch that was accepted adds; what they decide meanwhile must not overlook it.
pub(super) fn announce(core: &Core, first: u64, prints: &Prints, at: Timestamp) {
    if let Some(lsh) = core.near.write().as_mut() {
        for (number, (copy, signature)) in (first..).zip(&prints.signatures) {
            lsh.insert(&Print {
                number,
                at,
                copy: *copy,
                signature: signature.clone(),
            });
        }
    }
}

/// Everything up to this number is in the index now. What was never announced, since nobody had asked yet, is added; what
/// is older than anybody asks for goes. Gives the keys of runs that nobody needs any more.
pub(super) fn settle(
    core: &Core,
    upto: u64,
    before: Option<Timestamp>,
) -> Result<Vec<ItemKey>, Error> {
    let mut shelf = core.near.write();
    let Some(lsh) = shelf.as_mut() else {
        return Ok(Vec::new());
    };
    while lsh.last < upto {
        let number = lsh.last + 1;
        let value = core.index.read().raw(&Run::key(number))?;
        let run = value.and_then(|value| Run::read(&Run::key(number), &value));
        match run {
            Some(run) => {
                for print in run.prints(core)? {
                    lsh.insert(&print);
                }
                lsh.last = lsh.last.max(run.last());
            }
            None => lsh.last = number,
        }
    }
    lsh.applied = lsh.applied.max(upto);
    match before.and_then(|before| lsh.expire(before)) {
        Some(gone) => {
            let old = runs_up_to(core, gone)?.into_iter();
            Ok(old.map(|(key, _)| key).collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Lets go of signatures whose copies lead nowhere: the articles went before the window did. Gives the keys of runs that
/// nobody needs any more.
pub(super) fn let_go(core: &Core) -> Result<Vec<ItemKey>, Error> {
    let mut gone = None;
    for piece in core.near.ask(|lsh| lsh.pieces().collect::<Vec<_>>()) {
        let copies = core.near.ask(|lsh| lsh.copies(piece));
        // Those that stay get other places, which is worth it where most go.
        let most = copies.len() / 2;
        let mut living = Vec::new();
        for copy in copies {
            if living.len() <= most && leads_somewhere(core, [copy])? {
                living.push(copy);
            }
        }
        if living.len() > most {
            continue;
        }
        if let Some(lsh) = core.near.write().as_mut() {
            lsh.keep(piece, &living.into_iter().collect());
        }
        gone = Some(piece.last);
    }
    gone.map_or_else(|| Ok(Vec::new()), |gone| keys_of_nobody(core, gone))
}

/// The keys of runs up to this number of which no signature is left.
fn keys_of_nobody(core: &Core, upto: u64) -> Result<Vec<ItemKey>, Error> {
    let left = core.near.ask(|lsh| lsh.numbers().collect::<Vec<_>>());
    let is_left = |run: Run| {
        let next = left.partition_point(|number| *number < run.first);
        left.get(next).is_some_and(|number| *number <= run.last())
    };
    let runs = runs_up_to(core, upto)?.into_iter();
    let nobodys = runs.filter(|(_, run)| run.is_none_or(|run| !is_left(run)));
    Ok(nobodys.map(|(key, _)| key).collect())
}

/// True if an article has one of these copies.
pub(super) fn leads_somewhere(
    core: &Core,
    copies: impl IntoIterator<Item = ArticleId>,
) -> Result<bool, Error> {
    for copy in copies {
        let spot = spot(Key::Guid(copy.0));
        if !spot.holders(&core.index.read())?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The runs that end with this number or before, with their keys.
fn runs_up_to(core: &Core, upto: u64) -> Result<Vec<(ItemKey, Option<Run>)>, Error> {
    let mut all: Vec<(ItemKey, Option<Run>)> = Vec::new();
    loop {
        let before = all.len();
        let page = runs(core, all.last().map(|(key, _)| key.as_slice()), AT_ONCE)?;
        let old = page
            .into_iter()
            .take_while(|(_, run)| run.is_none_or(|run| run.last() <= upto));
        all.extend(old);
        if all.len() - before < AT_ONCE {
            return Ok(all);
        }
    }
}
