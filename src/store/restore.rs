//! A store from its backups: each line becomes a frame of a new log, and the log is put in its place when every count and
//! hash was right. The index is made from it at the first opening, as always.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::backup::{self, FORMAT, Line, Outline, Told};
use super::frame::{Draft, FrameHead};
use super::log::{FULL_FILE, FileHead, Log};
use super::{Error, Options, open};
use crate::model::article::Revision;

/// A line is read up to so many bytes: no commit is longer.
const LONGEST: u64 = 4 << 30;

/// Bytes that are written with one sync.
const AT_ONCE: usize = 4 << 20;

/// One backup: what to call it in messages, and its bytes.
pub type Input = (String, Box<dyn Read + Send>);

type Lines = BufReader<zstd::Decoder<'static, BufReader<Box<dyn Read + Send>>>>;

fn io(what: String) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io { what, source }
}

fn wrong(name: &str, why: &str) -> Error {
    Error::Io {
        what: format!("reading the backup {name}"),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned()),
    }
}

fn lines(name: &str, from: Box<dyn Read + Send>) -> Result<Lines, Error> {
    let decoder = zstd::Decoder::new(from).map_err(io(format!("reading the backup {name}")))?;
    Ok(BufReader::with_capacity(1 << 16, decoder))
}

/// Reads one line without its end; false behind the last one.
fn next_line(from: &mut Lines, name: &str, line: &mut Vec<u8>) -> Result<bool, Error> {
    line.clear();
    from.take(LONGEST)
        .read_until(b'\n', line)
        .map_err(|_| wrong(name, "it is cut off or damaged"))?;
    Ok(!line.is_empty())
}

/// Reads the first line of a backup.
///
/// # Errors
/// If it is no backup of ours, or one of a newer aggd.
pub fn outline(path: &Path) -> Result<Outline, Error> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(io(format!("opening {name}")))?;
    let mut from = lines(&name, Box::new(file))?;
    first_line(&mut from, &name)
}

fn first_line(from: &mut Lines, name: &str) -> Result<Outline, Error> {
    let mut line = Vec::new();
    next_line(from, name, &mut line)?;
    let version: Option<u64> = serde_json::from_slice::<serde_json::Value>(&line)
        .ok()
        .and_then(|value| value.get("aggd_backup")?.as_u64());
    match version {
        Some(found) if found > u64::from(FORMAT) => Err(Error::Newer {
            path: PathBuf::from(name),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: FORMAT,
        }),
        _ => serde_json::from_slice(&line)
            .map_err(|_| wrong(name, "it does not begin like a backup")),
    }
}

/// Makes a store from backups: a whole one, and perhaps such as continue it, in order. There must be no store yet.
/// `progress` hears after each commit how many of how many are done.
///
/// # Errors
/// If there is a store, if a backup is not what its first line says, or if the disk refuses. No store is made then.
pub(super) fn restore(
    options: &Options,
    inputs: Vec<Input>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Outline, Error> {
    let path = &options.path;
    fs::create_dir_all(path).map_err(io(format!("creating {}", path.display())))?;
    let _lock = open::take_lock(path)?;
    let log_dir = path.join("log");
    let is_there = fs::read_dir(&log_dir).is_ok_and(|mut files| files.next().is_some());
    if is_there {
        return Err(Error::Io {
            what: format!("restoring into {}", path.display()),
            source: std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "there is a store already; restore into an empty directory",
            ),
        });
    }
    let part = path.join("log.part");
    let _ = fs::remove_dir_all(&part);
    let made = fill(&part, inputs, &mut progress);
    let outline = made.inspect_err(|_| {
        let _ = fs::remove_dir_all(&part);
    })?;
    // An index that lies about belongs to a log that is gone.
    let _ = fs::remove_dir_all(path.join("index"));
    let _ = fs::remove_dir(&log_dir);
    fs::rename(&part, &log_dir)
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(io(format!("creating {}", log_dir.display())))?;
    Ok(outline)
}

fn fill(
    dir: &Path,
    inputs: Vec<Input>,
    progress: &mut impl FnMut(u64, u64),
) -> Result<Outline, Error> {
    let mut filling: Option<Filling> = None;
    let mut newest: Option<Outline> = None;
    for (name, from) in inputs {
        let mut from = lines(&name, from)?;
        let outline = first_line(&mut from, &name)?;
        let continues = match (&newest, outline.since) {
            (None, None) => true,
            (Some(before), Some(since)) => {
                since.epoch == before.revision.epoch && since.number <= before.revision.number
            }
            _ => false,
        };
        if !continues {
            let why = if newest.is_none() {
                "it continues another backup; name that one before it"
            } else {
                "it does not continue the backup before it"
            };
            return Err(wrong(&name, why));
        }
        let filling = match &mut filling {
            Some(filling) => filling,
            none => none.insert(Filling::begin(dir, &outline)?),
        };
        filling.take(&outline, &name, from, progress)?;
        filling.flush()?;
        newest = Some(outline);
    }
    newest.ok_or_else(|| wrong("-", "none was given"))
}

/// A log under construction.
struct Filling {
    log: Log,
    /// Behind all frames so far.
    head: FileHead,
    /// Before those that wait to be written.
    begun: FileHead,
    waiting: Vec<u8>,
}

impl Filling {
    fn begin(dir: &Path, outline: &Outline) -> Result<Self, Error> {
        let head = FileHead {
            // Followers of the store as it was must not take this one for it.
            epoch: outline.revision.epoch.saturating_add(1),
            number: outline.begin,
            next_seq: outline.first_seq,
            authority: (outline.host.clone(), outline.year),
        };
        Ok(Self {
            log: Log::create(dir, head.clone(), FULL_FILE)?,
            begun: head.clone(),
            head,
            waiting: Vec::new(),
        })
    }

    /// Takes all lines of a backup over, and sees that they are those that were written.
    fn take(
        &mut self,
        outline: &Outline,
        name: &str,
        mut from: Lines,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), Error> {
        let (mut hash, mut line) = (Xxh3::new(), Vec::new());
        let (mut commits, mut items) = (0, 0);
        while next_line(&mut from, name, &mut line)? {
            hash.update(&line);
            let parsed: Line = serde_json::from_slice(&line).map_err(|error| {
                wrong(name, &format!("line {} is damaged: {error}", commits + 2))
            })?;
            commits += 1;
            items += parsed.items.len() as u64;
            self.put(&parsed, name)?;
            progress(commits, outline.commits);
        }
        if (commits, items) != (outline.commits, outline.items) {
            return Err(wrong(name, "lines are missing"));
        }
        if outline.hash != format!("{:032x}", hash.digest128()) {
            return Err(wrong(name, "its lines are not the ones that were written"));
        }
        Ok(())
    }

    fn put(&mut self, line: &Line, name: &str) -> Result<(), Error> {
        // Two backups may overlap.
        if line.visible && line.number <= self.head.number {
            return Ok(());
        }
        let mut draft = Draft::new();
        for told in &line.items {
            match (backup::unpacked(told), told) {
                (Some((item, body)), _) => draft.push(&item, &body),
                (None, Told::Packed(text)) => {
                    let bytes = backup::packed(text);
                    draft.push_raw(&bytes.ok_or_else(|| wrong(name, "a packed item is damaged"))?);
                }
                (None, _) => {}
            }
        }
        if !Draft::fits(draft.length()) {
            return Err(wrong(name, "a line is longer than any commit"));
        }
        self.head.number = self.head.number.max(line.number);
        self.head.next_seq = self.head.next_seq.max(line.next_seq);
        let frame = draft.seal(FrameHead {
            visible: line.visible,
            carried: line.carried,
            number: line.number,
            at: line.at,
            next_seq: line.next_seq,
            count: 0,
        });
        self.waiting.extend_from_slice(&frame);
        if self.waiting.len() >= AT_ONCE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.log.wants_new_file() {
            let (last, _) = self.log.last();
            self.log.begin(last + 1, self.begun.clone())?;
        }
        self.log.append(&self.waiting)?;
        self.waiting.clear();
        self.begun = self.head.clone();
        Ok(())
    }
}

/// Reads a revision as people write it: `3.4711`.
#[must_use]
pub fn revision(text: &str) -> Option<Revision> {
    let (epoch, number) = text.split_once('.')?;
    Some(Revision {
        epoch: epoch.parse().ok()?,
        number: number.parse().ok()?,
    })
}
