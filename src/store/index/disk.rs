//! sled itself: how it is opened, what it says of itself, and whether what it holds is what was written. sled may panic
//! over damaged files, so whatever could meet damage runs on a thread of its own.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Refusal;
use super::figures::Figures;
use crate::store::Error;
use crate::store::codec::{In, Out};
use crate::store::log::Pos;
use crate::store::packed;

/// sled's segments. Three buffers of this size are in memory, and an item larger than a quarter of it gets a file of its own.
const SEGMENT: usize = 2 << 20;
/// sled lets go of its lock a moment after it was dropped: when the last of its threads has noticed.
const LETTING_GO: Duration = Duration::from_secs(2);
/// Where sled has its [`Mark`].
const MARK: &[u8] = b"mw";
/// Where it has its size when it was fresh.
const FRESH: &[u8] = b"mf";

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
pub(super) fn guarded<T: Send + 'static>(
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
pub(in crate::store) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("no reason given"))
}

/// Opens the sled of a directory, or makes one there.
pub(super) fn open_db(dir: &Path, cache: u64) -> Result<sled::Db, Refusal> {
    sweep(dir);
    let begun = Instant::now();
    loop {
        let opened = sled::Config::new()
            .path(dir)
            .segment_size(SEGMENT)
            .mode(sled::Mode::LowSpace)
            .use_compression(false)
            .cache_capacity(cache)
            .flush_every_ms(Some(500))
            .open();
        match opened {
            // Ours is the only process that gets here.
            Err(sled::Error::Io(error))
                if error.to_string().starts_with("could not acquire lock")
                    && begun.elapsed() < LETTING_GO =>
            {
                std::thread::sleep(LETTING_GO / 200);
            }
            other => return other.map_err(|error| error.to_string()),
        }
    }
}

/// What all items of sled together must give: a lost or altered one shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    hash: u64,
    pub(super) items: u64,
    pub(super) bytes: u64,
}

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], bytes: &[u8]) {
        self.hash = self.hash.wrapping_add(item_hash(key, bytes));
        self.items = self.items.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add((bytes.len() + key.len()) as u64);
    }

    /// Takes out an item of that hash and length.
    pub(super) fn take(&mut self, key: &[u8], stored: Stored) {
        self.hash = self.hash.wrapping_sub(stored.hash);
        self.items = self.items.wrapping_sub(1);
        let length = stored.length + key.len();
        self.bytes = self.bytes.wrapping_sub(length as u64);
    }
}

/// What sled holds under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    hash: u64,
    length: usize,
}

impl Stored {
    pub(super) fn of(key: &[u8], bytes: &[u8]) -> Self {
        Self {
            hash: item_hash(key, bytes),
            length: bytes.len(),
        }
    }
}

fn item_hash(key: &[u8], bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, xxh3_64(key))
}

/// What sled says of itself: the sum of its items, and the position in the log up to which they know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) sum: Sum,
    pub(super) applied: Pos,
}

impl Mark {
    pub(super) fn write(self, out: &mut Out) {
        out.word(self.sum.hash);
        out.word(self.sum.items);
        out.word(self.sum.bytes);
        out.number(u64::from(self.applied.file));
        out.number(self.applied.at);
    }

    pub(super) fn read(input: &mut In<'_>) -> Option<Self> {
        Some(Self {
            sum: Sum {
                hash: input.word()?,
                items: input.word()?,
                bytes: input.word()?,
            },
            applied: Pos {
                file: input.small()?,
                at: input.number()?,
            },
        })
    }

    /// The mark in sled; `None` as long as it was never given one.
    pub(super) fn of(db: &sled::Db) -> Result<Option<Self>, Refusal> {
        let bytes = db.get(MARK).map_err(|error| error.to_string())?;
        let read = |bytes: sled::IVec| Self::read(&mut In(&bytes)).ok_or("its mark cannot be read");
        Ok(bytes.map(read).transpose()?)
    }

    /// Puts the mark into sled, in one piece.
    pub(super) fn put(self, db: &sled::Db) -> Result<(), Error> {
        let mut out = Out::default();
        self.write(&mut out);
        db.insert(MARK, out.0).map_err(refused)?;
        Ok(())
    }
}

/// Size of sled's files when they were fresh; 0 if that is not known.
pub(super) fn fresh(db: &sled::Db) -> Result<u64, Refusal> {
    let noted = db.get(FRESH).map_err(|error| error.to_string())?;
    Ok(noted
        .and_then(|bytes| In(&bytes).number())
        .unwrap_or_default())
}

/// Notes that size.
pub(super) fn note_fresh(db: &sled::Db, size: u64) {
    let mut out = Out::default();
    out.number(size);
    // Without the note the index is made smaller once more than it need be.
    let _ = db.insert(FRESH, out.0);
}

/// Packs of articles by number.
type Packs = HashMap<u64, Box<[u8]>>;

/// Reads everything once: each item must be what its key says, and all together what was last written.
pub(super) fn survey(db: &sled::Db) -> Result<(Mark, Figures, Packs), Refusal> {
    let mark = Mark::of(db)?.ok_or("it was never finished")?;
    let (mut sum, mut figures, mut packs) = (Sum::default(), Figures::default(), Packs::new());
    for item in db.iter() {
        let (key, bytes) = item.map_err(|error| error.to_string())?;
        if is_own(&key) {
            continue;
        }
        sum.add(&key, &bytes);
        if let Some(begin) = packed::pack_begin(&key) {
            packs.insert(begin / packed::PACK, bytes.as_ref().into());
        }
        figures
            .read(&key, &bytes)
            .ok_or_else(|| format!("item {} cannot be read", hex(&key)))?;
    }
    if mark.sum != sum {
        return Err(format!(
            "its {} items are not the ones that were written",
            sum.items
        ));
    }
    Ok((mark, figures, packs))
}

/// True for the keys of what sled says of itself: they are no items of the index.
pub(super) fn is_own(key: &[u8]) -> bool {
    key.first() == Some(&b'm')
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What sled's errors mean to us.
pub(super) fn refused(error: sled::Error) -> Error {
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
