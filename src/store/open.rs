//! Opens a store: takes the lock, finds the index or makes it from the log, does what the log has and the index has not.
//!
//! Whatever is wrong with the index costs time, never an article. What is wrong with the log is said, with what it cost.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::backup;
use super::cache::Cache;
use super::core::Core;
use super::index::{Index, Table};
use super::light::Light;
use super::log::{FORMAT, FULL_FILE, FileHead, Hole, Log, Pos};
use super::near::Shelf;
use super::rebuild::{self, Replayed};
use super::schedule::Schedule;
use super::unreadable::Unreadable;
use super::writer::{Message, Writer};
use super::{Error, Options};
use crate::model::article::Revision;
use crate::model::time::Timestamp;

/// How long a lock that somebody has is tried again.
const PATIENCE: Duration = Duration::from_millis(200);

/// A store that is open: what is shared, the way to the writer, and the writer itself.
pub(super) struct Opened {
    pub(super) core: Arc<Core>,
    pub(super) queue: Sender<Message>,
    pub(super) writer: JoinHandle<()>,
}

/// What may be done to what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A store is made if there is none, and a damaged index is made anew.
    Create,
    /// A damaged index is made anew.
    Mend,
    /// A damaged index is an error.
    AsItIs,
}

/// Opens the store of these options.
pub(super) fn open(options: &Options, mode: Mode) -> Result<Opened, Error> {
    let create = mode == Mode::Create;
    let log_dir = options.path.join("log");
    if create {
        fs::create_dir_all(&log_dir).map_err(io(&log_dir, "creating"))?;
    } else if !log_dir.is_dir() {
        return Err(Error::Missing {
            path: options.path.clone(),
        });
    }
    let lock = take_lock(&options.path)?;
    let log = match Log::open(&log_dir, FULL_FILE)? {
        Some(log) => log,
        None if create => Log::create(&log_dir, first_head(options, &log_dir), FULL_FILE)?,
        None => {
            return Err(Error::Missing {
                path: options.path.clone(),
            });
        }
    };
    let (index, lost) = find_index(options, &log, mode)?;
    let format = log.last().1.format;
    let opened = start(options, log, index, &lost, lock)?;
    if format < FORMAT {
        migrate(&opened, format)?;
    }
    Ok(opened)
}

/// Takes an older store over. Its files are read as they are; from here on it has files that an older aggd refuses by
/// name, instead of leaving out what it does not know. Whoever must go back finds a backup.
fn migrate(opened: &Opened, format: u32) -> Result<(), Error> {
    let path = opened
        .core
        .options
        .path
        .join(format!("before-format-{FORMAT}.ndjson.zst"));
    tracing::info!(from = format, to = FORMAT, backup = %path.display(), "the store has an older format: it is taken over, after a backup");
    let (reply, done) = mpsc::channel();
    let to = path.clone();
    let work = move |writer: &mut Writer| {
        let migrated = backup::to_file(writer, &to).and_then(|()| {
            writer.make_room()?;
            writer.begin_file()
        });
        let _ = reply.send(migrated);
    };
    let _ = opened.queue.send(Message::Run(Box::new(work)));
    done.recv().unwrap_or(Err(Error::Closed))
}

fn first_head(options: &Options, dir: &Path) -> FileHead {
    // The directory was made a moment ago: its date is the store's birthday, whatever our own clock thinks of it.
    let born = fs::metadata(dir).and_then(|meta| meta.modified());
    let since = born
        .ok()
        .and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
    let born = Timestamp::EPOCH + since.unwrap_or_default();
    FileHead {
        epoch: 1,
        number: 0,
        next_seq: 1,
        authority: (options.host.clone(), born.year_month().0),
    }
}

fn io(path: &Path, what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |source| Error::Io { what, source }
}

/// Locks the store for this process. The file stays for ever; who holds the lock has its number in it.
pub(super) fn take_lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path);
    let mut file = opened.map_err(io(&path, "opening"))?;
    match patiently(|| file.try_lock()) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(Error::Busy {
                path: dir.to_owned(),
                pid: text.trim().parse().unwrap_or(0),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io(&path, "locking")(source)),
    }
    let mut note = || {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())
    };
    // The number is for people; a full disk must not keep the store shut.
    if let Err(error) = note() {
        tracing::debug!(%error, "the lock file could not be written");
    }
    Ok(file)
}

/// Tries for a moment. A program that is just being started holds what its parent held until it is itself, and a daemon
/// that ends may be followed at once by the next one.
fn patiently(lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                thread::sleep(PATIENCE / 20);
            }
            done => return done,
        }
    }
}

/// What the log lost, if anything.
#[derive(Debug, Default)]
struct Loss {
    /// Frames that once were acknowledged are missing: followers must begin anew.
    certain: bool,
}

fn find_index(options: &Options, log: &Log, mode: Mode) -> Result<(Index, Loss), Error> {
    let mut loss = Loss::default();
    let mut any = false;
    for dir in rebuild::generations(options) {
        any = true;
        match usable(&dir, options, log, &mut loss) {
            Ok(index) => {
                forget_others(options, &dir);
                return Ok((index, loss));
            }
            Err(reason) if mode == Mode::AsItIs => {
                return Err(Error::Damaged {
                    what: format!("the index {}: {reason}", dir.display()),
                });
            }
            Err(reason) => {
                tracing::warn!(index = %dir.display(), reason, "the index cannot be used and is set aside");
                rebuild::set_aside(&dir);
            }
        }
    }
    let fresh = log.end() == log.beginning();
    if !fresh && mode == Mode::AsItIs {
        return Err(Error::Damaged {
            what: format!("{} has no index", options.path.display()),
        });
    }
    if !fresh {
        let why = if any { "damaged" } else { "missing" };
        tracing::warn!(
            bytes = log.size(),
            "the index is {why}: making it from the article log"
        );
    }
    let (table, replayed) = rebuild::anew(log, options)?;
    let index = Index::new(table);
    judge(log, &index, &replayed, &mut loss)?;
    if !fresh {
        let articles = index.read().figures.articles;
        tracing::info!(articles, frames = replayed.frames, "the index is made");
    }
    Ok((index, loss))
}

fn forget_others(options: &Options, kept: &Path) {
    for dir in rebuild::generations(options) {
        if dir != kept {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Opens an index and brings it up to date, or says why it is not to be used.
fn usable(dir: &Path, options: &Options, log: &Log, loss: &mut Loss) -> Result<Index, String> {
    let table = Table::open(dir, rebuild::index_cache(options))?;
    let applied = table.applied;
    let files = log.files();
    let file = files.get(&applied.file);
    if file.is_none_or(|file| applied.at > file.end || applied.at < file.begin) {
        loss.certain |= applied > log.end();
        return Err("it knows more than the article log has".to_owned());
    }
    newest_fits(&table, log)?;
    let index = Index::new(table);
    let replayed = rebuild::replay(&index, log, 0).map_err(|error| error.to_string())?;
    judge(log, &index, &replayed, loss).map_err(|error| error.to_string())?;
    Ok(index)
}

/// The newest article that the index has must be where the index says.
fn newest_fits(table: &Table, log: &Log) -> Result<(), String> {
    let seq = table.figures.last_seq;
    let rec = table.article(seq).map_err(|error| error.to_string())?;
    let Some(rec) = rec else {
        return Ok(());
    };
    let bytes = log
        .item(rec.head, usize::MAX)
        .map_err(|error| error.to_string())?;
    match super::item::raw(&bytes).map(|raw| raw.item) {
        Some(super::item::Item::Put(stand) | super::item::Item::Amend(stand))
            if stand.seq == seq =>
        {
            Ok(())
        }
        _ => Err("its newest article is not where it says".to_owned()),
    }
}

/// Cuts off what was never finished, and says what is missing.
fn judge(log: &Log, index: &Index, replayed: &Replayed, loss: &mut Loss) -> Result<(), Error> {
    let (last, state) = log.last();
    for hole in &replayed.holes {
        let Hole { file, from, to } = *hole;
        let torn = file == last && to >= state.end;
        if torn {
            let gone = log.cut(Pos { file, at: from })?;
            tracing::warn!(
                file,
                bytes = gone,
                "the article log ended in an unfinished commit, which is cut off"
            );
        } else {
            loss.certain = true;
            tracing::error!(
                file,
                from,
                to,
                "part of the article log is damaged: the articles that stood there alone are lost"
            );
        }
    }
    let mut table = index.write();
    let end = log.end();
    // Behind a hole at the end of a file nothing was read that could have moved the position.
    if table.applied.file < end.file || table.applied.at > end.at {
        table.applied = end;
    }
    Ok(())
}

fn start(
    options: &Options,
    log: Log,
    index: Index,
    loss: &Loss,
    lock: File,
) -> Result<Opened, Error> {
    let (last, state) = log.last();
    let mut newest = Revision {
        epoch: state.head.epoch,
        number: state.head.number,
    };
    let mut next_seq = state.head.next_seq;
    log.heads(last, |head, _| {
        newest.number = newest.number.max(head.number);
        next_seq = next_seq.max(head.next_seq);
        true
    })?;
    next_seq = next_seq.max(index.read().figures.last_seq + 1);
    let mut authority = state.head.authority;
    if authority.0.is_empty() {
        authority.0.clone_from(&options.host);
    }
    if loss.certain {
        newest.epoch += 1;
        let head = FileHead {
            epoch: newest.epoch,
            number: newest.number,
            next_seq,
            authority: authority.clone(),
        };
        log.begin(last + 1, head)?;
    }
    let core = Arc::new(Core {
        cache: Cache::new(usize::try_from(options.cache / 2).unwrap_or(usize::MAX)),
        near: Shelf::default(),
        unreadable: Unreadable::default(),
        options: options.clone(),
        log,
        index,
        schedule: Mutex::new(Schedule::default()),
        light: Light::default(),
        news: watch::Sender::new(newest),
        full: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        flushed: AtomicI64::new(0),
        authority,
    });
    let (queue, messages) = mpsc::channel();
    let writer = Writer::new(Arc::clone(&core), messages, next_seq, newest, lock);
    let thread = thread::Builder::new().name("aggd-store".to_owned());
    let writer = thread
        .spawn(move || writer.work())
        .map_err(|source| Error::Io {
            what: "starting the store's writer".to_owned(),
            source,
        })?;
    Ok(Opened {
        core,
        queue,
        writer,
    })
}
