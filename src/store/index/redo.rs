//! A flush as a file beside sled, written before sled is given any of it. Items go to sled one by one, since sled lets
//! nobody read while it takes several at once; whoever is killed in the middle finds here what was still to be done.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::Refusal;
use super::disk::{Mark, Sum, refused};
use crate::store::Error;
use crate::store::codec::{In, Out};
use crate::store::log;

/// The file's name in sled's directory.
const NAME: &str = "redo";
/// A flush of so many bytes takes long enough that a power cut may well come in the middle of it: its file is on the disk
/// first. For a small one the index would be made anew.
const LARGE: usize = 64 << 10;

/// All that a flush changes.
#[derive(Debug, Default)]
pub(super) struct Redo {
    /// What sled's items gave before.
    before: Sum,
    /// What sled will say of itself.
    pub(super) after: Mark,
    items: Out,
}

impl Redo {
    /// Nothing yet, behind such a sum.
    pub(super) fn behind(before: Sum) -> Self {
        Self {
            before,
            ..Self::default()
        }
    }

    /// Adds an item; without bytes it goes.
    pub(super) fn push(&mut self, key: &[u8], bytes: Option<&[u8]>) {
        self.items.bytes(key);
        self.items.byte(u8::from(bytes.is_some()));
        if let Some(bytes) = bytes {
            self.items.bytes(bytes);
        }
    }

    /// The items, in order.
    pub(super) fn items(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut input = In(&self.items.0);
        std::iter::from_fn(move || {
            let key = input.bytes()?;
            let bytes = match input.byte()? {
                0 => None,
                _ => Some(input.bytes()?),
            };
            Some((key, bytes))
        })
    }

    /// Writes the file, in the place of the flush before.
    pub(super) fn keep(&self, dir: &Path) -> Result<(), Error> {
        let mut head = Out::default();
        Mark {
            sum: self.before,
            ..Mark::default()
        }
        .write(&mut head);
        self.after.write(&mut head);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head.0), &self.items.0);
        let path = dir.join(NAME);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&path)?;
            file.write_all(&crc.to_le_bytes())?;
            file.write_all(&head.0)?;
            file.write_all(&self.items.0)?;
            if self.items.0.len() >= LARGE {
                file.sync_data()?;
            }
            Ok(())
        };
        write().map_err(|source| {
            if log::is_full(&source) {
                return Error::Full {
                    path: dir.to_owned(),
                };
            }
            Error::Io {
                what: format!("writing {}", path.display()),
                source,
            }
        })
    }

    /// The flush that was begun last, if its file is whole.
    fn find(dir: &Path) -> Option<Self> {
        let bytes = fs::read(dir.join(NAME)).ok()?;
        let (crc, rest) = bytes.split_first_chunk::<4>()?;
        if crc32c::crc32c(rest).to_le_bytes() != *crc {
            return None;
        }
        let mut input = In(rest);
        let before = Mark::read(&mut input)?.sum;
        let after = Mark::read(&mut input)?;
        Some(Self {
            before,
            after,
            items: Out(input.0.to_vec()),
        })
    }
}

/// Puts an item into sled, or takes it away.
pub(super) fn put(db: &sled::Db, key: &[u8], bytes: Option<&[u8]>) -> Result<(), Error> {
    let done = match bytes {
        Some(bytes) => db.insert(key, bytes),
        None => db.remove(key),
    };
    done.map(|_| ()).map_err(refused)
}

/// Does once more what sled was in the middle of when it was killed. That everything is there is for others to check.
pub(super) fn finish(dir: &Path, db: &sled::Db) -> Result<(), Refusal> {
    let Some(redo) = Redo::find(dir) else {
        return Ok(());
    };
    let mark = Mark::of(db)?;
    if mark == Some(redo.after) || mark.map_or_else(Sum::default, |mark| mark.sum) != redo.before {
        return Ok(());
    }
    let again = || {
        for (key, bytes) in redo.items() {
            put(db, key, bytes)?;
        }
        redo.after.put(db)
    };
    again().map_err(|error: Error| error.to_string())
}
