//! Pages and counts: every article is looked at, and what fits is sorted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Named, Tables, name, place};
use crate::model::article::{Article, Revision};
use crate::model::label::{Cursor, LabelCount, Scope, Selection};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::common::by_count;
use crate::store::{Listing, Page, lists};

impl Tables {
    pub(super) fn labels(&self, pick: impl Fn(&Scope) -> Option<&String>) -> Vec<LabelCount> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.articles.values() {
            for scope in lists::lists(&record.article.head) {
                if let Some(key) = pick(&scope) {
                    *counts.entry(key.clone()).or_default() += 1;
                }
            }
        }
        let mut all: Vec<LabelCount> = counts
            .into_iter()
            .map(|(key, articles)| {
                let mut all = self.names.values();
                let named = all.find(|(scope, _)| pick(scope) == Some(&key));
                label(named.map(|(_, named)| named), key, articles)
            })
            .collect();
        by_count(&mut all);
        all
    }

    pub(super) fn list(&self, selection: &Selection, page: Page) -> Listing {
        let mut all: Vec<(Cursor, Arc<Article>)> = self
            .articles
            .iter()
            .filter(|(_, record)| lists::fits(&record.article.head, selection))
            .map(|(&seq, record)| {
                (
                    place(seq, &record.article.head),
                    Arc::clone(&record.article),
                )
            })
            .collect();
        all.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        let (mut from, mut to) = match page {
            Page::First { most } => (0, most.min(all.len())),
            Page::After { cursor, most } => {
                let from = all.partition_point(|(place, _)| *place >= cursor);
                (from, from.saturating_add(most).min(all.len()))
            }
            Page::Before { cursor, most } => {
                let to = all.partition_point(|(place, _)| *place > cursor);
                (to.saturating_sub(most), to)
            }
        };
        let mut shown = all[from..to].to_vec();
        if let Some(limit) = selection.per_source {
            (shown, from, to) = limited(&all, page, from, to, limit);
        }
        let named = self.names.get(&name(&selection.scope));
        Listing {
            articles: shown,
            older: to < all.len(),
            newer: from > 0,
            known: named.is_some() || selection.scope == Scope::All,
            as_of: Revision::default(),
            touched: named.map_or(Timestamp::EPOCH, |(_, named)| named.touched),
        }
    }
}

/// A page with no more than so many articles of one source, and where it begins and ends in the whole list.
fn limited(
    all: &[(Cursor, Arc<Article>)],
    page: Page,
    from: usize,
    to: usize,
    limit: u32,
) -> (Vec<(Cursor, Arc<Article>)>, usize, usize) {
    let mut counts: HashMap<SourceId, u32> = HashMap::new();
    let mut take = |at: &usize| {
        let count = counts.entry(all[*at].1.head.source.clone()).or_default();
        *count += 1;
        *count <= limit
    };
    let (Page::First { most } | Page::After { most, .. } | Page::Before { most, .. }) = page;
    let places: Vec<usize> = if matches!(page, Page::Before { .. }) {
        let mut places: Vec<usize> = (0..to).rev().filter(&mut take).take(most).collect();
        places.reverse();
        places
    } else {
        (from..all.len()).filter(&mut take).take(most).collect()
    };
    let shown = places.iter().map(|at| all[*at].clone()).collect();
    let first = places.first().copied().unwrap_or(from);
    let last = places.last().map_or(first, |last| last + 1);
    (shown, first, last)
}

/// A label as readers see it.
pub(super) fn label(named: Option<&Named>, key: String, articles: u64) -> LabelCount {
    let name = named.and_then(|named| named.shown.clone());
    LabelCount {
        name: name.unwrap_or_else(|| key.clone()),
        key,
        articles,
    }
}
