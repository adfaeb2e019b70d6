//! The items that are in memory: what changed lately, with what sled has of it.
//!
//! One article changes dozens of items, so each is found once for a change, and comparing keys costs no look at another
//! piece of memory.

use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, Range};
use std::ops::Bound;
use std::sync::Arc;

use super::disk::{Stored, refused};
use super::sets::Chunk;
use super::value::{PLACE, Slot, Value, decode, weight};
use crate::store::Error;
use crate::store::packed::{self, LAST, Place};

/// sled's own keys hold up to 22 bytes in themselves, and all but long names are that short.
pub(super) type Key = sled::IVec;

/// The items in memory, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Warm {
    slots: BTreeMap<Key, Slot>,
    /// Estimate of the bytes in `slots`.
    volume: usize,
    /// How many of them sled does not have yet, or not in this form.
    dirty: usize,
}

/// What came of changing a set.
pub(super) enum Changed {
    /// The chunk under this key is another one now.
    Chunk(Key),
    /// Nothing had to change.
    Nothing,
    /// No chunk covers the place: it is not in memory, or there is none.
    Uncovered,
}

/// An item that is going to change.
pub(super) struct Held<'a> {
    pub(super) value: &'a mut Value,
    /// What all items take, this one included.
    volume: &'a mut usize,
}

impl Held<'_> {
    /// Notes that it takes so many bytes more.
    pub(super) fn grow(&mut self, bytes: usize) {
        *self.volume += bytes;
    }

    /// Puts another value in its place.
    pub(super) fn replace(&mut self, key: &[u8], value: Value) {
        let more = *self.volume + weight(key, &value);
        *self.volume = more.saturating_sub(weight(key, self.value));
        *self.value = value;
    }
}

impl Warm {
    pub(super) fn volume(&self) -> usize {
        self.volume
    }

    pub(super) fn dirty(&self) -> usize {
        self.dirty
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    pub(super) fn range(&self, keys: (Bound<&[u8]>, Bound<&[u8]>)) -> Range<'_, Key, Slot> {
        self.slots.range::<[u8], _>(keys)
    }

    /// All that sled does not have yet.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.slots.iter().filter(|(_, slot)| slot.dirty)
    }

    /// The item under a key, to be changed: as sled has it if it was not in memory.
    pub(super) fn hold(&mut self, key: &[u8], db: &sled::Db) -> Result<Held<'_>, Error> {
        let slot = match self.slots.entry(key.into()) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(free) => {
                let (value, stored) = match db.get(key).map_err(refused)? {
                    Some(bytes) => (decode(key, &bytes, LAST)?, Some(Stored::of(key, &bytes))),
                    None => (Value::Gone, None),
                };
                self.volume += weight(key, &value);
                free.insert(Slot {
                    value,
                    stored,
                    dirty: false,
                })
            }
        };
        self.dirty += usize::from(!slot.dirty);
        slot.dirty = true;
        Ok(Held {
            value: &mut slot.value,
            volume: &mut self.volume,
        })
    }

    /// Takes an item in as sled has it.
    pub(super) fn take_in(&mut self, key: Key, value: Value, stored: Stored) {
        self.volume += weight(&key, &value);
        self.slots.insert(
            key,
            Slot {
                value,
                stored: Some(stored),
                dirty: false,
            },
        );
    }

    /// The chunk whose range contains a place, with its key.
    pub(super) fn chunk(&self, prefix: &[u8], place: Place) -> Option<(&Key, &Arc<Chunk>)> {
        let key = packed::chunk_key(prefix, place);
        let below = (Bound::Included(prefix), Bound::Included(key.as_slice()));
        for (key, slot) in self.range(below).rev() {
            match &slot.value {
                Value::Set(chunk) if chunk.upper > place => return Some((key, chunk)),
                Value::Gone => {}
                _ => return None,
            }
        }
        None
    }

    /// Changes the chunk whose range contains a place, if it is in memory. It counts as changed if the work says so.
    pub(super) fn change_chunk(
        &mut self,
        prefix: &[u8],
        place: Place,
        work: impl FnOnce(&mut Chunk) -> bool,
    ) -> Changed {
        let key = packed::chunk_key(prefix, place);
        let below = (Bound::Included(prefix), Bound::Included(key.as_slice()));
        for (key, slot) in self.slots.range_mut::<[u8], _>(below).rev() {
            let chunk = match &mut slot.value {
                Value::Set(chunk) if chunk.upper > place => chunk,
                Value::Gone => continue,
                _ => return Changed::Uncovered,
            };
            let chunk = Arc::make_mut(chunk);
            let before = chunk.places.len();
            let is_changed = work(chunk);
            self.volume = (self.volume + chunk.places.len() * PLACE).saturating_sub(before * PLACE);
            if !is_changed {
                return Changed::Nothing;
            }
            self.dirty += usize::from(!slot.dirty);
            slot.dirty = true;
            return Changed::Chunk(key.clone());
        }
        Changed::Uncovered
    }

    /// Notes what sled has of an item now.
    pub(super) fn settle(&mut self, key: &[u8], stored: Option<Stored>) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        self.dirty -= usize::from(slot.dirty);
        slot.stored = stored;
        slot.dirty = false;
        if matches!(slot.value, Value::Gone) {
            self.volume = self.volume.saturating_sub(weight(key, &Value::Gone));
            self.slots.remove(key);
        }
    }
}
