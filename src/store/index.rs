//! The index: what leads from keys, names and dates to articles. sled holds it; the newest part is in memory and goes to
//! sled a moment later. All of it can be made again from the log.
//!
//! One writer changes the table; readers look under a lock that is held for one look only. What is in memory and not yet
//! in sled is never lost, since the log has it: [`Table::applied`] says up to where the table knows the log, and sled has a
//! mark of its own. A flush is whole or not at all: `redo` sees to that.

mod disk;
mod figures;
mod flush;
mod redo;
mod renew;
mod sets;
mod value;
mod warm;

use std::collections::HashMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Error;
use super::log::Pos;
use super::packed::{self, LAST, NameRec, Rec};
use crate::model::source::SourceId;

use disk::{Sum, guarded, hex, open_db, refused};
use renew::Successor;
use value::{REC, decode, encode};
use warm::Warm;

pub(super) use disk::panic_text;
pub(super) use figures::Figures;
pub(super) use sets::Chunk;
pub(super) use value::Value;

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
    warm: Warm,
    /// All packs of articles as sled has them, by number: each page of a list needs fifty of them, and they are short.
    packs: HashMap<u64, Box<[u8]>>,
    sum: Sum,
    /// Size of sled's files when they were fresh.
    fresh: u64,
    successor: Option<Successor>,
    /// Position in the log up to which everything is in this table.
    pub(super) applied: Pos,
    /// Number of the newest article whose commit is in here as a whole. Readers get their turn between two articles of a
    /// commit; lists show all that it adds, or nothing of it yet.
    newest: u64,
    pub(super) figures: Figures,
}

/// Why an index is not used.
pub(super) type Refusal = String;

/// Articles that share an item of the index, by number, and the number behind the last that could stand in it.
pub(super) type Pack = (u64, Vec<(u64, Rec)>);

impl Table {
    /// Opens an index and checks every item of it.
    pub(super) fn open(dir: &Path, cache: u64) -> Result<Self, Refusal> {
        let owned = dir.to_owned();
        guarded(move || {
            let db = open_db(&owned, cache)?;
            redo::finish(&owned, &db)?;
            let (mark, figures, packs) = disk::survey(&db)?;
            Ok(Self {
                fresh: disk::fresh(&db)?,
                db: Some(db),
                dir: owned,
                warm: Warm::default(),
                packs,
                sum: mark.sum,
                successor: None,
                applied: mark.applied,
                newest: figures.last_seq,
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
            warm: Warm::default(),
            packs: HashMap::new(),
            sum: Sum::default(),
            fresh: 0,
            successor: None,
            applied: from,
            newest: 0,
            figures: Figures::default(),
        })
    }

    /// Everything up to this place of the log is in here now.
    pub(super) fn reach(&mut self, place: Pos) {
        self.applied = place;
        self.newest = self.figures.last_seq;
    }

    /// Number of the newest article that readers may see.
    pub(super) fn newest(&self) -> u64 {
        self.newest
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
        if let Some(db) = &self.db {
            disk::note_fresh(db, self.fresh);
        }
    }

    /// How large sled's files were when they were last made anew; 0 if that is not known.
    pub(super) fn fresh(&self) -> u64 {
        self.fresh
    }

    /// Items that sled does not have yet, or not in this form.
    pub(super) fn dirty(&self) -> usize {
        self.warm.dirty()
    }

    fn db(&self) -> Result<&sled::Db, Error> {
        self.db.as_ref().ok_or(Error::Closed)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<sled::IVec>, Error> {
        self.db()?.get(key).map_err(refused)
    }

    /// The item under a key; `upper` matters for chunks only.
    fn look(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        if let Some(value) = self.warm.get(key) {
            return Ok(match value {
                Value::Gone => None,
                value => Some(value.clone()),
            });
        }
        let Some(bytes) = self.stored(key)? else {
            return Ok(None);
        };
        decode(key, &bytes, LAST).map(Some)
    }

    /// Puts a value in the place of whatever is there.
    fn set(&mut self, key: &[u8], value: Value) -> Result<(), Error> {
        let db = self.db.as_ref().ok_or(Error::Closed)?;
        self.warm.hold(key, db)?.replace(key, value);
        Ok(())
    }

    // Articles.

    /// What is known of an article.
    pub(super) fn article(&self, seq: u64) -> Result<Option<Rec>, Error> {
        let key = packed::pack_key(seq);
        if let Some(value) = self.warm.get(&key) {
            let Value::Pack(pack) = value else {
                return Ok(None);
            };
            let found = pack.binary_search_by_key(&seq, |(seq, _)| *seq);
            return Ok(found.ok().map(|at| pack[at].1.clone()));
        }
        let Some(bytes) = self.packs.get(&(seq / packed::PACK)) else {
            return Ok(None);
        };
        let begin = packed::pack_begin(&key).unwrap_or(0);
        packed::read_one(begin, bytes, seq).map_err(|packed::Unreadable| damaged(&key))
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
        let db = self.db.as_ref().ok_or(Error::Closed)?;
        let mut held = self.warm.hold(&key, db)?;
        if !matches!(held.value, Value::Pack(_)) {
            *held.value = Value::Pack(Arc::default());
        }
        let Value::Pack(pack) = &mut *held.value else {
            return Err(damaged(&key));
        };
        let all = Arc::make_mut(pack);
        let at = all.binary_search_by_key(&seq, |(seq, _)| *seq);
        if let Some(rec) = &rec {
            self.figures.add(seq, rec);
        }
        let old = match (at, rec) {
            (Ok(at), Some(rec)) => Some(std::mem::replace(&mut all[at].1, rec)),
            (Ok(at), None) => Some(all.remove(at).1),
            (Err(at), Some(rec)) => {
                all.insert(at, (seq, rec));
                held.grow(REC);
                None
            }
            (Err(_), None) => None,
        };
        if let Some(old) = &old {
            self.figures.take(old);
        }
        if matches!(held.value, Value::Pack(pack) if pack.is_empty()) {
            *held.value = Value::Gone;
        }
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
        let db = self.db.as_ref().ok_or(Error::Closed)?;
        let mut held = self.warm.hold(&key, db)?;
        if !matches!(held.value, Value::Name(_)) {
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
            let rec = NameRec {
                id,
                ..NameRec::default()
            };
            held.replace(&key, Value::Name(Arc::new(rec)));
        }
        let Value::Name(rec) = held.value else {
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
            .warm
            .range((begin, Bound::Unbounded))
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
                (Some(stored), Some((key, _))) => *key <= stored,
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if from_memory {
                let (key, slot) = warm.next().expect("just peeked");
                if stored.is_some_and(|stored| stored == *key) {
                    cold.next();
                }
                if !matches!(slot.value, Value::Gone) {
                    all.push((key.to_vec(), slot.value.clone()));
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
        self.table.read()
    }

    /// For the one writer.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write()
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
        self.table.into_inner()
    }

    /// Puts a freshly made table in the place of this one.
    pub(super) fn replace(&self, table: Table) -> Table {
        std::mem::replace(&mut *self.write(), table)
    }
}

/// Lets those in who wait, for the table or for a processor, between two parts of a longer change. Whoever only let go of
/// the lock would have it again before any of them is awake.
pub(super) fn give_way(table: &mut RwLockWriteGuard<'_, Table>) {
    RwLockWriteGuard::unlocked_fair(table, step_aside);
}

/// Lets readers have this processor between two parts of longer work: a slice of the scheduler is longer than a page may
/// take.
pub(super) fn step_aside() {
    std::thread::yield_now();
}

fn name_key(kind: u8, name: &str) -> Vec<u8> {
    let mut key = vec![b'n', kind];
    key.extend_from_slice(name.as_bytes());
    key
}

fn damaged(key: &[u8]) -> Error {
    Error::Damaged {
        what: format!("the index, item {}", hex(key)),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::label::{Scope, Selection};
    use crate::store::samples::{article, opened, put};
    use crate::store::{Options, Page, Store};

    #[tokio::test]
    async fn half_a_commit_is_not_seen() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(&Options {
            path: dir.path().to_owned(),
            ..Options::default()
        });
        for n in 1..=3 {
            put(&engine, article(n)).await;
        }
        let all = Selection::of(Scope::All);
        let seen = async || {
            let rows = engine.sightings(0, 10).await.unwrap();
            let listing = engine.select(&all, Page::First { most: 10 }).await;
            (rows.len(), listing.unwrap().articles.len())
        };
        assert_eq!(seen().await, (3, 3));
        // As while the commit of the third one is under way.
        engine.core.index.write().newest = 2;
        assert_eq!(seen().await, (2, 2));
        put(&engine, article(4)).await;
        assert_eq!(seen().await, (4, 4));
        engine.close().await.unwrap();
    }
}
