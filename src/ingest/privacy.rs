//! A source becomes private, or public: its articles are decided anew. What was seen elsewhere too is parted, so that
//! nothing private stays in a public story and nothing public goes with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Options;
use crate::dedup::story;
use crate::enrich::{fingerprint, url};
use crate::label;
use crate::model::article::{Article, ArticleId, Key, Sighting};
use crate::model::source::{Source, SourceId};
use crate::model::time::Timestamp;
use crate::store::{self, Batch, Change, Found, Store};

/// Under this name the store remembers which sources were private.
const NOTE: &str = "private-sources";
/// Articles looked at at a time.
const PAGE: usize = 500;
/// How often one article is tried while visits come between.
const MOST_TRIES: usize = 16;

/// Compares the sources' privacy with what it was, and decides anew what must be. Gives the number of articles changed.
///
/// # Errors
/// Those of the store; what was not done is done the next time.
pub async fn follow(
    store: &dyn Store,
    sources: &[Arc<Source>],
    now: Timestamp,
    options: &Options,
) -> Result<u64, store::Error> {
    let private: BTreeSet<&str> = sources
        .iter()
        .filter(|source| source.private)
        .map(|source| source.id.as_str())
        .collect();
    let noted = store.note(NOTE).await?.unwrap_or_default();
    let noted = String::from_utf8_lossy(&noted).into_owned();
    let before: BTreeSet<&str> = noted.lines().collect();
    if before == private {
        return Ok(0);
    }
    let mut changed = BTreeSet::new();
    for source in sources {
        let id = source.id.as_str();
        if private.contains(id) != before.contains(id) && store.state(&source.id).await?.is_some() {
            changed.insert(source.id.clone());
        }
    }
    let done = if changed.is_empty() {
        0
    } else {
        decide_anew(store, &changed, &private, now, options).await?
    };
    let note: Vec<&str> = private.into_iter().collect();
    store.set_note(NOTE, note.join("\n").as_bytes()).await?;
    Ok(done)
}

async fn decide_anew(
    store: &dyn Store,
    changed: &BTreeSet<SourceId>,
    private: &BTreeSet<&str>,
    now: Timestamp,
    options: &Options,
) -> Result<u64, store::Error> {
    let (mut after, mut done) = (0, 0);
    loop {
        let page = store.sightings(after, PAGE).await?;
        let Some((last, _, _)) = page.last() else {
            return Ok(done);
        };
        after = *last;
        for (_, id, sightings) in &page {
            let concerned = sightings
                .iter()
                .filter_map(|sighting| sighting.source.as_ref())
                .find(|source| changed.contains(*source));
            if let Some(source) = concerned {
                let is_private = private.contains(source.as_str());
                done += u64::from(one(store, *id, source, is_private, now, options).await?);
            }
        }
    }
}

async fn one(
    store: &dyn Store,
    id: ArticleId,
    source: &SourceId,
    private: bool,
    now: Timestamp,
    options: &Options,
) -> Result<bool, store::Error> {
    for _ in 0..MOST_TRIES {
        let Found::Article(article) = store.article(id).await? else {
            return Ok(false);
        };
        let expects = vec![(article.head.id, article.head.version)];
        let Some(changes) = changes(*article, source, private, now, options) else {
            return Ok(false);
        };
        let batch = Batch {
            durable: true,
            changes,
            expects,
            ..Batch::default()
        };
        match store.commit(batch, now).await {
            Ok(_) => return Ok(true),
            Err(store::Error::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(store::Error::Conflict)
}

/// The changes that part what must not be together and turn the rest; `None` if all is as it should be.
fn changes(
    mut article: Article,
    source: &SourceId,
    private: bool,
    now: Timestamp,
    options: &Options,
) -> Option<Vec<Change>> {
    if article.head.private == private {
        return None;
    }
    let before = url_keys(&article);
    let ours = |sighting: &Sighting| sighting.source.as_ref() == Some(source);
    // The copies that do not go the way of the article's founder.
    let founder_is_ours = article
        .sightings
        .iter()
        .any(|sighting| ours(sighting) && sighting.guid_key == article.head.id.0);
    let turns = founder_is_ours || article.sightings.iter().all(ours);
    let leaving: Vec<ArticleId> = article
        .sightings
        .iter()
        .filter(|sighting| ours(sighting) != turns)
        .map(|sighting| ArticleId(sighting.guid_key))
        .collect();
    let mut parts = Vec::new();
    for id in leaving {
        let mut part = story::part(&mut article, id, now)?;
        if !turns {
            part.head.private = private;
        }
        parts.push(part);
    }
    if turns {
        article.head.private = private;
    }
    label::story(&mut article, &options.label);
    article.head.version += 1;
    let keys = url_keys(&article);
    let mut lost: Vec<Key> = before
        .into_iter()
        .filter(|key| !keys.contains(key))
        .collect();
    let mut founded = Vec::new();
    for mut part in parts {
        lost.push(Key::Guid(part.head.id.0));
        label::story(&mut part, &options.label);
        founded.push(Change::New {
            keys: url_keys(&part),
            article: Box::new(part),
        });
    }
    let parted = Change::Parted {
        article: Box::new(article),
        keys,
        lost,
    };
    Some(std::iter::once(parted).chain(founded).collect())
}

/// The keys of the addresses of an article's copies, in the namespace that it stands in.
#[must_use]
pub fn url_keys(article: &Article) -> Vec<Key> {
    let private = article.head.private.then_some(&article.head.source);
    let mut keys: Vec<Key> = article
        .sightings
        .iter()
        .filter_map(|sighting| url::canonical(sighting.url.as_deref()?))
        .filter(|canonical| url::names_one_article(canonical))
        .map(|canonical| fingerprint::url_key(&canonical, private))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
