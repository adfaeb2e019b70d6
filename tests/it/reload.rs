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
