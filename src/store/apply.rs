//! What each item of the log does to the index. The writer does it with what it has just written, opening does it with
//! what it reads: both come out the same, and doing a stretch of the log twice changes nothing.

mod listing;
mod tombstones;

use xxhash_rust::xxh3::xxh3_64;

use super::Error;
use super::common::tick;
use super::frame::FrameHead;
use super::index::Table;
use super::item::{Gone, Item, Left, Name, Stand, Tombstone, parts, scope_parts};
use super::lists;
use super::log::Loc;
use super::near;
use super::packed::{self, Rec};
use super::paragraphs;
use crate::model::article::Key;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

use listing::{hidden_prefix, join, leave, touch};
pub(super) use listing::{list_prefix, standing};
use tombstones::{bury, exhume};
pub(super) use tombstones::{expire, home, read_about, tomb_place, unbury};

/// The letters of the sets of keys, by kind of key.
const KEY_SETS: [u8; 3] = [b'g', b'u', b'h'];

/// Does one item. `body` is needed for states, notes and signatures, and to tell whether an amendment has sightings.
pub(super) fn apply(
    table: &mut Table,
    frame: &FrameHead,
    item: &Item,
    loc: Loc,
    body: &[u8],
) -> Result<(), Error> {
    match item {
        Item::Put(stand) => put(table, frame, stand, loc),
        Item::Amend(stand) => amend(table, frame, stand, loc, !body.is_empty()),
        Item::Removed(gone) => removed(table, frame, gone, loc.file),
        Item::State(source) => state(table, frame.at, source, loc.file, body),
        Item::Unburied(source) => unbury(table, source).map(|_| ()),
        Item::Forgotten(source) => {
            table.put_raw(&paragraphs::boilerplate_key(source), None)?;
            let key = state_key(source);
            if table.raw(&key)?.is_some() {
                table.figures.sources = table.figures.sources.saturating_sub(1);
                table.put_raw(&key, None)?;
            }
            Ok(())
        }
        Item::Tombstones(all) => all.iter().try_for_each(|one| bury(table, one, loc.file)),
        Item::Name(name) => named(table, name),
        Item::Note(name) => table.put_raw(&note_key(name), Some(&write_state(loc.file, body))),
        Item::Marks(marks) => near::apply(table, marks, loc, body),
        Item::Paragraphs(source) => paragraphs::apply(table, source, loc, body),
        Item::Unkeyed(seq, keys) => keys.iter().try_for_each(|key| {
            let spot = spot(*key);
            table.remove(&spot.set, spot.leading_to(*seq)).map(|_| ())
        }),
    }
}

fn put(table: &mut Table, frame: &FrameHead, stand: &Stand, loc: Loc) -> Result<(), Error> {
    let touched = (!frame.carried).then_some(frame.at);
    enlist(table, frame, touched, stand)?;
    let rec = rec_of(stand, loc, loc, Vec::new());
    let old = table.put_article(stand.seq, Some(rec))?;
    if let Some(old) = old.filter(|old| old.listed_until > stand.listed_until) {
        drop_off(table, stand.seq, old.listed_until)?;
    }
    Ok(())
}

fn amend(
    table: &mut Table,
    frame: &FrameHead,
    stand: &Stand,
    loc: Loc,
    has_sightings: bool,
) -> Result<(), Error> {
    // Its text stood in a file that is gone: then the whole article stands further on, carried there.
    let Some(old) = table.article(stand.seq)? else {
        return Ok(());
    };
    enlist(table, frame, Some(frame.at), stand)?;
    let mut amends = old.amends;
    if has_sightings && !amends.contains(&loc) {
        amends.push(loc);
    }
    let mut rec = rec_of(stand, loc, old.body, amends);
    rec.listed_until = rec.listed_until.max(old.listed_until);
    table.put_article(stand.seq, Some(rec))?;
    Ok(())
}

pub(super) fn rec_of(stand: &Stand, head: Loc, body: Loc, amends: Vec<Loc>) -> Rec {
    let of = &stand.head;
    Rec {
        version: of.version,
        private: of.private,
        has_image: of.has_image,
        has_enclosure: of.has_enclosure,
        first_seen: of.first_seen,
        published: of.published,
        listed_until: stand.listed_until,
        language: of
            .language
            .as_deref()
            .map(lists::primary)
            .unwrap_or_default(),
        head,
        body,
        amends,
        sightings: u32::try_from(of.seen_at.len()).unwrap_or(u32::MAX),
    }
}

/// Notes until when a source listed an article.
pub(super) fn drop_off(table: &mut Table, seq: u64, until: Timestamp) -> Result<(), Error> {
    if let Some(mut rec) = table.article(seq)?
        && rec.listed_until < until
    {
        rec.listed_until = until;
        table.put_article(seq, Some(rec))?;
    }
    Ok(())
}

/// Takes an article out of the lists it left, into those it stands in, and lets its keys lead to it.
fn enlist(
    table: &mut Table,
    frame: &FrameHead,
    touched: Option<Timestamp>,
    stand: &Stand,
) -> Result<(), Error> {
    delist(table, frame, touched, stand.seq, &stand.left)?;
    let head = &stand.head;
    for scope in lists::lists(head) {
        join(table, frame.number, touched, &scope, stand.seq, head)?;
    }
    if head.private {
        for scope in lists::narrowing(head) {
            let prefix = hidden_prefix(table, &scope)?;
            table.insert(&prefix, packed::place(head.published, stand.seq, 0))?;
        }
    }
    for key in lists::own_keys(head).iter().chain(&stand.keys) {
        let spot = spot(*key);
        table.insert(&spot.set, spot.leading_to(stand.seq))?;
        exhume(table, *key)?;
    }
    Ok(())
}

fn delist(
    table: &mut Table,
    frame: &FrameHead,
    touched: Option<Timestamp>,
    seq: u64,
    left: &Left,
) -> Result<(), Error> {
    for scope in &left.lists {
        if let Some(at) = touched {
            touch(table, scope, left.published, seq, at)?;
        }
        leave(table, frame.number, scope, seq, left)?;
    }
    for scope in &left.hidden {
        let prefix = hidden_prefix(table, scope)?;
        table.remove(&prefix, packed::place(left.published, seq, 0))?;
    }
    Ok(())
}

/// A key as its set holds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) set: [u8; 1],
    /// What members are ordered by.
    hash: u64,
    /// Further bits of a guid's hash, kept beside the number of the article.
    tail: Option<u16>,
}

/// Where a key stands.
pub(super) fn spot(key: Key) -> Spot {
    let (kind, hash) = parts(key);
    let mixed = xxh3_64(&hash.to_be_bytes());
    let set = [KEY_SETS[usize::from(kind)]];
    match key {
        // A source's state names what it lists by the first bits of the hash as it is.
        Key::Guid(hash) => Spot {
            set,
            hash: super::common::prefix(hash),
            tail: Some(u16::try_from(mixed & 0xffff).unwrap_or(0)),
        },
        Key::Url(_) | Key::Content(_) => Spot {
            set,
            hash: mixed,
            tail: None,
        },
    }
}

impl Spot {
    /// The member that says: this key leads to this article.
    pub(super) fn leading_to(self, seq: u64) -> packed::Place {
        match self.tail {
            Some(tail) => (self.hash, seq << 16 | u64::from(tail)),
            None => (self.hash, seq),
        }
    }

    /// The articles that the key leads to, as far as its kept bits can say.
    pub(super) fn holders(self, table: &Table) -> Result<Vec<u64>, Error> {
        let all = table.twins(&self.set, self.hash)?.into_iter();
        Ok(match self.tail {
            Some(tail) => all
                .filter(|about| about & 0xffff == u64::from(tail))
                .map(|about| about >> 16)
                .collect(),
            None => all.collect(),
        })
    }
}

fn removed(table: &mut Table, frame: &FrameHead, gone: &Gone, file: u32) -> Result<(), Error> {
    delist(table, frame, Some(frame.at), gone.seq, &gone.left)?;
    for key in &gone.keys {
        let spot = spot(*key);
        table.remove(&spot.set, spot.leading_to(gone.seq))?;
    }
    for key in &gone.keys {
        if spot(*key).holders(table)?.is_empty() {
            let (kind, hash) = (parts(*key).0, tomb_place(*key).1);
            let tombstone = Tombstone {
                kind,
                hash,
                tick: tick(frame.at),
                source: gone.source.clone(),
            };
            bury(table, &tombstone, file)?;
        }
    }
    table.put_article(gone.seq, None)?;
    Ok(())
}

/// The key of a source's state.
pub(super) fn state_key(source: &SourceId) -> Vec<u8> {
    let mut key = vec![b's'];
    key.extend_from_slice(source.as_str().as_bytes());
    key
}

/// The key of a note.
pub(super) fn note_key(name: &str) -> Vec<u8> {
    let mut key = vec![b'k'];
    key.extend_from_slice(name.as_bytes());
    key
}

/// A state or a note as the index holds it: the file of the log that has it (0: none has), and the packed state.
pub(super) fn write_state(file: u32, body: &[u8]) -> Vec<u8> {
    let mut value = file.to_le_bytes().to_vec();
    value.extend_from_slice(body);
    value
}

/// Reads what [`write_state`] wrote.
pub(super) fn read_state(value: &[u8]) -> Option<(u32, &[u8])> {
    let (file, body) = value.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*file), body))
}

/// Keeps a source's state, and notes what it no longer lists.
pub(super) fn state(
    table: &mut Table,
    at: Timestamp,
    source: &SourceId,
    file: u32,
    body: &[u8],
) -> Result<(), Error> {
    let key = state_key(source);
    let old = table.raw(&key)?;
    if let Some(old) = &old {
        let listed = |body: &[u8]| {
            super::codec::unpack_state(body)
                .map(|state| state.listed)
                .unwrap_or_default()
        };
        let before = read_state(old)
            .map(|(_, old)| listed(old))
            .unwrap_or_default();
        if !before.is_empty() {
            let still: std::collections::HashSet<u64> = listed(body).into_iter().collect();
            for short in before.into_iter().filter(|short| !still.contains(short)) {
                for about in table.twins(b"g", short)? {
                    drop_off(table, about >> 16, at)?;
                }
            }
        }
    } else {
        table.figures.sources += 1;
    }
    table.put_raw(&key, Some(&write_state(file, body)))
}

fn named(table: &mut Table, name: &Name) -> Result<(), Error> {
    let (kind, text) = scope_parts(&name.scope);
    let rec = table.name_mut(kind, text)?;
    rec.known = true;
    rec.touched = name.touched;
    if !name.shown.is_empty() {
        rec.shown.clone_from(&name.shown);
        rec.fresh = 0;
    }
    Ok(())
}
