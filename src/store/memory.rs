//! The plain engine: everything in ordered maps, every question answered by looking at every article.
//!
//! It is the model that tests compare the real engine with, and a store for tests of other rooms. It keeps nothing
//! when it is dropped.

mod pages;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::common::{FORGET_AT_ONCE, commonest, tick, ticks};
use super::item::scope_parts;
use super::lists;
use super::lsh::Print;
use super::schedule::Schedule;
use super::{
    Alike, Among, Batch, Change, Commit, Committed, Due, Error, Found, Keep, Known, Lease, Listing,
    Near, Options, Page, Stats, Store,
};
use crate::model::article::{Article, ArticleId, Head, Key, Revision, Sighting};
use crate::model::boilerplate::Boilerplate;
use crate::model::label::{Cursor, LabelCount, Scope, Selection};
use crate::model::signature::Signature;
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
            tables.visited(source, *state, now);
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
                state: inner.tables.state(&source),
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
            state: inner.tables.state(source),
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
            let in_series = tables.is_series(signature, 1);
            let mut all: Vec<_> = tables.resembling(signature, among).collect();
            all.sort_by(|(_, a), (_, b)| b.most().total_cmp(&a.most()));
            let near = all.into_iter().filter_map(|(print, _)| {
                let seq = tables.holders(Key::Guid(print.copy.0)).last()?;
                Some(Near {
                    copy: print.copy,
                    article: tables.articles[&seq].article.head.id,
                    seen: print.at,
                    source: print.signature.source,
                    in_series: in_series || tables.is_series(&print.signature, 0),
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
        inner.tables.buried.retain(|_, (at, _)| {
            u64::from(tick(now).saturating_sub(tick(*at))) <= ticks(tombstones)
        });
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
