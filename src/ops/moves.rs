//! Sources that are polled at another address than feeds.toml has, since a permanent redirect led there.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Context, Error};
use crate::config::Config;
use crate::model::source::{SourceId, SourceState};
use crate::poll::schedule::polled_at;

/// A source whose address in feeds.toml is no longer the one that is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Which.
    pub id: String,
    /// Address in feeds.toml.
    pub from: String,
    /// Address that is polled.
    pub to: String,
    /// Others that are polled there, too.
    #[serde(default)]
    pub with: Vec<String>,
    /// Where it stands in feeds.toml.
    pub written: String,
}

/// Permanent redirects that feeds.toml does not know yet.
///
/// # Errors
/// If the store cannot be read.
pub async fn moved(context: &Context) -> Result<Vec<Moved>, Error> {
    let config = context.config.load_full();
    let elsewhere = elsewhere(context, &config).await?;
    let addresses = by_address(&config, &elsewhere);
    Ok(config
        .sources
        .iter()
        .zip(&config.places)
        .filter_map(|(source, place)| {
            let to = elsewhere.get(&source.id)?;
            Some(Moved {
                id: source.id.to_string(),
                from: source.url.clone(),
                to: to.clone(),
                with: others(&addresses, to, &source.id),
                written: place.to_string(),
            })
        })
        .collect())
}

/// Where those are polled that have moved.
pub(super) async fn elsewhere(
    context: &Context,
    config: &Config,
) -> Result<HashMap<SourceId, String>, Error> {
    let sources = config.source_map();
    let mut moved = HashMap::new();
    let note = |id: SourceId, state: SourceState| {
        let Some(source) = sources.get(&id) else {
            return;
        };
        // A state from before the address was edited says nothing about the new one.
        let to = polled_at(&state, source);
        if !state.moves.is_empty() && to != source.url {
            moved.insert(id, to.to_owned());
        }
    };
    context.each_state(note).await?;
    Ok(moved)
}

/// Which sources are polled at which address.
pub(super) fn by_address<'a>(
    config: &'a Config,
    elsewhere: &'a HashMap<SourceId, String>,
) -> HashMap<&'a str, Vec<&'a SourceId>> {
    let mut all: HashMap<&str, Vec<&SourceId>> = HashMap::new();
    for source in &config.sources {
        let address = elsewhere.get(&source.id).unwrap_or(&source.url);
        all.entry(address.as_str()).or_default().push(&source.id);
    }
    all
}

/// Those that are polled there, apart from this one.
pub(super) fn others(
    all: &HashMap<&str, Vec<&SourceId>>,
    address: &str,
    id: &SourceId,
) -> Vec<String> {
    all.get(address)
        .into_iter()
        .flatten()
        .filter(|other| **other != id)
        .map(ToString::to_string)
        .collect()
}
