//! The whole at a glance.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::feeds::{FeedRow, Filter, each_row, is_failing, shown};
use super::{Context, Error, labels};

/// Failing sources that are shown.
const WORST: usize = 10;

/// The whole at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of whoever answers.
    pub version: String,
    /// The daemon's process; absent without a daemon.
    pub pid: Option<u32>,
    /// Since when it runs.
    pub started: Option<String>,
    /// feeds.toml.
    pub config: String,
    /// The store's directory.
    pub store: String,
    /// Sources in feeds.toml.
    pub feeds: usize,
    /// How many are in which state.
    pub states: HashMap<String, usize>,
    /// Sources with nothing new for longer than `silent_after`.
    pub silent: usize,
    /// The nearest visit.
    pub next: Option<String>,
    /// Articles kept.
    pub articles: u64,
    /// Places at which they were seen.
    pub sightings: u64,
    /// Articles that were met and could not be read: the log is damaged there.
    pub unreadable: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Of these, what still lives.
    pub live_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Items in the index: its memory follows them.
    pub index_items: u64,
    /// Resident memory of whoever answers, in bytes.
    pub memory: u64,
    /// When the index was last written.
    pub flushed: Option<String>,
    /// Last backup.
    pub backed_up: Option<String>,
    /// Writing waits for space on the disk.
    pub disk_full: bool,
    /// Why the last reload failed.
    pub reload_failed: Option<String>,
    /// What is odd in feeds.toml.
    pub warnings: Vec<String>,
    /// How far labelling stories again has come, while it is under way.
    #[serde(default)]
    pub relabel: Option<String>,
    /// Rules and outputs that failed for articles, with the first failure of each.
    #[serde(default)]
    pub troubles: Vec<String>,
    /// What is wrong with which source, worst first, at most ten.
    pub failing: Vec<FeedRow>,
}

/// The whole at a glance.
///
/// # Errors
/// If the store cannot be read.
pub async fn status(context: &Context) -> Result<Status, Error> {
    let config = context.config.load_full();
    let (mut states, mut silent, mut failing) = (HashMap::new(), 0, Vec::new());
    let count = |at: usize, row: FeedRow| {
        silent += usize::from(row.silent);
        *states.entry(row.state.clone()).or_default() += 1;
        if is_failing(&row) {
            failing.push((at, row));
            if failing.len() > 100 * WORST {
                keep_worst(&mut failing);
            }
        }
    };
    each_row(context, &config, &Filter::default(), count).await?;
    keep_worst(&mut failing);
    let (figures, next) = match &context.store {
        Some(store) => (store.stats().await?, store.next_due().await?),
        None => (crate::store::Stats::default(), None),
    };
    let reload_failed = context.reload_failed.load_full();
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: context.started.map(|_| std::process::id()),
        started: context.started.map(shown),
        config: config
            .files
            .first()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        store: config.store.path.display().to_string(),
        feeds: config.sources.len(),
        states,
        silent,
        next: next.map(shown),
        articles: figures.articles,
        sightings: figures.sightings,
        unreadable: figures.unreadable,
        log_bytes: figures.log_bytes,
        live_bytes: figures.live_bytes,
        index_bytes: figures.index_bytes,
        index_items: figures.index_items,
        memory: crate::metrics::resident().unwrap_or(0),
        flushed: figures.flushed.map(shown),
        backed_up: figures.backed_up.map(shown),
        disk_full: figures.full,
        reload_failed: reload_failed.map(|failure| format!("{}: {}", failure.0, failure.1)),
        warnings: config.warnings.iter().map(ToString::to_string).collect(),
        relabel: labels::progress(context),
        troubles: labels::troubles(&config),
        failing: failing.into_iter().map(|(_, row)| row).collect(),
    })
}

/// Those that failed most often, the first in feeds.toml first.
fn keep_worst(rows: &mut Vec<(usize, FeedRow)>) {
    rows.sort_unstable_by_key(|(at, row)| (Reverse(row.fails), *at));
    rows.truncate(WORST);
}
