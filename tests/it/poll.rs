//! What origins see over days, played in moments: a real poller on a real store, and a clock that the test winds.
//!
//! `U` is the shortest interval. Time moves in tenths of it, so a gap between two requests is measured up to a tenth
//! longer than it was.

use std::sync::Arc;
use std::time::Duration;

use aggd::clock::Clock as _;
use aggd::fetch::{self, Fetcher, HostLimits};
use aggd::ingest;
use aggd::metrics::Metrics;
use aggd::model::source::{
    Every, Health, Secret, Source, SourceId, SourceKind, SourceState, Sources,
};
use aggd::model::time::Timestamp;
use aggd::poll::{Options, Polled, Poller};
use aggd::store::Store;
use aggd::store::memory::Memory;
use arc_swap::ArcSwap;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::origin::{Asked, Entry, Origin, Reply, entry, rss, rss_with};
use crate::town::{NOON, Winder};

const U: Duration = Duration::from_secs(1000);

fn units(count: u32) -> Duration {
    U * count
}

/// A poller at work.
struct Round {
    clock: Arc<Winder>,
    store: Arc<Memory>,
    sources: Arc<ArcSwap<Sources>>,
    poller: Poller,
    options: Options,
    fetch: fetch::Options,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

thread_local! {
    /// Each test has a thread of its own, and its own time.
    static TIME: Arc<Winder> = Winder::at(NOON);
}

fn time() -> Arc<Winder> {
    TIME.with(Arc::clone)
}

async fn origin() -> Origin {
    origin_at("127.0.0.1").await
}

/// Another address is another host.
async fn origin_at(address: &str) -> Origin {
    let origin = Origin::at(address).await;
    origin.keep_time(time());
    origin
}

fn options() -> Options {
    Options {
        every: Every {
            min: U,
            max: units(32),
        },
        hint_cap: units(200),
        move_after: units(1),
        ..Options::default()
    }
}

fn fetch_options() -> fetch::Options {
    fetch::Options {
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        per_host: HostLimits {
            at_once: 8,
            spacing: Duration::ZERO,
        },
        ..fetch::Options::default()
    }
}

fn source(id: &str, url: &str) -> Source {
    Source::new(SourceId::new(id).unwrap(), url)
}

fn id(name: &str) -> SourceId {
    SourceId::new(name).unwrap()
}

fn by_id(sources: Vec<Source>) -> Sources {
    sources
        .into_iter()
        .map(|source| (source.id.clone(), Arc::new(source)))
        .collect()
}

impl Round {
    /// Starts, and returns when the first visits are over.
    async fn start(sources: Vec<Source>) -> Self {
        Self::with(options(), fetch_options(), sources).await
    }

    async fn with(options: Options, fetch: fetch::Options, sources: Vec<Source>) -> Self {
        let store = Arc::new(Memory::new(("news.example".to_owned(), 2026)));
        let round = Self::on(store, time(), options, fetch, by_id(sources));
        round.poller.idle().await;
        round
    }

    fn on(
        store: Arc<Memory>,
        clock: Arc<Winder>,
        options: Options,
        fetch: fetch::Options,
        sources: Sources,
    ) -> Self {
        let sources = Arc::new(ArcSwap::from_pointee(sources));
        let poller = Poller::new(
            store.clone(),
            Arc::new(Fetcher::new(fetch.clone()).unwrap()),
            clock.clone(),
            Arc::clone(&sources),
            options,
            Arc::new(ingest::Options::default()),
            Metrics::default(),
        )
        .with_seed(11);
        let stop = CancellationToken::new();
        let (runner, token) = (poller.clone(), stop.clone());
        let running = tokio::task::spawn_local(async move { runner.run(token).await.unwrap() });
        Self {
            clock,
            store,
            sources,
            poller,
            options,
            fetch,
            stop,
            running,
        }
    }

    /// Lets time pass, tenth by tenth of a unit.
    async fn pass(&self, time: Duration) {
        let step = U / 10;
        for _ in 0..time.as_millis().div_ceil(step.as_millis()) {
            self.clock.advance(step);
            self.poller.idle().await;
        }
    }

    async fn stop(self) -> (Arc<Memory>, Arc<Winder>) {
        self.stop.cancel();
        self.running.await.unwrap();
        (self.store, self.clock)
    }

    /// Ends this poller; another one starts on the same store, later by `pause`.
    async fn restart(self, pause: Duration) -> Self {
        let (options, fetch) = (self.options, self.fetch.clone());
        let sources = Sources::clone(&self.sources.load());
        let (store, clock) = self.stop().await;
        clock.advance(pause);
        let round = Self::on(store, clock, options, fetch, sources);
        round.poller.idle().await;
        round
    }

    async fn state(&self, name: &str) -> SourceState {
        self.store.state(&id(name)).await.unwrap().unwrap()
    }

    async fn articles(&self) -> u64 {
        self.store.stats().await.unwrap().articles
    }
}

/// Plays a test where tasks need not move between threads.
fn play(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let played = tokio::time::timeout(Duration::from_mins(2), test).await;
        assert!(played.is_ok(), "it came to no end");
    });
}

/// Twenty entries of this hour: for the next twenty intervals it is visited at the shortest.
fn lively() -> Reply {
    let now = time().now();
    let entries: Vec<Entry> = (0..20)
        .map(|n| entry(&format!("e{n}")).published(now))
        .collect();
    Reply::ok(rss("Feed", &entries))
}

/// Undated, so what counts is when it changed.
fn plain(entries: &[Entry]) -> Reply {
    Reply::ok(rss("Feed", entries)).etag("\"1\"")
}

/// Gaps between requests in units.
fn gaps(asked: &[Asked]) -> Vec<f64> {
    asked
        .windows(2)
        .map(|two| two[1].at.since(two[0].at).as_secs_f64() / U.as_secs_f64())
        .collect()
}

#[track_caller]
fn within(found: f64, least: f64, most: f64) {
    assert!(
        (least - 0.001..=most + 0.101).contains(&found),
        "{found} is not within {least} to {most}"
    );
}

/// One feed; what its origin saw in so many units.
async fn watch(script: impl FnOnce(&Origin), time: Duration) -> (Round, Origin) {
    let origin = origin().await;
    script(&origin);
    let mut fixed = source("blog", &origin.url("/feed"));
    // Fixed, so that only hints and failures stretch it.
    fixed.every = Some(Every { min: U, max: U });
    let round = Round::start(vec![fixed]).await;
    round.pass(time).await;
    (round, origin)
}

/// Requests after the first one, whose wait is stretched.
fn later(origin: &Origin) -> Vec<Asked> {
    origin.requests("/feed").split_off(1)
}

#[test]
fn a_feed_that_stays_the_same_is_sent_once() {
    play(async {
        let (round, origin) = watch(
            |origin| {
                let reply = lively()
                    .etag("\"1\"")
                    .header("Last-Modified", "Tue, 24 Nov 2026 08:00:00 GMT")
                    .conditional();
                origin.serve("/feed", reply);
            },
            units(10),
        )
        .await;
        let round = round.restart(units(3)).await;
        round.pass(units(5)).await;
        let asked = origin.requests("/feed");
        assert!(asked.len() > 10);
        assert!(!asked[0].is_conditional());
        assert!(asked[1..].iter().all(Asked::is_conditional));
        assert_eq!(round.articles().await, 20);
        assert_eq!(round.state("blog").await.visits[0].outcome, "not-modified");
    });
}

#[test]
fn validators_are_tracked_as_they_come_and_go() {
    play(async {
        let body = || lively();
        let replies = vec![
            body().etag("\"1\"").header("Last-Modified", "one"),
            body().etag("\"2\"").header("Last-Modified", "one"),
            body().etag("\"2\"").header("Last-Modified", "two"),
            body().etag("\"3\""),
            Reply::status(500).etag("\"error\""),
            Reply::status(304),
            Reply::status(304).header("Last-Modified", "three"),
            Reply::status(304)
                .etag("\"strange\"")
                .header("Last-Modified", "four"),
            body(),
            body(),
        ];
        let (_round, origin) = watch(|origin| origin.serve_each("/feed", replies), units(16)).await;
        let sent: Vec<(Option<String>, Option<String>)> = origin
            .requests("/feed")
            .iter()
            .map(|asked| {
                (
                    asked.header("if-none-match"),
                    asked.header("if-modified-since"),
                )
            })
            .collect();
        let pair = |etag: &str, modified: &str| {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            (text(etag), text(modified))
        };
        let expected = [
            pair("", ""),
            pair("\"1\"", "one"),
            pair("\"2\"", "one"),
            pair("\"2\"", "two"),
            pair("\"3\"", ""),
            pair("\"3\"", ""),
            pair("\"3\"", ""),
            pair("\"3\"", "three"),
            pair("\"3\"", "three"),
            pair("", ""),
        ];
        assert_eq!(sent[..expected.len()], expected);
    });
}

#[test]
fn what_was_not_read_to_its_end_leaves_no_validators() {
    play(async {
        let whole = rss("Feed", &[entry("a"), entry("b")]);
        let half = &whole[..whole.len() / 2];
        let page = "<!DOCTYPE html><html><head><title>Hi</title><link rel=\"alternate\" \
                    type=\"application/rss+xml\" href=\"/other\"></head><body>Hi</body></html>";
        let bad = [
            Reply::ok(&*whole).claiming(90_000),
            Reply::ok(&*whole).chunked().cut_after(300),
            Reply::ok(&*whole).gzip().without_last(20),
            Reply::ok(&*whole).header("Content-Encoding", "gzip"),
            Reply::ok(""),
            Reply::ok(page).header("Content-Type", "text/html"),
            Reply::ok(half).until_close(),
        ];
        for (number, reply) in bad.into_iter().enumerate() {
            let first = lively().etag("\"good\"");
            let replies = vec![first, reply.etag("\"bad\""), Reply::status(500)];
            let (_round, origin) =
                watch(|origin| origin.serve_each("/feed", replies), units(6)).await;
            let asked = origin.requests("/feed");
            assert!(asked.len() > 2, "{number}");
            for asked in &asked[1..] {
                let sent = asked.header("if-none-match");
                assert_ne!(sent.as_deref(), Some("\"bad\""), "{number}");
            }
            assert_eq!(origin.count("/other"), 0, "polling discovers nothing");
        }
    });
}

#[test]
fn retry_after_is_waited_out_even_across_a_restart() {
    play(async {
        // A date in the header counts from the origin's own, whatever that is.
        let date = (NOON + units(9)).to_http_date();
        let now = NOON.to_http_date();
        let cases = [
            (429, Reply::status(429).header("Retry-After", "9000")),
            (503, Reply::status(503).header("Retry-After", "9000")),
            (
                429,
                Reply::status(429)
                    .header("Date", &now)
                    .header("Retry-After", &date),
            ),
        ];
        for (status, reply) in cases {
            let origin = origin().await;
            let began = time().now();
            origin.serve_each("/feed", vec![reply, lively()]);
            origin.serve("/other", lively().etag("\"1\"").conditional());
            let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
            assert_eq!(round.state("blog").await.health, Health::Paused);
            round.pass(units(4)).await;
            let round = round.restart(units(3)).await;
            round.pass(units(1)).await;
            assert_eq!(origin.count("/feed"), 1, "{status}: still waiting");
            // A newcomer on the same host waits with it after 429, but not after 503.
            let sources = vec![
                source("blog", &origin.url("/feed")),
                source("other", &origin.url("/other")),
            ];
            round.reload(sources).await;
            round.pass(U / 2).await;
            assert_eq!(origin.count("/other"), usize::from(status == 503));
            round.pass(units(3)).await;
            assert!(origin.count("/feed") > 1, "{status}: it came back");
            let first = origin.requests("/feed")[1].at.since(began).as_secs_f64();
            within(first / U.as_secs_f64(), 9.0, 9.9);
            assert!(origin.count("/other") > 0, "{status}");
            assert_eq!(round.state("blog").await.health, Health::Ok);
        }
    });
}

impl Round {
    async fn reload(&self, sources: Vec<Source>) {
        self.poller
            .reload(
                Arc::new(by_id(sources)),
                self.options,
                self.poller.fetcher(),
                Arc::new(ingest::Options::default()),
            )
            .await
            .unwrap();
        self.poller.idle().await;
    }
}

#[test]
fn a_429_without_patience_backs_off_and_keeps_a_pulse() {
    play(async {
        let origin = origin().await;
        origin.serve("/feed", Reply::status(429));
        for n in 0..4 {
            origin.serve(&format!("/{n}"), lively().etag("\"1\"").conditional());
        }
        let mut sources = vec![source("blog", &origin.url("/feed"))];
        sources.extend((0..4).map(|n| source(&format!("s{n}"), &origin.url(&format!("/{n}")))));
        let round = Round::start(sources).await;
        round.pass(units(150)).await;
        let found = gaps(&later(&origin));
        assert!(
            found.windows(2).all(|two| two[1] >= two[0] * 0.8),
            "{found:?}"
        );
        within(*found.last().unwrap(), 32.0, 38.4);
        assert!(found.len() >= 4, "{found:?}");
        // The others stay away while the host is paused.
        let limited: Vec<Timestamp> = later(&origin).iter().map(|asked| asked.at).collect();
        for n in 0..4 {
            let others = origin.requests(&format!("/{n}"));
            assert!(others.len() > 1, "they come back");
            for asked in &others[1..] {
                let soon = limited
                    .iter()
                    .any(|at| asked.at > *at && asked.at.since(*at) < U);
                assert!(!soon, "{} is within a pause", asked.at);
            }
        }
    });
}

#[test]
fn hints_of_any_kind_are_waited_for() {
    play(async {
        let channel = |more: &str| rss_with("Feed", more, "");
        let ago = NOON.to_http_date();
        let ahead = (NOON + units(8)).to_http_date();
        let far = (NOON + units(5000)).to_http_date();
        let both = Reply::ok(channel("")).etag("\"1\"");
        let cases: [(&str, Vec<Reply>, f64); 10] = [
            (
                "max-age",
                vec![both.clone().header("Cache-Control", "max-age=8000")],
                8.0,
            ),
            (
                "max-age, then bare 304s",
                vec![
                    both.clone().header("Cache-Control", "max-age=8000"),
                    Reply::status(304),
                ],
                8.0,
            ),
            (
                "max-age on the 304 only",
                vec![
                    both.clone(),
                    Reply::status(304).header("Cache-Control", "max-age=8000"),
                ],
                8.0,
            ),
            (
                "Expires",
                vec![both.clone().header("Date", &ago).header("Expires", &ahead)],
                8.0,
            ),
            (
                "ttl",
                vec![
                    Reply::ok(channel("<ttl>134</ttl>"))
                        .etag("\"1\"")
                        .conditional(),
                ],
                8.04,
            ),
            (
                "sy",
                vec![
                    Reply::ok(channel(
                        "<sy:updatePeriod>hourly</sy:updatePeriod>\
                         <sy:updateFrequency>1</sy:updateFrequency>",
                    ))
                    .etag("\"1\"")
                    .conditional(),
                ],
                3.6,
            ),
            (
                "max-age beats a far Expires",
                vec![
                    both.clone()
                        .header("Cache-Control", "max-age=2000")
                        .header("Expires", &far),
                ],
                2.0,
            ),
            (
                "ten years",
                vec![both.clone().header("Cache-Control", "max-age=315360000")],
                200.0,
            ),
            (
                "no-store",
                vec![
                    both.clone()
                        .header("Cache-Control", "no-store, max-age=8000")
                        .conditional(),
                ],
                1.0,
            ),
            (
                "Expires: 0",
                vec![both.header("Expires", "0").conditional()],
                1.0,
            ),
        ];
        for (name, replies, expected) in cases {
            let time = U.mul_f64(expected * 4.0);
            let (_round, origin) = watch(|origin| origin.serve_each("/feed", replies), time).await;
            let asked = later(&origin);
            assert!(asked.len() >= 2, "{name}: {}", asked.len());
            assert!(asked.iter().all(Asked::is_conditional), "{name}");
            for gap in gaps(&asked) {
                assert!(
                    gap >= expected - 0.001 && gap <= expected * 1.15 + 0.101,
                    "{name}: {gap}"
                );
            }
        }
    });
}

#[test]
fn hours_and_days_to_skip_are_left_out() {
    play(async {
        let hours = "<skipHours><hour>13</hour><hour>14</hour><hour>15</hour></skipHours>";
        let days = "<skipDays><day>Monday</day></skipDays>";
        let body = rss_with("Feed", &format!("{hours}{days}"), "");
        let reply = Reply::ok(body).etag("\"1\"").conditional();
        // NOON is a Sunday's.
        let (_round, origin) = watch(
            |origin| origin.serve("/feed", reply),
            Duration::from_hours(48),
        )
        .await;
        let asked = later(&origin);
        assert!(asked.len() > 10);
        for asked in asked {
            let civil = asked.at.to_rfc822();
            assert!(!civil.starts_with("Mon"), "{civil}");
            let hour = asked.at.as_secs().rem_euclid(86_400) / 3600;
            assert!(!(13..16).contains(&hour), "{civil}");
        }
    });
}

#[test]
fn failures_thin_out_never_stop_and_are_forgiven() {
    play(async {
        let cases: [(&str, Reply); 4] = [
            ("500", Reply::status(500)),
            ("404", Reply::status(404)),
            ("reset", Reply::ok("x").reset()),
            ("too large", Reply::ok("<rss/>").claiming(1 << 40)),
        ];
        for (name, reply) in cases {
            let origin = origin().await;
            origin.serve_each("/feed", vec![lively().etag("\"1\""), reply]);
            let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
            round.pass(units(150)).await;
            let found = gaps(&later(&origin));
            assert!(found.len() >= 4, "{name}: {found:?}");
            for two in found.windows(2) {
                assert!(two[1] >= two[0] * 0.8, "{name}: {found:?}");
            }
            within(*found.last().unwrap(), 32.0, 38.4);
            assert_eq!(round.state("blog").await.health, Health::Failing);
            let fault = round.state("blog").await.last_error.unwrap();
            assert_eq!(fault.url.unwrap(), origin.url("/feed"));
            // Good again: at the next pulse the full cadence is back.
            origin.serve("/feed", lively().etag("\"2\"").conditional());
            round.pass(units(40)).await;
            let before = origin.count("/feed");
            round.pass(units(5)).await;
            assert!(origin.count("/feed") - before >= 3, "{name}");
        }
    });
}

#[test]
fn nobody_is_blamed_while_our_own_line_is_down() {
    play(async {
        let mut origins = Vec::new();
        for n in 1..=14 {
            let origin = origin_at(&format!("127.0.6.{n}")).await;
            origin.serve("/feed", lively().etag("\"1\"").conditional());
            origins.push(origin);
        }
        let well = origin().await;
        well.serve_each("/feed", vec![lively().etag("\"1\""), Reply::status(500)]);
        let mut sources: Vec<Source> = origins
            .iter()
            .enumerate()
            .map(|(n, origin)| source(&format!("s{n}"), &origin.url("/feed")))
            .collect();
        sources.push(source("well", &well.url("/feed")));
        for source in &mut sources {
            source.every = Some(Every { min: U, max: U });
        }
        let round = Round::start(sources).await;
        round.pass(units(3)).await;
        // Nobody can be reached from here any more.
        drop(origins);
        round.pass(units(20)).await;
        for n in 0..14 {
            let state = round.state(&format!("s{n}")).await;
            // Most visits of late must have failed before it is noticed.
            assert!(state.fails <= 2, "s{n} is blamed {} times", state.fails);
            let last = state.visits[0].at;
            assert!(time().now().since(last) <= U * 3, "s{n} is forgotten");
        }
        assert!(round.state("well").await.fails > 3, "that one did answer");
    });
}

#[test]
fn two_failures_cost_little() {
    play(async {
        let replies = vec![
            lively().etag("\"1\""),
            Reply::status(500),
            Reply::status(500),
            lively().etag("\"1\""),
        ];
        let (round, origin) = watch(|origin| origin.serve_each("/feed", replies), units(12)).await;
        let found = gaps(&later(&origin));
        within(found[0], 1.0, 1.2);
        within(found[1], 2.0, 2.4);
        assert!(found[2..].iter().all(|gap| *gap < 1.3), "{found:?}");
        assert_eq!(round.state("blog").await.fails, 0);
    });
}

#[test]
fn gone_means_gone_until_the_address_changes() {
    play(async {
        let (round, origin) = watch(
            |origin| origin.serve("/feed", Reply::status(410)),
            units(60),
        )
        .await;
        assert_eq!(origin.count("/feed"), 2);
        assert_eq!(round.state("blog").await.health, Health::Gone);
        let round = round.restart(units(60)).await;
        round.pass(units(10)).await;
        assert_eq!(origin.count("/feed"), 2);
        origin.serve("/new", lively());
        round
            .reload(vec![source("blog", &origin.url("/new"))])
            .await;
        assert_eq!(origin.count("/new"), 1);
        assert_eq!(round.state("blog").await.health, Health::Ok);
    });
}

#[test]
fn permanent_redirects_move_the_subscription_and_others_do_not() {
    play(async {
        for (status, moves) in [
            (301, true),
            (308, true),
            (302, false),
            (303, false),
            (307, false),
        ] {
            let origin = origin().await;
            let elsewhere = origin_at("127.0.0.2").await;
            origin.serve("/feed", Reply::redirect(status, elsewhere.url("/new")));
            elsewhere.serve("/new", lively().etag("\"n\"").conditional());
            let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
            round.pass(units(10)).await;
            let asked = origin.count("/feed");
            let expected = if moves { 3 } else { elsewhere.count("/new") };
            assert_eq!(asked, expected, "{status}");
            assert!(elsewhere.count("/new") > 6);
            let conditional = elsewhere.requests("/new").split_off(1);
            assert!(conditional.iter().all(Asked::is_conditional), "{status}");
            let state = round.state("blog").await;
            assert_eq!(state.moves.len(), usize::from(moves));
            assert_eq!(state.url_config, origin.url("/feed"), "as configured");
        }
    });
}

#[test]
fn only_the_permanent_beginning_of_a_chain_is_stored_and_only_if_it_held() {
    play(async {
        let origin = origin().await;
        origin.serve("/feed", Reply::redirect(301, "/middle"));
        origin.serve("/middle", Reply::redirect(302, "/end"));
        origin.serve("/end", lively().etag("\"1\"").conditional());
        origin.serve("/lost", Reply::redirect(301, "/nowhere"));
        origin.serve_each(
            "/cafe",
            vec![
                lively().etag("\"1\""),
                Reply::redirect(301, "/portal"),
                lively().etag("\"1\""),
            ],
        );
        origin.serve("/portal", Reply::ok("<html><body>Log in</body></html>"));
        let sources = ["feed", "lost", "cafe"]
            .map(|name| source(name, &origin.url(&format!("/{name}"))))
            .to_vec();
        let round = Round::start(sources).await;
        round.pass(units(12)).await;
        assert_eq!(round.state("feed").await.url_current, origin.url("/middle"));
        assert_eq!(origin.count("/feed"), 3);
        assert_eq!(round.state("lost").await.url_current, origin.url("/lost"));
        assert_eq!(origin.count("/lost"), origin.count("/nowhere"));
        assert_eq!(round.state("cafe").await.url_current, origin.url("/cafe"));
        assert_eq!(origin.count("/portal"), 1);
        assert_eq!(round.state("cafe").await.health, Health::Ok);
    });
}

#[test]
fn sources_of_one_host_come_two_at_a_time_and_apart() {
    play(async {
        let origin = origin().await;
        for n in 0..12 {
            let reply = lively().after(Duration::from_millis(15));
            origin.serve(&format!("/{n}"), reply);
        }
        let sources = || {
            (0..12)
                .map(|n| source(&format!("s{n}"), &origin.url(&format!("/{n}"))))
                .collect::<Vec<_>>()
        };
        let manners = |spacing| fetch::Options {
            per_host: HostLimits {
                at_once: 2,
                spacing,
            },
            ..fetch_options()
        };
        let round = Round::with(options(), manners(Duration::ZERO), sources()).await;
        assert_eq!(origin.all_requests().len(), 12);
        assert!(
            origin.most_connections() <= 2,
            "{}",
            origin.most_connections()
        );
        round.stop().await;

        let spaced = Round::with(options(), manners(U / 10), sources()).await;
        assert_eq!(origin.all_requests().len(), 13);
        for n in 2..=12 {
            spaced.pass(U / 10).await;
            assert_eq!(origin.all_requests().len(), 12 + n);
        }
    });
}

#[test]
fn a_start_visits_new_sources_at_once_and_spreads_the_rest() {
    play(async {
        let mut origins = Vec::new();
        for n in 1..=40 {
            let origin = origin_at(&format!("127.0.1.{n}")).await;
            origin.serve("/feed", lively().etag("\"1\"").conditional());
            origins.push(origin);
        }
        let sources = origins
            .iter()
            .enumerate()
            .map(|(n, origin)| source(&format!("s{n}"), &origin.url("/feed")))
            .collect();
        let round = Round::start(sources).await;
        assert!(origins.iter().all(|origin| origin.count("/feed") == 1));
        let round = round.restart(units(5)).await;
        let asked = |origins: &[Origin]| {
            let all: usize = origins.iter().map(|origin| origin.count("/feed")).sum();
            all - origins.len()
        };
        assert_eq!(asked(&origins), 0, "nobody rushes");
        // Half of ten minutes later about half of them have come; after all of them, all.
        round.pass(Duration::from_mins(5)).await;
        let half = asked(&origins);
        assert!((10..=30).contains(&half), "{half}");
        round.pass(Duration::from_mins(6)).await;
        assert!(asked(&origins) >= 40);
    });
}

#[test]
fn the_quiet_one_is_asked_less_often_than_the_lively_one() {
    play(async {
        let origin = origin().await;
        origin.serve("/quiet", plain(&[entry("old")]).conditional());
        origin.script("/lively", |_, number| {
            let entries: Vec<Entry> = (0..10)
                .map(|n| entry(&format!("e{}", number + n)))
                .collect();
            Reply::ok(rss("Feed", &entries)).etag(&format!("\"{number}\""))
        });
        let sources = ["quiet", "lively"]
            .map(|name| source(name, &origin.url(&format!("/{name}"))))
            .to_vec();
        let round = Round::start(sources).await;
        round.pass(units(100)).await;
        let (quiet, lively) = (origin.count("/quiet"), origin.count("/lively"));
        assert!(quiet * 3 < lively, "{quiet} and {lively}");
        assert!(quiet > 5, "but it is not forgotten: {quiet}");
        assert!(round.state("quiet").await.why.starts_with("adaptive"));
    });
}

#[test]
fn nothing_outside_a_document_is_ever_fetched() {
    play(async {
        let origin = origin().await;
        let evil = origin.url("/evil");
        let body = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE rss SYSTEM \"{evil}.dtd\" [\
             <!ENTITY x SYSTEM \"{evil}\"><!ENTITY a \"aaaaaaaaaa\">\
             <!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
             <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\
             <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">]>\
             <?xml-stylesheet href=\"{evil}.xsl\"?>\
             <rss version=\"2.0\"><channel><title>T</title><image><url>{evil}.png</url></image>\
             <item><guid>1</guid><title>&x;</title><description>&d;&d;</description>\
             <enclosure url=\"{evil}.mp3\" type=\"audio/mpeg\" length=\"1\"/></item></channel></rss>"
        );
        origin.serve("/feed", Reply::ok(body));
        let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
        assert_eq!(origin.all_requests().len(), 1);
        assert_eq!(round.articles().await, 1);
    });
}

#[test]
fn sources_that_meet_at_one_address_are_asked_for_once() {
    play(async {
        let old = origin().await;
        let new = origin_at("127.0.0.2").await;
        for path in ["/a", "/b"] {
            old.serve(path, Reply::redirect(301, new.url("/feed")));
        }
        new.serve("/feed", lively().etag("\"1\"").conditional());
        let fixed = |name: &str, url: String| {
            let mut source = source(name, &url);
            source.every = Some(Every { min: U, max: U });
            source
        };
        let mut secret = fixed("secret", new.url("/feed"));
        secret.manner_mut().headers = vec![("X-Key".to_owned(), Secret::new("k".to_owned()))];
        let round = Round::start(vec![
            fixed("a", old.url("/a")),
            fixed("b", old.url("/b")),
            fixed("c", new.url("/feed")),
            secret,
        ])
        .await;
        round.pass(units(6)).await;
        assert_eq!((old.count("/a"), old.count("/b")), (3, 3), "both moved");
        let with_key = |asked: &Asked| asked.header("x-key").is_some();
        let asked = |from: Timestamp| {
            let later = new
                .requests("/feed")
                .into_iter()
                .filter(|asked| asked.at > from);
            later.filter(|asked| !with_key(asked)).collect::<Vec<_>>()
        };
        let began = time().now();
        round.pass(units(20)).await;
        // Three of them, and twenty intervals.
        let found = asked(began);
        assert!((15..=21).contains(&found.len()), "{}", found.len());
        assert!(found.iter().all(Asked::is_conditional));
        let keyed = new
            .requests("/feed")
            .iter()
            .filter(|asked| with_key(asked))
            .count();
        assert!(keyed > 15, "credentials keep a source for itself: {keyed}");
        // What is new reaches all of them with one answer, also after a restart.
        let round = round.restart(units(3)).await;
        let began = time().now();
        new.serve(
            "/feed",
            Reply::ok(rss("Feed", &[entry("fresh")]))
                .etag("\"2\"")
                .conditional(),
        );
        round.pass(units(10)).await;
        let found = asked(began);
        assert!((7..=12).contains(&found.len()), "{}", found.len());
        let fresh = found
            .iter()
            .filter(|asked| asked.header("if-none-match").as_deref() == Some("\"1\""));
        assert_eq!(fresh.count(), 1);
        for name in ["a", "b", "c"] {
            let state = round.state(name).await;
            assert_eq!(state.url_current, new.url("/feed"), "{name}");
            assert_eq!(state.listed.len(), 1, "{name}");
            assert_eq!(state.health, Health::Ok);
        }
    });
}

#[test]
fn somebody_who_asks_gets_a_visit_and_hears_what_came_of_it() {
    play(async {
        let origin = origin().await;
        origin.serve("/feed", plain(&[entry("a")]).conditional());
        origin.serve_each(
            "/busy",
            vec![
                Reply::status(429).header("Retry-After", "50000"),
                plain(&[entry("b")]),
            ],
        );
        let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
        let ask = async |name: &str, force| {
            let answers = round.poller.poll_now(Some(vec![id(name)]), force).await;
            answers.unwrap().remove(0).1
        };
        let Polled::Visited(report) = ask("blog", false).await else {
            panic!("it may be visited")
        };
        assert_eq!((report.outcome.as_str(), report.new), ("not-modified", 0));
        assert_eq!(ask("nobody", false).await, Polled::Unknown);
        round
            .reload(vec![
                source("blog", &origin.url("/feed")),
                source("busy", &origin.url("/busy")),
            ])
            .await;
        assert_eq!(origin.count("/busy"), 1);
        assert!(matches!(ask("busy", false).await, Polled::Waits { .. }));
        assert_eq!(origin.count("/busy"), 1);
        let Polled::Visited(report) = ask("busy", true).await else {
            panic!("the operator insists")
        };
        assert_eq!((report.outcome.as_str(), report.new), ("fresh", 1));
        let all = round.poller.poll_now(None, true).await.unwrap();
        assert_eq!(all.len(), 2);
    });
}

#[test]
fn once_visits_everything_that_is_due_and_no_more() {
    play(async {
        let origin = origin().await;
        origin.serve("/a", plain(&[entry("a")]).conditional());
        origin.serve("/b", Reply::status(500));
        let sources = ["a", "b"]
            .map(|name| source(name, &origin.url(&format!("/{name}"))))
            .to_vec();
        let round = Round::start(sources.clone()).await;
        let (store, clock) = round.stop().await;
        clock.advance(units(40));
        let poller = Poller::new(
            store,
            Arc::new(Fetcher::new(fetch_options()).unwrap()),
            clock,
            Arc::new(ArcSwap::from_pointee(by_id(sources))),
            options(),
            Arc::new(ingest::Options::default()),
            Metrics::default(),
        );
        let counts = poller.once(CancellationToken::new()).await.unwrap();
        assert_eq!((counts.visited, counts.failed, counts.unchanged), (2, 1, 1));
        let counts = poller.once(CancellationToken::new()).await.unwrap();
        assert_eq!(counts.visited, 0);
        // And without a loop, somebody may ask.
        let answers = poller.poll_now(Some(vec![id("a")]), false).await.unwrap();
        assert!(matches!(answers[0].1, Polled::Visited(_)));
    });
}

#[test]
fn a_reload_keeps_the_schedule_of_what_stayed() {
    play(async {
        let origin = origin().await;
        for name in ["a", "b", "c"] {
            origin.serve(&format!("/{name}"), lively().etag("\"1\"").conditional());
        }
        let named = |name: &str| source(name, &origin.url(&format!("/{name}")));
        let round = Round::start(vec![named("a"), named("b")]).await;
        let before = round.state("a").await.next_due;
        let mut edited = named("b");
        edited.url = origin.url("/c");
        round.reload(vec![named("a"), edited]).await;
        assert_eq!(round.state("a").await.next_due, before);
        assert_eq!(origin.count("/a"), 1);
        assert_eq!(origin.count("/c"), 1, "another address is visited at once");
        assert!(!origin.requests("/c")[0].is_conditional());
        round.reload(vec![named("a")]).await;
        round.pass(units(10)).await;
        assert_eq!(origin.count("/c"), 1, "removed");
        assert!(origin.count("/a") > 5);
    });
}

#[test]
fn a_stop_does_not_wait_for_slow_origins() {
    play(async {
        let origin = origin().await;
        origin.serve("/feed", Reply::ok("x").never());
        let store = Arc::new(Memory::new(("news.example".to_owned(), 2026)));
        let sources = by_id(vec![source("blog", &origin.url("/feed"))]);
        let round = Round::on(store, time(), options(), fetch_options(), sources);
        origin.asked(1).await;
        let begun = std::time::Instant::now();
        let (store, _) = round.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(
            store
                .state(&id("blog"))
                .await
                .unwrap()
                .is_none_or(|state| state.fails == 0)
        );
    });
}

#[test]
fn files_and_programs_are_polled_like_feeds() {
    play(async {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("feed.xml");
        std::fs::write(&path, rss("Feed", &[entry("a")])).unwrap();
        let mut file = source("file", path.to_str().unwrap());
        file.kind = SourceKind::File;
        let mut exec = source("exec", "");
        exec.kind = SourceKind::Exec(vec!["/bin/cat".to_owned(), path.display().to_string()]);
        let round = Round::start(vec![file, exec]).await;
        round.pass(units(40)).await;
        let outcome = async |name: &str| round.state(name).await.visits[0].outcome.clone();
        assert_eq!(outcome("file").await, "not-modified");
        assert_eq!(outcome("exec").await, "unchanged");
        std::fs::write(&path, rss("Feed", &[entry("a"), entry("b")])).unwrap();
        round.pass(units(40)).await;
        assert!(round.articles().await >= 2);
        std::fs::remove_file(&path).unwrap();
        round.pass(units(40)).await;
        assert_eq!(round.state("file").await.health, Health::Failing);
        assert_eq!(round.state("exec").await.health, Health::Failing);
    });
}

#[test]
fn news_edits_and_old_acquaintances_are_told_apart() {
    play(async {
        let origin = origin().await;
        origin.feed("/feed", &[entry("b"), entry("a")]);
        let round = Round::start(vec![source("blog", &origin.url("/feed"))]).await;
        let told = async || {
            let visits = round.state("blog").await.visits;
            (visits[0].outcome.clone(), visits[0].new, visits[0].updated)
        };
        assert_eq!(told().await, ("fresh".into(), 2, 0));
        let edited = entry("a")
            .title("Another headline for a")
            .link("http://site.example/elsewhere")
            .text("And quite another text, with other words in it.");
        origin.feed("/feed", &[entry("c"), entry("b"), edited]);
        round.pass(units(33)).await;
        let visits = round.state("blog").await.visits;
        let fresh: Vec<(u32, u32)> = visits
            .iter()
            .filter(|visit| visit.outcome == "fresh")
            .map(|visit| (visit.new, visit.updated))
            .collect();
        assert_eq!(fresh, [(1, 1), (2, 0)], "newest first");
        assert_eq!(round.articles().await, 3);
    });
}

#[test]
fn sources_of_one_host_share_a_connection() {
    play(async {
        let origin = origin().await;
        let sources: Vec<Source> = (0..6)
            .map(|n| {
                let path = format!("/{n}");
                origin.serve(&path, lively());
                source(&format!("s{n}"), &origin.url(&path))
            })
            .collect();
        let one_by_one = fetch::Options {
            per_host: HostLimits {
                at_once: 1,
                spacing: Duration::ZERO,
            },
            ..fetch_options()
        };
        let _round = Round::with(options(), one_by_one, sources).await;
        assert_eq!(origin.all_requests().len(), 6);
        assert_eq!(origin.connections(), 1);
    });
}
