//! Since when the documents look as they do. No list may change its date because another source was added, and none may
//! keep its date when something that it shows was renamed, so each part of the settings has a time of its own. The whole
//! is noted in the store, and survives restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Output, Settings};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// What one part of the settings looks like, and since when. A part that is gone has the look 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Part {
    look: u64,
    since: Timestamp,
}

impl Part {
    /// The part as it looks now; time does not run back.
    fn seen(self, look: u64, now: Timestamp) -> Self {
        if self.look == look {
            return self;
        }
        Self {
            look,
            since: now.max(self.since),
        }
    }
}

/// Times of the parts of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    general: Part,
    lists: Part,
    sources: BTreeMap<SourceId, Part>,
    outputs: BTreeMap<String, Part>,
}

impl Shape {
    /// Reads what [`Shape::note`] wrote; what cannot be read is as if nothing had been noted.
    #[must_use]
    pub fn of_note(note: &[u8]) -> Self {
        serde_json::from_slice(note).unwrap_or_default()
    }

    /// For the store to keep.
    #[must_use]
    pub fn note(&self) -> Vec<u8> {
        // Names and numbers alone: this does not fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The shape with these settings, `now` being the time of whatever is different.
    #[must_use]
    pub fn with(&self, settings: &Settings, now: Timestamp) -> Self {
        let sources = settings.sources.iter().map(|(id, facts)| {
            let look = (facts.title(), facts.is_private());
            (id.clone(), look_of(&look))
        });
        let outputs = settings.outputs.iter().map(|output| {
            let Output {
                id,
                title,
                description,
                items,
                limit_per_feed,
                order,
                content,
                formats,
                title_template,
                ..
            } = output;
            let kept = (items, limit_per_feed, order, content);
            let look = look_of(&(title, description, kept, formats, title_template));
            (id.clone(), look)
        });
        let listed: Vec<_> = settings
            .sources
            .iter()
            .map(|(id, facts)| {
                (
                    id,
                    facts.title(),
                    facts.category(),
                    facts.is_private(),
                    facts.url(),
                )
            })
            .collect();
        let public: Vec<_> = settings
            .outputs
            .iter()
            .map(|output| (&output.id, &output.title, !output.restricted))
            .collect();
        Self {
            general: self.general.seen(settings.fingerprint(), now),
            lists: self.lists.seen(look_of(&(listed, public)), now),
            sources: parts(&self.sources, sources, now),
            outputs: parts(&self.outputs, outputs, now),
        }
    }

    /// Since when everything looks as it does that all documents have in common.
    pub(super) fn general(&self) -> Timestamp {
        self.general.since
    }

    /// Since when there are these sources and outputs.
    pub(super) fn lists(&self) -> Timestamp {
        self.lists.since
    }

    /// Since when a source is called what it is called.
    pub(super) fn source(&self, id: &SourceId) -> Timestamp {
        self.sources
            .get(id)
            .map_or(Timestamp::EPOCH, |part| part.since)
    }

    /// The same for an output.
    pub(super) fn output(&self, id: &str) -> Timestamp {
        self.outputs
            .get(id)
            .map_or(Timestamp::EPOCH, |part| part.since)
    }
}

/// Never 0: that is the look of what is gone.
fn look_of(described: &impl std::fmt::Debug) -> u64 {
    xxh3_64(format!("{described:?}").as_bytes()).max(1)
}

/// The parts of one kind. What is there for the first time has changed nothing yet; what is gone is remembered, since its
/// articles are shown without it from now on.
fn parts<K: Ord + Clone>(
    before: &BTreeMap<K, Part>,
    looks: impl Iterator<Item = (K, u64)>,
    now: Timestamp,
) -> BTreeMap<K, Part> {
    let mut after: BTreeMap<K, Part> = looks
        .map(|(name, look)| {
            let part = match before.get(&name) {
                Some(part) => part.seen(look, now),
                None => Part {
                    look,
                    since: Timestamp::EPOCH,
                },
            };
            (name, part)
        })
        .collect();
    for (name, part) in before {
        after
            .entry(name.clone())
            .or_insert_with(|| part.seen(0, now));
    }
    after
}
