//! Looks the whole store over: every frame of the log, and every entry of the index both ways: what the log has must
//! stand where it belongs in the index, and whatever stands in the index must be true of an article.
//!
//! Nothing is changed here. Each step is a small one, done by the writer between two groups of batches, so that log and
//! index belong together while it looks; visits and readers go on.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::apply::{self, list_prefix, spot};
use super::core::{Core, unpack_state};
use super::engine::Engine;
use super::frame;
use super::index::Value;
use super::item::{Item, Stand, scope_parts};
use super::lists;
use super::log::Pos;
use super::packed::{self, Place, Rec};
use super::{Error, clean};
use crate::model::label::Scope;
use crate::model::source::SourceId;

/// Faults that are told in words; more are only counted.
const TOLD: usize = 20;
/// Chunks of a list, or other items, that one step looks at.
const STEP: usize = 4;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Sound frames of the log.
    pub frames: u64,
    /// Items in them.
    pub items: u64,
    /// Places of the log that cannot be read.
    pub damaged: u64,
    /// Articles that the index has.
    pub articles: u64,
    /// Entries of the index that were compared with an article.
    pub entries: u64,
    /// What is wrong with the index.
    pub wrong: u64,
    /// The first faults, in words.
    pub faults: Vec<String>,
    /// The index was made anew from the log.
    pub repaired: bool,
}

impl Verified {
    fn fault(&mut self, text: impl FnOnce() -> String) {
        if self.faults.len() < TOLD {
            self.faults.push(text());
        }
    }

    fn wrong(&mut self, text: impl FnOnce() -> String) {
        self.wrong += 1;
        self.fault(text);
    }

    fn absorb(&mut self, other: Self) {
        self.articles += other.articles;
        self.entries += other.entries;
        self.wrong += other.wrong;
        for text in other.faults {
            self.fault(|| text);
        }
    }

    /// True if nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged == 0 && self.wrong == 0
    }
}

/// Looks everything over; with `repair`, an index with faults is made anew and looked over again.
pub(super) async fn verify(engine: &Engine, repair: bool) -> Result<Verified, Error> {
    let found = look(engine).await?;
    if !repair || found.wrong == 0 {
        return Ok(found);
    }
    engine.by_writer(super::writer::Writer::make_anew).await?;
    let again = look(engine).await?;
    Ok(Verified {
        repaired: true,
        ..again
    })
}

async fn look(engine: &Engine) -> Result<Verified, Error> {
    let (mut verified, mut living, end) = engine.ask(read_log).await?;
    let mut from = 0;
    loop {
        let step = engine.by_writer(move |writer| articles(&writer.core, from));
        let Some((next, seen, found)) = step.await? else {
            break;
        };
        verified.absorb(found);
        for seq in seen {
            living.remove(&seq);
        }
        from = next;
    }
    let lost = engine.ask(move |core| lost(core, living, end)).await?;
    for seq in lost {
        verified.wrong(|| format!("article number {seq} stands in the log and not in the index"));
    }
    let mut at: Option<Vec<u8>> = None;
    loop {
        let after = at.take();
        let step = engine.by_writer(move |writer| entries(&writer.core, after.as_deref()));
        let (next, found) = step.await?;
        verified.absorb(found);
        if next.is_none() {
            break;
        }
        at = next;
    }
    let buried = engine.by_writer(|writer| buried(&writer.core)).await?;
    verified.absorb(buried);
    Ok(verified)
}

/// Every frame and item; the numbers of the articles that live by the log alone; where that log ended.
fn read_log(core: &Core) -> Result<(Verified, HashSet<u64>, Pos), Error> {
    let log = core.log.snapshot()?;
    let mut verified = Verified::default();
    let mut living = HashSet::new();
    let mut unreadable = Vec::new();
    let holes = log.scan(|read| {
        verified.frames += 1;
        for found in frame::items(read.bytes) {
            let Some((_, raw)) = found else {
                unreadable.push(read.pos);
                break;
            };
            verified.items += 1;
            match raw.item {
                Item::Put(stand) => {
                    living.insert(stand.seq);
                }
                Item::Removed(gone) => {
                    living.remove(&gone.seq);
                }
                _ => {}
            }
        }
        Ok(true)
    })?;
    for hole in &holes {
        verified.fault(|| {
            format!(
                "file {:08}.alog: bytes {} to {} are not what was written",
                hole.file, hole.from, hole.to
            )
        });
    }
    for pos in &unreadable {
        let Pos { file, at } = *pos;
        verified.fault(|| {
            format!("file {file:08}.alog: the frame at byte {at} holds what cannot be read")
        });
    }
    verified.damaged = (holes.len() + unreadable.len()) as u64;
    Ok((verified, living, log.end()))
}

/// Articles that are not in the index though nothing has removed them since the log was read.
fn lost(core: &Core, mut living: HashSet<u64>, end: Pos) -> Result<Vec<u64>, Error> {
    if living.is_empty() {
        return Ok(Vec::new());
    }
    core.log.scan(end, |read| {
        for (_, raw) in frame::items(read.bytes).flatten() {
            if let Item::Removed(gone) = raw.item {
                living.remove(&gone.seq);
            }
        }
        Ok(true)
    })?;
    let mut lost: Vec<u64> = living.into_iter().collect();
    lost.sort_unstable();
    Ok(lost)
}

/// One step of looking at articles: where to go on, whom it saw, what it found.
type Step = (u64, Vec<u64>, Verified);

fn articles(core: &Core, from: u64) -> Result<Option<Step>, Error> {
    let Some((next, recs)) = core.index.read().recs(from)? else {
        return Ok(None);
    };
    let mut found = Verified::default();
    let mut seen = Vec::with_capacity(recs.len());
    for (seq, rec) in recs {
        found.articles += 1;
        seen.push(seq);
        match article(core, seq, &rec, &mut found) {
            Ok(()) => {}
            Err(Error::Closed) => return Err(Error::Closed),
            Err(error) => found.wrong(|| format!("article number {seq}: {error}")),
        }
    }
    Ok(Some((next, seen, found)))
}

/// An article must be readable, and stand wherever it says.
fn article(core: &Core, seq: u64, rec: &Rec, found: &mut Verified) -> Result<(), Error> {
    core.read_article(seq, rec)?;
    let stand = core.stand(rec.head)?;
    let expected = Rec {
        listed_until: rec.listed_until,
        ..apply::rec_of(&stand, rec.head, rec.body, rec.amends.clone())
    };
    if *rec != expected {
        found.wrong(|| format!("article number {seq}: the index has an older stand"));
    }
    let table = core.index.read();
    let bare = packed::place(stand.head.published, seq, 0);
    for (scope, is_hidden) in scopes(&stand) {
        let (kind, name) = scope_parts(&scope);
        let list = table.name(kind, name)?.map(|rec| list_prefix(kind, rec.id));
        let stands = match list {
            Some(mut list) => {
                if is_hidden {
                    list[0] = list[0].to_ascii_uppercase();
                }
                apply::standing(&table, &list, bare)?.is_some()
            }
            None => false,
        };
        if !stands {
            found.wrong(|| format!("article number {seq} is missing in the list of {scope:?}"));
        }
    }
    for key in lists::own_keys(&stand.head).iter().chain(&stand.keys) {
        if !spot(*key).holders(&table)?.contains(&seq) {
            found.wrong(|| format!("a key of article number {seq} does not lead to it"));
        }
    }
    Ok(())
}

/// Where an article stands, and whether it is hidden there.
fn scopes(stand: &Stand) -> Vec<(Scope, bool)> {
    let open = lists::lists(&stand.head);
    let mut all: Vec<(Scope, bool)> = open.into_iter().map(|scope| (scope, false)).collect();
    if stand.head.private {
        let hidden = lists::narrowing(&stand.head);
        all.extend(hidden.into_iter().map(|scope| (scope, true)));
    }
    all
}

/// The next items of the index: each must be true. Gives the key to go on behind.
fn entries(core: &Core, after: Option<&[u8]>) -> Result<(Option<Vec<u8>>, Verified), Error> {
    let mut found = Verified::default();
    let some = core.index.read().page(b"", after, STEP)?;
    let last = some.last().map(|(key, _)| key.clone());
    let mut heads = HashMap::new();
    for (key, value) in some {
        match value {
            Value::Set(chunk) => {
                for place in &chunk.places {
                    found.entries += 1;
                    let told = member(core, &key, *place, &mut heads)?;
                    if !told {
                        found.wrong(|| {
                            format!("an entry in `{}` belongs to no article", char::from(key[0]))
                        });
                    }
                }
            }
            Value::Raw(bytes) if key[0] == b's' => {
                found.entries += 1;
                let id = std::str::from_utf8(&key[1..]).ok().and_then(SourceId::new);
                let state = id.map(|id| unpack_state(&id, &bytes));
                if !matches!(state, Some(Ok(_))) {
                    found.wrong(|| {
                        let name = String::from_utf8_lossy(&key[1..]).into_owned();
                        format!("the state of source `{name}` cannot be read")
                    });
                }
            }
            _ => {}
        }
    }
    Ok((last, found))
}

type Heads = HashMap<u64, Option<std::sync::Arc<Stand>>>;

/// True if a member of an ordered set is there by right.
fn member(core: &Core, key: &[u8], place: Place, heads: &mut Heads) -> Result<bool, Error> {
    let kind = key[0];
    let seq = match kind {
        b'g' => place.1 >> 16,
        b'u' | b'h' => place.1,
        b'o' | b't' | b'c' | b'f' | b'q' | b'T' | b'C' | b'F' => packed::cursor(place).seq,
        // Other sets do not lead to articles.
        _ => return Ok(true),
    };
    let stand = match heads.entry(seq) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => match core.live(seq) {
            Ok(live) => unknown.insert(live.map(|live| live.stand)),
            // Said already, with the article.
            Err(Error::Damaged { .. }) => return Ok(true),
            Err(error) => return Err(error),
        },
    };
    let Some(stand) = stand else {
        return Ok(false);
    };
    if matches!(kind, b'g' | b'u' | b'h') {
        let own = lists::own_keys(&stand.head);
        return Ok(own
            .iter()
            .chain(&stand.keys)
            .map(|key| spot(*key))
            .any(|spot| spot.set == [kind] && spot.leading_to(seq) == place));
    }
    if packed::bare(place) != packed::place(stand.head.published, seq, 0) {
        return Ok(false);
    }
    let table = core.index.read();
    for (scope, is_hidden) in scopes(stand) {
        let (of, name) = scope_parts(&scope);
        let letter = if is_hidden {
            of.to_ascii_uppercase()
        } else {
            of
        };
        if letter == kind
            && let Some(rec) = table.name(of, name)?
            && key.starts_with(&list_prefix(letter, rec.id))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tombstones are as many as are counted.
fn buried(core: &Core) -> Result<Verified, Error> {
    let mut found = Verified::default();
    let there = clean::tombstones(core, None)?.len() as u64;
    let counted = core.index.read().figures.tombstones;
    found.entries += there;
    if there != counted {
        found.wrong(|| format!("{counted} tombstones are counted and {there} are there"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples::{article, opened, put};
    use crate::store::{Options, Store};

    #[tokio::test]
    async fn what_does_not_fit_is_found_both_ways_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            path: dir.path().to_owned(),
            ..Options::default()
        };
        let engine = opened(&options);
        put(&engine, article(7)).await;
        let found = verify(&engine, false).await.unwrap();
        assert!(found.is_sound(), "{found:?}");

        // An article that is missing in a list, a key that leads nowhere, an article that is gone.
        let list = list_prefix(b'o', 0);
        let harm = engine.by_writer(move |writer| {
            let mut table = writer.core.index.write();
            let mut places = Vec::new();
            table.walk(&list, (0, 0), |place| {
                places.push(place);
                true
            })?;
            for place in places {
                table.remove(&list, place)?;
            }
            Ok(())
        });
        harm.await.unwrap();
        assert_eq!(verify(&engine, false).await.unwrap().wrong, 1);
        let harm = engine.by_writer(|writer| writer.core.index.write().insert(b"u", (5, 99)));
        assert!(harm.await.unwrap());
        assert_eq!(verify(&engine, false).await.unwrap().wrong, 2);
        let harm = engine.by_writer(|writer| writer.core.index.write().put_article(1, None));
        assert!(harm.await.unwrap().is_some());
        let found = verify(&engine, false).await.unwrap();
        assert!(found.wrong > 2, "{found:?}");
        assert!(
            found
                .faults
                .iter()
                .any(|text| text.contains("not in the index")),
            "{found:?}"
        );

        let found = verify(&engine, true).await.unwrap();
        assert!(found.repaired && found.is_sound(), "{found:?}");
        assert_eq!(found.articles, 1);
        engine.close().await.unwrap();
    }
}
