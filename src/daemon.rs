//! Builds the parts from the configuration, lets them run, puts other settings in their place on reload, and ends them in
//! order: first nobody new is let in, then what is under way is finished, then the store is closed.
//!
//! Signals and systemd are in `daemon/process.rs`; a test starts a [`Daemon`] without them.

mod backups;
mod polling;
mod process;
mod relabel;
mod reload;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::control;
use crate::fetch::Fetcher;
use crate::ingest;
use crate::metrics::Metrics;
use crate::model::time::Timestamp;
use crate::ops;
use crate::poll::{Counts, Poller};
use crate::publish::Publisher;
use crate::serve;
use crate::store::{self, Store};

pub use process::{asked_to_stop, run};

/// How long readers may take to finish their requests, and visits to keep what they brought.
const DRAIN: Duration = Duration::from_secs(10);
/// What is too old is dropped so often in the time that it may grow old, but not more or less often than this.
const SWEEPS: u32 = 24;
const SWEEP: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);
/// What was learnt from the articles is noted so often, and at the end: it is large, and a crash costs a day of counting at
/// most.
const NOTE: Duration = Duration::from_hours(24);
/// Reload requests that may wait.
const WAITING_RELOADS: usize = 16;

/// Threads of a runtime for what takes a processor or the disk for a while. Each comes to keep some 300 KB for compressing and
/// reading articles, so there are hardly more than can work; a burst would else leave hundreds.
#[must_use]
pub fn blocking_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (4 * cores).max(8)
}

/// Reads the configuration, now and at each reload.
pub type Load = Arc<dyn Fn() -> Result<Config, config::Errors> + Send + Sync>;

/// A running aggd.
pub struct Daemon {
    parts: Arc<Parts>,
    stop: CancellationToken,
    tasks: TaskTracker,
    addresses: Vec<SocketAddr>,
    /// The thread that polls ends even if nobody calls [`Self::stop`].
    _ends_with_us: DropGuard,
}

/// What runs, and what it runs with.
struct Parts {
    load: Load,
    config: Arc<ArcSwap<Config>>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    poller: Poller,
    publisher: Arc<Publisher>,
    metrics: Metrics,
    reload_failed: Arc<ArcSwapOption<(Timestamp, String)>>,
    /// Labelling stories again: how far it has come, and that it is wanted.
    relabel: ingest::relabel::Watch,
    relabel_wanted: Notify,
    reloads: mpsc::Sender<ops::ReloadRequest>,
}

impl Daemon {
    /// Reads the configuration, opens the store (creating it if there is none), and lets every part run.
    ///
    /// # Errors
    /// If the configuration has mistakes, the store cannot be opened, or an address cannot be listened on.
    pub async fn start(load: Load, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let config = load()?;
        let opened = store::open(config.store.clone(), true).await?;
        ops::suggest::remember(&config, &*opened).await?;
        let metrics = Metrics::default();
        let poller = poller(&config, &opened, &clock, &metrics)?;
        // Before anybody is served: what is private now must not be seen.
        let options = ops::labels::ingest_options(&config);
        ingest::privacy::follow(&*opened, &config.sources, clock.now(), &options).await?;
        let settings = reload::settings(&config, &*opened, clock.now()).await?;
        let publisher = Arc::new(Publisher::new(
            Arc::clone(&opened),
            metrics.clone(),
            settings,
        ));
        let server =
            serve::Server::bind(&config.server, Arc::clone(&publisher), metrics.clone(), {
                let clock = Arc::clone(&clock);
                Arc::new(move || clock.now())
            })
            .context("opening the addresses of [server] listen")?;
        let socket =
            control::Server::bind(&config.control).context("opening the control socket")?;
        let addresses = server.local_addrs();
        let (reloads, asked) = mpsc::channel(WAITING_RELOADS);
        let parts = Arc::new(Parts {
            load,
            config: Arc::new(ArcSwap::from_pointee(config)),
            clock,
            store: opened,
            poller,
            publisher,
            metrics,
            reload_failed: Arc::default(),
            relabel: ingest::relabel::Watch::default(),
            relabel_wanted: Notify::new(),
            reloads,
        });
        parts.relabel_if_needed().await?;
        let stop = CancellationToken::new();
        let daemon = Self {
            parts,
            _ends_with_us: stop.clone().drop_guard(),
            stop,
            tasks: TaskTracker::new(),
            addresses,
        };
        daemon.set_going(server, socket, asked)?;
        Ok(daemon)
    }

    fn set_going(
        &self,
        server: serve::Server,
        socket: control::Server,
        mut asked: mpsc::Receiver<ops::ReloadRequest>,
    ) -> anyhow::Result<()> {
        let (parts, stop) = (&self.parts, &self.stop);
        polling::start(parts.poller.clone(), stop.clone(), self.tasks.token())
            .context("starting the thread that polls")?;
        self.tasks.spawn(server.run(stop.clone(), DRAIN));
        self.tasks
            .spawn(Arc::clone(&parts.publisher).run(stop.clone()));
        self.tasks
            .spawn(socket.run(stop.clone(), Arc::new(parts.context())));
        self.tasks.spawn({
            let (parts, stop) = (Arc::clone(parts), stop.clone());
            async move {
                loop {
                    let answer = tokio::select! {
                        () = stop.cancelled() => return,
                        Some(answer) = asked.recv() => answer,
                    };
                    // Whoever asked may have gone; the reload counts all the same.
                    let _ = answer.send(parts.reload().await);
                }
            }
        });
        self.tasks.spawn({
            let (parts, stop) = (Arc::clone(parts), stop.clone());
            async move { parts.sweep(stop).await }
        });
        self.tasks.spawn({
            let (parts, stop) = (Arc::clone(parts), stop.clone());
            async move { parts.back_up(stop).await }
        });
        self.tasks.spawn({
            let (parts, stop) = (Arc::clone(parts), stop.clone());
            async move { parts.relabel(stop).await }
        });
        self.tasks.close();
        Ok(())
    }

    /// Where it listens on TCP.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Reads the configuration again: all or nothing.
    ///
    /// # Errors
    /// In words, if the new one has mistakes; the old one stays in force.
    pub async fn reload(&self) -> Result<ops::Reloaded, String> {
        self.parts.reload().await
    }

    /// Returns once nothing is due, nothing is under way, and everything that is kept is published.
    pub async fn settled(&self) {
        self.parts.poller.idle().await;
        let mut relabel = self.parts.relabel.subscribe();
        // The sender lives as long as we do.
        let _ = relabel.wait_for(|progress| !progress.running).await;
        self.parts
            .publisher
            .followed(self.parts.store.revision())
            .await;
    }

    /// Ends it: no new visits and readers, what is under way is finished within the drain limit, the store is closed.
    ///
    /// # Errors
    /// If the store cannot be closed in order; nothing that was kept is lost even then.
    pub async fn stop(self) -> Result<(), store::Error> {
        self.stop.cancel();
        if tokio::time::timeout(DRAIN, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(limit = ?DRAIN, "not everything ended within the drain limit");
        }
        self.parts.keep_learnt().await;
        self.parts.store.close().await
    }
}

impl Parts {
    fn context(&self) -> ops::Context {
        ops::Context {
            config: Arc::clone(&self.config),
            store: Some(Arc::clone(&self.store)),
            clock: Arc::clone(&self.clock),
            started: Some(self.clock.now()),
            reload: Some(self.reloads.clone()),
            reload_failed: Arc::clone(&self.reload_failed),
            poller: Some(self.poller.clone()),
            relabel: self.relabel.subscribe(),
        }
    }

    /// Notes what was learnt from the articles.
    async fn keep_learnt(&self) {
        let config = self.config.load_full();
        if let Err(error) = ops::suggest::keep(&config, &*self.store).await {
            tracing::warn!(%error, "what was learnt from the articles could not be noted");
        }
    }

    /// Drops what is too old, now and then.
    async fn sweep(&self, stop: CancellationToken) {
        let mut begun = self.clock.now();
        let mut noted = begun;
        loop {
            let age = self.config.load().store.keep.age;
            // From the beginning of the last one: however long it took, the next is not later for it.
            let next = begun + (age / SWEEPS).clamp(*SWEEP.start(), *SWEEP.end());
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep_until(next) => {}
            }
            begun = self.clock.now();
            match self.store.forget(begun).await {
                Ok(0) => {}
                Ok(articles) => {
                    tracing::info!(articles, "dropped what [store] keep no longer covers");
                }
                Err(error) => tracing::error!(%error, "what is too old could not be dropped"),
            }
            let now = self.clock.now();
            if now.since(noted) >= NOTE {
                self.keep_learnt().await;
                noted = now;
            }
        }
    }
}

/// Visits everything that is due, once, keeps it, and ends: `aggd run --once`. Nothing is served.
///
/// # Errors
/// Those of [`Daemon::start`], and of the store.
pub async fn once(
    load: Load,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<Counts> {
    let config = load()?;
    let opened = store::open(config.store.clone(), true).await?;
    ops::suggest::remember(&config, &*opened).await?;
    let counts = poller(&config, &opened, &clock, &Metrics::default())?
        .once(stop)
        .await?;
    ops::suggest::keep(&config, &*opened).await?;
    opened.close().await?;
    Ok(counts)
}

fn poller(
    config: &Config,
    opened: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> anyhow::Result<Poller> {
    let fetcher = Fetcher::new(config.fetch.clone()).context("preparing to fetch, by [fetch]")?;
    Ok(Poller::new(
        Arc::clone(opened),
        Arc::new(fetcher),
        Arc::clone(clock),
        Arc::new(ArcSwap::from_pointee(config.source_map())),
        config.poll,
        Arc::new(ops::labels::ingest_options(config)),
        metrics.clone(),
    ))
}
