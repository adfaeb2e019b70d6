//! Articles: lists of them, one of them, who saw them where, and why they are as they are.

use serde::{Deserialize, Serialize};

use super::{Context, Error, suggest};
use crate::config::value;
use crate::dedup::story;
use crate::label;
use crate::model::article::{Article, ArticleId, Key, Sighting};
use crate::model::entry::Content;
use crate::model::label::{Cursor, Scope, Selection};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::{self, Batch, Change, Found, Page};
use crate::text;

/// The most articles that one page of a list has.
const PAGE: usize = 500;

/// Which articles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    /// They have all of these tags.
    pub tags: Vec<String>,
    /// They stand in this category.
    pub category: Option<String>,
    /// They were seen at this source.
    pub feed: Option<String>,
    /// Published after this: RFC 3339, or a duration back from now.
    pub since: Option<String>,
    /// How many at most.
    pub limit: usize,
    /// Where the last page ended.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Articles {
    /// Newest first.
    pub articles: Vec<ArticleRow>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArticleRow {
    /// Lasting id.
    pub id: String,
    /// Published.
    pub published: String,
    /// The source whose copy leads.
    pub feed: String,
    /// Title.
    pub title: String,
    /// Where it is.
    pub url: Option<String>,
    /// Category.
    pub category: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// At how many places it was seen.
    pub sightings: usize,
}

/// One article whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArticleView {
    /// What a list shows.
    #[serde(flatten)]
    pub row: ArticleRow,
    /// When we first saw it.
    pub first_seen: String,
    /// Last material change.
    pub updated: String,
    /// Language.
    pub language: Option<String>,
    /// Authors.
    pub authors: Vec<String>,
    /// Only in lists that need a token.
    pub private: bool,
    /// Summary, plain.
    pub summary: Option<String>,
    /// Clean HTML, if the publisher gave HTML.
    pub content_html: Option<String>,
    /// Plain text, if the publisher gave that.
    pub content_text: Option<String>,
    /// Files.
    pub enclosures: Vec<String>,
    /// Where it was seen.
    pub seen: Vec<SightingView>,
}

/// One place where an article was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SightingView {
    /// Source.
    pub feed: String,
    /// Its id there.
    pub guid: String,
    /// Its address there.
    pub url: Option<String>,
    /// Its title there.
    pub title: String,
    /// First seen there.
    pub seen: String,
    /// The date it claims there.
    pub published: Option<String>,
    /// The id that this copy would have alone: `aggd stories split` takes it.
    pub id: String,
    /// Why it belongs to this article, and what spoke against others.
    pub why: super::stories::Why,
}

/// A line of `aggd articles --sightings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingRow {
    /// Source.
    pub feed: String,
    /// Id there.
    pub guid: String,
    /// The article it belongs to.
    pub article: String,
}

/// A page of sightings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sightings {
    /// In order of arrival of their articles.
    pub sightings: Vec<SightingRow>,
    /// To be given as `after` for the next page.
    pub next: Option<u64>,
}

/// Why an article is as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The article.
    #[serde(flatten)]
    pub row: ArticleRow,
    /// Ids of stories that were merged into it.
    pub aliases: Vec<String>,
    /// Where it was seen, the leading one first.
    pub seen: Vec<SightingView>,
    /// Each tag with who says so.
    pub tags_why: Vec<TagWhy>,
    /// Tags that only its text suggests: readers do not get them.
    pub suggested: Vec<String>,
    /// Ids of outputs that it belongs to.
    pub outputs: Vec<String>,
    /// Sum of the rules' scores.
    pub score: i32,
    /// The general rules that hold for it by now, by name.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// A tag and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagWhy {
    /// The tag.
    pub name: String,
    /// `rule`, `source`, `category`, `publisher`, …
    pub origin: String,
}

/// A page of a list of articles.
///
/// # Errors
/// If something named in the query was never seen, or the query cannot be read.
pub async fn list(context: &Context, query: &Query) -> Result<Articles, Error> {
    let store = context.store()?;
    let selection = selection(query, context.clock.now())?;
    let most = query.limit.clamp(1, PAGE);
    let page = match &query.after {
        None => Page::First { most },
        Some(cursor) => Page::After {
            cursor: Cursor::parse(cursor)
                .ok_or_else(|| Error::Invalid(format!("`{cursor}` is no place in a list")))?,
            most,
        },
    };
    let listing = store.select(&selection, page).await?;
    if !listing.known && !known_to_config(context, &selection.scope) {
        return Err(Error::NotFound(never_seen(&selection.scope, query)));
    }
    let next = listing
        .articles
        .last()
        .filter(|_| listing.older)
        .map(|(cursor, _)| cursor.to_string());
    Ok(Articles {
        articles: listing
            .articles
            .iter()
            .map(|(_, article)| row(article))
            .collect(),
        next,
    })
}

/// A source or category of feeds.toml may stand empty; that is not a slip of the hand.
fn known_to_config(context: &Context, scope: &Scope) -> bool {
    let config = context.config.load();
    match scope {
        Scope::All => true,
        Scope::Source(id) => config.source(id).is_some(),
        Scope::Category(key) => {
            config.label.categories.contains_key(key)
                || config
                    .sources
                    .iter()
                    .filter_map(|source| source.category.as_deref())
                    .any(|name| text::key(name) == *key)
        }
        Scope::Tag(_) | Scope::Output(_) => false,
    }
}

fn never_seen(scope: &Scope, query: &Query) -> String {
    match scope {
        Scope::Tag(_) => format!("no article ever had the tag `{}`", query.tags[0]),
        Scope::Category(_) => format!(
            "there is no category `{}`",
            query.category.as_deref().unwrap_or_default()
        ),
        Scope::Source(id) => format!("there is no feed `{id}`"),
        Scope::Output(id) => format!("there is no output `{id}`"),
        Scope::All => "there are no articles".to_owned(),
    }
}

/// The narrowest scope carries the list; what else is asked for narrows it.
fn selection(query: &Query, now: Timestamp) -> Result<Selection, Error> {
    let source = query
        .feed
        .as_ref()
        .map(|id| {
            SourceId::new(id).ok_or_else(|| Error::NotFound(format!("there is no feed `{id}`")))
        })
        .transpose()?;
    let category = query.category.as_deref().map(text::key);
    let mut tags: Vec<String> = query.tags.iter().map(|tag| text::key(tag)).collect();
    let scope = match (&source, &category) {
        (Some(id), _) => Scope::Source(id.clone()),
        (None, _) if !tags.is_empty() => Scope::Tag(tags.remove(0)),
        (None, Some(category)) => Scope::Category(category.clone()),
        (None, None) => Scope::All,
    };
    let mut selection = Selection::of(scope);
    selection.category = category.filter(|key| selection.scope != Scope::Category(key.clone()));
    selection.tags = tags;
    selection.since = query
        .since
        .as_deref()
        .map(|text| since(text, now))
        .transpose()?;
    Ok(selection)
}

/// Reads a point in time: RFC 3339, a date, or a duration back from now.
///
/// # Errors
/// If it is none of these.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Some(back) = value::duration(text) {
        return Ok(now - back);
    }
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "`{text}` is no time; write a duration such as \"7d\", a date such as \"2026-11-24\" or \"2026-11-24T08:00:00Z\""
            ))
        })
}

/// Reads an article's id from whatever holds it: the digits alone, a published id, an address of ours.
///
/// # Errors
/// If there is none in it.
pub fn article_id(text: &str) -> Result<ArticleId, Error> {
    let last = text.trim().trim_end_matches('/').rsplit('/').next();
    last.and_then(ArticleId::parse).ok_or_else(|| {
        Error::Invalid(format!(
            "`{text}` is no article id; `aggd articles` lists them"
        ))
    })
}

pub(super) async fn found(context: &Context, id: &str) -> Result<Box<Article>, Error> {
    let store = context.store()?;
    let mut wanted = article_id(id)?;
    // An alias leads to a story, and that one might have been merged again.
    for _ in 0..32 {
        match store.article(wanted).await? {
            Found::Article(article) => return Ok(article),
            Found::Alias(other) => wanted = other,
            Found::Gone => {
                return Err(Error::NotFound(format!(
                    "the article `{id}` was here and is no longer kept"
                )));
            }
            Found::Never => break,
        }
    }
    Err(Error::NotFound(format!("there is no article `{id}`")))
}

/// One article.
///
/// # Errors
/// If there is none of that id.
pub async fn show(context: &Context, id: &str) -> Result<ArticleView, Error> {
    let article = found(context, id).await?;
    let entry = &article.entry;
    let (content_html, content_text) = match &entry.content {
        Some(Content::Html(html)) => (Some(html.clone()), entry.content_text.clone()),
        Some(Content::Plain(text)) => (None, Some(text.clone())),
        None => (None, entry.content_text.clone()),
    };
    Ok(ArticleView {
        row: row(&article),
        first_seen: article.head.first_seen.to_rfc3339(),
        updated: article.head.updated.to_rfc3339(),
        language: article.head.language.clone(),
        authors: entry
            .authors
            .iter()
            .filter_map(|author| author.name.clone().or_else(|| author.email.clone()))
            .collect(),
        private: article.head.private,
        summary: entry.summary.as_ref().map(|summary| summary.plain.clone()),
        content_html,
        content_text,
        enclosures: entry
            .enclosures
            .iter()
            .map(|enclosure| enclosure.url.clone())
            .collect(),
        seen: article.sightings.iter().map(seen).collect(),
    })
}

/// Why an article is as it is.
///
/// # Errors
/// If there is none of that id.
pub async fn explain(context: &Context, id: &str) -> Result<Explanation, Error> {
    let article = found(context, id).await?;
    let lead = &article.head.source;
    let mut places: Vec<&Sighting> = article.sightings.iter().collect();
    places.sort_by_key(|place| place.copy.is_some() || place.source.as_ref() != Some(lead));
    let suggested = suggest::of_article(context, (*article).clone()).await?;
    Ok(Explanation {
        aliases: article
            .head
            .aliases
            .iter()
            .map(ArticleId::to_string)
            .collect(),
        seen: places.into_iter().map(seen).collect(),
        tags_why: article
            .head
            .tags
            .iter()
            .map(|tag| TagWhy {
                name: tag.name.clone(),
                origin: tag.origin.as_str().to_owned(),
            })
            .collect(),
        suggested,
        outputs: article.head.outputs.clone(),
        score: article.head.score,
        rules: rules_hit(context, &article),
        row: row(&article),
    })
}

fn rules_hit(context: &Context, article: &Article) -> Vec<String> {
    let config = context.config.load();
    let mut again = article.clone();
    label::story(&mut again, &config.label).hits
}

/// A page of sightings: `most` articles with all the places they were seen at.
///
/// # Errors
/// If the store cannot be read.
pub async fn sightings(context: &Context, after: u64, most: usize) -> Result<Sightings, Error> {
    let most = most.clamp(1, 10_000);
    let page = context.store()?.sightings(after, most).await?;
    let next = page
        .last()
        .filter(|_| page.len() == most)
        .map(|(place, _, _)| *place);
    let mut rows = Vec::new();
    for (_, id, places) in page {
        for place in places {
            rows.push(SightingRow {
                feed: source_name(&place),
                guid: place.guid,
                article: id.to_string(),
            });
        }
    }
    Ok(Sightings {
        sightings: rows,
        next,
    })
}

/// Drops the articles of a source that were seen nowhere else, and gives their number. Tombstones stay.
///
/// # Errors
/// If the store cannot.
pub async fn purge(context: &Context, id: &str) -> Result<u64, Error> {
    let Some(store) = &context.store else {
        return Ok(0);
    };
    let source =
        SourceId::new(id).ok_or_else(|| Error::NotFound(format!("there is no feed `{id}`")))?;
    let selection = Selection::of(Scope::Source(source.clone()));
    let mut dropped = 0;
    let mut page = Page::First { most: PAGE };
    loop {
        let listing = store.select(&selection, page).await?;
        let Some((cursor, _)) = listing.articles.last() else {
            return Ok(dropped);
        };
        page = Page::After {
            cursor: *cursor,
            most: PAGE,
        };
        for (_, article) in &listing.articles {
            let head = &article.head;
            // Where others have it too, the source's copies go, and another one leads.
            let change = if head.seen_at.iter().any(|seen| seen.source != source) {
                let mut rest = Article::clone(article);
                if !story::vanish(&mut rest, &source) {
                    continue;
                }
                label::story(&mut rest, &context.config.load().label);
                rest.head.version += 1;
                let gone = head.seen_at.iter().filter(|seen| seen.source == source);
                Change::Parted {
                    article: Box::new(rest),
                    keys: Vec::new(),
                    lost: gone
                        .filter(|seen| seen.guid_key != head.id.0)
                        .map(|seen| Key::Guid(seen.guid_key))
                        .collect(),
                }
            } else {
                Change::Removed { id: head.id }
            };
            let drops = matches!(change, Change::Removed { .. });
            let batch = Batch {
                durable: true,
                changes: vec![change],
                expects: vec![(head.id, head.version)],
                ..Batch::default()
            };
            match store.commit(batch, context.clock.now()).await {
                Ok(_) => dropped += u64::from(drops),
                // Somebody else has just seen it elsewhere: then it is no longer this source's alone.
                Err(store::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn source_name(place: &Sighting) -> String {
    place
        .source
        .as_ref()
        .map(SourceId::to_string)
        .unwrap_or_default()
}

fn seen(place: &Sighting) -> SightingView {
    SightingView {
        feed: source_name(place),
        guid: place.guid.clone(),
        url: place.url.clone(),
        title: place.title.clone(),
        seen: place.seen.to_rfc3339(),
        published: place.published.map(Timestamp::to_rfc3339),
        id: ArticleId(place.guid_key).to_string(),
        why: super::stories::why(&place.joined),
    }
}

fn row(article: &Article) -> ArticleRow {
    let head = &article.head;
    ArticleRow {
        id: head.id.to_string(),
        published: head.published.to_rfc3339(),
        feed: head.source.to_string(),
        title: article.entry.title_text().to_owned(),
        url: article.entry.url.clone(),
        category: head.categories.first().cloned(),
        tags: head.tags.iter().map(|tag| tag.name.clone()).collect(),
        sightings: head.seen_at.len(),
    }
}
