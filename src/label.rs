//! Step 5. Says where a story belongs: its tags, each with its reason, its category and its outputs; touches nothing.
//!
//! A copy brings its tags along ([`of_copy`]); the story has those of all its copies ([`story`]), and then what the
//! administrator's [`rules`] make of it.

pub mod keywords;
pub mod learnt;
pub mod rules;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::learnt::Learnt;
use self::rules::{Ruled, Rules};
use crate::model::article::Article;
use crate::model::candidate::Candidate;
use crate::model::label::{Origin, Tag};
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
    /// Suggested to the administrator, who asks for it: until then nothing is read.
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
    /// The administrator's rules and outputs.
    pub rules: Arc<Rules>,
    /// What the articles so far taught: no setting, but what settings are applied with.
    pub learnt: Arc<Learnt>,
}

impl Options {
    /// The same without rules and outputs: what labels are called, and nothing of who gets them.
    #[must_use]
    pub fn without_rules(&self) -> Self {
        Self {
            rules: Arc::default(),
            ..self.clone()
        }
    }
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
            rules: Arc::default(),
            learnt: Arc::default(),
        }
    }
}

/// The tags that one copy brings: the source's, its category's and the publisher's, most trusted first.
#[must_use]
pub fn of_copy(candidate: &Candidate, source: &Source, options: &Options) -> Vec<Tag> {
    tags::of_copy(candidate, source, options)
}

/// Where keywords are published, reads those of a story from the text of its leading copy, and notes them as that copy's.
/// What comes back teaches [`Learnt`] what is common, once the story is kept; a private one teaches nothing.
#[must_use]
pub fn read(article: &mut Article, text: &str, options: &Options) -> Option<keywords::Found> {
    let head = &article.head;
    let language = head.language.as_deref()?;
    if options.auto != Auto::Publish {
        return None;
    }
    let title = article.entry.title_text();
    let found = keywords::extract(title, text, language, &options.learnt);
    let lead = article
        .sightings
        .iter_mut()
        .find(|copy| copy.source.as_ref() == Some(&head.source))?;
    for name in &found.keywords {
        tags::add(&mut lead.labels, tags::tag(name, Origin::Auto, options));
    }
    (!head.private && !found.terms.is_empty()).then_some(found)
}

/// Notes who uses the labels of a story: [`Publisher::Known`] lets those through that are used elsewhere.
pub fn learn(article: &Article, options: &Options) {
    let copies = article.sightings.iter().filter(|_| !article.head.private);
    for copy in copies {
        let source = copy.source.as_ref().map_or("", |id| id.as_str());
        for tag in &copy.labels {
            match tag.origin {
                Origin::Publisher => options.learnt.label(&tag.key, source),
                Origin::Rule | Origin::Source | Origin::Category => {
                    options.learnt.label(&tag.key, learnt::ADMINISTRATOR);
                }
                Origin::Page | Origin::Url | Origin::Auto => {}
            }
        }
    }
}

/// True if our own reading of a story is noted with it.
#[must_use]
pub fn is_read(article: &Article) -> bool {
    let mut labels = article.sightings.iter().flat_map(|copy| &copy.labels);
    labels.any(|tag| tag.origin == Origin::Auto)
}

/// The suggestions for a story that readers do not get: our own reading of its text, and tags that only repeat its
/// headline.
#[must_use]
pub fn suggestions(article: &Article, text: &str, options: &Options) -> Vec<Tag> {
    let shown = &article.head.tags;
    let noted = article.sightings.iter().flat_map(|copy| &copy.labels);
    let noted = noted.filter(|tag| tag.origin == Origin::Auto).cloned();
    let language = article.head.language.as_deref();
    let read = match language.filter(|_| options.auto == Auto::Suggest) {
        Some(language) => {
            let title = article.entry.title_text();
            keywords::extract(title, text, language, &options.learnt).keywords
        }
        None => Vec::new(),
    };
    let read = read
        .iter()
        .filter_map(|name| tags::tag(name, Origin::Auto, options));
    let mut found: Vec<Tag> = Vec::new();
    for tag in noted.chain(read) {
        let is_new = |tags: &[Tag]| !tags.iter().any(|known| known.key == tag.key);
        if is_new(shown) && is_new(&found) {
            found.push(tag);
        }
    }
    found
}

/// Labels a story from all its copies: the union of their tags and of their categories.
pub fn story(article: &mut Article, options: &Options) -> Ruled {
    article.head.tags = tags::united(&article.sightings, options);
    article.head.categories = categories(article, options);
    rules::story(article, options)
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
