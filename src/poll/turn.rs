//! The loop itself: takes what was asked for, what waits for its host and what is due, and starts as many visits as may
//! be under way. How they set out is the business of `seat`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::queue::Waiting;
use super::{Desk, Floor, Polled, TABLES, lock};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::{self, Due};

/// Due sources that are taken from the store at a time.
const TAKE: usize = 64;
/// The loop shows at least this often that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// So many visits set out within a moment; others follow as these come back. A document that waits to be read takes memory,
/// and origins may be faster than we are: what is not back after a moment waits for its origin, and not for us.
const AT_ONCE: usize = 32;
const MOMENT: Duration = Duration::from_millis(50);
/// A clock that goes back by more than this was set: smaller steps are what keeps it right.
const SET_BACK: Duration = Duration::from_mins(1);

/// How long the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until everything that is due by then has been visited.
    Round(Timestamp),
    /// Until everything that was asked for has been visited.
    Answered,
}

/// What the loop does after a turn.
enum Next {
    Sleep(Option<Timestamp>),
    /// Others may set out in a moment.
    GoOn,
    Done,
}

impl Floor {
    /// Turn after turn, until there is a reason to end.
    pub(super) async fn drive(self: &Arc<Self>, stop: &CancellationToken, until: Until) {
        self.driven.store(true, Ordering::SeqCst);
        self.tasks.reopen();
        let mut latest = self.clock.now();
        let mut moment = Instant::now();
        loop {
            *lock(&self.beat) = Instant::now();
            if moment.elapsed() >= MOMENT {
                moment = Instant::now();
                self.desk().fresh.clear();
            }
            self.turns.fetch_add(1, Ordering::SeqCst);
            self.stay_on_time(&mut latest).await;
            let turned = self.turn(stop, until).await;
            self.turns.fetch_add(1, Ordering::SeqCst);
            let (next, at_most) = match turned {
                Ok(Next::Done) => break,
                Ok(Next::Sleep(next)) => (next, BEAT),
                Ok(Next::GoOn) => (None, MOMENT),
                Err(error) => {
                    tracing::error!(%error, "the store failed; polling waits");
                    (None, BEAT)
                }
            };
            self.stirred.send_replace(());
            let fetcher = Arc::clone(&self.settings.load().fetcher);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = fetcher.hosts().freed() => {}
                () = async {
                    match next {
                        Some(at) => self.clock.sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
                () = tokio::time::sleep(at_most) => {}
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.give_back().await;
        self.driven.store(false, Ordering::SeqCst);
        self.stirred.send_replace(());
    }

    /// Plans anew if the clock was set back: what was due soon would else wait for as long as it jumped.
    async fn stay_on_time(&self, latest: &mut Timestamp) {
        let now = self.clock.now();
        let before = std::mem::replace(latest, now);
        if now + SET_BACK >= before {
            return;
        }
        tracing::warn!(from = %before, to = %now, "the clock was set back: visits are planned anew");
        if let Err(error) = self.readopt().await {
            tracing::error!(%error, "the store failed; visits stand as they were planned");
        }
    }

    /// Leases that will not be used: the sources stay due.
    async fn give_back(&self) {
        let leases: Vec<store::Lease> = {
            let mut desk = self.desk();
            desk.listening.clear();
            desk.asked.clear();
            let waiting = desk.queue.drain();
            desk.known.clear();
            desk.ready
                .drain(..)
                .map(|due| due.lease)
                .chain(waiting.iter().map(Waiting::lease))
                .collect()
        };
        for lease in leases {
            // It is lost with this process anyway.
            let _ = self.store.release(lease).await;
        }
    }

    /// Starts what can be started, and says when to look again.
    async fn turn(
        self: &Arc<Self>,
        stop: &CancellationToken,
        until: Until,
    ) -> Result<Next, store::Error> {
        let now = self.clock.now();
        let fetcher = Arc::clone(&self.settings.load().fetcher);
        {
            let mut desk = self.desk();
            for host in fetcher.hosts().take_freed() {
                desk.queue.turn_at(&host, now);
            }
        }
        self.take_asked(stop).await?;
        self.take_waiting(now, stop).await?;
        let horizon = match until {
            Until::Stopped => Some(now),
            Until::Round(cutoff) => Some(cutoff),
            Until::Answered => None,
        };
        let mut more = false;
        if let Some(horizon) = horizon {
            more = self.take_due(horizon, stop).await?;
        }
        let (free, fresh, waiting, done) = {
            let desk = self.desk();
            let done = desk.flying.is_empty()
                && desk.ready.is_empty()
                && desk.asked.is_empty()
                && desk.queue.len() == 0;
            let free = self.room(&desk) > 0;
            (free, desk.fresh.len(), desk.queue.next(), done)
        };
        if until != Until::Stopped && done && !more {
            return Ok(Next::Done);
        }
        if fresh >= AT_ONCE {
            return Ok(Next::GoOn);
        }
        if !free {
            // The end of a visit wakes the loop.
            return Ok(Next::Sleep(None));
        }
        let due = match until {
            Until::Stopped => self.store.next_due().await?,
            Until::Round(_) | Until::Answered => None,
        };
        Ok(Next::Sleep(waiting.into_iter().chain(due).min()))
    }

    /// Visits that may start.
    fn room(&self, desk: &Desk) -> usize {
        // The end of a visit wakes the loop, and what is piled up are visits under way.
        if desk.holding || self.piled.load(Ordering::Relaxed) >= TABLES {
            return 0;
        }
        let most = self.settings.load().fetcher.options().in_flight.max(1);
        let most = most.saturating_sub(desk.flying.len());
        most.min(AT_ONCE.saturating_sub(desk.fresh.len()))
    }

    /// What somebody asked for goes first.
    async fn take_asked(self: &Arc<Self>, stop: &CancellationToken) -> Result<(), store::Error> {
        loop {
            let Some((id, force)) = ({
                let mut desk = self.desk();
                if self.room(&desk) > 0 {
                    desk.asked.pop_front()
                } else {
                    None
                }
            }) else {
                return Ok(());
            };
            match self.store.lease(&id).await? {
                Some(due) => {
                    let until = due.state.retry_until.filter(|_| !force);
                    if let Some(until) = until.filter(|until| *until > self.clock.now()) {
                        self.store.release(due.lease).await?;
                        let why = due.state.why;
                        self.answer(&id, &Polled::Waits { until, why });
                    } else {
                        self.place(due, force, stop).await?;
                    }
                }
                None if self.is_ours(&id) => {}
                None => self.answer(&id, &Polled::Unknown),
            }
        }
    }

    /// It is on lease to us and will be visited; who listens will hear.
    fn is_ours(&self, id: &SourceId) -> bool {
        let desk = self.desk();
        desk.flying.contains(id)
            || desk.ready.iter().any(|due| due.source == *id)
            || desk.along.values().flatten().any(|due| due.source == *id)
            || desk.queue.holds(id)
    }

    /// Those whose host has a place again.
    async fn take_waiting(
        self: &Arc<Self>,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        loop {
            let (host, waiting, known) = {
                let mut desk = self.desk();
                if self.room(&desk) == 0 {
                    return Ok(());
                }
                let (host, waiting) = match desk.queue.pop(now) {
                    Some((host, waiting)) => (Some(host), waiting),
                    None => match desk.queue.wake(now) {
                        Some(waiting) => (None, waiting),
                        None => return Ok(()),
                    },
                };
                let known = desk.known.remove(&waiting.source);
                (host, waiting, known)
            };
            let (state, address) = match known {
                Some((state, address)) => (state, Some(address)),
                None => {
                    let state = self.store.state(&waiting.source).await?;
                    (Box::new(state.unwrap_or_default()), None)
                }
            };
            let due = Due {
                source: waiting.source.clone(),
                state,
                lease: waiting.lease(),
            };
            self.seat(due, address, host, waiting.insist, stop).await?;
        }
    }

    /// Those whose time has come. Says whether there may be more of them.
    async fn take_due(
        self: &Arc<Self>,
        horizon: Timestamp,
        stop: &CancellationToken,
    ) -> Result<bool, store::Error> {
        loop {
            let next = {
                let mut desk = self.desk();
                if self.room(&desk) == 0 {
                    return Ok(true);
                }
                desk.ready.pop_front()
            };
            if let Some(due) = next {
                self.place(due, false, stop).await?;
                continue;
            }
            let taken = self.store.due(horizon, TAKE).await?;
            if taken.is_empty() {
                return Ok(false);
            }
            self.desk().ready.extend(taken);
        }
    }

    pub(super) async fn is_idle(&self) -> bool {
        if !self.adopted.initialized() {
            return false;
        }
        // Between the store and the desk a source stands in neither.
        let turns = self.turns.load(Ordering::SeqCst);
        if turns % 2 == 1 {
            return false;
        }
        let now = self.clock.now();
        {
            let desk = self.desk();
            let busy = !desk.flying.is_empty()
                || !desk.ready.is_empty()
                || !desk.asked.is_empty()
                || desk.holding
                || !desk.queue.is_asleep(now);
            if busy {
                return false;
            }
        }
        let next = self.store.next_due().await;
        if self.turns.load(Ordering::SeqCst) != turns {
            return false;
        }
        match next {
            Ok(next) => next.is_none_or(|at| at > now),
            // Nothing more will happen.
            Err(_) => true,
        }
    }
}
