//! What could be tags and is not yet, tags that stand beside one, and what was learnt for both over restarts.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::LabelRow;
use super::{Context, Error};
use crate::config::Config;
use crate::enrich;
use crate::label::learnt::Learnt;
use crate::label::{self, keywords};
use crate::model::article::Article;
use crate::model::label::{LabelCount, Scope, Selection, Tag};
use crate::store::{self, Page, Store};
use crate::text;

/// Under this name the store keeps what was learnt.
const NOTE: &str = "learnt-from-articles";
/// Articles read at once.
const PAGE: usize = 500;
/// Articles from which tags are called related.
const RELATED_FROM: usize = 1000;
/// The most articles that are looked at for suggestions.
const MOST: usize = 20_000;

/// A tag that the texts suggest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// As most texts spell it.
    pub name: String,
    /// What makes two spellings one.
    pub key: String,
    /// Articles that suggest it.
    pub articles: u64,
    /// Title of the newest of them.
    pub example: String,
}

/// Puts what the store knows of earlier days where the steps find it.
///
/// # Errors
/// If the store cannot be read.
pub async fn remember(config: &Config, store: &dyn Store) -> Result<(), store::Error> {
    if let Some(note) = store.note(NOTE).await? {
        config.label.learnt.remember(&note);
    }
    Ok(())
}

/// Notes what was learnt since.
///
/// # Errors
/// If the store cannot be written.
pub async fn keep(config: &Config, store: &dyn Store) -> Result<(), store::Error> {
    match config.label.learnt.take_changes() {
        Some(note) => store.set_note(NOTE, &note).await,
        None => Ok(()),
    }
}

/// Counts labels over the newest public articles of a list.
#[derive(Default)]
struct Counts(HashMap<String, (HashMap<String, u64>, u64, String)>);

impl Counts {
    fn add(&mut self, tag: Tag, title: &str) {
        let first = || (HashMap::new(), 0, title.to_owned());
        let (spellings, articles, _) = self.0.entry(tag.key).or_insert_with(first);
        *spellings.entry(tag.name).or_default() += 1;
        *articles += 1;
    }

    /// Most articles first.
    fn rows(self) -> Vec<Suggestion> {
        let row =
            |(key, (spellings, articles, example)): (String, (HashMap<String, u64>, u64, _))| {
                let best = spellings
                    .into_iter()
                    .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
                Suggestion {
                    name: best.map(|(name, _)| name).unwrap_or_default(),
                    key,
                    articles,
                    example,
                }
            };
        let mut rows: Vec<Suggestion> = self.0.into_iter().map(row).collect();
        rows.sort_by(|a, b| b.articles.cmp(&a.articles).then_with(|| a.key.cmp(&b.key)));
        rows
    }
}

/// Counts the labels that `of` finds; it may take its time.
async fn count(
    context: &Context,
    scope: Scope,
    most: usize,
    of: impl Fn(&Article) -> Vec<Tag> + Send + Sync + 'static,
) -> Result<Counts, Error> {
    let store = context.store()?;
    let of = Arc::new(of);
    let selection = Selection::of(scope);
    let mut counts = Counts::default();
    let mut page = Page::First {
        most: PAGE.min(most),
    };
    let mut looked = 0;
    loop {
        let listing = store.select(&selection, page).await?;
        looked += listing.articles.len();
        let last = listing.articles.last().map(|(cursor, _)| *cursor);
        let (of, articles) = (Arc::clone(&of), listing.articles);
        counts = blocking(move || {
            for (_, article) in &articles {
                for tag in of(article) {
                    counts.add(tag, article.entry.title_text());
                }
            }
            counts
        })
        .await?;
        match last {
            Some(cursor) if listing.older && looked < most => {
                page = Page::After {
                    cursor,
                    most: PAGE.min(most - looked),
                };
            }
            _ => return Ok(counts),
        }
    }
}

/// What the texts of the newest articles suggest as tags: with as many articles as a tag needs to be in the index.
///
/// # Errors
/// If there is no store or it cannot be read.
pub async fn suggestions(context: &Context, articles: usize) -> Result<Vec<Suggestion>, Error> {
    let config = context.config.load_full();
    let most = articles.clamp(1, MOST);
    let mut options = config.label.clone();
    if options.auto == label::Auto::Suggest {
        // What is rare is told by the same articles.
        let learnt = Arc::new(Learnt::default());
        options.learnt = Arc::clone(&learnt);
        let count_terms = move |article: &Article| {
            if let Some(language) = &article.head.language {
                let text = enrich::body_text(&article.entry);
                keywords::learn(article.entry.title_text(), &text, language, &learnt);
            }
            Vec::new()
        };
        count(context, Scope::All, most, count_terms).await?;
    }
    let of = move |article: &Article| {
        label::suggestions(article, &enrich::body_text(&article.entry), &options)
    };
    let mut rows = count(context, Scope::All, most, of).await?.rows();
    rows.retain(|row| row.articles >= config.label.publish_min);
    Ok(rows)
}

/// What the text of one article suggests.
///
/// # Errors
/// If the daemon is stopping.
pub(super) async fn of_article(context: &Context, article: Article) -> Result<Vec<String>, Error> {
    let config = context.config.load_full();
    blocking(move || {
        let text = enrich::body_text(&article.entry);
        let tags = label::suggestions(&article, &text, &config.label);
        tags.into_iter().map(|tag| tag.name).collect()
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Store(store::Error::Closed))
}

/// Tags that stand beside one, on the newest articles that have it.
///
/// # Errors
/// If nobody ever had the tag, or the store cannot be read.
pub async fn related(context: &Context, tag: &str) -> Result<Vec<LabelRow>, Error> {
    let config = context.config.load_full();
    let mut key = text::key(tag);
    if let Some(meant) = config.label.alias.get(&key) {
        key = text::key(meant);
    }
    let scope = Scope::Tag(key.clone());
    let others = move |article: &Article| {
        let tags = article.head.tags.iter();
        tags.filter(|tag| tag.key != key).cloned().collect()
    };
    let known = context.store()?;
    let first = Page::First { most: 1 };
    if !known
        .select(&Selection::of(scope.clone()), first)
        .await?
        .known
    {
        return Err(Error::NotFound(format!(
            "no article ever had the tag `{tag}`"
        )));
    }
    let found = count(context, scope, RELATED_FROM, others).await?.rows();
    let scopes: Vec<Scope> = found
        .iter()
        .map(|one| Scope::Tag(one.key.clone()))
        .collect();
    let spelt = context.store()?.labels(&scopes).await?;
    let row = |(one, spelt): (Suggestion, Option<LabelCount>)| {
        let label = config.label.label.get(&one.key).cloned();
        LabelRow {
            name: label.or(spelt.map(|label| label.name)).unwrap_or(one.name),
            key: one.key,
            articles: one.articles,
            title: None,
            feeds: None,
        }
    };
    Ok(found.into_iter().zip(spelt).map(row).collect())
}
