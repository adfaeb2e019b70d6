//! The store as everybody else sees it: questions go to the log and the index on the blocking pool, batches to the writer.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::answers;
use super::apply::{note_key, read_state};
use super::backup;
use super::core::Core;
use super::follow::{self, Bookmarks};
use super::item::Item;
use super::near;
use super::open::Opened;
use super::paragraphs;
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

    /// Asks a question on the blocking pool. What the cache gave up for the answer is taken apart when whoever asked has it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Core) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let core = Arc::clone(&self.core);
        let (reply, answer) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = reply.send(answer_to(&core, question));
            core.cache.clear_away();
        });
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Looks something small up at once: an item of the index is nearly always in memory, and going to another thread and
    /// back would cost many times what looking costs.
    fn look<T>(&self, question: impl FnOnce(&Core) -> Result<T, Error>) -> Result<T, Error> {
        answer_to(&self.core, question)
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

/// Answers while the store is open; sled may panic on a damaged file.
fn answer_to<T>(core: &Core, question: impl FnOnce(&Core) -> Result<T, Error>) -> Result<T, Error> {
    if core.closed.load(Ordering::Relaxed) {
        return Err(Error::Closed);
    }
    let answered = catch_unwind(AssertUnwindSafe(|| question(core)));
    answered.unwrap_or_else(|panic| {
        Err(Error::Damaged {
            what: super::index::panic_text(&*panic),
        })
    })
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
                        state: Box::new(core.state(&source)?.unwrap_or_default()),
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
                state: Box::new(state.unwrap_or_default()),
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
        self.ask(move |core| answers::states(core, after.as_ref(), most))
            .await
    }

    async fn known(&self, keys: &[Key]) -> Result<Known, Error> {
        let keys = keys.to_vec();
        self.ask(move |core| answers::known(core, &keys)).await
    }

    async fn alike(&self, sought: &[Signature], among: Among) -> Result<Alike, Error> {
        let sought = sought.to_vec();
        self.ask(move |core| near::alike(core, &sought, among))
            .await
    }

    async fn boilerplate(&self, source: &SourceId) -> Result<Boilerplate, Error> {
        let source = source.clone();
        self.ask(move |core| paragraphs::boilerplate(core, &source))
            .await
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
        self.ask(move |core| answers::article(core, id)).await
    }

    async fn select(&self, selection: &Selection, page: Page) -> Result<Listing, Error> {
        let selection = selection.clone();
        self.ask(move |core| query::select(core, &selection, page))
            .await
    }

    async fn months(&self, scope: &Scope) -> Result<Vec<((i32, u32), u64)>, Error> {
        let scope = scope.clone();
        self.ask(move |core| answers::months(core, &scope)).await
    }

    async fn tags(&self) -> Result<Vec<LabelCount>, Error> {
        self.ask(|core| answers::labels(core, b't')).await
    }

    async fn categories(&self) -> Result<Vec<LabelCount>, Error> {
        self.ask(|core| answers::labels(core, b'c')).await
    }

    async fn labels(&self, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error> {
        let scopes = scopes.to_vec();
        self.ask(move |core| answers::some_labels(core, &scopes))
            .await
    }

    async fn sightings(
        &self,
        after: u64,
        most: usize,
    ) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error> {
        self.ask(move |core| answers::sightings(core, after, most))
            .await
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
