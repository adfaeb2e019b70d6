//! When to come again. Takes what is remembered of a source and what a visit brought, gives what to remember from now
//! on, with the next visit in it. Pure: the time is passed in, chance comes from a generator that tests seed.
//!
//! No wait here has a unit of its own. Everything follows from the shortest and the longest interval, so that the
//! whole behaviour can be watched in seconds instead of days.

mod bad;
mod good;
mod pace;

use std::borrow::Cow;
use std::time::Duration;

use fastrand::Rng;

use super::Options;
use crate::fetch::{Answer, Failure};
use crate::ingest::FeedHints;
use crate::model::source::{Every, Fault, Health, Source, SourceKind, SourceState, Visit, outcome};
use crate::model::time::Timestamp;
use bad::failed;
use good::{learn, refresh, well};

/// Visits that are remembered.
const VISITS: usize = 20;
/// Polls in a row that a permanent redirect must lead to a feed.
const MOVE_POLLS: u32 = 3;
/// Where the interval is fixed, failures still thin out to this many of it.
const FIXED_SPAN: u32 = 24;
/// Longest intervals of nothing but failure until the pulse slows down, and by how much.
const LONG_FAILURE: (u32, u32) = (30, 7);
/// Overdue sources are spread over this after a start, or over their interval if that is shorter.
const START_SPREAD: Duration = Duration::from_mins(10);

/// What applies to one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Shortest and longest interval.
    pub every: Every,
    /// Longest wait between two failures.
    pub pulse: Duration,
    /// How far a hint may stretch the interval.
    pub hint_cap: Duration,
    /// How long a permanent redirect must hold.
    pub move_after: Duration,
}

impl Plan {
    /// The options, with the source's own interval if it has one.
    #[must_use]
    pub fn of(options: &Options, source: &Source) -> Self {
        let every = source.every.unwrap_or(options.every);
        let longest = every.max.max(options.every.max);
        Self {
            every,
            pulse: if longest > every.min {
                longest
            } else {
                every.min.saturating_mul(FIXED_SPAN)
            },
            hint_cap: options.hint_cap,
            move_after: options.move_after,
        }
    }

    fn fixed(&self) -> bool {
        self.every.min >= self.every.max
    }
}

/// What a visit came to.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// A document that was parsed.
    Fresh {
        /// From its headers.
        answer: &'a Answer,
        /// From its body.
        hints: &'a FeedHints,
        /// Hash of its body.
        hash: u64,
        /// The body may lack its end: take what it says, but ask for all of it next time.
        whole: bool,
    },
    /// The same bytes as last time.
    Unchanged(&'a Answer),
    /// 304.
    NotModified(&'a Answer),
    /// No feed.
    Failed {
        /// Why.
        failure: &'a Failure,
        /// It is our own line that is down: this counts against nobody.
        offline: bool,
    },
}

/// One visit, measured.
#[derive(Debug, Clone, Copy)]
pub struct Visited<'a> {
    /// What it came to.
    pub outcome: Outcome<'a>,
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub now: Timestamp,
    /// How long it took: clocks are set now and then.
    pub took: Duration,
}

impl Outcome<'_> {
    /// `fresh`, `unchanged`, `not-modified`, or the kind of fault.
    #[must_use]
    pub fn word(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Fresh { .. } => outcome::FRESH,
            Self::Unchanged(_) => outcome::UNCHANGED,
            Self::NotModified(_) => outcome::NOT_MODIFIED,
            Self::Failed { failure, .. } => return Cow::Owned(failure.fault.kind.clone()),
        })
    }
}

/// How a source's address is remembered, so that an edit in feeds.toml is noticed.
#[must_use]
pub fn address(source: &Source) -> String {
    match &source.kind {
        SourceKind::Feed | SourceKind::File => source.url.clone(),
        SourceKind::Exec(command) => command.join(" "),
    }
}

/// Where a source is polled: as configured, or where it moved to since.
#[must_use]
pub fn polled_at<'a>(state: &'a SourceState, source: &'a Source) -> &'a str {
    if state.url_current.is_empty() || state.url_config != address(source) {
        &source.url
    } else {
        &state.url_current
    }
}

/// The state with which a source is visited: what belonged to another address is dropped.
#[must_use]
pub fn prepare(state: Box<SourceState>, source: &Source, now: Timestamp) -> Box<SourceState> {
    let configured = address(source);
    if state.url_config == configured {
        return state;
    }
    // The operator wrote down a move that we had taken over: the validators are those of the new address.
    let accepted = state.url_current == configured && !state.url_config.is_empty();
    let state = *state;
    let kept = SourceState {
        newest: state.newest,
        last_new: state.last_new,
        last_ok: state.last_ok,
        visits: state.visits,
        about: state.about,
        listed: state.listed,
        added: if state.added == Timestamp::EPOCH {
            now
        } else {
            state.added
        },
        next_due: state.next_due,
        url_current: configured.clone(),
        url_config: configured,
        ..SourceState::default()
    };
    if !accepted {
        return Box::new(kept);
    }
    Box::new(SourceState {
        validators: state.validators,
        body_hash: state.body_hash,
        hint: state.hint,
        hint_from: state.hint_from,
        header_hint: state.header_hint,
        body_hint: state.body_hint,
        skip_hours: state.skip_hours,
        skip_days: state.skip_days,
        last_visit: state.last_visit,
        interval: state.interval,
        why: state.why,
        health: state.health,
        ..kept
    })
}

/// When a source is due at a start or after a reload. Never-visited ones, and those with another address, at once;
/// overdue ones soon, but not all together; `spread` is off where somebody waits for the result.
#[must_use]
pub fn first_due(
    state: &SourceState,
    source: &Source,
    plan: &Plan,
    now: Timestamp,
    spread: Option<&mut Rng>,
) -> Timestamp {
    if state.url_config != address(source) || state.last_visit.is_none() {
        return now;
    }
    if state.health == Health::Gone {
        return Timestamp::FAR_FUTURE;
    }
    let mut due = state.next_due.min(latest(state, plan));
    // The clock was set back since: the time that was chosen means nothing, the wait still does.
    if let Some(last) = state.last_visit.filter(|last| *last > now) {
        due = now + due.since(last);
    }
    match spread {
        Some(rng) if due <= now => {
            let span = Duration::from_secs(state.interval).min(START_SPREAD);
            now + span.mul_f64(rng.f64())
        }
        _ => due,
    }
}

/// The latest time that today's settings could have chosen: an interval that was shortened counts from now on.
fn latest(state: &SourceState, plan: &Plan) -> Timestamp {
    let Some(last) = state.last_visit else {
        return state.next_due;
    };
    if state.retry_until.is_some_and(|until| until > last) {
        return state.next_due;
    }
    let longest = if state.fails > 0 {
        plan.pulse.saturating_mul(LONG_FAILURE.1)
    } else {
        let hint = Duration::from_secs(state.hint.unwrap_or(0)).min(plan.hint_cap);
        plan.every.max.max(hint).saturating_mul(2)
    };
    let skipping = !state.skip_hours.is_empty() || !state.skip_days.is_empty();
    if skipping {
        return state.next_due;
    }
    last + longest
}

/// Plans the next visit from this one.
#[must_use]
pub fn after(
    mut state: Box<SourceState>,
    visited: &Visited,
    plan: &Plan,
    rng: &mut Rng,
) -> Box<SourceState> {
    let now = visited.now;
    let first = state.last_visit.is_none();
    let (status, bytes) = match visited.outcome {
        Outcome::Fresh { answer, .. }
        | Outcome::Unchanged(answer)
        | Outcome::NotModified(answer) => (answer.status, answer.bytes),
        Outcome::Failed { failure, .. } => (failure.fault.status.unwrap_or(0), failure.bytes),
    };
    state.visits.truncate(VISITS - 1);
    state.visits.insert(
        0,
        Visit {
            at: visited.began,
            outcome: visited.outcome.word(),
            status,
            bytes,
            millis: u32::try_from(visited.took.as_millis()).unwrap_or(u32::MAX),
            new: 0,
            updated: 0,
        },
    );
    state.last_visit = Some(now);
    state.retry_until = None;
    state.host_pause = None;
    match visited.outcome {
        Outcome::Fresh {
            answer,
            hints,
            hash,
            whole,
        } => {
            learn(&mut state, answer, hints);
            state.validators = Some(answer.validators.clone()).filter(|_| whole);
            state.body_hash = Some(hash).filter(|_| whole);
            well(&mut state, answer, now, first, plan, rng);
        }
        Outcome::Unchanged(answer) => {
            state.validators = Some(answer.validators.clone());
            state.header_hint = answer.freshness.lifetime;
            well(&mut state, answer, now, first, plan, rng);
        }
        Outcome::NotModified(answer) => {
            refresh(&mut state, answer);
            well(&mut state, answer, now, first, plan, rng);
        }
        Outcome::Failed { failure, offline } => {
            failed(&mut state, failure, offline, now, plan, rng);
        }
    }
    state
}

/// The state of a source that was not visited because its host asked for silence or has no place: it comes after that.
#[must_use]
pub fn deferred(
    mut state: Box<SourceState>,
    host: &str,
    until: Timestamp,
    plan: &Plan,
    rng: &mut Rng,
) -> Box<SourceState> {
    state.next_due = until + plan.every.min.mul_f64(0.5 * rng.f64());
    state.why = format!("{host} is busy or asked for silence");
    state
}

/// Whether a source changed its mood: what is worth a line in the log, once.
#[must_use]
pub fn mood_changed(before: Health, after: Health) -> bool {
    let was = if before == Health::New {
        Health::Ok
    } else {
        before
    };
    was != after
}

/// The failure of a document in which there is no feed.
#[must_use]
pub fn no_feed(answer: &Answer, text: String, now: Timestamp) -> Failure {
    Failure {
        fault: Fault {
            kind: "not-a-feed".to_owned(),
            text,
            status: Some(answer.status).filter(|status| *status > 0),
            url: Some(answer.url.clone()),
            at: now,
        },
        hops: answer.hops.clone(),
        bytes: answer.bytes,
        ..Failure::default()
    }
}

#[cfg(test)]
mod tests;
