//! Tags as readers and an administrator meet them: addresses, aliases, where they come from, and what texts suggest.

use std::time::Duration;

use aggd::control::Client;
use aggd::ops::Request;
use aggd::publish::address::segment;
use serde_json::Value;

use crate::origin::{Origin, Reply, rss_with};
use crate::program::output;
use crate::town::{Town, feed};

/// An item with labels; `&` and `<` in them are the caller's business.
fn item(guid: &str, title: &str, labels: &[&str], text: &str) -> String {
    let labels: String = labels
        .iter()
        .map(|label| format!("<category>{label}</category>"))
        .collect();
    format!(
        "<item><guid isPermaLink=\"false\">{guid}</guid><title>{title}</title>{labels}<description>{text}</description></item>"
    )
}

fn serve(origin: &Origin, path: &str, items: &[String]) {
    origin.serve(path, Reply::ok(rss_with("Feed", "", &items.concat())));
}

async fn ask(town: &Town, request: Request) -> Value {
    let socket = town.dir.path().join("control.sock");
    let client = Client::connect(&socket).await.unwrap().unwrap();
    serde_json::from_str(&client.ask(&request).await.unwrap()).unwrap()
}

async fn names(town: &Town, request: Request) -> Vec<String> {
    let rows = ask(town, request).await;
    let rows = rows.as_array().unwrap();
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_tag_has_its_feed_at_one_address() {
    let long = "very long label ".repeat(13);
    let long = long[..200].trim_end().to_owned() + "zz";
    let long = &long[..200.min(long.len())];
    let han = "疫".repeat(200);
    let labels = [
        "C++",
        "C#",
        "node.js",
        "a/b",
        "50%",
        "疫情",
        "İstanbul",
        "🦀",
        "新聞",
        "AT&amp;T",
        "what?",
        "a;b",
        "x.rss",
        "RSS Feeds",
        long,
        &han,
    ];
    let origin = Origin::start().await;
    let items: Vec<String> = labels
        .iter()
        .enumerate()
        .map(|(n, label)| item(&n.to_string(), &format!("About {n}"), &[label], "text"))
        .collect();
    serve(&origin, "/a", &items);
    let aliases = "[tags.alias]\ncpp = \"C++\"\ncsharp = \"C#\"\nnode = \"node.js\"\n\"新冠\" = \"疫情\"\nConstantinople = \"İstanbul\"\ncrab = \"🦀\"\n\
        ab = \"a/b\"\nhalf = \"50%\"\n";
    let aliases = format!("{aliases}lengthy = {long:?}\n\"長\" = {han:?}\n");
    let town = Town::new(&format!("{}{aliases}", feed("a", &origin.url("/a"), ""))).await;
    for (n, label) in labels.iter().enumerate() {
        let name = label.replace("&amp;", "&");
        for format in ["rss", "atom", "json"] {
            let path = format!("/tags/{}.{format}", segment(&name));
            let answer = town.get(&path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.titles(), [format!("About {n}")], "{path}");
            let own = format!("https://news.example.org{path}");
            let body = answer.text().replace("&amp;", "&");
            assert!(body.contains(&own), "{path} names itself");
        }
        // What ends like a format is a feed, never a page.
        if *label != "x.rss" {
            let page = town.get(&format!("/tags/{}", segment(&name))).await;
            assert_eq!(page.status, 200, "{name}");
        }
    }
    for (other, right) in [
        ("c++", "C++"),
        ("Ｃ++", "C++"),
        ("cpp", "C++"),
        ("CPP", "C++"),
        ("csharp", "C#"),
        ("Node.JS", "node.js"),
        ("node", "node.js"),
        ("A/B", "a/b"),
        ("５０%", "50%"),
        ("新冠", "疫情"),
        ("i\u{307}stanbul", "İstanbul"),
        ("constantinople", "İstanbul"),
        ("crab", "🦀"),
        ("ab", "a/b"),
        ("half", "50%"),
        ("Lengthy", long),
        ("长", &han),
        ("新闻", "新聞"),
        ("#WHAT?", "what?"),
        ("rss feed", "RSS Feeds"),
        (&long.to_uppercase(), long),
    ] {
        for format in [".rss", ".atom", ".json", ""] {
            let path = format!("/tags/{}{format}?n=5&lang=en", segment(other));
            let answer = town.get(&path).await;
            let to = format!(
                "https://news.example.org/tags/{}{format}?n=5&lang=en",
                segment(right)
            );
            assert_eq!(answer.status, 301, "{path}");
            assert_eq!(answer.header("location"), to);
        }
    }
    // Percent-encoding in small letters or none at all is the same address.
    for path in ["/tags/%e7%96%ab%e6%83%85.rss", "/tags/疫情.rss"] {
        assert_eq!(town.get(path).await.status, 200, "{path}");
    }
    assert_eq!(town.get("/tags/never.rss").await.status, 404);
}

#[tokio::test]
async fn each_tag_keeps_who_gave_it() {
    let origin = Origin::start().await;
    let portal = "<item><guid isPermaLink=\"false\">2</guid><title>市委召开会议强调做好防汛工作</title>\
        <link>https://portal.example.cn/shehui/2026/2.html</link>\
        <category>市委</category><category>召开</category><category>会议</category><category>强调</category><category>防汛</category></item>";
    let plain = "<item><guid isPermaLink=\"false\">1</guid><title>A bridge opens</title>\
        <link>https://paper.example/transport/2026/1.html</link><category>Bridges</category><category>uncategorized</category>\
        <category>rust</category></item>";
    serve(&origin, "/a", &[plain.to_owned(), portal.to_owned()]);
    let own = "category = \"tech\"\ntags = [\"rust\"]";
    let more = "[category.tech]\ntags = [\"computers\"]\n[tags]\ndrop = [\"uncategorized\"]\n";
    let town = Town::new(&format!("{}{more}", feed("a", &origin.url("/a"), own))).await;
    let rows = ask(
        &town,
        Request::Articles(aggd::ops::articles::Query {
            limit: 10,
            ..Default::default()
        }),
    )
    .await;
    let id = |title: &str| {
        let rows = rows["articles"].as_array().unwrap();
        let row = rows.iter().find(|row| row["title"] == title).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let why = |explained: &Value| -> Vec<(String, String)> {
        let tags = explained["tags_why"].as_array().unwrap();
        tags.iter()
            .map(|tag| {
                let text = |key: &str| tag[key].as_str().unwrap().to_owned();
                (text("name"), text("origin"))
            })
            .collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let explained = ask(
        &town,
        Request::Explain {
            id: id("A bridge opens"),
        },
    )
    .await;
    assert_eq!(
        why(&explained),
        pairs(&[
            ("rust", "source"),
            ("computers", "category"),
            ("Bridges", "publisher"),
            ("transport", "url"),
        ])
    );
    let explained = ask(
        &town,
        Request::Explain {
            id: id("市委召开会议强调做好防汛工作"),
        },
    )
    .await;
    // The words of the headline are suggestions at best.
    assert_eq!(
        why(&explained),
        pairs(&[
            ("rust", "source"),
            ("computers", "category"),
            ("shehui", "url")
        ])
    );
    let suggested = explained["suggested"].as_array().unwrap();
    assert!(suggested.iter().any(|name| name == "防汛"), "{suggested:?}");
    assert_eq!(town.get("/tags/防汛.rss").await.status, 404);
}

fn about_eels(n: usize) -> String {
    item(
        &n.to_string(),
        &format!("Eel count number {n} on the river"),
        &["Nature"],
        "The glass eels return to the estuary. Volunteers count glass eels every night, and the glass eels are carried over \
         the weir. Migration begins in spring; the estuary is where migration ends.",
    )
}

#[tokio::test]
async fn keywords_are_suggested_first_and_published_when_asked() {
    let origin = Origin::start().await;
    serve(&origin, "/a", &[1, 2, 3].map(about_eels));
    let source = feed("a", &origin.url("/a"), "") + "[dedup]\nmode = \"off\"\n";
    let town = Town::new(&source).await;
    let suggested = names(&town, Request::Suggestions { articles: 100 }).await;
    assert!(
        suggested.contains(&"glass eels".to_owned()),
        "{suggested:?}"
    );
    assert_eq!(names(&town, Request::Tags {}).await, ["Nature"]);
    assert_eq!(town.get("/tags/glass%20eels.rss").await.status, 404);

    let publish = format!("{source}[tags]\nauto = \"publish\"\n");
    town.reload(&publish).await.unwrap();
    assert_eq!(town.get("/tags/glass%20eels.rss").await.titles().len(), 3);
    let related = Request::Related {
        tag: "nature".to_owned(),
    };
    assert!(
        names(&town, related)
            .await
            .contains(&"glass eels".to_owned())
    );

    // And back again: nobody keeps a tag that was only guessed.
    town.reload(&source).await.unwrap();
    assert!(town.get("/tags/glass%20eels.rss").await.titles().is_empty());
    let off = format!("{source}[tags]\nauto = \"off\"\npublish_min = 1\n");
    town.reload(&off).await.unwrap();
    serve(&origin, "/a", &[1, 2, 3, 4].map(about_eels));
    town.pass(Duration::from_hours(26)).await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 4);
    let suggested = names(&town, Request::Suggestions { articles: 1 }).await;
    assert_eq!(suggested, Vec::<String>::new());
}

#[tokio::test]
async fn known_labels_are_those_that_others_use_too() {
    let origin = Origin::start().await;
    let first = [item(
        "1",
        "One thing",
        &["Shared", "Lonely", "Ours"],
        "text",
    )];
    let second = [item("2", "Another thing", &["shared", "Other"], "text")];
    serve(&origin, "/a", &first);
    serve(&origin, "/b", &second);
    serve(
        &origin,
        "/c",
        &[item("3", "A third thing", &["lonely"], "text")],
    );
    let sources =
        feed("a", &origin.url("/a"), "tags = [\"ours\"]") + &feed("b", &origin.url("/b"), "");
    let private = feed("c", &origin.url("/c"), "private = true");
    let known =
        format!("{sources}{private}[tags]\npublisher = \"known\"\n[tags.alias]\nfoo = \"other\"\n");
    let town = Town::new(&known).await;
    // Which of the two came first is chance; labelled once more, both know of each other. A private feed counts for nothing.
    let town = town
        .restart(
            &format!("{known}[tags.label]\nx = \"X\"\n"),
            Duration::from_secs(1),
        )
        .await;
    let mut tags = names(&town, Request::Tags {}).await;
    tags.sort_by_key(|name| name.to_lowercase());
    let lower: Vec<String> = tags.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower, ["other", "ours", "shared"]);
    assert_eq!(town.get("/tags/Lonely.rss").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tags_become_one_and_kept_articles_follow() {
    let origin = Origin::start().await;
    serve(
        &origin,
        "/a",
        &[
            item("1", "First", &["rustlang"], "text"),
            item("2", "Second", &["Rust"], "text"),
            item("3", "Third", &["人工智慧"], "text"),
        ],
    );
    let comment = "[tags] # what our readers say\npublish_min = 1\n";
    let town = Town::new(&format!("{comment}{}", feed("a", &origin.url("/a"), ""))).await;
    assert_eq!(town.get("/tags/rustlang.rss").await.titles(), ["First"]);
    let dir = town.dir.path().to_owned();
    let merge = |from: &'static str, to: &'static str| {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || {
            let args = ["-c", "feeds.toml", "tags", "merge", from, to];
            let done = output(&dir, &args);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            (done.status.code(), said)
        })
    };
    let (code, said) = merge("rustlang", "Rust").await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(merge("人工智慧", "AI").await.unwrap().0, Some(0));
    town.quiet().await;
    let written = std::fs::read_to_string(dir.join("feeds.toml")).unwrap();
    assert!(written.contains("# what our readers say"), "{written}");

    let mut titles = town.get("/tags/Rust.rss").await.titles();
    titles.sort();
    assert_eq!(titles, ["First", "Second"]);
    assert_eq!(town.get("/tags/AI.json").await.titles(), ["Third"]);
    let moved = town.get("/tags/rustlang.atom?n=3").await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, "https://news.example.org/tags/Rust.atom?n=3")
    );
    // Nonsense is refused, and the file stays as it is.
    for (from, to, expected) in [("RUST", "rust", 2), ("Rust", "rustlang", 5), ("", "x", 2)] {
        let (code, said) = merge(from, to).await.unwrap();
        assert_eq!(code, Some(expected), "{from} {to}: {said}");
    }
    assert_eq!(
        std::fs::read_to_string(dir.join("feeds.toml")).unwrap(),
        written
    );
}

#[tokio::test]
async fn the_language_of_an_article_is_told() {
    let origin = Origin::start().await;
    let channel = "<language>en</language>";
    let items = [
        item("1", "The council votes on the new housing bill", &[], ""),
        item("2", "臺北市長宣布明年起調整捷運票價", &[], ""),
        item("3", "首相、来週にも内閣改造を検討", &[], ""),
    ];
    origin.serve("/a", Reply::ok(rss_with("Feed", channel, &items.concat())));
    let town = Town::new(&feed("a", &origin.url("/a"), "")).await;
    for (language, titles) in [
        ("en", vec!["The council votes on the new housing bill"]),
        ("zh", vec!["臺北市長宣布明年起調整捷運票價"]),
        ("ja", vec!["首相、来週にも内閣改造を検討"]),
        ("fr", vec![]),
    ] {
        let answer = town.get(&format!("/all.rss?lang={language}")).await;
        assert_eq!(answer.titles(), titles, "{language}");
    }
}
