//! A store as lines of JSON under zstd: one line for each commit that the log holds, in their order. What is restored from
//! it has the same ids, tombstones and dates, and gives the same feeds, byte for byte.
//!
//! The first line is an [`Outline`]: it tells what follows, with counts and a hash over all further lines. Since these
//! stand before the lines, the log is read twice; it only ever grows at its end, so both readings are the same, and no
//! copy of anything is made meanwhile. The last lines have the sources' states, since a visit that brought nothing
//! leaves no trace in the log. A backup `since` a revision has only what came later, and is restored after the one that
//! it continues.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3;

use super::apply::read_state;
use super::codec;
use super::core::{Body, Core};
use super::engine::Engine;
use super::frame::{self, FrameHead};
use super::index::Value;
use super::item::{Gone, Item, Raw, Stand};
use super::log::{Pos, Snapshot};
use super::writer::Writer;
use super::{Error, follow};
use crate::model::article::{Revision, Sighting};
use crate::model::entry::Entry;
use crate::model::source::{About, SourceId, SourceState};
use crate::model::time::Timestamp;

/// Version of the lines.
pub(super) const FORMAT: u32 = 1;
/// zstd's level: beyond this one, bytes cost more time than they are worth.
const LEVEL: i32 = 5;
/// States in one line.
const STATES: usize = 64;
/// The note that says when the last backup was made.
pub(super) const NOTE: &str = "store.backup";

/// What a backup holds: its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// Version of the lines.
    pub aggd_backup: u32,
    /// Host of the published ids.
    pub host: String,
    /// Year of the published ids.
    pub year: i32,
    /// When it was made.
    pub at: Timestamp,
    /// The store's revision that it shows.
    pub revision: Revision,
    /// It holds only what came after this revision.
    pub since: Option<Revision>,
    /// Number of the revision before its first commit.
    pub begin: u64,
    /// The number that the next new article would have got when the oldest file of the log was begun.
    pub first_seq: u64,
    /// Articles that the store held.
    pub articles: u64,
    /// Sources of which it remembered something.
    pub sources: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Places of the log that could not be read when this was made.
    pub damaged: u64,
    /// Lines that follow.
    pub commits: u64,
    /// Items in them.
    pub items: u64,
    /// xxh3-128 over all lines but the first, in hexadecimal digits.
    pub hash: String,
}

/// One commit.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) number: u64,
    /// It has a revision of its own.
    pub(super) visible: bool,
    /// It carries older articles forward.
    pub(super) carried: bool,
    pub(super) at: Timestamp,
    pub(super) next_seq: u64,
    pub(super) items: Vec<Told>,
}

/// One item. Kinds that have no words here travel as they stand in the log.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Told {
    Article {
        stand: Stand,
        entry: Box<Entry>,
        about: Box<About>,
        sightings: Vec<Sighting>,
    },
    Amended {
        stand: Stand,
        sightings: Vec<Sighting>,
    },
    Removed(Box<Gone>),
    State(SourceId, Box<SourceState>),
    /// In base64.
    Packed(String),
}

/// What is needed to write a backup while the store goes on.
struct Taken {
    log: Snapshot,
    states: Vec<(SourceId, Vec<u8>)>,
    next_seq: u64,
    outline: Outline,
}

/// Writes a backup while everything goes on, and notes that it was made.
pub(super) async fn backup(
    engine: &Engine,
    into: Box<dyn Write + Send>,
    since: Option<Revision>,
    now: Timestamp,
) -> Result<Outline, Error> {
    let taken = engine
        .by_writer(move |writer| take(writer, since, now))
        .await?;
    let core = Arc::clone(&engine.core);
    let (tell, told) = oneshot::channel();
    let write = move || {
        // Who asked may have gone.
        let _ = tell.send(deliver(&core, &taken, into));
    };
    // A thread of its own: it waits for as long as whoever reads the backup takes.
    let thread = thread::Builder::new().name("aggd-backup".to_owned());
    thread.spawn(write).map_err(|source| Error::Io {
        what: "starting the thread of the backup".to_owned(),
        source,
    })?;
    let outline = told.await.map_err(|_| Error::Damaged {
        what: "the store: writing a backup broke off".to_owned(),
    })??;
    let noted = super::Store::set_note(engine, NOTE, now.as_micros().to_string().as_bytes()).await;
    if let Err(error) = noted {
        // On a full disk, say: the backup is made all the same.
        tracing::warn!(%error, "the store could not note that a backup was made");
    }
    Ok(outline)
}

/// Writes a whole backup to a file, before anything else is done to the store.
pub(super) fn to_file(writer: &Writer, path: &Path) -> Result<(), Error> {
    let failed = || {
        let what = format!("writing {}", path.display());
        move |source| Error::Io { what, source }
    };
    let now = writer.latest();
    let taken = take(writer, None, now)?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(failed())?;
    let into = Box::new(file.try_clone().map_err(failed())?);
    deliver(&writer.core, &taken, into)
        .and_then(|_| file.sync_all().map_err(failed()))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(path);
        })
}

/// When the last backup was made.
pub(super) fn made(core: &Core) -> Option<Timestamp> {
    let value = core
        .index
        .read()
        .raw(&super::apply::note_key(NOTE))
        .ok()??;
    let (_, note) = read_state(&value)?;
    let micros = std::str::from_utf8(note).ok()?.parse().ok()?;
    Some(Timestamp::from_micros(micros))
}

/// Holds on to the store as it is between two commits.
fn take(writer: &Writer, since: Option<Revision>, now: Timestamp) -> Result<Taken, Error> {
    let core = &writer.core;
    if since.is_some_and(|since| !follow::is_known(core, since)) {
        return Err(Error::Io {
            what: "writing the backup".to_owned(),
            source: std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "the store does not know that revision any more; make a whole backup",
            ),
        });
    }
    let mut log = core.log.snapshot()?;
    if let Some(since) = since {
        // A file is of no use if the next one begins before that revision.
        let useful = log
            .files
            .iter()
            .rev()
            .find(|(_, (state, _))| state.head.number < since.number);
        if let Some((&useful, _)) = useful {
            log.files.retain(|file, _| *file >= useful);
        }
    }
    let (mut states, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core.index.read().page(b"s", after.as_deref(), STATES)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for (key, value) in some {
            let id = std::str::from_utf8(&key[1..]).ok().and_then(SourceId::new);
            if let (Some(id), Value::Raw(bytes)) = (id, value)
                && let Some((_, body)) = read_state(&bytes)
            {
                let newer = core.light.get(&id);
                let body = newer.map_or_else(|| body.to_vec(), |state| codec::pack_state(&state));
                states.push((id, body));
            }
        }
    }
    let first = log.files.first_key_value();
    let (begin, first_seq) = first.map_or((0, 1), |(_, (state, _))| {
        (state.head.number, state.head.next_seq)
    });
    let table = core.index.read();
    let outline = Outline {
        aggd_backup: FORMAT,
        host: core.authority.0.clone(),
        year: core.authority.1,
        at: now,
        revision: core.revision(),
        since,
        begin,
        first_seq,
        articles: table.figures.articles,
        sources: table.figures.sources,
        tombstones: table.figures.tombstones,
        damaged: 0,
        commits: 0,
        items: 0,
        hash: String::new(),
    };
    Ok(Taken {
        log,
        states,
        next_seq: writer.next_seq,
        outline,
    })
}

/// Reads everything once for the first line, and once more for the others.
fn deliver(core: &Core, taken: &Taken, mut into: Box<dyn Write + Send>) -> Result<Outline, Error> {
    let failed = |source| Error::Io {
        what: "writing the backup".to_owned(),
        source,
    };
    let mut outline = taken.outline.clone();
    let mut hash = Xxh3::new();
    let mut packed = HashSet::new();
    let damaged = lines(core, taken, |pos, line| {
        keep_exact(pos, line, &mut packed);
        let bytes = written(pos, line, &packed)?;
        outline.commits += 1;
        outline.items += line.items.len() as u64;
        hash.update(&bytes);
        Ok(())
    })?;
    outline.damaged = damaged;
    outline.hash = format!("{:032x}", hash.digest128());

    let mut first = serde_json::to_vec(&outline).map_err(|error| failed(error.into()))?;
    first.push(b'\n');
    // A piece of its own: who wants to know what a backup is reads no further.
    let mut head = zstd::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
    head.include_checksum(true).map_err(failed)?;
    head.write_all(&first).map_err(failed)?;
    into.write_all(&head.finish().map_err(failed)?)
        .map_err(failed)?;
    let mut to = zstd::Encoder::new(into, LEVEL).map_err(failed)?;
    to.include_checksum(true).map_err(failed)?;
    lines(core, taken, |pos, line| {
        to.write_all(&written(pos, line, &packed)?).map_err(failed)
    })?;
    let mut into = to.finish().map_err(failed)?;
    into.flush().map_err(failed)?;
    Ok(outline)
}

/// An item of the log: its frame, and its place among the frame's items.
type Which = (Pos, usize);

/// Goes through all lines; gives the number of places that could not be read.
fn lines(
    core: &Core,
    taken: &Taken,
    mut each: impl FnMut(Pos, &mut Line) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut damaged = 0;
    let wanted = |head: &FrameHead| {
        // States and notes that came with no revision of their own stand behind the one before them.
        let since = taken.outline.since.map(|since| since.number);
        since.is_none_or(|since| head.number > since || head.number == since && !head.visible)
    };
    let holes = taken.log.scan(|read| {
        if core.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if !wanted(&read.head) {
            return Ok(true);
        }
        let mut items = Vec::with_capacity(usize::try_from(read.head.count).unwrap_or(0).min(4096));
        for found in frame::items(read.bytes) {
            match found {
                Some((at, raw)) => {
                    let whole = read.bytes.get(at..at + raw.length).unwrap_or_default();
                    items.push(told(&raw, whole));
                }
                None => damaged += 1,
            }
        }
        let FrameHead {
            visible,
            carried,
            number,
            at,
            next_seq,
            ..
        } = read.head;
        let mut line = Line {
            number,
            visible,
            carried,
            at,
            next_seq,
            items,
        };
        each(read.pos, &mut line)?;
        Ok(true)
    })?;
    for (n, some) in taken.states.chunks(STATES).enumerate() {
        let items = some.iter().map(|(source, body)| {
            let mut whole = Vec::new();
            let item = Item::State(source.clone());
            super::item::write(&mut whole, &item, body);
            let raw = Raw {
                length: whole.len(),
                item,
                body,
            };
            told(&raw, &whole)
        });
        let mut line = Line {
            number: taken.outline.revision.number,
            visible: false,
            carried: false,
            at: taken.outline.at,
            next_seq: taken.next_seq,
            items: items.collect(),
        };
        // Behind the last file: there are no frames of these.
        let pos = Pos {
            file: u32::MAX,
            at: n as u64,
        };
        each(pos, &mut line)?;
    }
    Ok(damaged + holes.len() as u64)
}

/// An item in words, where there are words for it.
fn told(raw: &Raw<'_>, whole: &[u8]) -> Told {
    in_words(raw).unwrap_or_else(|| Told::Packed(BASE64.encode(whole)))
}

fn in_words(raw: &Raw<'_>) -> Option<Told> {
    Some(match &raw.item {
        Item::Put(stand) => {
            let ((entry, about, sightings), _) = codec::unpack::<Body>(raw.body)?;
            Told::Article {
                stand: stand.as_ref().clone(),
                entry: Box::new(entry),
                about: Box::new(about),
                sightings,
            }
        }
        Item::Amend(stand) => Told::Amended {
            stand: stand.as_ref().clone(),
            sightings: if raw.body.is_empty() {
                Vec::new()
            } else {
                codec::unpack::<Vec<Sighting>>(raw.body)?.0
            },
        },
        Item::Removed(gone) if raw.body.is_empty() => Told::Removed(gone.clone()),
        Item::State(source) => {
            let state = codec::unpack_state(raw.body)?;
            Told::State(source.clone(), Box::new(state))
        }
        _ => return None,
    })
}

/// Notes the items that JSON would not give back as they are, such as numbers that are none: they travel packed.
fn keep_exact(pos: Pos, line: &Line, packed: &mut HashSet<Which>) {
    let comes_back = |told: &Told| {
        let bytes = serde_json::to_vec(told).ok();
        let back = bytes.and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok());
        back.as_ref() == Some(told)
    };
    for (n, told) in line.items.iter().enumerate() {
        if !comes_back(told) {
            packed.insert((pos, n));
        }
    }
}

fn written(pos: Pos, line: &mut Line, packed: &HashSet<Which>) -> Result<Vec<u8>, Error> {
    if !packed.is_empty() {
        for (n, told) in line.items.iter_mut().enumerate() {
            if packed.contains(&(pos, n)) {
                *told = pack_again(told);
            }
        }
    }
    let mut bytes = serde_json::to_vec(line).map_err(|error| Error::Io {
        what: "writing the backup".to_owned(),
        source: error.into(),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn pack_again(told: &Told) -> Told {
    match unpacked(told) {
        Some((item, body)) => {
            let mut whole = Vec::new();
            super::item::write(&mut whole, &item, &body);
            Told::Packed(BASE64.encode(whole))
        }
        None => Told::Packed(String::new()),
    }
}

/// An item of the log from its words; `None` for what is packed already.
pub(super) fn unpacked(told: &Told) -> Option<(Item, Vec<u8>)> {
    Some(match told {
        Told::Article {
            stand,
            entry,
            about,
            sightings,
        } => (
            Item::Put(Arc::new(stand.clone())),
            codec::pack(&(entry, about, sightings)),
        ),
        Told::Amended { stand, sightings } => (
            Item::Amend(Arc::new(stand.clone())),
            if sightings.is_empty() {
                Vec::new()
            } else {
                codec::pack(sightings)
            },
        ),
        Told::Removed(gone) => (Item::Removed(gone.clone()), Vec::new()),
        Told::State(source, state) => (Item::State(source.clone()), codec::pack_state(state)),
        Told::Packed(_) => return None,
    })
}

/// The bytes of an item that travelled packed, if they are one.
pub(super) fn packed(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text).ok()?;
    let raw = super::item::raw(&bytes)?;
    (raw.length == bytes.len()).then_some(())?;
    Some(bytes)
}
