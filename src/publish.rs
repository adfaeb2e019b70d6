//! Step 7. Renders a selection in a format to bytes with an `ETag`, and keeps them for as long as nothing changes.
//!
//! A request becomes an [`address::Request`]; [`Publisher::get`] answers it with a [`document::Document`]: the same
//! bytes in every content coding, each with its headers. Rendering is plain functions (`sheet`, `item`, then one file
//! for each format); the publisher adds memory and follows the store's change log. Nothing here knows of sockets or asks
//! what time it is, and nothing is written but notes of when a document became what it is.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::label;
use crate::model::source::{Secret, SourceId};
use crate::store;

pub mod address;
mod atom;
mod cache;
pub mod document;
mod index;
mod item;
mod json_feed;
mod moment;
mod opml;
mod page;
mod plain;
mod publisher;
mod query;
mod render;
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

/// What readers may know of a source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Lasting name.
    pub id: SourceId,
    /// The operator's title; without one, the publisher's.
    pub title: Option<String>,
    /// The operator's shelf, as spelt.
    pub category: Option<String>,
    /// Only in outputs that have a token.
    pub private: bool,
    /// Address without credentials; anything but http and https stays out of OPML.
    pub url: String,
    /// Shortest wait between two visits: readers need not ask more often.
    pub every: Duration,
}

/// What publishing must know of an `[[output]]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Output {
    /// Name in URLs.
    pub id: String,
    /// Title for people; without one, the id.
    pub title: Option<String>,
    /// Articles in its feed, if other than elsewhere.
    pub items: Option<usize>,
    /// Without tokens it is public; with tokens it is served under `/p/TOKEN/` alone.
    pub tokens: Vec<Token>,
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
    pub sources: Vec<Facts>,
    /// Outputs of the running configuration.
    pub outputs: Vec<Output>,
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
        self.sources.iter().find(|source| source.id == *id)
    }

    fn output(&self, id: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.id == id)
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
