//! All settings of all files by dotted path, each read as what it should be.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use toml::de::DeValue;

use crate::config::check::Leaf;
use crate::config::problem::{Lines, Place};
use crate::config::typed;
use crate::text;

/// All settings of all files by path.
pub(super) struct Settings<'a> {
    pub(super) leaves: HashMap<&'a str, (&'a Leaf<'a>, usize)>,
    pub(super) items: HashMap<&'a str, Vec<(&'a Leaf<'a>, usize)>>,
}

impl<'a> Settings<'a> {
    pub(super) fn value(&self, path: &str) -> Option<&'a DeValue<'a>> {
        self.leaves.get(path).map(|(leaf, _)| leaf.value)
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.value(path).and_then(typed::text)
    }

    pub(super) fn duration(&self, path: &str, default: Duration) -> Duration {
        self.value(path)
            .and_then(typed::duration)
            .unwrap_or(default)
    }

    pub(super) fn size(&self, path: &str, default: u64) -> u64 {
        self.value(path).and_then(typed::size).unwrap_or(default)
    }

    pub(super) fn whole<T: TryFrom<i64>>(&self, path: &str, default: T) -> T {
        self.value(path)
            .and_then(typed::whole)
            .and_then(|number| T::try_from(number).ok())
            .unwrap_or(default)
    }

    pub(super) fn flag(&self, path: &str, default: bool) -> bool {
        self.value(path)
            .and_then(DeValue::as_bool)
            .unwrap_or(default)
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&self, path: &str, words: &[(&str, T)], default: T) -> T {
        self.value(path)
            .and_then(DeValue::as_str)
            .and_then(|word| words.iter().find(|(name, _)| *name == word))
            .map_or(default, |(_, value)| *value)
    }

    /// Where each setting was written, by dotted path; what stands under a free name also by its key.
    pub(super) fn origins(&self, lines: &[Lines<'_>]) -> BTreeMap<String, Place> {
        let place = |leaf: &Leaf<'_>, file: usize| lines[file].place(leaf.at);
        let settings = self.leaves.iter();
        let settings =
            settings.map(|(path, (leaf, file))| ((*path).to_owned(), place(leaf, *file)));
        let items = self.items.iter().flat_map(|(path, items)| {
            items.iter().flat_map(move |(leaf, file)| {
                let name = leaf.item.unwrap_or_default();
                let written = (format!("{path}.{name}"), place(leaf, *file));
                let by_key = (format!("{path}.{}", text::key(name)), place(leaf, *file));
                [written, by_key]
            })
        });
        settings.chain(items).collect()
    }

    pub(super) fn items(&self, path: &str) -> &[(&'a Leaf<'a>, usize)] {
        self.items.get(path).map_or(&[], Vec::as_slice)
    }
}
