//! Stories: which articles were seen at several places, and the administrator's word on what belongs together.
//!
//! A word is kept with the copies that it concerns, as what log and backups hold of them: no index, no restart and no
//! later visit takes it back.

use serde::{Deserialize, Serialize};

use super::articles::{article_id, found};
use super::{Context, Error};
use crate::dedup::story;
use crate::ingest::privacy::url_keys;
use crate::label;
use crate::model::article::{Article, ArticleId, Joined, Key, Layer, Sighting, Spoke};
use crate::model::label::{Scope, Selection};
use crate::model::source::SourceId;
use crate::store::{self, Batch, Change, Found, Page};

/// Articles read at a time.
const PAGE: usize = 200;
/// How often a decision is made again when visits come between.
const MOST_TRIES: usize = 16;

/// A story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoryRow {
    /// Id of its article.
    pub id: String,
    /// Published.
    pub published: String,
    /// Headline of the copy that leads.
    pub title: String,
    /// Its copies, the first seen first.
    pub copies: Vec<CopyRow>,
    /// Ids of articles with the same headline and too little text to compare: they may be the same.
    pub maybe: Vec<String>,
}

/// A copy of a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyRow {
    /// The id that it would have alone.
    pub id: String,
    /// Source.
    pub feed: String,
    /// Headline there.
    pub title: String,
    /// Where it leads, it leads the story.
    pub leads: bool,
    /// Why it belongs here.
    #[serde(flatten)]
    pub why: Why,
}

/// Why a copy belongs to its article.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// `founded`, `url`, `content`, `near` or `pinned`.
    pub layer: Layer,
    /// The copy that it resembles.
    pub with: Option<String>,
    /// How much.
    pub scores: Option<ScoresView>,
    /// Other articles that were looked at, and what spoke against each.
    pub against: Vec<AgainstView>,
}

/// How alike two texts are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoresView {
    /// Shingles in common, of all.
    pub jaccard: f32,
    /// Shingles in common, of those of the shorter text.
    pub containment: f32,
    /// The same of the beginnings.
    pub lead: f32,
    /// Numbers in common.
    pub common_numbers: u32,
    /// Numbers of the text that has fewer.
    pub numbers: u32,
}

/// An article that is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgainstView {
    /// Its id.
    pub article: String,
    /// `different`, `numbers`, `series`, `footer`, `weaker`, `title` or `teaser`.
    pub spoke: Spoke,
    /// How alike.
    pub scores: ScoresView,
}

/// What a split or a merge left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The article that keeps its id.
    pub article: String,
    /// Ids of the articles that stand alone now, or that became part of it.
    pub others: Vec<String>,
}

/// The reason that is kept with a copy.
#[must_use]
pub fn why(joined: &Joined) -> Why {
    let scores = |scores: &crate::model::article::Scores| ScoresView {
        jaccard: scores.jaccard,
        containment: scores.containment,
        lead: scores.lead,
        common_numbers: scores.common_numbers,
        numbers: scores.numbers,
    };
    Why {
        layer: joined.layer,
        with: joined.with.map(|copy| copy.to_string()),
        scores: joined.scores.as_ref().map(scores),
        against: joined
            .against
            .iter()
            .map(|against| AgainstView {
                article: against.article.to_string(),
                spoke: against.spoke,
                scores: scores(&against.scores),
            })
            .collect(),
    }
}

/// The newest stories with more than one copy, and articles that may be copies.
///
/// # Errors
/// If the store cannot be read.
pub async fn list(context: &Context, limit: usize) -> Result<Vec<StoryRow>, Error> {
    let store = context.store()?;
    let selection = Selection::of(Scope::All);
    let mut rows = Vec::new();
    let mut page = Page::First { most: PAGE };
    loop {
        let listing = store.select(&selection, page).await?;
        let stories = listing
            .articles
            .iter()
            .map(|(_, article)| row(article))
            .filter(|row| row.copies.len() > 1 || !row.maybe.is_empty());
        rows.extend(stories);
        let Some((cursor, _)) = listing.articles.last().filter(|_| listing.older) else {
            break;
        };
        if rows.len() >= limit {
            break;
        }
        page = Page::After {
            cursor: *cursor,
            most: PAGE,
        };
    }
    rows.truncate(limit);
    Ok(rows)
}

fn row(article: &Article) -> StoryRow {
    let mut maybe: Vec<String> = article
        .sightings
        .iter()
        .flat_map(|sighting| &sighting.joined.against)
        .filter(|against| against.spoke == Spoke::Title)
        .map(|against| against.article.to_string())
        .collect();
    maybe.dedup();
    StoryRow {
        id: article.head.id.to_string(),
        published: article.head.published.to_rfc3339(),
        title: article.entry.title_text().to_owned(),
        copies: article.sightings.iter().map(copy).collect(),
        maybe,
    }
}

fn copy(sighting: &Sighting) -> CopyRow {
    CopyRow {
        id: ArticleId(sighting.guid_key).to_string(),
        feed: sighting
            .source
            .as_ref()
            .map(SourceId::to_string)
            .unwrap_or_default(),
        title: sighting.title.clone(),
        leads: sighting.copy.is_none(),
        why: why(&sighting.joined),
    }
}

/// Takes copies out of a story, for good: one of them by its own id, or all that joined by the story's id. Each stands
/// alone from now on, under the id that it had before or would have had.
///
/// # Errors
/// If there is no such article, or it has no copies.
pub async fn split(context: &Context, id: &str) -> Result<Settled, Error> {
    let store = context.store()?;
    let wanted = article_id(id)?;
    for _ in 0..MOST_TRIES {
        let mut article = match store.article(wanted).await? {
            Found::Article(article) => article,
            Found::Alias(story) => found(context, &story.to_string()).await?,
            Found::Gone | Found::Never => found(context, id).await?,
        };
        let version = article.head.version;
        let parts = if wanted == article.head.id {
            joined_parts(&article)
        } else {
            vec![wanted]
        };
        let config = context.config.load_full();
        let now = context.clock.now();
        let before = url_keys(&article);
        let mut apart = Vec::new();
        for id in parts {
            if let Some(mut part) = story::part(&mut article, id, now) {
                label::story(&mut part, &config.label);
                apart.push(part);
            }
        }
        if apart.is_empty() {
            return Err(Error::Refused(format!(
                "the article `{id}` was seen at one place only, there is nothing to split"
            )));
        }
        label::story(&mut article, &config.label);
        article.head.version = version + 1;
        let known = store.known(&before).await?;
        let leads_here = |key: &Key| {
            known
                .hits
                .iter()
                .any(|(held, head)| held == key && head.id == article.head.id)
        };
        let stay = url_keys(&article);
        let mut lost: Vec<Key> = before
            .iter()
            .copied()
            .filter(|key| !stay.contains(key))
            .collect();
        let mut settled = Settled {
            article: article.head.id.to_string(),
            others: Vec::new(),
        };
        let mut founded = Vec::new();
        for part in apart {
            settled.others.push(part.head.id.to_string());
            lost.push(Key::Guid(part.head.id.0));
            lost.extend(part.sightings.iter().map(|s| Key::Guid(s.guid_key)));
            let keys = url_keys(&part)
                .into_iter()
                .filter(|key| leads_here(key) && !stay.contains(key));
            founded.push(Change::New {
                keys: keys.collect(),
                article: Box::new(part),
            });
        }
        let mut batch = Batch {
            durable: true,
            expects: vec![(article.head.id, version)],
            changes: vec![Change::Parted {
                article,
                keys: Vec::new(),
                lost,
            }],
            ..Batch::default()
        };
        batch.changes.extend(founded);
        match store.commit(batch, now).await {
            Ok(_) => return Ok(settled),
            Err(store::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Refused(format!(
        "the story `{id}` changes too fast; try again"
    )))
}

/// What joined a story: merged stories by their ids, single copies by theirs.
fn joined_parts(article: &Article) -> Vec<ArticleId> {
    let mut parts = Vec::new();
    for sighting in &article.sightings {
        let part = sighting.part_of.unwrap_or(ArticleId(sighting.guid_key));
        if part != article.head.id && !parts.contains(&part) {
            parts.push(part);
        }
    }
    // Where the founding copy is gone, one has to stay.
    let founded = article
        .sightings
        .iter()
        .any(|s| s.part_of.is_none() && s.guid_key == article.head.id.0);
    if !founded && !parts.is_empty() {
        parts.remove(0);
    }
    parts
}

/// Makes two articles one, for good. The older keeps its id, the other's leads to it.
///
/// # Errors
/// If there is no such article, both are one already, or one of them is private.
pub async fn merge(context: &Context, one: &str, other: &str) -> Result<Settled, Error> {
    let store = context.store()?;
    for _ in 0..MOST_TRIES {
        let (a, b) = (found(context, one).await?, found(context, other).await?);
        if a.head.id == b.head.id {
            return Err(Error::Refused(format!(
                "`{one}` and `{other}` are one article already"
            )));
        }
        if a.head.private || b.head.private {
            return Err(Error::Refused(
                "an article of a private feed is never merged with another".to_owned(),
            ));
        }
        let (mut older, younger) = if story::is_older(&a.head, &b.head) {
            (a, b)
        } else {
            (b, a)
        };
        let expects = vec![
            (older.head.id, older.head.version),
            (younger.head.id, younger.head.version),
        ];
        let from = younger.head.id;
        let pinned = Joined {
            layer: Layer::Pinned,
            ..Joined::default()
        };
        story::merge(&mut older, *younger, &pinned);
        label::story(&mut older, &context.config.load_full().label);
        older.head.version += 1;
        let settled = Settled {
            article: older.head.id.to_string(),
            others: vec![from.to_string()],
        };
        let batch = Batch {
            durable: true,
            expects,
            changes: vec![Change::Merged {
                article: older,
                from,
                keys: Vec::new(),
            }],
            ..Batch::default()
        };
        match store.commit(batch, context.clock.now()).await {
            Ok(_) => return Ok(settled),
            Err(store::Error::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Refused(format!(
        "the stories `{one}` and `{other}` change too fast; try again"
    )))
}
