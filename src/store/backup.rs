//! A store as lines of JSON under zstd, and back: every article, state, note, tombstone and list with the date it was
//! touched. What is restored has the same ids and gives the same feeds, byte for byte.
//!
//! The first line tells what follows: counts, and a hash over all further lines. An article that changed while the backup
//! was made stands in it twice; the later line counts. A backup `since` a revision has only the articles that changed
//! after it, and all the rest; it is restored after the one that it continues.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::core::Core;
use super::engine::Engine;
use super::frame::{Draft, FrameHead};
use super::index::Value;
use super::item::{Item, Left, Name, Stand, Tombstone};
use super::log::{FULL_FILE, FileHead, Log};
use super::prepare::whole;
use super::writer::Writer;
use super::{Error, Options, apply, codec, follow, lists, open, retain};
use crate::model::article::{Article, Key, Revision};
use crate::model::label::Scope;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

/// Version of the lines.
const FORMAT: u32 = 1;
/// zstd level of backups.
const LEVEL: i32 = 6;
/// Articles that are written before the writer is asked for a moment of rest; so many it may be kept from working for.
const MOMENT: usize = 500;
/// Rounds of writing what changed meanwhile.
const ROUNDS: usize = 20;
/// Bytes of one frame when a log is made from a backup.
const FRAME: usize = 1 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Version of the lines.
    pub aggd_backup: u32,
    /// Host of the published ids.
    pub host: String,
    /// Year of the published ids.
    pub year: i32,
    /// The store's revision that it shows.
    pub revision: Revision,
    /// It holds only articles that changed after this.
    pub since: Option<Revision>,
    /// When it was made.
    pub at: Timestamp,
    /// The next new article's number.
    pub next_seq: u64,
    /// Lines with articles; one that changed while the backup was made has two.
    pub articles: u64,
    /// Articles that are gone.
    pub removed: u64,
    /// Sources.
    pub states: u64,
    /// Notes.
    pub notes: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Lists.
    pub lists: u64,
    /// xxh3-128 over all lines but the first, in hexadecimal digits.
    pub hash: String,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Article {
        seq: u64,
        listed_until: Timestamp,
        keys: Vec<Key>,
        article: Box<Article>,
    },
    Removed {
        seq: u64,
    },
    State(SourceId, Box<SourceState>),
    Note(String, Vec<u8>),
    Tombstone {
        kind: u8,
        hash: u64,
        day: u16,
        source: SourceId,
    },
    List(Scope, Timestamp),
}

/// Lines on their way to a file, counted and hashed.
struct Lines<W: Write> {
    to: W,
    hash: Xxh3,
    outline: Outline,
}

fn io(what: &str) -> impl Fn(std::io::Error) -> Error {
    let what = what.to_owned();
    move |source| Error::Io {
        what: what.clone(),
        source,
    }
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &Line) -> Result<(), Error> {
        let count = match line {
            Line::Article { .. } => &mut self.outline.articles,
            Line::Removed { .. } => &mut self.outline.removed,
            Line::State(..) => &mut self.outline.states,
            Line::Note(..) => &mut self.outline.notes,
            Line::Tombstone { .. } => &mut self.outline.tombstones,
            Line::List(..) => &mut self.outline.lists,
        };
        *count += 1;
        let mut bytes = serde_json::to_vec(line).map_err(|error| Error::Io {
            what: "writing the backup".to_owned(),
            source: error.into(),
        })?;
        bytes.push(b'\n');
        self.hash.update(&bytes);
        self.to.write_all(&bytes).map_err(io("writing the backup"))
    }
}

/// Writes a backup while everything goes on.
pub(super) async fn backup(
    engine: &Engine,
    into: Box<dyn Write + Send>,
    since: Option<Revision>,
    now: Timestamp,
) -> Result<Outline, Error> {
    // The first line has the counts, so the lines wait in a file without a name until these are known.
    let (mut lines, mut seen) = engine.ask(move |core| begin(core, since, now)).await?;
    for _ in 0..ROUNDS {
        let part = engine.ask(move |core| {
            let more = changed(core, seen)?;
            let newest = core.revision();
            if more.len() <= MOMENT {
                return Ok((lines, seen, true));
            }
            for seq in more {
                put_article(core, &mut lines, seq)?;
            }
            Ok((lines, newest, false))
        });
        let (back, upto, few) = part.await?;
        (lines, seen) = (back, upto);
        if few {
            break;
        }
    }
    let lines = engine
        .by_writer(move |writer| {
            finish(writer, &mut lines, seen)?;
            Ok(lines)
        })
        .await?;
    let outline = engine.ask(move |_| deliver(lines, into)).await?;
    engine.core.index.read().set_backed_up(now)?;
    Ok(outline)
}

type Spool = Lines<zstd::Encoder<'static, BufWriter<File>>>;

/// Writes all articles, or those that changed since a revision; gives the revision before which nothing was missed.
fn begin(core: &Core, since: Option<Revision>, now: Timestamp) -> Result<(Spool, Revision), Error> {
    let spool = spool_file(&core.options.path)?;
    let to = zstd::Encoder::new(BufWriter::new(spool), LEVEL).map_err(io("writing the backup"))?;
    let seen = core.revision();
    let outline = Outline {
        aggd_backup: FORMAT,
        host: core.authority.0.clone(),
        year: core.authority.1,
        revision: seen,
        since,
        at: now,
        next_seq: 0,
        articles: 0,
        removed: 0,
        states: 0,
        notes: 0,
        tombstones: 0,
        lists: 0,
        hash: String::new(),
    };
    let mut lines = Lines {
        to,
        hash: Xxh3::new(),
        outline,
    };
    let known = since.filter(|since| follow::is_known(core, *since));
    if since.is_some() && known.is_none() {
        return Err(Error::Io {
            what: "writing the backup".to_owned(),
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "this store does not know that revision any more; make a whole backup",
            ),
        });
    }
    if let Some(since) = known {
        for seq in changed(core, since)? {
            put_article(core, &mut lines, seq)?;
        }
        return Ok((lines, seen));
    }
    let mut seq = 0;
    loop {
        let found = core.index.read().recs(seq)?;
        let Some((next, recs)) = found else {
            return Ok((lines, seen));
        };
        seq = next;
        for (number, _) in recs {
            put_article(core, &mut lines, number)?;
        }
    }
}

/// A file that goes by itself when nobody has it open any more.
fn spool_file(dir: &Path) -> Result<File, Error> {
    let path = dir.join("backup.part");
    let file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(io("creating the backup's first half"))?;
    std::fs::remove_file(&path).map_err(io("creating the backup's first half"))?;
    Ok(file)
}

/// Numbers of the articles that changed after a revision, also of those that are gone.
fn changed(core: &Core, after: Revision) -> Result<Vec<u64>, Error> {
    let mut numbers = HashSet::new();
    follow::numbers(core, after, |seq| {
        numbers.insert(seq);
    })?;
    let mut numbers: Vec<u64> = numbers.into_iter().collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn put_article<W: Write>(core: &Core, lines: &mut Lines<W>, seq: u64) -> Result<(), Error> {
    let Some(live) = core.live(seq)? else {
        return lines.put(&Line::Removed { seq });
    };
    let article = core.read_article(seq, &live.rec)?;
    lines.put(&Line::Article {
        seq,
        listed_until: live.rec.listed_until,
        keys: live.stand.keys.clone(),
        article: Box::new(article),
    })
}

/// The last lines, while nothing is written to the store.
fn finish(writer: &mut Writer, lines: &mut Spool, seen: Revision) -> Result<(), Error> {
    let core = std::sync::Arc::clone(&writer.core);
    for seq in changed(&core, seen)? {
        put_article(&core, lines, seq)?;
    }
    for name in retain::known_names(&core)? {
        lines.put(&Line::List(name.scope, name.touched))?;
    }
    for (space, is_state) in [(b"s", true), (b"k", false)] {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let some = core.index.read().page(space, after.as_deref(), 64)?;
            let Some((last, _)) = some.last() else { break };
            after = Some(last.clone());
            for (key, value) in some {
                let name = String::from_utf8_lossy(&key[1..]).into_owned();
                let Value::Raw(bytes) = value else { continue };
                if !is_state {
                    let note = apply::read_state(&bytes).map(|(_, note)| note.to_vec());
                    lines.put(&Line::Note(name, note.unwrap_or_default()))?;
                } else if let Some(id) = SourceId::new(&name) {
                    let state = super::core::unpack_state(&id, &bytes)?;
                    lines.put(&Line::State(id, Box::new(state)))?;
                }
            }
        }
    }
    for one in retain::tombstones(&core, None)? {
        lines.put(&Line::Tombstone {
            kind: one.kind,
            hash: one.hash,
            day: one.day,
            source: one.source,
        })?;
    }
    lines.outline.revision = core.revision();
    lines.outline.next_seq = writer.next_seq;
    Ok(())
}

/// The first line, then all others.
fn deliver(mut lines: Spool, mut into: Box<dyn Write + Send>) -> Result<Outline, Error> {
    let failed = io("writing the backup");
    lines.outline.hash = format!("{:032x}", lines.hash.digest128());
    let mut first = serde_json::to_vec(&lines.outline).map_err(|error| failed(error.into()))?;
    first.push(b'\n');
    let first = zstd::encode_all(first.as_slice(), LEVEL).map_err(&failed)?;
    into.write_all(&first).map_err(&failed)?;
    let spool = lines.to.finish().map_err(&failed)?;
    let mut spool = spool
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    spool.seek(SeekFrom::Start(0)).map_err(&failed)?;
    std::io::copy(&mut spool, &mut into).map_err(&failed)?;
    into.flush().map_err(&failed)?;
    Ok(lines.outline)
}

/// Reads a backup's first line.
///
/// # Errors
/// If it is no backup of ours, or of a newer aggd.
pub fn outline(file: &Path) -> Result<Outline, Error> {
    let mut first = Vec::new();
    reader(file)?
        .read_until(b'\n', &mut first)
        .map_err(io(&format!("reading {}", file.display())))?;
    parse_outline(file, &first)
}

fn parse_outline(file: &Path, line: &[u8]) -> Result<Outline, Error> {
    let version: Option<u64> = serde_json::from_slice::<serde_json::Value>(line)
        .ok()
        .and_then(|value| value.get("aggd_backup")?.as_u64());
    match version {
        Some(found) if found > u64::from(FORMAT) => Err(Error::Newer {
            path: file.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: FORMAT,
        }),
        _ => serde_json::from_slice(line).map_err(|_| wrong(file, "it does not begin like a backup")),
    }
}

fn wrong(file: &Path, why: &str) -> Error {
    Error::Io {
        what: format!("restoring {}", file.display()),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned()),
    }
}

fn reader(file: &Path) -> Result<BufReader<zstd::Decoder<'static, BufReader<File>>>, Error> {
    let failed = io(&format!("reading {}", file.display()));
    let file = File::open(file).map_err(&failed)?;
    let decoder = zstd::Decoder::new(file).map_err(&failed)?;
    Ok(BufReader::with_capacity(1 << 16, decoder))
}

/// Reads one line without its end; false behind the last one.
fn next_line(from: &mut impl BufRead, file: &Path, line: &mut Vec<u8>) -> Result<bool, Error> {
    line.clear();
    let count = from
        .read_until(b'\n', line)
        .map_err(|_| wrong(file, "it is cut off or damaged"))?;
    Ok(count > 0)
}

/// The number of an article in a line, without reading all of it.
fn number_in(line: &[u8]) -> Option<u64> {
    let rest = line
        .strip_prefix(b"{\"article\":{\"seq\":")
        .or_else(|| line.strip_prefix(b"{\"removed\":{\"seq\":"))?;
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// Makes a store from backups: a whole one, and perhaps such as continue it, in order. There must be no store yet.
///
/// # Errors
/// If there is a store, if a file is not what its first line says, or if the disk refuses. Nothing is left behind then.
pub(super) fn restore(options: &Options, files: &[PathBuf]) -> Result<Outline, Error> {
    std::fs::create_dir_all(&options.path).map_err(io(&format!(
        "creating {}",
        options.path.display()
    )))?;
    let _lock = open::take_lock(&options.path)?;
    let log_dir = options.path.join("log");
    if Log::open(&log_dir, FULL_FILE)?.is_some() {
        return Err(Error::Io {
            what: format!("restoring into {}", options.path.display()),
            source: std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "there is a store already; restore into an empty directory",
            ),
        });
    }
    let (outlines, last_lines) = check(files)?;
    let part = options.path.join("log.part");
    let _ = std::fs::remove_dir_all(&part);
    let made = fill(&part, files, &outlines, &last_lines);
    if let Err(error) = made {
        let _ = std::fs::remove_dir_all(&part);
        return Err(error);
    }
    let _ = std::fs::remove_dir_all(options.path.join("index"));
    let _ = std::fs::remove_dir(&log_dir);
    let moved = std::fs::rename(&part, &log_dir)
        .and_then(|()| File::open(&options.path)?.sync_all());
    moved.map_err(io(&format!("creating {}", log_dir.display())))?;
    Ok(outlines.into_iter().next_back().expect("check wants a file"))
}

/// Where each article's last line is: file and number of the line.
type LastLines = HashMap<u64, (usize, u64)>;

/// Reads everything once before anything is written.
fn check(files: &[PathBuf]) -> Result<(Vec<Outline>, LastLines), Error> {
    let mut outlines: Vec<Outline> = Vec::new();
    let mut last_lines = LastLines::new();
    for (n, file) in files.iter().enumerate() {
        let mut from = reader(file)?;
        let mut line = Vec::new();
        next_line(&mut from, file, &mut line)?;
        let outline = parse_outline(file, &line)?;
        let follows = match (outlines.last(), outline.since) {
            (None, None) => true,
            (Some(before), Some(since)) => since == before.revision,
            _ => false,
        };
        if !follows {
            return Err(wrong(file, "it does not continue what was given before it"));
        }
        let (mut hash, mut count) = (Xxh3::new(), 0u64);
        while next_line(&mut from, file, &mut line)? {
            hash.update(&line);
            if let Some(seq) = number_in(&line) {
                last_lines.insert(seq, (n, count));
            }
            count += 1;
        }
        let counts = [
            outline.articles,
            outline.removed,
            outline.states,
            outline.notes,
            outline.tombstones,
            outline.lists,
        ];
        if count != counts.iter().sum::<u64>() {
            return Err(wrong(file, "lines are missing"));
        }
        if outline.hash != format!("{:032x}", hash.digest128()) {
            return Err(wrong(file, "its lines are not the ones that were written"));
        }
        outlines.push(outline);
    }
    if outlines.is_empty() {
        return Err(wrong(Path::new("-"), "no backup was given"));
    }
    Ok((outlines, last_lines))
}

/// A log under construction.
struct Filling {
    log: Log,
    epoch: u32,
    number: u64,
    next_seq: u64,
    at: Timestamp,
    authority: (String, i32),
    draft: Draft,
    visible: bool,
}

impl Filling {
    fn put(&mut self, item: &Item, body: &[u8]) -> Result<(), Error> {
        self.draft.push(item, body);
        self.visible |= matches!(item, Item::Put(_));
        if self.draft.length() >= FRAME {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.draft.places.is_empty() {
            return Ok(());
        }
        if self.log.wants_new_file() {
            let (last, _) = self.log.last();
            self.log.begin(last + 1, self.file_head())?;
        }
        self.number += u64::from(self.visible);
        let head = FrameHead {
            visible: std::mem::take(&mut self.visible),
            carried: true,
            number: self.number,
            at: self.at,
            next_seq: self.next_seq,
            count: 0,
        };
        let frame = std::mem::replace(&mut self.draft, Draft::new()).seal(head);
        self.log.append(&frame)
    }

    fn file_head(&self) -> FileHead {
        FileHead {
            epoch: self.epoch,
            number: self.number,
            next_seq: self.next_seq,
            authority: self.authority.clone(),
        }
    }
}

fn fill(
    dir: &Path,
    files: &[PathBuf],
    outlines: &[Outline],
    last_lines: &LastLines,
) -> Result<(), Error> {
    let newest = outlines.last().expect("check wants a file");
    let head = FileHead {
        epoch: newest.revision.epoch + 1,
        number: newest.revision.number,
        next_seq: newest.next_seq,
        authority: (newest.host.clone(), newest.year),
    };
    let mut filling = Filling {
        log: Log::create(dir, head.clone(), FULL_FILE)?,
        epoch: head.epoch,
        number: head.number,
        next_seq: head.next_seq,
        at: newest.at,
        authority: head.authority,
        draft: Draft::new(),
        visible: false,
    };
    let mut names = Vec::new();
    for (n, file) in files.iter().enumerate() {
        let is_last = n + 1 == files.len();
        let mut from = reader(file)?;
        let (mut line, mut count) = (Vec::new(), 0u64);
        next_line(&mut from, file, &mut line)?;
        while next_line(&mut from, file, &mut line)? {
            let here = (n, count);
            count += 1;
            if number_in(&line).is_some_and(|seq| last_lines.get(&seq) != Some(&here)) {
                continue;
            }
            let parsed = serde_json::from_slice(&line)
                .map_err(|error| wrong(file, &format!("line {}: {error}", count + 1)))?;
            restore_line(&mut filling, &mut names, parsed, is_last)?;
        }
    }
    // What a list's date says counts when everything stands in it.
    for name in names {
        filling.put(&Item::Name(Box::new(name)), &[])?;
    }
    filling.flush()
}

fn restore_line(
    filling: &mut Filling,
    names: &mut Vec<Name>,
    line: Line,
    is_last: bool,
) -> Result<(), Error> {
    match line {
        Line::Article {
            seq,
            listed_until,
            keys,
            article,
        } => {
            let body = whole(&article);
            let own = lists::own_keys(&article.head);
            let stand = Stand {
                seq,
                keys: keys.into_iter().filter(|key| !own.contains(key)).collect(),
                head: article.head,
                left: Left::default(),
                listed_until,
            };
            filling.put(&Item::Put(std::sync::Arc::new(stand)), &body)
        }
        Line::State(id, state) if is_last => {
            filling.put(&Item::State(id), &codec::pack(&*state))
        }
        Line::Note(name, note) if is_last => filling.put(&Item::Note(name), &note),
        Line::Tombstone {
            kind,
            hash,
            day,
            source,
        } if is_last => {
            let one = Tombstone {
                kind,
                hash,
                day,
                source,
            };
            filling.put(&Item::Tombstones(vec![one]), &[])
        }
        Line::List(scope, touched) if is_last => {
            names.push(Name { scope, touched });
            Ok(())
        }
        _ => Ok(()),
    }
}
