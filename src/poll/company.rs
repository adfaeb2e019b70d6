//! Which sources are polled at one and the same address: one request serves them all. They come together when one moves
//! to where another one is, and each keeps its id and its articles.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::source::{Source, SourceId, SourceKind, SourceState};

/// Sources by the address that is polled. Only hashes of addresses stand here: whoever is found by one is asked for the
/// address itself before it counts.
#[derive(Debug, Default)]
pub(super) struct Company {
    first: HashMap<u64, SourceId>,
    /// Those that came later: few, so what is usual stays small.
    more: HashMap<u64, Vec<SourceId>>,
}

impl Company {
    pub(super) fn with_capacity(sources: usize) -> Self {
        Self {
            first: HashMap::with_capacity(sources),
            more: HashMap::new(),
        }
    }

    /// The source is polled there.
    pub(super) fn join(&mut self, url: &str, id: &SourceId) {
        let key = xxh3_64(url.as_bytes());
        let first = self.first.entry(key).or_insert_with(|| id.clone());
        if first != id {
            let more = self.more.entry(key).or_default();
            if !more.contains(id) {
                more.push(id.clone());
            }
        }
    }

    /// The source is no longer polled there.
    pub(super) fn leave(&mut self, url: &str, id: &SourceId) {
        let key = xxh3_64(url.as_bytes());
        let mut rest = self.more.remove(&key).unwrap_or_default();
        rest.retain(|other| other != id);
        if self.first.get(&key) == Some(id) {
            self.first.remove(&key);
            if !rest.is_empty() {
                self.first.insert(key, rest.remove(0));
            }
        }
        if !rest.is_empty() {
            self.more.insert(key, rest);
        }
    }

    /// The others that may be polled there.
    pub(super) fn others(&self, url: &str, id: &SourceId) -> Vec<SourceId> {
        if self.more.is_empty() {
            return Vec::new();
        }
        let key = xxh3_64(url.as_bytes());
        let Some(more) = self.more.get(&key) else {
            return Vec::new();
        };
        let all = self.first.get(&key).into_iter().chain(more);
        all.filter(|other| *other != id).cloned().collect()
    }
}

/// Whether an origin sees the same request from both, so that its answer may serve both: credentials, disguises and other
/// ways out keep a source for itself.
pub(super) fn ask_alike(a: &Source, b: &Source) -> bool {
    let plain =
        |source: &Source| source.kind == SourceKind::Feed && source.manner.headers.is_empty();
    plain(a) && plain(b) && a.manner == b.manner
}

/// Whether both hold the same: then "not modified" says the same to both.
pub(super) fn know_alike(a: &SourceState, b: &SourceState) -> bool {
    a.url_current == b.url_current && a.validators == b.validators && a.body_hash == b.body_hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_meet_and_part() {
        let id = |name: &str| SourceId::new(name).unwrap();
        let mut company = Company::with_capacity(4);
        company.join("http://a/", &id("a"));
        company.join("http://b/", &id("b"));
        assert!(company.others("http://a/", &id("a")).is_empty());
        for name in ["b", "c", "c"] {
            company.join("http://a/", &id(name));
        }
        assert_eq!(company.others("http://a/", &id("a")), [id("b"), id("c")]);
        assert_eq!(company.others("http://a/", &id("c")), [id("a"), id("b")]);
        assert!(company.others("http://b/", &id("b")).is_empty());
        company.leave("http://a/", &id("a"));
        assert_eq!(company.others("http://a/", &id("c")), [id("b")]);
        company.leave("http://a/", &id("b"));
        assert!(company.others("http://a/", &id("c")).is_empty());
        company.leave("http://a/", &id("c"));
        company.join("http://a/", &id("d"));
        assert!(company.others("http://a/", &id("d")).is_empty());
    }
}
