//! What goes and what stays: articles that have outlived their time, and files of the log in which little is left.
//!
//! The oldest file goes first, always: what still lives in it is written once more at the log's end, and then it goes
//! whole. So no later file can hold the news that something of an earlier one is gone, and the kept history has no gaps.

use std::collections::HashSet;

use super::apply::{list_prefix, read_about, read_state};
use super::core::Core;
use super::engine::Engine;
use super::frame;
use super::index::Value;
use super::item::{Item, Name, Stand, Tombstone};
use super::lists;
use super::log::{Loc, Pos};
use super::memory::{FORGET_AT_ONCE, day, days, prefix};
use super::packed::{self, Place, Rec};
use super::prepare::{Pending, Preparing, whole};
use super::rebuild;
use super::writer::Writer;
use super::{Change, Error};
use crate::model::article::Key;
use crate::model::label::Scope;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// Below this many percent of living bytes the log is cleaned.
const WORTH: u64 = 60;
/// A log shorter than this is left alone.
const SMALL: u64 = 8 << 20;
/// Bytes that one step of carrying forward looks at: visits wait no longer than that takes.
const STEP: usize = 1 << 20;
/// Names or tombstones in one frame.
const AT_ONCE: usize = 1024;
/// sled's files may grow to this many times their fresh size.
const BLOATED: u64 = 3;
/// Sled's files that are smaller are left alone.
const SMALL_INDEX: u64 = 64 << 20;

/// Drops what `keep` no longer covers, then makes the files smaller if that is worth it.
pub(super) async fn forget(engine: &Engine, now: Timestamp) -> Result<u64, Error> {
    let oldest = u64::from(day(now)).saturating_sub(days(engine.core.options.tombstones));
    engine
        .by_writer(move |writer| {
            let mut table = writer.core.index.write();
            super::apply::exhume_all(&mut table, |day, _, _| u64::from(day) < oldest)
        })
        .await?;
    let doomed = engine.ask(move |core| outlived(core, now)).await?;
    let dropped = drop_all(engine, doomed, now).await?;
    tidy(engine, now).await?;
    Ok(dropped)
}

/// Drops what was seen at this source alone, and the source's state.
pub(super) async fn purge(
    engine: &Engine,
    source: &SourceId,
    now: Timestamp,
) -> Result<u64, Error> {
    let id = source.clone();
    let doomed = engine.ask(move |core| seen_only_at(core, &id)).await?;
    let dropped = drop_all(engine, doomed, now).await?;
    let id = source.clone();
    engine
        .by_writer(move |writer| {
            writer.core.schedule().remove(&id);
            writer.core.light.forget(&id);
            let item = Item::Forgotten(id);
            writer.add(vec![(item, Vec::new())], false, false, now)
        })
        .await?;
    Ok(dropped)
}

/// Takes the tombstones of a source away.
pub(super) async fn unbury(engine: &Engine, source: &SourceId) -> Result<u64, Error> {
    let id = source.clone();
    engine
        .by_writer(move |writer| {
            let before = writer.core.index.read().figures.tombstones;
            let now = writer.latest();
            let item = Item::Unburied(id);
            writer.add(vec![(item, Vec::new())], false, false, now)?;
            let after = writer.core.index.read().figures.tombstones;
            Ok(before - after)
        })
        .await
}

async fn drop_all(engine: &Engine, doomed: Vec<u64>, now: Timestamp) -> Result<u64, Error> {
    let mut dropped = 0;
    for some in doomed.chunks(FORGET_AT_ONCE) {
        let some = some.to_vec();
        dropped += engine
            .by_writer(move |writer| drop_some(writer, &some, now))
            .await?;
    }
    Ok(dropped)
}

fn drop_some(writer: &mut Writer, doomed: &[u64], now: Timestamp) -> Result<u64, Error> {
    let core = std::sync::Arc::clone(&writer.core);
    let pending = Pending::default();
    let mut preparing = Preparing::new(&core, &pending, writer.next_seq);
    for seq in doomed {
        // It may be gone already, by somebody else's doing.
        if let Some(live) = core.live(*seq)? {
            let id = live.stand.head.id;
            preparing.change(Change::Removed { id }, Vec::new())?;
        }
    }
    let items = preparing.items;
    let count = items.len() as u64;
    writer.add(items, true, false, now)?;
    Ok(count)
}

/// Articles that `keep` no longer covers, in order of arrival.
fn outlived(core: &Core, now: Timestamp) -> Result<Vec<u64>, Error> {
    let keep = core.options.keep;
    let (mut spared, mut over) = (HashSet::new(), HashSet::new());
    for kind in [b'f', b'q'] {
        for (_, id, count) in names(core, kind)? {
            let places = places(core, kind, id, count, keep.min_per_feed, keep.max_per_feed)?;
            let numbers = |some: &[Place]| -> Vec<u64> {
                some.iter()
                    .map(|place| packed::cursor(*place).seq)
                    .collect()
            };
            let min = usize::try_from(keep.min_per_feed).unwrap_or(usize::MAX);
            spared.extend(numbers(&places[places.len().saturating_sub(min)..]));
            if kind == b'f' {
                let max = usize::try_from(keep.max_per_feed).unwrap_or(usize::MAX);
                over.extend(numbers(&places[..places.len().saturating_sub(max)]));
            }
        }
    }
    let listed = listed(core)?;
    let mut doomed = Vec::new();
    let mut seq = 0;
    loop {
        let found = core.index.read().recs(seq)?;
        let Some((next, recs)) = found else {
            return Ok(doomed);
        };
        seq = next;
        for (number, rec) in recs {
            let old = now.since(rec.first_seen.max(rec.listed_until)) > keep.age;
            if (old || over.contains(&number))
                && !spared.contains(&number)
                && !is_listed(core, &rec, &listed)?
            {
                doomed.push(number);
            }
        }
    }
}

fn is_listed(core: &Core, rec: &Rec, listed: &HashSet<u64>) -> Result<bool, Error> {
    if listed.is_empty() {
        return Ok(false);
    }
    let stand = core.stand(rec.head)?;
    let own = lists::own_keys(&stand.head);
    Ok(own
        .iter()
        .any(|key| matches!(key, Key::Guid(hash) if listed.contains(&prefix(*hash)))))
}

/// What the sources list, by the first bits of the guids' hashes.
fn listed(core: &Core) -> Result<HashSet<u64>, Error> {
    let mut listed = HashSet::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = core.index.read().page(b"s", after.as_deref(), 64)?;
        let Some((last, _)) = some.last() else {
            return Ok(listed);
        };
        after = Some(last.clone());
        for (key, value) in some {
            let id = std::str::from_utf8(&key[1..]).ok().and_then(SourceId::new);
            if let (Some(id), Value::Raw(bytes)) = (id, value)
                && core.schedule().may_list(&id)
            {
                listed.extend(super::core::unpack_state(&id, &bytes)?.listed);
            }
        }
    }
}

/// Name, short form and length of all lists of a kind.
fn names(core: &Core, kind: u8) -> Result<Vec<(String, u32, u64)>, Error> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core
            .index
            .read()
            .page(&[b'n', kind], after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(all);
        };
        after = Some(last.clone());
        for (key, value) in some {
            if let Value::Name(rec) = value {
                let name = String::from_utf8_lossy(&key[2..]).into_owned();
                all.push((name, rec.id, rec.count));
            }
        }
    }
}

/// The places of a list that retention must look at, oldest first: all if there are more than `max`, else the newest `min`.
fn places(
    core: &Core,
    kind: u8,
    id: u32,
    count: u64,
    min: u32,
    max: u32,
) -> Result<Vec<Place>, Error> {
    let hidden = list_prefix(kind.to_ascii_uppercase(), id);
    let public = list_prefix(kind, id);
    let private = tail(core, hidden, u64::from(max) + 1)?;
    let all = count + private.len() as u64 > u64::from(max);
    let most = if all { u64::MAX } else { u64::from(min) };
    let mut places = tail(core, public, most)?;
    places.extend(tail(core, hidden, most)?);
    places.sort_unstable();
    Ok(places)
}

/// The newest members of a list, newest first.
fn tail(core: &Core, list: [u8; 5], most: u64) -> Result<Vec<Place>, Error> {
    let mut found = Vec::new();
    let mut at = (u64::MAX, u64::MAX - 1);
    while (found.len() as u64) < most {
        let chunk = core.index.read().chunk(&list, at)?;
        let Some((begin, chunk)) = chunk else { break };
        let left = usize::try_from(most - found.len() as u64).unwrap_or(usize::MAX);
        found.extend(chunk.places.iter().rev().take(left));
        if begin == (0, 0) {
            break;
        }
        at = if begin.1 == 0 {
            (begin.0 - 1, u64::MAX)
        } else {
            (begin.0, begin.1 - 1)
        };
    }
    Ok(found)
}

fn seen_only_at(core: &Core, source: &SourceId) -> Result<Vec<u64>, Error> {
    let Some(rec) = core.index.read().name(b'f', source.as_str())? else {
        return Ok(Vec::new());
    };
    let mut numbers = Vec::new();
    for kind in [b'f', b'F'] {
        let places = tail(core, list_prefix(kind, rec.id), u64::MAX)?;
        numbers.extend(places.iter().map(|place| packed::cursor(*place).seq));
    }
    numbers.sort_unstable();
    let mut only = Vec::new();
    for seq in numbers {
        if let Some(live) = core.live(seq)?
            && lists::sources(&live.stand.head) == [source.clone()]
        {
            only.push(seq);
        }
    }
    Ok(only)
}

/// Gives space back: old files of the log, and a bloated index.
pub(super) async fn tidy(engine: &Engine, now: Timestamp) -> Result<(), Error> {
    // Each round takes one file away; what it carries makes at most as many new ones.
    let rounds = engine.core.log.files().len();
    for _ in 0..=rounds {
        let Some(file) = engine.ask(|core| Ok(worth_cleaning(core))).await? else {
            break;
        };
        if file == engine.core.log.last().0 {
            engine
                .by_writer(|writer| {
                    writer.make_room()?;
                    writer.begin_file()
                })
                .await?;
        }
        carry(engine, file, now).await?;
    }
    let bloated = {
        let table = engine.core.index.read();
        let fresh = table.fresh().max(table.bytes());
        table.disk() > SMALL_INDEX && table.disk() > fresh * BLOATED
    };
    if bloated {
        renew(engine).await?;
    }
    Ok(())
}

/// The oldest file, if taking it away gives enough back.
fn worth_cleaning(core: &Core) -> Option<u32> {
    let files = core.log.files();
    let (&first, state) = files.first_key_value()?;
    let live = |file: u32| {
        core.index
            .read()
            .figures
            .live
            .get(&file)
            .copied()
            .unwrap_or(0)
    };
    let all: u64 = core.log.size();
    let living: u64 = core.index.read().figures.live.values().sum();
    let nearly_empty = files.len() > 1 && live(first) * 4 < state.end;
    let wasteful = all > SMALL && living * 100 < all * WORTH;
    (nearly_empty || wasteful).then_some(first)
}

/// Writes what lives in the oldest file at the end of the log, and takes the file away.
async fn carry(engine: &Engine, file: u32, now: Timestamp) -> Result<(), Error> {
    let begin = engine.core.log.files().get(&file).map(|state| state.begin);
    let mut next = begin.map(|at| Pos { file, at });
    while let Some(from) = next {
        next = engine
            .by_writer(move |writer| carry_articles(writer, from, now))
            .await?;
    }
    engine
        .by_writer(move |writer| {
            carry_states(writer, file, now)?;
            carry_tombstones(writer, file, now)?;
            carry_names(writer, now)?;
            carry_prints(writer, file, now)?;
            // sled must not point into a file that is gone, nor begin reading there.
            writer.flush()?;
            writer.core.log.remove_file(file)?;
            writer.core.index.write().figures.live.remove(&file);
            Ok(())
        })
        .await?;
    tracing::info!(file, "a file of the article log was cleaned away");
    Ok(())
}

/// One step: the articles of some frames. Gives the place to go on from, if there is one.
fn carry_articles(writer: &mut Writer, from: Pos, now: Timestamp) -> Result<Option<Pos>, Error> {
    let core = std::sync::Arc::clone(&writer.core);
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    let (mut looked_at, mut next) = (0, None);
    core.log.scan(from, |read| {
        if read.pos.file != from.file {
            return Ok(false);
        }
        if looked_at >= STEP {
            next = Some(read.pos);
            return Ok(false);
        }
        looked_at += read.bytes.len();
        for (at, raw) in frame::items(read.bytes).flatten() {
            let (Item::Put(stand) | Item::Amend(stand)) = &raw.item else {
                continue;
            };
            if !seen.insert(stand.seq) {
                continue;
            }
            let Some(rec) = core.index.read().article(stand.seq)? else {
                continue;
            };
            if rec.places().all(|loc| loc.file != from.file) {
                continue;
            }
            let here = Loc {
                file: from.file,
                at: u32::try_from(read.pos.at + at as u64).unwrap_or(u32::MAX),
                length: u32::try_from(raw.length).unwrap_or(u32::MAX),
            };
            let alone = rec.body == here && rec.head == here;
            let body = if alone {
                raw.body.to_vec()
            } else {
                whole(core.article(stand.seq, &rec)?.as_ref())
            };
            items.push((carried(&core, &rec)?, body));
        }
        Ok(true)
    })?;
    writer.add(items, true, true, now)?;
    Ok(next)
}

/// An article as it stands, to be written once more.
pub(super) fn carried(core: &Core, rec: &Rec) -> Result<Item, Error> {
    let stand = core.stand(rec.head)?;
    Ok(Item::Put(std::sync::Arc::new(Stand {
        left: super::item::Left::default(),
        listed_until: rec.listed_until,
        ..stand.as_ref().clone()
    })))
}

fn carry_states(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    for space in [b"s", b"k"] {
        loop {
            let some = writer.core.index.read().page(space, after.as_deref(), 64)?;
            let Some((last, _)) = some.last() else { break };
            after = Some(last.clone());
            let mut items = Vec::new();
            for (key, value) in some {
                let Value::Raw(bytes) = value else { continue };
                let Some((home, body)) = read_state(&bytes) else {
                    continue;
                };
                let Ok(name) = std::str::from_utf8(&key[1..]) else {
                    continue;
                };
                if home != file {
                    continue;
                }
                match SourceId::new(name) {
                    Some(id) if space == b"s" => items.push((Item::State(id), body.to_vec())),
                    _ => items.push((Item::Note(name.to_owned()), body.to_vec())),
                }
            }
            writer.add(items, false, true, now)?;
        }
        after = None;
    }
    Ok(())
}

fn carry_tombstones(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let all = tombstones(&writer.core, Some(file))?;
    for some in all.chunks(AT_ONCE) {
        let item = Item::Tombstones(some.to_vec());
        writer.add(vec![(item, Vec::new())], false, true, now)?;
    }
    Ok(())
}

/// Tombstones, all or those that one file holds.
pub(super) fn tombstones(core: &Core, file: Option<u32>) -> Result<Vec<Tombstone>, Error> {
    let mut all = Vec::new();
    for kind in 0..3u8 {
        let table = core.index.read();
        table.walk(&[b'x', kind], (0, 0), |(hash, about)| {
            let (day, home, source) = read_about(about);
            let wanted = file.is_none_or(|file| home == file & 0x00ff_ffff);
            if wanted && let Some(source) = table.figures.source_names.get(&source) {
                all.push(Tombstone {
                    kind,
                    hash,
                    day,
                    source: source.clone(),
                });
            }
            true
        })?;
    }
    Ok(all)
}

/// Signatures of the window that stand in this file, in runs of following numbers.
fn carry_prints(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = writer
            .core
            .index
            .read()
            .page(b"d", after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        let mut runs: Vec<(u64, Vec<Vec<u8>>)> = Vec::new();
        for (key, value) in some {
            let Value::Raw(bytes) = value else { continue };
            let (Some(number), Some((home, print))) =
                (super::near::number_of(&key), read_state(&bytes))
            else {
                continue;
            };
            if home != file {
                continue;
            }
            match runs.last_mut() {
                Some((first, run)) if *first + run.len() as u64 == number => {
                    run.push(print.to_vec());
                }
                _ => runs.push((number, vec![print.to_vec()])),
            }
        }
        let items = runs
            .into_iter()
            .map(|(first, run)| super::near::carried(first, &run))
            .collect();
        writer.add(items, false, true, now)?;
    }
}

fn carry_names(writer: &mut Writer, now: Timestamp) -> Result<(), Error> {
    let all = known_names(&writer.core)?;
    for some in all.chunks(AT_ONCE) {
        let items = some
            .iter()
            .map(|name| (Item::Name(Box::new(name.clone())), Vec::new()))
            .collect();
        writer.add(items, false, true, now)?;
    }
    Ok(())
}

/// Every list that readers may know, with the time it was touched.
pub(super) fn known_names(core: &Core) -> Result<Vec<Name>, Error> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core.index.read().page(b"n", after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(all);
        };
        after = Some(last.clone());
        for (key, value) in some {
            let Value::Name(rec) = value else { continue };
            let text = String::from_utf8_lossy(&key[2..]).into_owned();
            let scope = match key[1] {
                b'o' => Some(Scope::All),
                b't' => Some(Scope::Tag(text)),
                b'c' => Some(Scope::Category(text)),
                b'f' => SourceId::new(&text).map(Scope::Source),
                b'q' => Some(Scope::Output(text)),
                _ => None,
            };
            if let Some(scope) = scope.filter(|_| rec.known) {
                all.push(Name {
                    scope,
                    touched: rec.touched,
                    shown: rec.shown.clone(),
                });
            }
        }
    }
}

/// Fills a new sled with what the present one holds and goes over to it: sled itself never gives space back.
pub(super) async fn renew(engine: &Engine) -> Result<(), Error> {
    let before = engine.core.index.read().disk();
    engine
        .by_writer(|writer| {
            let dir = rebuild::next_dir(&writer.core.options)?;
            let cache = rebuild::index_cache(&writer.core.options);
            let begun = writer.core.index.begin_successor(&dir, cache);
            begun.map_err(|what| Error::Damaged { what })
        })
        .await?;
    while !engine
        .by_writer(|writer| writer.core.index.copy_on())
        .await?
    {}
    let old = engine
        .by_writer(|writer| {
            writer.flush()?;
            writer.core.index.succeed()
        })
        .await?;
    if let Some((db, dir)) = old {
        // sled's threads end with it; that may take a moment.
        engine
            .ask(move |_| {
                drop(db);
                let _ = std::fs::remove_dir_all(dir);
                Ok(())
            })
            .await?;
    }
    let after = engine.core.index.read().disk();
    tracing::info!(before, after, "the index was made smaller");
    Ok(())
}
