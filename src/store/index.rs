//! The index: what leads from keys, names and dates to articles. sled holds it; the newest part is in memory and goes to
//! sled a moment later. All of it can be made again from the log.
//!
//! One writer changes the table; readers look under a lock that is held for one look only. What is in memory and not yet
//! in sled is never lost, since the log has it: [`Table::applied`] says up to where sled knows the log. Items go to sled
//! in small batches (sled lets nobody read during a batch): first lists with their counts, then keys, then articles, and
//! the position in the log with the last one. Doing the changes behind that position once more changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Error;
use super::codec::{In, Out};
use super::log::Pos;
use super::packed::{self, Coding, LAST, NameRec, Place, Rec};
use crate::model::source::SourceId;

/// sled's segments: its own default makes many small ones.
const SEGMENT: usize = 8 << 20;
/// Items in one batch of sled.
const BATCH: usize = 48;
/// Unchanged items that stay in memory after a flush, in bytes.
const WARM: usize = 12 << 20;

/// The table behind its lock.
#[derive(Debug)]
pub(super) struct Index {
    table: RwLock<Table>,
}

/// The whole index: what sled has, with what is newer in memory.
#[derive(Debug)]
pub(super) struct Table {
    db: Option<sled::Db>,
    dir: PathBuf,
    slots: BTreeMap<Vec<u8>, Slot>,
    /// Estimate of the bytes in `slots`.
    volume: usize,
    dirty: usize,
    sum: Sum,
    /// Size of sled's files when they were fresh.
    fresh: u64,
    /// A second sled that is being filled, and the last key that it has.
    pub(super) successor: Option<Successor>,
    /// Position in the log up to which everything is in this table.
    pub(super) applied: Pos,
    pub(super) figures: Figures,
}

/// A sled that will take the place of the present one.
#[derive(Debug)]
pub(super) struct Successor {
    db: sled::Db,
    dir: PathBuf,
    copied: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Slot {
    value: Value,
    /// Hash and length of what sled holds under this key.
    stored: Option<(u64, usize)>,
    dirty: bool,
}

/// An item as it is used.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing any more.
    Gone,
    /// Part of an ordered set.
    Set(Arc<Chunk>),
    /// Articles.
    Pack(Arc<Vec<(u64, Rec)>>),
    /// A list by name.
    Name(Arc<NameRec>),
    /// Anything else.
    Raw(Arc<[u8]>),
}

/// Part of an ordered set.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) places: Vec<Place>,
    /// Where the next part begins.
    pub(super) upper: Place,
}

/// What all items of sled together must give: a lost or altered one shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    hash: u64,
    items: u64,
    bytes: u64,
}

/// What is counted beside the items; made anew at each opening.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) articles: u64,
    pub(super) sightings: u64,
    pub(super) sources: u64,
    pub(super) tombstones: u64,
    /// Bytes of the log that articles need, by file.
    pub(super) live: BTreeMap<u32, u64>,
    /// First and last number of the articles that were first seen in a month.
    pub(super) months: BTreeMap<u32, (u64, u64)>,
    pub(super) last_seq: u64,
    pub(super) last_name: u32,
    /// Number of the newest signature.
    pub(super) last_print: u64,
    /// Sources by the short form of their name.
    pub(super) source_names: HashMap<u32, SourceId>,
}

impl Figures {
    /// Counts an article in.
    pub(super) fn add(&mut self, seq: u64, rec: &Rec) {
        self.articles += 1;
        self.sightings += u64::from(rec.sightings);
        for loc in rec.places() {
            *self.live.entry(loc.file).or_default() += u64::from(loc.length);
        }
        let (first, last) = self
            .months
            .entry(packed::month_of(rec.first_seen))
            .or_insert((seq, seq));
        *first = seq.min(*first);
        *last = seq.max(*last);
        self.last_seq = self.last_seq.max(seq);
    }

    /// Counts an article out.
    pub(super) fn take(&mut self, rec: &Rec) {
        self.articles = self.articles.saturating_sub(1);
        self.sightings = self.sightings.saturating_sub(u64::from(rec.sightings));
        for loc in rec.places() {
            let live = self.live.entry(loc.file).or_default();
            *live = live.saturating_sub(u64::from(loc.length));
        }
    }
}

/// Why an index is not used.
pub(super) type Refusal = String;

/// Articles that share an item of the index, by number, and the number behind the last that could stand in it.
pub(super) type Pack = (u64, Vec<(u64, Rec)>);

/// The key of an item that sled has now, with the hash and the length it is stored under.
type Written = (Vec<u8>, Option<(u64, usize)>);

/// Takes half-written snapshots of sled away: it would refuse to open with one.
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %entry.path().display(), "removing a half-written snapshot of the index");
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Runs what may panic inside sled on a thread of its own.
fn guarded<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let thread = std::thread::Builder::new().name("aggd-index".to_owned());
    let running = thread
        .spawn(|| catch_unwind(AssertUnwindSafe(work)))
        .map_err(|error| error.to_string())?;
    match running.join() {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) | Err(panic) => Err(panic_text(&*panic)),
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("no reason given"))
}

fn open_db(dir: &Path, cache: u64) -> Result<sled::Db, Refusal> {
    sweep(dir);
    sled::Config::new()
        .path(dir)
        .segment_size(SEGMENT)
        .mode(sled::Mode::LowSpace)
        .use_compression(false)
        .cache_capacity(cache)
        .flush_every_ms(Some(500))
        .open()
        .map_err(|error| error.to_string())
}

const APPLIED: &[u8] = b"mw";
const SUM: &[u8] = b"mh";
const COMPLETE: &[u8] = b"mk";
const FRESH: &[u8] = b"mf";

impl Table {
    /// Opens an index and checks every item of it.
    pub(super) fn open(dir: &Path, cache: u64) -> Result<Self, Refusal> {
        let owned = dir.to_owned();
        guarded(move || {
            let db = open_db(&owned, cache)?;
            let found = survey(&db);
            let fresh = db.get(FRESH).map_err(|error| error.to_string())?;
            let fresh = fresh.and_then(|bytes| In(&bytes).number()).unwrap_or(0);
            found.map(|(sum, applied, figures)| Self {
                db: Some(db),
                dir: owned,
                slots: BTreeMap::new(),
                volume: 0,
                dirty: 0,
                sum,
                fresh,
                successor: None,
                applied,
                figures,
            })
        })
    }

    /// An empty index, to be filled from this place of the log on.
    pub(super) fn create(dir: &Path, cache: u64, from: Pos) -> Result<Self, Refusal> {
        let owned = dir.to_owned();
        let db = guarded(move || open_db(&owned, cache))?;
        Ok(Self {
            db: Some(db),
            dir: dir.to_owned(),
            slots: BTreeMap::new(),
            volume: 0,
            dirty: 0,
            sum: Sum::default(),
            fresh: 0,
            successor: None,
            applied: from,
            figures: Figures::default(),
        })
    }

    /// Directory of the sled in use.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Items in sled.
    pub(super) fn items(&self) -> u64 {
        self.sum.items
    }

    /// Bytes of keys and values in sled.
    pub(super) fn bytes(&self) -> u64 {
        self.sum.bytes
    }

    /// Bytes of sled's files.
    pub(super) fn disk(&self) -> u64 {
        let size = self.db.as_ref().and_then(|db| db.size_on_disk().ok());
        size.unwrap_or(0)
    }

    /// Notes how large sled's files are when they are fresh.
    pub(super) fn baseline(&mut self) {
        self.fresh = self.disk();
        let mut out = Out::default();
        out.number(self.fresh);
        // Without the note the index is made smaller once more than it need be.
        let _ = self.db.as_ref().map(|db| db.insert(FRESH, out.0));
    }

    /// How large sled's files were when they were last made anew; 0 if that is not known.
    pub(super) fn fresh(&self) -> u64 {
        self.fresh
    }

    /// Items that sled does not have yet, or not in this form.
    pub(super) fn dirty(&self) -> usize {
        self.dirty
    }

    /// Estimate of the bytes in memory.
    pub(super) fn volume(&self) -> usize {
        self.volume
    }

    fn db(&self) -> Result<&sled::Db, Error> {
        self.db.as_ref().ok_or(Error::Closed)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<sled::IVec>, Error> {
        self.db()?.get(key).map_err(refused)
    }

    /// The item under a key; `upper` matters for chunks only.
    fn look(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        if let Some(slot) = self.slots.get(key) {
            return Ok(match &slot.value {
                Value::Gone => None,
                value => Some(value.clone()),
            });
        }
        let Some(bytes) = self.stored(key)? else {
            return Ok(None);
        };
        decode(key, &bytes, LAST).map(Some)
    }

    /// Brings an item into memory so that it can be changed.
    fn hold(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.slots.contains_key(key) {
            return Ok(());
        }
        let (value, stored) = match self.stored(key)? {
            Some(bytes) => (
                decode(key, &bytes, LAST)?,
                Some((item_hash(key, &bytes), bytes.len())),
            ),
            None => (Value::Gone, None),
        };
        self.insert_slot(key.to_vec(), value, stored, false);
        Ok(())
    }

    fn insert_slot(
        &mut self,
        key: Vec<u8>,
        value: Value,
        stored: Option<(u64, usize)>,
        dirty: bool,
    ) {
        self.volume += weight(&key, &value);
        self.dirty += usize::from(dirty);
        self.slots.insert(
            key,
            Slot {
                value,
                stored,
                dirty,
            },
        );
    }

    /// Puts a value in the place of whatever is there; the key is in memory already.
    fn set(&mut self, key: &[u8], value: Value) -> Result<(), Error> {
        self.hold(key)?;
        let slot = self.slots.get_mut(key).expect("just held");
        self.volume = (self.volume + weight(key, &value)).saturating_sub(weight(key, &slot.value));
        slot.value = value;
        self.dirty += usize::from(!slot.dirty);
        slot.dirty = true;
        Ok(())
    }

    // Ordered sets.

    /// The chunk whose range contains a place, by key. It is in memory afterwards.
    fn locate(&mut self, prefix: &[u8], place: Place) -> Result<Option<Vec<u8>>, Error> {
        if let Some(key) = self.warm_chunk(prefix, place) {
            return Ok(Some(key.clone()));
        }
        let Some((key, bytes, upper)) = self.cold_chunk(prefix, place)? else {
            return Ok(None);
        };
        let value = decode(&key, &bytes, upper)?;
        let stored = Some((item_hash(&key, &bytes), bytes.len()));
        let key = key.to_vec();
        self.insert_slot(key.clone(), value, stored, false);
        Ok(Some(key))
    }

    fn warm_chunk(&self, prefix: &[u8], place: Place) -> Option<&Vec<u8>> {
        let key = packed::chunk_key(prefix, place);
        let below = self
            .slots
            .range::<[u8], _>((Bound::Included(prefix), Bound::Included(key.as_slice())));
        for (key, slot) in below.rev() {
            match &slot.value {
                Value::Set(chunk) if chunk.upper > place => return Some(key),
                Value::Gone => {}
                _ => return None,
            }
        }
        None
    }

    fn cold_chunk(
        &self,
        prefix: &[u8],
        place: Place,
    ) -> Result<Option<(sled::IVec, sled::IVec, Place)>, Error> {
        let key = packed::chunk_key(prefix, place);
        let db = self.db()?;
        let Some(found) = db.range(prefix..=key.as_slice()).next_back() else {
            return Ok(None);
        };
        let (key, bytes) = found.map_err(refused)?;
        // A chunk that is in memory covers what it says there; one that is gone covers nothing.
        if !key.starts_with(prefix) || self.slots.contains_key(key.as_ref()) {
            return Ok(None);
        }
        let next = db.range::<&[u8], _>((Bound::Excluded(key.as_ref()), Bound::Unbounded));
        let upper = match next.keys().next() {
            Some(next) => packed::chunk_place(&next.map_err(refused)?, prefix).unwrap_or(LAST),
            None => LAST,
        };
        Ok(Some((key, bytes, upper)))
    }

    /// The chunk whose range contains a place, with the place where it begins.
    pub(super) fn chunk(
        &self,
        prefix: &[u8],
        place: Place,
    ) -> Result<Option<(Place, Arc<Chunk>)>, Error> {
        if let Some(key) = self.warm_chunk(prefix, place) {
            let Some(Value::Set(chunk)) = self.slots.get(key).map(|slot| &slot.value) else {
                return Ok(None);
            };
            let begin = packed::chunk_place(key, prefix).unwrap_or_default();
            return Ok(Some((begin, Arc::clone(chunk))));
        }
        let Some((key, bytes, upper)) = self.cold_chunk(prefix, place)? else {
            return Ok(None);
        };
        let begin = packed::chunk_place(&key, prefix).ok_or_else(|| damaged(&key))?;
        match decode(&key, &bytes, upper)? {
            Value::Set(chunk) => Ok(Some((begin, chunk))),
            _ => Err(damaged(&key)),
        }
    }

    /// The chunk whose range contains a place and those before it, so many at most, each with the place where it begins: one
    /// look for all of them costs little more than for one.
    pub(super) fn chunks_down(
        &self,
        prefix: &[u8],
        place: Place,
        most: usize,
    ) -> Result<Vec<(Place, Arc<Chunk>)>, Error> {
        let Some((begin, chunk)) = self.chunk(prefix, place)? else {
            return Ok(Vec::new());
        };
        let mut all = vec![(begin, chunk)];
        let mut upper = begin;
        if most <= 1 || begin == (0, 0) {
            return Ok(all);
        }
        let bound = packed::chunk_key(prefix, begin);
        let below = (Bound::Included(prefix), Bound::Excluded(bound.as_slice()));
        let mut warm = self.slots.range::<[u8], _>(below).rev().peekable();
        let mut cold = self.db()?.range::<&[u8], _>(below).rev().peekable();
        while all.len() < most && upper != (0, 0) {
            let stored = match cold.peek() {
                Some(Ok((key, _))) => Some(key.clone()),
                Some(Err(error)) => return Err(refused(error.clone())),
                None => None,
            };
            let in_memory = warm.peek().map(|(key, _)| key.as_slice());
            let (key, chunk) = match (in_memory, stored) {
                (None, None) => break,
                (Some(key), stored)
                    if stored.as_ref().is_none_or(|other| key >= other.as_ref()) =>
                {
                    if stored.is_some_and(|other| other.as_ref() == key) {
                        cold.next();
                    }
                    let (key, slot) = warm.next().expect("just peeked");
                    match &slot.value {
                        Value::Gone => continue,
                        Value::Set(chunk) => (key.clone(), Arc::clone(chunk)),
                        _ => return Err(damaged(key)),
                    }
                }
                _ => {
                    let Some(Ok((key, bytes))) = cold.next() else {
                        break;
                    };
                    match decode(&key, &bytes, upper)? {
                        Value::Set(chunk) => (key.to_vec(), chunk),
                        _ => return Err(damaged(&key)),
                    }
                }
            };
            upper = packed::chunk_place(&key, prefix).ok_or_else(|| damaged(&key))?;
            all.push((upper, chunk));
        }
        Ok(all)
    }

    /// Adds a member; false if it was there.
    pub(super) fn insert(&mut self, prefix: &[u8], place: Place) -> Result<bool, Error> {
        let Some(key) = self.locate(prefix, place)? else {
            let chunk = Chunk {
                places: vec![place],
                upper: LAST,
            };
            self.set(
                &packed::chunk_key(prefix, (0, 0)),
                Value::Set(Arc::new(chunk)),
            )?;
            return Ok(true);
        };
        let most = Coding::of(prefix).most();
        let mut split = None;
        let added = self.change(&key, |chunk| {
            let Err(at) = chunk.places.binary_search(&place) else {
                return false;
            };
            chunk.places.insert(at, place);
            if chunk.places.len() > most {
                // Most lists grow at their end: then leave a full chunk behind.
                let at_end = at + 1 == chunk.places.len();
                let cut = if at_end { at } else { chunk.places.len() / 2 };
                let places = chunk.places.split_off(cut);
                let upper = std::mem::replace(&mut chunk.upper, places[0]);
                split = Some(Chunk { places, upper });
            }
            true
        })?;
        if let Some(right) = split {
            let key = packed::chunk_key(prefix, right.places[0]);
            // What sled may hold under this key was taken away before.
            self.set(&key, Value::Set(Arc::new(right)))?;
        }
        Ok(added)
    }

    /// Takes a member away; false if it was not there.
    pub(super) fn remove(&mut self, prefix: &[u8], place: Place) -> Result<bool, Error> {
        let Some(key) = self.locate(prefix, place)? else {
            return Ok(false);
        };
        let mut left = 0;
        let removed = self.change(&key, |chunk| {
            let found = chunk.places.binary_search(&place);
            if let Ok(at) = found {
                chunk.places.remove(at);
            }
            left = chunk.places.len();
            found.is_ok()
        })?;
        if removed && left < Coding::of(prefix).most() / 4 {
            self.merge(prefix, &key)?;
        }
        Ok(removed)
    }

    /// Joins a chunk that has become small with the one before it.
    fn merge(&mut self, prefix: &[u8], key: &[u8]) -> Result<(), Error> {
        let begin = packed::chunk_place(key, prefix).unwrap_or_default();
        let Some(Value::Set(small)) = self.slots.get(key).map(|slot| slot.value.clone()) else {
            return Ok(());
        };
        if begin == (0, 0) {
            // The first chunk of a list stays while there are others: every place is in somebody's range.
            if small.places.is_empty() && small.upper == LAST {
                self.set(key, Value::Gone)?;
            }
            return Ok(());
        }
        let before = (begin.0, begin.1.wrapping_sub(1));
        let before = if begin.1 == 0 {
            (begin.0.saturating_sub(1), u64::MAX)
        } else {
            before
        };
        let Some(left) = self.locate(prefix, before)? else {
            return Ok(());
        };
        let most = Coding::of(prefix).most();
        let mut joined = false;
        self.change(&left, |chunk| {
            if chunk.places.len() + small.places.len() <= most * 3 / 4 {
                chunk.places.extend_from_slice(&small.places);
                chunk.upper = small.upper;
                joined = true;
            }
            joined
        })?;
        if joined {
            self.set(key, Value::Gone)?;
        }
        Ok(())
    }

    /// Changes a chunk that is in memory. It counts as changed if the work says so.
    fn change(&mut self, key: &[u8], work: impl FnOnce(&mut Chunk) -> bool) -> Result<bool, Error> {
        let Some(slot) = self.slots.get_mut(key) else {
            return Err(damaged(key));
        };
        let Value::Set(chunk) = &mut slot.value else {
            return Err(damaged(key));
        };
        let before = chunk.places.len();
        let chunk = Arc::make_mut(chunk);
        let changed = work(chunk);
        self.volume = (self.volume + chunk.places.len() * 16).saturating_sub(before * 16);
        if changed {
            self.dirty += usize::from(!slot.dirty);
            slot.dirty = true;
        }
        Ok(changed)
    }

    /// Members from a place on, in ascending order, while `each` says so.
    pub(super) fn walk(
        &self,
        prefix: &[u8],
        from: Place,
        mut each: impl FnMut(Place) -> bool,
    ) -> Result<(), Error> {
        let mut from = from;
        while let Some((_, chunk)) = self.chunk(prefix, from)? {
            let start = chunk.places.partition_point(|place| *place < from);
            for place in &chunk.places[start..] {
                if !each(*place) {
                    return Ok(());
                }
            }
            if chunk.upper == LAST {
                break;
            }
            from = chunk.upper;
        }
        Ok(())
    }

    /// Members with this first half.
    pub(super) fn twins(&self, prefix: &[u8], first: u64) -> Result<Vec<u64>, Error> {
        let mut found = Vec::new();
        self.walk(prefix, (first, 0), |(a, b)| {
            if a == first {
                found.push(b);
            }
            a == first
        })?;
        Ok(found)
    }

    // Articles.

    /// What is known of an article.
    pub(super) fn article(&self, seq: u64) -> Result<Option<Rec>, Error> {
        let key = packed::pack_key(seq);
        if let Some(slot) = self.slots.get(key.as_slice()) {
            let Value::Pack(pack) = &slot.value else {
                return Ok(None);
            };
            let found = pack.binary_search_by_key(&seq, |(seq, _)| *seq);
            return Ok(found.ok().map(|at| pack[at].1.clone()));
        }
        let Some(bytes) = self.stored(&key)? else {
            return Ok(None);
        };
        let begin = packed::pack_begin(&key).unwrap_or(0);
        packed::read_one(begin, &bytes, seq).map_err(|packed::Unreadable| damaged(&key))
    }

    /// The first articles whose number is not below `seq`: all that share an item.
    pub(super) fn recs(&self, seq: u64) -> Result<Option<Pack>, Error> {
        let key = packed::pack_key(seq);
        let found = match self.look(&key)? {
            Some(Value::Pack(pack)) => Some((key, pack)),
            _ => match self.page(b"a", Some(&key), 1)?.pop() {
                Some((key, Value::Pack(pack))) => Some((key, pack)),
                _ => None,
            },
        };
        Ok(found.map(|(key, pack)| {
            let end = packed::pack_begin(&key).unwrap_or(seq) + packed::PACK;
            (end, pack.as_ref().clone())
        }))
    }

    /// Keeps what is known of an article, or forgets it; gives what was known before.
    pub(super) fn put_article(&mut self, seq: u64, rec: Option<Rec>) -> Result<Option<Rec>, Error> {
        let key = packed::pack_key(seq);
        self.hold(&key)?;
        let mut pack = match self.slots.get(&key).map(|slot| slot.value.clone()) {
            Some(Value::Pack(pack)) => pack,
            _ => Arc::default(),
        };
        // The slot's own copy goes first, so that the change is made in place.
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.value = Value::Gone;
        }
        let all = Arc::make_mut(&mut pack);
        let at = all.binary_search_by_key(&seq, |(seq, _)| *seq);
        if let Some(rec) = &rec {
            self.figures.add(seq, rec);
        }
        let old = match (at, rec) {
            (Ok(at), Some(rec)) => Some(std::mem::replace(&mut all[at].1, rec)),
            (Ok(at), None) => Some(all.remove(at).1),
            (Err(at), Some(rec)) => {
                all.insert(at, (seq, rec));
                self.volume += 150;
                None
            }
            (Err(_), None) => None,
        };
        if let Some(old) = &old {
            self.figures.take(old);
        }
        let value = if pack.is_empty() {
            Value::Gone
        } else {
            Value::Pack(pack)
        };
        let slot = self.slots.get_mut(&key).expect("just held");
        slot.value = value;
        self.dirty += usize::from(!slot.dirty);
        slot.dirty = true;
        Ok(old)
    }

    // Names.

    /// A list by its kind and name.
    pub(super) fn name(&self, kind: u8, name: &str) -> Result<Option<Arc<NameRec>>, Error> {
        match self.look(&name_key(kind, name))? {
            Some(Value::Name(rec)) => Ok(Some(rec)),
            _ => Ok(None),
        }
    }

    /// A list by its kind and name, made if it is new, to be changed.
    pub(super) fn name_mut(&mut self, kind: u8, name: &str) -> Result<&mut NameRec, Error> {
        let key = name_key(kind, name);
        self.hold(&key)?;
        let slot = self.slots.get_mut(&key).expect("just held");
        if !matches!(slot.value, Value::Name(_)) {
            let id = if kind == b'o' {
                0
            } else {
                self.figures.last_name += 1;
                self.figures.last_name
            };
            if kind == b'f'
                && let Some(source) = SourceId::new(name)
            {
                self.figures.source_names.insert(id, source);
            }
            self.volume += 100;
            slot.value = Value::Name(Arc::new(NameRec {
                id,
                ..NameRec::default()
            }));
        }
        self.dirty += usize::from(!slot.dirty);
        slot.dirty = true;
        let Value::Name(rec) = &mut slot.value else {
            return Err(damaged(&key));
        };
        Ok(Arc::make_mut(rec))
    }

    // Anything else.

    /// A plain item.
    pub(super) fn raw(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, Error> {
        match self.look(key)? {
            Some(Value::Raw(bytes)) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }

    /// Keeps a plain item, or takes it away.
    pub(super) fn put_raw(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let value = value.map_or(Value::Gone, |bytes| Value::Raw(bytes.into()));
        self.set(key, value)
    }

    /// Items of one space behind a key, in order. Chunks come without their upper end.
    pub(super) fn page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<(Vec<u8>, Value)>, Error> {
        let begin = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut warm = self
            .slots
            .range::<[u8], _>((begin, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let mut cold = self
            .db()?
            .range::<&[u8], _>((begin, Bound::Unbounded))
            .take_while(|item| {
                item.as_ref()
                    .map_or(true, |(key, _)| key.starts_with(prefix))
            })
            .peekable();
        let mut all = Vec::new();
        while all.len() < most {
            let stored = match cold.peek() {
                Some(Ok((key, _))) => Some(key.clone()),
                Some(Err(error)) => return Err(refused(error.clone())),
                None => None,
            };
            let from_memory = match (&stored, warm.peek()) {
                (Some(stored), Some((key, _))) => key.as_slice() <= stored.as_ref(),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if from_memory {
                let (key, slot) = warm.next().expect("just peeked");
                if stored.is_some_and(|stored| stored.as_ref() == key.as_slice()) {
                    cold.next();
                }
                if !matches!(slot.value, Value::Gone) {
                    all.push((key.clone(), slot.value.clone()));
                }
            } else {
                let Some(Ok((key, bytes))) = cold.next() else {
                    break;
                };
                all.push((key.to_vec(), decode(&key, &bytes, LAST)?));
            }
        }
        Ok(all)
    }
}

impl Index {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table: RwLock::new(table),
        }
    }

    /// For one look. A panic of the writer does not stop readers: what it left half done is made anew from the log.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the one writer.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives everything that changed to sled. Readers go on meanwhile. Only the writer may call this.
    pub(super) fn flush(&self) -> Result<(), Error> {
        let (db, successor, applied, mut sum, parcels) = {
            let table = self.read();
            let successor = table
                .successor
                .as_ref()
                .map(|next| (next.db.clone(), next.copied.clone()));
            let db = table.db()?.clone();
            (db, successor, table.applied, table.sum, table.parcels())
        };
        let count = parcels.len();
        let mut written = Vec::new();
        for (n, parcel) in parcels.into_iter().enumerate() {
            let mut batch = sled::Batch::default();
            let mut beside = sled::Batch::default();
            for change in parcel {
                sum.change(&change);
                let copied = successor.as_ref().and_then(|(_, copied)| copied.as_ref());
                let known_there = copied.is_some_and(|copied| change.key <= *copied);
                match &change.bytes {
                    Some(bytes) => {
                        batch.insert(change.key.as_slice(), bytes.as_slice());
                        if known_there {
                            beside.insert(change.key.as_slice(), bytes.as_slice());
                        }
                    }
                    None => {
                        batch.remove(change.key.as_slice());
                        if known_there {
                            beside.remove(change.key.as_slice());
                        }
                    }
                }
                let stored = change
                    .bytes
                    .as_ref()
                    .map(|bytes| (item_hash(&change.key, bytes), bytes.len()));
                written.push((change.key, stored));
            }
            batch.insert(SUM, sum.write());
            if n + 1 == count {
                batch.insert(APPLIED, write_pos(applied));
                batch.insert(COMPLETE, &[1]);
            }
            db.apply_batch(batch).map_err(refused)?;
            if let Some((next, _)) = &successor {
                next.apply_batch(beside).map_err(refused)?;
            }
        }
        let mut table = self.write();
        table.sum = sum;
        table.settle(written);
        Ok(())
    }

    /// Begins another sled that is to take this one's place. Only the writer may call this and the next two.
    pub(super) fn begin_successor(&self, dir: &Path, cache: u64) -> Result<(), Refusal> {
        let owned = dir.to_owned();
        let db = guarded(move || open_db(&owned, cache))?;
        self.write().successor = Some(Successor {
            db,
            dir: dir.to_owned(),
            copied: None,
        });
        Ok(())
    }

    /// Copies the next items to the new sled; true when all are there.
    pub(super) fn copy_on(&self) -> Result<bool, Error> {
        let (from, to, copied) = {
            let table = self.read();
            let Some(next) = &table.successor else {
                return Ok(true);
            };
            (table.db()?.clone(), next.db.clone(), next.copied.clone())
        };
        let begin = copied.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut batch = sled::Batch::default();
        let mut last = None;
        for item in from
            .range::<&[u8], _>((begin, Bound::Unbounded))
            .take(BATCH * 2)
        {
            let (key, bytes) = item.map_err(refused)?;
            last = Some(key.to_vec());
            batch.insert(key, bytes);
        }
        if last.is_none() {
            return Ok(true);
        }
        to.apply_batch(batch).map_err(refused)?;
        if let Some(next) = &mut self.write().successor {
            next.copied = last;
        }
        Ok(false)
    }

    /// Goes over to the new sled; gives the old one and its directory, to be thrown away.
    pub(super) fn succeed(&self) -> Result<Option<(sled::Db, PathBuf)>, Error> {
        let (db, sum, applied) = {
            let table = self.read();
            let Some(next) = &table.successor else {
                return Ok(None);
            };
            (next.db.clone(), table.sum, table.applied)
        };
        let mut batch = sled::Batch::default();
        batch.insert(SUM, sum.write());
        batch.insert(APPLIED, write_pos(applied));
        batch.insert(COMPLETE, &[1]);
        db.apply_batch(batch).map_err(refused)?;
        db.flush().map_err(refused)?;
        let mut table = self.write();
        let Some(next) = table.successor.take() else {
            return Ok(None);
        };
        let dir = std::mem::replace(&mut table.dir, next.dir);
        let old = table.db.replace(next.db).map(|db| (db, dir));
        table.baseline();
        Ok(old)
    }

    /// Makes what sled has durable, as far as sled does that.
    pub(super) fn sync(&self) -> Result<(), Error> {
        let db = self.read().db()?.clone();
        db.flush().map_err(refused)?;
        Ok(())
    }

    /// Ends the use of sled. Readers get [`Error::Closed`] from now on.
    pub(super) fn close(&self) {
        let mut table = self.write();
        table.successor = None;
        let db = table.db.take();
        drop(table);
        // Closing waits for sled's own threads, and one of them may panic.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }

    /// The table without its lock.
    pub(super) fn into_table(self) -> Table {
        self.table
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a freshly made table in the place of this one.
    pub(super) fn replace(&self, table: Table) -> Table {
        std::mem::replace(&mut *self.write(), table)
    }
}

/// One item on its way to sled.
struct ItemChange {
    key: Vec<u8>,
    bytes: Option<Vec<u8>>,
    stored: Option<(u64, usize)>,
}

impl Table {
    /// What must go to sled, in batches, in the order that makes doing it again harmless.
    fn parcels(&self) -> Vec<Vec<ItemChange>> {
        let mut lists: BTreeMap<[u8; 5], Vec<ItemChange>> = BTreeMap::new();
        let mut keys: Vec<Vec<ItemChange>> = Vec::new();
        let mut articles = Vec::new();
        for (key, slot) in self.slots.iter().filter(|(_, slot)| slot.dirty) {
            let change = ItemChange {
                key: key.clone(),
                bytes: encode(key, &slot.value),
                stored: slot.stored,
            };
            match key[0] {
                // A list's count must never be apart from its members.
                b'n' => {
                    let id = match &slot.value {
                        Value::Name(rec) => rec.id,
                        _ => 0,
                    };
                    let mut list = [key[1], 0, 0, 0, 0];
                    list[1..].copy_from_slice(&id.to_be_bytes());
                    lists.entry(list).or_default().push(change);
                }
                b'o' | b't' | b'c' | b'f' | b'q' | b'T' | b'C' | b'F' => {
                    let list = key.first_chunk().copied().unwrap_or_default();
                    lists.entry(list).or_default().push(change);
                }
                b'a' | b's' | b'k' => articles.push(change),
                // A chunk that is new took its members from the dirty one before it, one that is gone gave them to it:
                // such neighbours go together, or members that are older than this flush could be lost with half of it.
                _ => {
                    let appears = change.stored.is_none() && matches!(slot.value, Value::Set(_));
                    let moved = appears || matches!(slot.value, Value::Gone);
                    match keys.last_mut() {
                        Some(group) if moved => group.push(change),
                        _ => keys.push(vec![change]),
                    }
                }
            }
        }
        let mut parcels = vec![Vec::new()];
        let mut add = |more: Vec<ItemChange>| {
            if let Some(last) = parcels.last_mut() {
                last.extend(more);
                if last.len() >= BATCH {
                    parcels.push(Vec::new());
                }
            }
        };
        lists.into_values().for_each(&mut add);
        keys.into_iter().for_each(&mut add);
        for one in articles {
            add(vec![one]);
        }
        parcels
    }

    /// Notes what sled has now, and lets go of what need not stay in memory.
    fn settle(&mut self, written: Vec<Written>) {
        for (key, stored) in written {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.stored = stored;
                slot.dirty = false;
            }
        }
        self.dirty = 0;
        if self.volume > WARM {
            self.slots.clear();
        } else {
            self.slots
                .retain(|_, slot| !matches!(slot.value, Value::Gone));
        }
        self.volume = self
            .slots
            .iter()
            .map(|(key, slot)| weight(key, &slot.value))
            .sum();
    }
}

impl Sum {
    fn change(&mut self, change: &ItemChange) {
        if let Some((hash, length)) = change.stored {
            self.hash = self.hash.wrapping_sub(hash);
            self.items = self.items.wrapping_sub(1);
            self.bytes = self.bytes.wrapping_sub((length + change.key.len()) as u64);
        }
        if let Some(bytes) = &change.bytes {
            self.add(&change.key, bytes);
        }
    }

    fn add(&mut self, key: &[u8], bytes: &[u8]) {
        self.hash = self.hash.wrapping_add(item_hash(key, bytes));
        self.items = self.items.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add((bytes.len() + key.len()) as u64);
    }

    fn write(self) -> Vec<u8> {
        let mut out = Out::default();
        out.word(self.hash);
        out.word(self.items);
        out.word(self.bytes);
        out.0
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = In(bytes);
        Some(Self {
            hash: input.word()?,
            items: input.word()?,
            bytes: input.word()?,
        })
    }
}

fn item_hash(key: &[u8], bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64(key))
}

fn write_pos(pos: Pos) -> Vec<u8> {
    let mut out = Out::default();
    out.number(u64::from(pos.file));
    out.number(pos.at);
    out.0
}

fn read_pos(bytes: &[u8]) -> Option<Pos> {
    let mut input = In(bytes);
    Some(Pos {
        file: input.small()?,
        at: input.number()?,
    })
}

/// Reads everything once: each item must be what its key says, and all together what was last written.
fn survey(db: &sled::Db) -> Result<(Sum, Pos, Figures), Refusal> {
    let meta = |key: &[u8]| db.get(key).map_err(|error| error.to_string());
    if meta(COMPLETE)?.is_none() {
        return Err("it was never finished".to_owned());
    }
    let applied = meta(APPLIED)?.and_then(|bytes| read_pos(&bytes));
    let applied = applied.ok_or("it does not say how much of the log it knows")?;
    let promised = meta(SUM)?.and_then(|bytes| Sum::read(&bytes));
    let (mut sum, mut figures) = (Sum::default(), Figures::default());
    for item in db.iter() {
        let (key, bytes) = item.map_err(|error| error.to_string())?;
        if key.first() == Some(&b'm') {
            continue;
        }
        sum.add(&key, &bytes);
        figures
            .read(&key, &bytes)
            .ok_or_else(|| format!("item {} cannot be read", hex(&key)))?;
    }
    if promised != Some(sum) {
        return Err(format!(
            "its {} items are not the ones that were written",
            sum.items
        ));
    }
    Ok((sum, applied, figures))
}

impl Figures {
    fn read(&mut self, key: &[u8], bytes: &[u8]) -> Option<()> {
        match key.first()? {
            b'a' => {
                for (seq, rec) in packed::read_pack(packed::pack_begin(key)?, bytes)? {
                    self.add(seq, &rec);
                }
            }
            b'x' => self.tombstones += In(bytes).number()?,
            b's' => self.sources += 1,
            b'd' => self.last_print = self.last_print.max(super::near::number_of(key)?),
            b'n' => {
                let name = packed::read_name(bytes)?;
                self.last_name = self.last_name.max(name.id);
                if *key.get(1)? == b'f' {
                    let source = SourceId::new(std::str::from_utf8(&key[2..]).ok()?)?;
                    self.source_names.insert(name.id, source);
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn name_key(kind: u8, name: &str) -> Vec<u8> {
    let mut key = vec![b'n', kind];
    key.extend_from_slice(name.as_bytes());
    key
}

fn decode(key: &[u8], bytes: &[u8], upper: Place) -> Result<Value, Error> {
    let value = match key.first() {
        Some(b'a') => packed::pack_begin(key)
            .and_then(|begin| packed::read_pack(begin, bytes))
            .map(|pack| Value::Pack(Arc::new(pack))),
        Some(b'n') => packed::read_name(bytes).map(|name| Value::Name(Arc::new(name))),
        Some(b's' | b'k' | b'm' | b'd' | b'p') => Some(Value::Raw(bytes.into())),
        _ => packed::read_chunk(Coding::of(key), bytes)
            .map(|places| Value::Set(Arc::new(Chunk { places, upper }))),
    };
    value.ok_or_else(|| damaged(key))
}

fn encode(key: &[u8], value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Gone => None,
        Value::Set(chunk) => Some(packed::write_chunk(Coding::of(key), &chunk.places)),
        Value::Pack(pack) => Some(packed::write_pack(pack)),
        Value::Name(name) => Some(packed::write_name(name)),
        Value::Raw(bytes) => Some(bytes.to_vec()),
    }
}

fn weight(key: &[u8], value: &Value) -> usize {
    let inner = match value {
        Value::Gone => 0,
        Value::Set(chunk) => chunk.places.len() * 16,
        Value::Pack(pack) => pack.len() * 150,
        Value::Name(name) => {
            80 + name.months.len() * 16 + name.spellings.len() * 48 + name.shown.len()
        }
        Value::Raw(bytes) => bytes.len(),
    };
    120 + key.len() + inner
}

fn damaged(key: &[u8]) -> Error {
    Error::Damaged {
        what: format!("the index, item {}", hex(key)),
    }
}

/// What sled's errors mean to us.
fn refused(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::Io {
            what: "writing the index".to_owned(),
            source,
        },
        other => Error::Damaged {
            what: format!("the index: {other}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kill may come between any two batches of a flush. Members that sled had before must be found all the same.
    #[test]
    fn half_a_flush_loses_no_member_that_was_there() {
        const SET: &[u8] = b"g";
        let dir = tempfile::tempdir().unwrap();
        let pos = Pos::default();
        let index = Index::new(Table::create(dir.path(), 8 << 20, pos).unwrap());
        let mut random = fastrand::Rng::with_seed(4);
        let mut old = Vec::new();
        for _ in 0..3000 {
            let place = (random.u64(..), random.u64(..1 << 40));
            assert!(index.write().insert(SET, place).unwrap());
            old.push(place);
        }
        index.flush().unwrap();
        // Many chunks split, and some shrink until they are joined with their neighbours.
        for _ in 0..3000 {
            let place = (random.u64(..) >> 1, random.u64(..1 << 40));
            index.write().insert(SET, place).unwrap();
        }
        old.retain(|place| {
            let goes = place.0 > u64::MAX / 10 * 8 && random.u8(..10) > 0;
            if goes {
                index.write().remove(SET, *place).unwrap();
            }
            !goes
        });
        let table = index.read();
        let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = table
            .db()
            .unwrap()
            .iter()
            .map(|item| item.unwrap())
            .map(|(key, bytes)| (key.to_vec(), bytes.to_vec()))
            .filter(|(key, _)| key.starts_with(SET))
            .collect();
        let parcels = table.parcels();
        assert!(parcels.len() > 2, "{} batches", parcels.len());
        for parcel in parcels {
            for change in parcel {
                match change.bytes {
                    Some(bytes) => stored.insert(change.key, bytes),
                    None => stored.remove(&change.key),
                };
            }
            for place in &old {
                let key = packed::chunk_key(SET, *place);
                let (_, bytes) = stored.range(..=key).next_back().unwrap();
                let chunk = packed::read_chunk(Coding::Hashed, bytes).unwrap();
                assert!(chunk.binary_search(place).is_ok(), "{place:?} is lost");
            }
        }
    }
}
