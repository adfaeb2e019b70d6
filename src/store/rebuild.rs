//! The index from the log: the part that it does not know yet at opening, or all of it after damage.

use std::fs;
use std::path::{Path, PathBuf};

use super::apply::{apply, expire};
use super::index::{Index, Refusal, Table};
use super::item::Item;
use super::log::{Hole, Loc, Log, Pos};
use super::{Error, Options, frame};
use crate::model::time::Timestamp;

/// The least and the most of the memory that the items of a new index may take before they go to sled.
const ROOM: (u64, u64) = (64 << 20, 256 << 20);
/// The share of the log's size that they may take within these limits: each item is then written a few times only, however
/// many there are.
const SHARE: u64 = 16;

/// What reading a stretch of the log brought.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) holes: Vec<Hole>,
    pub(super) frames: u64,
    /// When the last of them was made.
    at: Timestamp,
}

/// Does everything behind `table.applied` that the log has. `room` is what the index may have in memory at least.
pub(super) fn replay(index: &Index, log: &Log, room: u64) -> Result<Replayed, Error> {
    let from = index.read().applied;
    let (mut frames, mut at) = (0, Timestamp::EPOCH);
    let holes = log.scan(from, |read| {
        let mut table = index.write();
        for found in frame::items(read.bytes) {
            let Some((at, raw)) = found else {
                // The frame's own checksum held, so this was written by something that is not quite this aggd.
                tracing::error!(
                    file = read.pos.file,
                    at = read.pos.at,
                    "an item of the log cannot be read and is left out"
                );
                break;
            };
            let begin = read.pos.at + at as u64;
            let loc = Loc {
                file: read.pos.file,
                at: u32::try_from(begin).unwrap_or(u32::MAX),
                length: u32::try_from(raw.length).unwrap_or(u32::MAX),
            };
            let body = match raw.item {
                Item::State(_)
                | Item::Note(_)
                | Item::Amend(_)
                | Item::Marks(_)
                | Item::Paragraphs(_) => raw.body,
                _ => &[],
            };
            apply(&mut table, &read.head, &raw.item, loc, body)?;
        }
        frames += 1;
        at = read.head.at;
        table.reach(Pos {
            file: read.pos.file,
            at: read.pos.at + read.bytes.len() as u64,
        });
        let due = table.volume() >= room.max(table.room());
        drop(table);
        if due {
            index.flush()?;
        }
        Ok(true)
    })?;
    Ok(Replayed { holes, frames, at })
}

/// A whole new index in a directory of its own.
pub(super) fn anew(log: &Log, options: &Options) -> Result<(Table, Replayed), Error> {
    let dir = next_dir(options)?;
    let table = Table::create(&dir, index_cache(options), log.beginning());
    let index = Index::new(table.map_err(|reason| damaged(&dir, &reason))?);
    let (least, most) = ROOM;
    let replayed = replay(&index, log, (log.size() / SHARE).clamp(least, most))?;
    // The log still has tombstones whose time was over before. Its last date is no later than now, so none goes early.
    expire(&index, options.tombstones, replayed.at)?;
    index.flush()?;
    index.sync()?;
    let mut table = index.into_table();
    table.baseline();
    Ok((table, replayed))
}

/// How much sled may cache, as it counts: half of what is allowed, and what is 10 bytes in its files takes some 17 in memory.
pub(super) fn index_cache(options: &Options) -> u64 {
    (options.cache / 2 / 17 * 10).max(8 << 20)
}

fn damaged(dir: &Path, reason: &Refusal) -> Error {
    Error::Damaged {
        what: format!("{}: {reason}", dir.display()),
    }
}

/// Where indexes are.
pub(super) fn home(options: &Options) -> PathBuf {
    options.path.join("index")
}

/// The indexes that are there, newest first.
pub(super) fn generations(options: &Options) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(home(options))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, entry.path()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// A directory for the next index.
pub(super) fn next_dir(options: &Options) -> Result<PathBuf, Error> {
    let last = generations(options)
        .first()
        .and_then(|dir| dir.file_name()?.to_str()?.parse::<u32>().ok());
    let dir = home(options).join(format!("{:08}", last.unwrap_or(0) + 1));
    fs::create_dir_all(&dir).map_err(|source| Error::Io {
        what: format!("creating {}", dir.display()),
        source,
    })?;
    Ok(dir)
}

/// Keeps a damaged index for whoever wants to look at it, one of them.
pub(super) fn set_aside(dir: &Path) {
    let Some(home) = dir.parent() else {
        return;
    };
    let aside = home.join("damaged");
    let _ = fs::remove_dir_all(&aside);
    if fs::rename(dir, &aside).is_err() {
        let _ = fs::remove_dir_all(dir);
    }
}
