//! Stories that are kept, labelled once more: after rules, outputs or tags changed. Page by page, in the order of arrival,
//! so that it can stop at any place and begin again.
//!
//! A copy's own marks stay as they are, since what its source's rules saw is gone; its tags follow `[tags]`, `[category.*]`
//! and its `[[feed]]` as they are now. A story that a rule would drop is dropped only when somebody asks for that: a slip
//! in feeds.toml must not empty the store.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Options;
use crate::enrich;
use crate::label;
use crate::model::article::{Article, ArticleId, Head, Sighting};
use crate::model::source::{SourceId, Sources};
use crate::model::time::Timestamp;
use crate::store::{self, Batch, Change, Found, Store};

/// Which stories, and what may be done to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// Only those published at this time or later.
    pub since: Option<Timestamp>,
    /// Only those seen at one of these sources.
    pub seen_at: Option<Arc<HashSet<SourceId>>>,
    /// Nothing is written.
    pub dry_run: bool,
    /// Stories that a rule drops go for good.
    pub may_drop: bool,
}

/// What is or would be different about a story.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Difference {
    /// Its id.
    pub article: String,
    /// Its headline as it was.
    pub title: String,
    /// Tags, outputs and categories that it gets: `tag rust`, `output morning`.
    pub added: Vec<String>,
    /// And those that it loses.
    pub removed: Vec<String>,
    /// Its score before and after, if that changes.
    pub score: Option<(i32, i32)>,
    /// Another headline.
    pub new_title: Option<String>,
    /// Another address.
    pub new_url: Option<String>,
    /// A rule drops it.
    pub dropped: bool,
}

/// What one page brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Where the next page begins; `None`: that was the last.
    pub next: Option<u64>,
    /// Stories looked at.
    pub looked: u64,
    /// Those that are, or would be, different.
    pub differences: Vec<Difference>,
}

/// How far it has come, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// It is under way, or about to begin.
    pub running: bool,
    /// Stories looked at.
    pub looked: u64,
    /// Stories in the store when it began.
    pub of: u64,
    /// Stories that changed.
    pub changed: u64,
    /// Stories that a rule would drop, and that were kept.
    pub spared: u64,
}

/// Where progress is told.
pub type Watch = watch::Sender<Progress>;

/// Labels the stories that come after the number `after`, at most so many.
///
/// # Errors
/// Those of the store.
pub async fn page(
    store: &dyn Store,
    sources: &Arc<Sources>,
    options: &Arc<Options>,
    ask: Ask,
    (after, most): (u64, usize),
    now: Timestamp,
) -> Result<Done, store::Error> {
    let rows = store.sightings(after, most).await?;
    let next = rows.last().map(|(place, ..)| *place);
    let mut done = Done {
        next: next.filter(|_| rows.len() == most),
        looked: rows.len() as u64,
        differences: Vec::new(),
    };
    let mut stories = Vec::with_capacity(rows.len());
    for (_, id, copies) in rows {
        let mut seen_at = copies.iter().filter_map(|copy| copy.source.as_ref());
        if let Some(wanted) = &ask.seen_at
            && !seen_at.any(|source| wanted.contains(source))
        {
            continue;
        }
        if let Found::Article(article) = store.article(id).await?
            && ask
                .since
                .is_none_or(|since| article.head.published >= since)
        {
            stories.push(*article);
        }
    }
    let (sources, options) = (Arc::clone(sources), Arc::clone(options));
    let dry_run = ask.dry_run;
    let work = move || -> Vec<(Option<Change>, (ArticleId, u32), Difference)> {
        let stories = stories.into_iter();
        stories
            .filter_map(|story| again(story, &sources, &options, &ask))
            .collect()
    };
    let worked = tokio::task::spawn_blocking(work).await;
    let mut batch = Batch::default();
    for (change, expects, difference) in worked.map_err(|_| store::Error::Closed)? {
        done.differences.push(difference);
        if let Some(change) = change {
            batch.changes.push(change);
            batch.expects.push(expects);
        }
    }
    if dry_run || batch.changes.is_empty() {
        return Ok(done);
    }
    match store.commit(batch.clone(), now).await {
        Err(store::Error::Conflict) => {
            // A visit came first at one of them: that one has been labelled by it, the others are still to be kept.
            for (change, expects) in batch.changes.into_iter().zip(batch.expects) {
                let one = Batch {
                    changes: vec![change],
                    expects: vec![expects],
                    ..Batch::default()
                };
                match store.commit(one, now).await {
                    Ok(_) | Err(store::Error::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(done)
        }
        Err(error) => Err(error),
        Ok(_) => Ok(done),
    }
}

/// One story: what is to be done, the version that this relies on, and what is different; `None` if nothing is.
fn again(
    mut story: Article,
    sources: &Sources,
    options: &Options,
    ask: &Ask,
) -> Option<(Option<Change>, (ArticleId, u32), Difference)> {
    let before = story.clone();
    for copy in &mut story.sightings {
        let source = copy.source.as_ref().and_then(|id| sources.get(id));
        label::rules::remark(copy, source.map(Arc::as_ref), &options.label);
    }
    // Kept before keywords were published.
    if options.label.auto == label::Auto::Publish && !label::is_read(&story) {
        let text = enrich::body_text(&story.entry);
        let lesson = label::read(&mut story, &text, &options.label);
        if let Some(lesson) = lesson.filter(|_| !ask.dry_run) {
            let learnt = &options.label.learnt;
            learnt.article(&lesson.language, &lesson.terms);
        }
    }
    let ruled = label::story(&mut story, &options.label);
    if story == before && !ruled.dropped {
        return None;
    }
    let difference = Difference {
        dropped: ruled.dropped,
        ..difference(&before, &story)
    };
    let expects = (before.head.id, before.head.version);
    if ruled.dropped && ask.may_drop {
        let change = Change::Removed { id: before.head.id };
        return Some((Some(change), expects, difference));
    }
    if story == before {
        return Some((None, expects, difference));
    }
    story.head.version += 1;
    let change = if ruled.text_changed {
        Change::Revised {
            article: Box::new(story),
            keys: Vec::new(),
        }
    } else {
        let copies = story.sightings.into_iter().zip(&before.sightings);
        let changed = |(now, then): (Sighting, &Sighting)| (now != *then).then_some(now);
        Change::Amended {
            head: Box::new(story.head),
            sightings: copies.filter_map(changed).collect(),
            keys: Vec::new(),
        }
    };
    Some((Some(change), expects, difference))
}

fn difference(before: &Article, after: &Article) -> Difference {
    let (old, new) = (labels(&before.head), labels(&after.head));
    let without = |one: &[String], other: &[String]| -> Vec<String> {
        let missing = one.iter().filter(|label| !other.contains(label));
        missing.cloned().collect()
    };
    let title = before.entry.title_text().to_owned();
    let new_title = after.entry.title_text();
    Difference {
        article: before.head.id.to_string(),
        added: without(&new, &old),
        removed: without(&old, &new),
        score: (before.head.score != after.head.score)
            .then_some((before.head.score, after.head.score)),
        new_title: (new_title != title).then(|| new_title.to_owned()),
        new_url: after
            .entry
            .url
            .clone()
            .filter(|url| before.entry.url.as_ref() != Some(url)),
        title,
        dropped: false,
    }
}

fn labels(head: &Head) -> Vec<String> {
    let tags = head.tags.iter().map(|tag| format!("tag {}", tag.name));
    let shelves = head
        .categories
        .iter()
        .map(|name| format!("category {name}"));
    let outputs = head.outputs.iter().map(|id| format!("output {id}"));
    tags.chain(shelves).chain(outputs).collect()
}
