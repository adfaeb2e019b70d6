//! Step 5. Says where a story belongs: its tags, each with its reason, its category and its outputs; touches nothing.

use std::collections::{BTreeMap, BTreeSet};

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
