//! How the sources are doing, and visiting them now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::{Context, Error, labels};
use crate::config::Config;
use crate::fetch::Fetcher;
use crate::metrics::Metrics;
use crate::model::source::{
    Fault, Health, Move, MoveCandidate, Source, SourceId, SourceKind, SourceState, Visit,
};
use crate::model::time::Timestamp;
use crate::poll::schedule::polled_at;
use crate::poll::{Polled, Poller};
use crate::text;

/// Which sources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Those whose last visit failed, or that are gone.
    pub failing: bool,
    /// Those that had nothing new for longer than `silent_after`.
    pub silent: bool,
    /// Those with this tag in feeds.toml (their own, or their category's).
    pub tag: Option<String>,
    /// Those in this category.
    pub category: Option<String>,
}

/// One line of `aggd list-feeds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRow {
    /// Id.
    pub id: String,
    /// Title: the administrator's, else the publisher's.
    pub title: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// Tags of feeds.toml.
    pub tags: Vec<String>,
    /// `new`, `ok`, `failing`, `gone`, `paused`.
    pub state: String,
    /// Last visit that went well.
    pub last_ok: Option<String>,
    /// Next visit.
    pub next: Option<String>,
    /// Address in feeds.toml.
    pub url: String,
    /// The site it belongs to, as far as the feed has told.
    pub home: Option<String>,
    /// `feed`, `file`, `exec`.
    pub kind: String,
    /// When something new last came.
    pub last_new: Option<String>,
    /// What is wrong, in words.
    pub error: Option<String>,
    /// Failures in a row.
    pub fails: u32,
    /// Nothing new for longer than `silent_after`.
    pub silent: bool,
}

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

/// One source whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    /// What a list shows.
    #[serde(flatten)]
    pub row: FeedRow,
    /// What is polled, if that is another address than in feeds.toml.
    pub polled: Option<String>,
    /// Others that are polled at the same address since one of them moved there: one request serves them all.
    #[serde(default)]
    pub with: Vec<String>,
    /// Why the next visit is when it is.
    pub why: String,
    /// Since when it fails.
    pub first_fail: Option<String>,
    /// When the last failure was.
    pub failed_at: Option<String>,
    /// Permanent redirect that still has to prove itself.
    pub move_candidate: Option<String>,
    /// Permanent redirects that were taken over.
    pub moves: Vec<MoveView>,
    /// Where it stands: file, line and column.
    pub written: Option<String>,
    /// The last visits, newest first.
    pub visits: Vec<VisitView>,
}

/// One visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitView {
    /// When.
    pub at: String,
    /// `fresh`, `unchanged`, `not-modified`, or what went wrong.
    pub outcome: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// Bytes.
    pub bytes: u64,
    /// Milliseconds.
    pub ms: u32,
    /// New articles.
    pub new: u32,
    /// Updated articles.
    pub updated: u32,
}

/// A permanent redirect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveView {
    /// Old address.
    pub from: String,
    /// New address.
    pub to: String,
    /// When it was taken over.
    pub at: String,
    /// 301 or 308.
    pub status: u16,
}

/// A source whose address in feeds.toml is no longer the one that is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Which.
    pub id: String,
    /// Address in feeds.toml.
    pub from: String,
    /// Address that is polled.
    pub to: String,
    /// Others that are polled there, too.
    #[serde(default)]
    pub with: Vec<String>,
    /// Where it stands in feeds.toml.
    pub written: String,
}

/// Which sources to visit now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fetch {
    /// These; all if empty.
    pub ids: Vec<String>,
    /// Even if the origin asked us to wait.
    pub force: bool,
    /// Answer when they have been visited.
    pub wait: bool,
}

/// Since when, and for which sources, somebody waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Since {
    /// The moment, in microseconds since 1970.
    pub micros: i64,
    /// These; all if empty.
    pub ids: Vec<String>,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Sources that were visited since.
    pub visited: usize,
    /// Sources in all.
    pub of: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fetched {
    /// The visits that are over.
    pub visits: Vec<FetchedFeed>,
    /// Sources that will be visited soon.
    pub planned: usize,
}

/// What came of one visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedFeed {
    /// Which.
    pub id: String,
    /// `fresh`, `unchanged`, `not-modified`, or what went wrong.
    pub outcome: String,
    /// New articles.
    pub new: u32,
    /// Updated articles.
    pub updated: u32,
    /// What is wrong, in words.
    pub error: Option<String>,
}

/// What a clearing brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Articles that are gone.
    pub articles: u64,
    /// Bytes of the log before.
    pub log_before: u64,
    /// And after.
    pub log_after: u64,
    /// Bytes of the index before.
    pub index_before: u64,
    /// And after.
    pub index_after: u64,
}

/// All that is remembered of the sources of feeds.toml; nothing if there is no store.
async fn states(context: &Context) -> Result<HashMap<SourceId, SourceState>, Error> {
    const PAGE: usize = 1000;
    let mut all = HashMap::new();
    let Some(store) = &context.store else {
        return Ok(all);
    };
    let mut after = None;
    loop {
        let page = store.states(after, PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().map(|(id, _)| id.clone());
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

/// The sources, in the order of feeds.toml.
///
/// # Errors
/// If the store cannot be read, or a category of that name does not exist.
pub async fn list(context: &Context, filter: &Filter) -> Result<Vec<FeedRow>, Error> {
    let config = context.config.load_full();
    let states = states(context).await?;
    let now = context.clock.now();
    let tag = filter.tag.as_deref().map(text::key);
    let category = filter.category.as_deref().map(text::key);
    let fits = |source: &Source| {
        let Some(category) = &category else {
            return true;
        };
        source.category.as_deref().map(text::key).as_ref() == Some(category)
    };
    let rows = config
        .sources
        .iter()
        .filter(|source| fits(source))
        .filter(|source| tag.as_ref().is_none_or(|tag| has_tag(source, tag, &config)))
        .map(|source| row(source, states.get(&source.id), &config, now))
        .filter(|row| !filter.failing || is_failing(row))
        .filter(|row| !filter.silent || row.silent)
        .collect();
    Ok(rows)
}

fn has_tag(source: &Source, tag: &str, config: &Config) -> bool {
    let shelf = source
        .category
        .as_deref()
        .and_then(|name| config.label.categories.get(&text::key(name)));
    source
        .tags
        .iter()
        .chain(shelf.into_iter().flat_map(|category| &category.tags))
        .any(|name| text::key(name) == tag)
}

/// True if somebody should look at it.
#[must_use]
pub fn is_failing(row: &FeedRow) -> bool {
    matches!(row.state.as_str(), "failing" | "gone")
}

/// The whole at a glance.
///
/// # Errors
/// If the store cannot be read.
pub async fn status(context: &Context) -> Result<Status, Error> {
    let config = context.config.load_full();
    let rows = list(context, &Filter::default()).await?;
    let mut states: HashMap<String, usize> = HashMap::new();
    for row in &rows {
        *states.entry(row.state.clone()).or_default() += 1;
    }
    let (figures, next) = match &context.store {
        Some(store) => (store.stats().await?, store.next_due().await?),
        None => (crate::store::Stats::default(), None),
    };
    let silent = rows.iter().filter(|row| row.silent).count();
    let mut failing: Vec<FeedRow> = rows.into_iter().filter(is_failing).collect();
    failing.sort_by_key(|row| std::cmp::Reverse(row.fails));
    failing.truncate(10);
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
        failing,
    })
}

fn find<'a>(config: &'a Config, id: &str) -> Result<(usize, &'a Source), Error> {
    config
        .sources
        .iter()
        .enumerate()
        .map(|(index, source)| (index, source.as_ref()))
        .find(|(_, source)| source.id.as_str() == id)
        .ok_or_else(|| {
            let ids = config.sources.iter().map(|source| source.id.as_str());
            let hint = crate::config::hint(id, ids);
            Error::NotFound(format!("there is no feed `{id}`{hint}"))
        })
}

/// One source with its last visits.
///
/// # Errors
/// If feeds.toml has none of that id, or the store cannot be read.
pub async fn one(context: &Context, id: &str) -> Result<FeedStatus, Error> {
    let config = context.config.load_full();
    let (index, source) = find(&config, id)?;
    let state = match &context.store {
        Some(store) => store.state(&source.id).await?,
        None => None,
    };
    let row = row(source, state.as_ref(), &config, context.clock.now());
    let state = state.unwrap_or_default();
    let with = if state.moves.is_empty() {
        Vec::new()
    } else {
        let states = states(context).await?;
        others(
            &by_address(&config, &states),
            polled_at(&state, source),
            &source.id,
        )
    };
    Ok(FeedStatus {
        row,
        polled: Some(state.url_current)
            .filter(|polled| !polled.is_empty() && *polled != source.url),
        with,
        why: state.why,
        first_fail: state.first_fail.map(shown),
        failed_at: state.last_error.map(|fault| shown(fault.at)),
        move_candidate: state.move_candidate.as_ref().map(candidate),
        moves: state.moves.iter().map(moved_view).collect(),
        written: config.places.get(index).map(ToString::to_string),
        visits: state.visits.iter().map(visit).collect(),
    })
}

/// Which sources are polled at which address.
fn by_address<'a>(
    config: &'a Config,
    states: &'a HashMap<SourceId, SourceState>,
) -> HashMap<&'a str, Vec<&'a SourceId>> {
    let mut all: HashMap<&str, Vec<&SourceId>> = HashMap::new();
    for source in &config.sources {
        let address = states
            .get(&source.id)
            .map_or(source.url.as_str(), |state| polled_at(state, source));
        all.entry(address).or_default().push(&source.id);
    }
    all
}

/// Those that are polled there, apart from this one.
fn others(all: &HashMap<&str, Vec<&SourceId>>, address: &str, id: &SourceId) -> Vec<String> {
    all.get(address)
        .into_iter()
        .flatten()
        .filter(|other| **other != id)
        .map(ToString::to_string)
        .collect()
}

fn candidate(candidate: &MoveCandidate) -> String {
    format!(
        "{} (seen {} times since {})",
        candidate.url, candidate.count, candidate.since
    )
}

fn moved_view(step: &Move) -> MoveView {
    MoveView {
        from: step.from.clone(),
        to: step.to.clone(),
        at: shown(step.at),
        status: step.status,
    }
}

fn visit(visit: &Visit) -> VisitView {
    VisitView {
        at: shown(visit.at),
        outcome: visit.outcome.clone(),
        status: Some(visit.status).filter(|status| *status != 0),
        bytes: visit.bytes,
        ms: visit.millis,
        new: visit.new,
        updated: visit.updated,
    }
}

/// Permanent redirects that feeds.toml does not know yet.
///
/// # Errors
/// If the store cannot be read.
pub async fn moved(context: &Context) -> Result<Vec<Moved>, Error> {
    let config = context.config.load_full();
    let states = states(context).await?;
    let addresses = by_address(&config, &states);
    Ok(config
        .sources
        .iter()
        .zip(&config.places)
        .filter_map(|(source, place)| {
            let state = states.get(&source.id)?;
            let to = state.url_current.as_str();
            // A state from before the address was edited says nothing about the new one.
            let moved = state.url_config == source.url
                && !to.is_empty()
                && to != source.url
                && !state.moves.is_empty();
            moved.then(|| Moved {
                id: source.id.to_string(),
                from: source.url.clone(),
                to: to.to_owned(),
                with: others(&addresses, to, &source.id),
                written: place.to_string(),
            })
        })
        .collect())
}

/// Drops what is too old, now.
///
/// # Errors
/// If there is no store or it cannot.
pub async fn sweep(context: &Context) -> Result<Swept, Error> {
    let store = context.store()?;
    let before = store.stats().await?;
    let articles = store.forget(context.clock.now()).await?;
    let after = store.stats().await?;
    Ok(Swept {
        articles,
        log_before: before.log_bytes,
        log_after: after.log_bytes,
        index_before: before.index_bytes,
        index_after: after.index_bytes,
    })
}

/// Visits sources now. With a daemon and without `wait`, what is not over in a moment goes on behind the answer.
///
/// # Errors
/// If feeds.toml has no such feed, or the store cannot.
pub async fn fetch(context: &Context, fetch: &Fetch) -> Result<Fetched, Error> {
    const MOMENT: Duration = Duration::from_millis(100);
    let config = context.config.load_full();
    let mut ids = Vec::new();
    for id in &fetch.ids {
        let id = find(&config, id)?.1.id.clone();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let count = if ids.is_empty() {
        config.sources.len()
    } else {
        ids.len()
    };
    let ids = (!ids.is_empty()).then_some(ids);
    let polled = if let Some(poller) = &context.poller {
        let visits = poller.poll_now(ids, fetch.force);
        if fetch.wait {
            visits.await?
        } else {
            match tokio::time::timeout(MOMENT, visits).await {
                Ok(polled) => polled?,
                // Asked for is asked for: the loop goes on with it.
                Err(_) => {
                    return Ok(Fetched {
                        visits: Vec::new(),
                        planned: count,
                    });
                }
            }
        }
    } else {
        own_poller(context, &config)?
            .poll_now(ids, fetch.force)
            .await?
    };
    Ok(Fetched {
        visits: polled.into_iter().map(fetched).collect(),
        planned: 0,
    })
}

/// How many sources have been visited since somebody asked.
///
/// # Errors
/// If the store cannot be read.
pub async fn progress(context: &Context, since: &Since) -> Result<Progress, Error> {
    let config = context.config.load_full();
    let states = states(context).await?;
    let wanted: HashSet<&str> = since.ids.iter().map(String::as_str).collect();
    let from = Timestamp::from_micros(since.micros);
    let mut progress = Progress::default();
    let sources = config.sources.iter();
    for source in sources.filter(|one| wanted.is_empty() || wanted.contains(one.id.as_str())) {
        progress.of += 1;
        let last = states
            .get(&source.id)
            .and_then(|state| state.visits.first());
        progress.visited += usize::from(last.is_some_and(|visit| visit.at >= from));
    }
    Ok(progress)
}

fn own_poller(context: &Context, config: &Config) -> Result<Poller, Error> {
    let fetcher = Fetcher::new(config.fetch.clone())
        .map_err(|error| Error::Failed(super::with_causes(&error)))?;
    let options = labels::ingest_options(config);
    Ok(Poller::new(
        Arc::clone(context.store()?),
        Arc::new(fetcher),
        Arc::clone(&context.clock),
        Arc::new(ArcSwap::from_pointee(config.source_map())),
        config.poll,
        Arc::new(options),
        Metrics::default(),
    ))
}

fn fetched((id, polled): (SourceId, Polled)) -> FetchedFeed {
    let quiet = |outcome: String| FetchedFeed {
        id: id.to_string(),
        outcome,
        new: 0,
        updated: 0,
        error: None,
    };
    match polled {
        Polled::Visited(report) => FetchedFeed {
            new: report.new,
            updated: report.updated,
            error: report.fault.map(|fault| fault.text),
            ..quiet(report.outcome)
        },
        Polled::Waits { until, why } => quiet(format!("waits until {until} ({why})")),
        Polled::Unknown => quiet("is being visited by somebody else".to_owned()),
        Polled::Dropped => FetchedFeed {
            error: Some("the visit was broken off".to_owned()),
            ..quiet("dropped".to_owned())
        },
    }
}

fn row(source: &Source, state: Option<&SourceState>, config: &Config, now: Timestamp) -> FeedRow {
    let unknown = SourceState::default();
    let state = state.unwrap_or(&unknown);
    let about = state.about.as_ref();
    let title = about.map(|about| about.title.clone());
    FeedRow {
        id: source.id.to_string(),
        title: source
            .title
            .clone()
            .or(title)
            .filter(|title| !title.is_empty()),
        category: source.category.clone(),
        tags: source.tags.clone(),
        state: health(state.health).to_owned(),
        last_ok: state.last_ok.map(shown),
        next: next(state).map(shown),
        url: source.url.clone(),
        home: about.and_then(|about| about.home_url.clone()),
        kind: match source.kind {
            SourceKind::Feed => "feed",
            SourceKind::File => "file",
            SourceKind::Exec(_) => "exec",
        }
        .to_owned(),
        last_new: state.last_new.map(shown),
        error: state
            .last_error
            .as_ref()
            .filter(|_| !matches!(state.health, Health::Ok | Health::New))
            .map(|fault| wrong(fault, source)),
        fails: state.fails,
        silent: is_silent(state, config, now),
    }
}

/// One sentence, with the hop that failed where it is not the address of feeds.toml.
fn wrong(fault: &Fault, source: &Source) -> String {
    match &fault.url {
        Some(url) if *url != source.url => format!("{} (at {url})", fault.text),
        _ => fault.text.clone(),
    }
}

fn next(state: &SourceState) -> Option<Timestamp> {
    let due = state.next_due;
    (state.health != Health::Gone && due != Timestamp::EPOCH && due < Timestamp::FAR_FUTURE)
        .then_some(due)
}

fn is_silent(state: &SourceState, config: &Config, now: Timestamp) -> bool {
    // A source that never had anything is silent since we know it.
    let since = state.last_new.or(state.last_ok.map(|_| state.added));
    since.is_some_and(|since| now.since(since) > config.poll.silent_after)
}

/// A point in time as operators read it: whole seconds.
fn shown(time: Timestamp) -> String {
    time.whole_seconds().to_rfc3339()
}

/// The word for how a source is doing.
#[must_use]
pub fn health(health: Health) -> &'static str {
    match health {
        Health::New => "new",
        Health::Ok => "ok",
        Health::Failing => "failing",
        Health::Gone => "gone",
        Health::Paused => "paused",
    }
}
