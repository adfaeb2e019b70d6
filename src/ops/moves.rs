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
    let states = context.states().await?;
    let addresses = by_address(&config, &states);
    Ok(config
        .sources
        .iter()
        .zip(&config.places)
        .filter_map(|(source, place)| {
            let state = states.get(&source.id)?;
            let to = state.url_current.as_str();
            // A state from before the address was edited says nothing about the new one.
            let moved = state.url_config == source.url
                && !to.is_empty()
                && to != source.url
                && !state.moves.is_empty();
            moved.then(|| Moved {
                id: source.id.to_string(),
                from: source.url.clone(),
                to: to.to_owned(),
                with: others(&addresses, to, &source.id),
                written: place.to_string(),
            })
        })
        .collect())
}

/// Which sources are polled at which address.
pub(super) fn by_address<'a>(
    config: &'a Config,
    states: &'a HashMap<SourceId, SourceState>,
) -> HashMap<&'a str, Vec<&'a SourceId>> {
    let mut all: HashMap<&str, Vec<&SourceId>> = HashMap::new();
    for source in &config.sources {
        let address = states
            .get(&source.id)
            .map_or(source.url.as_str(), |state| polled_at(state, source));
        all.entry(address).or_default().push(&source.id);
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
