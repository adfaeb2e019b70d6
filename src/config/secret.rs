//! Secrets: where feeds.toml says they are, and how they are brought from there.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::typed;
use crate::model::source::Secret;

/// What a missing secret means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// A mistake: whoever asks is going to visit sources.
    Required,
    /// A warning: a list of feeds can be printed without them, and the service's credentials are often
    /// out of reach of a person's shell.
    Optional,
}

/// What the configuration takes from its surroundings.
pub struct Surroundings<'a> {
    /// An environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// A file's text.
    pub file: &'a dyn Fn(&Path) -> std::io::Result<String>,
    /// What a missing secret means.
    pub secrets: Secrets,
}

/// What came of looking for a secret.
pub(super) enum Found {
    /// It stands in feeds.toml itself.
    Inline(Secret),
    /// It was where feeds.toml says.
    Elsewhere(Secret),
    /// It was not; in words.
    Missing(String),
}

/// Brings one secret. `base` is the directory that paths in this file start from. `None` if it is not written in
/// any form we know; the check has said so.
pub(super) fn find(
    value: &DeValue<'_>,
    base: &Path,
    surroundings: &Surroundings<'_>,
) -> Option<Found> {
    if let Some(text) = value.as_str() {
        return Some(Found::Inline(Secret::new(text.to_owned())));
    }
    let table = value.as_table()?;
    let named = |name| typed::get(table, name).and_then(typed::text);
    let brought = if let Some(name) = named("env") {
        (surroundings.env)(&name).ok_or_else(|| format!("the environment has no `{name}`"))
    } else if let Some(name) = named("credential") {
        credential(&name, surroundings)
    } else {
        let path = base.join(named("file")?);
        (surroundings.file)(&path)
            .map_err(|error| format!("cannot read the secret {}: {error}", path.display()))
    };
    Some(match brought {
        Ok(secret) => {
            let prefix = prefix(table);
            // Files and credentials usually end with a line end that is not part of the secret.
            Found::Elsewhere(Secret::new(format!("{prefix}{}", secret.trim_end())))
        }
        Err(why) => Found::Missing(why),
    })
}

fn prefix(table: &DeTable<'_>) -> String {
    typed::get(table, "prefix")
        .and_then(typed::text)
        .unwrap_or_default()
}

fn credential(name: &str, surroundings: &Surroundings<'_>) -> Result<String, String> {
    if name.contains('/') || name.starts_with('.') {
        return Err(format!("`{name}` cannot be the name of a credential"));
    }
    let directory = (surroundings.env)("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        format!("there is no credential `{name}`: systemd passes none to this process")
    })?;
    (surroundings.file)(&PathBuf::from(directory).join(name)).map_err(|error| {
        format!("there is no credential `{name}` ({error}); see LoadCredential= in the unit")
    })
}
