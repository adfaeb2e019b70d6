//! One visit: fetch, read, plan, commit. Whatever happens on the way becomes an outcome, and is kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::company::{ask_alike, know_alike};
use super::news::{Before, News};
use super::queue::Waiting;
use super::schedule::{self, Outcome, Plan, Visited};
use super::{Floor, Polled, Report, Settings, lock};
use crate::fetch::{Answer, Failure, Fetched, First, Held, HostKey, Permit};
use crate::ingest::{self, Reading, Tally};
use crate::metrics;
use crate::model::document::Document;
use crate::model::source::{Health, Source, SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::model::warning::WarningCode;
use crate::store::{self, Batch, Due, Lease};

/// Failures in a row of a source that was well before, as long as they may still be our own line's.
const TELLS: u32 = 3;

/// What was found at the source.
enum Found {
    Fresh {
        answer: Answer,
        reading: Box<Reading>,
        hash: u64,
        whole: bool,
        /// The document's share of memory, until all is kept.
        _held: Arc<Held>,
    },
    Unchanged(Answer),
    NotModified(Answer),
    Failed(Failure),
}

/// How an answer was got.
struct Journey {
    settings: Arc<Settings>,
    /// The host that was asked first.
    host: Option<HostKey>,
    began: Timestamp,
    started: Instant,
}

/// Whose visit it was, and how the source stood before.
struct Errand {
    id: SourceId,
    lease: Lease,
    before: Before,
}

impl Found {
    fn outcome(&self, offline: bool) -> Outcome<'_> {
        match self {
            Self::Fresh {
                answer,
                reading,
                hash,
                whole,
                ..
            } => Outcome::Fresh {
                answer,
                hints: &reading.hints,
                hash: *hash,
                whole: *whole,
            },
            Self::Unchanged(answer) => Outcome::Unchanged(answer),
            Self::NotModified(answer) => Outcome::NotModified(answer),
            Self::Failed(failure) => Outcome::Failed { failure, offline },
        }
    }
}

impl Floor {
    /// Fetches, and settles what came of it for the source and for those that are polled at the same address.
    pub(super) async fn visit(
        self: &Arc<Self>,
        due: Due,
        source: &Arc<Source>,
        place: Option<(First, Permit)>,
        stop: &CancellationToken,
    ) -> Polled {
        let settings = self.settings.load_full();
        let (began, started) = (self.clock.now(), Instant::now());
        let host = place.as_ref().map(|(first, _)| first.host.clone());
        let fetched = tokio::select! {
            fetched = settings.fetcher.fetch_with(source, &due.state, began, place) => fetched,
            () = stop.cancelled() => {
                let _ = self.store.release(due.lease).await;
                return Polled::Dropped;
            }
        };
        let journey = Journey {
            settings,
            host,
            began,
            started,
        };
        for (other, its) in self.company_of(&due, source, &fetched).await {
            let landing = self.take_off(&other.source);
            // Boxed: few visits are for two, and every one would be as large.
            let polled = Box::pin(self.settle(other, &its, fetched.again(), &journey)).await;
            landing.report(&polled);
        }
        self.settle(due, source, fetched, &journey).await
    }

    /// Those that this answer serves, too, on lease. Who holds something else, or is under way, goes by itself.
    async fn company_of(
        &self,
        due: &Due,
        source: &Source,
        fetched: &Fetched,
    ) -> Vec<(Due, Arc<Source>)> {
        let serves = |other: &Due, its: &Source| {
            ask_alike(source, its)
                && other.state.health != Health::Gone
                && match fetched {
                    Fetched::Deferred { .. } => false,
                    Fetched::NotModified(_) => know_alike(&other.state, &due.state),
                    _ => other.state.url_current == due.state.url_current,
                }
        };
        let others = lock(&self.company).others(&due.state.url_current, &due.source);
        let mut served = Vec::new();
        for id in others {
            let Some(its) = self.sources.load().get(&id).cloned() else {
                continue;
            };
            // Either it waits for this very answer, or it is not due yet.
            let waiting = self.takes_along(&due.source, &id);
            let waited = waiting.is_some();
            let other = match waiting {
                Some(other) => Some(other),
                None => self.store.lease(&id).await.ok().flatten(),
            };
            let Some(mut other) = other else {
                continue;
            };
            other.state = schedule::prepare(other.state, &its, self.clock.now());
            if serves(&other, &its) {
                served.push((other, its));
            } else if waited {
                let mut desk = self.desk();
                desk.along
                    .entry(due.source.clone())
                    .or_default()
                    .push(other);
            } else {
                // It stays due, and whatever is wrong with the store shows soon enough.
                let _ = self.store.release(other.lease).await;
            }
        }
        served
    }

    /// One that waits for the answer of another.
    fn takes_along(&self, ahead: &SourceId, id: &SourceId) -> Option<Due> {
        let mut desk = self.desk();
        let along = desk.along.get_mut(ahead)?;
        let at = along.iter().position(|due| due.source == *id)?;
        Some(along.swap_remove(at))
    }

    /// Reads, plans and commits for one source.
    async fn settle(
        &self,
        due: Due,
        source: &Arc<Source>,
        fetched: Fetched,
        journey: &Journey,
    ) -> Polled {
        let settings = &journey.settings;
        let plan = Plan::of(&settings.options, source);
        // Until the end of this, whatever it is.
        let _table = match &fetched {
            Fetched::Document { hash, .. } if due.state.body_hash != Some(*hash) => {
                self.table().await
            }
            _ => None,
        };
        let found = match fetched {
            Fetched::Deferred { until, host } => {
                return self.defer(due, source, &host, until).await;
            }
            Fetched::NotModified(answer) => Found::NotModified(answer),
            Fetched::Failed(failure) => Found::Failed(failure),
            Fetched::Document { hash, answer, .. } if due.state.body_hash == Some(hash) => {
                Found::Unchanged(answer)
            }
            Fetched::Document {
                document,
                hash,
                answer,
                held,
            } => {
                let before = ingest::Before::of(source, &due.state, &settings.ingest);
                let read = self.read(source, document, &answer, before, settings).await;
                match read {
                    Ok(reading) => Found::Fresh {
                        whole: answer.framed || !cut_off(&reading),
                        answer,
                        reading: Box::new(reading),
                        hash,
                        _held: held,
                    },
                    Err(failure) => Found::Failed(failure),
                }
            }
        };
        let now = self.clock.now();
        let offline = self.watch_the_line(&found, &due.state, journey, now);
        let visited = Visited {
            outcome: found.outcome(offline),
            began: journey.began,
            now,
            took: journey.started.elapsed(),
        };
        let Due {
            source: id,
            state,
            lease,
        } = due;
        let before = Before {
            address: state.url_current.clone(),
            health: state.health,
        };
        let state = schedule::after(state, &visited, &plan, &mut lock(&self.rng));
        let errand = Errand { id, lease, before };
        self.keep(errand, source, state, found, settings, now).await
    }

    /// A place for a document to be read and kept.
    async fn table(&self) -> Option<SemaphorePermit<'_>> {
        self.piled.fetch_add(1, Ordering::Relaxed);
        // Never closed.
        let table = self.tables.acquire().await.ok();
        self.piled.fetch_sub(1, Ordering::Relaxed);
        table
    }

    /// Steps 2 and 3, on the blocking pool, one per core at a time.
    async fn read(
        &self,
        source: &Arc<Source>,
        document: Document,
        answer: &Answer,
        before: ingest::Before,
        settings: &Settings,
    ) -> Result<Reading, Failure> {
        let now = self.clock.now();
        let turn = self.readers.acquire().await;
        let (source, options) = (Arc::clone(source), Arc::clone(&settings.ingest));
        let read = tokio::task::spawn_blocking(move || {
            ingest::read(&source, &document, &options, &before, now)
                .map_err(|error| error.to_string())
        })
        .await;
        drop(turn);
        let text = match read {
            Ok(Ok(reading)) => return Ok(reading),
            Ok(Err(text)) => text,
            Err(stopped) => {
                tracing::error!(error = %stopped, url = answer.url, "reading a document failed");
                format!("reading it failed: {stopped}")
            }
        };
        Err(schedule::no_feed(answer, text, now))
    }

    /// Commits what came of a visit, and says so.
    async fn keep(
        &self,
        errand: Errand,
        source: &Source,
        state: Box<SourceState>,
        found: Found,
        settings: &Settings,
        now: Timestamp,
    ) -> Polled {
        let mut report = Report {
            outcome: found.outcome(false).word().into_owned(),
            fault: match &found {
                Found::Failed(failure) => Some(failure.fault.clone()),
                _ => None,
            },
            millis: state.visits.first().map_or(0, |visit| visit.millis),
            next_due: state.next_due,
            why: state.why.clone(),
            ..Report::default()
        };
        if let Some(pause) = &state.host_pause {
            let host = HostKey::from_name(&pause.host);
            settings.fetcher.hosts().pause(&host, pause.until);
        }
        let bytes = state.visits.first().map_or(0, |visit| visit.bytes);
        let durable = matters(&errand.before, &state);
        let news = News::between(&errand.before, &state);
        let reading = match found {
            Found::Fresh { reading, .. } => Some(*reading),
            _ => None,
        };
        let visited = ingest::Visited {
            source,
            state,
            lease: errand.lease,
            reading,
            durable,
        };
        let epoch = self.desk().epoch;
        let kept = ingest::commit(&*self.store, visited, now, &settings.ingest).await;
        self.hold_to(epoch, &errand.id, report.next_due).await;
        let tally = match kept {
            Ok(tally) => tally,
            Err(error) => return self.not_kept(&errand.id, errand.lease, &error, report.next_due),
        };
        report.new = tally.new;
        report.updated = tally.updated;
        report.known = tally.known;
        self.count(&report, tally, bytes);
        report.log(&errand.id);
        news.tell(&errand.id, &report);
        if let Some((from, to)) = &news.moved {
            self.move_in(&errand.id, from, to);
        }
        Polled::Visited(report)
    }

    /// The source is polled elsewhere from now on, perhaps where another one is already.
    fn move_in(&self, source: &SourceId, from: &str, to: &str) {
        let others = {
            let mut company = lock(&self.company);
            company.leave(from, source);
            company.join(to, source);
            company.others(to, source)
        };
        for other in others {
            tracing::warn!(%source, %other, url = to, "both are found at one address now: one request serves them, both stay");
        }
    }

    /// A result that could not be kept. The source rests as if it had been, or its origin would be asked again at once.
    fn not_kept(
        &self,
        source: &SourceId,
        lease: Lease,
        error: &store::Error,
        until: Timestamp,
    ) -> Polled {
        if matches!(error, store::Error::LeaseLost(_)) {
            tracing::debug!(%source, "removed while it was visited");
            return Polled::Dropped;
        }
        tracing::error!(%source, %error, "what a visit brought could not be kept");
        self.desk().queue.rest(
            until,
            Waiting {
                source: source.clone(),
                lease: lease.0,
                insist: false,
            },
        );
        Polled::Dropped
    }

    /// Nothing was asked of the source itself: it comes when its host may be visited.
    pub(super) async fn defer(
        &self,
        due: Due,
        source: &Source,
        host: &HostKey,
        until: Timestamp,
    ) -> Polled {
        let now = self.clock.now();
        let plan = self.plan(source);
        let Due {
            source: id,
            state,
            lease,
        } = due;
        let state = schedule::deferred(state, host.as_str(), until, &plan, &mut lock(&self.rng));
        let (until, why) = (state.next_due, state.why.clone());
        tracing::debug!(source = %id, %host, %until, "put off");
        let batch = Batch {
            visit: Some((id.clone(), state, lease)),
            ..Batch::default()
        };
        match self.store.commit(batch, now).await {
            Ok(_) => Polled::Waits { until, why },
            Err(error) => self.not_kept(&id, lease, &error, until),
        }
    }

    fn watch_the_line(
        &self,
        found: &Found,
        state: &SourceState,
        journey: &Journey,
        now: Timestamp,
    ) -> bool {
        let Some(host) = journey.host.clone() else {
            return false;
        };
        let silent = matches!(found, Found::Failed(failure) if failure.silent);
        // Long enough that each source had its turn.
        let span = (journey.settings.options.every.min * 2).max(Duration::from_secs(1));
        // A source that was never well, or has been failing for longer, says nothing of the line.
        let tells = state.last_ok.is_some() && state.fails < TELLS;
        let mut guard = lock(&self.line);
        let (line, was_down) = &mut *guard;
        if tells || !silent {
            line.note(now, host, silent);
        }
        let down = line.down(now, span);
        if down != *was_down {
            *was_down = down;
            if down {
                tracing::warn!("most hosts cannot be reached: our own line seems to be down");
            } else {
                tracing::info!("hosts can be reached again");
            }
        }
        down
    }

    fn count(&self, report: &Report, tally: Tally, bytes: u64) {
        let outcome = metrics::Outcome {
            outcome: report.outcome.clone(),
        };
        self.metrics.visits.get_or_create(&outcome).inc();
        self.metrics.fetched_bytes.inc_by(bytes);
        self.metrics.articles_new.inc_by(u64::from(tally.new));
        self.metrics
            .articles_updated
            .inc_by(u64::from(tally.updated));
        let mut counts = lock(&self.counts);
        counts.visited += 1;
        counts.failed += u64::from(report.fault.is_some());
        counts.unchanged += u64::from(report.fault.is_none() && report.outcome != "fresh");
        counts.new += u64::from(tally.new);
        counts.updated += u64::from(tally.updated);
    }
}

/// The document ends before its last element does, and nothing but its end says that it was whole.
fn cut_off(reading: &Reading) -> bool {
    reading
        .warnings
        .iter()
        .any(|warning| warning.code == WarningCode::Truncated)
}

/// What must survive the loss of the index: pauses, moves and endings.
fn matters(before: &Before, after: &SourceState) -> bool {
    after.host_pause.is_some()
        || after.retry_until.is_some()
        || before.address != after.url_current
        || (before.health != after.health && after.health == Health::Gone)
}
