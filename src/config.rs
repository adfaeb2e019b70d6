//! feeds.toml as meant: the options of every part, and the sources.
//!
//! The text of the files comes in, a [`Config`] goes out, or every mistake with its place. Parts receive their own
//! `Options`, never the whole. Nothing here writes, except [`edit`], which changes the file for the commands.

mod check;
pub mod edit;
mod effective;
mod files;
mod json_schema;
mod later;
mod manual;
mod nearest;
mod problem;
mod read;
mod schema;
mod secret;
mod source;
mod typed;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use effective::{Setting, effective, effective_feed};
pub use json_schema::json_schema;
pub use manual::manual;
pub use nearest::hint;
pub use problem::{Errors, Place, Problem};
pub use read::read;
pub use secret::{Secrets, Surroundings};
pub use source::{default_id, without_user_info};

use crate::model::source::{Source, SourceId, Sources};
use crate::{dedup, fetch, label, poll, publish, serve, store};

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path, as messages should show it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Where the commands reach the daemon: `[control]`. It stands here since the socket's room knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Where the socket is.
    pub socket: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

/// What is written to the log: `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// How much, as a list of directives: `info`, `info,aggd::fetch=debug`.
    pub level: String,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Journal under systemd, text on a terminal, else JSON.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// The systemd journal, with fields.
    Journal,
    /// One object a line.
    Json,
}

/// Language of the pages: `[server] language`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// What the browser asks for.
    #[default]
    Auto,
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`.
    pub server: serve::Options,
    /// What the feeds say of the aggregator.
    pub site: publish::Site,
    /// Language of the pages.
    pub language: Language,
    /// `[store]`.
    pub store: store::Options,
    /// `[poll]`.
    pub poll: poll::Options,
    /// `[fetch]`.
    pub fetch: fetch::Options,
    /// `[dedup]`.
    pub dedup: dedup::Options,
    /// `[tags]` and `[category.*]`.
    pub label: label::Options,
    /// `[publish]`.
    pub publish: publish::Options,
    /// `[control]`.
    pub control: Control,
    /// `[log]`.
    pub log: Log,
    /// The `[[feed]]`s, in the order of the files.
    pub sources: Vec<Source>,
    /// Where each of `sources` stands.
    pub places: Vec<Place>,
    /// The files, the first one first.
    pub files: Vec<PathBuf>,
    /// What is odd but no mistake.
    pub warnings: Vec<Problem>,
    /// Where each setting that is not at its default was written, by dotted path.
    pub origins: BTreeMap<String, Place>,
}

impl Config {
    /// The sources by id, as the poller wants them.
    #[must_use]
    pub fn source_map(&self) -> Sources {
        self.sources
            .iter()
            .map(|source| (source.id.clone(), Arc::new(source.clone())))
            .collect()
    }

    /// How many categories the sources stand in.
    #[must_use]
    pub fn category_count(&self) -> usize {
        let keys: BTreeSet<String> = self
            .sources
            .iter()
            .filter_map(|source| source.category.as_deref())
            .map(crate::text::key)
            .collect();
        keys.len()
    }

    /// One source.
    #[must_use]
    pub fn source(&self, id: &SourceId) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == *id)
    }
}

/// The key under which a category is known, however its name is spelt.
#[must_use]
pub fn category_key(name: &str) -> String {
    crate::text::key(name.trim())
}

/// Reads the configuration for somebody who is going to visit sources: a missing secret is a mistake.
///
/// # Errors
/// If there is no file, it cannot be read, or it has mistakes: then all of them.
pub fn load(path: Option<&Path>) -> Result<Config, Errors> {
    load_with(path, Secrets::Required)
}

/// Reads the configuration, saying what a missing secret means.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: Option<&Path>, secrets: Secrets) -> Result<Config, Errors> {
    let main = locate(path)?;
    let file = files::open(&main)?;
    load_text(file, secrets)
}

/// Where feeds.toml is: what was asked for, or the first of the usual places that has one.
///
/// # Errors
/// [`Errors::NotFound`].
pub fn locate(path: Option<&Path>) -> Result<PathBuf, Errors> {
    files::find(path, &|name: &str| std::env::var(name).ok())
}

/// Where the daemon's socket should be, however many mistakes the file has: it may be running with the file of before.
#[must_use]
pub fn socket(path: Option<&Path>) -> Option<PathBuf> {
    let file = files::open(&locate(path).ok()?).ok()?;
    let env = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings {
        env: &env,
        file: &|path| std::fs::read_to_string(path),
        secrets: Secrets::Optional,
    };
    Some(read::control(&file, &surroundings).socket)
}

/// Reads the configuration as it would be if its first file held this text.
///
/// # Errors
/// As [`load`].
pub fn load_text(file: File, secrets: Secrets) -> Result<Config, Errors> {
    load_gathered(files::gather(file, &[]), secrets)
}

/// Reads the configuration as it would be if some of its files, named as they are included, held these texts: what an
/// edit is tried with.
///
/// # Errors
/// As [`load`].
pub fn load_changed(main: &Path, changed: &[File], secrets: Secrets) -> Result<Config, Errors> {
    let first = match changed.iter().find(|file| file.path == main) {
        Some(file) => file.clone(),
        None => files::open(main)?,
    };
    load_gathered(files::gather(first, changed), secrets)
}

fn load_gathered(
    (files, mut wrong): (Vec<File>, Vec<Problem>),
    secrets: Secrets,
) -> Result<Config, Errors> {
    let env = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings {
        env: &env,
        file: &|path| std::fs::read_to_string(path),
        secrets,
    };
    match read(&files, &surroundings) {
        Ok(config) if wrong.is_empty() => Ok(config),
        Ok(_) => Err(Errors::Invalid(wrong)),
        Err(Errors::Invalid(more)) => {
            wrong.extend(more);
            Err(Errors::Invalid(wrong))
        }
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests;
