//! The loop: one visit, one outcome, the next visit planned from it. Takes sources that are due from the store, brings
//! each through fetch and ingest, and commits what came of it together with the time of the next visit.
//!
//! The loop sleeps until something is due; sources that are not due cost nothing. Visits are tasks of their own, so
//! many at a time. A source whose host has no place waits by name in a queue, without a task: a slow host never holds
//! what others need. What the loop knows in memory can be lost at any time; the store has the rest.

mod line;
mod queue;
pub mod schedule;
mod visit;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fastrand::Rng;
use tokio::sync::{Notify, OnceCell, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::fetch::{Fetcher, HostKey, Permit, Welcome};
use crate::ingest;
use crate::metrics::Metrics;
use crate::model::source::{Every, Fault, Source, SourceId, Sources};
use crate::model::time::Timestamp;
use crate::store::{self, Due, Store};
use line::Line;
use queue::{Queue, Waiting};
use schedule::Plan;

/// Due sources that are taken from the store at a time.
const TAKE: usize = 64;
/// States that are read at a time when sources are adopted.
const PAGE: usize = 1000;
/// The loop shows at least this often that it lives.
const BEAT: Duration = Duration::from_secs(5);

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
    counts: Mutex<Counts>,
    /// Something happened that the loop should look at.
    wake: Notify,
    /// Something happened that those who wait for quiet should look at.
    stirred: watch::Sender<()>,
    /// Documents are read one per core: more would only take memory.
    readers: Semaphore,
    tasks: TaskTracker,
    beat: Mutex<Instant>,
    adopted: OnceCell<()>,
    driven: AtomicBool,
}

/// The work at hand.
#[derive(Default)]
struct Desk {
    /// On lease with their state, about to be visited.
    ready: VecDeque<Due>,
    /// On lease by name, waiting for their host.
    queue: Queue,
    /// Under way.
    flying: HashSet<SourceId>,
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

/// How long the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until everything that is due by then has been visited.
    Round(Timestamp),
    /// Until everything that was asked for has been visited.
    Answered,
}

/// What the loop does after a turn.
enum Next {
    Sleep(Option<Timestamp>),
    Done,
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
                counts: Mutex::default(),
                wake: Notify::new(),
                stirred: watch::Sender::new(()),
                readers: Semaphore::new(cores),
                tasks: TaskTracker::new(),
                beat: Mutex::new(Instant::now()),
                adopted: OnceCell::new(),
                driven: AtomicBool::new(false),
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

    async fn adopt_once(&self, spread: bool) -> Result<(), store::Error> {
        self.adopted.get_or_try_init(|| self.adopt(spread)).await?;
        Ok(())
    }

    /// Tells the store which sources there are and when each is due, and remembers which hosts asked for silence.
    async fn adopt(&self, spread: bool) -> Result<(), store::Error> {
        let now = self.clock.now();
        let sources = self.sources.load_full();
        let settings = self.settings.load_full();
        // Never visited until a state says otherwise.
        let mut due: HashMap<SourceId, Timestamp> =
            sources.keys().map(|id| (id.clone(), now)).collect();
        let mut after = None;
        loop {
            let page = self.store.states(after, PAGE).await?;
            let mut rng = lock(&self.rng);
            for (id, state) in &page {
                let (Some(source), Some(at)) = (sources.get(id), due.get_mut(id)) else {
                    continue;
                };
                if let Some(pause) = &state.host_pause
                    && pause.until > now
                {
                    let host = HostKey::from_name(&pause.host);
                    settings.fetcher.hosts().pause(&host, pause.until);
                }
                let plan = Plan::of(&settings.options, source);
                let chance = spread.then_some(&mut *rng);
                *at = schedule::first_due(state, source, &plan, now, chance);
            }
            drop(rng);
            if page.len() < PAGE {
                break;
            }
            after = page.into_iter().next_back().map(|(id, _)| id);
        }
        self.store.adopt(due.into_iter().collect()).await
    }

    /// Adopts while visits are under way. None starts meanwhile, and those that were kept in between get their own time
    /// back: the times adopted here were read before.
    async fn readopt(&self) -> Result<(), store::Error> {
        {
            let mut desk = self.desk();
            desk.holding = true;
            desk.epoch += 1;
        }
        let adopted = self.adopt(false).await;
        let late = {
            let mut desk = self.desk();
            desk.holding = false;
            desk.epoch += 1;
            std::mem::take(&mut desk.late)
        };
        for (id, at) in late {
            self.store.reschedule(&id, at).await?;
        }
        self.wake.notify_one();
        adopted
    }

    /// After a commit that began in `epoch`: if sources were adopted meanwhile, the source gets its own time back.
    async fn hold_to(&self, epoch: u64, id: &SourceId, at: Timestamp) {
        {
            let mut desk = self.desk();
            if desk.holding {
                desk.late.push((id.clone(), at));
                return;
            }
            if desk.epoch == epoch {
                return;
            }
        }
        // A fault of the store here costs one visit too early.
        let _ = self.store.reschedule(id, at).await;
    }

    /// Turn after turn, until there is a reason to end.
    async fn drive(self: &Arc<Self>, stop: &CancellationToken, until: Until) {
        self.driven.store(true, Ordering::SeqCst);
        self.tasks.reopen();
        loop {
            *lock(&self.beat) = Instant::now();
            let next = match self.turn(stop, until).await {
                Ok(Next::Done) => break,
                Ok(Next::Sleep(next)) => next,
                Err(error) => {
                    tracing::error!(%error, "the store failed; polling waits");
                    None
                }
            };
            self.stirred.send_replace(());
            let fetcher = Arc::clone(&self.settings.load().fetcher);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = fetcher.hosts().freed() => {}
                () = async {
                    match next {
                        Some(at) => self.clock.sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
                () = tokio::time::sleep(BEAT) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.give_back().await;
        self.driven.store(false, Ordering::SeqCst);
        self.stirred.send_replace(());
    }

    /// Leases that will not be used: the sources stay due.
    async fn give_back(&self) {
        let leases: Vec<store::Lease> = {
            let mut desk = self.desk();
            desk.listening.clear();
            desk.asked.clear();
            let waiting = desk.queue.drain();
            desk.ready
                .drain(..)
                .map(|due| due.lease)
                .chain(waiting.iter().map(Waiting::lease))
                .collect()
        };
        for lease in leases {
            // It is lost with this process anyway.
            let _ = self.store.release(lease).await;
        }
    }

    /// Starts what can be started, and says when to look again.
    async fn turn(
        self: &Arc<Self>,
        stop: &CancellationToken,
        until: Until,
    ) -> Result<Next, store::Error> {
        let now = self.clock.now();
        let fetcher = Arc::clone(&self.settings.load().fetcher);
        {
            let mut desk = self.desk();
            for host in fetcher.hosts().take_freed() {
                desk.queue.turn_at(&host, now);
            }
        }
        self.take_asked(stop).await?;
        self.take_waiting(now, stop).await?;
        let horizon = match until {
            Until::Stopped => Some(now),
            Until::Round(cutoff) => Some(cutoff),
            Until::Answered => None,
        };
        let mut more = false;
        if let Some(horizon) = horizon {
            more = self.take_due(horizon, stop).await?;
        }
        let (free, waiting, done) = {
            let desk = self.desk();
            let done = desk.flying.is_empty()
                && desk.ready.is_empty()
                && desk.asked.is_empty()
                && desk.queue.len() == 0;
            (self.room(&desk) > 0, desk.queue.next(), done)
        };
        if until != Until::Stopped && done && !more {
            return Ok(Next::Done);
        }
        if !free {
            // The end of a visit wakes the loop.
            return Ok(Next::Sleep(None));
        }
        let due = match until {
            Until::Stopped => self.store.next_due().await?,
            Until::Round(_) | Until::Answered => None,
        };
        Ok(Next::Sleep(waiting.into_iter().chain(due).min()))
    }

    /// Visits that may start.
    fn room(&self, desk: &Desk) -> usize {
        if desk.holding {
            return 0;
        }
        let most = self.settings.load().fetcher.options().in_flight.max(1);
        most.saturating_sub(desk.flying.len())
    }

    /// What somebody asked for goes first.
    async fn take_asked(self: &Arc<Self>, stop: &CancellationToken) -> Result<(), store::Error> {
        loop {
            let Some((id, force)) = ({
                let mut desk = self.desk();
                if self.room(&desk) > 0 {
                    desk.asked.pop_front()
                } else {
                    None
                }
            }) else {
                return Ok(());
            };
            match self.store.lease(&id).await? {
                Some(due) => {
                    let until = due.state.retry_until.filter(|_| !force);
                    if let Some(until) = until.filter(|until| *until > self.clock.now()) {
                        self.store.release(due.lease).await?;
                        let why = due.state.why;
                        self.answer(&id, &Polled::Waits { until, why });
                    } else {
                        self.place(due, force, stop).await?;
                    }
                }
                None if self.is_ours(&id) => {}
                None => self.answer(&id, &Polled::Unknown),
            }
        }
    }

    /// It is on lease to us and will be visited; who listens will hear.
    fn is_ours(&self, id: &SourceId) -> bool {
        let desk = self.desk();
        desk.flying.contains(id)
            || desk.ready.iter().any(|due| due.source == *id)
            || desk.queue.holds(id)
    }

    /// Those whose host has a place again.
    async fn take_waiting(
        self: &Arc<Self>,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        loop {
            let (host, waiting) = {
                let mut desk = self.desk();
                if self.room(&desk) == 0 {
                    return Ok(());
                }
                match desk.queue.pop(now) {
                    Some((host, waiting)) => (Some(host), waiting),
                    None => match desk.queue.wake(now) {
                        Some(waiting) => (None, waiting),
                        None => return Ok(()),
                    },
                }
            };
            let due = Due {
                source: waiting.source.clone(),
                state: self.store.state(&waiting.source).await?.unwrap_or_default(),
                lease: waiting.lease(),
            };
            self.seat(due, host, waiting.insist, stop).await?;
        }
    }

    /// Those whose time has come. Says whether there may be more of them.
    async fn take_due(
        self: &Arc<Self>,
        horizon: Timestamp,
        stop: &CancellationToken,
    ) -> Result<bool, store::Error> {
        loop {
            let next = {
                let mut desk = self.desk();
                if self.room(&desk) == 0 {
                    return Ok(true);
                }
                desk.ready.pop_front()
            };
            if let Some(due) = next {
                self.place(due, false, stop).await?;
                continue;
            }
            let taken = self.store.due(horizon, TAKE).await?;
            if taken.is_empty() {
                return Ok(false);
            }
            self.desk().ready.extend(taken);
        }
    }

    /// A source with its state: to its host, or behind those who wait for it already.
    async fn place(
        self: &Arc<Self>,
        due: Due,
        insist: bool,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        self.seat(due, None, insist, stop).await
    }

    /// Asks the host for a place. `turn` is the host in whose line the source stood at the head.
    async fn seat(
        self: &Arc<Self>,
        mut due: Due,
        turn: Option<HostKey>,
        insist: bool,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        let sources = self.sources.load_full();
        let Some(source) = sources.get(&due.source) else {
            self.answer(&due.source, &Polled::Unknown);
            self.pass_on(turn);
            return self.store.release(due.lease).await;
        };
        let now = self.clock.now();
        due.state = schedule::prepare(due.state, source, now);
        let fetcher = Arc::clone(&self.settings.load().fetcher);
        let Some(host) = fetcher.first_host(source, &due.state) else {
            self.pass_on(turn);
            self.fly(due, source, None, stop);
            return Ok(());
        };
        let waiting = Waiting {
            source: due.source.clone(),
            lease: due.lease.0,
            insist,
        };
        let welcome = {
            let mut desk = self.desk();
            if turn.as_ref() != Some(&host) && desk.queue.has(&host) && !insist {
                desk.queue.push(&host, waiting);
                drop(desk);
                self.pass_on(turn);
                return Ok(());
            }
            let welcome = if insist {
                fetcher.hosts().insist(&host, now)
            } else {
                fetcher.hosts().enter(&host, now)
            };
            match &welcome {
                Welcome::At(_) | Welcome::Full => {
                    desk.queue.push_front(&host, waiting);
                    if let Welcome::At(at) = welcome {
                        desk.queue.turn_at(&host, at);
                    }
                }
                // The next in line may try at once.
                Welcome::Go(_) | Welcome::Paused(_) => desk.queue.turn_at(&host, now),
            }
            welcome
        };
        if turn.as_ref() != Some(&host) {
            self.pass_on(turn);
        }
        match welcome {
            Welcome::Go(permit) => self.fly(due, source, Some(permit), stop),
            Welcome::Paused(until) => self.put_off(due, source, host, until),
            Welcome::At(_) | Welcome::Full => {}
        }
        Ok(())
    }

    /// A turn that was not used goes to the next in that line.
    fn pass_on(&self, turn: Option<HostKey>) {
        if let Some(host) = turn {
            let now = self.clock.now();
            self.desk().queue.turn_at(&host, now);
        }
    }

    fn fly(
        self: &Arc<Self>,
        due: Due,
        source: &Arc<Source>,
        permit: Option<Permit>,
        stop: &CancellationToken,
    ) {
        let landing = self.take_off(&due.source);
        let (floor, source, stop) = (Arc::clone(self), Arc::clone(source), stop.clone());
        self.tasks.spawn(async move {
            let polled = floor.visit(due, &source, permit, &stop).await;
            landing.report(&polled);
        });
    }

    fn put_off(self: &Arc<Self>, due: Due, source: &Arc<Source>, host: HostKey, until: Timestamp) {
        let landing = self.take_off(&due.source);
        let (floor, source) = (Arc::clone(self), Arc::clone(source));
        self.tasks.spawn(async move {
            let polled = floor.defer(due, &source, &host, until).await;
            landing.report(&polled);
        });
    }

    fn take_off(self: &Arc<Self>, id: &SourceId) -> Landing {
        self.desk().flying.insert(id.clone());
        Landing {
            floor: Arc::clone(self),
            source: id.clone(),
        }
    }

    fn answer(&self, id: &SourceId, polled: &Polled) {
        let listening = self.desk().listening.remove(id).unwrap_or_default();
        for tell in listening {
            // Who asked may have gone.
            let _ = tell.send(polled.clone());
        }
    }

    async fn is_idle(&self) -> bool {
        if !self.adopted.initialized() {
            return false;
        }
        let now = self.clock.now();
        {
            let desk = self.desk();
            let busy = !desk.flying.is_empty()
                || !desk.ready.is_empty()
                || !desk.asked.is_empty()
                || desk.holding
                || !desk.queue.is_asleep(now);
            if busy {
                return false;
            }
        }
        match self.store.next_due().await {
            Ok(next) => next.is_none_or(|at| at > now),
            // Nothing more will happen.
            Err(_) => true,
        }
    }
}

/// The end of a visit, whatever happens to its task.
struct Landing {
    floor: Arc<Floor>,
    source: SourceId,
}

impl Landing {
    fn report(self, polled: &Polled) {
        self.floor.answer(&self.source, polled);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.floor.desk().flying.remove(&self.source);
        self.floor.wake.notify_one();
        self.floor.stirred.send_replace(());
    }
}
