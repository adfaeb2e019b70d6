//! A visit that found no feed: fewer and fewer visits, never none; silence where the origin asked for it.

use std::time::Duration;

use fastrand::Rng;

use super::pace::{Pace, seconds};
use super::{LONG_FAILURE, MOVE_POLLS, Plan};
use crate::fetch::Failure;
use crate::model::source::{Health, HostPause, SourceState};
use crate::model::time::Timestamp;

/// Too-large answers in a row until a source is only looked at once per longest interval.
const MOST_OVERSIZE: u32 = 3;
/// 410 answers in a row that are believed.
const GONE: u32 = 2;

pub(super) fn failed(
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
