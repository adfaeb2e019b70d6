//! Step 2. Understands a document. The reader itself arrives with the next commits; this is its door.

use crate::model::document::Document;
use crate::model::entry::{Feed, Warning};

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Clean HTML by the allow-list.
    pub clean_html: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { clean_html: true }
    }
}

/// A document, understood.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it said.
    pub feed: Feed,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// There is no feed in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something else.
    #[error("not a feed")]
    NotAFeed,
}

/// Reads a document.
///
/// # Errors
/// If there is no feed in it.
pub fn parse(_document: &Document, _options: &Options) -> Result<Parsed, Error> {
    Err(Error::NotAFeed)
}
