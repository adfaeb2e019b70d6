//! A visit that found a feed, or that nothing changed: what is remembered of it, whether the source has moved, and when
//! to come again.

use std::time::Duration;

use fastrand::Rng;

use super::pace::{Pace, outside_skipped, seconds};
use super::{MOVE_POLLS, Plan};
use crate::fetch::Answer;
use crate::ingest::FeedHints;
use crate::model::source::{Health, HintFrom, Move, MoveCandidate, SourceState};
use crate::model::time::Timestamp;

/// Moves that are remembered.
const MOVES: usize = 10;

/// What a parsed document says of its schedule.
pub(super) fn learn(state: &mut SourceState, answer: &Answer, hints: &FeedHints) {
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
pub(super) fn refresh(state: &mut SourceState, answer: &Answer) {
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

pub(super) fn well(
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
