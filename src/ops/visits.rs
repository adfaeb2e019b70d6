//! Visiting sources now, and how far that has come.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::feeds::find;
use super::{Context, Error, labels};
use crate::config::Config;
use crate::fetch::Fetcher;
use crate::metrics::Metrics;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::poll::{Polled, Poller};

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
    let wanted: HashSet<&str> = since.ids.iter().map(String::as_str).collect();
    let from = Timestamp::from_micros(since.micros);
    let sources = config.sources.iter().map(|source| &source.id);
    let meant: HashSet<&SourceId> = sources
        .filter(|id| wanted.is_empty() || wanted.contains(id.as_str()))
        .collect();
    let mut progress = Progress {
        of: meant.len(),
        ..Progress::default()
    };
    let count = |id: SourceId, state: SourceState| {
        let last = state.visits.first().filter(|_| meant.contains(&id));
        progress.visited += usize::from(last.is_some_and(|visit| visit.at >= from));
    };
    context.each_state(count).await?;
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
