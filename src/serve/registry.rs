//! The open connections, and the watch that ends those who only hold a place.
//!
//! A slow client ("slow loris") never completes its first request. It is ended after [`HEAD`], and earlier if its place
//! is needed: when all are taken, the connection goes that waited longest without having asked for anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// A connection must complete its first request within this time.
const HEAD: Duration = Duration::from_secs(10);

/// A connection may be idle for this time, or send a further request that slowly.
pub(super) const IDLE: Duration = Duration::from_secs(75);

/// Nobody needs longer to take a document.
const LONGEST: Duration = Duration::from_mins(10);

/// Rounds that a connection has for ending in order when its place is needed.
const PATIENCE: u64 = 2;

/// How often the watch goes round.
pub(super) const WATCH: Duration = Duration::from_secs(1);

/// What is known of an open connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// Requests begun.
    pub(super) requests: AtomicU32,
    /// Requests that are being answered.
    busy: AtomicU32,
    /// The round of the watch in which a request last ended, or the connection began.
    since: AtomicU64,
    /// Ends it once it has nothing more to do.
    pub(super) end: CancellationToken,
    /// The round in which it was asked to end for the sake of others, counted from 1.
    asked_to_end: AtomicU64,
}

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    conns: Mutex<HashMap<u64, (Arc<Conn>, AbortHandle)>>,
    /// Rounds of the watch so far: a clock that costs nothing to read.
    round: AtomicU64,
    last: AtomicU64,
}

impl Registry {
    /// A connection that begins now, and its number; to be put in under the lock.
    pub(super) fn newcomer(&self) -> (u64, Arc<Conn>) {
        let conn = Conn {
            requests: AtomicU32::default(),
            busy: AtomicU32::default(),
            since: AtomicU64::new(self.round.load(Relaxed)),
            end: CancellationToken::new(),
            asked_to_end: AtomicU64::default(),
        };
        (self.last.fetch_add(1, Relaxed), Arc::new(conn))
    }

    /// Notes that a request of this connection was answered just now.
    pub(super) fn answered(&self, conn: &Conn) {
        conn.since.store(self.round.load(Relaxed), Relaxed);
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (Arc<Conn>, AbortHandle)>> {
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round of the watch.
    pub(super) fn watch(&self) {
        let round = self.round.fetch_add(1, Relaxed) + 1;
        for (conn, abort) in self.lock().values() {
            if conn.busy.load(Relaxed) > 0 {
                continue;
            }
            let idle = Duration::from_secs(
                WATCH.as_secs() * round.saturating_sub(conn.since.load(Relaxed)),
            );
            if conn.requests.load(Relaxed) == 0 && idle > HEAD || idle > LONGEST {
                abort.abort();
            } else if idle > IDLE {
                conn.end.cancel();
            }
        }
    }

    /// Frees places: of those that never asked for anything, else of those that are idle, the ones that wait longest. Who
    /// does not take what was sent to it cannot end in order, and is cut off when others have waited for that.
    pub(super) fn make_room(&self, most: usize) {
        let round = self.round.load(Relaxed) + 1;
        let conns = self.lock();
        for (conn, abort) in conns.values() {
            let asked = conn.asked_to_end.load(Relaxed);
            if asked > 0 && round > asked + PATIENCE && conn.busy.load(Relaxed) == 0 {
                abort.abort();
            }
        }
        // The others go on meanwhile: what orders them is read once.
        let mut idle: Vec<_> = conns
            .iter()
            .filter(|(_, (conn, abort))| {
                conn.busy.load(Relaxed) == 0 && !conn.end.is_cancelled() && !abort.is_finished()
            })
            .map(|(id, (conn, abort))| {
                let asked = conn.requests.load(Relaxed) > 0;
                ((asked, conn.since.load(Relaxed), *id), conn, abort)
            })
            .collect();
        if most < idle.len() {
            // Only whom it hits matters, not in which order.
            idle.select_nth_unstable_by_key(most - 1, |(order, ..)| *order);
        }
        for (_, conn, abort) in idle.into_iter().take(most) {
            conn.end.cancel();
            conn.asked_to_end.store(round, Relaxed);
            if conn.requests.load(Relaxed) == 0 {
                abort.abort();
            }
        }
    }
}

/// Takes a connection out of the registry, however it ends.
pub(super) struct Entry<'a> {
    pub(super) registry: &'a Registry,
    pub(super) id: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

/// Marks a connection as busy while a request is answered.
pub(super) struct Busy<'a> {
    conn: &'a Conn,
    registry: &'a Registry,
}

impl<'a> Busy<'a> {
    pub(super) fn new(conn: &'a Conn, registry: &'a Registry) -> Self {
        conn.busy.fetch_add(1, Relaxed);
        Self { conn, registry }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.registry.answered(self.conn);
        self.conn.busy.fetch_sub(1, Relaxed);
    }
}
