//! Everything that an origin can do wrong, at once, to a whole aggd: two hundred healthy feeds stay on time, the last of
//! the list too, and nobody who does wrong is asked more than his due.

use std::time::Duration;

use aggd::clock::Clock as _;

use crate::origin::{Asked, Origin, Reply, entry, rss};
use crate::town::{Town, feed};

const HEALTHY: usize = 200;
/// Hosts of each bad kind.
const EACH: usize = 3;
/// Longest time that one visit to those who do wrong may take; the machine's time, not the clock's.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whatever goes wrong bears this: it must never come back.
const BAD: &str = "\"bad\"";

fn whole() -> Reply {
    Reply::ok(rss("Feed", &[entry("never-seen")]))
        .etag(BAD)
        .header("Last-Modified", "never")
}

/// What goes wrong, by name.
fn wrongs() -> Vec<(&'static str, Reply)> {
    let tick = Duration::from_millis(50);
    let blank = |megabytes: usize| Reply::ok(vec![b' '; megabytes << 20]).etag(BAD);
    let text = rss("Feed", &[entry("never-seen")]);
    let redirect = |to: &str| Reply::redirect(302, to);
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"aaaaaaaaaa\">\
                <!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">\
                <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;\">]><lolz>&e;</lolz>";
    vec![
        ("no head", whole().never()),
        ("dribbled head", whole().dribble_head(tick)),
        ("endless head", whole().endless_head()),
        ("dribbled body", whole().dribble(tick)),
        ("stalled body", whole().stall_after(10)),
        (
            "endless body",
            Reply::ok(vec![b'x'; 60_000]).etag(BAD).endless(),
        ),
        ("gzip bomb", blank(33).gzip()),
        ("brotli bomb", blank(33).brotli()),
        ("too large", whole().claiming(50 << 20)),
        ("short", whole().claiming(90_000)),
        ("chunks without end", whole().chunked().cut_after(100)),
        ("cut gzip", whole().gzip().without_last(20)),
        ("lying gzip", whole().header("Content-Encoding", "gzip")),
        ("deflate", whole().header("Content-Encoding", "deflate")),
        ("empty", Reply::ok("").etag(BAD)),
        (
            "page",
            Reply::ok("<!doctype html><title>x</title>").etag(BAD),
        ),
        ("entities", Reply::ok(bomb).etag(BAD)),
        (
            "half a feed",
            Reply::ok(&text[..100]).etag(BAD).until_close(),
        ),
        ("not HTTP", Reply::raw("SSH-2.0-OpenSSH_9.2\r\n")),
        ("reset", whole().reset()),
        ("500", Reply::status(500).etag(BAD)),
        ("404", Reply::status(404).etag(BAD)),
        ("410", Reply::status(410)),
        ("429", Reply::status(429)),
        (
            "429, patient",
            Reply::status(429).header("Retry-After", "999999999"),
        ),
        (
            "503, patient",
            Reply::status(503).header("Retry-After", "soon"),
        ),
        ("304 unasked", Reply::status(304).etag(BAD)),
        ("circle", redirect("/feed")),
        ("to a private address", redirect("http://10.0.0.1/feed")),
        ("to a file", redirect("file:///etc/passwd")),
        ("to nowhere", Reply::status(301)),
        ("endless chain", redirect("/hop0")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_healthy_feeds_stay_on_time() {
    let wrongs = wrongs();
    let mut lines = format!(
        "total_timeout = \"{} s\"\n[poll]\nevery = {{ min = \"1h\", max = \"32h\" }}\n",
        PATIENCE.as_secs()
    );
    let mut bad = Vec::new();
    for (n, (name, reply)) in wrongs.iter().cycle().take(wrongs.len() * EACH).enumerate() {
        let origin = Origin::at(&format!("127.0.4.{}", n + 1)).await;
        origin.serve("/feed", reply.clone());
        for hop in 0..20 {
            let next = format!("/hop{}", hop + 1);
            origin.serve(&format!("/hop{hop}"), Reply::redirect(302, next));
        }
        lines += &feed(&format!("bad-{n}"), &origin.url("/feed"), "");
        bad.push((*name, origin));
    }
    let mut healthy = Vec::new();
    for n in 0..HEALTHY {
        let origin = Origin::at(&format!("127.0.5.{}", n + 1)).await;
        // Stories of its own: what all tell is another matter.
        let entries = [entry(&format!("h{n}-a")), entry(&format!("h{n}-b"))];
        origin.feed("/feed", &entries);
        let id = format!("good-{n}");
        // They answer at once; only a busy machine makes them wait.
        let patient = "every = \"1h\"\ntotal_timeout = \"1m\"";
        lines += &feed(&id, &origin.url("/feed"), patient);
        healthy.push(origin);
    }
    let town = Town::new(&lines).await;
    for origin in bad.iter().map(|(_, origin)| origin).chain(&healthy) {
        origin.keep_time(town.clock.clone());
    }
    let mut expected = 1;
    // Each step is longer than the longest wait of a healthy one.
    for _ in 0..3 {
        town.clock.advance(Duration::from_mins(121));
        town.quiet().await;
        expected += 1;
        for (n, origin) in healthy.iter().enumerate() {
            let asked = origin.requests("/feed");
            assert_eq!(asked.len(), expected, "good-{n}");
        }
    }
    let unconditional = healthy
        .iter()
        .flat_map(|origin| origin.requests("/feed"))
        .filter(|asked| !asked.is_conditional())
        .count();
    assert_eq!(unconditional, HEALTHY, "only the first time");
    let hours = town.clock.now().since(crate::town::NOON).as_secs() / 3600;
    for (name, origin) in &bad {
        let asked = origin.requests("/feed");
        let (least, most) = match *name {
            "410" => (2, 2),
            "429, patient" => (1, 1),
            // It is a feed as far as it goes, and one without validators is asked for less often.
            "half a feed" => (1, 4),
            _ => (2, usize::try_from(hours).unwrap()),
        };
        assert!(
            (least..=most).contains(&asked.len()),
            "{name}: {}",
            asked.len()
        );
        let told = asked.iter().any(Asked::is_conditional);
        assert!(!told, "{name}: nothing of it is worth keeping");
        let chain = origin.all_requests().len() - asked.len();
        assert!(chain <= 7 * asked.len(), "{name}: {chain} hops");
    }
    let all = town.get("/all.rss?n=500").await;
    let mut titles = all.titles();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 2 * HEALTHY);
    assert!(!titles.contains(&"Title of never-seen".to_owned()));
}
