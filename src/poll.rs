//! The loop: one visit, one outcome, the next visit planned from it. Takes sources that are due from the store, brings
//! each through fetch and ingest, and commits what came of it together with the time of the next visit.
//!
//! The loop sleeps until something is due; sources that are not due cost nothing. Visits are tasks of their own, so
//! many at a time. A source whose host has no place waits by name in a queue, without a task: a slow host never holds
//! what others need. What the loop knows in memory can be lost at any time; the store has the rest.

mod adoption;
mod company;
mod line;
mod news;
mod queue;
pub mod schedule;
mod seat;
mod turn;
mod visit;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fastrand::Rng;
use tokio::sync::{Notify, OnceCell, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::fetch::{Fetcher, First};
use crate::ingest;
use crate::metrics::Metrics;
use crate::model::source::{Every, Fault, Source, SourceId, SourceState, Sources};
use crate::model::time::Timestamp;
use crate::store::{self, Due, Store};
use company::Company;
use line::Line;
use queue::Queue;
use schedule::Plan;
use turn::Until;

/// Documents that may be read but not yet kept: enough of them to share one wait for the disk. When as many more wait to
/// be read, nobody else sets out: they would only bring more of what takes memory.
const TABLES: usize = 12;

/// Sources that wait for their host with state and address at hand. A host may have ten thousand; the rest are read again.
const STATES: usize = 2048;

/// `[poll]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shortest and longest interval.
    pub every: Every,
    /// How far a publisher's hint may stretch it.
    pub hint_cap: Duration,
    /// Longer silence is reported.
    pub silent_after: Duration,
    /// A permanent redirect must hold this long.
    pub move_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            every: Every {
                min: Duration::from_mins(15),
                max: Duration::from_secs(DAY),
            },
            hint_cap: Duration::from_secs(7 * DAY),
            silent_after: Duration::from_secs(30 * DAY),
            move_after: Duration::from_secs(DAY),
        }
    }
}

/// What one visit came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// `fresh`, `unchanged`, `not-modified`, or the kind of fault.
    pub outcome: String,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// New articles.
    pub new: u32,
    /// Articles that changed.
    pub updated: u32,
    /// Entries that were known.
    pub known: u32,
    /// How long it took.
    pub millis: u32,
    /// When the source is due again.
    pub next_due: Timestamp,
    /// Why then.
    pub why: String,
}

/// What came of asking for a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// It took place.
    Visited(Report),
    /// The origin or its host asked for silence, or has no place: it comes then.
    Waits {
        /// When.
        until: Timestamp,
        /// Who asked.
        why: String,
    },
    /// There is no such source, or another process visits it.
    Unknown,
    /// The source was removed meanwhile, the poller is stopping, or the store failed.
    Dropped,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Visits.
    pub visited: u64,
    /// Of these, without a feed at the end.
    pub failed: u64,
    /// Of these, "not modified" or the same bytes.
    pub unchanged: u64,
    /// New articles.
    pub new: u64,
    /// Articles that changed.
    pub updated: u64,
}

/// Visits sources when they are due. Cloning shares it.
#[derive(Clone)]
pub struct Poller {
    floor: Arc<Floor>,
}

/// What may change with a reload.
struct Settings {
    options: Options,
    ingest: Arc<ingest::Options>,
    fetcher: Arc<Fetcher>,
}

struct Floor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sources: Arc<ArcSwap<Sources>>,
    settings: ArcSwap<Settings>,
    metrics: Metrics,
    rng: Mutex<Rng>,
    desk: Mutex<Desk>,
    line: Mutex<(Line, bool)>,
    /// Which sources are polled at which address.
    company: Mutex<Company>,
    counts: Mutex<Counts>,
    /// Something happened that the loop should look at.
    wake: Notify,
    /// Something happened that those who wait for quiet should look at.
    stirred: watch::Sender<()>,
    /// Documents are read one per core: more would only take memory.
    readers: Semaphore,
    /// What has been read takes several times the memory of what came, until it is kept.
    tables: Semaphore,
    /// Documents that wait for a table.
    piled: AtomicUsize,
    tasks: TaskTracker,
    beat: Mutex<Instant>,
    adopted: OnceCell<()>,
    driven: AtomicBool,
    /// Turns begun and ended: odd while one is under way.
    turns: AtomicU64,
}

/// Where a source that waits for its host will be visited, and as which it was when that was found out.
struct Address {
    source: Arc<Source>,
    first: First,
}

/// The work at hand.
#[derive(Default)]
struct Desk {
    /// On lease with their state, about to be visited.
    ready: VecDeque<Due>,
    /// On lease by name, waiting for their host.
    queue: Queue,
    /// What is known of some that wait, so that it need not be read again: nobody else changes it meanwhile.
    known: HashMap<SourceId, (Box<SourceState>, Address)>,
    /// Under way.
    flying: HashSet<SourceId>,
    /// Those of them that set out within the present moment of the loop.
    fresh: HashSet<SourceId>,
    /// On lease, due while another one that is polled at the same address is under way: its answer may serve them.
    along: HashMap<SourceId, Vec<Due>>,
    /// Asked for by somebody.
    asked: VecDeque<(SourceId, bool)>,
    /// Who wants to hear what came of it.
    listening: HashMap<SourceId, Vec<oneshot::Sender<Polled>>>,
    /// Sources are being adopted: nobody starts meanwhile.
    holding: bool,
    /// Changes when an adoption begins and when it ends.
    epoch: u64,
    /// Visits that were kept while sources were adopted, and when those sources are due.
    late: Vec<(SourceId, Timestamp)>,
}

impl Desk {
    fn remember(&mut self, due: Due, source: &Arc<Source>, first: First) {
        if self.known.len() < STATES {
            let source = Arc::clone(source);
            let known = (due.state, Address { source, first });
            self.known.insert(due.source, known);
        }
    }
}

impl Poller {
    /// Nothing happens before [`Self::run`] or one of the other methods is called.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        fetcher: Arc<Fetcher>,
        clock: Arc<dyn Clock>,
        sources: Arc<ArcSwap<Sources>>,
        options: Options,
        ingest: Arc<ingest::Options>,
        metrics: Metrics,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            floor: Arc::new(Floor {
                store,
                clock,
                sources,
                settings: ArcSwap::from_pointee(Settings {
                    options,
                    ingest,
                    fetcher,
                }),
                metrics,
                rng: Mutex::new(Rng::new()),
                desk: Mutex::default(),
                line: Mutex::default(),
                company: Mutex::default(),
                counts: Mutex::default(),
                wake: Notify::new(),
                stirred: watch::Sender::new(()),
                readers: Semaphore::new(cores),
                tables: Semaphore::new(TABLES),
                piled: AtomicUsize::new(0),
                tasks: TaskTracker::new(),
                beat: Mutex::new(Instant::now()),
                adopted: OnceCell::new(),
                driven: AtomicBool::new(false),
                turns: AtomicU64::new(0),
            }),
        }
    }

    /// The same chances each time: for tests.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        lock(&self.floor.rng).seed(seed);
        self
    }

    /// Visits sources as they become due, until `stop`. Visits under way are then dropped if they wait for an origin,
    /// and finished if they have something to keep.
    ///
    /// # Errors
    /// If the store cannot adopt the sources. Later faults of the store are logged and waited out.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), store::Error> {
        self.floor.adopt_once(true).await?;
        self.floor.drive(&stop, Until::Stopped).await;
        Ok(())
    }

    /// Visits everything that is due now, once, and returns when that is done.
    ///
    /// # Errors
    /// If the store cannot adopt the sources.
    pub async fn once(&self, stop: CancellationToken) -> Result<Counts, store::Error> {
        self.floor.adopt_once(false).await?;
        let before = *lock(&self.floor.counts);
        let now = self.floor.clock.now();
        self.floor.drive(&stop, Until::Round(now)).await;
        let after = *lock(&self.floor.counts);
        Ok(Counts {
            visited: after.visited - before.visited,
            failed: after.failed - before.failed,
            unchanged: after.unchanged - before.unchanged,
            new: after.new - before.new,
            updated: after.updated - before.updated,
        })
    }

    /// Visits some sources (or all) now, due or not, and tells what came of each. Host limits hold; `force` also goes
    /// past pauses that an origin asked for. Works with and without a running loop.
    ///
    /// # Errors
    /// If the store cannot adopt the sources.
    pub async fn poll_now(
        &self,
        ids: Option<Vec<SourceId>>,
        force: bool,
    ) -> Result<Vec<(SourceId, Polled)>, store::Error> {
        self.floor.adopt_once(false).await?;
        let ids = ids.unwrap_or_else(|| {
            self.floor
                .sources
                .load()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        });
        let mut answers = Vec::with_capacity(ids.len());
        {
            let mut desk = self.floor.desk();
            for id in ids {
                let (tell, hear) = oneshot::channel();
                desk.listening.entry(id.clone()).or_default().push(tell);
                desk.asked.push_back((id.clone(), force));
                answers.push((id, hear));
            }
        }
        self.floor.wake.notify_one();
        let never = CancellationToken::new();
        // Without a loop this drives itself; with one, it is told.
        if !self.floor.driven.load(Ordering::SeqCst) {
            self.floor.drive(&never, Until::Answered).await;
        }
        let mut polled = Vec::with_capacity(answers.len());
        for (id, hear) in answers {
            polled.push((id, hear.await.unwrap_or(Polled::Dropped)));
        }
        Ok(polled)
    }

    /// Goes on with other sources and settings. The schedule of what stayed the same stays the same; new sources and
    /// those with another address are due at once; others are left alone from now on. Visits under way end as they began.
    ///
    /// # Errors
    /// If the store cannot adopt the sources; the new settings hold all the same.
    pub async fn reload(
        &self,
        sources: Arc<Sources>,
        options: Options,
        fetcher: Arc<Fetcher>,
        ingest: Arc<ingest::Options>,
    ) -> Result<(), store::Error> {
        let floor = &self.floor;
        floor.settings.store(Arc::new(Settings {
            options,
            ingest,
            fetcher,
        }));
        floor.sources.store(sources);
        if floor.adopted.initialized() {
            floor.readopt().await?;
        }
        Ok(())
    }

    /// The fetcher in use.
    #[must_use]
    pub fn fetcher(&self) -> Arc<Fetcher> {
        Arc::clone(&self.floor.settings.load().fetcher)
    }

    /// Returns when nothing is due, nothing is under way, and nobody can start before time moves on. Before the loop has
    /// begun there is no rest.
    pub async fn idle(&self) {
        let mut stirred = self.floor.stirred.subscribe();
        while !self.floor.is_idle().await {
            // The sender lives as long as this poller.
            let _ = stirred.changed().await;
        }
    }

    /// When the loop last showed that it lives: for a watchdog.
    #[must_use]
    pub fn beat(&self) -> Instant {
        *lock(&self.floor.beat)
    }

    /// Visits under way, and sources that wait for their host.
    #[must_use]
    pub fn busy(&self) -> (usize, usize) {
        let desk = self.floor.desk();
        (desk.flying.len(), desk.ready.len() + desk.queue.len())
    }
}

/// What is behind these locks is whole between any two statements, so a panic elsewhere leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Floor {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    fn plan(&self, source: &Source) -> Plan {
        Plan::of(&self.settings.load().options, source)
    }
}
