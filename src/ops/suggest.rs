//! What could be tags and is not yet, tags that stand beside one, and what was learnt for both over restarts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::labels::LabelRow;
use super::{Context, Error};
use crate::config::Config;
use crate::label;
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

async fn count(
    context: &Context,
    scope: Scope,
    most: usize,
    of: impl Fn(&crate::model::article::Article) -> Vec<Tag>,
) -> Result<Counts, Error> {
    let store = context.store()?;
    let selection = Selection::of(scope);
    let mut counts = Counts::default();
    let mut page = Page::First {
        most: PAGE.min(most),
    };
    let mut looked = 0;
    loop {
        let listing = store.select(&selection, page).await?;
        for (_, article) in &listing.articles {
            for tag in of(article) {
                counts.add(tag, article.entry.title_text());
            }
        }
        looked += listing.articles.len();
        match listing.articles.last() {
            Some((cursor, _)) if listing.older && looked < most => {
                page = Page::After {
                    cursor: *cursor,
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
    let counts = count(
        context,
        Scope::All,
        articles.clamp(1, MOST),
        label::suggestions,
    )
    .await?;
    let mut rows = counts.rows();
    rows.retain(|row| row.articles >= config.label.publish_min);
    Ok(rows)
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
    let others = |article: &crate::model::article::Article| {
        let tags = article.head.tags.iter();
        tags.filter(|tag| tag.key != key).cloned().collect()
    };
    let scope = Scope::Tag(key.clone());
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
