//! How often a source is worth a visit, by how often something new comes, and which hours its publisher leaves out.

use std::time::Duration;

use super::Plan;
use crate::model::source::SourceState;
use crate::model::time::Timestamp;

/// Without validators each visit costs the origin a whole document.
const WITHOUT_VALIDATORS: u32 = 4;

/// How often a source is worth a visit.
pub(super) struct Pace {
    pub(super) base: Duration,
    pub(super) why: String,
}

impl Pace {
    /// The geometric mean of the shortest interval and the gap between two entries keeps the delay of entries lowest
    /// for the visits it costs (Sia, Cho and Cho, TKDE 2007).
    pub(super) fn of(state: &SourceState, plan: &Plan, now: Timestamp) -> Self {
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
pub(super) fn outside_skipped(due: Timestamp, hours: &[u8], days: &[u8]) -> Timestamp {
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
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
