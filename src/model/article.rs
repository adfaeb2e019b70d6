//! What we keep: an [`Article`] has one text and one lasting id, and knows every place it was seen at.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::label::Tag;
use super::source::{About, SourceId};
use super::time::Timestamp;

/// The lasting id of an article: the guid key of its first sighting. It never changes and never means something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArticleId(pub u128);

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl ArticleId {
    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

/// What makes two entries one article: 128 bits of a hash, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Key {
    /// Source and guid.
    Guid(u128),
    /// Canonical URL (and source, if that is private).
    Url(u128),
    /// Normalised text (and source, if that is private).
    Content(u128),
}

/// The number of a commit: opaque and ordered. A restored store begins a new epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Revision {
    /// Changes when a store is restored or rebuilt with losses.
    pub epoch: u32,
    /// Grows with each commit that changed something visible.
    pub number: u64,
}

/// By which layer a copy was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// By none: it founded an article.
    #[default]
    Founded,
    /// The canonical URL is the same.
    Url,
    /// The text is the same.
    Content,
    /// The text is nearly the same.
    Near,
    /// An administrator said so.
    Pinned,
}

/// How alike two texts are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Shingles in common, of all shingles of both.
    pub jaccard: f32,
    /// Shingles in common, of those of the shorter text.
    pub containment: f32,
    /// The same of the two beginnings.
    pub lead: f32,
    /// Numbers in the text that has fewer of them.
    pub numbers: u32,
    /// Numbers in common.
    pub common_numbers: u32,
}

/// What spoke against another article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spoke {
    /// Too few words to compare.
    Teaser,
    /// The texts differ.
    Different,
    /// The numbers differ: one form, filled in anew.
    Numbers,
    /// The headlines differ in digits and dates alone: a series.
    Series,
    /// Nothing but a text that the source repeats.
    Footer,
    /// Another article is more alike.
    Weaker,
    /// Only the headline is the same: a proposal to the administrator.
    Title,
}

/// Another article that was looked at, and why it is not this one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The article.
    pub article: ArticleId,
    /// How alike.
    pub scores: Scores,
    /// Why not.
    pub spoke: Spoke,
}

/// Why a copy belongs to its article.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Joined {
    /// By which layer.
    pub layer: Layer,
    /// The copy that it resembles: its guid key.
    pub with: Option<ArticleId>,
    /// How much.
    pub scores: Option<Scores>,
    /// Others that were looked at, the most alike first.
    pub against: Vec<Against>,
}

/// The text of a copy that does not lead: it may lead some day, or stand alone again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyText {
    /// What the publisher said.
    pub entry: Entry,
    /// The feed, as it was then.
    pub about: About,
}

/// This article was seen at that source under that guid.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sighting {
    /// Where; `None` only in a default value.
    pub source: Option<SourceId>,
    /// The entry's id there.
    pub guid: String,
    /// Hash of source and guid: the id that this copy would have alone.
    pub guid_key: u128,
    /// Hash of what readers would see of this copy: another one means that it was edited.
    pub text_hash: u64,
    /// When we first saw it there.
    pub seen: Timestamp,
    /// Publication date that it claims there.
    pub published: Option<Timestamp>,
    /// Its URL there.
    pub url: Option<String>,
    /// Its headline there.
    pub title: String,
    /// Title of the source at that time.
    pub source_title: String,
    /// The source's category at that time, as spelt.
    pub category: Option<String>,
    /// The tags that this copy brings to the story.
    pub labels: Vec<Tag>,
    /// Trust in its source at that time, 0 to 100.
    pub trust: u8,
    /// Characters of its text.
    pub fullness: u32,
    /// Score that the rules of its source gave it.
    pub score: i32,
    /// Its text; `None` for the copy that leads, whose text is the article's.
    pub copy: Option<Box<CopyText>>,
    /// Why it belongs here.
    pub joined: Joined,
    /// The article that it belonged to before that one was merged into this.
    pub part_of: Option<ArticleId>,
    /// Articles that an administrator parted it from.
    pub apart: Vec<ArticleId>,
}

/// Enough to filter, order and recognise an article without its text: what the index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Lasting id.
    pub id: ArticleId,
    /// Counts from 1 with each change of text, sightings or labels; commits rely on it.
    pub version: u32,
    /// When we first saw any copy.
    pub first_seen: Timestamp,
    /// Earliest credible publication date; fixed at creation, never later than `first_seen`.
    pub published: Timestamp,
    /// Last material change, never before `published`.
    pub updated: Timestamp,
    /// The source whose copy leads.
    pub source: SourceId,
    /// Seen only at a private source: such an article is in no public list.
    pub private: bool,
    /// Language of the text (BCP 47).
    pub language: Option<String>,
    /// Category names, as spelt by the operator; keys are made by `text::key`.
    pub categories: Vec<String>,
    /// Tags with their origins.
    pub tags: Vec<Tag>,
    /// Sum of the rules' scores.
    pub score: i32,
    /// Ids of the `[[output]]`s it belongs to.
    pub outputs: Vec<String>,
    /// Has a picture.
    pub has_image: bool,
    /// Has an enclosure.
    pub has_enclosure: bool,
    /// The sightings in order of arrival: source, guid key and text hash of each.
    pub seen_at: Vec<SeenAt>,
    /// Ids of stories that were merged into this one.
    pub aliases: Vec<ArticleId>,
}

/// The short form of a [`Sighting`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenAt {
    /// Where.
    pub source: SourceId,
    /// [`Sighting::guid_key`].
    pub guid_key: u128,
    /// [`Sighting::text_hash`].
    pub text_hash: u64,
}

/// What we hold to be true: one text with one lasting id, and every place it was seen at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Article {
    /// Ids, dates, labels.
    pub head: Head,
    /// The text of the leading copy.
    pub entry: Entry,
    /// The leading copy's feed, as it was when this revision was stored.
    pub about: About,
    /// All sightings, in the order of `head.seen_at`.
    pub sightings: Vec<Sighting>,
}
