//! Another feeds.toml in the place of the running one: all of it, or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Parts, process};
use crate::config::Config;
use crate::ingest;
use crate::model::source::{Source, SourceId};
use crate::model::time::Timestamp;
use crate::ops::lists;
use crate::ops::{self, Reloaded};
use crate::publish;
use crate::store::{self, Store};

impl Parts {
    /// Reads the configuration again and puts it in force; a bad one changes nothing, and shows in status and metrics.
    pub(super) async fn reload(&self) -> Result<Reloaded, String> {
        let outcome = match self.try_reload().await {
            Ok(reloaded) => {
                self.reload_failed.store(None);
                self.metrics.reload_failed.set(0);
                tracing::info!(
                    added = reloaded.added.len(),
                    removed = reloaded.removed.len(),
                    changed = reloaded.changed.len(),
                    "reloaded the configuration"
                );
                Ok(reloaded)
            }
            Err(reason) => {
                tracing::error!(
                    reason,
                    "the new configuration was refused, the old one stays in force"
                );
                self.reload_failed
                    .store(Some(Arc::new((self.clock.now(), reason.clone()))));
                self.metrics.reload_failed.set(1);
                Err(reason)
            }
        };
        process::show_status(self);
        outcome
    }

    async fn try_reload(&self) -> Result<Reloaded, String> {
        let load = Arc::clone(&self.load);
        let mut new = tokio::task::spawn_blocking(move || load())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|errors| errors.to_string())?;
        let old = self.config.load_full();
        new.label.learnt = Arc::clone(&old.label.learnt);
        let fetcher = self
            .poller
            .fetcher()
            .renew(new.fetch.clone())
            .map_err(|error| error.to_string())?;
        let settings = settings(&new, &*self.store, self.clock.now())
            .await
            .map_err(|error| error.to_string())?;
        let reloaded = differences(&old, &new);
        // From here on nothing can refuse.
        let ingest = Arc::new(ops::labels::ingest_options(&new));
        let options = Arc::clone(&ingest);
        let sources = Arc::new(new.source_map());
        if let Err(error) = self
            .poller
            .reload(sources, new.poll, Arc::new(fetcher), ingest)
            .await
        {
            tracing::error!(%error, "the schedule does not follow the new sources yet");
        }
        let decided =
            ingest::privacy::follow(&*self.store, &new.sources, self.clock.now(), &options).await;
        match decided {
            Ok(0) => {}
            Ok(articles) => tracing::info!(articles, "decided anew, since `private` changed"),
            Err(error) => {
                tracing::error!(
                    %error,
                    "not every article of a source that became private or public was decided anew; \
                     the next start tries again"
                );
            }
        }
        if *self.publisher.settings() != settings {
            self.publisher.reload(settings);
        }
        self.config.store(Arc::new(new));
        if let Err(error) = self.relabel_if_needed().await {
            tracing::error!(%error, "stories keep their labels for now");
        }
        Ok(reloaded)
    }
}

/// What shapes the published documents, kept as what they look like from now on.
pub(super) async fn settings(
    config: &Config,
    store: &dyn Store,
    now: Timestamp,
) -> Result<publish::Settings, store::Error> {
    let settings = lists::settings(config, store, now).await?;
    lists::keep_shape(&settings, store).await?;
    Ok(settings)
}

/// All fields are named here: a new one is either compared or left out by a decision.
fn differences(old: &Config, new: &Config) -> Reloaded {
    let Config {
        server,
        site,
        language,
        store,
        poll,
        fetch,
        dedup,
        label,
        publish,
        control,
        log,
        sources,
        outputs,
        // Where something stands, and what `aggd check` alone looks at.
        places: _,
        output_places: _,
        trials: _,
        files: _,
        warnings,
        origins: _,
    } = new;
    let before: HashMap<&SourceId, &Source> = old
        .sources
        .iter()
        .map(|source| (&source.id, source.as_ref()))
        .collect();
    let after: HashMap<&SourceId, &Source> = sources
        .iter()
        .map(|source| (&source.id, source.as_ref()))
        .collect();
    let names = |ids: Vec<&SourceId>| {
        let mut names: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    let rules = &label.rules;
    let tables = [
        (
            "[server] title, public_url, language",
            old.site != *site || old.language != *language,
        ),
        ("[poll]", old.poll != *poll),
        ("[fetch]", old.fetch != *fetch),
        ("[dedup]", old.dedup != *dedup),
        (
            "[tags], [category]",
            old.label.without_rules() != label.without_rules(),
        ),
        ("[publish]", old.publish != *publish),
        ("[[rule]]", old.label.rules.story != rules.story),
        ("[[feed.rule]]", old.label.rules.feeds != rules.feeds),
        (
            "[[output]]",
            old.label.rules.outputs != rules.outputs || old.outputs != *outputs,
        ),
    ];
    let fixed = [
        ("[server] listen, limits", old.server != *server),
        ("[store]", old.store != *store),
        ("[control]", old.control != *control),
        ("[log]", old.log != *log),
    ];
    let named = |tables: &[(&str, bool)]| {
        tables
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| (*name).to_owned())
            .collect()
    };
    Reloaded {
        added: names(
            after
                .keys()
                .filter(|id| !before.contains_key(*id))
                .copied()
                .collect(),
        ),
        removed: names(
            before
                .keys()
                .filter(|id| !after.contains_key(*id))
                .copied()
                .collect(),
        ),
        changed: names(
            after
                .iter()
                .filter(|(id, source)| before.get(*id).is_some_and(|was| was != *source))
                .map(|(id, _)| *id)
                .collect(),
        ),
        settings: named(&tables),
        restart: named(&fixed),
        warnings: warnings.iter().map(ToString::to_string).collect(),
    }
}
