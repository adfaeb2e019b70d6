//! What each change does to the tables: the same rules as the real engine's, done the plain way.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::{Named, Record, Tables, name, place};
use crate::model::article::{Article, ArticleId, Head, Key, Sighting};
use crate::model::label::{Cursor, Scope};
use crate::model::signature::{Estimate, SERIES, Signature, TITLE};
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::store::common::{SPELLINGS, in_order, prefix};
use crate::store::lists::{self, SHOWN};
use crate::store::lsh::Print;
use crate::store::schedule::Schedule;
use crate::store::{Among, Batch, Change, Error, Keep, Prints};

impl Tables {
    /// What a batch relies on must still hold.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), Error> {
        if batch.claims.iter().any(|&key| self.leads_somewhere(key)) {
            return Err(Error::Conflict);
        }
        for (id, version) in &batch.expects {
            let (_, record) = self.by_id(*id).ok_or(Error::Conflict)?;
            if record.article.head.version != *version {
                return Err(Error::Conflict);
            }
        }
        if let Some(prints) = &batch.prints
            && prints.signatures.iter().any(|(_, signature)| {
                let mut later = self.resembling(signature, prints.among);
                later.any(|(print, estimate)| {
                    print.number > prints.as_of && estimate.is_worth_a_look()
                })
            })
        {
            return Err(Error::Conflict);
        }
        Ok(())
    }

    pub(super) fn print(&mut self, prints: Prints, now: Timestamp) {
        for (copy, signature) in prints.signatures {
            let number = self.prints.last().map_or(1, |last| last.number + 1);
            self.prints.push(Print {
                number,
                at: now,
                copy,
                signature,
            });
        }
        let boilerplate = self.boilerplate.entry(prints.source).or_default();
        for entry in prints.paragraphs {
            boilerplate.count(&entry);
        }
    }

    /// Everything that shares a band with a signature, but not only the one that tells a series.
    pub(super) fn resembling(
        &self,
        sought: &Signature,
        among: Among,
    ) -> impl Iterator<Item = (&Print, Estimate)> {
        self.prints.iter().filter_map(move |print| {
            let other = &print.signature;
            let shared = (0..SERIES).any(|band| sought.meets(other, band));
            let here = (sought.source, sought.shelf);
            let covered = among.reach.covers(here, (other.source, other.shelf));
            let estimate = sought.sketch.estimate(&other.sketch);
            let wanted = estimate.is_worth_a_look() || sought.meets(other, TITLE);
            (shared && covered && wanted && print.at >= among.since).then_some((print, estimate))
        })
    }

    pub(super) fn is_series(&self, of: &Signature, more: usize) -> bool {
        let same = |print: &&Print| of.meets(&print.signature, SERIES);
        of.series != 0 && self.prints.iter().filter(same).count() + more >= 3
    }

    pub(super) fn holders(&self, key: Key) -> impl Iterator<Item = u64> {
        self.keys
            .range((key, 0)..=(key, u64::MAX))
            .map(|(_, seq)| *seq)
    }

    fn leads_somewhere(&self, key: Key) -> bool {
        self.holders(key).next().is_some()
    }

    pub(super) fn by_id(&self, id: ArticleId) -> Option<(u64, &Record)> {
        self.holders(Key::Guid(id.0))
            .map(|seq| (seq, &self.articles[&seq]))
            .find(|(_, record)| record.article.head.id == id)
    }

    /// Does one change and says which lists it concerned.
    pub(super) fn change(
        &mut self,
        change: Change,
        now: Timestamp,
    ) -> Result<Vec<(ArticleId, Vec<Scope>)>, Error> {
        let done = match change {
            Change::New { article, keys } => {
                if self.by_id(article.head.id).is_some() {
                    return Err(Error::Conflict);
                }
                self.last_seq += 1;
                self.put(self.last_seq, *article, keys, now)
            }
            Change::Revised { article, keys } => {
                let (seq, _) = self.by_id(article.head.id).ok_or(Error::Conflict)?;
                self.put(seq, *article, keys, now)
            }
            Change::Amended {
                head,
                sightings,
                keys,
            } => {
                let (seq, record) = self.by_id(head.id).ok_or(Error::Conflict)?;
                let article = amended(&record.article, *head, sightings);
                self.put(seq, article, keys, now)
            }
            Change::Merged {
                article,
                from,
                mut keys,
            } => {
                let (seq, _) = self.by_id(article.head.id).ok_or(Error::Conflict)?;
                let (gone, record) = self.by_id(from).ok_or(Error::Conflict)?;
                keys.extend(&record.keys);
                let kept = self.put(seq, *article, keys, now);
                return Ok(vec![kept, self.bury(gone, now)]);
            }
            Change::Parted {
                article,
                keys,
                lost,
            } => {
                let (seq, _) = self.by_id(article.head.id).ok_or(Error::Conflict)?;
                let done = self.put(seq, *article, keys, now);
                if let Some(record) = self.articles.get_mut(&seq) {
                    for key in &lost {
                        record.keys.remove(key);
                        self.keys.remove(&(*key, seq));
                    }
                }
                done
            }
            Change::Removed { id } => {
                let (seq, _) = self.by_id(id).ok_or(Error::Conflict)?;
                self.bury(seq, now)
            }
        };
        Ok(vec![done])
    }

    fn put(
        &mut self,
        seq: u64,
        article: Article,
        keys: Vec<Key>,
        now: Timestamp,
    ) -> (ArticleId, Vec<Scope>) {
        let id = article.head.id;
        let after = lists::lists(&article.head);
        let old = self.articles.remove(&seq);
        let mut scopes = Vec::new();
        let (mut held, mut listed_until) = (BTreeSet::new(), Timestamp::EPOCH);
        if let Some(old) = old {
            scopes = lists::lists(&old.article.head);
            for scope in &scopes {
                self.touch_as(scope, seq, &old.article.head, now);
                self.count(scope, &old.article.head, false);
            }
            held = old.keys;
            listed_until = old.listed_until;
        }
        held.extend(lists::own_keys(&article.head));
        held.extend(keys);
        for key in &held {
            self.buried.remove(key);
            self.keys.insert((*key, seq));
        }
        for scope in &after {
            self.count(scope, &article.head, true);
            self.touch_as(scope, seq, &article.head, now);
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        self.articles.insert(
            seq,
            Record {
                article: Arc::new(article),
                keys: held,
                listed_until,
            },
        );
        (id, scopes)
    }

    fn bury(&mut self, seq: u64, now: Timestamp) -> (ArticleId, Vec<Scope>) {
        let record = self
            .articles
            .remove(&seq)
            .expect("the caller has just found it");
        let head = &record.article.head;
        for key in &record.keys {
            self.keys.remove(&(*key, seq));
            if !self.leads_somewhere(*key) {
                self.buried.insert(*key, (now, head.source.clone()));
            }
        }
        let scopes = lists::lists(head);
        for scope in &scopes {
            self.touch_as(scope, seq, head, now);
            self.count(scope, head, false);
        }
        (head.id, scopes)
    }

    /// Moves a list's `touched` if the article is, or would be, one of its newest.
    fn touch_as(&mut self, scope: &Scope, seq: u64, head: &Head, now: Timestamp) {
        let here = place(seq, head);
        let newer = self
            .articles
            .iter()
            .filter(|(seq, record)| {
                place(**seq, &record.article.head) > here
                    && lists::lists(&record.article.head).contains(scope)
            })
            .count() as u64;
        let (_, named) = self
            .names
            .entry(name(scope))
            .or_insert_with(|| (scope.clone(), Named::default()));
        if newer < SHOWN {
            named.touched = named.touched.max(now);
        }
    }

    fn count(&mut self, scope: &Scope, head: &Head, more: bool) {
        let Some(spelling) = lists::spelling(head, scope) else {
            return;
        };
        let (_, named) = self
            .names
            .entry(name(scope))
            .or_insert_with(|| (scope.clone(), Named::default()));
        let room = named.spellings.len() < SPELLINGS;
        match named.spellings.iter_mut().find(|(s, _)| s == spelling) {
            Some((_, count)) if more => *count += 1,
            Some((_, count)) => *count = count.saturating_sub(1),
            None if more && room => {
                named.spellings.push((spelling.to_owned(), 1));
            }
            None => {}
        }
        named.spellings.retain(|(_, count)| *count > 0);
    }

    /// A source's state, for a visit.
    pub(super) fn state(&self, source: &SourceId) -> Box<SourceState> {
        Box::new(self.states.get(source).cloned().unwrap_or_default())
    }

    pub(super) fn visited(&mut self, source: SourceId, state: SourceState, now: Timestamp) {
        let still: HashSet<u64> = state.listed.iter().copied().collect();
        let old = self.states.insert(source, state);
        for prefix in old.map(|old| old.listed).unwrap_or_default() {
            if still.contains(&prefix) {
                continue;
            }
            let (from, to) = (
                u128::from(prefix) << 64,
                u128::from(prefix) << 64 | u128::from(u64::MAX),
            );
            let gone: Vec<u64> = self
                .keys
                .range((Key::Guid(from), 0)..=(Key::Guid(to), u64::MAX))
                .map(|(_, seq)| *seq)
                .collect();
            for seq in gone {
                if let Some(record) = self.articles.get_mut(&seq) {
                    record.listed_until = record.listed_until.max(now);
                }
            }
        }
    }

    /// Articles that `keep` no longer covers, in order of arrival.
    pub(super) fn outlived(&self, keep: Keep, now: Timestamp, schedule: &Schedule) -> Vec<u64> {
        let listed: HashSet<u64> = self
            .states
            .iter()
            .filter(|(id, _)| schedule.may_list(id))
            .flat_map(|(_, state)| state.listed.iter().copied())
            .collect();
        let mut by_list: BTreeMap<String, Vec<Cursor>> = BTreeMap::new();
        for (&seq, record) in &self.articles {
            let head = &record.article.head;
            let sources = lists::sources(head).into_iter().map(Scope::Source);
            let outputs = lists::lists(head)
                .into_iter()
                .filter(|scope| matches!(scope, Scope::Output(_)));
            for scope in sources.chain(outputs) {
                by_list
                    .entry(name(&scope))
                    .or_default()
                    .push(place(seq, head));
            }
        }
        let (mut spared, mut over) = (HashSet::new(), HashSet::new());
        for (list, mut places) in by_list {
            places.sort_unstable_by(|a, b| b.cmp(a));
            spared.extend(
                places
                    .iter()
                    .take(keep.min_per_feed as usize)
                    .map(|c| c.seq),
            );
            if list.starts_with('f') {
                over.extend(
                    places
                        .iter()
                        .skip(keep.max_per_feed as usize)
                        .map(|c| c.seq),
                );
            }
        }
        self.articles
            .iter()
            .filter(|(seq, record)| {
                let head = &record.article.head;
                let old = now.since(head.first_seen.max(record.listed_until)) > keep.age;
                let listed = || {
                    lists::own_keys(head).iter().any(
                        |key| matches!(key, Key::Guid(hash) if listed.contains(&prefix(*hash))),
                    )
                };
                (old || over.contains(*seq)) && !spared.contains(*seq) && !listed()
            })
            .map(|(seq, _)| *seq)
            .collect()
    }
}

fn amended(old: &Article, head: Head, news: Vec<Sighting>) -> Article {
    let mut all = old.sightings.clone();
    for new in news {
        let same = |old: &&mut Sighting| old.source == new.source && old.guid_key == new.guid_key;
        match all.iter_mut().find(same) {
            Some(old) => *old = new,
            None => all.push(new),
        }
    }
    let sightings = in_order(&head, all);
    Article {
        head,
        entry: old.entry.clone(),
        about: old.about.clone(),
        sightings,
    }
}
