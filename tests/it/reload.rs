//! A changed feeds.toml comes into force whole or not at all, and a restart forgets nothing.

use std::time::Duration;

use crate::origin::{Origin, entry};
use crate::town::{Town, feed};

#[tokio::test]
async fn a_reload_is_all_or_nothing() {
    let origin = Origin::start().await;
    origin.feed("/a", &[entry("a1").title("From a")]);
    origin.feed("/b", &[entry("b1").title("From b")]);
    let a = feed("a", &origin.url("/a"), "");
    let town = Town::new(&a).await;
    assert_eq!(town.get("/all.rss").await.titles(), ["From a"]);

    let both = format!("{a}{}", feed("b", &origin.url("/b"), ""));
    let refused = town.reload(&format!("{both}colour = \"red\"\n")).await;
    assert!(refused.unwrap_err().contains("unknown key `colour`"));
    assert_eq!(origin.count("/b"), 0);

    town.reload(&both).await.unwrap();
    assert_eq!(town.get("/sources/b.rss").await.titles(), ["From b"]);
    assert_eq!(origin.count("/a"), 1, "what did not change is left alone");
}

#[tokio::test]
async fn a_restart_keeps_articles_validators_and_bytes() {
    let origin = Origin::start().await;
    origin.feed(
        "/a",
        &[entry("a1").title("标题"), entry("a2").title("Second")],
    );
    let lines = feed("a", &origin.url("/a"), "tags = [\"疫情\"]");
    let town = Town::new(&lines).await;
    let before = town.get("/tags/疫情.atom").await;
    let town = town.restart(&lines, Duration::from_hours(24)).await;
    let after = town.get("/tags/%E7%96%AB%E6%83%85.atom").await;
    assert_eq!(before.text(), after.text());
    for header in ["etag", "last-modified"] {
        assert_eq!(before.header(header), after.header(header), "{header}");
    }
    town.pass(Duration::from_hours(24)).await;
    let asked = origin.requests("/a");
    assert!(asked.len() > 1 && asked[1..].iter().all(crate::origin::Asked::is_conditional));
}

/// Whatever key changes, the answer names it, and what it takes to put it in force.
#[tokio::test]
async fn a_reload_names_all_that_changed() {
    let town = Town::new("[[feed]]\nid = \"a\"\nurl = \"http://127.0.0.1:9/\"\n").await;
    let file = town.dir.path().join("feeds.toml");
    let base = std::fs::read_to_string(&file).unwrap();
    let into = |table: &str, line: &str| {
        let head = format!("[{table}]\n");
        assert!(base.contains(&head));
        base.replace(&head, &format!("{head}{line}\n"))
    };
    let after = |lines: &str| format!("{base}{lines}\n");
    let site = base.replace("\"Town\"", "\"City\"");
    for (text, now, restart) in [
        (site, "[server] title, public_url, language", ""),
        (into("fetch", "in_flight = 7"), "[fetch]", ""),
        (after("[poll]\nevery = \"1h\""), "[poll]", ""),
        (after("[dedup]\nmode = \"off\""), "[dedup]", ""),
        (after("[tags]\nauto = \"off\""), "[tags], [category]", ""),
        (
            after("[category.x]\ntitle = \"X\""),
            "[tags], [category]",
            "",
        ),
        (after("[publish]\nitems = 3"), "[publish]", ""),
        (
            after("[[rule]]\nwhen = \"true\"\nscore = 1"),
            "[[rule]]",
            "",
        ),
        (
            after("[[feed.rule]]\nwhen = \"true\"\nscore = 1"),
            "[[feed.rule]]",
            "",
        ),
        (
            after("[[output]]\nid = \"o\"\nwhen = \"true\""),
            "[[output]]",
            "",
        ),
        (
            into("server", "max_connections = 7"),
            "",
            "[server] listen, limits",
        ),
        (into("store", "cache = \"32MiB\""), "", "[store]"),
        (into("control", "mode = \"0600\""), "", "[control]"),
        (after("[log]\nlevel = \"debug\""), "", "[log]"),
    ] {
        for (text, way) in [(&text, "in"), (&base, "out")] {
            std::fs::write(&file, text).unwrap();
            let told = town.daemon.reload().await.unwrap();
            assert_eq!(told.settings.join(", "), now, "{way} of force: {text}");
            assert_eq!(told.restart.join(", "), restart, "{way} of force: {text}");
            assert!(told.added.is_empty() && told.removed.is_empty() && told.changed.is_empty());
        }
    }
    std::fs::write(
        &file,
        base.replace("\"http://127.0.0.1:9/\"", "\"http://127.0.0.1:9/x\""),
    )
    .unwrap();
    assert_eq!(town.daemon.reload().await.unwrap().changed, ["a"]);
}

/// Tags that stand at a feed are on its stories, also on those that came before, and on nobody else's.
#[tokio::test]
async fn stories_follow_the_tags_of_their_feed() {
    let origin = Origin::start().await;
    origin.feed("/a", &[entry("a1").title("From a")]);
    origin.feed("/b", &[entry("b1").title("From b")]);
    let a = |more: &str| feed("a", &origin.url("/a"), more);
    let b = feed("b", &origin.url("/b"), "tags = [\"x\"]");
    let town = Town::new(&format!("{}{b}", a("tags = [\"x\"]"))).await;
    let titles = async |town: &Town, tag: &str| {
        let mut titles = town.get(&format!("/tags/{tag}.rss")).await.titles();
        titles.sort();
        titles
    };
    assert_eq!(titles(&town, "x").await, ["From a", "From b"]);
    for (lines, x, y) in [
        (a("tags = [\"y\"]") + &b, vec!["From b"], vec!["From a"]),
        // It goes, and its stories stay as they are until it comes back.
        (b.clone(), vec!["From b"], vec!["From a"]),
        (a("") + &b, vec!["From b"], vec![]),
        (
            a("tags = [\"x\", \"y\"]"),
            vec!["From a", "From b"],
            vec!["From a"],
        ),
    ] {
        town.reload(&lines).await.unwrap();
        assert_eq!(titles(&town, "x").await, x, "{lines}");
        assert_eq!(titles(&town, "y").await, y, "{lines}");
    }
    let lines = a("tags = [\"z\"]");
    let town = town.restart(&lines, Duration::from_secs(1)).await;
    assert_eq!(titles(&town, "x").await, ["From b"]);
    assert_eq!(titles(&town, "z").await, ["From a"]);
}
