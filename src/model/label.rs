//! Where an article belongs: tags with the reason for each, categories, and the lists they make.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::source::SourceId;
use super::time::Timestamp;

/// Who says that a tag fits, from the most to the least trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// A rule of the administrator.
    Rule,
    /// The source's own `tags` in feeds.toml.
    Source,
    /// The `tags` of its category in feeds.toml.
    Category,
    /// A label of the publisher.
    Publisher,
    /// Keywords of the article's page.
    Page,
    /// A section in the article's URL.
    Url,
    /// Our own reading of the text.
    Auto,
}

impl Origin {
    /// The word that commands and explanations show.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Source => "source",
            Self::Category => "category",
            Self::Publisher => "publisher",
            Self::Page => "page",
            Self::Url => "url",
            Self::Auto => "auto",
        }
    }
}

/// A label of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Spelt as it was found; how it is shown is decided over all articles.
    pub name: String,
    /// What makes two spellings one tag (`text::key`).
    pub key: String,
    /// Why it is there.
    pub origin: Origin,
}

/// The set of articles that a list starts from. Tags and categories are named by their key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everything public.
    All,
    /// One tag, by key.
    Tag(String),
    /// One category, by key.
    Category(String),
    /// One source.
    Source(SourceId),
    /// One `[[output]]`, by id.
    Output(String),
}

/// What else an article must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Has {
    /// A picture.
    Image,
    /// An enclosure.
    Enclosure,
}

/// A list of articles: a scope, narrowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// Where it starts.
    pub scope: Scope,
    /// Tag keys that an article must all have.
    pub tags: Vec<String>,
    /// Tag keys of which it must have one, if there are any.
    pub any: Vec<String>,
    /// Tag keys that it must not have.
    pub not: Vec<String>,
    /// Category key it must be in.
    pub category: Option<String>,
    /// Source it must have been seen at.
    pub source: Option<SourceId>,
    /// Language, matched by its first subtag (`zh` fits `zh-Hans`).
    pub language: Option<String>,
    /// Picture or enclosure.
    pub has: Vec<Has>,
    /// Published strictly after this.
    pub since: Option<Timestamp>,
    /// Published strictly before this.
    pub before: Option<Timestamp>,
    /// First seen in this month (UTC): the archive documents.
    pub month: Option<(i32, u32)>,
    /// No more than these of one leading source on a page.
    pub per_source: Option<u32>,
    /// First seen strictly after this.
    pub seen_after: Option<Timestamp>,
    /// Sightings that an article must have at least.
    pub sightings: u32,
}

impl Selection {
    /// A whole scope.
    #[must_use]
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            tags: Vec::new(),
            any: Vec::new(),
            not: Vec::new(),
            category: None,
            source: None,
            language: None,
            has: Vec::new(),
            since: None,
            before: None,
            month: None,
            per_source: None,
            seen_after: None,
            sightings: 0,
        }
    }

    /// True if nothing narrows the scope.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::of(self.scope.clone())
    }
}

/// A place in a list ordered by publication, newest first. Ids break ties, so pages never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// Publication date of the article at that place.
    pub published: Timestamp,
    /// The store's number of that article: grows in the order of arrival.
    pub seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.published.as_micros(), self.seq)
    }
}

impl Cursor {
    /// Reads what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (published, seq) = text.split_once('-')?;
        Some(Self {
            published: Timestamp::from_micros(i64::from_str_radix(published, 16).ok()?),
            seq: u64::from_str_radix(seq, 16).ok()?,
        })
    }
}

/// A tag, category or source with how many articles stand under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCount {
    /// The key.
    pub key: String,
    /// The spelling to show and to use in URLs: the commonest when it was first published, and the same ever after.
    pub name: String,
    /// Articles that have it now; private ones are not counted.
    pub articles: u64,
}
