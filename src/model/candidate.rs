//! An entry made ready to be recognised: step 3's result, step 4's question.

use super::article::{Key, Sighting};
use super::entry::Entry;
use super::time::Timestamp;

/// An entry as it stands in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Hash of it; 0 where none was made.
    pub fingerprint: u64,
    /// It stood there before, and was only named: its text was not read again.
    pub unchanged: bool,
}

/// An entry with its keys and dates in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What the publisher said.
    pub entry: Entry,
    /// Its text, a line for each paragraph: what texts are compared by.
    pub lines: String,
    /// The sighting that it would be.
    pub sighting: Sighting,
    /// Source and guid.
    pub guid: Key,
    /// Canonical URL, if it has one that can stand for a single article.
    pub url: Option<Key>,
    /// Publication date, never later than the visit; the visit's time if the publisher gave none.
    pub published: Timestamp,
    /// Last change that the publisher claims, between `published` and the visit.
    pub updated: Timestamp,
    /// Language of the text (BCP 47).
    pub language: Option<String>,
    /// From a private source: a namespace of its own.
    pub private: bool,
    /// How it stands in its document.
    pub mark: Mark,
}

impl Candidate {
    /// All keys that lead to it.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        std::iter::once(self.guid).chain(self.url)
    }
}
