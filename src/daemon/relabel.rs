//! Stories are labelled again, in the background, when rules, outputs or tags are others than those they were labelled
//! with: once, also over restarts.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Parts;
use crate::config::Config;
use crate::ingest::relabel::{self, Ask, Progress};
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
        let wanted = fingerprint(&self.config.load());
        let noted = self.store.note(LABELLED_BY).await?;
        // What is under way goes by the settings of before.
        let underway = self.relabel.borrow().running;
        if underway || noted.as_deref() != Some(&wanted[..]) {
            let of = self.store.stats().await?.articles;
            if of == 0 && !underway {
                return self.store.set_note(LABELLED_BY, &wanted).await;
            }
            self.relabel.send_replace(Progress {
                running: true,
                of,
                ..Progress::default()
            });
            self.relabel_wanted.notify_one();
        }
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

    async fn relabel_all(&self) -> Result<(), store::Error> {
        let config = self.config.load_full();
        let fingerprint = fingerprint(&config);
        let options = Arc::new(ops::labels::ingest_options(&config));
        let sources = Arc::new(config.source_map());
        let mut after = Some(0);
        while let Some(place) = after {
            let now = self.clock.now();
            let place = (place, PAGE);
            let ask = Ask::default();
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
        self.store.set_note(LABELLED_BY, &fingerprint).await
    }
}

/// Stands for everything that decides on labels of stories.
fn fingerprint(config: &Config) -> [u8; 8] {
    let tags: Vec<_> = config
        .sources
        .iter()
        .map(|source| (&source.id, &source.tags))
        .collect();
    // Without a name of its own a rule is called after its line, which says nothing.
    let all = &config.label.rules;
    let rules = all.story.iter().map(|rule| Rule {
        name: String::new(),
        ..rule.clone()
    });
    let rules: Vec<Rule> = rules.collect();
    let described = format!(
        "{:?}",
        (config.label.without_rules(), rules, &all.outputs, tags)
    );
    xxhash_rust::xxh3::xxh3_64(described.as_bytes()).to_be_bytes()
}
