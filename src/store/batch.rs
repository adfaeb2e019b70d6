//! What a commit is made of.

use super::Lease;
use crate::model::article::{Article, ArticleId, Head, Key, Sighting};
use crate::model::signature::{Reach, Signature};
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

/// One change to one article.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new article; `keys` lead to it from now on.
    New {
        /// Whole.
        article: Box<Article>,
        /// Its keys.
        keys: Vec<Key>,
    },
    /// Its text changed (and perhaps its labels and sightings too): a revision.
    Revised {
        /// Whole, with the new version.
        article: Box<Article>,
        /// Keys that lead to it in addition.
        keys: Vec<Key>,
    },
    /// Seen in another place, or differently labelled; the text stays.
    Amended {
        /// The new head.
        head: Box<Head>,
        /// Sightings that are new or changed, by source and guid key.
        sightings: Vec<Sighting>,
        /// Keys that lead to it in addition.
        keys: Vec<Key>,
    },
    /// Another article became part of this one: what led there leads here, and its id is an alias.
    Merged {
        /// Whole, with the new version.
        article: Box<Article>,
        /// The one that is no more.
        from: ArticleId,
        /// Keys that lead here in addition.
        keys: Vec<Key>,
    },
    /// Some of its copies are an article of their own from now on; that one follows as new.
    Parted {
        /// What stayed, whole, with the new version.
        article: Box<Article>,
        /// Keys that lead here in addition.
        keys: Vec<Key>,
        /// Keys that no longer lead here.
        lost: Vec<Key>,
    },
    /// Gone for good; its keys become tombstones.
    Removed {
        /// Which.
        id: ArticleId,
    },
}

/// All that one visit brings, kept together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The visited source's new state, and the lease it gives back.
    pub visit: Option<(SourceId, Box<SourceState>, Lease)>,
    /// The state must survive the loss of the index: visits with articles, pauses, moves and endings.
    pub durable: bool,
    /// The visit brought nothing: the source was visited before, its state is all that changes, and it lists what it did.
    pub routine: bool,
    /// What happens to articles, in order.
    pub changes: Vec<Change>,
    /// Keys that must lead nowhere yet.
    pub claims: Vec<Key>,
    /// Articles that must still have the version on which the decision was made.
    pub expects: Vec<(ArticleId, u32)>,
    /// What near copies are found by; the batch conflicts if since `as_of` a text came that may be the same.
    pub prints: Option<Prints>,
}

/// Where near copies are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Among {
    /// Among whom.
    pub reach: Reach,
    /// Not first seen before this.
    pub since: Timestamp,
}

/// The signatures of entries, with what they were decided on.
#[derive(Debug, Clone, PartialEq)]
pub struct Prints {
    /// Whence the entries are.
    pub source: SourceId,
    /// The signature of each copy, by guid key, in order of arrival.
    pub signatures: Vec<(ArticleId, Signature)>,
    /// Hashes of the paragraphs of each entry that counts for what the source puts under everything.
    pub paragraphs: Vec<Vec<u32>>,
    /// [`super::Alike::as_of`] of the answer that decided.
    pub as_of: u64,
    /// What was asked.
    pub among: Among,
}
