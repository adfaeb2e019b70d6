//! Backups: made of a store that is in use or of one that nobody has open, kept by schedule, and brought back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Error};
use crate::config::Config;
use crate::model::article::Revision;
use crate::model::time::Timestamp;
use crate::store::{self, BackupPlan, Outline, Store};

/// A backup to read: what to call it, and its bytes.
pub type Input = store::Input;

/// What is asked of `POST /v1/backup`. The answer is the backup itself, as it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Only what came after this revision.
    pub since: Option<Revision>,
}

/// How often a file under construction looks whether there is space for more, in bytes.
const LOOK: u64 = 8 << 20;
/// What backups leave free on the store's disk, in bytes: the store itself stops writing below less.
const RESERVE: u64 = 128 << 20;
/// Names of scheduled backups begin and end like this, with the time between.
const NAME: (&str, &str) = ("aggd-", ".ndjson.zst");

/// Writes a backup.
///
/// # Errors
/// If there is no store, it does not know the revision, or `into` refuses.
pub async fn write(
    context: &Context,
    into: Box<dyn Write + Send>,
    wanted: Wanted,
) -> Result<Outline, Error> {
    let now = context.clock.now();
    Ok(context.store()?.backup(into, wanted.since, now).await?)
}

/// A file that gets its name when it is whole.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl Target {
    /// Begins a file beside the one that it will become.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        // What is private in the store is private here.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        Ok(Self {
            path: path.to_owned(),
            part,
            file,
        })
    }

    /// Where to write to. It refuses before the disk is full.
    ///
    /// # Errors
    /// If the system does not give the file a second time.
    pub fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(Careful {
            file: self.file.try_clone()?,
            unseen: LOOK,
        }))
    }

    /// Gives the file its name, once it is on the disk.
    ///
    /// # Errors
    /// If the disk refuses; the unfinished file is gone then.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        let dir = self.path.parent().filter(|dir| *dir != Path::new(""));
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After `finish` there is none of that name.
        let _ = fs::remove_file(&self.part);
    }
}

struct Careful {
    file: File,
    /// Bytes since space was last looked for.
    unseen: u64,
}

impl Write for Careful {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unseen >= LOOK {
            let space = rustix::fs::fstatvfs(&self.file)?;
            if space.f_bavail.saturating_mul(space.f_frsize) < RESERVE {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    "there is too little space for a backup",
                ));
            }
            self.unseen = 0;
        }
        let written = self.file.write(bytes)?;
        self.unseen += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads the first line of a backup.
///
/// # Errors
/// If it is no backup of ours, or one of a newer aggd.
pub fn outline(path: &Path) -> Result<Outline, Error> {
    Ok(store::outline(path)?)
}

/// Reads a revision as people write it: `1.4711`.
#[must_use]
pub fn revision(text: &str) -> Option<Revision> {
    store::revision(text)
}

/// Where scheduled backups are kept.
#[must_use]
pub fn folder(store: &Path) -> PathBuf {
    store.join("backups")
}

/// When the next scheduled backup is due, by those that are there. A clock that was set back waits for none of them.
#[must_use]
pub fn due(store: &Path, plan: BackupPlan, now: Timestamp) -> Timestamp {
    let last = kept(&folder(store)).pop();
    last.map_or(now, |(at, _)| at.min(now) + plan.every)
}

/// Makes a backup in the store's own folder and takes away those beyond `plan.keep`, oldest first.
///
/// # Errors
/// If the store or the disk refuses; the older backups stay then.
pub async fn by_schedule(
    store: &Arc<dyn Store>,
    path: &Path,
    plan: BackupPlan,
    now: Timestamp,
) -> Result<(PathBuf, Outline), Error> {
    let folder = folder(path);
    let failed = |error: io::Error| {
        Error::Failed(format!("a backup in {} failed: {error}", folder.display()))
    };
    fs::create_dir_all(&folder).map_err(failed)?;
    let name = format!("{}{}{}", NAME.0, stamp(now), NAME.1);
    let file = folder.join(name);
    let target = Target::create(&file).map_err(failed)?;
    let into = target.writer().map_err(failed)?;
    let outline = store.backup(into, None, now).await?;
    target.finish().map_err(failed)?;
    let all = kept(&folder);
    let most = usize::try_from(plan.keep.max(1)).unwrap_or(usize::MAX);
    for (_, old) in all.iter().take(all.len().saturating_sub(most)) {
        if *old != file {
            fs::remove_file(old).map_err(failed)?;
        }
    }
    Ok((file, outline))
}

/// `20261128T120000Z`.
fn stamp(at: Timestamp) -> String {
    let text = at.whole_seconds().to_rfc3339();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn read_stamp(text: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| text.get(from..to);
    let spelt = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    );
    (text.len() == 16).then(|| Timestamp::parse_rfc3339(&spelt))?
}

/// The scheduled backups that are there, oldest first.
fn kept(folder: &Path) -> Vec<(Timestamp, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<(Timestamp, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let text = name.to_str()?.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
            Some((read_stamp(text)?, entry.path()))
        })
        .collect();
    all.sort();
    all
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The last backup's first line.
    pub outline: Outline,
    /// Articles in the store that was made.
    pub articles: u64,
    /// Sources of which it remembers something.
    pub sources: u64,
    /// Tombstones in it.
    pub tombstones: u64,
}

impl Restored {
    /// True if the new store has what the backup says the old one had.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        (self.articles, self.sources) == (self.outline.articles, self.outline.sources)
    }
}

/// Makes the store of a configuration from backups, in order, and opens it once to see that it is all there.
///
/// # Errors
/// If there is a store already, or a backup is not what its first line says.
pub async fn restore(
    config: &Config,
    inputs: Vec<Input>,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, Error> {
    let outline = store::restore(config.store.clone(), inputs, progress).await?;
    let made = store::open(config.store.clone(), false).await?;
    let stats = made.stats().await?;
    made.close().await?;
    Ok(Restored {
        outline,
        articles: stats.articles,
        sources: stats.sources,
        tombstones: stats.tombstones,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_scheduled_backups_say_when_they_were_made() {
        let at = Timestamp::from_civil(2026, 11, 28, 12, 5, 9).unwrap();
        assert_eq!(stamp(at), "20261128T120509Z");
        assert_eq!(read_stamp(&stamp(at)), Some(at));
        assert_eq!(read_stamp("20261128T120509Zx"), None);
        assert_eq!(read_stamp("öööööööö"), None);
    }
}
