//! Keeps articles and source states; answers lists. Takes a [`Batch`], gives a [`Revision`], all or nothing.
//!
//! The truth is an append-only log of commits; sled holds an index that can be rebuilt from it. A commit is
//! acknowledged only when it is on the disk. This room never fetches, never parses and decides nothing about
//! identity: the batch says which keys it claims and which versions it relies on, and the store keeps it to that.

mod answers;
mod apply;
mod backup;
mod batch;
mod cache;
mod clean;
mod codec;
mod common;
mod core;
mod engine;
mod follow;
mod frame;
mod index;
mod item;
mod light;
mod lists;
mod log;
pub mod lsh;
pub mod memory;
mod near;
mod open;
mod packed;
mod paragraphs;
mod prepare;
mod query;
mod rebuild;
mod restore;
mod retain;
#[cfg(test)]
mod samples;
mod schedule;
#[cfg(any(test, fuzzing))]
mod survey;
mod unreadable;
mod verify;
mod writer;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::article::{Article, ArticleId, Head, Key, Revision, Sighting};
use crate::model::boilerplate::Boilerplate;
use crate::model::label::{Cursor, LabelCount, Scope, Selection};
use crate::model::signature::Signature;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

pub use backup::Outline;
pub use batch::{Among, Batch, Change, Prints};
pub use restore::{Input, outline, revision};
#[cfg(fuzzing)]
pub use survey::survey;
pub use verify::Verified;

/// `[store]` of feeds.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Directory of log and index.
    pub path: PathBuf,
    /// Bytes of memory for caches: half for the index, half for articles.
    pub cache: u64,
    /// What to keep.
    pub keep: Keep,
    /// How long the ids of purged articles are remembered.
    pub tombstones: Duration,
    /// Scheduled backups; `None`: off.
    pub backup: Option<BackupPlan>,
    /// Host of `public_url`: it becomes part of every published id when the store is created.
    pub host: String,
}

/// `[store] keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Counted from the later of first seen and last listed.
    pub age: Duration,
    /// The newest of a source that stay whatever their age.
    pub min_per_feed: u32,
    /// More than these of one source go, oldest first.
    pub max_per_feed: u32,
}

/// `[store] backup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupPlan {
    /// How often.
    pub every: Duration,
    /// How many to keep.
    pub keep: u32,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            path: PathBuf::from("/var/lib/aggd"),
            cache: 64 << 20,
            keep: Keep {
                age: Duration::from_secs(180 * DAY),
                min_per_feed: 50,
                max_per_feed: 5000,
            },
            tombstones: Duration::from_secs(5 * 365 * DAY),
            backup: None,
            host: "localhost".to_owned(),
        }
    }
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another commit took a claimed key or changed an article that this one relied on: look again, decide again.
    #[error("another commit came first")]
    Conflict,
    /// The source was removed or changed while it was visited: drop the result.
    #[error("source `{0}` is no longer on lease")]
    LeaseLost(SourceId),
    /// Another process has the store.
    #[error("the store {} is in use by process {pid}; stop it, or use its control socket", path.display())]
    Busy {
        /// Directory.
        path: PathBuf,
        /// Who holds it.
        pid: u32,
    },
    /// No store there, and this command does not make one.
    #[error("there is no store at {}; `aggd run` creates it", path.display())]
    Missing {
        /// Directory.
        path: PathBuf,
    },
    /// Written by a newer aggd.
    #[error("the store {} has format {found}, this aggd reads up to {known}; use a newer aggd", path.display())]
    Newer {
        /// Directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// No space left: reading goes on, writing waits.
    #[error("no space left for the store {}; free some, writing resumes by itself", path.display())]
    Full {
        /// Directory.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the file.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in the files is not what we wrote.
    #[error("damaged: {what}; `aggd verify --repair` mends the index")]
    Damaged {
        /// Which file and where.
        what: String,
    },
    /// The writer has ended.
    #[error("the store is closing")]
    Closed,
}

/// A source whose time has come, on lease to the caller.
#[derive(Debug, Clone)]
pub struct Due {
    /// Which.
    pub source: SourceId,
    /// What is remembered of it; boxed, since a visit hands it on a dozen times.
    pub state: Box<SourceState>,
    /// To be given back by the commit (or by [`Store::release`]).
    pub lease: Lease,
}

/// The right to visit a source and to commit what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease(pub u64);

/// What the store knows of some keys.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// State of the store that this answers for.
    pub as_of: Revision,
    /// Articles that hold one of the keys, each with the key that found it.
    pub hits: Vec<(Key, Arc<Head>)>,
    /// Keys of purged articles: these entries must not come back as new.
    pub buried: Vec<Key>,
}

/// What may be the same as some texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alike {
    /// Signatures up to this number were looked at.
    pub as_of: u64,
    /// For each text those that may be the same, the most alike first.
    pub found: Vec<Vec<Near>>,
}

/// A text that may be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// That copy: its guid key.
    pub copy: ArticleId,
    /// The article that it belongs to now.
    pub article: ArticleId,
    /// When it was first seen.
    pub seen: Timestamp,
    /// Hash of its source, as in [`Signature::source`].
    pub source: u32,
    /// One of the two headlines is one of a series.
    pub in_series: bool,
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// The store's revision after it; unchanged if nothing visible changed.
    pub revision: Revision,
}

/// What an id leads to.
#[derive(Debug, Clone)]
pub enum Found {
    /// The article.
    Article(Box<Article>),
    /// It was merged into that one.
    Alias(ArticleId),
    /// It was there and has been purged.
    Gone,
    /// Never seen.
    Never,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Page {
    /// From the newest.
    First {
        /// How many at most.
        most: usize,
    },
    /// Those that come after (older than) this place.
    After {
        /// The last article of the page before.
        cursor: Cursor,
        /// How many at most.
        most: usize,
    },
    /// Those that come before (newer than) this place, the nearest ones.
    Before {
        /// The first article of the page after.
        cursor: Cursor,
        /// How many at most.
        most: usize,
    },
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Newest first, each with its place.
    pub articles: Vec<(Cursor, Arc<Article>)>,
    /// There is something older behind the last one.
    pub older: bool,
    /// There is something newer before the first one.
    pub newer: bool,
    /// False if nobody ever had this tag, category, source or output.
    pub known: bool,
    /// State of the store that this shows.
    pub as_of: Revision,
    /// When the last commit that added, altered or removed one of the list's newest 500 was made.
    pub touched: Timestamp,
}

/// What one commit did, for those who follow.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its number.
    pub revision: Revision,
    /// When it was made.
    pub at: Timestamp,
    /// Articles it concerned, each with the lists that it entered, altered or left.
    pub changes: Vec<(ArticleId, Vec<Scope>)>,
    /// True for the first answer to a follower whose revision is unknown here: forget everything, begin anew.
    pub reset: bool,
}

/// Figures for status and metrics; sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Articles, private ones included.
    pub articles: u64,
    /// Sightings.
    pub sightings: u64,
    /// Sources with a state.
    pub sources: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// Articles that were met since the store was opened and could not be read: damage of the log.
    pub unreadable: u64,
    /// Signatures of near copies in memory; 0 until somebody asks.
    pub signatures: u64,
    /// Log files.
    pub log_bytes: u64,
    /// Of these, what still lives.
    pub live_bytes: u64,
    /// Index files.
    pub index_bytes: u64,
    /// Items in the index: its memory follows them.
    pub index_items: u64,
    /// Revision.
    pub revision: Revision,
    /// Last flush of the index.
    pub flushed: Option<Timestamp>,
    /// Last backup.
    pub backed_up: Option<Timestamp>,
    /// Writing is stopped for lack of space.
    pub full: bool,
}

/// What an engine can do. Nothing that holds a lock, a cursor or a transaction crosses this door.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Host under which this store's ids are published, and the year they begin with: fixed at creation.
    fn authority(&self) -> (String, i32);

    /// Says which sources exist from now on and when each is next due. Others are put to rest: not due, state kept.
    /// Leases of sources that are not named are lost.
    async fn adopt(&self, sources: Vec<(SourceId, Timestamp)>) -> Result<(), Error>;
    /// Sources whose time has come, longest overdue first, each leased to the caller.
    async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, Error>;
    /// When the next unleased source is due.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;
    /// Makes a source due at another time, without a visit.
    async fn reschedule(&self, source: &SourceId, at: Timestamp) -> Result<(), Error>;
    /// Leases one source, due or not; `None` if it is unknown or on lease.
    async fn lease(&self, source: &SourceId) -> Result<Option<Due>, Error>;
    /// Gives a lease back without a commit; the source stays due.
    async fn release(&self, lease: Lease) -> Result<(), Error>;
    /// What is remembered of one source.
    async fn state(&self, source: &SourceId) -> Result<Option<SourceState>, Error>;
    /// States in order of id, from the one after `after`.
    async fn states(
        &self,
        after: Option<SourceId>,
        most: usize,
    ) -> Result<Vec<(SourceId, SourceState)>, Error>;

    /// Who holds these keys.
    async fn known(&self, keys: &[Key]) -> Result<Known, Error>;
    /// Texts that may be the same as some others, by their signatures.
    async fn alike(&self, sought: &[Signature], among: Among) -> Result<Alike, Error>;
    /// What a source puts under everything it says.
    async fn boilerplate(&self, source: &SourceId) -> Result<Boilerplate, Error>;
    /// Keeps a batch. `now` is the time of the commit.
    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error>;

    /// What an id leads to; ids of later copies lead to their article too.
    async fn article(&self, id: ArticleId) -> Result<Found, Error>;
    /// One page of a list.
    async fn select(&self, selection: &Selection, page: Page) -> Result<Listing, Error>;
    /// Months (UTC, of first sight) in which a list has articles, newest first, with their number.
    async fn months(&self, scope: &Scope) -> Result<Vec<((i32, u32), u64)>, Error>;
    /// The tags that public articles have, with counts, most articles first.
    async fn tags(&self) -> Result<Vec<LabelCount>, Error>;
    /// The categories that public articles have, with counts, most articles first.
    async fn categories(&self) -> Result<Vec<LabelCount>, Error>;
    /// Some tags and categories, in the order asked; `None` for what no public article ever had.
    async fn labels(&self, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error>;
    /// Sightings in order of arrival of their articles, private ones included, from the one after `after`.
    async fn sightings(
        &self,
        after: u64,
        most: usize,
    ) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error>;

    /// Commits after `after`, whole ones, oldest first. For a follower whose place is unknown here (a new one begins with
    /// `Revision::default()`) the first is a reset without changes, and those that follow name every living article.
    async fn changes(&self, after: Revision, most: usize) -> Result<Vec<Commit>, Error>;
    /// Returns when there may be commits after `after`.
    async fn changed(&self, after: Revision);
    /// The newest revision.
    fn revision(&self) -> Revision;

    /// Drops what `keep` no longer covers; gives the number of articles dropped. Kept whatever their age: what a source
    /// lists, and the newest `min_per_feed` of each source and each output.
    async fn forget(&self, now: Timestamp) -> Result<u64, Error>;
    /// Drops every article that was seen at this source alone, and what is remembered of the source itself.
    async fn purge(&self, source: &SourceId, now: Timestamp) -> Result<u64, Error>;
    /// Takes the tombstones of a source away, so that its articles may come back; gives their number.
    async fn unbury(&self, source: &SourceId) -> Result<u64, Error>;
    /// What was noted under a name: small things that others must find again after a restart.
    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Notes something under a name; it is on the disk when this returns. Backups keep it.
    async fn set_note(&self, name: &str, note: &[u8]) -> Result<(), Error>;
    /// Writes a backup while everything goes on: all of the store, or what came after a revision. `into` may be slow; it
    /// is written to from a thread of its own.
    ///
    /// # Errors
    /// If `into` refuses, or the store does not know `since` any more. An engine that keeps nothing on a disk refuses.
    async fn backup(
        &self,
        into: Box<dyn Write + Send>,
        since: Option<Revision>,
        now: Timestamp,
    ) -> Result<Outline, Error> {
        let _ = (into, since, now);
        Err(Error::Io {
            what: "writing a backup".to_owned(),
            source: std::io::ErrorKind::Unsupported.into(),
        })
    }
    /// Looks all that is kept over, and with `repair` makes an index with faults anew. An engine without files finds
    /// nothing.
    async fn verify(&self, repair: bool) -> Result<Verified, Error> {
        let _ = repair;
        Ok(Verified::default())
    }
    /// Figures.
    async fn stats(&self) -> Result<Stats, Error>;
    /// Waits for what is under way and closes.
    async fn close(&self) -> Result<(), Error>;
}

/// Opens the store of these options; makes it if there is none and `create` says so.
///
/// A damaged or missing index is made anew from the article log, which takes a while for a large store.
///
/// # Errors
/// [`Error::Missing`] if there is none and none is to be made, [`Error::Busy`] while another process has it,
/// [`Error::Newer`] if a newer aggd wrote it, [`Error::Io`] if the directory cannot be used.
pub async fn open(options: Options, create: bool) -> Result<Arc<dyn Store>, Error> {
    let mode = if create {
        open::Mode::Create
    } else {
        open::Mode::Mend
    };
    open_in(options, mode).await
}

/// Opens a store to look it over: a damaged index is told and left as it is.
///
/// # Errors
/// Those of [`open()`], and [`Error::Damaged`] if the index would have to be made anew.
pub async fn open_as_it_is(options: Options) -> Result<Arc<dyn Store>, Error> {
    open_in(options, open::Mode::AsItIs).await
}

async fn open_in(options: Options, mode: open::Mode) -> Result<Arc<dyn Store>, Error> {
    let opened = on_pool(move || open::open(&options, mode)).await?;
    Ok(Arc::new(engine::Engine::new(opened)))
}

/// Makes a store from backups: a whole one, and perhaps such as continue it, in order. `progress` hears after each commit
/// how many of how many are done.
///
/// # Errors
/// If there is a store already, if a backup is not what its first line says, or if the disk refuses. No store is made then.
pub async fn restore(
    options: Options,
    inputs: Vec<Input>,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Outline, Error> {
    on_pool(move || restore::restore(&options, inputs, progress)).await
}

/// What is remembered of every source, in order of id: read page by page, so that a long list never stands in memory twice.
///
/// # Errors
/// What [`Store::states`] says.
pub async fn each_state(
    store: &dyn Store,
    mut each: impl FnMut(SourceId, SourceState),
) -> Result<(), Error> {
    const PAGE: usize = 1000;
    let mut after = None;
    loop {
        let page = store.states(after, PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(id, _)| id.clone());
        for (id, state) in page {
            each(id, state);
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn on_pool<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|failed| Error::Damaged {
        what: failed.to_string(),
    })?
}
