//! The table of cases: what was remembered, what came, what follows.

use super::pace::outside_skipped;
use super::*;
use crate::fetch::{Freshness, Hop, HostKey};
use crate::model::source::{HintFrom, Move, SourceId, Validators};

const U: u64 = 1000;
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn plan() -> Plan {
    Plan {
        every: Every {
            min: Duration::from_secs(U),
            max: Duration::from_secs(96 * U),
        },
        pulse: Duration::from_secs(96 * U),
        hint_cap: Duration::from_secs(672 * U),
        move_after: Duration::from_secs(96 * U),
    }
}

fn source() -> Source {
    Source::new(SourceId::new("blog").unwrap(), "http://a.example/feed")
}

fn validators(etag: &str) -> Validators {
    Validators {
        url: "http://a.example/feed".to_owned(),
        etag: Some(etag.as_bytes().to_vec()),
        last_modified: None,
    }
}

fn answer() -> Answer {
    Answer {
        status: 200,
        url: "http://a.example/feed".to_owned(),
        validators: validators("\"1\""),
        framed: true,
        ..Answer::default()
    }
}

/// A source that has been visited before, and that brings something new all the time.
fn known() -> SourceState {
    let state = *prepare(Box::default(), &source(), NOW);
    SourceState {
        last_visit: Some(NOW - Duration::from_secs(U)),
        last_ok: Some(NOW - Duration::from_secs(U)),
        health: Health::Ok,
        validators: Some(validators("\"0\"")),
        newest: vec![NOW; 20],
        ..state
    }
}

fn go(state: SourceState, outcome: Outcome<'_>, now: Timestamp) -> SourceState {
    let visited = Visited {
        outcome,
        began: now,
        now,
        took: Duration::ZERO,
    };
    *after(Box::new(state), &visited, &plan(), &mut Rng::with_seed(7))
}

fn fresh(state: SourceState, answer: &Answer, hints: &FeedHints) -> SourceState {
    let outcome = Outcome::Fresh {
        answer,
        hints,
        hash: 1,
        whole: true,
    };
    go(state, outcome, NOW)
}

fn failure(kind: &str, status: Option<u16>) -> Failure {
    Failure {
        fault: Fault {
            kind: kind.to_owned(),
            status,
            at: NOW,
            ..Fault::default()
        },
        host: Some(HostKey::from_name("a.example:80")),
        ..Failure::default()
    }
}

fn fail(state: SourceState, failure: &Failure) -> SourceState {
    let outcome = Outcome::Failed {
        failure,
        offline: false,
    };
    go(state, outcome, NOW)
}

/// The wait in units of the shortest interval.
fn wait(state: &SourceState) -> f64 {
    state.next_due.since(NOW).as_secs_f64() / Duration::from_secs(U).as_secs_f64()
}

#[track_caller]
fn within(found: f64, least: f64, most: f64) {
    assert!(
        (least..=most).contains(&found),
        "{found} is not within {least} to {most}"
    );
}

#[test]
fn a_good_visit_is_followed_by_the_interval_its_entries_suggest() {
    type Case = (&'static [u64], f64);
    // Ages of the entries in units; the wait.
    let cases: [Case; 6] = [
        (&[0; 20], 1.0),
        (&[1, 2, 3, 4], 1.0),
        (&[4, 8, 12, 16], 2.0),
        (&[100, 200], 10.0),
        (&[9216], 96.0),
        (&[1_000_000], 96.0),
    ];
    for (ages, expected) in cases {
        let hints = FeedHints {
            newest: ages
                .iter()
                .map(|age| NOW - Duration::from_secs(age * U))
                .collect(),
            ..FeedHints::default()
        };
        let next = fresh(known(), &answer(), &hints);
        within(wait(&next), expected, expected * 1.15);
        assert!(next.why.starts_with("adaptive"), "{}", next.why);
    }
}

#[test]
fn entries_that_come_with_old_dates_count_as_they_come() {
    let mut state = known();
    state.newest = vec![NOW - Duration::from_secs(900_000 * U)];
    state.visits = (1..=10)
        .map(|ago| Visit {
            at: NOW - Duration::from_secs(ago * 4 * U),
            new: 1,
            ..Visit::default()
        })
        .collect();
    let next = go(state, Outcome::NotModified(&answer()), NOW);
    within(wait(&next), 2.0, 2.5);
}

#[test]
fn the_first_wait_is_stretched_so_that_sources_drift_apart() {
    let mut waits = Vec::new();
    let answer = answer();
    for seed in 0..50 {
        let visited = Visited {
            outcome: Outcome::Unchanged(&answer),
            began: NOW,
            now: NOW,
            took: Duration::ZERO,
        };
        let mut state = prepare(Box::default(), &source(), NOW);
        state.newest = vec![NOW; 20];
        let next = after(state, &visited, &plan(), &mut Rng::with_seed(seed));
        within(wait(&next), 1.0, 2.0);
        waits.push(wait(&next));
    }
    assert!(waits.iter().any(|wait| *wait < 1.2) && waits.iter().any(|wait| *wait > 1.8));
}

#[test]
fn hints_stretch_the_wait_and_outlast_a_304() {
    let lifetime = |seconds, from| Freshness {
        lifetime: Some((seconds, from)),
        spoken: true,
    };
    let mut said = answer();
    said.freshness = lifetime(8 * U, HintFrom::MaxAge);
    let first = fresh(known(), &said, &FeedHints::default());
    within(wait(&first), 8.0, 8.0 * 1.15);
    assert_eq!(first.why, format!("max-age {}", 8 * U));
    let silent = go(first.clone(), Outcome::NotModified(&answer()), NOW);
    within(wait(&silent), 8.0, 8.0 * 1.15);
    let mut shorter = answer();
    shorter.freshness = lifetime(3 * U, HintFrom::MaxAge);
    let other = go(first.clone(), Outcome::NotModified(&shorter), NOW);
    within(wait(&other), 3.0, 3.0 * 1.15);
    let mut none = answer();
    none.freshness.spoken = true;
    let over = go(first, Outcome::NotModified(&none), NOW);
    within(wait(&over), 1.0, 1.15);

    let hints = FeedHints {
        ttl: Some(100),
        period: Some(7 * U),
        newest: vec![NOW; 20],
        ..FeedHints::default()
    };
    let body = fresh(known(), &answer(), &hints);
    within(wait(&body), 7.0, 7.0 * 1.15);
    assert_eq!(body.hint_from, HintFrom::Syndication);
    let later = go(body, Outcome::NotModified(&shorter), NOW);
    within(wait(&later), 7.0, 7.0 * 1.15);

    let mut ten_years = answer();
    ten_years.freshness = lifetime(315_360_000_000, HintFrom::MaxAge);
    within(
        wait(&fresh(known(), &ten_years, &FeedHints::default())),
        672.0,
        672.0 * 1.15,
    );
}

#[test]
fn without_validators_visits_are_rarer() {
    let mut plain = answer();
    plain.validators = Validators::default();
    let hints = FeedHints {
        newest: vec![NOW; 20],
        ..FeedHints::default()
    };
    within(wait(&fresh(known(), &plain, &hints)), 4.0, 4.6);
}

#[test]
fn a_fixed_interval_is_kept_but_hints_and_failures_stretch_it() {
    let mut own = source();
    own.every = Some(Every {
        min: Duration::from_secs(5 * U),
        max: Duration::from_secs(5 * U),
    });
    let plan = Plan::of(
        &Options {
            every: own.every.unwrap(),
            ..Options::default()
        },
        &own,
    );
    let step = |state, outcome: Outcome<'_>| {
        let visited = Visited {
            outcome,
            began: NOW,
            now: NOW,
            took: Duration::ZERO,
        };
        *after(Box::new(state), &visited, &plan, &mut Rng::with_seed(1))
    };
    within(
        wait(&step(known(), Outcome::NotModified(&answer()))),
        5.0,
        5.75,
    );
    let mut said = answer();
    said.freshness = Freshness {
        lifetime: Some((9 * U, HintFrom::Expires)),
        spoken: true,
    };
    within(wait(&step(known(), Outcome::Unchanged(&said))), 9.0, 10.35);
    let broken = failure("status", Some(500));
    let mut state = known();
    for _ in 0..12 {
        let failed = Outcome::Failed {
            failure: &broken,
            offline: false,
        };
        state = step(state, failed);
    }
    within(wait(&state), 120.0, 144.0);
}

#[test]
fn failures_thin_out_to_a_pulse_and_one_good_visit_ends_them() {
    let broken = failure("status", Some(500));
    let mut state = known();
    for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 96.0, 96.0, 96.0] {
        state = fail(state, &broken);
        within(wait(&state), expected, expected * 1.2);
        assert_eq!(state.health, Health::Failing);
        assert_eq!(state.validators, known().validators, "unharmed");
    }
    assert_eq!(state.why, "backoff 10");
    assert_eq!(state.first_fail, Some(NOW));
    let well = go(state.clone(), Outcome::NotModified(&answer()), NOW);
    within(wait(&well), 1.0, 1.15);
    assert_eq!((well.fails, well.health), (0, Health::Ok));
    // A month of longest intervals later the pulse slows down.
    let later = NOW + Duration::from_secs(30 * 96 * U);
    let visited = Outcome::Failed {
        failure: &broken,
        offline: false,
    };
    let slow = go(state, visited, later);
    let wait = slow.next_due.since(later).as_secs_f64() / Duration::from_secs(96 * U).as_secs_f64();
    within(wait, 7.0, 8.4);
}

#[test]
fn nobody_is_blamed_while_our_own_line_is_down() {
    let mut silent = failure("connect", None);
    silent.silent = true;
    let outcome = Outcome::Failed {
        failure: &silent,
        offline: true,
    };
    let next = go(known(), outcome, NOW);
    assert_eq!((next.fails, next.health), (0, Health::Ok));
    within(wait(&next), 1.0, 1.2);
    let refused = failure("status", Some(404));
    let outcome = Outcome::Failed {
        failure: &refused,
        offline: true,
    };
    assert_eq!(go(known(), outcome, NOW).fails, 1, "it did answer");
}

#[test]
fn gone_twice_is_gone() {
    let gone = failure("status", Some(410));
    let once = fail(known(), &gone);
    within(wait(&once), 1.0, 1.2);
    let twice = fail(once.clone(), &gone);
    assert_eq!(twice.health, Health::Gone);
    assert_eq!(twice.next_due, Timestamp::FAR_FUTURE);
    assert_eq!(
        first_due(&twice, &source(), &plan(), NOW, None),
        Timestamp::FAR_FUTURE
    );
    let between = fail(fail(once, &failure("status", Some(500))), &gone);
    assert_eq!(between.health, Health::Failing);
}

#[test]
fn retry_after_is_waited_out_within_bounds() {
    let ask = |status: u16, seconds: Option<u64>| {
        let mut asked = failure("status", Some(status));
        asked.retry_after = seconds.map(|seconds| NOW + Duration::from_secs(seconds));
        fail(known(), &asked)
    };
    let later = ask(429, Some(5 * U));
    within(wait(&later), 5.0, 5.5);
    assert_eq!(later.health, Health::Paused);
    assert_eq!(later.retry_until, Some(NOW + Duration::from_secs(5 * U)));
    assert_eq!(later.why, "Retry-After");
    let pause = later.host_pause.unwrap();
    assert_eq!(pause.host, "a.example:80");
    assert_eq!(pause.until, NOW + Duration::from_secs(5 * U));
    within(wait(&ask(429, Some(1))), 1.0, 1.1);
    within(wait(&ask(429, Some(9000 * U))), 672.0, 672.0 * 1.1);

    let feed_only = ask(503, Some(5 * U));
    within(wait(&feed_only), 5.0, 5.5);
    assert_eq!(feed_only.host_pause, None);
    let plain = ask(503, None);
    assert_eq!((plain.health, plain.retry_until), (Health::Failing, None));

    let silent = ask(429, None);
    within(wait(&silent), 1.0, 1.2);
    assert_eq!(
        silent.host_pause.clone().unwrap().until,
        NOW + Duration::from_secs(U)
    );
    let again = fail(silent, &failure("status", Some(429)));
    assert_eq!(
        again.host_pause.unwrap().until,
        NOW + Duration::from_secs(2 * U),
        "doubled"
    );
}

#[test]
fn what_is_too_large_three_times_is_left_to_the_pulse() {
    let large = failure("too-large", None);
    let mut state = known();
    for expected in [1.0, 2.0, 96.0, 96.0] {
        state = fail(state, &large);
        within(wait(&state), expected, expected * 1.2);
    }
}

#[test]
fn validators_are_replaced_as_a_pair_and_only_by_what_was_read() {
    let mut pair = answer();
    pair.validators.last_modified = Some(b"yesterday".to_vec());
    let first = fresh(known(), &pair, &FeedHints::default());
    assert_eq!(first.validators.as_ref(), Some(&pair.validators));
    let same_bytes = go(first.clone(), Outcome::Unchanged(&answer()), NOW);
    assert_eq!(same_bytes.validators, Some(answer().validators));
    let mut none = answer();
    none.validators = Validators::default();
    let gone = fresh(first.clone(), &none, &FeedHints::default());
    assert_eq!(gone.validators, Some(Validators::default()), "forgotten");

    let bare = Answer {
        status: 304,
        ..Answer::default()
    };
    let kept = go(first.clone(), Outcome::NotModified(&bare), NOW);
    assert_eq!(
        kept.validators, first.validators,
        "a bare 304 erases nothing"
    );
    let mut moved = bare.clone();
    moved.validators.last_modified = Some(b"today".to_vec());
    let refreshed = go(first.clone(), Outcome::NotModified(&moved), NOW);
    let found = refreshed.validators.unwrap();
    assert_eq!(found.last_modified.as_deref(), Some(&b"today"[..]));
    assert_eq!(found.etag, pair.validators.etag);
    moved.validators.etag = Some(b"\"other\"".to_vec());
    let strange = go(first.clone(), Outcome::NotModified(&moved), NOW);
    assert_eq!(strange.validators, first.validators, "another strong ETag");
    moved.validators.etag = Some(b"W/\"1\"".to_vec());
    let weak = go(first, Outcome::NotModified(&moved), NOW);
    assert_eq!(
        weak.validators.unwrap().last_modified.as_deref(),
        Some(&b"today"[..])
    );

    let outcome = Outcome::Fresh {
        answer: &pair,
        hints: &FeedHints::default(),
        hash: 1,
        whole: false,
    };
    let cut = go(known(), outcome, NOW);
    assert_eq!((cut.validators, cut.body_hash), (None, None));
}

#[test]
fn a_permanent_redirect_must_prove_itself() {
    let hop = |status, to: &str| Hop {
        status,
        to: to.to_owned(),
    };
    let mut there = answer();
    there.hops = vec![
        hop(301, "http://b.example/"),
        hop(308, "http://c.example/"),
        hop(302, "http://d.example/"),
    ];
    let at = |days: u64| NOW + Duration::from_secs(days * 96 * U);
    let mut state = known();
    for day in 0..2 {
        state = go(state, Outcome::NotModified(&there), at(day));
        assert_eq!(state.url_current, "http://a.example/feed");
    }
    assert_eq!(state.move_candidate.as_ref().unwrap().count, 2);
    let moved = go(state.clone(), Outcome::NotModified(&there), at(2));
    assert_eq!(moved.url_current, "http://c.example/", "the permanent part");
    assert_eq!(moved.moves[0].from, "http://a.example/feed");
    assert_eq!((moved.moves[0].status, moved.move_candidate), (308, None));

    let too_soon = go(state.clone(), Outcome::NotModified(&there), NOW);
    assert_eq!(too_soon.url_current, "http://a.example/feed");
    let cleared = fail(state.clone(), &failure("not-a-feed", Some(200)));
    assert_eq!(cleared.move_candidate, None);
    let straight = go(state.clone(), Outcome::NotModified(&answer()), at(2));
    assert_eq!(straight.move_candidate, None);
    there.hops = vec![hop(301, "http://portal.example/")];
    let elsewhere = go(state, Outcome::NotModified(&there), at(2));
    assert_eq!(elsewhere.move_candidate.unwrap().count, 1);
    there.hops = vec![hop(302, "http://b.example/"), hop(301, "http://c.example/")];
    let temporary = go(known(), Outcome::NotModified(&there), at(2));
    assert_eq!(temporary.move_candidate, None);
}

#[test]
fn hours_and_days_to_skip_are_skipped_unless_they_are_all() {
    type Case<'a> = (Timestamp, &'a [u8], &'a [u8], Timestamp);
    // A Friday, eight in the morning.
    let friday = Timestamp::from_civil(2027, 1, 15, 8, 0, 0).unwrap();
    let civil = |day, hour| Timestamp::from_civil(2027, 1, day, hour, 0, 0).unwrap();
    let all_hours: Vec<u8> = (0..24).collect();
    let half_past = friday + Duration::from_mins(30);
    let cases: [Case; 8] = [
        (half_past, &[], &[], half_past),
        (half_past, &[9, 10], &[], half_past),
        (half_past, &[8, 9], &[], civil(15, 10)),
        (half_past, &[], &[4, 5, 6], civil(18, 0)),
        (civil(15, 23), &[23, 24], &[], civil(16, 1)),
        (civil(15, 23), &[23, 0], &[5], civil(17, 1)),
        (half_past, &all_hours, &[], half_past),
        (half_past, &[], &[0, 1, 2, 3, 4, 5, 6], half_past),
    ];
    for (due, hours, days, expected) in cases {
        assert_eq!(
            outside_skipped(due, hours, days),
            expected,
            "{hours:?} {days:?}"
        );
    }
    let hints = FeedHints {
        skip_days: vec![0, 1, 2, 3, 5, 6],
        newest: vec![NOW; 20],
        ..FeedHints::default()
    };
    // NOW is that Friday; one interval later it is still Friday.
    let inside = fresh(known(), &answer(), &hints);
    within(wait(&inside), 1.0, 1.15);
    let saturday = NOW + Duration::from_hours(17);
    let outside = go(inside, Outcome::NotModified(&answer()), saturday);
    assert!(outside.next_due >= civil(22, 0) && outside.next_due < civil(22, 1));
}

#[test]
fn a_start_spreads_what_is_overdue_and_keeps_the_rest() {
    let due = |state: &SourceState, seed| {
        first_due(
            state,
            &source(),
            &plan(),
            NOW,
            Some(&mut Rng::with_seed(seed)),
        )
    };
    assert_eq!(due(&SourceState::default(), 1), NOW, "never visited");
    let mut state = known();
    state.next_due = NOW + Duration::from_secs(5);
    assert_eq!(due(&state, 1), state.next_due);
    let month = Duration::from_hours(24 * 30);
    state.last_visit = Some(NOW + month);
    state.next_due = NOW + month + Duration::from_secs(7);
    let due_then = due(&state, 1);
    assert_eq!(
        due_then,
        NOW + Duration::from_secs(7),
        "the clock was set back"
    );
    let mut state = known();
    state.next_due = NOW - Duration::from_secs(5);
    state.interval = 60;
    let times: Vec<Timestamp> = (0..40).map(|seed| due(&state, seed)).collect();
    assert!(
        times
            .iter()
            .all(|at| at.since(NOW) <= Duration::from_mins(1))
    );
    assert!(
        times
            .iter()
            .any(|at| at.since(NOW) > Duration::from_secs(45))
    );
    assert!(
        times
            .iter()
            .any(|at| at.since(NOW) < Duration::from_secs(15))
    );
    assert_eq!(
        first_due(&state, &source(), &plan(), NOW, None),
        state.next_due,
        "at once"
    );
    state.interval = 1_000_000;
    assert!((0..40).all(|seed| due(&state, seed).since(NOW) <= START_SPREAD));

    let mut shortened = known();
    shortened.next_due = NOW + Duration::from_secs(900 * U);
    assert!(
        due(&shortened, 1) < shortened.next_due,
        "the interval was cut"
    );
    shortened.retry_until = Some(shortened.next_due);
    assert_eq!(
        due(&shortened, 1),
        shortened.next_due,
        "but it was asked for"
    );
}

#[test]
fn another_address_drops_what_belonged_to_the_old_one() {
    let mut state = known();
    state.about = Some(crate::model::source::About::default());
    state.fails = 3;
    state.moves.push(Move::default());
    let mut edited = source();
    edited.url = "http://new.example/".to_owned();
    assert_eq!(first_due(&state, &edited, &plan(), NOW, None), NOW);
    let fresh = prepare(Box::new(state.clone()), &edited, NOW);
    assert_eq!(fresh.url_config, "http://new.example/");
    assert_eq!(fresh.url_current, "http://new.example/");
    assert_eq!((fresh.validators.clone(), fresh.fails), (None, 0));
    assert!(fresh.moves.is_empty() && fresh.about.is_some());
    assert_eq!(prepare(fresh.clone(), &edited, NOW), fresh);

    state.url_current.clone_from(&edited.url);
    let accepted = prepare(Box::new(state.clone()), &edited, NOW);
    assert_eq!(accepted.validators, state.validators);
    assert!(accepted.moves.is_empty());
}
