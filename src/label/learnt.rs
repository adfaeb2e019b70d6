//! What was learnt from the articles so far: in how many of them a term stands, by language, and which labels more than one
//! source uses. It forgets slowly, fits in a few megabytes, and survives a restart as bytes. Texts are never kept here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use xxhash_rust::xxh3::xxh3_64;

/// Articles of a language before its own counts are better than none.
const ENOUGH: u32 = 500;
/// After so many articles everything counts half, so that old news fade.
const HALVE: u32 = 20_000;
/// Terms of one language, and labels.
const MOST: usize = 150_000;
/// Says what the bytes are.
const MARK: &[u8] = b"learnt1\n";
/// Instead of a source: several of them.
const MANY: u32 = u32::MAX;

/// In place of a source: a label that the administrator gives is used whoever else uses it.
pub const ADMINISTRATOR: &str = "*";

/// Counts that all visits share.
#[derive(Default)]
pub struct Learnt(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    languages: BTreeMap<String, Counts>,
    /// Which source uses a label.
    labels: HashMap<u64, u32>,
    changed: bool,
}

#[derive(Debug, Default)]
struct Counts {
    articles: u32,
    terms: HashMap<u64, u32>,
}

/// What was learnt is no setting: two configurations do not differ by it.
impl PartialEq for Learnt {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Learnt {}

impl fmt::Debug for Learnt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Learnt")
    }
}

/// How a term or the key of a label is remembered.
#[must_use]
pub fn term(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

impl Learnt {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the terms of one more article, each of them once.
    pub fn article(&self, language: &str, terms: &[u64]) {
        let mut inner = self.write();
        inner.changed = true;
        let counts = inner.languages.entry(language.to_owned()).or_default();
        counts.articles += 1;
        for term in terms {
            *counts.terms.entry(*term).or_default() += 1;
        }
        if counts.articles >= HALVE {
            counts.articles /= 2;
            counts.terms.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
        if counts.terms.len() > MOST {
            counts.terms.retain(|_, count| *count > 1);
        }
        if counts.terms.len() > MOST {
            counts.terms.clear();
            counts.articles = 0;
        }
    }

    /// Notes that a source uses a label.
    pub fn label(&self, key: &str, source: &str) {
        let source = match source {
            ADMINISTRATOR => MANY,
            source => u32::try_from(term(source) >> 33).unwrap_or_default(),
        };
        let key = term(key);
        if matches!(self.read().labels.get(&key), Some(known) if *known == source || *known == MANY)
        {
            return;
        }
        let mut inner = self.write();
        inner.changed = true;
        let known = inner.labels.entry(key).or_insert(source);
        if *known != source {
            *known = MANY;
        }
        if inner.labels.len() > MOST {
            inner.labels.retain(|_, source| *source == MANY);
        }
    }

    /// True if more than one source uses a label, or the administrator does.
    #[must_use]
    pub fn is_shared(&self, key: &str) -> bool {
        self.read().labels.get(&term(key)) == Some(&MANY)
    }

    /// How rare terms are among the articles of a language, in their order; `None` as long as too few were seen.
    #[must_use]
    pub fn rarity(&self, language: &str, terms: &[u64]) -> Option<Vec<f64>> {
        let inner = self.read();
        let counts = inner.languages.get(language)?;
        if counts.articles < ENOUGH {
            return None;
        }
        let articles = f64::from(counts.articles);
        let rarity = |term: &u64| {
            let count = f64::from(counts.terms.get(term).copied().unwrap_or(0));
            ((articles + 1.0) / (count + 0.5)).ln()
        };
        Some(terms.iter().map(rarity).collect())
    }

    /// Articles counted, by language.
    #[must_use]
    pub fn articles(&self) -> Vec<(String, u32)> {
        let inner = self.read();
        let counts = inner.languages.iter();
        counts
            .map(|(language, counts)| (language.clone(), counts.articles))
            .collect()
    }

    /// All of it as bytes, if it changed since the last time. Terms that stand in one article only are left out.
    #[must_use]
    pub fn take_changes(&self) -> Option<Vec<u8>> {
        let mut inner = self.write();
        if !std::mem::take(&mut inner.changed) {
            return None;
        }
        let mut bytes = MARK.to_vec();
        let mut table = |name: &str, number: u32, rows: Vec<(u64, u32)>| {
            let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
            bytes.extend(length(name.len()));
            bytes.extend(name.as_bytes());
            bytes.extend(number.to_le_bytes());
            bytes.extend(length(rows.len()));
            for (key, count) in rows {
                bytes.extend(key.to_le_bytes());
                bytes.extend(count.to_le_bytes());
            }
        };
        for (language, counts) in &inner.languages {
            let rows = counts.terms.iter().filter(|(_, count)| **count > 1);
            let rows = rows.map(|(term, count)| (*term, *count)).collect();
            table(language, counts.articles, rows);
        }
        let labels = inner.labels.iter();
        table("", 0, labels.map(|(key, source)| (*key, *source)).collect());
        Some(bytes)
    }

    /// Takes what [`Learnt::take_changes`] gave; bytes that are something else change nothing.
    pub fn remember(&self, bytes: &[u8]) {
        if let Some(inner) = bytes.strip_prefix(MARK).and_then(read) {
            *self.write() = inner;
        }
    }
}

fn read(mut bytes: &[u8]) -> Option<Inner> {
    fn number(bytes: &mut &[u8]) -> Option<u32> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u32::from_le_bytes(*first))
    }
    let mut inner = Inner::default();
    while !bytes.is_empty() {
        let length = usize::try_from(number(&mut bytes)?).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let name = std::str::from_utf8(name).ok()?;
        let articles = number(&mut bytes)?;
        let rows = number(&mut bytes)?;
        let mut terms = HashMap::new();
        for _ in 0..rows {
            let (key, rest) = bytes.split_first_chunk()?;
            bytes = rest;
            terms.insert(u64::from_le_bytes(*key), number(&mut bytes)?);
        }
        if name.is_empty() {
            inner.labels = terms;
        } else {
            let counts = Counts { articles, terms };
            inner.languages.insert(name.to_owned(), counts);
        }
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarity_is_learnt_and_survives_as_bytes() {
        let learnt = Learnt::default();
        let (common, rare) = (term("government"), term("zeppelin"));
        for n in 0..ENOUGH {
            let some = if n < 3 {
                vec![common, rare]
            } else {
                vec![common]
            };
            assert_eq!(learnt.rarity("en", &[common]), None, "after {n}");
            learnt.article("en", &some);
        }
        let before = learnt.rarity("en", &[common, rare]).unwrap();
        assert!(before[1] > before[0] + 3.0, "{before:?}");
        assert_eq!(learnt.rarity("fr", &[common]), None);

        let bytes = learnt.take_changes().unwrap();
        assert_eq!(learnt.take_changes(), None);
        let again = Learnt::default();
        again.remember(&bytes);
        assert_eq!(again.rarity("en", &[common, rare]), Some(before));
        for cut in [0, 5, 20, bytes.len() - 1] {
            let broken = Learnt::default();
            broken.remember(&bytes[..cut]);
            assert!(broken.articles().is_empty(), "cut at {cut}");
        }
    }

    #[test]
    fn old_articles_fade() {
        let learnt = Learnt::default();
        let (old, new) = (term("old"), term("new"));
        for _ in 0..HALVE / 2 {
            learnt.article("en", &[old]);
        }
        for _ in 0..HALVE {
            learnt.article("en", &[new]);
        }
        let rarity = learnt.rarity("en", &[old, new]).unwrap();
        assert!(rarity[0] > rarity[1] + 1.0, "{rarity:?}");
        assert!(learnt.articles()[0].1 < HALVE);
    }

    #[test]
    fn a_label_of_two_sources_is_shared() {
        let learnt = Learnt::default();
        learnt.label("rust", "a");
        learnt.label("rust", "a");
        assert!(!learnt.is_shared("rust"));
        learnt.label("rust", "b");
        assert!(learnt.is_shared("rust"));
        let again = Learnt::default();
        again.remember(&learnt.take_changes().unwrap());
        assert!(again.is_shared("rust"));
    }
}
