//! One story once, by its text: reprints of many kinds become one article, and what only looks like one stays apart.

use std::collections::BTreeMap;
use std::time::Duration;

use aggd::control::Client;
use aggd::model::article::{Layer, Spoke};
use aggd::ops::articles::{Explanation, Sightings};
use aggd::ops::stories::{Settled, StoryRow};
use aggd::ops::{Error, Request};
use serde::de::DeserializeOwned;

use crate::origin::{Origin, entry, rss};
use crate::reprints::{self, Press, Printed, TONGUES, Tongue};
use crate::town::{Town, feed};

const DAY: Duration = Duration::from_hours(24);

async fn try_ask<T: DeserializeOwned>(town: &Town, request: Request) -> Result<T, Error> {
    let socket = town.dir.path().join("control.sock");
    let client = Client::connect(&socket).await.unwrap().unwrap();
    let answer = client.ask(&request).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

async fn ask<T: DeserializeOwned>(town: &Town, request: Request) -> T {
    try_ask(town, request).await.unwrap()
}

/// Guid → article.
async fn sightings(town: &Town) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut after = 0;
    loop {
        let page: Sightings = ask(town, Request::Sightings { after, most: 1000 }).await;
        for row in page.sightings {
            found.insert(row.guid, row.article);
        }
        match page.next {
            Some(next) => after = next,
            None => return found,
        }
    }
}

async fn stories(town: &Town) -> Vec<StoryRow> {
    ask(town, Request::Stories { limit: 100 }).await
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn html(paragraphs: &[String]) -> String {
    let inner: String = paragraphs
        .iter()
        .map(|paragraph| format!("<p>{}</p>", escaped(paragraph)))
        .collect();
    format!("<![CDATA[{inner}]]>")
}

fn serve(origin: &Origin, path: &str, entries: &[Printed]) {
    let entries: Vec<_> = entries
        .iter()
        .map(|printed| {
            entry(&printed.guid)
                .title(&escaped(&printed.title))
                .link(&escaped(&printed.link))
                .text(&html(&printed.paragraphs))
        })
        .collect();
    origin.feed(path, &entries);
}

/// Two sites that print the same text, each under its own headline.
fn two_copies(seed: u64, tongue: Tongue) -> (Vec<String>, [String; 2]) {
    let mut press = Press::new(seed);
    let (one, paragraphs) = press.article(tongue);
    let (other, _) = press.article(tongue);
    (paragraphs, [one, other])
}

fn copy(origin: &Origin, path: &str, guid: &str, title: &str, paragraphs: &[String]) {
    origin.feed(
        path,
        &[entry(guid)
            .title(&escaped(title))
            .link(&format!("https://{guid}.example/story"))
            .text(&html(paragraphs))],
    );
}

fn two_feeds(origin: &Origin) -> String {
    format!(
        "{}{}",
        feed("one", &origin.url("/one"), ""),
        feed("two", &origin.url("/two"), "")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn reprints_of_a_dozen_kinds_are_one_article_and_their_likes_are_not() {
    const SITES: usize = 10;
    let origin = Origin::start().await;
    let feeds = reprints::sites(7, 20, SITES);
    let mut lines = String::new();
    for (number, entries) in feeds.iter().enumerate() {
        let path = format!("/site{number}");
        serve(&origin, &path, entries);
        lines.push_str(&feed(&format!("site{number}"), &origin.url(&path), ""));
    }
    let town = Town::new(&lines).await;
    let found = sightings(&town).await;
    let all: Vec<&Printed> = feeds.iter().flatten().collect();
    assert_eq!(found.len(), all.len(), "every entry is somewhere");
    let (mut total, mut faults) = (reprints::Pairs::default(), Vec::new());
    for tongue in TONGUES {
        let some: Vec<&Printed> = all
            .iter()
            .copied()
            .filter(|printed| printed.tongue == tongue)
            .collect();
        let (pairs, wrong) = reprints::judge(&some, &found);
        eprintln!(
            "{tongue:?}: {} entries, precision {:.4}, recall {:.4}, F1 {:.4}",
            some.len(),
            pairs.precision(),
            pairs.recall(),
            pairs.f1()
        );
        let least = if tongue == Tongue::Chinese {
            0.99
        } else {
            0.92
        };
        faults.extend(wrong);
        assert!(
            pairs.f1() >= least,
            "{tongue:?} {pairs:?}\n{}",
            faults.join("\n")
        );
        total.right += pairs.right;
        total.wrong += pairs.wrong;
        total.missed += pairs.missed;
    }
    eprintln!(
        "all: precision {:.4}, recall {:.4}\n{}",
        total.precision(),
        total.recall(),
        faults.join("\n")
    );
    assert_eq!(total.wrong, 0, "{}", faults.join("\n"));
    assert!(total.recall() >= 0.92, "{total:?}\n{}", faults.join("\n"));

    // The same documents again bring nothing new, and a restart forgets nothing.
    let town = town.restart(&lines, DAY).await;
    assert_eq!(sightings(&town).await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_copies_are_one_story_whenever_they_come() {
    for tongue in TONGUES {
        let (text, [a, b]) = two_copies(11, tongue);
        // At the same moment: both are in the first round.
        let origin = Origin::start().await;
        copy(&origin, "/one", "a", &a, &text);
        copy(&origin, "/two", "b", &b, &text);
        let town = Town::new(&two_feeds(&origin)).await;
        let found = sightings(&town).await;
        assert_eq!(found["a"], found["b"], "{tongue:?}");
        let all = town.get("/all.json").await;
        assert_eq!(all.feed().entries.len(), 1);
        assert!(all.text().contains("also_in"), "{}", all.text());

        // With a restart between them, in the other order.
        let origin = Origin::start().await;
        copy(&origin, "/two", "b", &b, &text);
        origin.feed("/one", &[]);
        let town = Town::new(&two_feeds(&origin)).await;
        let before = town.get("/all.json").await.feed().entries[0].id.clone();
        let town = town
            .restart(&two_feeds(&origin), Duration::from_hours(1))
            .await;
        copy(&origin, "/one", "a", &a, &text);
        town.pass(DAY).await;
        let all = town.get("/all.json").await.feed();
        assert_eq!(all.entries.len(), 1, "{tongue:?}");
        assert_eq!(all.entries[0].id, before, "the id stays");
        assert_eq!(
            all.entries[0].title_text(),
            b,
            "and the leader, after an hour"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_in_which_copies_come_does_not_matter() {
    // One that was cut off and one with another beginning have too little in common; the whole text shows what they are.
    let orders = [
        ["whole", "cut", "other-lead"],
        ["whole", "other-lead", "cut"],
        ["cut", "whole", "other-lead"],
        ["cut", "other-lead", "whole"],
        ["other-lead", "whole", "cut"],
        ["other-lead", "cut", "whole"],
    ];
    for (seed, tongue) in (21..).zip(TONGUES) {
        let mut press = Press::new(seed);
        let whole: Vec<String> = (0..4).flat_map(|_| press.article(tongue).1).collect();
        let (title, other) = press.article(tongue);
        let cut = whole[..whole.len() / 3].to_vec();
        let other_lead = [&other[..2], &whole[2..]].concat();
        let text = |name: &str| match name {
            "whole" => &whole,
            "cut" => &cut,
            _ => &other_lead,
        };
        for order in orders {
            let origin = Origin::start().await;
            let mut lines = String::new();
            for name in order {
                origin.feed(&format!("/{name}"), &[]);
                lines += &feed(name, &origin.url(&format!("/{name}")), "");
            }
            let town = Town::new(&lines).await;
            for name in order {
                copy(&origin, &format!("/{name}"), name, &title, text(name));
                town.pass(DAY).await;
            }
            let found = sightings(&town).await;
            let one = &found["whole"];
            assert!(found.values().all(|id| id == one), "{order:?} {found:?}");
            let listed = town.get("/all.json").await.feed().entries;
            assert_eq!(listed.len(), 1, "{order:?}");
            let explained: Explanation = ask(&town, Request::Explain { id: one.clone() }).await;
            let founded = explained
                .seen
                .iter()
                .filter(|copy| copy.why.layer == Layer::Founded);
            assert_eq!(founded.count(), 1, "{order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_many_sources_bring_at_the_same_moment_are_one_story() {
    let origin = Origin::start().await;
    let (text, [title, _]) = two_copies(5, Tongue::English);
    let mut lines = String::new();
    for site in 0..24 {
        copy(
            &origin,
            &format!("/s{site}"),
            &format!("g{site}"),
            &title,
            &text,
        );
        lines.push_str(&feed(
            &format!("s{site}"),
            &origin.url(&format!("/s{site}")),
            "",
        ));
    }
    let town = Town::new(&lines).await;
    let found = sightings(&town).await;
    assert_eq!(found.len(), 24);
    assert!(
        found.values().all(|article| *article == found["g0"]),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_window_a_text_is_a_new_article() {
    let origin = Origin::start().await;
    let (text, [a, b]) = two_copies(3, Tongue::English);
    copy(&origin, "/one", "a", &a, &text);
    origin.feed("/two", &[]);
    let lines = format!("[dedup]\nwindow = \"2d\"\n{}", two_feeds(&origin));
    let town = Town::new(&lines).await;
    town.pass(DAY * 3).await;
    copy(&origin, "/two", "b", &b, &text);
    town.pass(DAY).await;
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_sources_and_those_that_never_merge_keep_to_themselves() {
    for setting in ["private = true", "never_merge = true"] {
        let origin = Origin::start().await;
        let (text, [a, b]) = two_copies(4, Tongue::French);
        copy(&origin, "/one", "a", &a, &text);
        copy(&origin, "/two", "b", &b, &text);
        let town = Town::new(&format!(
            "{}{}",
            feed("one", &origin.url("/one"), ""),
            feed("two", &origin.url("/two"), setting)
        ))
        .await;
        let found = sightings(&town).await;
        assert_ne!(found["a"], found["b"], "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_recognition_by_text_off_copies_stay_apart() {
    let origin = Origin::start().await;
    let (text, [a, b]) = two_copies(4, Tongue::Chinese);
    copy(&origin, "/one", "a", &a, &text);
    copy(&origin, "/two", "b", &b, &text);
    let off = format!("[dedup]\nmode = \"off\"\n{}", two_feeds(&origin));
    let town = Town::new(&off).await;
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_parts_and_joins_stories_for_good() {
    let origin = Origin::start().await;
    let (text, [a, b]) = two_copies(9, Tongue::English);
    copy(&origin, "/one", "a", &a, &text);
    copy(&origin, "/two", "b", &b, &text);
    let lines = two_feeds(&origin);
    let town = Town::new(&lines).await;
    let story = stories(&town).await.remove(0);
    assert_eq!(story.copies.len(), 2);
    let why: Explanation = ask(
        &town,
        Request::Explain {
            id: story.id.clone(),
        },
    )
    .await;
    let joined = why
        .seen
        .iter()
        .find(|seen| seen.why.layer != Layer::Founded)
        .unwrap();
    assert!(joined.why.scores.unwrap().jaccard > 0.9, "{joined:?}");

    let done: Settled = ask(
        &town,
        Request::SplitStory {
            id: story.id.clone(),
        },
    )
    .await;
    assert_eq!(done.article, story.id);
    town.quiet().await;
    let apart = town.get("/all.atom").await;
    assert_eq!(apart.feed().entries.len(), 2, "{}", apart.text());
    assert!(stories(&town).await.is_empty());
    let page = town.get(&format!("/articles/{}", done.others[0])).await;
    assert_eq!(page.status, 200);

    // Neither another visit nor a restart joins them again.
    copy(&origin, "/one", "a", &format!("{a}!"), &text);
    copy(&origin, "/two", "b", &format!("{b}!"), &text);
    let town = town.restart(&lines, DAY).await;
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);

    let (one, two) = (found["a"].clone(), found["b"].clone());
    let done: Settled = ask(
        &town,
        Request::MergeStories {
            a: one.clone(),
            b: two.clone(),
        },
    )
    .await;
    town.quiet().await;
    assert_eq!(town.get("/all.atom").await.feed().entries.len(), 1);
    let younger = &done.others[0];
    let answer = town.get(&format!("/articles/{younger}")).await;
    assert_eq!(answer.status, 301);
    assert!(
        answer.header("location").ends_with(&done.article),
        "{answer:?}"
    );
    let again: Result<Settled, _> = try_ask(&town, Request::MergeStories { a: one, b: two }).await;
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");

    // The part gets the id back that it had.
    let back: Settled = ask(
        &town,
        Request::SplitStory {
            id: younger.clone(),
        },
    )
    .await;
    assert_eq!(back.others, [younger.as_str()]);
    let town = town.restart(&lines, DAY).await;
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_whose_address_is_another_story_makes_both_one() {
    let origin = Origin::start().await;
    let mut press = Press::new(21);
    let (a, text_a) = press.article(Tongue::English);
    let (b, text_b) = press.article(Tongue::English);
    let told = |guid: &str, title: &str, link: &str, text: &[String]| {
        entry(guid).title(title).link(link).text(&html(text))
    };
    origin.feed("/one", &[told("a", &a, "https://x.example/a", &text_a)]);
    origin.feed("/two", &[]);
    let town = Town::new(&two_feeds(&origin)).await;
    let older = sightings(&town).await["a"].clone();
    origin.feed("/two", &[told("b", &b, "https://x.example/b", &text_b)]);
    town.pass(DAY).await;
    let younger = sightings(&town).await["b"].clone();
    assert_ne!(older, younger);
    // The second site's link turns out to lead to the first one's article.
    origin.feed(
        "/two",
        &[told("b", &b, "https://x.example/a?utm_source=two", &text_b)],
    );
    town.pass(DAY).await;
    let found = sightings(&town).await;
    assert_eq!((&found["a"], &found["b"]), (&older, &older));
    let answer = town.get(&format!("/articles/{younger}")).await;
    assert_eq!(answer.status, 301);
    // What led to the younger one leads on: nothing is new.
    origin.feed(
        "/one",
        &[told("c", "Once more", "https://x.example/b", &text_a)],
    );
    town.pass(DAY).await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_nobody_would_notice_is_none() {
    let origin = Origin::start().await;
    let (text, [title, _]) = two_copies(6, Tongue::English);
    let with = |counter: &str, more: &str| {
        let mut all = text.clone();
        all.push(counter.to_owned());
        format!("{}{more}", html(&all))
    };
    let tell = |link: &str, text: String| {
        origin.feed("/one", &[entry("a").title(&title).link(link).text(&text)]);
    };
    tell("https://x.example/a", with("12 comments", ""));
    let town = Town::new(&feed("one", &origin.url("/one"), "")).await;
    let before = town.get("/all.atom").await;
    tell("https://x.example/a?fbclid=1", with("19 comments", "\n\n"));
    town.pass(DAY).await;
    assert_eq!(town.get("/all.atom").await.body, before.body);
    tell(
        "https://x.example/a",
        with("19 comments", "<p>It was closed.</p>"),
    );
    town.pass(DAY).await;
    assert_ne!(town.get("/all.atom").await.body, before.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_headline_over_a_teaser_is_proposed_and_not_merged() {
    let origin = Origin::start().await;
    let title = "The old ferry to the northern islands will not run this winter";
    let told = |guid: &str, text: &str| {
        rss(
            "f",
            &[entry(guid)
                .title(title)
                .link(&format!("https://{guid}.example/"))
                .text(text)],
        )
    };
    let serve = |path: &str, body: String| {
        origin.serve(
            path,
            crate::origin::Reply::ok(body).header("Content-Type", "application/rss+xml"),
        );
    };
    serve("/one", told("a", "No crossings until spring."));
    serve("/two", told("b", "Islanders wait for April."));
    let hourly = "every = \"1h\"";
    let lines = format!(
        "{}{}",
        feed("one", &origin.url("/one"), hourly),
        feed("two", &origin.url("/two"), hourly)
    );
    let town = Town::new(&lines).await;
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);
    serve("/two", told("c", "A longer wait."));
    town.pass(Duration::from_hours(8)).await;
    let maybe: Vec<String> = stories(&town)
        .await
        .into_iter()
        .flat_map(|row| row.maybe)
        .collect();
    assert!(maybe.contains(&found["a"]), "{maybe:?} {found:?}");
    let why: Explanation = ask(
        &town,
        Request::Explain {
            id: sightings(&town).await["c"].clone(),
        },
    )
    .await;
    assert_eq!(why.seen[0].why.against[0].spoke, Spoke::Title);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_becomes_private_leaves_the_stories_of_others() {
    let origin = Origin::start().await;
    let (text, [a, b]) = two_copies(13, Tongue::English);
    copy(&origin, "/one", "a", &a, &text);
    origin.feed("/two", &[]);
    let lines = |setting: &str| {
        format!(
            "{}{}",
            feed("one", &origin.url("/one"), ""),
            feed("two", &origin.url("/two"), setting)
        )
    };
    let town = Town::new(&lines("")).await;
    copy(&origin, "/two", "b", &b, &text);
    town.pass(DAY).await;
    let found = sightings(&town).await;
    assert_eq!(found["a"], found["b"]);
    town.reload(&lines("private = true")).await.unwrap();
    let found = sightings(&town).await;
    assert_ne!(found["a"], found["b"]);
    let all = town.get("/all.json").await;
    assert_eq!(all.titles(), [a.as_str()]);
    assert!(!all.text().contains("\"two\""), "{}", all.text());
    let hidden = town.get(&format!("/articles/{}", found["b"])).await;
    assert_eq!(hidden.status, 404);
    town.reload(&lines("")).await.unwrap();
    assert_eq!(town.get("/all.json").await.titles().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_leader_vanishes_a_copy_leads_under_the_same_id() {
    let origin = Origin::start().await;
    let (text, [a, b]) = two_copies(14, Tongue::French);
    copy(&origin, "/one", "a", &a, &text);
    origin.feed("/two", &[]);
    let town = Town::new(&two_feeds(&origin)).await;
    copy(&origin, "/two", "b", &b, &text);
    town.pass(DAY).await;
    let before = town.get("/all.atom").await.feed().entries[0].clone();
    assert_eq!(before.title_text(), a);
    let dropped: u64 = ask(
        &town,
        Request::Purge {
            id: "one".to_owned(),
        },
    )
    .await;
    assert_eq!(dropped, 0);
    town.quiet().await;
    let after = town.get("/all.atom").await.feed().entries[0].clone();
    assert_eq!((after.title_text(), &after.id), (b.as_str(), &before.id));
    assert!(
        town.get("/sources/one.atom")
            .await
            .feed()
            .entries
            .is_empty()
    );
}
