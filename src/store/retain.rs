//! What goes and what stays: articles that have outlived their time, and those of a source that is thrown away. Their keys
//! become tombstones; the space that they took is given back by `clean`.

use std::collections::HashSet;

use super::apply::{expire, list_prefix};
use super::clean;
use super::common::{FORGET_AT_ONCE, prefix};
use super::core::Core;
use super::engine::Engine;
use super::index::{Value, give_way};
use super::item::{Gone, Item, Left};
use super::lists;
use super::near::{self, ItemKey};
use super::packed::{self, Place, Rec};
use super::prepare::{Pending, Preparing};
use super::writer::Writer;
use super::{Change, Error};
use crate::model::article::{ArticleId, Key};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// Names that are read at a time.
const AT_ONCE: usize = 1024;

/// Drops what `keep` no longer covers, then makes the files smaller if that is worth it.
pub(super) async fn forget(engine: &Engine, now: Timestamp) -> Result<u64, Error> {
    engine
        .by_writer(move |writer| expire(&writer.core.index, writer.core.options.tombstones, now))
        .await?;
    let doomed = engine.ask(move |core| outlived(core, now)).await?;
    let dropped = drop_all(engine, doomed, now).await?;
    drop_prints(engine).await?;
    clean::tidy(engine, now).await?;
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

/// Drops signatures of what is gone, the oldest of those in memory or, if nobody looks for near copies, whichever they are:
/// they would stay for ever.
async fn drop_prints(engine: &Engine) -> Result<(), Error> {
    if engine.core.near.size().0 > 0 {
        let doomed = engine.ask(near::let_go).await?;
        return take_out(engine, doomed).await;
    }
    let mut after: Option<Vec<u8>> = None;
    loop {
        let begin = after.take();
        let step = engine.ask(move |core| prints_of_nobody(core, begin.as_deref()));
        let (last, doomed) = step.await?;
        take_out(engine, doomed).await?;
        if last.is_none() {
            return Ok(());
        }
        after = last;
    }
}

/// Takes items out of the index.
async fn take_out(engine: &Engine, doomed: Vec<ItemKey>) -> Result<(), Error> {
    if doomed.is_empty() {
        return Ok(());
    }
    let drop = move |writer: &mut Writer| {
        let mut table = writer.core.index.write();
        doomed.iter().try_for_each(|key| {
            give_way(&mut table);
            table.put_raw(key, None)
        })
    };
    engine.by_writer(drop).await
}

/// Of the next signatures the last one's key, and the keys of those whose copies all lead nowhere.
fn prints_of_nobody(
    core: &Core,
    after: Option<&[u8]>,
) -> Result<(Option<ItemKey>, Vec<ItemKey>), Error> {
    let newest = core.index.read().figures.last_print;
    let some = near::runs(core, after, AT_ONCE)?;
    let last = some.last().map(|(key, _)| key.clone());
    let mut doomed = Vec::new();
    for (key, run) in some {
        // The newest one tells where counting goes on.
        let stays = match run {
            Some(run) => {
                let copies = run.prints(core)?.into_iter().map(|print| print.copy);
                run.last() == newest || near::leads_somewhere(core, copies)?
            }
            None => false,
        };
        if !stays {
            doomed.push(key);
        }
    }
    Ok((last, doomed))
}

fn drop_some(writer: &mut Writer, doomed: &[u64], now: Timestamp) -> Result<u64, Error> {
    let core = std::sync::Arc::clone(&writer.core);
    let pending = Pending::default();
    let mut preparing = Preparing::new(&core, &pending, writer.next_seq);
    for seq in doomed {
        if let Some(live) = core.sound(*seq)? {
            let id = live.stand.head.id;
            preparing.change(Change::Removed { id }, Vec::new())?;
        } else if core.index.read().article(*seq)?.is_some() {
            preparing.items.push((lost(*seq), Vec::new()));
        }
        // Else it is gone already, by somebody else's doing.
    }
    let items = preparing.items;
    let count = items.len() as u64;
    writer.add(items, true, false, now)?;
    Ok(count)
}

/// The end of an article that cannot be read: nobody can say any more what led to it.
pub(super) fn lost(seq: u64) -> Item {
    Item::Removed(Box::new(Gone {
        seq,
        id: ArticleId(0),
        source: SourceId::new("unreadable").expect("a name of the allowed form"),
        keys: Vec::new(),
        left: Left::default(),
    }))
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
                && !is_listed(core, number, &rec, &listed)?
            {
                doomed.push(number);
            }
        }
    }
}

fn is_listed(core: &Core, seq: u64, rec: &Rec, listed: &HashSet<u64>) -> Result<bool, Error> {
    if listed.is_empty() {
        return Ok(false);
    }
    let read = core.stand(rec.head).map(Some);
    let Some(stand) = core.unreadable.spare(seq, read)? else {
        return Ok(false);
    };
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
        if let Some(live) = core.sound(seq)?
            && lists::sources(&live.stand.head) == [source.clone()]
        {
            only.push(seq);
        }
    }
    Ok(only)
}
