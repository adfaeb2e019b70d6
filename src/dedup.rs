//! Step 4. Decides what is new, what is an edit, and what was seen before; touches nothing.

use std::time::Duration;

/// How far recognition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// By guid and URL alone.
    Off,
    /// And by equal text.
    Strict,
    /// And by near-equal text: a story is one article.
    #[default]
    Cluster,
}

/// `[dedup]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How far recognition goes.
    pub mode: Mode,
    /// Among whom.
    pub scope: Reach,
    /// How far apart in time two copies of a text may be.
    pub window: Duration,
    /// A copy elsewhere moves `updated`.
    pub bump_on_new_source: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            scope: Reach::default(),
            window: Duration::from_hours(168),
            bump_on_new_source: false,
        }
    }
}

pub mod compare;
mod furniture;
pub mod near;
pub mod shape;
pub mod story;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::article::{ArticleId, Head, Key, SeenAt};
use crate::model::candidate::Candidate;
pub use crate::model::signature::Reach;

/// What is to be done with a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It founds an article.
    New,
    /// One more copy of the article that this earlier candidate of the same document founds.
    SameAs(usize),
    /// One more copy of that article.
    Sighted(ArticleId),
    /// A copy that we know was edited.
    Edited(ArticleId),
    /// Nothing changed.
    Known,
    /// The document has it twice.
    Repeated,
    /// Its article was purged; it must not come back.
    Buried,
}

impl Decision {
    /// The kept article that it concerns.
    #[must_use]
    pub fn article(&self) -> Option<ArticleId> {
        match self {
            Self::Sighted(id) | Self::Edited(id) => Some(*id),
            _ => None,
        }
    }
}

/// Decides on each candidate of one document, in its order. `holder` names the article that a key leads to, `buried` the
/// keys of purged ones; neither is asked for what stood there before.
#[must_use]
pub fn decide(
    candidates: &[Candidate],
    holder: &dyn Fn(Key) -> Option<Arc<Head>>,
    buried: &dyn Fn(Key) -> bool,
) -> Vec<Decision> {
    let mut seen = HashSet::new();
    let mut founders: HashMap<Key, usize> = HashMap::new();
    let mut decide = |(number, candidate): (usize, &Candidate)| {
        if !seen.insert(candidate.guid) {
            return Decision::Repeated;
        }
        // It was kept. If it is gone since, whatever took it away decides, not that it is still listed.
        if candidate.mark.unchanged {
            return Decision::Known;
        }
        if let Some(head) = holder(candidate.guid) {
            let same = |at: &SeenAt| {
                at.guid_key == candidate.sighting.guid_key
                    && at.text_hash == candidate.sighting.text_hash
            };
            return if head.seen_at.iter().any(same) {
                Decision::Known
            } else {
                Decision::Edited(head.id)
            };
        }
        if candidate.keys().any(buried) {
            return Decision::Buried;
        }
        // What is private is no copy of what is public, even if its source was public once.
        let by_url = candidate.url.and_then(holder);
        if let Some(head) = by_url.filter(|head| head.private == candidate.private) {
            return Decision::Sighted(head.id);
        }
        if let Some(&founder) = candidate.url.and_then(|url| founders.get(&url)) {
            return Decision::SameAs(founder);
        }
        founders.extend(candidate.url.map(|url| (url, number)));
        Decision::New
    };
    candidates.iter().enumerate().map(&mut decide).collect()
}

#[cfg(test)]
mod tests;
