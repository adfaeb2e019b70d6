//! Ordered sets in chunks: lists by date, keys and tombstones by hash. A chunk covers every place from its key up to the
//! next one's; it is split when it is full and joined with its neighbour when little is left.

use std::ops::Bound;
use std::sync::Arc;

use super::disk::{Stored, refused};
use super::warm::Changed;
use super::{Table, Value, damaged, decode};
use crate::store::Error;
use crate::store::packed::{self, Coding, LAST, Place};

/// Part of an ordered set.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Chunk {
    pub(in crate::store) places: Vec<Place>,
    /// Where the next part begins.
    pub(in crate::store) upper: Place,
}

impl Table {
    /// Brings the chunk whose range contains a place into memory; false if sled has none, either.
    fn warm_up(&mut self, prefix: &[u8], place: Place) -> Result<bool, Error> {
        let Some((key, bytes, upper)) = self.cold_chunk(prefix, place)? else {
            return Ok(false);
        };
        let value = decode(&key, &bytes, upper)?;
        let stored = Stored::of(&key, &bytes);
        self.warm.take_in(key, value, stored);
        Ok(true)
    }

    /// Changes the chunk whose range contains a place. It counts as changed if the work says so.
    fn change(
        &mut self,
        prefix: &[u8],
        place: Place,
        mut work: impl FnMut(&mut Chunk) -> bool,
    ) -> Result<Changed, Error> {
        match self.warm.change_chunk(prefix, place, &mut work) {
            Changed::Uncovered if self.warm_up(prefix, place)? => {
                Ok(self.warm.change_chunk(prefix, place, work))
            }
            changed => Ok(changed),
        }
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
        if !key.starts_with(prefix) || self.warm.get(&key).is_some() {
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
    pub(in crate::store) fn chunk(
        &self,
        prefix: &[u8],
        place: Place,
    ) -> Result<Option<(Place, Arc<Chunk>)>, Error> {
        if let Some((key, chunk)) = self.warm.chunk(prefix, place) {
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
    pub(in crate::store) fn chunks_down(
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
        let mut warm = self.warm.range(below).rev().peekable();
        let mut cold = self.db()?.range::<&[u8], _>(below).rev().peekable();
        while all.len() < most && upper != (0, 0) {
            let stored = match cold.peek() {
                Some(Ok((key, _))) => Some(key.clone()),
                Some(Err(error)) => return Err(refused(error.clone())),
                None => None,
            };
            let in_memory = warm.peek().map(|(key, _)| key.as_ref());
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
                        Value::Set(chunk) => (key, chunk),
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
    pub(in crate::store) fn insert(&mut self, prefix: &[u8], place: Place) -> Result<bool, Error> {
        let most = Coding::of(prefix).most();
        let mut split = None;
        let added = self.change(prefix, place, |chunk| {
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
        let (begin, more) = match (added, split) {
            (Changed::Uncovered, _) => {
                let chunk = Chunk {
                    places: vec![place],
                    upper: LAST,
                };
                ((0, 0), chunk)
            }
            // What sled may hold under this key was taken away before.
            (_, Some(right)) => (right.places[0], right),
            (Changed::Chunk(_), None) => return Ok(true),
            (Changed::Nothing, None) => return Ok(false),
        };
        self.set(
            &packed::chunk_key(prefix, begin),
            Value::Set(Arc::new(more)),
        )?;
        Ok(true)
    }

    /// Takes a member away; false if it was not there.
    pub(in crate::store) fn remove(&mut self, prefix: &[u8], place: Place) -> Result<bool, Error> {
        let mut left = 0;
        let removed = self.change(prefix, place, |chunk| {
            let found = chunk.places.binary_search(&place);
            if let Ok(at) = found {
                chunk.places.remove(at);
            }
            left = chunk.places.len();
            found.is_ok()
        })?;
        let Changed::Chunk(key) = removed else {
            return Ok(false);
        };
        if left < Coding::of(prefix).most() / 4 {
            self.merge(prefix, &key)?;
        }
        Ok(true)
    }

    /// Joins a chunk that has become small with the one before it.
    fn merge(&mut self, prefix: &[u8], key: &[u8]) -> Result<(), Error> {
        let begin = packed::chunk_place(key, prefix).unwrap_or_default();
        let Some(Value::Set(small)) = self.warm.get(key).cloned() else {
            return Ok(());
        };
        if begin == (0, 0) {
            // The first chunk of a list stays while there are others: every place is in somebody's range.
            if small.places.is_empty() && small.upper == LAST {
                self.set(key, Value::Gone)?;
            }
            return Ok(());
        }
        let before = if begin.1 == 0 {
            (begin.0.saturating_sub(1), u64::MAX)
        } else {
            (begin.0, begin.1 - 1)
        };
        let most = Coding::of(prefix).most();
        let joined = self.change(prefix, before, |chunk| {
            let fits = chunk.places.len() + small.places.len() <= most * 3 / 4;
            if fits {
                chunk.places.extend_from_slice(&small.places);
                chunk.upper = small.upper;
            }
            fits
        })?;
        if let Changed::Chunk(_) = joined {
            self.set(key, Value::Gone)?;
        }
        Ok(())
    }

    /// Members from a place on, in ascending order, while `each` says so.
    pub(in crate::store) fn walk(
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
    pub(in crate::store) fn twins(&self, prefix: &[u8], first: u64) -> Result<Vec<u64>, Error> {
        let mut found = Vec::new();
        self.walk(prefix, (first, 0), |(a, b)| {
            if a == first {
                found.push(b);
            }
            a == first
        })?;
        Ok(found)
    }
}
