//! feeds.toml on the disk: held against other commands, read once, put in place whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Access, FlockOperation};

use super::Error;

/// A file of the configuration, held against other commands (not against editors: those are noticed before writing).
#[derive(Debug)]
pub struct Locked {
    shown: PathBuf,
    path: PathBuf,
    text: String,
    before: Option<String>,
    directory: Arc<File>,
}

impl Locked {
    /// Takes the file for as long as the value lives, waiting up to ten seconds for other commands.
    ///
    /// # Errors
    /// If it cannot be read, or stays locked.
    pub fn open(shown: &Path) -> Result<Self, Error> {
        Self::beside(shown, &[])
    }

    /// Takes another file as well; where it stands in the directory of one that is `held` already, that lock holds for
    /// both.
    ///
    /// # Errors
    /// As [`Locked::open`].
    pub fn beside(shown: &Path, held: &[Self]) -> Result<Self, Error> {
        let io = |what, source| Error::Io {
            what,
            path: shown.to_owned(),
            source,
        };
        // A link stays a link: what it leads to is changed.
        let path = shown
            .canonicalize()
            .map_err(|source| io("cannot find", source))?;
        let directory = match held.iter().find(|one| one.path.parent() == path.parent()) {
            Some(one) => Arc::clone(&one.directory),
            None => {
                let parent = path.parent().unwrap_or(Path::new("/"));
                let directory = File::open(parent)
                    .map_err(|source| io("cannot open the directory of", source))?;
                lock(&directory, shown)?;
                Arc::new(directory)
            }
        };
        let text = read(&path).map_err(|source| io("cannot read", source))?;
        Ok(Self {
            shown: shown.to_owned(),
            path,
            text,
            before: None,
            directory,
        })
    }

    /// Its path, as messages show it.
    #[must_use]
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Says whether [`Locked::write`] may work, before anything else is done for it.
    ///
    /// # Errors
    /// [`Error::NotWritable`].
    pub fn writable(&self) -> Result<(), Error> {
        let refuse = |why: String| {
            Err(Error::NotWritable {
                path: self.shown.clone(),
                why,
            })
        };
        // To root nothing is read-only, but somebody who takes every write bit away means it.
        let locked = std::fs::metadata(&self.path).is_ok_and(|meta| meta.mode() & 0o222 == 0);
        if locked {
            return refuse("the file is read-only".to_owned());
        }
        if let Err(error) = rustix::fs::access(&self.path, Access::WRITE_OK) {
            return refuse(words(error));
        }
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        match rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Ok(()),
            Err(error) => refuse(format!("its directory: {}", words(error))),
        }
    }

    /// What stands in it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts another text in its place: whole or not at all, with the same mode and owner.
    ///
    /// # Errors
    /// [`Error::Changed`] if it no longer holds what was read; [`Error::NotWritable`], [`Error::Io`].
    pub fn write(&mut self, text: &str) -> Result<(), Error> {
        self.writable()?;
        self.replace(text)?;
        let before = std::mem::replace(&mut self.text, text.to_owned());
        self.before.get_or_insert(before);
        Ok(())
    }

    /// Puts back what was there before the first [`Locked::write`].
    ///
    /// # Errors
    /// As [`Locked::write`]; somebody else's change is not overwritten.
    pub fn restore(&mut self) -> Result<(), Error> {
        if let Some(before) = self.before.take() {
            self.replace(&before)?;
            self.text = before;
        }
        Ok(())
    }

    fn replace(&self, text: &str) -> Result<(), Error> {
        let io = |what| {
            let path = self.shown.clone();
            move |source| Error::Io { what, path, source }
        };
        let meta = std::fs::metadata(&self.path).map_err(io("cannot read"))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self
            .path
            .with_file_name(format!(".{name}.{}.new", std::process::id()));
        let written = self.write_beside(&temporary, text, &meta);
        let done = written.and_then(|()| {
            let now = read(&self.path).map_err(io("cannot read"))?;
            if now != self.text {
                return Err(Error::Changed {
                    path: self.shown.clone(),
                });
            }
            std::fs::rename(&temporary, &self.path).map_err(io("cannot replace"))
        });
        if done.is_err() {
            // Best effort: the error that is told is the one that led here.
            let _ = std::fs::remove_file(&temporary);
            return done;
        }
        self.directory
            .sync_all()
            .map_err(io("cannot sync the directory of"))
    }

    fn write_beside(
        &self,
        temporary: &Path,
        text: &str,
        meta: &std::fs::Metadata,
    ) -> Result<(), Error> {
        let io = |source| Error::Io {
            what: "cannot write",
            path: self.shown.clone(),
            source,
        };
        // One that was left by a command that was killed; its process id has come round again.
        let _ = std::fs::remove_file(temporary);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)
            .map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        let ours = file.metadata().map_err(io)?;
        if (ours.uid(), ours.gid()) != (meta.uid(), meta.gid()) {
            let owner = rustix::fs::fchown(
                &file,
                Some(rustix::fs::Uid::from_raw(meta.uid())),
                Some(rustix::fs::Gid::from_raw(meta.gid())),
            );
            if owner.is_err() {
                return Err(Error::NotWritable {
                    path: self.shown.clone(),
                    why: "it belongs to somebody else".to_owned(),
                });
            }
        }
        file.set_permissions(meta.permissions()).map_err(io)?;
        file.sync_all().map_err(io)
    }
}

fn words(error: rustix::io::Errno) -> String {
    match error {
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => "permission denied".to_owned(),
        rustix::io::Errno::ROFS => "the file system is read-only".to_owned(),
        other => std::io::Error::from(other).to_string(),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The directory itself is what is locked: no lock file is left behind, and renaming the file changes nothing.
fn lock(directory: &File, shown: &Path) -> Result<(), Error> {
    const STEP: Duration = Duration::from_millis(20);
    for _ in 0..500 {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(STEP),
            // Some network file systems have no locks; the comparison before the rename still stands.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(Error::Locked {
        path: shown.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("feeds.toml");
        std::fs::write(&path, "# one\n").unwrap();
        let mut locked = Locked::open(&path).unwrap();
        std::fs::write(&path, "# an editor's\n").unwrap();
        assert!(matches!(
            locked.write("# ours\n"),
            Err(Error::Changed { .. })
        ));
        assert_eq!(read(&path).unwrap(), "# an editor's\n");
        // The lock goes with the value.
        drop(locked);

        let mut locked = Locked::open(&path).unwrap();
        locked.write("# ours\n").unwrap();
        std::fs::write(&path, "# an editor's again\n").unwrap();
        assert!(matches!(locked.restore(), Err(Error::Changed { .. })));
        assert_eq!(read(&path).unwrap(), "# an editor's again\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
