//! Step 5. Says where a story belongs: its tags, each with its reason, its category and its outputs; touches nothing.
//!
//! A copy brings its tags along ([`of_copy`]); the story has those of all its copies ([`story`]).

mod tags;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::article::Article;
use crate::model::candidate::Candidate;
use crate::model::label::Tag;
use crate::model::source::Source;
use crate::text;

/// What becomes of the publisher's own labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Publisher {
    /// All are tags.
    #[default]
    Keep,
    /// Only those that are used elsewhere here.
    Known,
    /// None.
    Drop,
}

/// What becomes of our own reading of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auto {
    /// Nothing is read.
    Off,
    /// Suggested to the administrator.
    #[default]
    Suggest,
    /// Published.
    Publish,
}

/// `[tags]` and `[category.*]` of feeds.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Our own reading.
    pub auto: Auto,
    /// A tag with fewer articles has a feed but stands in no index.
    pub publish_min: u64,
    /// The publisher's labels.
    pub publisher: Publisher,
    /// Labels that are none, by key.
    pub drop: BTreeSet<String>,
    /// Spelling to show, by key.
    pub label: BTreeMap<String, String>,
    /// From key to the tag that is meant (spelt as written).
    pub alias: BTreeMap<String, String>,
    /// Categories by key.
    pub categories: BTreeMap<String, Category>,
}

/// One `[category.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Category {
    /// The name it is kept under, as spelt in feeds.toml.
    pub name: String,
    /// Title for people.
    pub title: Option<String>,
    /// Tags for everything on this shelf.
    pub tags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auto: Auto::default(),
            publish_min: 3,
            publisher: Publisher::default(),
            drop: BTreeSet::new(),
            label: BTreeMap::new(),
            alias: BTreeMap::new(),
            categories: BTreeMap::new(),
        }
    }
}

/// The tags that one copy brings: the source's, its category's and the publisher's, most trusted first.
#[must_use]
pub fn of_copy(candidate: &Candidate, source: &Source, options: &Options) -> Vec<Tag> {
    tags::of_copy(candidate, source, options)
}

/// Labels a story from all its copies: the union of their tags and of their categories.
pub fn story(article: &mut Article, options: &Options) {
    article.head.tags = tags::united(&article.sightings);
    article.head.categories = categories(article, options);
}

fn categories(article: &Article, options: &Options) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for name in article.sightings.iter().filter_map(|s| s.category.as_ref()) {
        let key = text::key(name);
        if !categories.iter().any(|known| text::key(known) == key) {
            let shelf = options.categories.get(&key);
            categories.push(shelf.map_or(name, |shelf| &shelf.name).clone());
        }
    }
    categories
}
