//! One story once: what comes again, elsewhere or changed, is the article that is already there.

use std::time::Duration;

use crate::origin::{Origin, entry};
use crate::town::{Town, feed};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_repeated_guid_with_a_new_link_is_an_update() {
    let origin = Origin::start().await;
    origin.feed("/blog", &[entry("g1").link("https://blog.example.org/old")]);
    let town = Town::new(&feed("blog", &origin.url("/blog"), "category = \"tech\"")).await;
    assert_eq!(
        town.get("/categories/tech.atom").await.links(),
        ["https://blog.example.org/old"]
    );
    origin.feed("/blog", &[entry("g1").link("https://blog.example.org/new")]);
    town.pass(DAY).await;
    assert_eq!(
        town.get("/categories/tech.atom").await.links(),
        ["https://blog.example.org/new"]
    );
}

#[tokio::test]
async fn one_address_at_two_sources_is_one_article_that_names_both() {
    let origin = Origin::start().await;
    let told = |guid: &str, query: &str| {
        entry(guid)
            .title("The bridge is open")
            .link(&format!("https://paper.example.org/bridge{query}"))
    };
    origin.feed("/paper", &[told("p1", "")]);
    origin.feed("/planet", &[told("x9", "?utm_source=planet")]);
    let town = Town::new(&format!(
        "{}{}",
        feed("paper", &origin.url("/paper"), ""),
        feed("planet", &origin.url("/planet"), "")
    ))
    .await;
    let all = town.get("/all.json").await;
    assert_eq!(all.titles(), ["The bridge is open"]);
    for source in ["paper", "planet"] {
        let list = town.get(&format!("/sources/{source}.rss")).await;
        assert_eq!(list.titles(), ["The bridge is open"], "{source}");
        assert_eq!(
            list.feed().entries[0].id,
            all.feed().entries[0].id,
            "{source}"
        );
    }
}

#[tokio::test]
async fn what_stands_unchanged_beside_news_still_counts() {
    let origin = Origin::start().await;
    let told = |guid: &str, title: &str, page: &str| {
        let link = format!("https://blog.example.org/{page}");
        entry(guid).title(title).link(&link)
    };
    let (status, story) = (told("1", "It is down", "status"), told("g", "One", "one"));
    origin.feed("/blog", &[status.clone(), story.clone()]);
    let lines = feed("blog", &origin.url("/blog"), "") + "[dedup]\nmode = \"off\"\n";
    let town = Town::new(&lines).await;

    // The same page with another headline, and the same guid with another page, are articles of their own.
    let news = [
        told("2", "It is up again", "status"),
        told("g", "Two", "two"),
    ];
    let all = [&news[..], &[status.clone(), story.clone()]].concat();
    origin.feed("/blog", &all);
    town.pass(DAY).await;
    let mut titles = town.get("/all.rss").await.titles();
    titles.sort();
    assert_eq!(titles, ["It is down", "It is up again", "One", "Two"]);

    // An edit is seen, and what did not change stays, also over a restart.
    let edited = told("2", "It is up, and stays so", "status");
    origin.feed("/blog", &[edited, news[1].clone(), status, story]);
    let town = town.restart(&lines, DAY).await;
    town.pass(DAY).await;
    let mut titles = town.get("/all.rss").await.titles();
    titles.sort();
    assert_eq!(
        titles,
        ["It is down", "It is up, and stays so", "One", "Two"]
    );
    let list = town.get("/sources/blog.rss").await;
    assert!(
        list.feed()
            .entries
            .iter()
            .all(|entry| entry.content.is_some())
    );
}

#[tokio::test]
async fn what_cannot_become_one_story_at_once_does_at_the_next_visit() {
    let origin = Origin::start().await;
    let told = |guid: &str, page: &str| {
        let link = format!("https://paper.example.org/{page}");
        entry(guid).title("The bridge").link(&link)
    };
    origin.feed("/paper", &[told("p", "bridge")]);
    origin.feed("/blog", &[told("1", "one"), told("2", "two")]);
    let lines = feed("paper", &origin.url("/paper"), "")
        + &feed("blog", &origin.url("/blog"), "")
        + "[dedup]\nmode = \"off\"\n";
    let town = Town::new(&lines).await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 3);

    // Both entries turn out to be the paper's. One story takes in one other at a time.
    let moved = [told("1", "bridge"), told("2", "bridge")];
    origin.feed("/blog", &moved);
    town.pass(DAY).await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 2);

    // What is left is as it was then, and is not forgotten over the news beside it.
    let news = entry("3").title("The tunnel");
    origin.feed("/blog", &[std::slice::from_ref(&news), &moved[..]].concat());
    town.pass(DAY).await;
    let mut titles = town.get("/all.rss").await.titles();
    titles.sort();
    assert_eq!(titles, ["The bridge", "The tunnel"]);
}

#[tokio::test]
async fn what_a_rule_dropped_may_come_when_the_rule_is_gone() {
    let origin = Origin::start().await;
    let (one, two) = (entry("1").title("Sport"), entry("2").title("News"));
    origin.feed("/blog", &[one.clone(), two.clone()]);
    let lines = feed("blog", &origin.url("/blog"), "");
    let rule = format!("{lines}[[rule]]\nwhen = 'title == \"Sport\"'\ndrop = true\n");
    let town = Town::new(&rule).await;
    assert_eq!(town.get("/all.rss").await.titles(), ["News"]);
    town.reload(&lines).await.unwrap();
    origin.feed("/blog", &[entry("3").title("More"), one, two]);
    town.pass(DAY).await;
    let mut titles = town.get("/all.rss").await.titles();
    titles.sort();
    assert_eq!(titles, ["More", "News", "Sport"]);
}
