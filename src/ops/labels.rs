//! Tags and categories with their counts.

use serde::{Deserialize, Serialize};

use super::{Context, Error};
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

/// All tags, most articles first.
///
/// # Errors
/// If there is no store or it cannot be read.
pub async fn tags(context: &Context) -> Result<Vec<LabelRow>, Error> {
    let counts = context.store()?.tags().await?;
    Ok(counts.into_iter().map(row).collect())
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
