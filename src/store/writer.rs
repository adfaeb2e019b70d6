//! The one writer: a thread that gathers the batches of many visits, adds them to the log with one write and one sync, and
//! then lets the index know. Whoever committed hears of it only then.
//!
//! Batches that arrive while the disk is busy wait together; a lone one does not wait for company. The index goes to sled
//! when much has changed or when nothing else is to be done.

mod group;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::apply;
use super::core::Core;
use super::log::FileHead;
use super::prepare::Packed;
use super::rebuild;
use super::{Committed, Error};
use crate::model::article::Revision;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// Batches that one sync takes at most.
const GROUP: usize = 256;
/// How long a batch may wait for others when many visits are under way.
const COMPANY: Duration = Duration::from_millis(5);
/// So many leases are many visits.
const MANY: usize = 8;
/// States of visits that brought nothing which wait for the index at most, and for how long. Whoever loses them to a kill
/// comes a little early, so they wait for company: a disk need not wake up for each of them.
const STATES: usize = 4096;
const STATES_AFTER: Duration = Duration::from_secs(30);
/// How long what changed waits for sled while there is nothing else to do, and how long at most. The log has it already.
const FLUSH_AFTER: Duration = Duration::from_millis(500);
const FLUSH_AT_LAST: Duration = Duration::from_secs(5);
/// How often items of the index that sled has leave memory: the next change may concern the same ones, but of many sources
/// each has its own.
const WARM: Duration = Duration::from_mins(1);
/// How often articles leave the cache that nobody asked for meanwhile.
const UNUSED: Duration = Duration::from_mins(10);
/// Below this, nothing is written: sled must never meet a full disk.
const RESERVE: u64 = 24 << 20;

/// What the writer is asked to do.
pub(super) enum Message {
    /// Keep a batch.
    Commit(Box<Request>),
    /// Do something between two groups.
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
    /// Flush, let go of everything, end.
    Close(oneshot::Sender<Result<(), Error>>),
}

/// A batch, and who waits for it.
pub(super) struct Request {
    pub(super) packed: Packed,
    pub(super) now: Timestamp,
    pub(super) reply: oneshot::Sender<Result<Committed, Error>>,
}

/// The writer's own knowledge.
pub(super) struct Writer {
    pub(super) core: Arc<Core>,
    queue: Receiver<Message>,
    pub(super) next_seq: u64,
    next_print: u64,
    /// What was first seen before this nobody asks for any more.
    asked_since: Option<Timestamp>,
    pub(super) number: u64,
    pub(super) epoch: u32,
    last_flush: Instant,
    /// When the index last let go of all that sled has.
    warm_since: Instant,
    /// When articles that nobody asked for last left the cache.
    cached_since: Instant,
    /// Since when states of visits that brought nothing have been waiting.
    light_since: Option<Instant>,
    latest: Timestamp,
    /// The index does not follow the log any more.
    broken: bool,
    lock: Option<std::fs::File>,
}

impl Writer {
    pub(super) fn new(
        core: Arc<Core>,
        queue: Receiver<Message>,
        next_seq: u64,
        newest: Revision,
        lock: std::fs::File,
    ) -> Self {
        let next_print = core.index.read().figures.last_print + 1;
        Self {
            core,
            queue,
            next_seq,
            next_print,
            asked_since: None,
            number: newest.number,
            epoch: newest.epoch,
            last_flush: Instant::now(),
            warm_since: Instant::now(),
            cached_since: Instant::now(),
            light_since: None,
            latest: Timestamp::EPOCH,
            broken: false,
            lock: Some(lock),
        }
    }

    /// Works until it is told to close, or until nobody is left who could tell it.
    pub(super) fn work(mut self) {
        loop {
            let message = match self.queue.recv_timeout(FLUSH_AFTER / 2) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    self.flush_if_due(FLUSH_AFTER);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.close();
                    return;
                }
            };
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Commit(first) => next = self.gather(*first),
                    Message::Run(work) => self.guard(|writer| work(writer)),
                    Message::Close(reply) => {
                        let _ = reply.send(self.close());
                        return;
                    }
                }
            }
            self.flush_if_due(FLUSH_AT_LAST);
        }
    }

    /// Takes what else is waiting; gives back the first message that is not a batch.
    fn gather(&mut self, first: Request) -> Option<Message> {
        let mut group = vec![first];
        let mut next = None;
        let begun = Instant::now();
        let many = self.core.schedule().leased() >= MANY;
        while group.len() < GROUP {
            let waiting = if many {
                let left = COMPANY.saturating_sub(begun.elapsed());
                self.queue.recv_timeout(left).ok()
            } else {
                self.queue.try_recv().ok()
            };
            match waiting {
                Some(Message::Commit(request)) => group.push(*request),
                other => {
                    next = other;
                    break;
                }
            }
        }
        self.guard(|writer| writer.group(group));
        next
    }

    /// Does something that may meet damage or a panic inside sled; the index is made anew then.
    fn guard(&mut self, work: impl FnOnce(&mut Self)) {
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        if let Err(panic) = done {
            tracing::error!(
                reason = super::index::panic_text(&*panic),
                "the index failed"
            );
            self.broken = true;
        }
        if self.broken {
            self.mend();
        }
    }

    /// Makes the index anew from the log while the old one, if it still can, goes on answering.
    pub(super) fn make_anew(&mut self) -> Result<(), Error> {
        let (table, _) = rebuild::anew(&self.core.log, &self.core.options)?;
        let old = self.core.index.replace(table);
        let dir = old.dir().to_owned();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(old)));
        rebuild::set_aside(&dir);
        self.broken = false;
        Ok(())
    }

    fn mend(&mut self) {
        if let Err(error) = self.make_anew() {
            tracing::error!(%error, "the index could not be made anew");
        }
    }

    /// Begins a new file of the log if the last one is full, and sees that there is space.
    pub(super) fn make_room(&mut self) -> Result<(), Error> {
        let space = rustix::fs::statvfs(&self.core.options.path);
        let free = space.map_or(u64::MAX, |space| {
            space.f_bavail.saturating_mul(space.f_frsize)
        });
        // A flush writes what is in memory twice.
        let full = free < RESERVE.max(self.core.index.read().room() * 2);
        if full != self.core.full.swap(full, Ordering::Relaxed) {
            if full {
                tracing::error!(
                    free,
                    "the disk is full: nothing new is kept until there is space; reading goes on"
                );
            } else {
                tracing::info!(free, "there is space again: writing goes on");
            }
        }
        if full {
            return Err(Error::Full {
                path: self.core.path(),
            });
        }
        if self.core.log.wants_new_file() {
            self.begin_file()?;
        }
        Ok(())
    }

    /// Begins a new file of the log.
    pub(super) fn begin_file(&mut self) -> Result<(), Error> {
        let (last, state) = self.core.log.last();
        let head = FileHead {
            epoch: self.epoch,
            number: state_number(&self.core, last, state.head.number),
            next_seq: self.next_seq,
            authority: self.core.authority.clone(),
        };
        self.core.log.begin(last + 1, head)
    }

    /// Keeps a state in the index alone; the log's file that has an older one is remembered.
    pub(super) fn keep_state(&mut self, source: &SourceId, body: &[u8]) -> Result<(), Error> {
        let key = apply::state_key(source);
        let mut table = self.core.index.write();
        let old = table.raw(&key)?;
        let file = old
            .as_deref()
            .and_then(apply::read_state)
            .map_or(0, |(file, _)| file);
        if old.is_none() {
            table.figures.sources += 1;
        }
        table.put_raw(&key, Some(&apply::write_state(file, body)))
    }

    /// The time of the latest commit.
    pub(super) fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Tells followers of the newest revision.
    fn publish(&self) {
        let newest = Revision {
            epoch: self.epoch,
            number: self.number,
        };
        self.core.news.send_if_modified(|seen| {
            let moved = *seen != newest;
            *seen = newest;
            moved
        });
    }

    fn flush_if_due(&mut self, patience: Duration) {
        let (dirty, full) = {
            let table = self.core.index.read();
            (table.dirty() > 0, table.is_full())
        };
        let light = self.core.light.len();
        let old = self.last_flush.elapsed() >= patience;
        let waited = light > 0 && {
            let since = self.light_since.get_or_insert_with(Instant::now);
            since.elapsed() >= STATES_AFTER
        };
        let due = full || light >= STATES || waited || (old && dirty);
        if due && !self.core.full.load(Ordering::Relaxed) {
            self.guard(|writer| {
                match writer.flush() {
                    Ok(()) => {}
                    // Nothing has changed: it waits in memory until there is space.
                    Err(Error::Full { .. }) => writer.core.full.store(true, Ordering::Relaxed),
                    Err(error) => {
                        tracing::error!(%error, "the index could not be written");
                        writer.broken = true;
                    }
                }
            });
        }
        if self.warm_since.elapsed() >= WARM && self.core.index.let_go() {
            self.warm_since = Instant::now();
        }
        if self.cached_since.elapsed() >= UNUSED {
            self.cached_since = Instant::now();
            self.core.cache.age();
        }
    }

    /// Takes the states of visits that brought nothing over into the index.
    fn take_light(&mut self) -> Result<(), Error> {
        self.light_since = None;
        loop {
            let some = self.core.light.some(GROUP);
            if some.is_empty() {
                return Ok(());
            }
            for (source, state) in &some {
                self.keep_state(source, &super::codec::pack_state(state))?;
            }
            self.core.light.settled(&some);
        }
    }

    /// Gives the index to sled.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.last_flush = Instant::now();
        self.take_light()?;
        self.core.index.flush()?;
        self.core
            .flushed
            .store(self.latest.as_micros(), Ordering::Relaxed);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.core.closed.store(true, Ordering::Relaxed);
        let done = catch_unwind(AssertUnwindSafe(|| {
            if self.broken || self.core.full.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.take_light()?;
            self.core.index.flush()?;
            self.core.index.sync()
        }));
        self.core.index.close();
        // The lock goes last: whoever takes it finds everything closed.
        drop(self.lock.take());
        done.unwrap_or_else(|panic| {
            Err(Error::Damaged {
                what: super::index::panic_text(&*panic),
            })
        })
    }
}

/// The number of the newest revision in the log: what a new file begins behind.
fn state_number(core: &Core, file: u32, begin: u64) -> u64 {
    let mut number = begin;
    let _ = core.log.heads(file, |head, _| {
        number = number.max(head.number);
        true
    });
    number
}
