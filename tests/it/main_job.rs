//! The main job, end to end, with the real binary: two hundred feeds of all formats, some broken, some dead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aggd::model::document::Document;
use aggd::model::entry::Feed;
use aggd::parse;

use crate::farm::{self, Sown};
use crate::origin::{Origin, Reply};
use crate::program::{self, Program};

const FEEDS: usize = 200;

fn serve(origin: &Origin, feeds: &[Sown]) {
    for (number, feed) in feeds.iter().enumerate() {
        let reply = Reply::ok(feed.body.clone())
            .header("Content-Type", feed.content_type)
            .etag(&format!("\"v{number}\""))
            .conditional();
        origin.serve(&feed.path, reply);
    }
    origin.serve("/dead/404", Reply::status(404));
    origin.serve("/dead/500", Reply::status(500));
    origin.serve(
        "/dead/page",
        Reply::ok("<!DOCTYPE html><title>Closed</title><p>Nothing here")
            .header("Content-Type", "text/html"),
    );
    origin.serve("/dead/stalled", Reply::ok("<rss><channel>").stall_after(5));
    origin.serve("/dead/empty", Reply::ok(""));
}

fn feeds_toml(dir: &Path, port: u16, origin: &Origin, feeds: &[Sown]) {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n\
         [poll]\nevery = {{ min = \"1h\", max = \"24h\" }}\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 32, spacing = \"0s\" }}\n"
    );
    for (number, feed) in feeds.iter().enumerate() {
        text.push_str(&format!(
            "[[feed]]\nid = \"feed-{number}\"\nurl = \"{}\"\ncategory = \"{}\"\ntags = [\"{}\"]\n",
            origin.url(&feed.path),
            feed.category,
            feed.tag
        ));
    }
    for dead in ["404", "500", "page", "stalled", "empty"] {
        text.push_str(&format!(
            "[[feed]]\nid = \"dead-{dead}\"\nurl = \"{}\"\n",
            origin.url(&format!("/dead/{dead}"))
        ));
        // Polling is nicer than other tests, so what is sound may take long on a busy machine.
        if dead == "stalled" {
            text.push_str("total_timeout = \"2s\"\n");
        }
    }
    text.push_str("[[feed]]\nid = \"dead-refused\"\nurl = \"http://127.0.0.1:9/feed\"\n");
    std::fs::write(dir.join("feeds.toml"), text).unwrap();
}

fn read(body: &[u8]) -> Feed {
    let document = Document {
        body: body.to_vec().into(),
        url: None,
        content_type: None,
    };
    parse::parse(&document, &parse::Options::default())
        .unwrap()
        .feed
}

/// Every headline of a list, page after page, with how often it stands there.
async fn headlines(program: &Program, path: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (status, body) = program.get(&path).await;
        assert_eq!(status, 200, "{path}");
        let feed = read(&body);
        for entry in &feed.entries {
            *found.entry(entry.title_text().to_owned()).or_default() += 1;
        }
        next = feed
            .links
            .iter()
            .find(|link| link.rel == "next")
            .map(|link| {
                let url = reqwest::Url::parse(&link.href).unwrap();
                format!("{}?{}", url.path(), url.query().unwrap_or_default())
            });
    }
    found
}

fn expected(feeds: &[Sown]) -> BTreeSet<String> {
    feeds
        .iter()
        .flat_map(|feed| feed.titles.iter().cloned())
        .collect()
}

async fn all_there(program: &Program, feeds: &[Sown]) {
    let wanted = expected(feeds);
    let last = feeds.last().unwrap().titles[0].clone();
    program
        .until("every feed was visited", async || {
            let status = program::output(program.dir(), &["list-feeds", "--jsonl"]);
            let lines = String::from_utf8_lossy(&status.stdout).into_owned();
            lines.lines().count() == feeds.len() + 6 && !lines.contains("\"state\":\"new\"")
        })
        .await;
    assert!(wanted.contains(&last));
    let found = headlines(program, "/all.atom?n=500").await;
    let missing: Vec<_> = wanted
        .iter()
        .filter(|title| !found.contains_key(*title))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {:?}",
        missing.len(),
        wanted.len(),
        &missing[..missing.len().min(10)]
    );
    let doubled: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "more than once: {doubled:?}");
    assert_eq!(found.len(), wanted.len(), "nothing else is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_feeds_are_published_once_each_and_survive_a_kill() {
    let feeds = farm::sow(FEEDS);
    let origin = Origin::start().await;
    serve(&origin, &feeds);
    let dir = tempfile::tempdir().unwrap();
    let port = program::free_port();
    feeds_toml(dir.path(), port, &origin, &feeds);

    // Killed in the middle of the first round, as soon as something was fetched.
    let program = Program::start(dir.path(), port).await;
    origin.asked(FEEDS / 2).await;
    program.kill();

    let program = Program::start(dir.path(), port).await;
    all_there(&program, &feeds).await;

    for list in [
        "all",
        "categories/tech",
        "categories/社会新闻",
        "tags/Rust",
        "tags/疫情",
        "sources/feed-3",
    ] {
        for format in ["rss", "atom", "json"] {
            let (status, body) = program.get(&format!("/{list}.{format}")).await;
            assert_eq!(status, 200, "/{list}.{format}");
            assert!(!read(&body).entries.is_empty(), "/{list}.{format} is empty");
        }
    }

    // What is down costs only itself, and says so in words.
    let failing = program::output(dir.path(), &["status", "--failing"]);
    let words = String::from_utf8_lossy(&failing.stdout).into_owned();
    assert_eq!(failing.status.code(), Some(4), "{words}");
    for dead in [
        "dead-404",
        "dead-500",
        "dead-page",
        "dead-stalled",
        "dead-empty",
        "dead-refused",
    ] {
        assert!(words.contains(dead), "{dead} is not told of in:\n{words}");
    }

    // A second round costs only 304s.
    let before: usize = feeds.iter().map(|feed| origin.count(&feed.path)).sum();
    let fetched = program::output(dir.path(), &["fetch", "--wait"]);
    assert!(
        fetched
            .status
            .code()
            .is_some_and(|code| code == 0 || code == 4),
        "{fetched:?}"
    );
    let outcomes = String::from_utf8_lossy(&fetched.stdout).into_owned();
    for number in 0..feeds.len() {
        let wanted = format!("feed-{number}\tnot-modified\t0\t0\t");
        assert!(outcomes.contains(&wanted), "feed-{number} in:\n{outcomes}");
    }
    for feed in &feeds {
        let requests = origin.requests(&feed.path);
        let last = requests.last().unwrap();
        assert!(
            last.is_conditional(),
            "{} was asked for without validators",
            feed.path
        );
    }
    let after: usize = feeds.iter().map(|feed| origin.count(&feed.path)).sum();
    assert_eq!(after - before, feeds.len());
    all_there(&program, &feeds).await;

    assert!(program.terminate().success());
}
