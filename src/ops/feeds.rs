//! How the sources are doing: all in a list, one with its last visits.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::moves::{by_address, elsewhere, others};
use super::{Context, Error};
use crate::config::Config;
use crate::model::source::{
    Fault, Health, Move, MoveCandidate, Source, SourceId, SourceKind, SourceState, Visit,
};
use crate::model::time::Timestamp;
use crate::poll::schedule::polled_at;
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

/// The sources, in the order of feeds.toml.
///
/// # Errors
/// If the store cannot be read, or a category of that name does not exist.
pub async fn list(context: &Context, filter: &Filter) -> Result<Vec<FeedRow>, Error> {
    let config = context.config.load_full();
    let mut rows = Vec::new();
    each_row(context, &config, filter, |at, row| rows.push((at, row))).await?;
    rows.sort_unstable_by_key(|(at, _)| *at);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The same in no order, each with its place in feeds.toml: whoever only counts need not have all rows at once.
pub(super) async fn each_row(
    context: &Context,
    config: &Config,
    filter: &Filter,
    mut each: impl FnMut(usize, FeedRow),
) -> Result<(), Error> {
    let now = context.clock.now();
    let tag = filter.tag.as_deref().map(text::key);
    let category = filter.category.as_deref().map(text::key);
    let fits = |source: &Source| {
        let Some(category) = &category else {
            return true;
        };
        source.category.as_deref().map(text::key).as_ref() == Some(category)
    };
    let fits = |source: &Source| {
        fits(source) && tag.as_ref().is_none_or(|tag| has_tag(source, tag, config))
    };
    let sources = config.sources.iter().enumerate();
    let mut left: HashMap<&SourceId, usize> = sources
        .filter(|(_, source)| fits(source))
        .map(|(at, source)| (&source.id, at))
        .collect();
    let mut make = |at: usize, state: &SourceState| {
        let row = row(&config.sources[at], state, config, now);
        if (!filter.failing || is_failing(&row)) && (!filter.silent || row.silent) {
            each(at, row);
        }
    };
    let known = |id: SourceId, state: SourceState| {
        if let Some(at) = left.remove(&id) {
            make(at, &state);
        }
    };
    context.each_state(known).await?;
    let unknown = SourceState::default();
    for at in left.into_values() {
        make(at, &unknown);
    }
    Ok(())
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

pub(super) fn find<'a>(config: &'a Config, id: &str) -> Result<(usize, &'a Source), Error> {
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
    let state = state.unwrap_or_default();
    let row = row(source, &state, &config, context.clock.now());
    let with = if state.moves.is_empty() {
        Vec::new()
    } else {
        let elsewhere = elsewhere(context, &config).await?;
        others(
            &by_address(&config, &elsewhere),
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
        outcome: visit.outcome.to_string(),
        status: Some(visit.status).filter(|status| *status != 0),
        bytes: visit.bytes,
        ms: visit.millis,
        new: visit.new,
        updated: visit.updated,
    }
}

fn row(source: &Source, state: &SourceState, config: &Config, now: Timestamp) -> FeedRow {
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
pub(super) fn shown(time: Timestamp) -> String {
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
