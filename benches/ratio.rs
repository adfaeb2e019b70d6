//! Figures with a limit: one line each, in the form that `scripts/bench` gathers into one table.

/// Says a figure that should not be larger than its limit; true if it is not.
#[allow(dead_code, reason = "not every bench has such a figure")]
pub(crate) fn at_most(what: &str, value: f64, limit: f64) -> bool {
    say(what, value, "<=", limit, value <= limit)
}

/// Says a figure that should not be smaller than its limit; true if it is not.
#[allow(dead_code, reason = "not every bench has such a figure")]
pub(crate) fn at_least(what: &str, value: f64, limit: f64) -> bool {
    say(what, value, ">=", limit, value >= limit)
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn say(what: &str, value: f64, sign: &str, limit: f64, holds: bool) -> bool {
    let verdict = if holds { "ok" } else { "MISSED" };
    println!("ratio | {what:<62} | {value:>8.2} | {sign} {limit:<6} | {verdict}");
    holds
}
