//! How a visit begins and ends: a source asks its host for a place, waits in its line or sets out, and lands. The loop that
//! has sources asked is `turn`; what happens on the way is the business of `visit`.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::company::ask_alike;
use super::queue::Waiting;
use super::{Address, Floor, Polled, lock, schedule};
use crate::fetch::{First, HostKey, Permit, Welcome};
use crate::model::source::{Source, SourceId};
use crate::model::time::Timestamp;
use crate::store::{self, Due};

impl Floor {
    /// A source with its state: to its host, or behind those who wait for it already.
    pub(super) async fn place(
        self: &Arc<Self>,
        due: Due,
        insist: bool,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        self.seat(due, None, None, insist, stop).await
    }

    /// Asks the host for a place. `known` is where it was going when it came to wait; `turn` is the host in whose line the
    /// source stood at the head.
    pub(super) async fn seat(
        self: &Arc<Self>,
        mut due: Due,
        known: Option<Address>,
        turn: Option<HostKey>,
        insist: bool,
        stop: &CancellationToken,
    ) -> Result<(), store::Error> {
        let sources = self.sources.load_full();
        let Some(source) = sources.get(&due.source) else {
            self.answer(&due.source, &Polled::Unknown);
            self.pass_on(turn);
            return self.store.release(due.lease).await;
        };
        let now = self.clock.now();
        due.state = schedule::prepare(due.state, source, now);
        if let Some(ahead) = self.ahead_of(&due, source) {
            let mut desk = self.desk();
            if desk.flying.contains(&ahead) {
                desk.along.entry(ahead).or_default().push(due);
                drop(desk);
                self.pass_on(turn);
                return Ok(());
            }
        }
        let fetcher = Arc::clone(&self.settings.load().fetcher);
        let first = match known {
            Some(known) if Arc::ptr_eq(&known.source, source) => Some(known.first),
            _ => fetcher.first(source, &due.state),
        };
        let Some(first) = first else {
            self.pass_on(turn);
            self.fly(due, source, None, stop);
            return Ok(());
        };
        let host = &first.host;
        let waiting = Waiting {
            source: due.source.clone(),
            lease: due.lease.0,
            insist,
        };
        let welcome = {
            let mut desk = self.desk();
            if turn.as_ref() != Some(host) && desk.queue.has(host) && !insist {
                desk.queue.push(host, waiting);
                desk.remember(due, source, first);
                drop(desk);
                self.pass_on(turn);
                return Ok(());
            }
            let welcome = if insist {
                fetcher.hosts().insist(host, now)
            } else {
                fetcher.hosts().enter(host, now)
            };
            match &welcome {
                Welcome::At(_) | Welcome::Full => {
                    desk.queue.push_front(host, waiting);
                    if let Welcome::At(at) = welcome {
                        desk.queue.turn_at(host, at);
                    }
                }
                // The next in line may try at once.
                Welcome::Go(_) | Welcome::Paused(_) => desk.queue.turn_at(host, now),
            }
            welcome
        };
        if turn.as_ref() != Some(host) {
            self.pass_on(turn);
        }
        match welcome {
            Welcome::Go(permit) => self.fly(due, source, Some((first, permit)), stop),
            Welcome::Paused(until) => self.put_off(due, source, first.host, until),
            Welcome::At(_) | Welcome::Full => self.desk().remember(due, source, first),
        }
        Ok(())
    }

    /// One that is under way to the same address with the same request.
    fn ahead_of(&self, due: &Due, source: &Source) -> Option<SourceId> {
        let others = lock(&self.company).others(&due.state.url_current, &due.source);
        let sources = self.sources.load();
        others.into_iter().find(|other| {
            self.desk().flying.contains(other)
                && sources
                    .get(other)
                    .is_some_and(|other| ask_alike(source, other))
        })
    }

    /// A turn that was not used goes to the next in that line.
    fn pass_on(&self, turn: Option<HostKey>) {
        if let Some(host) = turn {
            let now = self.clock.now();
            self.desk().queue.turn_at(&host, now);
        }
    }

    fn fly(
        self: &Arc<Self>,
        due: Due,
        source: &Arc<Source>,
        place: Option<(First, Permit)>,
        stop: &CancellationToken,
    ) {
        self.desk().fresh.insert(due.source.clone());
        let landing = self.take_off(&due.source);
        let (floor, source, stop) = (Arc::clone(self), Arc::clone(source), stop.clone());
        // Boxed, because the runtime moves what it is given a dozen times.
        self.tasks.spawn(Box::pin(async move {
            let polled = floor.visit(due, &source, place, &stop).await;
            landing.report(&polled);
        }));
    }

    fn put_off(self: &Arc<Self>, due: Due, source: &Arc<Source>, host: HostKey, until: Timestamp) {
        let landing = self.take_off(&due.source);
        let (floor, source) = (Arc::clone(self), Arc::clone(source));
        self.tasks.spawn(async move {
            let polled = floor.defer(due, &source, &host, until).await;
            landing.report(&polled);
        });
    }

    pub(super) fn take_off(self: &Arc<Self>, id: &SourceId) -> Landing {
        self.desk().flying.insert(id.clone());
        Landing {
            floor: Arc::clone(self),
            source: id.clone(),
        }
    }

    /// Tells those who asked what came of it.
    pub(super) fn answer(&self, id: &SourceId, polled: &Polled) {
        let listening = self.desk().listening.remove(id).unwrap_or_default();
        for tell in listening {
            // Who asked may have gone.
            let _ = tell.send(polled.clone());
        }
    }
}

/// The end of a visit, whatever happens to its task.
pub(super) struct Landing {
    floor: Arc<Floor>,
    source: SourceId,
}

impl Landing {
    pub(super) fn report(self, polled: &Polled) {
        self.floor.answer(&self.source, polled);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        {
            let mut desk = self.floor.desk();
            desk.flying.remove(&self.source);
            desk.fresh.remove(&self.source);
            // Whom its answer did not serve goes by itself.
            let along = desk.along.remove(&self.source);
            desk.ready.extend(along.into_iter().flatten());
        }
        self.floor.wake.notify_one();
        self.floor.stirred.send_replace(());
    }
}
