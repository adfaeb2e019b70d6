//! Step 7. Renders a selection in a format to bytes with an `ETag`, and keeps them for as long as nothing changes.
//!
//! A request becomes an [`address::Request`]; [`Publisher::get`] answers it with a [`document::Document`]: the same
//! bytes in every content coding, each with its headers. Rendering is plain functions (`sheet`, `item`, then one file
//! for each format); the publisher adds memory and follows the store's change log. Nothing here knows of sockets or asks
//! what time it is, and nothing is written but notes of when a document became what it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::label;
use crate::model::source::{Secret, Source, SourceId};
use crate::rule::{Expression, Template};
use crate::store;

pub mod address;
mod atom;
mod cache;
pub mod document;
mod files;
mod gather;
mod index;
mod item;
mod json_feed;
mod listing;
mod moment;
mod names;
mod opml;
mod page;
mod plain;
mod publisher;
mod query;
mod render;
mod right;
mod rss;
mod search;
mod shape;
mod sheet;

pub use self::publisher::{Answer, Figures, Publisher, addresses, preview};
pub use self::shape::Shape;

/// `[publish]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Articles in a feed.
    pub items: usize,
    /// Bytes of a document; what does not fit is on the next page.
    pub max_bytes: usize,
    /// How much of the text.
    pub content: Extent,
    /// Bytes of rendered documents to keep in memory.
    pub cache: usize,
}

/// How much of the text a feed carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Extent {
    /// All.
    #[default]
    Full,
    /// The summary.
    Summary,
    /// The headline alone.
    Title,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            items: 50,
            max_bytes: 1 << 20,
            content: Extent::Full,
            cache: 64 << 20,
        }
    }
}

/// What the feeds say of the aggregator itself, the same in every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Origin of ids, self links and OPML, with a slash at the end.
    pub public_url: url::Url,
    /// `[server] title`.
    pub title: String,
}

/// What readers may know of a source, and no more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    source: Arc<Source>,
    every: Duration,
}

impl Facts {
    /// Of a source that is visited at most this often.
    #[must_use]
    pub fn of(source: Arc<Source>, every: Duration) -> Self {
        Self { source, every }
    }

    /// The operator's title; without one, the publisher's.
    fn title(&self) -> Option<&str> {
        self.source.title.as_deref()
    }

    /// The operator's shelf, as spelt.
    fn category(&self) -> Option<&str> {
        self.source.category.as_deref()
    }

    /// Only in outputs that have a token.
    fn is_private(&self) -> bool {
        self.source.private
    }

    /// Address without credentials; anything but http and https stays out of OPML.
    fn url(&self) -> &str {
        &self.source.url
    }

    /// Shortest wait between two visits: readers need not ask more often.
    fn every(&self) -> Duration {
        self.every
    }
}

/// What publishing must know of an `[[output]]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// Name in URLs.
    pub id: String,
    /// Title for people; without one, the id.
    pub title: Option<String>,
    /// What it is, for people.
    pub description: Option<String>,
    /// Articles in its feed, if other than elsewhere.
    pub items: Option<usize>,
    /// Articles of one source in one document at most.
    pub limit_per_feed: Option<u32>,
    /// In which order.
    pub order: Order,
    /// How much of the text, if other than elsewhere.
    pub content: Option<Extent>,
    /// Formats in which it is served; never empty.
    pub formats: Vec<address::Format>,
    /// How its headlines are written.
    pub title_template: Option<Template>,
    /// It is served under `/p/TOKEN/` alone, to nobody if there are no tokens (any more).
    pub restricted: bool,
    /// Who may read it if it is restricted.
    pub tokens: Vec<Token>,
}

impl Output {
    /// A public one with everything at its default.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: None,
            description: None,
            items: None,
            limit_per_feed: None,
            order: Order::Newest,
            content: None,
            formats: address::Format::ALL.to_vec(),
            title_template: None,
            restricted: false,
            tokens: Vec::new(),
        }
    }
}

/// The order of an `[[output]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The highest score first, among the newest; such a list has one page.
    Score,
}

/// The right to read one output. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// Who has it, for people.
    pub name: String,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
}

impl Token {
    /// From the secret itself.
    #[must_use]
    pub fn of(name: &str, secret: &Secret) -> Self {
        Self {
            name: name.to_owned(),
            sha256: Sha256::digest(secret.reveal()).into(),
        }
    }

    /// Compares in a time that does not depend on where the two differ.
    fn opens_for(&self, hash: &[u8; 32]) -> bool {
        self.sha256
            .iter()
            .zip(hash)
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
    }
}

/// All that shapes the documents, besides the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Title and origin.
    pub site: Site,
    /// Sizes.
    pub options: Options,
    /// Spelling of labels, aliases, titles of categories.
    pub label: label::Options,
    /// Sources of the running configuration.
    pub sources: BTreeMap<SourceId, Facts>,
    /// Outputs of the running configuration.
    pub outputs: Vec<Output>,
    /// Only articles for which this holds: for whoever tries an expression out.
    pub only: Option<Expression>,
    /// When what of this last changed: no `Last-Modified` is older. To be kept over restarts.
    pub shape: Shape,
}

impl Settings {
    /// Another one means that all documents may look different. Sources and outputs are left out, since each of them
    /// shapes only what shows it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let described = format!(
            "{} {:?}",
            env!("CARGO_PKG_VERSION"),
            (
                &self.site,
                self.options.items,
                self.options.max_bytes,
                self.options.content,
                &self.label,
            )
        );
        xxhash_rust::xxh3::xxh3_64(described.as_bytes())
    }

    /// The public or private source of that name, if the configuration still has it.
    fn source(&self, id: &SourceId) -> Option<&Facts> {
        self.sources.get(id)
    }

    fn output(&self, id: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.id == id)
    }

    /// The output that a list is, if it is one.
    fn output_of(&self, list: &address::List) -> Option<&Output> {
        match list {
            address::List::Output(id) => self.output(id),
            _ => None,
        }
    }

    /// The formats in which a list is served.
    fn formats(&self, list: &address::List) -> &[address::Format] {
        self.output_of(list)
            .map_or(&address::Format::ALL, |output| &output.formats)
    }

    /// What makes two spellings of a tag one, aliases included.
    fn tag_key(&self, name: &str) -> String {
        let key = crate::text::key(name);
        match self.label.alias.get(&key) {
            Some(meant) => crate::text::key(meant),
            None => key,
        }
    }
}

/// Why a request has no document. The texts are sentences for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Nothing there.
    #[error("{0}")]
    NotFound(String),
    /// It was there, and is gone for good.
    #[error("{0}")]
    Gone(String),
    /// The store failed.
    #[error("the store did not answer")]
    Store(#[from] store::Error),
    /// A document could not be written.
    #[error("the {format} document could not be written: {reason}")]
    Render {
        /// Format.
        format: &'static str,
        /// What its writer said.
        reason: String,
    },
}
