//! Tags and categories with their counts; stories labelled again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Error, articles};
use crate::config::Config;
use crate::ingest;
pub use crate::ingest::relabel::Difference;
use crate::ingest::relabel::{self, Ask};
use crate::model::label::LabelCount;

/// A tag or category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRow {
    /// As it is spelt in lists and URLs.
    pub name: String,
    /// What makes two spellings one.
    pub key: String,
    /// Articles that have it now.
    pub articles: u64,
    /// Title for people, where the administrator gave one.
    pub title: Option<String>,
    /// Sources on this shelf.
    pub feeds: Option<u64>,
}

/// Which stories to label again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Retag {
    /// Published since: RFC 3339, or a duration back from now.
    pub since: Option<String>,
    /// Only say what would change.
    pub dry_run: bool,
    /// The last page's `next`.
    pub after: u64,
}

/// What labelling a page of stories again brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retagged {
    /// To be given as `after` for the next page.
    pub next: Option<u64>,
    /// Stories looked at.
    pub looked: u64,
    /// What is, or would be, different.
    pub differences: Vec<Difference>,
}

/// Labels a page of stories again, by the rules, outputs and tags of today; what a rule drops goes for good.
///
/// # Errors
/// If there is no store or it fails.
pub async fn retag(context: &Context, wanted: &Retag) -> Result<Retagged, Error> {
    const PAGE: usize = 500;
    let config = context.config.load_full();
    let now = context.clock.now();
    let since = wanted.since.as_deref();
    let since = since.map(|text| articles::since(text, now)).transpose()?;
    let ask = Ask {
        since,
        dry_run: wanted.dry_run,
        may_drop: true,
        ..Ask::default()
    };
    if context.started.is_none() {
        super::suggest::remember(&config, &**context.store()?).await?;
    }
    let options = Arc::new(ingest_options(&config));
    let sources = Arc::new(config.source_map());
    let store = context.store()?;
    let place = (wanted.after, PAGE);
    let done = relabel::page(&**store, &sources, &options, ask, place, now).await?;
    Ok(Retagged {
        next: done.next,
        looked: done.looked,
        differences: done.differences,
    })
}

/// What the steps between need, from the configuration.
#[must_use]
pub fn ingest_options(config: &Config) -> ingest::Options {
    ingest::Options {
        dedup: config.dedup,
        label: config.label.clone(),
        ..ingest::Options::default()
    }
}

/// How far labelling stories again has come, in words; `None` if nothing is to be said.
pub(super) fn progress(context: &Context) -> Option<String> {
    let progress = *context.relabel.borrow();
    if progress.running {
        return Some(format!(
            "{} of {} stories looked at, {} changed",
            progress.looked, progress.of, progress.changed
        ));
    }
    (progress.spared > 0).then(|| {
        format!(
            "{} stories that a rule drops are still kept; `aggd retag` drops them",
            progress.spared
        )
    })
}

/// Rules and outputs that failed for articles.
pub(super) fn troubles(config: &Config) -> Vec<String> {
    let told = config.label.rules.troubles();
    told.into_iter()
        .map(|(name, first, articles)| format!("{name} failed for {articles} articles: {first}"))
        .collect()
}

/// All tags, most articles first.
///
/// # Errors
/// If there is no store or it cannot be read.
pub async fn tags(context: &Context) -> Result<Vec<LabelRow>, Error> {
    let config = context.config.load();
    let counts = context.store()?.tags().await?;
    let label = |mut row: LabelRow| {
        if let Some(label) = config.label.label.get(&row.key) {
            row.name.clone_from(label);
        }
        row
    };
    Ok(counts.into_iter().map(row).map(label).collect())
}

/// All categories, those of feeds.toml too if nothing stands there yet.
///
/// # Errors
/// If the store cannot be read.
pub async fn categories(context: &Context) -> Result<Vec<LabelRow>, Error> {
    let config = context.config.load();
    let counts = match &context.store {
        Some(store) => store.categories().await?,
        None => Vec::new(),
    };
    let mut rows: Vec<LabelRow> = counts.into_iter().map(row).collect();
    let written = config
        .label
        .categories
        .values()
        .map(|category| category.name.as_str())
        .chain(config.sources.iter().filter_map(|s| s.category.as_deref()));
    for name in written {
        let key = crate::text::key(name);
        if !rows.iter().any(|row| row.key == key) {
            rows.push(LabelRow {
                name: name.to_owned(),
                key,
                articles: 0,
                title: None,
                feeds: None,
            });
        }
    }
    for row in &mut rows {
        let on_shelf = config.sources.iter().filter(|source| {
            let category = source.category.as_deref().map(crate::text::key);
            category.as_deref() == Some(row.key.as_str())
        });
        row.feeds = Some(on_shelf.count() as u64);
        row.title = config
            .label
            .categories
            .get(&row.key)
            .and_then(|category| category.title.clone());
    }
    Ok(rows)
}

fn row(count: LabelCount) -> LabelRow {
    LabelRow {
        name: count.name,
        key: count.key,
        articles: count.articles,
        title: None,
        feeds: None,
    }
}
