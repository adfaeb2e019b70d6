//! Stories are labelled again, in the background, when rules, outputs or tags are others than those they were labelled
//! with: once, also over restarts. Where only the tags of some feeds changed, only their stories are looked at.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64;

use super::Parts;
use crate::config::Config;
use crate::ingest::relabel::{self, Ask, Progress};
use crate::model::source::SourceId;
use crate::ops;
use crate::rule::Rule;
use crate::store;

/// Under this name the store remembers by what its stories are labelled.
const LABELLED_BY: &str = "labelled-by";
/// Stories labelled at once.
const PAGE: usize = 200;

impl Parts {
    /// Plans the work if there is any.
    pub(super) async fn relabel_if_needed(&self) -> Result<(), store::Error> {
        let of = self.store.stats().await?.articles;
        let underway = self.relabel.borrow().running;
        if !underway {
            let noted = self.noted().await?;
            if of == 0 || self.outdated(noted.as_ref()).await? == Outdated::Nothing {
                let now = LabelledBy::of(&self.config.load(), noted.as_ref());
                if noted.as_ref() == Some(&now) {
                    return Ok(());
                }
                return self.store.set_note(LABELLED_BY, &now.to_bytes()).await;
            }
        }
        self.relabel.send_replace(Progress {
            running: true,
            of,
            ..Progress::default()
        });
        self.relabel_wanted.notify_one();
        Ok(())
    }

    /// Does what was planned until `stop`; a plan that comes meanwhile makes it begin again.
    pub(super) async fn relabel(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.relabel_wanted.notified() => {}
            }
            loop {
                let done = tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.relabel_wanted.notified() => None,
                    done = self.relabel_all() => Some(done),
                };
                match done {
                    None => continue,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        tracing::error!(%error, "stories could not be labelled again; the next start or reload tries once more");
                    }
                }
                break;
            }
            self.relabel
                .send_modify(|progress| progress.running = false);
        }
    }

    async fn noted(&self) -> Result<Option<LabelledBy>, store::Error> {
        let noted = self.store.note(LABELLED_BY).await?;
        Ok(noted.as_deref().and_then(LabelledBy::read))
    }

    /// Whose stories are labelled by other settings than those of today.
    async fn outdated(&self, noted: Option<&LabelledBy>) -> Result<Outdated, store::Error> {
        let config = self.config.load_full();
        let now = LabelledBy::of(&config, None);
        let Some(noted) = noted.filter(|noted| noted.settings == now.settings) else {
            return Ok(Outdated::Everything);
        };
        let mut those = HashSet::new();
        for source in &config.sources {
            let key = source_key(&source.id);
            // What was never visited has no stories.
            if noted.tags.get(&key) != now.tags.get(&key)
                && self.store.state(&source.id).await?.is_some()
            {
                those.insert(source.id.clone());
            }
        }
        Ok(if those.is_empty() {
            Outdated::Nothing
        } else {
            Outdated::SeenAt(those)
        })
    }

    async fn relabel_all(&self) -> Result<(), store::Error> {
        let config = self.config.load_full();
        let noted = self.noted().await?;
        let labelled_by = LabelledBy::of(&config, noted.as_ref());
        let ask = match self.outdated(noted.as_ref()).await? {
            Outdated::Nothing => return Ok(()),
            Outdated::Everything => Ask::default(),
            Outdated::SeenAt(those) => Ask {
                seen_at: Some(Arc::new(those)),
                ..Ask::default()
            },
        };
        let options = Arc::new(ops::labels::ingest_options(&config));
        let sources = Arc::new(config.source_map());
        // If this is broken off, some stories go by these settings and some by those of before.
        let mixed = LabelledBy {
            settings: !labelled_by.settings,
            ..labelled_by.clone()
        };
        self.store.set_note(LABELLED_BY, &mixed.to_bytes()).await?;
        let mut after = Some(0);
        while let Some(place) = after {
            let now = self.clock.now();
            let place = (place, PAGE);
            let ask = ask.clone();
            let done = relabel::page(&*self.store, &sources, &options, ask, place, now).await?;
            after = done.next;
            let spared = done.differences.iter().filter(|one| one.dropped).count() as u64;
            let changed = done.differences.len() as u64 - spared;
            self.relabel.send_modify(|progress| {
                progress.looked += done.looked;
                progress.changed += changed;
                progress.spared += spared;
            });
        }
        let progress = *self.relabel.borrow();
        if progress.looked > 0 {
            tracing::info!(
                looked = progress.looked,
                changed = progress.changed,
                kept_though_dropped = progress.spared,
                "labelled the stories again"
            );
        }
        let bytes = labelled_by.to_bytes();
        self.store.set_note(LABELLED_BY, &bytes).await
    }
}

/// Which stories are labelled by settings of before.
#[derive(Debug, PartialEq, Eq)]
enum Outdated {
    Nothing,
    Everything,
    /// Those seen at these sources.
    SeenAt(HashSet<SourceId>),
}

/// What decides on labels of stories, as hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LabelledBy {
    /// What concerns all of them.
    settings: u64,
    /// The tags of sources that have some, by the hash of the id. Who is no longer in feeds.toml stays here: stories keep
    /// the tags of such a source until it comes back with others.
    tags: BTreeMap<u64, u64>,
}

fn source_key(id: &SourceId) -> u64 {
    xxh3_64(id.as_str().as_bytes())
}

impl LabelledBy {
    /// Those of today, with what was known of sources that are not in feeds.toml any more.
    fn of(config: &Config, before: Option<&Self>) -> Self {
        // Without a name of its own a rule is called after its line, which says nothing.
        let all = &config.label.rules;
        let rules = all.story.iter().map(|rule| Rule {
            name: String::new(),
            ..rule.clone()
        });
        let rules: Vec<Rule> = rules.collect();
        let settings = format!("{:?}", (config.label.without_rules(), rules, &all.outputs));
        let known = before.map(|before| before.tags.clone());
        let mut tags = known.unwrap_or_default();
        for source in &config.sources {
            let key = source_key(&source.id);
            if source.tags.is_empty() {
                tags.remove(&key);
            } else {
                let own = format!("{:?}", source.tags);
                tags.insert(key, xxh3_64(own.as_bytes()));
            }
        }
        Self {
            settings: xxh3_64(settings.as_bytes()),
            tags,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let pairs = self.tags.iter().flat_map(|(source, tags)| [*source, *tags]);
        std::iter::once(self.settings)
            .chain(pairs)
            .flat_map(u64::to_be_bytes)
            .collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let (settings, pairs) = words.split_first()?;
        let (pairs, []) = pairs.as_chunks::<2>() else {
            return None;
        };
        Some(Self {
            settings: u64::from_be_bytes(*settings),
            tags: pairs
                .iter()
                .map(|[source, tags]| (u64::from_be_bytes(*source), u64::from_be_bytes(*tags)))
                .collect(),
        })
    }
}
