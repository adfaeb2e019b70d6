//! When to come again. Takes what is remembered of a source and what a visit brought, gives what to remember from now
//! on, with the next visit in it. Pure: the time is passed in, chance comes from a generator that tests seed.
//!
//! No wait here has a unit of its own. Everything follows from the shortest and the longest interval, so that the
//! whole behaviour can be watched in seconds instead of days.

use std::time::Duration;

use fastrand::Rng;

use super::Options;
use crate::fetch::{Answer, Failure};
use crate::ingest::FeedHints;
use crate::model::source::{
    Every, Fault, Health, HintFrom, HostPause, Move, MoveCandidate, Source, SourceKind,
    SourceState, Visit,
};
use crate::model::time::Timestamp;

/// Visits that are remembered.
const VISITS: usize = 20;
/// Moves that are remembered.
const MOVES: usize = 10;
/// Polls in a row that a permanent redirect must lead to a feed.
const MOVE_POLLS: u32 = 3;
/// Too-large answers in a row until a source is only looked at once per longest interval.
const MOST_OVERSIZE: u32 = 3;
/// 410 answers in a row that are believed.
const GONE: u32 = 2;
/// Where the interval is fixed, failures still thin out to this many of it.
const FIXED_SPAN: u32 = 24;
/// Without validators each visit costs the origin a whole document.
const WITHOUT_VALIDATORS: u32 = 4;
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
    pub fn word(&self) -> &str {
        match self {
            Self::Fresh { .. } => "fresh",
            Self::Unchanged(_) => "unchanged",
            Self::NotModified(_) => "not-modified",
            Self::Failed { failure, .. } => &failure.fault.kind,
        }
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

/// The state with which a source is visited: what belonged to another address is dropped.
#[must_use]
pub fn prepare(state: SourceState, source: &Source, now: Timestamp) -> SourceState {
    let configured = address(source);
    if state.url_config == configured {
        return state;
    }
    // The operator wrote down a move that we had taken over: the validators are those of the new address.
    let accepted = state.url_current == configured && !state.url_config.is_empty();
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
        return kept;
    }
    SourceState {
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
    }
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
    let due = state.next_due.min(latest(state, plan));
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
pub fn after(mut state: SourceState, visited: &Visited, plan: &Plan, rng: &mut Rng) -> SourceState {
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
            outcome: visited.outcome.word().to_owned(),
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

/// What a parsed document says of its schedule.
fn learn(state: &mut SourceState, answer: &Answer, hints: &FeedHints) {
    state.header_hint = answer.freshness.lifetime;
    let ttl = hints
        .ttl
        .map(|minutes| (minutes.saturating_mul(60), HintFrom::Ttl));
    let period = hints.period.map(|period| (period, HintFrom::Syndication));
    state.body_hint = longer(ttl, period);
    state.skip_hours.clone_from(&hints.skip_hours);
    state.skip_days.clone_from(&hints.skip_days);
    if !hints.newest.is_empty() {
        state.newest.clone_from(&hints.newest);
    }
}

/// RFC 9111, 4.3.4: a 304 with another strong `ETag` speaks of something that we do not have.
fn refresh(state: &mut SourceState, answer: &Answer) {
    let Some(stored) = &mut state.validators else {
        return;
    };
    let strange = answer
        .validators
        .etag
        .as_ref()
        .is_some_and(|etag| !etag.starts_with(b"W/") && stored.etag.as_ref() != Some(etag));
    if strange {
        return;
    }
    if answer.validators.last_modified.is_some() {
        stored
            .last_modified
            .clone_from(&answer.validators.last_modified);
    }
    if answer.freshness.spoken {
        state.header_hint = answer.freshness.lifetime;
    }
}

fn longer(a: Option<(u64, HintFrom)>, b: Option<(u64, HintFrom)>) -> Option<(u64, HintFrom)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn well(
    state: &mut SourceState,
    answer: &Answer,
    now: Timestamp,
    first: bool,
    plan: &Plan,
    rng: &mut Rng,
) {
    state.fails = 0;
    state.oversize = 0;
    state.gone = 0;
    state.first_fail = None;
    state.last_ok = Some(now);
    state.health = Health::Ok;
    consider_move(state, answer, now, plan);
    let hint = longer(state.header_hint, state.body_hint).filter(|hint| hint.0 > 0);
    let cap = plan.hint_cap.as_secs();
    state.hint = hint.map(|hint| hint.0.min(cap));
    state.hint_from = hint.map_or(HintFrom::None, |hint| hint.1);
    let pace = Pace::of(state, plan, now);
    let hinted = Duration::from_secs(state.hint.unwrap_or(0));
    state.why = if hinted > pace.base {
        let name = match state.hint_from {
            HintFrom::MaxAge => "max-age",
            HintFrom::Expires => "Expires",
            HintFrom::Ttl => "ttl",
            HintFrom::Syndication => "sy:updatePeriod",
            HintFrom::None => "hint",
        };
        format!("{name} {}", hinted.as_secs())
    } else {
        pace.why
    };
    // Only upwards: never early. The first wait is stretched more, so that sources added together drift apart.
    let stretch = if first { 1.0 } else { 0.15 };
    let wait = pace
        .base
        .max(hinted)
        .max(plan.every.min)
        .mul_f64(1.0 + stretch * rng.f64());
    let due = now + wait;
    let open = outside_skipped(due, &state.skip_hours, &state.skip_days);
    if open > due {
        "skipHours, skipDays".clone_into(&mut state.why);
        // Everybody skips to the full hour; not all of them should come on the stroke of it.
        state.next_due = open + plan.every.min.mul_f64(rng.f64());
    } else {
        state.next_due = due;
    }
    state.interval = seconds(wait);
}

/// A permanent redirect must lead to a feed several times, and for a while, before it is believed: portals and
/// mistaken configurations answer 301, too. What follows a temporary redirect is never taken over.
fn consider_move(state: &mut SourceState, answer: &Answer, now: Timestamp, plan: &Plan) {
    let Some(permanent) = answer
        .hops
        .iter()
        .take_while(|hop| matches!(hop.status, 301 | 308))
        .last()
    else {
        state.move_candidate = None;
        return;
    };
    let candidate = match state.move_candidate.take() {
        Some(seen) if seen.url == permanent.to => MoveCandidate {
            count: seen.count + 1,
            ..seen
        },
        _ => MoveCandidate {
            url: permanent.to.clone(),
            count: 1,
            since: now,
        },
    };
    if candidate.count < MOVE_POLLS || now.since(candidate.since) < plan.move_after {
        state.move_candidate = Some(candidate);
        return;
    }
    let from = std::mem::replace(&mut state.url_current, candidate.url.clone());
    state.moves.insert(
        0,
        Move {
            from,
            to: candidate.url,
            at: now,
            status: permanent.status,
        },
    );
    state.moves.truncate(MOVES);
}

fn failed(
    state: &mut SourceState,
    failure: &Failure,
    offline: bool,
    now: Timestamp,
    plan: &Plan,
    rng: &mut Rng,
) {
    state.move_candidate = None;
    state.last_error = Some(failure.fault.clone());
    let status = failure.fault.status;
    state.gone = if status == Some(410) {
        state.gone + 1
    } else {
        0
    };
    state.oversize = if failure.fault.kind == "too-large" {
        state.oversize + 1
    } else {
        0
    };
    if !(offline && failure.silent) {
        state.fails = state.fails.saturating_add(1);
        state.first_fail.get_or_insert(now);
        state.health = Health::Failing;
    }
    if state.gone >= GONE {
        state.health = Health::Gone;
        state.next_due = Timestamp::FAR_FUTURE;
        "gone for good (410)".clone_into(&mut state.why);
        return;
    }
    let base = Pace::of(state, plan, now).base;
    let backoff = back_off(state, plan, now);
    let wait = base.max(backoff).mul_f64(1.0 + 0.2 * rng.f64());
    state.why = format!("backoff {}", state.fails);
    state.interval = seconds(wait);
    state.next_due = now + wait;
    if matches!(status, Some(429 | 503)) {
        patience(state, failure, now, plan, rng);
    }
}

/// Doubles with each failure in a row, up to a pulse that never stops, and that slows down when it beat in vain for long.
fn back_off(state: &SourceState, plan: &Plan, now: Timestamp) -> Duration {
    let (long, slower) = LONG_FAILURE;
    if state
        .first_fail
        .is_some_and(|first| now.since(first) >= plan.pulse.saturating_mul(long))
    {
        return plan.pulse.saturating_mul(slower);
    }
    if state.oversize >= MOST_OVERSIZE {
        return plan.pulse;
    }
    let doubled = 2_u32.saturating_pow(state.fails.saturating_sub(1));
    plan.every.min.saturating_mul(doubled).min(plan.pulse)
}

/// 429 and 503: the origin may say when to come again. 429 speaks for its host, 503 only for the feed.
fn patience(
    state: &mut SourceState,
    failure: &Failure,
    now: Timestamp,
    plan: &Plan,
    rng: &mut Rng,
) {
    let too_many = failure.fault.status == Some(429);
    let asked = failure.retry_after.map(|until| {
        until
            .since(now)
            .clamp(plan.every.min, plan.hint_cap.max(plan.every.min))
    });
    let silence = match asked {
        Some(asked) => {
            // Who says "later" every time is asked less and less often all the same.
            let patient = if state.fails > MOVE_POLLS {
                asked.max(back_off(state, plan, now))
            } else {
                asked
            };
            let wait = patient.mul_f64(1.0 + 0.1 * rng.f64());
            state.next_due = now + wait;
            state.interval = seconds(wait);
            state.retry_until = Some(now + asked);
            state.health = Health::Paused;
            "Retry-After".clone_into(&mut state.why);
            asked
        }
        None if too_many => back_off(state, plan, now).max(plan.every.min),
        None => return,
    };
    if too_many && let Some(host) = &failure.host {
        state.health = Health::Paused;
        state.host_pause = Some(HostPause {
            host: host.as_str().to_owned(),
            until: now + silence,
        });
    }
}

/// The state of a source that was not visited because its host asked for silence or has no place: it comes after that.
#[must_use]
pub fn deferred(
    mut state: SourceState,
    host: &str,
    until: Timestamp,
    plan: &Plan,
    rng: &mut Rng,
) -> SourceState {
    state.next_due = until + plan.every.min.mul_f64(0.5 * rng.f64());
    state.why = format!("{host} is busy or asked for silence");
    state
}

/// How often a source is worth a visit.
struct Pace {
    base: Duration,
    why: String,
}

impl Pace {
    /// The geometric mean of the shortest interval and the gap between two entries keeps the delay of entries lowest
    /// for the visits it costs (Sia, Cho and Cho, TKDE 2007).
    fn of(state: &SourceState, plan: &Plan, now: Timestamp) -> Self {
        if plan.fixed() {
            return Self {
                base: plan.every.min,
                why: format!("every {} s", plan.every.min.as_secs()),
            };
        }
        let validated = state.validators.as_ref().is_some_and(|validators| {
            validators.etag.is_some() || validators.last_modified.is_some()
        });
        let min = if validated || state.last_ok.is_none() {
            plan.every.min
        } else {
            plan.every.min.saturating_mul(WITHOUT_VALIDATORS)
        }
        .min(plan.every.max);
        let gap = gap(state, now);
        let mean = Duration::from_secs_f64((min.as_secs_f64() * gap.as_secs_f64()).sqrt());
        Self {
            base: mean.clamp(min, plan.every.max),
            why: format!("adaptive: {}", rate(gap)),
        }
    }
}

/// Time between two entries: by their dates, or by what the remembered visits found if that is less. Some publishers
/// date their entries long ago, or not at all.
fn gap(state: &SourceState, now: Timestamp) -> Duration {
    let dated = state.newest.last().map(|oldest| {
        let count = u32::try_from(state.newest.len()).unwrap_or(u32::MAX).max(1);
        now.since(*oldest) / count
    });
    // The oldest remembered visit may be the first of all, to which everything was new.
    let seen = state.visits.split_last().and_then(|(oldest, later)| {
        let new: u32 = later.iter().map(|visit| visit.new).sum();
        (new > 0).then(|| now.since(oldest.at) / new)
    });
    match (dated, seen) {
        (Some(a), Some(b)) => a.min(b),
        (Some(gap), None) | (None, Some(gap)) => gap,
        (None, None) => now.since(state.last_new.unwrap_or(state.added)),
    }
}

fn rate(gap: Duration) -> String {
    const DAY: f64 = 86_400.0;
    let a_day = DAY / gap.as_secs_f64().max(1.0);
    if a_day >= 1.5 {
        format!("{a_day:.0} items a day")
    } else if a_day * 7.0 >= 1.5 {
        format!("{:.0} items a week", a_day * 7.0)
    } else {
        format!("an item every {:.0} days", (1.0 / a_day).max(1.0))
    }
}

/// The first instant from `due` on that lies in no hour and on no day to be skipped (both in GMT).
fn outside_skipped(due: Timestamp, hours: &[u8], days: &[u8]) -> Timestamp {
    const HOUR: i64 = 3600;
    let skipped = |at: i64| {
        let hour = at.div_euclid(HOUR).rem_euclid(24);
        // 1970-01-01 was a Thursday; Monday is 0.
        let day = (at.div_euclid(24 * HOUR) + 3).rem_euclid(7);
        // RSS counts the hours from 0; older ones from 1 to 24.
        hours.iter().any(|skip| i64::from(*skip) % 24 == hour)
            || days.iter().any(|skip| i64::from(*skip) == day)
    };
    let mut at = due.as_secs();
    for _ in 0..8 * 24 {
        if !skipped(at) {
            return if at == due.as_secs() {
                due
            } else {
                Timestamp::from_secs(at)
            };
        }
        at = (at.div_euclid(HOUR) + 1) * HOUR;
    }
    // They cover everything, so they mean nothing.
    due
}

/// Whole seconds, rounded up: an interval is never remembered as nothing.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Whether a source changed its mood: what is worth a line in the log, once.
#[must_use]
pub fn mood_changed(before: &SourceState, after: &SourceState) -> bool {
    let was = if before.health == Health::New {
        Health::Ok
    } else {
        before.health
    };
    was != after.health
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
