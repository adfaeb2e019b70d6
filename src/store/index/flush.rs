//! From memory to sled: what changed since the last flush goes there while readers go on.

use parking_lot::RwLockWriteGuard;

use super::disk::{Mark, Stored, refused};
use super::redo::{self, Redo};
use super::warm::Key;
use super::{Index, Table, encode, give_way, step_aside};
use crate::store::Error;
use crate::store::packed;

/// The least and the most of [`Table::room`].
const ROOM: (u64, u64) = (8 << 20, 64 << 20);
/// Items whose stand is noted before readers get their turn.
const AT_ONCE: usize = 128;

/// An item on its way to sled.
struct Written {
    key: Key,
    /// What sled will have of it.
    stored: Option<Stored>,
    /// Its bytes, if they stay in memory.
    pack: Option<(u64, Option<Box<[u8]>>)>,
}

impl Table {
    /// Bytes of items that may be in memory before they go to sled: half of what sled has, within limits.
    ///
    /// Keys are hashes, so each new one changes an item of its own, and sled writes that and its neighbours: the more there
    /// are, the more must go at once for an item to be worth its writing.
    pub(in crate::store) fn room(&self) -> u64 {
        let (least, most) = ROOM;
        (self.sum.bytes / 2).clamp(least, most)
    }

    /// Estimate of the bytes of items that are in memory.
    pub(in crate::store) fn volume(&self) -> u64 {
        self.warm.volume() as u64
    }

    /// True if they should go to sled, and then all of them: what stayed would count again at once.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.volume() >= self.room()
    }

    /// All that sled does not have yet.
    fn changes(&self) -> (Redo, Vec<Written>) {
        let mut redo = Redo::behind(self.sum);
        let mut sum = self.sum;
        let mut written = Vec::with_capacity(self.warm.dirty());
        for (key, slot) in self.warm.changed() {
            let bytes = encode(key, &slot.value);
            if let Some(stored) = slot.stored {
                sum.take(key, stored);
            }
            if let Some(bytes) = &bytes {
                sum.add(key, bytes);
            }
            redo.push(key, bytes.as_deref());
            written.push(Written {
                key: key.clone(),
                stored: bytes.as_ref().map(|bytes| Stored::of(key, bytes)),
                pack: packed::pack_begin(key)
                    .map(|begin| (begin / packed::PACK, bytes.map(Vec::into_boxed_slice))),
            });
        }
        redo.after = Mark {
            sum,
            applied: self.applied,
        };
        (redo, written)
    }

    fn settle_pack(&mut self, number: u64, bytes: Option<Box<[u8]>>) {
        match bytes {
            Some(bytes) => self.packs.insert(number, bytes),
            None => self.packs.remove(&number),
        };
    }
}

impl Index {
    /// Gives everything that changed to sled. Readers go on meanwhile. Only the writer may call this.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no space: nothing has changed then.
    pub(in crate::store) fn flush(&self) -> Result<(), Error> {
        let (db, dir, successor, (redo, written)) = {
            let table = self.read();
            let successor = table
                .successor
                .as_ref()
                .and_then(|next| Some((next.db.clone(), next.copied.clone()?)));
            let db = table.db()?.clone();
            (db, table.dir.clone(), successor, table.changes())
        };
        // A kill takes the newest items of sled, and the file makes up for one flush alone.
        db.flush().map_err(refused)?;
        redo.keep(&dir)?;
        for (key, bytes) in redo.items() {
            step_aside();
            redo::put(&db, key, bytes)?;
            if let Some((next, copied)) = &successor
                && key <= copied.as_slice()
            {
                redo::put(next, key, bytes)?;
            }
        }
        redo.after.put(&db)?;
        self.settle(redo.after, written);
        Ok(())
    }

    /// Lets go of what was changed lately and sled has, too; false if sled does not have all of it yet.
    pub(in crate::store) fn let_go(&self) -> bool {
        let table = self.write();
        let sled_has_all = table.dirty() == 0;
        if sled_has_all {
            empty(table);
        }
        sled_has_all
    }

    /// Notes what sled has now, and lets go of what need not stay in memory.
    fn settle(&self, mark: Mark, written: Vec<Written>) {
        if self.read().is_full() {
            let mut table = self.write();
            table.sum = mark.sum;
            for (number, bytes) in written.into_iter().filter_map(|one| one.pack) {
                table.settle_pack(number, bytes);
            }
            empty(table);
            return;
        }
        let mut table = self.write();
        table.sum = mark.sum;
        for (n, one) in written.into_iter().enumerate() {
            if n % AT_ONCE == 0 {
                give_way(&mut table);
            }
            if let Some((number, bytes)) = one.pack {
                table.settle_pack(number, bytes);
            }
            table.warm.settle(&one.key, one.stored);
        }
    }
}

/// Lets go of all items in memory. Taking so much apart takes a while, and nobody waits for it.
fn empty(mut table: RwLockWriteGuard<'_, Table>) {
    let all = std::mem::take(&mut table.warm);
    drop(table);
    drop(all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::Pos;
    use crate::store::packed::Place;

    const SET: &[u8] = b"g";
    const CACHE: u64 = 8 << 20;

    fn members(table: &Table) -> Vec<Place> {
        let mut all = Vec::new();
        table
            .walk(SET, (0, 0), |place| {
                all.push(place);
                true
            })
            .unwrap();
        all
    }

    #[test]
    fn only_what_sled_has_goes_from_memory() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::new(Table::create(dir.path(), CACHE, Pos::default()).unwrap());
        let places: Vec<Place> = (0..500).map(|number| (number * 7, number)).collect();
        for place in &places {
            index.write().insert(SET, *place).unwrap();
        }
        assert!(!index.let_go());
        assert_eq!(members(&index.read()), places);
        index.flush().unwrap();
        assert!(index.read().volume() > 0);
        assert!(index.let_go());
        assert_eq!(index.read().volume(), 0);
        assert_eq!(members(&index.read()), places);
    }

    /// A kill may come before any item of a flush. What is found then is all of the flush or nothing of it.
    #[test]
    fn half_a_flush_is_finished_at_the_next_opening() {
        let mut random = fastrand::Rng::with_seed(4);
        for stop in [0, 1, 7, 60, usize::MAX] {
            let dir = tempfile::tempdir().unwrap();
            let index = Index::new(Table::create(dir.path(), CACHE, Pos::default()).unwrap());
            for _ in 0..3000 {
                let place = (random.u64(..), random.u64(..1 << 40));
                assert!(index.write().insert(SET, place).unwrap());
            }
            index.flush().unwrap();
            // Many chunks split, and some shrink until they are joined with their neighbours.
            let before = members(&index.read());
            for place in before {
                if place.0 > u64::MAX / 10 * 8 && random.u8(..10) > 0 {
                    index.write().remove(SET, place).unwrap();
                }
            }
            for _ in 0..3000 {
                let place = (random.u64(..) >> 1, random.u64(..1 << 40));
                index.write().insert(SET, place).unwrap();
            }
            index.write().applied = Pos { file: 1, at: 77 };
            let after = members(&index.read());
            let (redo, _) = index.read().changes();
            assert!(redo.items().count() > 60);
            let db = index.read().db().unwrap().clone();
            db.flush().unwrap();
            redo.keep(dir.path()).unwrap();
            for (key, bytes) in redo.items().take(stop) {
                redo::put(&db, key, bytes).unwrap();
            }
            // As if it had been killed a moment later: what sled has in memory would be in the way of the next opening.
            db.flush().unwrap();
            drop((db, index));
            let table = Table::open(dir.path(), CACHE).unwrap();
            assert_eq!(table.applied, Pos { file: 1, at: 77 });
            assert_eq!(members(&table), after, "killed before item {stop}");
        }
    }

    #[test]
    fn a_torn_file_of_a_flush_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::new(Table::create(dir.path(), CACHE, Pos::default()).unwrap());
        index.write().insert(SET, (5, 5)).unwrap();
        index.flush().unwrap();
        index.write().insert(SET, (6, 6)).unwrap();
        let (redo, _) = index.read().changes();
        redo.keep(dir.path()).unwrap();
        drop(index);
        let path = dir.path().join("redo");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let table = Table::open(dir.path(), CACHE).unwrap();
        assert_eq!(members(&table), [(5, 5)]);
    }
}
