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
