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

use crate::model::article::Article;
use crate::model::candidate::Candidate;
use crate::model::label::{Origin, Tag};
use crate::model::source::Source;
use crate::text;

/// Characters of the longest label that is one.
const LONGEST: usize = 256;
/// Tags of one copy; some publishers list their whole vocabulary under each article.
const MOST: usize = 64;

/// The tags that one copy brings: the source's, its category's and the publisher's, most trusted first.
#[must_use]
pub fn of_copy(candidate: &Candidate, source: &Source, options: &Options) -> Vec<Tag> {
    let shelf = source
        .category
        .as_deref()
        .and_then(|name| options.categories.get(&text::key(name)));
    let by_source = source
        .tags
        .iter()
        .map(|name| (name.as_str(), Origin::Source));
    let by_category = shelf
        .into_iter()
        .flat_map(|shelf| &shelf.tags)
        .map(|name| (name.as_str(), Origin::Category));
    let by_publisher = candidate
        .entry
        .terms
        .iter()
        .filter(|_| options.publisher != Publisher::Drop)
        .filter_map(|term| {
            Some((
                term.label.as_deref().or(term.term.as_deref())?,
                Origin::Publisher,
            ))
        });
    let mut tags = Vec::new();
    for (name, origin) in by_source.chain(by_category).chain(by_publisher) {
        if tags.len() < MOST {
            add(&mut tags, tag(name, origin, options));
        }
    }
    tags
}

/// Labels a story from all its copies: the union of their tags and of their categories.
pub fn story(article: &mut Article, options: &Options) {
    let mut tags = Vec::new();
    let mut categories: Vec<String> = Vec::new();
    for sighting in &article.sightings {
        for found in &sighting.labels {
            add(&mut tags, Some(found.clone()));
        }
        if let Some(name) = &sighting.category
            && !categories
                .iter()
                .any(|known| text::key(known) == text::key(name))
        {
            categories.push(
                options
                    .categories
                    .get(&text::key(name))
                    .map_or(name, |shelf| &shelf.name)
                    .clone(),
            );
        }
    }
    tags.sort_by_key(|tag| tag.origin);
    article.head.tags = tags;
    article.head.categories = categories;
}

/// A name as a tag: aliases followed, spelling chosen; `None` if it is no label.
fn tag(name: &str, origin: Origin, options: &Options) -> Option<Tag> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let written = text::key(&name);
    let meant = options.alias.get(&written).unwrap_or(&name);
    let key = text::key(meant);
    let fits = (1..=LONGEST).contains(&key.chars().count());
    if !fits || options.drop.contains(&key) || options.drop.contains(&written) {
        return None;
    }
    let shown = options
        .label
        .get(&key)
        .map_or_else(|| meant.trim_start_matches('#').trim(), String::as_str);
    Some(Tag {
        name: shown.to_owned(),
        key,
        origin,
    })
}

/// One tag a key; the more trusted origin stays.
fn add(tags: &mut Vec<Tag>, found: Option<Tag>) {
    let Some(found) = found else { return };
    match tags.iter_mut().find(|tag| tag.key == found.key) {
        Some(known) if found.origin < known.origin => *known = found,
        Some(_) => {}
        None => tags.push(found),
    }
}
