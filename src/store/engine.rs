//! The store as everybody else sees it: questions go to the log and the index on the blocking pool, batches to the writer.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::apply::{note_key, read_state, state_key};
use super::backup;
use super::common::{by_count, commonest};
use super::core::{Core, unpack_state};
use super::follow::{self, Bookmarks};
use super::index::Value;
use super::item::{Item, scope_parts};
use super::near;
use super::open::Opened;
use super::packed::{self, NameRec};
use super::prepare::Packed;
use super::query;
use super::retain;
use super::verify;
use super::writer::{Message, Request, Writer};
use super::{
    Alike, Among, Batch, Commit, Committed, Due, Error, Found, Known, Lease, Listing, Outline,
    Page, Stats, Store, Verified,
};
use crate::model::article::{ArticleId, Key, Revision, Sighting};
use crate::model::boilerplate::Boilerplate;
use crate::model::label::{LabelCount, Scope, Selection};
use crate::model::signature::Signature;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

/// The real engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) core: Arc<Core>,
    queue: Sender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    marks: Arc<Bookmarks>,
}

impl Engine {
    pub(super) fn new(opened: Opened) -> Self {
        Self {
            core: opened.core,
            queue: opened.queue,
            writer: Mutex::new(Some(opened.writer)),
            marks: Arc::default(),
        }
    }

    /// Asks a question on the blocking pool.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Core) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(&self.core);
        if core.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        let answered = tokio::task::spawn_blocking(move || question(&core)).await;
        answered.unwrap_or_else(|failed| {
            let what = match failed.try_into_panic() {
                Ok(panic) => super::index::panic_text(&*panic),
                Err(_) => return Err(Error::Closed),
            };
            Err(Error::Damaged { what })
        })
    }

    /// Looks something small up at once: an item of the index is nearly always in memory, and going to another thread and
    /// back would cost many times what looking costs.
    fn look<T>(&self, question: impl FnOnce(&Core) -> Result<T, Error>) -> Result<T, Error> {
        if self.core.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        let answered = catch_unwind(AssertUnwindSafe(|| question(&self.core)));
        answered.unwrap_or_else(|panic| {
            Err(Error::Damaged {
                what: super::index::panic_text(&*panic),
            })
        })
    }

    /// Has something done by the writer, between two groups of batches.
    pub(super) async fn by_writer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let run = Message::Run(Box::new(move |writer| {
            let _ = reply.send(work(writer));
        }));
        self.queue.send(run).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(self.silence()))
    }

    /// Why the writer did not answer.
    fn silence(&self) -> Error {
        if self.core.closed.load(Ordering::Relaxed) {
            Error::Closed
        } else {
            Error::Damaged {
                what: "the index failed during a commit and is made anew".to_owned(),
            }
        }
    }
}

/// All lists of a kind that public articles stand in.
fn labels(core: &Core, kind: u8) -> Result<Vec<LabelCount>, Error> {
    const AT_ONCE: usize = 512;
    let prefix = [b'n', kind];
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core.index.read().page(&prefix, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for (key, value) in some {
            if let (Value::Name(rec), Ok(key)) = (value, String::from_utf8(key[2..].to_vec()))
                && rec.count > 0
            {
                all.push(label(&rec, key));
            }
        }
    }
    by_count(&mut all);
    Ok(all)
}

fn label(rec: &NameRec, key: String) -> LabelCount {
    let decided = Some(rec.shown.as_str()).filter(|shown| !shown.is_empty());
    let name = decided
        .or_else(|| commonest(&rec.spellings))
        .unwrap_or(&key);
    LabelCount {
        name: name.to_owned(),
        key,
        articles: rec.count,
    }
}

/// What is known of some tags and categories.
fn some_labels(core: &Core, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error> {
    let one = |scope: &Scope| {
        let (kind, key) = scope_parts(scope);
        let known = core.index.read().name(kind, key)?.filter(|rec| rec.known);
        Ok(known.map(|rec| label(&rec, key.to_owned())))
    };
    scopes.iter().map(one).collect()
}

fn known(core: &Core, keys: &[Key]) -> Result<Known, Error> {
    let mut known = Known {
        as_of: core.revision(),
        ..Known::default()
    };
    for &key in keys {
        for live in core.holders(key)? {
            known.hits.push((key, Arc::new(live.stand.head.clone())));
        }
        if core.buried(key)? {
            known.buried.push(key);
        }
    }
    Ok(known)
}

fn article(core: &Core, id: ArticleId) -> Result<Found, Error> {
    let key = Key::Guid(id.0);
    let mut holders = core.holders(key)?;
    let own = holders.iter().position(|live| live.stand.head.id == id);
    let live = match own {
        Some(at) => Some(holders.swap_remove(at)),
        None => holders.into_iter().next(),
    };
    Ok(match live {
        Some(live) if live.stand.head.aliases.contains(&id) => Found::Alias(live.stand.head.id),
        Some(live) => match core.article(live.stand.seq, &live.rec)? {
            Some(article) => Found::Article(Box::new(article.as_ref().clone())),
            None => Found::Gone,
        },
        None if core.buried(key)? => Found::Gone,
        None => Found::Never,
    })
}

fn sightings(
    core: &Core,
    after: u64,
    most: usize,
) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error> {
    let mut rows = Vec::new();
    let mut seq = after.saturating_add(1);
    while rows.len() < most {
        let Some((pack_end, recs)) = core.index.read().recs(seq)? else {
            break;
        };
        for (number, rec) in recs.into_iter().filter(|(number, _)| *number >= seq) {
            if rows.len() < most
                && let Some(article) = core.sound_article(number, &rec)?
            {
                rows.push((number, article.head.id, article.sightings.clone()));
            }
        }
        seq = pack_end;
    }
    Ok(rows)
}

#[async_trait]
impl Store for Engine {
    fn authority(&self) -> (String, i32) {
        self.core.authority.clone()
    }

    async fn adopt(&self, sources: Vec<(SourceId, Timestamp)>) -> Result<(), Error> {
        self.core.schedule().adopt(sources);
        Ok(())
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, Error> {
        let leased = self.core.schedule().due(now, most);
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        let leases: Vec<Lease> = leased.iter().map(|(_, lease)| *lease).collect();
        let read: Result<Vec<Due>, Error> = self.look(|core| {
            leased
                .into_iter()
                .map(|(source, lease)| {
                    Ok(Due {
                        state: core.state(&source)?.unwrap_or_default(),
                        source,
                        lease,
                    })
                })
                .collect()
        });
        if read.is_err() {
            let mut schedule = self.core.schedule();
            for lease in leases {
                schedule.give_back(lease, None);
            }
        }
        read
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.core.schedule().next_due())
    }

    async fn reschedule(&self, source: &SourceId, at: Timestamp) -> Result<(), Error> {
        self.core.schedule().reschedule(source, at);
        if self.core.light.reschedule(source, at) {
            return Ok(());
        }
        let source = source.clone();
        self.by_writer(move |writer| {
            let Some(mut state) = writer.core.state(&source)? else {
                return Ok(());
            };
            state.next_due = at;
            writer.keep_state(&source, &super::codec::pack_state(&state))
        })
        .await
    }

    async fn lease(&self, source: &SourceId) -> Result<Option<Due>, Error> {
        let Some(lease) = self.core.schedule().lease(source) else {
            return Ok(None);
        };
        match self.look(|core| core.state(source)) {
            Ok(state) => Ok(Some(Due {
                source: source.clone(),
                state: state.unwrap_or_default(),
                lease,
            })),
            Err(error) => {
                self.core.schedule().give_back(lease, None);
                Err(error)
            }
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.core.schedule().give_back(lease, None);
        Ok(())
    }

    async fn state(&self, source: &SourceId) -> Result<Option<SourceState>, Error> {
        self.look(|core| core.state(source))
    }

    async fn states(
        &self,
        after: Option<SourceId>,
        most: usize,
    ) -> Result<Vec<(SourceId, SourceState)>, Error> {
        self.ask(move |core| {
            let after = after.as_ref().map(state_key);
            let items = core.index.read().page(b"s", after.as_deref(), most)?;
            let mut all = Vec::with_capacity(items.len());
            for (key, value) in items {
                let id = std::str::from_utf8(&key[1..]).ok().and_then(SourceId::new);
                if let (Some(id), Value::Raw(bytes)) = (id, value) {
                    let state = match core.light.get(&id) {
                        Some(newer) => SourceState::clone(&newer),
                        None => unpack_state(&id, &bytes)?,
                    };
                    all.push((id, state));
                }
            }
            Ok(all)
        })
        .await
    }

    async fn known(&self, keys: &[Key]) -> Result<Known, Error> {
        let keys = keys.to_vec();
        self.ask(move |core| known(core, &keys)).await
    }

    async fn alike(&self, sought: &[Signature], among: Among) -> Result<Alike, Error> {
        let sought = sought.to_vec();
        self.ask(move |core| near::alike(core, &sought, among))
            .await
    }

    async fn boilerplate(&self, source: &SourceId) -> Result<Boilerplate, Error> {
        let source = source.clone();
        self.ask(move |core| near::boilerplate(core, &source)).await
    }

    async fn commit(&self, batch: Batch, now: Timestamp) -> Result<Committed, Error> {
        if self.core.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        if batch.routine
            && let Some((source, state, lease)) = batch.visit
        {
            let core = &self.core;
            let kept = core
                .light
                .keep(&core.schedule, source.clone(), state, lease);
            return if kept {
                Ok(Committed {
                    revision: core.revision(),
                })
            } else {
                Err(Error::LeaseLost(source))
            };
        }
        let packed = if batch.changes.is_empty() {
            Packed::new(batch)
        } else {
            let packing = tokio::task::spawn_blocking(move || Packed::new(batch));
            packing.await.map_err(|_| Error::Closed)?
        };
        let (reply, answer) = oneshot::channel();
        let request = Request { packed, now, reply };
        self.queue
            .send(Message::Commit(Box::new(request)))
            .map_err(|_| Error::Closed)?;
        answer.await.unwrap_or_else(|_| Err(self.silence()))
    }

    async fn article(&self, id: ArticleId) -> Result<Found, Error> {
        self.ask(move |core| article(core, id)).await
    }

    async fn select(&self, selection: &Selection, page: Page) -> Result<Listing, Error> {
        let selection = selection.clone();
        self.ask(move |core| query::select(core, &selection, page))
            .await
    }

    async fn months(&self, scope: &Scope) -> Result<Vec<((i32, u32), u64)>, Error> {
        let scope = scope.clone();
        self.ask(move |core| {
            let (kind, name) = scope_parts(&scope);
            let rec = core.index.read().name(kind, name)?;
            let months = rec.map(|rec| rec.months.clone()).unwrap_or_default();
            let newest_first = months.into_iter().rev();
            Ok(newest_first
                .map(|(month, count)| (packed::year_month(month), count))
                .collect())
        })
        .await
    }

    async fn tags(&self) -> Result<Vec<LabelCount>, Error> {
        self.ask(|core| labels(core, b't')).await
    }

    async fn categories(&self) -> Result<Vec<LabelCount>, Error> {
        self.ask(|core| labels(core, b'c')).await
    }

    async fn labels(&self, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error> {
        let scopes = scopes.to_vec();
        self.ask(move |core| some_labels(core, &scopes)).await
    }

    async fn sightings(
        &self,
        after: u64,
        most: usize,
    ) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error> {
        self.ask(move |core| sightings(core, after, most)).await
    }

    async fn changes(&self, after: Revision, most: usize) -> Result<Vec<Commit>, Error> {
        let marks = Arc::clone(&self.marks);
        self.ask(move |core| follow::changes(core, &marks, after, most))
            .await
    }

    async fn changed(&self, after: Revision) {
        let mut news = self.core.news.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = news.wait_for(|newest| *newest != after).await;
    }

    fn revision(&self) -> Revision {
        self.core.revision()
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, Error> {
        retain::forget(self, now).await
    }

    async fn purge(&self, source: &SourceId, now: Timestamp) -> Result<u64, Error> {
        retain::purge(self, source, now).await
    }

    async fn unbury(&self, source: &SourceId) -> Result<u64, Error> {
        retain::unbury(self, source).await
    }

    async fn note(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let key = note_key(name);
        self.ask(move |core| {
            let value = core.index.read().raw(&key)?;
            let note = value.as_deref().and_then(read_state);
            Ok(note.map(|(_, note)| note.to_vec()))
        })
        .await
    }

    async fn set_note(&self, name: &str, note: &[u8]) -> Result<(), Error> {
        let (name, note) = (name.to_owned(), note.to_vec());
        self.by_writer(move |writer| {
            let now = writer.latest();
            writer.add(vec![(Item::Note(name), note)], false, false, now)
        })
        .await
    }

    async fn backup(
        &self,
        into: Box<dyn Write + Send>,
        since: Option<Revision>,
        now: Timestamp,
    ) -> Result<Outline, Error> {
        backup::backup(self, into, since, now).await
    }

    async fn verify(&self, repair: bool) -> Result<Verified, Error> {
        verify::verify(self, repair).await
    }

    async fn stats(&self) -> Result<Stats, Error> {
        self.ask(|core| {
            let backed_up = backup::made(core);
            let table = core.index.read();
            let figures = &table.figures;
            Ok(Stats {
                articles: figures.articles,
                sightings: figures.sightings,
                sources: figures.sources,
                tombstones: figures.tombstones,
                unreadable: core.unreadable.count(),
                signatures: core.near.size().0,
                log_bytes: core.log.size(),
                live_bytes: figures.live.values().sum(),
                index_bytes: table.disk(),
                index_items: table.items(),
                revision: core.revision(),
                flushed: core.flushed_at(),
                backed_up,
                full: core.full.load(Ordering::Relaxed),
            })
        })
        .await
    }

    async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).is_err() {
            return Ok(());
        }
        let closed = answer.await.unwrap_or(Ok(()));
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It has answered as the last thing it does.
            let _ = thread.join();
        }
        closed
    }
}

impl Drop for Engine {
    /// A store that nobody closed is closed here, so that another one can be opened in its place.
    fn drop(&mut self) {
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let (reply, _) = oneshot::channel();
            let _ = self.queue.send(Message::Close(reply));
            let _ = thread.join();
        }
    }
}
