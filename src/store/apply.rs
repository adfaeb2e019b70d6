//! What each item of the log does to the index. The writer does it with what it has just written, opening does it with
//! what it reads: both come out the same, and doing a stretch of the log twice changes nothing.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::Error;
use super::common::{SPELLINGS, commonest, day, days};
use super::frame::FrameHead;
use super::index::Table;
use super::item::{Gone, Item, Left, Name, Stand, Tombstone, parts, scope_parts};
use super::lists::{self, SHOWN};
use super::log::Loc;
use super::near;
use super::packed::{self, LAST, OTHER, Rec};
use super::paragraphs;
use crate::model::article::{Head, Key};
use crate::model::label::Scope;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

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
            table.put_raw(&near::boilerplate_key(source), None)?;
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
        join(table, frame.number, &scope, stand.seq, head)?;
        if let Some(at) = touched {
            touch(table, &scope, head.published, stand.seq, at)?;
        }
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

/// The prefix of a list's chunks; the list is given a short form if it has none.
fn prefix(table: &mut Table, scope: &Scope) -> Result<[u8; 5], Error> {
    let (kind, name) = scope_parts(scope);
    let id = match table.name(kind, name)? {
        Some(rec) => rec.id,
        None => table.name_mut(kind, name)?.id,
    };
    Ok(list_prefix(kind, id))
}

/// The prefix of a list's chunks.
pub(super) fn list_prefix(kind: u8, id: u32) -> [u8; 5] {
    let id = id.to_be_bytes();
    [kind, id[0], id[1], id[2], id[3]]
}

/// Private articles can be narrowed down too, but apart from the lists that everybody sees.
fn hidden_prefix(table: &mut Table, scope: &Scope) -> Result<[u8; 5], Error> {
    let mut prefix = prefix(table, scope)?;
    prefix[0] = prefix[0].to_ascii_uppercase();
    Ok(prefix)
}

fn join(table: &mut Table, number: u64, scope: &Scope, seq: u64, head: &Head) -> Result<(), Error> {
    let list = prefix(table, scope)?;
    let bare = packed::place(head.published, seq, 0);
    let before = standing(table, &list, bare)?;
    let (kind, name) = scope_parts(scope);
    let rec = table.name_mut(kind, name)?;
    rec.known = true;
    if let Some(old) = before {
        count_spelling(rec, packed::spelling_at(old), false);
    } else {
        rec.count += 1;
        count_month(rec, head.first_seen, true);
    }
    let spelling = lists::spelling(head, scope).map_or(OTHER, |text| spelling_of(rec, text));
    count_spelling(rec, spelling, true);
    spell(rec, number);
    let place = packed::place(head.published, seq, spelling);
    if before != Some(place) {
        if let Some(old) = before {
            table.remove(&list, old)?;
        }
        table.insert(&list, place)?;
    }
    Ok(())
}

fn leave(
    table: &mut Table,
    number: u64,
    scope: &Scope,
    seq: u64,
    left: &Left,
) -> Result<(), Error> {
    let list = prefix(table, scope)?;
    let bare = packed::place(left.published, seq, 0);
    let Some(place) = standing(table, &list, bare)? else {
        return Ok(());
    };
    table.remove(&list, place)?;
    let (kind, name) = scope_parts(scope);
    let rec = table.name_mut(kind, name)?;
    rec.count = rec.count.saturating_sub(1);
    count_month(rec, left.first_seen, false);
    count_spelling(rec, packed::spelling_at(place), false);
    if rec.fresh == number {
        spell(rec, number);
    }
    Ok(())
}

/// Decides how a label is spelt: by the commit of this number, if it is the first one to publish it.
fn spell(rec: &mut packed::NameRec, number: u64) {
    if rec.shown.is_empty() {
        rec.fresh = number;
    } else if rec.fresh != number {
        rec.fresh = 0;
        return;
    }
    let commonest = commonest(&rec.spellings).unwrap_or_default();
    rec.shown = commonest.to_owned();
}

/// The place at which an article stands in a list, under whatever spelling.
pub(super) fn standing(
    table: &Table,
    list: &[u8],
    bare: packed::Place,
) -> Result<Option<packed::Place>, Error> {
    let mut found = None;
    table.walk(list, bare, |place| {
        found = (packed::bare(place) == bare).then_some(place);
        false
    })?;
    Ok(found)
}

/// The short form of a spelling; a new one takes the place of one that nobody uses.
fn spelling_of(rec: &mut packed::NameRec, text: &str) -> u8 {
    let spellings = &mut rec.spellings;
    let at = spellings
        .iter()
        .position(|(spelling, count)| spelling == text && *count > 0)
        .or_else(|| {
            let free = spellings.iter().position(|(_, count)| *count == 0)?;
            text.clone_into(&mut spellings[free].0);
            Some(free)
        })
        .or_else(|| {
            (spellings.len() < SPELLINGS).then(|| {
                spellings.push((text.to_owned(), 0));
                spellings.len() - 1
            })
        });
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(OTHER)
}

fn count_spelling(rec: &mut packed::NameRec, spelling: u8, more: bool) {
    if let Some((_, count)) = rec.spellings.get_mut(usize::from(spelling)) {
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
    }
}

fn count_month(rec: &mut packed::NameRec, first_seen: Timestamp, more: bool) {
    let month = packed::month_of(first_seen);
    match rec.months.binary_search_by_key(&month, |(month, _)| *month) {
        Ok(at) if more => rec.months[at].1 += 1,
        Ok(at) => {
            rec.months[at].1 = rec.months[at].1.saturating_sub(1);
            if rec.months[at].1 == 0 {
                rec.months.remove(at);
            }
        }
        Err(at) if more => rec.months.insert(at, (month, 1)),
        Err(_) => {}
    }
}

/// Moves a list's `touched` if this place is among its newest.
fn touch(
    table: &mut Table,
    scope: &Scope,
    published: Timestamp,
    seq: u64,
    at: Timestamp,
) -> Result<(), Error> {
    let (kind, name) = scope_parts(scope);
    let Some(rec) = table.name(kind, name)? else {
        return Ok(());
    };
    if rec.touched >= at {
        return Ok(());
    }
    if rec.count > SHOWN {
        let list = list_prefix(kind, rec.id);
        let behind = packed::place(published, seq, OTHER);
        if newer_than(table, &list, behind, SHOWN)? >= SHOWN {
            return Ok(());
        }
    }
    table.name_mut(kind, name)?.touched = at;
    Ok(())
}

/// How many members stand behind a place, counted up to `most`.
fn newer_than(table: &Table, list: &[u8], behind: packed::Place, most: u64) -> Result<u64, Error> {
    let (mut from, mut count) = (behind, 0);
    while let Some((_, chunk)) = table.chunk(list, from)? {
        let below = chunk.places.partition_point(|place| *place <= behind);
        count += (chunk.places.len() - below) as u64;
        if count >= most || chunk.upper == LAST {
            break;
        }
        from = chunk.upper;
    }
    Ok(count)
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

/// Where a key's tombstone stands. Nothing can be compared with more than these bits, so they are mixed well.
pub(super) fn tomb_place(key: Key) -> ([u8; 2], u64) {
    let (kind, hash) = parts(key);
    ([b'x', kind], xxh3_64(&hash.to_be_bytes()))
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
                day: day(frame.at),
                source: gone.source.clone(),
            };
            bury(table, &tombstone, file)?;
        }
    }
    table.put_article(gone.seq, None)?;
    Ok(())
}

fn bury(table: &mut Table, tombstone: &Tombstone, file: u32) -> Result<(), Error> {
    let source = source_number(table, &tombstone.source)?;
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

fn source_number(table: &mut Table, source: &SourceId) -> Result<u32, Error> {
    if let Some(rec) = table.name(b'f', source.as_str())? {
        return Ok(rec.id);
    }
    Ok(table.name_mut(b'f', source.as_str())?.id)
}

/// Day, file and source of a tombstone in one number: 16, 24 and 24 bits.
pub(super) fn write_about(day: u16, file: u32, source: u32) -> u64 {
    const LOW: u64 = (1 << 24) - 1;
    u64::from(day) << 48 | (u64::from(file) & LOW) << 24 | u64::from(source) & LOW
}

/// Reads what [`write_about`] wrote.
pub(super) fn read_about(about: u64) -> (u16, u32, u32) {
    let part = |shift: u32| u32::try_from(about >> shift & ((1 << 24) - 1)).unwrap_or(0);
    (u16::try_from(about >> 48).unwrap_or(0), part(24), part(0))
}

/// Takes a key's tombstone away.
fn exhume(table: &mut Table, key: Key) -> Result<(), Error> {
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
pub(super) fn expire(table: &mut Table, limit: Duration, now: Timestamp) -> Result<(), Error> {
    let oldest = u64::from(day(now)).saturating_sub(days(limit));
    exhume_all(table, |day, _, _| u64::from(day) < oldest).map(|_| ())
}

/// Takes the tombstones of a source away.
pub(super) fn unbury(table: &mut Table, source: &SourceId) -> Result<u64, Error> {
    let Some(rec) = table.name(b'f', source.as_str())? else {
        return Ok(0);
    };
    exhume_all(table, |_, _, of| of == rec.id)
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
            super::codec::unpack::<crate::model::source::SourceState>(body)
                .map(|(state, _)| state.listed)
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
