//! The plain engine: everything in ordered maps, every question answered by looking at every article.
//!
//! It is the model that tests compare the real engine with, and a store for tests of other rooms. It keeps nothing
//! when it is dropped.

mod pages;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::common::{FORGET_AT_ONCE, SPELLINGS, commonest, day, days, in_order, prefix};
use super::item::scope_parts;
use super::lists::{self, SHOWN};
use super::lsh::Print;
use super::schedule::Schedule;
use super::{
    Alike, Among, Batch, Change, Commit, Committed, Due, Error, Found, Keep, Known, Lease, Listing,
    Near, Options, Page, Prints, Stats, Store,
};
use crate::model::article::{Article, ArticleId, Head, Key, Revision, Sighting};
use crate::model::boilerplate::Boilerplate;
use crate::model::label::{Cursor, LabelCount, Scope, Selection};
use crate::model::signature::{Estimate, SERIES, Signature, TITLE};
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

use pages::label;

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    authority: (String, i32),
    keep: Keep,
    tombstones: std::time::Duration,
    inner: Mutex<Inner>,
    news: watch::Sender<Revision>,
}

#[derive(Debug, Clone)]
struct Record {
    article: Arc<Article>,
    keys: BTreeSet<Key>,
    /// When its source last listed it, once it no longer does.
    listed_until: Timestamp,
}

/// What is remembered of a list whether or not anything stands in it.
#[derive(Debug, Clone, Default)]
struct Named {
    spellings: Vec<(String, u64)>,
    touched: Timestamp,
    /// How it is spelt for readers: as most articles of the commit that first published it spell it.
    shown: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    articles: BTreeMap<u64, Record>,
    keys: BTreeSet<(Key, u64)>,
    buried: BTreeMap<Key, (Timestamp, SourceId)>,
    states: BTreeMap<SourceId, SourceState>,
    names: BTreeMap<String, (Scope, Named)>,
    last_seq: u64,
    prints: Vec<Print>,
    boilerplate: BTreeMap<SourceId, Boilerplate>,
    notes: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Default)]
struct Inner {
    tables: Tables,
    history: Vec<Commit>,
    schedule: Schedule,
    closed: bool,
}

impl Memory {
    /// An empty store that publishes ids under this host and year.
    #[must_use]
    pub fn new(authority: (String, i32)) -> Self {
        Self::with(authority, &Options::default())
    }

    /// An empty store with these rules of retention.
    #[must_use]
    pub fn with(authority: (String, i32), options: &Options) -> Self {
        Self {
            authority,
            keep: options.keep,
            tombstones: options.tombstones,
            inner: Mutex::default(),
            news: watch::Sender::new(revision(0)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in a test may poison the lock; the tables are swapped whole, so they are never half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, inner: &mut Inner, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        if inner.closed {
            return Err(Error::Closed);
        }
        if let Some((source, _, lease)) = &batch.visit
            && !inner.schedule.holds(source, *lease)
        {
            return Err(Error::LeaseLost(source.clone()));
        }
        let mut tables = inner.tables.clone();
        tables.check(&batch)?;
        let mut changes = Vec::new();
        for change in batch.changes {
            changes.extend(tables.change(change, now)?);
        }
        if let Some(prints) = batch.prints {
            tables.print(prints, now);
        }
        if let Some((source, state, lease)) = batch.visit {
            inner.schedule.give_back(lease, Some(state.next_due));
            tables.visited(source, state, now);
        }
        for (_, named) in tables.names.values_mut() {
            if named.shown.is_none() {
                named.shown = commonest(&named.spellings).map(str::to_owned);
            }
        }
        inner.tables = tables;
        if !changes.is_empty() {
            inner.history.push(Commit {
                revision: revision(inner.history.len() as u64 + 1),
                at: now,
                changes,
                reset: false,
            });
        }
        let newest = inner.newest();
        self.news.send_if_modified(|seen| {
            let moved = *seen != newest;
            *seen = newest;
            moved
        });
        Ok(Committed { revision: newest })
    }

    fn drop_all(&self, inner: &mut Inner, doomed: &[u64], now: Timestamp) -> Result<u64, Error> {
        for some in doomed.chunks(FORGET_AT_ONCE) {
            let changes = some
                .iter()
                .filter_map(|seq| inner.tables.articles.get(seq))
                .map(|record| Change::Removed {
                    id: record.article.head.id,
                })
                .collect();
            let batch = Batch {
                changes,
                ..Batch::default()
            };
            self.apply(inner, batch, now)?;
        }
        Ok(doomed.len() as u64)
    }
}

fn revision(number: u64) -> Revision {
    Revision { epoch: 1, number }
}

fn place(seq: u64, head: &Head) -> Cursor {
    Cursor {
        published: head.published,
        seq,
    }
}

/// The name of a list, for use as a key.
fn name(scope: &Scope) -> String {
    match scope {
        Scope::All => "a".to_owned(),
        Scope::Tag(key) => format!("t{key}"),
        Scope::Category(key) => format!("c{key}"),
        Scope::Source(id) => format!("f{id}"),
        Scope::Output(id) => format!("q{id}"),
    }
}

impl Inner {
    fn newest(&self) -> Revision {
        revision(self.history.len() as u64)
    }
}

impl Tables {
    /// What a batch relies on must still hold.
    fn check(&self, batch: &Batch) -> Result<(), Error> {
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

    fn print(&mut self, prints: Prints, now: Timestamp) {
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
    fn resembling(
        &self,
        sought: &Signature,
        among: Among,
    ) -> impl Iterator<Item = (&Print, Estimate)> {
        self.prints.iter().filter_map(move |print| {
            let other = &print.signature;
            let shared = sought.bands[..SERIES]
                .iter()
                .zip(&other.bands)
                .any(|(a, b)| a == b && *a != 0);
            let here = (sought.source, sought.shelf);
            let covered = among.reach.covers(here, (other.source, other.shelf));
            let estimate = sought.sketch.estimate(&other.sketch);
            let titled = sought.bands[TITLE] != 0 && sought.bands[TITLE] == other.bands[TITLE];
            let wanted = estimate.is_worth_a_look() || titled;
            (shared && covered && wanted && print.at >= among.since).then_some((print, estimate))
        })
    }

    fn is_series(&self, key: u32, more: usize) -> bool {
        let same = |print: &&Print| print.signature.bands[SERIES] == key;
        key != 0 && self.prints.iter().filter(same).count() + more >= 3
    }

    fn holders(&self, key: Key) -> impl Iterator<Item = u64> {
        self.keys
            .range((key, 0)..=(key, u64::MAX))
            .map(|(_, seq)| *seq)
    }

    fn leads_somewhere(&self, key: Key) -> bool {
        self.holders(key).next().is_some()
    }

    fn by_id(&self, id: ArticleId) -> Option<(u64, &Record)> {
        self.holders(Key::Guid(id.0))
            .map(|seq| (seq, &self.articles[&seq]))
            .find(|(_, record)| record.article.head.id == id)
    }

    /// Does one change and says which lists it concerned.
    fn change(
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

    fn visited(&mut self, source: SourceId, state: SourceState, now: Timestamp) {
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
    fn outlived(&self, keep: Keep, now: Timestamp, schedule: &Schedule) -> Vec<u64> {
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

#[async_trait]
impl Store for Memory {
    fn authority(&self) -> (String, i32) {
        self.authority.clone()
    }

    async fn adopt(&self, sources: Vec<(SourceId, Timestamp)>) -> Result<(), Error> {
        self.lock().schedule.adopt(sources);
        Ok(())
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, Error> {
        let mut inner = self.lock();
        let leased = inner.schedule.due(now, most);
        Ok(leased
            .into_iter()
            .map(|(source, lease)| Due {
                state: inner
                    .tables
                    .states
                    .get(&source)
                    .cloned()
                    .unwrap_or_default(),
                source,
                lease,
            })
            .collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.lock().schedule.next_due())
    }

    async fn reschedule(&self, source: &SourceId, at: Timestamp) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.schedule.reschedule(source, at);
        if let Some(state) = inner.tables.states.get_mut(source) {
            state.next_due = at;
        }
        Ok(())
    }

    async fn lease(&self, source: &SourceId) -> Result<Option<Due>, Error> {
        let mut inner = self.lock();
        let Some(lease) = inner.schedule.lease(source) else {
            return Ok(None);
        };
        Ok(Some(Due {
            source: source.clone(),
            state: inner.tables.states.get(source).cloned().unwrap_or_default(),
            lease,
        }))
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.lock().schedule.give_back(lease, None);
        Ok(())
    }

    async fn state(&self, source: &SourceId) -> Result<Option<SourceState>, Error> {
        Ok(self.lock().tables.states.get(source).cloned())
    }

    async fn states(
        &self,
        after: Option<SourceId>,
        most: usize,
    ) -> Result<Vec<(SourceId, SourceState)>, Error> {
        let inner = self.lock();
        Ok(inner
            .tables
            .states
            .iter()
            .filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after))
            .take(most)
            .map(|(id, state)| (id.clone(), state.clone()))
            .collect())
    }

    async fn known(&self, keys: &[Key]) -> Result<Known, Error> {
        let inner = self.lock();
        let tables = &inner.tables;
        let mut known = Known {
            as_of: inner.newest(),
            ..Known::default()
        };
        for &key in keys {
            for seq in tables.holders(key) {
                let head = tables.articles[&seq].article.head.clone();
                known.hits.push((key, Arc::new(head)));
            }
            if tables.buried.contains_key(&key) {
                known.buried.push(key);
            }
        }
        Ok(known)
    }

    async fn alike(&self, sought: &[Signature], among: Among) -> Result<Alike, Error> {
        let inner = self.lock();
        let tables = &inner.tables;
        let found = sought.iter().map(|signature| {
            let in_series = tables.is_series(signature.bands[SERIES], 1);
            let mut all: Vec<_> = tables.resembling(signature, among).collect();
            all.sort_by(|(_, a), (_, b)| b.most().total_cmp(&a.most()));
            let near = all.into_iter().filter_map(|(print, _)| {
                let seq = tables.holders(Key::Guid(print.copy.0)).last()?;
                Some(Near {
                    copy: print.copy,
                    article: tables.articles[&seq].article.head.id,
                    seen: print.at,
                    source: print.signature.source,
                    in_series: in_series || tables.is_series(print.signature.bands[SERIES], 0),
                })
            });
            near.collect()
        });
        Ok(Alike {
            as_of: tables.prints.last().map_or(0, |last| last.number),
            found: found.collect(),
        })
    }

    async fn boilerplate(&self, source: &SourceId) -> Result<Boilerplate, Error> {
        let inner = self.lock();
        let known = inner.tables.boilerplate.get(source);
        Ok(known.cloned().unwrap_or_default())
    }

    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        self.apply(&mut self.lock(), batch, now)
    }

    async fn article(&self, id: ArticleId) -> Result<Found, Error> {
        let inner = self.lock();
        let tables = &inner.tables;
        let key = Key::Guid(id.0);
        let mut holders = tables
            .holders(key)
            .map(|seq| &tables.articles[&seq].article);
        let found = match tables.by_id(id) {
            Some((_, record)) => Some(&record.article),
            None => holders.next(),
        };
        Ok(match found {
            Some(article) if article.head.aliases.contains(&id) => Found::Alias(article.head.id),
            Some(article) => Found::Article(Box::new(Article::clone(article))),
            None if tables.buried.contains_key(&key) => Found::Gone,
            None => Found::Never,
        })
    }

    async fn select(&self, selection: &Selection, page: Page) -> Result<Listing, Error> {
        let inner = self.lock();
        Ok(Listing {
            as_of: inner.newest(),
            ..inner.tables.list(selection, page)
        })
    }

    async fn months(&self, scope: &Scope) -> Result<Vec<((i32, u32), u64)>, Error> {
        let inner = self.lock();
        let mut months: BTreeMap<(i32, u32), u64> = BTreeMap::new();
        for record in inner.tables.articles.values() {
            if lists::lists(&record.article.head).contains(scope) {
                *months
                    .entry(record.article.head.first_seen.year_month())
                    .or_default() += 1;
            }
        }
        Ok(months.into_iter().rev().collect())
    }

    async fn tags(&self) -> Result<Vec<LabelCount>, Error> {
        Ok(self.lock().tables.labels(|scope| match scope {
            Scope::Tag(key) => Some(key),
            _ => None,
        }))
    }

    async fn categories(&self) -> Result<Vec<LabelCount>, Error> {
        Ok(self.lock().tables.labels(|scope| match scope {
            Scope::Category(key) => Some(key),
            _ => None,
        }))
    }

    async fn labels(&self, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error> {
        let inner = self.lock();
        let tables = &inner.tables;
        let one = |scope: &Scope| {
            let (_, named) = tables.names.get(&name(scope))?;
            let stands = |record: &&Record| lists::lists(&record.article.head).contains(scope);
            let articles = tables.articles.values().filter(stands).count() as u64;
            let key = scope_parts(scope).1.to_owned();
            Some(label(Some(named), key, articles))
        };
        Ok(scopes.iter().map(one).collect())
    }

    async fn sightings(
        &self,
        after: u64,
        most: usize,
    ) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error> {
        let inner = self.lock();
        Ok(inner
            .tables
            .articles
            .range(after.saturating_add(1)..)
            .take(most)
            .map(|(&seq, record)| {
                let article = &record.article;
                (seq, article.head.id, article.sightings.clone())
            })
            .collect())
    }

    async fn changes(&self, after: Revision, most: usize) -> Result<Vec<Commit>, Error> {
        let inner = self.lock();
        let newest = inner.newest();
        let strange = after.epoch != newest.epoch || after.number > newest.number;
        let reset = strange.then(|| Commit {
            revision: revision(0),
            at: Timestamp::EPOCH,
            changes: Vec::new(),
            reset: true,
        });
        let from = if strange { 0 } else { after.number };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let following = inner.history.iter().skip(from).cloned();
        Ok(reset.into_iter().chain(following).take(most).collect())
    }

    async fn changed(&self, after: Revision) {
        let mut news = self.news.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = news.wait_for(|newest| *newest != after).await;
    }

    fn revision(&self) -> Revision {
        self.lock().newest()
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, Error> {
        let mut inner = self.lock();
        let tombstones = self.tombstones;
        inner
            .tables
            .buried
            .retain(|_, (at, _)| u64::from(day(now).saturating_sub(day(*at))) <= days(tombstones));
        let doomed = inner.tables.outlived(self.keep, now, &inner.schedule);
        self.drop_all(&mut inner, &doomed, now)
    }

    async fn purge(&self, source: &SourceId, now: Timestamp) -> Result<u64, Error> {
        let mut inner = self.lock();
        let doomed: Vec<u64> = inner
            .tables
            .articles
            .iter()
            .filter(|(_, record)| lists::sources(&record.article.head) == [source.clone()])
            .map(|(seq, _)| *seq)
            .collect();
        let dropped = self.drop_all(&mut inner, &doomed, now)?;
        inner.tables.states.remove(source);
        inner.schedule.remove(source);
        Ok(dropped)
    }

    async fn unbury(&self, source: &SourceId) -> Result<u64, Error> {
        let mut inner = self.lock();
        let before = inner.tables.buried.len();
        inner.tables.buried.retain(|_, (_, by)| by != source);
        Ok((before - inner.tables.buried.len()) as u64)
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().tables.notes.get(name).cloned())
    }

    async fn set_note(&self, name: &str, note: &[u8]) -> Result<(), Error> {
        self.lock()
            .tables
            .notes
            .insert(name.to_owned(), note.to_vec());
        Ok(())
    }

    async fn stats(&self) -> Result<Stats, Error> {
        let inner = self.lock();
        let tables = &inner.tables;
        let sightings: usize = tables
            .articles
            .values()
            .map(|record| record.article.sightings.len())
            .sum();
        Ok(Stats {
            articles: tables.articles.len() as u64,
            sightings: sightings as u64,
            sources: tables.states.len() as u64,
            tombstones: tables.buried.len() as u64,
            revision: inner.newest(),
            ..Stats::default()
        })
    }

    async fn close(&self) -> Result<(), Error> {
        self.lock().closed = true;
        Ok(())
    }
}
