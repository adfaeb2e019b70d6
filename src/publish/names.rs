//! How labels are spelt, for one document: the store is asked for those that it shows and for no others, so that memory
//! does not grow with the labels that nobody reads.

use std::collections::{HashMap, HashSet};

use super::{Error, Settings};
use crate::model::article::Article;
use crate::model::label::Scope;
use crate::store::Store;
use crate::text;

/// Spellings by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    tags: HashMap<String, String>,
    categories: HashMap<String, String>,
}

impl Names {
    /// Asks for some tags and categories; other scopes have no spelling.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) async fn of(store: &dyn Store, scopes: HashSet<Scope>) -> Result<Self, Error> {
        let mut names = Self::default();
        let labels = |scope: &Scope| matches!(scope, Scope::Tag(_) | Scope::Category(_));
        let scopes: Vec<Scope> = scopes.into_iter().filter(labels).collect();
        if scopes.is_empty() {
            return Ok(names);
        }
        let found = store.labels(&scopes).await?;
        for (scope, label) in scopes.into_iter().zip(found) {
            match (scope, label) {
                (Scope::Tag(key), Some(label)) => names.tags.insert(key, label.name),
                (Scope::Category(key), Some(label)) => names.categories.insert(key, label.name),
                _ => None,
            };
        }
        Ok(names)
    }

    /// The spelling of a tag to show and to use in URLs.
    pub(super) fn tag<'a>(&'a self, settings: &'a Settings, key: &str) -> Option<&'a str> {
        let label = settings.label.label.get(key);
        label.or_else(|| self.tags.get(key)).map(String::as_str)
    }

    /// The spelling of a category to use in URLs.
    pub(super) fn category<'a>(&'a self, settings: &'a Settings, key: &str) -> Option<&'a str> {
        let configured = settings
            .label
            .categories
            .get(key)
            .map(|category| &category.name);
        configured
            .filter(|name| !name.is_empty())
            .or_else(|| self.categories.get(key))
            .map(String::as_str)
    }
}

/// The labels that articles have.
pub(super) fn labels_of<'a>(articles: impl IntoIterator<Item = &'a Article>) -> HashSet<Scope> {
    let mut scopes = HashSet::new();
    for article in articles {
        let tags = article
            .head
            .tags
            .iter()
            .map(|tag| Scope::Tag(tag.key.clone()));
        let categories = article.head.categories.iter();
        scopes.extend(tags.chain(categories.map(|name| Scope::Category(text::key(name)))));
    }
    scopes
}
