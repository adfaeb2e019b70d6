//! A second sled that takes the place of the present one: sled itself never gives space back. It is filled step by step,
//! between the writer's other work, and counts only once everything is there.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::disk::{Mark, guarded, is_own, open_db, refused};
use super::{Index, Refusal, step_aside};
use crate::store::Error;

/// Items copied in one step.
const AT_ONCE: usize = 96;

/// A sled that will take the place of the present one.
#[derive(Debug)]
pub(super) struct Successor {
    pub(super) db: sled::Db,
    dir: PathBuf,
    /// The last key that it has; what changes behind it will be copied as it is then.
    pub(super) copied: Option<Vec<u8>>,
}

impl Index {
    /// Begins another sled that is to take this one's place. Only the writer may call this and the next two.
    pub(in crate::store) fn begin_successor(&self, dir: &Path, cache: u64) -> Result<(), Refusal> {
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
    pub(in crate::store) fn copy_on(&self) -> Result<bool, Error> {
        let (from, to, copied) = {
            let table = self.read();
            let Some(next) = &table.successor else {
                return Ok(true);
            };
            (table.db()?.clone(), next.db.clone(), next.copied.clone())
        };
        let begin = copied.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for item in from
            .range::<&[u8], _>((begin, Bound::Unbounded))
            .take(AT_ONCE)
        {
            step_aside();
            let (key, bytes) = item.map_err(refused)?;
            last = Some(key.to_vec());
            if !is_own(&key) {
                to.insert(key, bytes).map_err(refused)?;
            }
        }
        if last.is_none() {
            return Ok(true);
        }
        if let Some(next) = &mut self.write().successor {
            next.copied = last;
        }
        Ok(false)
    }

    /// Goes over to the new sled; gives the old one and its directory, to be thrown away.
    pub(in crate::store) fn succeed(&self) -> Result<Option<(sled::Db, PathBuf)>, Error> {
        let (db, mark) = {
            let table = self.read();
            let Some(next) = &table.successor else {
                return Ok(None);
            };
            let mark = Mark {
                sum: table.sum,
                applied: table.applied,
            };
            (next.db.clone(), mark)
        };
        // Its mark comes when everything else is there for good.
        db.flush().map_err(refused)?;
        mark.put(&db)?;
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
}
