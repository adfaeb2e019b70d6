//! The article log: numbered files of frames, written at the end only. It is the truth; everything else can be made from it.
//!
//! Frames go in, places come out, and a place leads back to its item. This part never changes what it has written: a file
//! is cut only where a frame was never finished, and goes only as a whole.

mod head;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::Error;
use super::frame::{self, FrameHead};

use head::{decode_head, encode_head};
use window::{Window, scan_window};

pub(super) use head::{FORMAT, FileHead};
pub(super) use window::{Hole, Read};

/// A file that has reached this length is not written further.
pub(super) const FULL_FILE: u64 = 64 << 20;
/// Files kept open for reading.
const HANDLES: usize = 200;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Loc {
    pub(super) file: u32,
    pub(super) at: u32,
    pub(super) length: u32,
}

/// A place between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Pos {
    pub(super) file: u32,
    pub(super) at: u64,
}

#[derive(Debug, Clone)]
pub(super) struct FileState {
    pub(super) head: FileHead,
    /// [`FORMAT`] of whoever began it.
    pub(super) format: u32,
    /// First frame.
    pub(super) begin: u64,
    /// Behind the last sound frame.
    pub(super) end: u64,
}

/// All files.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    files: RwLock<BTreeMap<u32, FileState>>,
    handles: Mutex<HashMap<u32, Arc<File>>>,
    /// The last file cannot be trusted to take more: begin another one.
    spoilt: Mutex<bool>,
    full_file: u64,
}

fn io_error(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    move |source| Error::Io { what, source }
}

/// True for errors that mean "no space".
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl Log {
    /// Opens what is there; `None` if there is no log. Files that were begun and never finished are taken away.
    pub(super) fn open(dir: &Path, full_file: u64) -> Result<Option<Self>, Error> {
        let mut numbers = Vec::new();
        match fs::read_dir(dir) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(io_error("reading", dir))?;
                    numbers.extend(number_of(&entry.file_name().to_string_lossy()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("reading", dir)(error)),
        }
        numbers.sort_unstable();
        let log = Self::empty(dir, full_file);
        let last = numbers.last().copied();
        for number in numbers {
            match log.read_head(number)? {
                Some(state) => {
                    log.write_files().insert(number, state);
                }
                // Nothing was ever acknowledged in a file that does not even have its first bytes.
                None if Some(number) == last => log.remove_file(number)?,
                None => tracing::warn!(
                    file = %log.path(number).display(),
                    "this file of the article log holds nothing that can be read"
                ),
            }
        }
        let empty = log.read_files().is_empty();
        Ok((!empty).then_some(log))
    }

    /// Begins a log.
    pub(super) fn create(dir: &Path, head: FileHead, full_file: u64) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(io_error("creating", dir))?;
        let log = Self::empty(dir, full_file);
        log.begin(1, head)?;
        Ok(log)
    }

    fn empty(dir: &Path, full_file: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            files: RwLock::default(),
            handles: Mutex::default(),
            spoilt: Mutex::new(false),
            full_file,
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(file_name(number))
    }

    fn read_files(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u32, FileState>> {
        // Each change of the table is a single insertion or removal, so a panic elsewhere leaves it whole.
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_files(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<u32, FileState>> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// All files with what is known of them.
    pub(super) fn files(&self) -> BTreeMap<u32, FileState> {
        self.read_files().clone()
    }

    /// Bytes of all files.
    pub(super) fn size(&self) -> u64 {
        self.read_files().values().map(|file| file.end).sum()
    }

    /// Number and state of the file that is being written.
    pub(super) fn last(&self) -> (u32, FileState) {
        let files = self.read_files();
        let (number, state) = files.last_key_value().expect("a log has at least one file");
        (*number, state.clone())
    }

    /// Where the next frame will stand, unless a new file is begun first.
    pub(super) fn end(&self) -> Pos {
        let (file, state) = self.last();
        Pos {
            file,
            at: state.end,
        }
    }

    /// Where the first frame stands.
    pub(super) fn beginning(&self) -> Pos {
        let files = self.read_files();
        let (file, state) = files
            .first_key_value()
            .expect("a log has at least one file");
        Pos {
            file: *file,
            at: state.begin,
        }
    }

    /// Begins a new file.
    pub(super) fn begin(&self, number: u32, head: FileHead) -> Result<(), Error> {
        let path = self.path(number);
        let bytes = encode_head(&head);
        let made = (|| {
            let file = OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(&path)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()
        })();
        if let Err(error) = made {
            // Half a head is worth nothing, and would be in the way of the next attempt.
            let _ = fs::remove_file(&path);
            return Err(self.refused("creating", number, error));
        }
        let begin = bytes.len() as u64;
        let end = begin;
        let format = FORMAT;
        self.write_files().insert(
            number,
            FileState {
                head,
                format,
                begin,
                end,
            },
        );
        *self.spoilt() = false;
        Ok(())
    }

    fn spoilt(&self) -> std::sync::MutexGuard<'_, bool> {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, what: &str, number: u32, source: io::Error) -> Error {
        if is_full(&source) {
            return Error::Full {
                path: self.dir.parent().unwrap_or(&self.dir).to_owned(),
            };
        }
        io_error(what, &self.path(number))(source)
    }

    /// True if the next frames belong into a new file.
    pub(super) fn wants_new_file(&self) -> bool {
        *self.spoilt() || self.last().1.end >= self.full_file
    }

    /// Adds frames at the end and waits until they are on the disk. Either all of them are there afterwards, or none.
    pub(super) fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let (number, state) = self.last();
        let file = OpenOptions::new()
            .write(true)
            .open(self.path(number))
            .map_err(io_error("opening", &self.path(number)))?;
        if let Err(error) = file.write_all_at(bytes, state.end) {
            let _ = file.set_len(state.end);
            return Err(self.refused("writing", number, error));
        }
        if let Err(error) = file.sync_data() {
            // After a failed sync nobody knows what the disk holds: leave this file as it was and go on in another.
            let _ = file.set_len(state.end);
            *self.spoilt() = true;
            return Err(self.refused("syncing", number, error));
        }
        if let Some(state) = self.write_files().get_mut(&number) {
            state.end += bytes.len() as u64;
        }
        Ok(())
    }

    /// Cuts the last file behind its last sound frame; gives the number of bytes that went.
    pub(super) fn cut(&self, at: Pos) -> Result<u64, Error> {
        let path = self.path(at.file);
        let cut = (|| {
            let file = OpenOptions::new().write(true).open(&path)?;
            let length = file.metadata()?.len();
            if length > at.at {
                file.set_len(at.at)?;
                file.sync_all()?;
            }
            Ok(length.saturating_sub(at.at))
        })();
        let gone = cut.map_err(io_error("cutting", &path))?;
        if let Some(state) = self.write_files().get_mut(&at.file) {
            state.end = at.at;
        }
        Ok(gone)
    }

    /// Takes a whole file away.
    pub(super) fn remove_file(&self, number: u32) -> Result<(), Error> {
        self.write_files().remove(&number);
        self.handles().remove(&number);
        let path = self.path(number);
        fs::remove_file(&path).map_err(io_error("removing", &path))
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<File>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, number: u32) -> Result<Arc<File>, Error> {
        let mut handles = self.handles();
        if let Some(file) = handles.get(&number) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(number);
        let file = Arc::new(File::open(&path).map_err(io_error("opening", &path))?);
        if handles.len() >= HANDLES {
            handles.clear();
        }
        handles.insert(number, Arc::clone(&file));
        Ok(file)
    }

    /// The bytes of an item, or its first `most`.
    pub(super) fn item(&self, loc: Loc, most: usize) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(loc.length).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; length];
        let read = self
            .handle(loc.file)?
            .read_exact_at(&mut bytes, u64::from(loc.at));
        match read {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged(loc)),
            Err(error) => Err(io_error("reading", &self.path(loc.file))(error)),
        }
    }

    /// The error for an item that is not what the index says.
    pub(super) fn damaged(&self, loc: Loc) -> Error {
        Error::Damaged {
            what: format!("{} at byte {}", self.path(loc.file).display(), loc.at),
        }
    }

    /// Reads every sound frame from a place on, to the end of the last file, in order.
    pub(super) fn scan(
        &self,
        from: Pos,
        mut each: impl FnMut(Read<'_>) -> Result<bool, Error>,
    ) -> Result<Vec<Hole>, Error> {
        let mut holes = Vec::new();
        let mut expected = from.file;
        for (number, state) in self.files() {
            if number < from.file {
                continue;
            }
            if number > expected {
                let file = expected;
                holes.push(Hole {
                    file,
                    from: 0,
                    to: 0,
                });
            }
            expected = number + 1;
            let at = if number == from.file {
                from.at.max(state.begin)
            } else {
                state.begin
            };
            if !self.scan_file(number, at, &mut holes, &mut each)? {
                break;
            }
        }
        Ok(holes)
    }

    fn scan_file(
        &self,
        number: u32,
        at: u64,
        holes: &mut Vec<Hole>,
        each: &mut impl FnMut(Read<'_>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let path = self.path(number);
        let file = self.handle(number)?;
        let window = Window::new(&file).map_err(io_error("reading", &path))?;
        scan_window(window, number, at, holes, each).map_err(io_error("reading", &path))?
    }

    /// All files as they are now. What is written or cleaned away later does not change it.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Error> {
        // Files go under the other side of this lock, so all of them are still there.
        let files = self.read_files();
        let open = |(&number, state): (&u32, &FileState)| {
            let path = self.path(number);
            let file = File::open(&path).map_err(io_error("opening", &path))?;
            Ok((number, (state.clone(), file)))
        };
        let files = files.iter().map(open).collect::<Result<_, Error>>()?;
        Ok(Snapshot {
            dir: self.dir.clone(),
            files,
        })
    }

    /// Looks at the heads of frames alone, without their contents: for finding a revision.
    pub(super) fn heads(
        &self,
        number: u32,
        mut each: impl FnMut(FrameHead, Pos) -> bool,
    ) -> Result<(), Error> {
        let path = self.path(number);
        let Some(state) = self.read_files().get(&number).cloned() else {
            return Ok(());
        };
        let file = self.handle(number)?;
        let mut at = state.begin;
        let mut bytes = [0u8; frame::HEAD];
        while at + frame::HEAD as u64 <= state.end {
            file.read_exact_at(&mut bytes, at)
                .map_err(io_error("reading", &path))?;
            let promised = bytes.first_chunk().and_then(frame::promised);
            let (Some(length), Some(head)) = (promised, frame::head(&bytes)) else {
                let mut window = Window::new(&file).map_err(io_error("reading", &path))?;
                at = window
                    .next_frame(at + 1)
                    .map_err(io_error("reading", &path))?;
                continue;
            };
            if !each(head, Pos { file: number, at }) {
                break;
            }
            at += length as u64;
        }
        Ok(())
    }

    fn read_head(&self, number: u32) -> Result<Option<FileState>, Error> {
        let path = self.path(number);
        let file = File::open(&path).map_err(io_error("opening", &path))?;
        let end = file.metadata().map_err(io_error("reading", &path))?.len();
        let mut bytes = vec![0; usize::try_from(end.min(512)).unwrap_or(512)];
        file.read_exact_at(&mut bytes, 0)
            .map_err(io_error("reading", &path))?;
        match decode_head(&bytes) {
            Ok((head, format, length)) => Ok(Some(FileState {
                head,
                format,
                begin: length as u64,
                end,
            })),
            Err(Some(found)) => Err(Error::Newer {
                path: self.dir.parent().unwrap_or(&self.dir).to_owned(),
                found,
                known: FORMAT,
            }),
            Err(None) => self.guess_head(&file, &path, end),
        }
    }

    /// The head is damaged: what the first sound frame and the files before it say must do.
    fn guess_head(&self, file: &File, path: &Path, end: u64) -> Result<Option<FileState>, Error> {
        let mut window = Window::new(file).map_err(io_error("reading", path))?;
        let at = window.next_frame(0).map_err(io_error("reading", path))?;
        let seen = window.frame(at).map_err(io_error("reading", path))?;
        let Some((first, _)) = seen else {
            return Ok(None);
        };
        tracing::warn!(file = %path.display(), "the head of this file is damaged; its frames are read all the same");
        let files = self.read_files();
        let before = files.last_key_value().map(|(_, state)| state.head.clone());
        let format = files
            .last_key_value()
            .map_or(FORMAT, |(_, state)| state.format);
        // The first commit was made in the year in which the store was; whoever opens it knows a host.
        let unknown = || (String::new(), first.at.year_month().0);
        let head = FileHead {
            epoch: before.as_ref().map_or(1, |head| head.epoch),
            number: first.number.saturating_sub(u64::from(first.visible)),
            next_seq: before.as_ref().map_or(1, |head| head.next_seq),
            authority: before.map_or_else(unknown, |head| head.authority),
        };
        Ok(Some(FileState {
            head,
            format,
            begin: at,
            end,
        }))
    }
}

/// The log as it was at one moment, held open.
#[derive(Debug)]
pub(super) struct Snapshot {
    dir: PathBuf,
    /// In order; states say where each file ended then.
    pub(super) files: BTreeMap<u32, (FileState, File)>,
}

impl Snapshot {
    /// Where its last frame ends.
    pub(super) fn end(&self) -> Pos {
        let last = self.files.last_key_value();
        last.map_or_else(Pos::default, |(&file, (state, _))| Pos {
            file,
            at: state.end,
        })
    }

    /// Reads every sound frame, in order.
    pub(super) fn scan(
        &self,
        mut each: impl FnMut(Read<'_>) -> Result<bool, Error>,
    ) -> Result<Vec<Hole>, Error> {
        let mut holes = Vec::new();
        for (&number, (state, file)) in &self.files {
            let window = Window::upto(file, state.end);
            let on = scan_window(window, number, state.begin, &mut holes, &mut each)
                .map_err(io_error("reading", &self.dir.join(file_name(number))))??;
            if !on {
                break;
            }
        }
        Ok(holes)
    }
}

fn file_name(number: u32) -> String {
    format!("{number:08}.alog")
}

fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".alog")?;
    let all_digits = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().ok())?.filter(|&n| n > 0)
}
