//! What readers of the feeds see: names, pages, archives, what changes and what stays.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aggd::metrics::Metrics;
use aggd::model::article::ArticleId;
use aggd::model::document::Document as Bytes;
use aggd::model::entry::{Content, Entry, Feed};
use aggd::model::source::{Secret, Source, SourceId};
use aggd::model::time::Timestamp;
use aggd::parse;
use aggd::publish::address::Request;
use aggd::publish::document::{Coding, Document};
use aggd::publish::{
    self, Answer, Error, Extent, Facts, Output, Publisher, Settings, Shape, Site, Token, preview,
};
use aggd::store::memory::Memory;
use aggd::store::{Change, Store};
use tokio_util::sync::CancellationToken;

use super::hostile;
use super::samples::{Sample, article, article_at, batch, hours, id};

pub(crate) fn configured(name: &str, category: Option<&str>) -> Source {
    let url = format!("https://user:secret@{name}.example/feed");
    Source {
        category: category.map(str::to_owned),
        ..Source::new(SourceId::new(name).unwrap(), &url)
    }
}

/// Adds a source to the configuration, or puts it in the place of the one with its name.
pub(crate) fn put(settings: &mut Settings, source: Source) {
    let facts = Facts::of(Arc::new(source.clone()), Duration::from_mins(15));
    settings.sources.insert(source.id, facts);
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings {
        site: Site {
            public_url: "https://news.example.org/".parse().unwrap(),
            title: "Example planet".to_owned(),
        },
        options: publish::Options::default(),
        label: aggd::label::Options::default(),
        sources: BTreeMap::new(),
        outputs: Vec::new(),
        only: None,
        shape: Shape::default(),
    };
    put(&mut settings, configured("blog", Some("tech")));
    put(&mut settings, configured("ribao", Some("社会新闻")));
    settings
}

/// A publisher over a store in memory, which follows it.
pub(crate) struct Desk {
    pub store: Arc<Memory>,
    pub publisher: Arc<Publisher>,
    pub metrics: Metrics,
    stop: CancellationToken,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Desk {
    pub(crate) async fn new(settings: Settings, samples: Vec<Sample>) -> Self {
        let store = Arc::new(Memory::new(("news.example.org".to_owned(), 2026)));
        let samples: Vec<Change> = samples.into_iter().map(Sample::founded).collect();
        if !samples.is_empty() {
            store.commit(batch(samples), hours(0)).await.unwrap();
        }
        Self::over(store, settings)
    }

    pub(crate) fn over(store: Arc<Memory>, settings: Settings) -> Self {
        let metrics = Metrics::default();
        let publisher = Arc::new(Publisher::new(store.clone(), metrics.clone(), settings));
        let stop = CancellationToken::new();
        let follower = Arc::clone(&publisher).run(stop.clone());
        tokio_util::task::TaskTracker::new().spawn(follower);
        Self {
            store,
            publisher,
            metrics,
            stop,
        }
    }

    /// Commits and waits until it is published.
    pub(crate) async fn commit(&self, changes: impl IntoIterator<Item = Change>, now: Timestamp) {
        self.store.commit(batch(changes), now).await.unwrap();
        self.publisher.followed(self.store.revision()).await;
    }

    pub(crate) async fn ask(&self, target: &str) -> Result<Answer, Error> {
        self.publisher.get(&Request::parse(target)?).await
    }

    pub(crate) async fn document(&self, target: &str) -> Arc<Document> {
        match self.ask(target).await {
            Ok(Answer::Document(document)) => document,
            other => panic!("{target}: {other:?}"),
        }
    }

    pub(crate) async fn text(&self, target: &str) -> String {
        String::from_utf8(self.document(target).await.plain().to_vec()).unwrap()
    }

    pub(crate) async fn feed(&self, target: &str) -> Feed {
        read(self.text(target).await)
    }

    async fn ids(&self, target: &str) -> Vec<String> {
        self.feed(target)
            .await
            .entries
            .into_iter()
            .map(|entry| entry.id)
            .collect()
    }

    async fn moved(&self, target: &str) -> String {
        match self.ask(target).await {
            Ok(Answer::Moved(to)) => to,
            other => panic!("{target}: {other:?}"),
        }
    }

    async fn refusal(&self, target: &str) -> Error {
        match self.ask(target).await {
            Err(error) => error,
            other => panic!("{target}: {other:?}"),
        }
    }
}

fn read(text: String) -> Feed {
    let document = Bytes {
        body: text.into(),
        ..Bytes::default()
    };
    let parsed = parse::parse(&document, &parse::Options::default()).unwrap();
    assert!(parsed.feed.well_formed, "{:?}", parsed.warnings);
    parsed.feed
}

/// The text, whatever its kind: only JSON Feed tells plain from HTML.
fn shown(entry: &Entry) -> Option<&str> {
    entry.content.as_ref().map(|content| match content {
        Content::Html(text) | Content::Plain(text) => text.as_str(),
    })
}

fn link<'a>(feed: &'a Feed, rel: &str) -> Option<&'a str> {
    feed.links
        .iter()
        .find(|link| link.rel == rel)
        .map(|link| link.href.as_str())
}

/// The path and query of one of our own URLs.
fn path(url: &str) -> String {
    url.strip_prefix("https://news.example.org")
        .unwrap()
        .to_owned()
}

fn numbered(count: u64) -> Vec<Sample> {
    (0..count)
        .map(|n| {
            article(&format!("n{n}"))
                .tag("Rust")
                .published(hours(0) - Duration::from_secs(60 * (n / 3)))
        })
        .collect()
}

#[tokio::test]
async fn documents_are_as_agreed() {
    let chinese = vec![
        article_at("ribao", "一")
            .tag("疫情")
            .category("社会新闻")
            .title("疫情防控“新闻”——数据")
            .language(Some("zh-Hans"))
            .content("<p>中国新闻网北京11月24日电　全文。</p>")
            .also_at("blog", "copy"),
        article_at("ribao", "二")
            .tag("C++")
            .category("社会新闻")
            .title("標題、ｶﾅ、한국어")
            .language(Some("zh-Hant")),
    ];
    for (name, samples) in [
        ("empty", Vec::new()),
        ("chinese", chinese),
        ("hostile", hostile::troubles()),
    ] {
        let desk = Desk::new(settings(), samples).await;
        for ending in ["rss", "atom", "json"] {
            let text = desk.text(&format!("/all.{ending}")).await;
            expect(
                &format!("{name}.{ending}"),
                &text.replace(env!("CARGO_PKG_VERSION"), "VERSION"),
            );
        }
    }
}

/// Compares with a golden file, an item to a line; `UPDATE_EXPECT=1` writes it.
fn expect(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let lines = text
        .replace("<item>", "\n<item>")
        .replace("<entry", "\n<entry")
        .replace("},{\"id\"", "},\n{\"id\"");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &lines).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (line, wanted)) in lines.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            line,
            wanted,
            "{name}, line {}; UPDATE_EXPECT=1 takes it over",
            number + 1
        );
    }
    assert_eq!(lines.lines().count(), expected.lines().count(), "{name}");
}

#[tokio::test]
async fn one_article_is_the_same_in_three_formats() {
    let desk = Desk::new(settings(), hostile::troubles()).await;
    let atom = desk.feed("/all.atom").await;
    assert_eq!(atom.entries.len(), hostile::troubles().len());
    for ending in ["rss", "json"] {
        let other = desk.feed(&format!("/all.{ending}")).await;
        for (a, b) in atom.entries.iter().zip(&other.entries) {
            assert_eq!(a.id, b.id, "{ending}");
            assert_eq!(a.title_text(), b.title_text(), "{ending} {}", a.id);
            assert_eq!(a.url, b.url, "{ending} {}", a.id);
            assert_eq!(a.published, b.published, "{ending} {}", a.id);
            assert_eq!(shown(a), shown(b), "{ending} {}", a.id);
            let labels = |entry: &Entry| -> BTreeSet<String> {
                entry
                    .terms
                    .iter()
                    .filter_map(|term| term.term.clone().or(term.label.clone()))
                    .collect()
            };
            assert_eq!(labels(a), labels(b), "{ending} {}", a.id);
        }
    }
    let hash = id("blog", "script-in-title").to_string();
    assert!(
        atom.entries
            .iter()
            .any(|entry| entry.id == format!("tag:news.example.org,2026:a/{hash}"))
    );
}

#[tokio::test]
async fn what_the_publisher_said_comes_through() {
    let desk = Desk::new(settings(), hostile::troubles()).await;
    for ending in ["rss", "atom"] {
        let feed = desk.feed(&format!("/all.{ending}")).await;
        let entry = |name: &str, at: &str| {
            let hash = id(at, name).to_string();
            feed.entries
                .iter()
                .find(|entry| entry.id.ends_with(&hash))
                .unwrap()
        };
        let episode = entry("episode", "pod");
        assert_eq!(
            episode.enclosures[0].url, "https://pod.example/1.mp3",
            "{ending}"
        );
        assert_eq!(episode.enclosures[0].length, Some(12345));
        let details = episode.episode.as_ref().unwrap();
        assert_eq!(
            (details.episode, details.season, details.duration),
            (Some(12), Some(2), Some(3723)),
            "{ending}"
        );
        assert_eq!(
            episode.image.as_deref(),
            Some("https://pod.example/cover.jpg")
        );
        let commented = entry("one-author", "blog").comments.as_ref().unwrap();
        assert_eq!(commented.count, Some(7), "{ending}");
        assert_eq!(
            commented.feed_url.as_deref(),
            Some("https://blog.example/c.rss"),
            "{ending}"
        );
        let people = entry("people", "blog");
        assert_eq!(
            people.contributors[0].name.as_deref(),
            Some("责任编辑：李四"),
            "{ending}"
        );
        assert_eq!(
            people.dc_source.as_deref(),
            Some("新华社 & <\u{200b}others>"),
            "{ending}"
        );
        assert_eq!(
            people.authors.last().unwrap().name.as_deref(),
            Some("Bob"),
            "{ending}"
        );
        let copied = entry("cjk0", "ribao");
        assert!(
            copied.links.iter().any(|link| link.rel == "related"
                && link.href == "https://blog.example/copy0"
                && link.title.as_deref() == Some("The blog")),
            "{ending} {:?}",
            copied.links
        );
        let source = copied.source.as_ref().unwrap();
        assert_eq!(source.title.as_ref().unwrap().plain, "人民日报", "{ending}");
    }
    let json = desk.text("/all.json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let items = json["items"].as_array().unwrap();
    let item = items
        .iter()
        .find(|item| item["_aggd"]["guid"] == "cjk0")
        .unwrap();
    assert_eq!(item["_aggd"]["source"]["id"], "ribao");
    assert_eq!(item["_aggd"]["also_in"][0]["id"], "blog");
    assert_eq!(
        item["_aggd"]["also_in"][0]["url"],
        "https://blog.example/copy0"
    );
}

#[tokio::test]
async fn other_parsers_read_the_same() {
    let desk = Desk::new(settings(), hostile::troubles()).await;
    for ending in ["rss", "atom", "json"] {
        let target = format!("/all.{ending}");
        let ours = desk.feed(&target).await;
        let theirs = feed_rs::parser::parse(desk.text(&target).await.as_bytes()).unwrap();
        assert_eq!(theirs.entries.len(), ours.entries.len(), "{ending}");
        for (a, b) in ours.entries.iter().zip(&theirs.entries) {
            assert_eq!(a.id, b.id, "{ending}");
            let title = b.title.as_ref().map(|title| title.content.as_str());
            assert_eq!(Some(a.title_text()), title, "{ending} {}", a.id);
            let at = b.published.map(|at| at.timestamp());
            assert_eq!(a.published.map(Timestamp::as_secs), at, "{ending} {}", a.id);
            let link = |href: &String| b.links.iter().any(|link| link.href == *href);
            assert!(a.url.iter().all(link), "{ending} {:?} {:?}", a.url, b.links);
            let terms: BTreeSet<&str> = b.categories.iter().map(|one| one.term.as_str()).collect();
            let own = a
                .terms
                .iter()
                .filter_map(|term| term.term.as_deref().or(term.label.as_deref()));
            assert_eq!(own.collect::<BTreeSet<_>>(), terms, "{ending} {}", a.id);
        }
    }
}

#[tokio::test]
async fn the_wire_is_named_without_confusing_it_with_the_source() {
    let desk = Desk::new(settings(), hostile::troubles()).await;
    let rss = desk.text("/all.rss").await;
    assert!(rss.contains("<rdf:Description><dc:source>新华社 &amp; &lt;\u{200b}others&gt;</dc:source></rdf:Description>"));
    let atom = desk.text("/all.atom").await;
    assert!(atom.contains("<dc:source>新华社 &amp; &lt;\u{200b}others&gt;</dc:source><source>"));
}

#[tokio::test]
async fn pages_are_disjoint_and_end_while_articles_arrive() {
    let desk = Desk::new(settings(), numbered(60)).await;
    for ending in ["rss", "atom", "json"] {
        let mut seen: Vec<String> = Vec::new();
        let mut next = Some(format!("/tags/Rust.{ending}?n=7"));
        let mut pages = Vec::new();
        while let Some(target) = next {
            let feed = desk.feed(&target).await;
            seen.extend(feed.entries.iter().map(|entry| entry.id.clone()));
            next = link(&feed, "next").or(feed.next_url.as_deref()).map(path);
            pages.push(target);
            let fresh = article(&format!("fresh-{ending}-{}", pages.len()))
                .tag("Rust")
                .published(hours(1));
            desk.commit([fresh.founded()], hours(1)).await;
            assert!(pages.len() < 30, "the pages do not end");
        }
        let distinct: HashSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{ending}: an article twice");
        let old = (0..60).map(|n| id("blog", &format!("n{n}")).to_string());
        for hash in old {
            assert!(
                seen.iter().any(|id| id.ends_with(&hash)),
                "{ending}: {hash} is missing"
            );
        }
    }
}

#[tokio::test]
async fn the_way_back_shows_the_same_articles() {
    let desk = Desk::new(settings(), numbered(20)).await;
    let first = desk.feed("/all.atom?n=5").await;
    assert_eq!(link(&first, "previous"), None);
    let second = desk.feed(&path(link(&first, "next").unwrap())).await;
    let third = desk.feed(&path(link(&second, "next").unwrap())).await;
    let back = desk.feed(&path(link(&third, "previous").unwrap())).await;
    let ids = |feed: &Feed| {
        feed.entries
            .iter()
            .map(|entry| entry.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&back), ids(&second));
    assert_eq!(
        link(&third, "first"),
        Some("https://news.example.org/all.atom?n=5")
    );
}

#[tokio::test]
async fn what_does_not_fit_is_on_the_next_page() {
    let long = |n: u64| {
        article(&format!("n{n}"))
            .content(&format!("<p>{}</p>", "word ".repeat(500)))
            .published(hours(0) - Duration::from_secs(n))
    };
    let mut settings = settings();
    settings.options.max_bytes = 20_000;
    let mut samples: Vec<Sample> = (0..30).map(long).collect();
    samples.push(long(99).content(&format!("<p>{}</p>", "huge ".repeat(20_000))));
    let desk = Desk::new(settings, samples).await;
    for ending in ["rss", "atom", "json"] {
        let mut next = Some(format!("/all.{ending}"));
        let mut count = 0;
        while let Some(target) = next {
            let text = desk.text(&target).await;
            assert!(text.len() <= 20_000, "{target} has {} bytes", text.len());
            let feed = read(text);
            assert!(!feed.entries.is_empty());
            count += feed.entries.len();
            next = link(&feed, "next").or(feed.next_url.as_deref()).map(path);
        }
        assert_eq!(count, 31, "{ending}");
    }
}

#[tokio::test]
async fn a_change_reaches_the_feeds_it_concerns_and_only_them() {
    let samples = vec![article("a").tag("Rust"), article_at("ribao", "b").tag("Go")];
    let desk = Desk::new(settings(), samples).await;
    let etag = |document: &Document| document.variant(Coding::Identity).etag.clone();
    let (rust, go) = (
        desk.document("/tags/Rust.atom").await,
        desk.document("/tags/Go.atom").await,
    );
    desk.commit([article("c").tag("Rust").founded()], hours(2))
        .await;
    assert_ne!(etag(&*desk.document("/tags/Rust.atom").await), etag(&rust));
    assert!(Arc::ptr_eq(&desk.document("/tags/Go.atom").await, &go));
    assert_eq!(desk.ids("/tags/Rust.atom").await.len(), 2);
}

#[tokio::test]
async fn the_same_store_gives_the_same_bytes() {
    let one = Desk::new(settings(), hostile::troubles()).await;
    let other = Desk::over(Arc::clone(&one.store), settings());
    for target in [
        "/all.rss",
        "/tags/Rust.atom",
        "/all.json?n=3",
        "/",
        "/opml/own",
        "/opml",
    ] {
        let (a, b) = (one.document(target).await, other.document(target).await);
        for coding in Coding::ALL {
            assert_eq!(
                a.variant(coding).body,
                b.variant(coding).body,
                "{target} {coding:?}"
            );
        }
        assert_eq!(a.last_modified(), b.last_modified());
    }
}

#[tokio::test]
async fn a_deletion_shows_and_time_does_not_run_back() {
    let samples = vec![
        article("a").tag("Rust"),
        article("b")
            .tag("Rust")
            .published(hours(0) - Duration::from_hours(9)),
    ];
    let desk = Desk::new(settings(), samples).await;
    desk.commit([article("c").tag("Rust").founded()], hours(3))
        .await;
    let before = desk.document("/tags/Rust.rss").await;
    desk.commit(
        [Change::Removed {
            id: id("blog", "c"),
        }],
        hours(5),
    )
    .await;
    let after = desk.document("/tags/Rust.rss").await;
    assert!(after.modified() > before.modified());
    assert_eq!(after.modified(), hours(5));
    assert_eq!(desk.ids("/tags/Rust.rss").await.len(), 2);
    let gone = desk
        .refusal(&format!("/articles/{}", id("blog", "c")))
        .await;
    assert!(matches!(gone, Error::Gone(_)), "{gone}");
}

#[tokio::test]
async fn a_list_that_was_is_empty_and_one_that_never_was_is_not_found() {
    let desk = Desk::new(settings(), vec![article("a").tag("Rust")]).await;
    desk.commit(
        [Change::Removed {
            id: id("blog", "a"),
        }],
        hours(1),
    )
    .await;
    assert!(desk.ids("/tags/Rust.atom").await.is_empty());
    for target in [
        "/tags/Go.atom",
        "/categories/none.rss",
        "/sources/nobody.json",
        "/outputs/none.rss",
    ] {
        let refusal = desk.refusal(target).await;
        assert!(matches!(refusal, Error::NotFound(_)), "{target}: {refusal}");
    }
    // Configured, though nothing came yet.
    assert!(desk.ids("/sources/ribao.rss").await.is_empty());
    assert!(desk.ids("/categories/社会新闻.rss").await.is_empty());
}

#[tokio::test]
async fn other_spellings_lead_to_the_one_that_counts() {
    let mut settings = settings();
    settings
        .label
        .alias
        .insert("rustlang".to_owned(), "rust".to_owned());
    settings
        .label
        .label
        .insert("ai".to_owned(), "AI".to_owned());
    let samples = vec![
        article("a")
            .tag("Rust")
            .tag("ai")
            .tag("新聞")
            .category("Tech News"),
    ];
    let desk = Desk::new(settings, samples).await;
    for (target, to) in [
        ("/tags/rust.rss", "tags/Rust.rss"),
        ("/tags/RUST?n=3", "tags/Rust?n=3"),
        ("/tags/rustlang.atom?lang=en", "tags/Rust.atom?lang=en"),
        ("/tags/ai.json", "tags/AI.json"),
        ("/tags/新闻.rss", "tags/%E6%96%B0%E8%81%9E.rss"),
        ("/categories/tech%20news.rss", "categories/Tech%20News.rss"),
        ("/feed?n=1", "all.rss?n=1"),
        ("/atom.xml", "all.atom"),
        ("/feed.json", "all.json"),
    ] {
        assert_eq!(
            desk.moved(target).await,
            format!("https://news.example.org/{to}"),
            "{target}"
        );
    }
    assert_eq!(desk.ids("/tags/AI.rss").await.len(), 1);
}

#[tokio::test]
async fn the_first_to_publish_a_label_decides_how_it_is_spelt() {
    let desk = Desk::new(settings(), vec![article_at("ribao", "a").tag("Rust")]).await;
    // Asked for too early, and in spellings that nobody will use.
    assert!(matches!(
        desk.refusal("/tags/Go.atom").await,
        Error::NotFound(_)
    ));
    assert!(desk.ids("/categories/TECH.rss").await.is_empty());
    let before = desk.document("/sources/ribao.rss").await;
    let news = ["1", "2", "3"].map(|guid| article(guid).tag("rust").tag("go").category("tech"));
    desk.commit(news.map(Sample::founded), hours(2)).await;
    for (target, to) in [
        ("/tags/rust.rss", "tags/Rust.rss"),
        ("/tags/Go.atom", "tags/go.atom"),
        ("/categories/TECH.rss?n=3", "categories/tech.rss?n=3"),
    ] {
        let to = format!("https://news.example.org/{to}");
        assert_eq!(desk.moved(target).await, to, "{target}");
    }
    assert_eq!(desk.ids("/tags/Rust.rss").await.len(), 4);
    // What others call it changes no byte elsewhere, whoever renders it.
    let other = Desk::over(Arc::clone(&desk.store), settings());
    let after = other.document("/sources/ribao.rss").await;
    assert_eq!(after.plain(), before.plain());
    assert_eq!(after.modified(), before.modified());
}

#[tokio::test]
async fn the_page_of_a_tag_names_its_neighbours() {
    let samples = vec![
        article("a").tag("Rust").tag("C++").tag("a/b"),
        article("b").tag("Rust").tag("C++"),
        article("c").tag("Go"),
    ];
    let desk = Desk::new(settings(), samples).await;
    let page = desk.text("/tags/Rust").await;
    let (_, related) = page.split_once("<h2>Related tags</h2>").unwrap();
    let (related, _) = related.split_once("</nav>").unwrap();
    let names: Vec<&str> = related.split("href=\"").skip(1).collect();
    assert!(names[0].starts_with("/tags/C++\"") || names[0].starts_with("/tags/C%2B%2B\""));
    assert!(names[1].starts_with("/tags/a%2Fb\""), "{related}");
    assert_eq!(names.len(), 2, "{related}");
    assert!(!desk.text("/tags/Go").await.contains("Related tags"));
    assert!(!desk.text("/").await.contains("Related tags"));
}

#[tokio::test]
async fn articles_have_pages_and_merged_ones_lead_on() {
    let other = ArticleId(7);
    let desk = Desk::new(
        settings(),
        vec![article("a").title("Title & <more>").alias(other)],
    )
    .await;
    let own = id("blog", "a");
    let page = desk.text(&format!("/articles/{own}")).await;
    assert!(
        page.contains("<h1>Title &amp; &lt;\u{200b}more&gt;</h1>"),
        "{page}"
    );
    assert_eq!(
        desk.moved(&format!("/articles/{other}")).await,
        format!("https://news.example.org/articles/{own}")
    );
    let never = desk.refusal(&format!("/articles/{}", ArticleId(8))).await;
    assert!(matches!(never, Error::NotFound(_)));
}

#[tokio::test]
async fn a_page_names_the_feeds_of_its_own_list() {
    let desk = Desk::new(settings(), vec![article("a").tag("疫情")]).await;
    let page = desk.text("/tags/疫情").await;
    for ending in ["rss", "atom", "json"] {
        let href = format!("href=\"https://news.example.org/tags/%E7%96%AB%E6%83%85.{ending}\"");
        assert!(page.contains(&href), "{href} in {page}");
    }
    assert!(page.contains("Title of a") && !page.contains("<script"));
    for index in ["/", "/tags/", "/categories/", "/sources/", "/popular"] {
        assert!(
            desk.text(index).await.starts_with("<!doctype html>"),
            "{index}"
        );
    }
}

#[tokio::test]
async fn filters_narrow_and_combine() {
    let samples = vec![
        article("a").tag("Rust").tag("C++").language(Some("en-GB")),
        article("b").tag("Rust").language(Some("zh-Hans")).image(),
        article_at("ribao", "c").tag("a/b").category("社会新闻"),
    ];
    let desk = Desk::new(settings(), samples).await;
    for (query, count) in [
        ("tag=rust", 2),
        ("tag=Rust&tag=C++", 1),
        ("tag=Rust&tag=C%2B%2B", 1),
        ("any=C%2B%2B&any=a%2Fb", 2),
        ("not=Rust", 1),
        ("lang=zh", 1),
        ("has=image", 1),
        ("source=ribao", 1),
        ("category=%E7%A4%BE%E4%BC%9A%E6%96%B0%E9%97%BB", 1),
        ("since=2030-01-01T00:00:00Z", 0),
        ("before=2030-01-01T00:00:00Z", 3),
        ("n=2", 2),
    ] {
        assert_eq!(
            desk.ids(&format!("/all.atom?{query}")).await.len(),
            count,
            "{query}"
        );
    }
    let feed = desk.feed("/all.atom?lang=zh&n=5").await;
    assert_eq!(
        link(&feed, "self"),
        Some("https://news.example.org/all.atom?lang=zh&n=5")
    );
}

#[tokio::test]
async fn words_are_found_wherever_they_stand() {
    let samples = vec![
        article("a")
            .title("The 疫情 of 2026")
            .content("<p>Nothing <b>else</b></p>"),
        article("b")
            .tag("Rust")
            .content("<p>Ferris &amp; friends, 新聞</p>"),
        article_at("ribao", "c").published(hours(0) - Duration::from_hours(3)),
        article("hidden").private().title("疫情 Ferris"),
    ];
    let desk = Desk::new(settings(), samples).await;
    for (query, count) in [
        ("%E7%96%AB%E6%83%85", 1),
        ("nothing%20ELSE", 1),
        ("else%20ferris", 0),
        ("rust", 1),
        ("新闻", 1),
        ("the%20ribao", 1),
        ("text%20of&source=ribao", 1),
        ("%26", 1),
        ("nowhere", 0),
    ] {
        assert_eq!(
            desk.ids(&format!("/search.atom?q={query}")).await.len(),
            count,
            "{query}"
        );
    }
    let page = desk.text("/search?q=rust").await;
    assert!(
        page.contains("href=\"https://news.example.org/search.rss?q=rust\""),
        "{page}"
    );
    let feed = desk.feed("/search.atom?q=rust").await;
    assert_eq!(
        link(&feed, "alternate"),
        Some("https://news.example.org/search?q=rust")
    );
}

#[tokio::test]
async fn what_is_found_has_pages_too() {
    let mut samples = numbered(60);
    for sample in samples.iter_mut().step_by(2) {
        *sample = sample.clone().title("even 偶数");
    }
    let desk = Desk::new(settings(), samples).await;
    let mut seen = Vec::new();
    let mut next = Some("/search.atom?q=偶数&n=7".to_owned());
    let mut last = String::new();
    while let Some(target) = next {
        let feed = desk.feed(&target).await;
        seen.extend(feed.entries.iter().map(|entry| entry.id.clone()));
        next = link(&feed, "next").map(path);
        last = target;
    }
    assert_eq!(seen.len(), 30);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 30);
    let back = desk.feed(&last).await;
    let back = desk.ids(&path(link(&back, "previous").unwrap())).await;
    assert_eq!(back, seen[21..28]);
}

#[tokio::test]
async fn private_outputs_open_with_their_token_alone() {
    let mut settings = settings();
    let intranet = Source {
        private: true,
        ..configured("intranet", None)
    };
    put(&mut settings, intranet);
    let output = |id: &str, tokens: &[&str]| Output {
        id: id.to_owned(),
        restricted: !tokens.is_empty(),
        tokens: tokens
            .iter()
            .map(|secret| Token::of("phone", &Secret::new((*secret).to_owned())))
            .collect(),
        ..Output::new(id)
    };
    settings.outputs = vec![
        output("open", &[]),
        output("inner", &["sesame", "other"]),
        output("third", &["third"]),
    ];
    let samples = vec![
        article_at("intranet", "s")
            .private()
            .output("inner")
            .output("open")
            .tag("Secret")
            .category("Inner"),
        article("p").output("inner").output("open"),
    ];
    let desk = Desk::new(settings, samples).await;
    for secret in ["sesame", "other"] {
        let target = format!("/p/{secret}/outputs/inner.atom");
        let feed = desk.feed(&target).await;
        assert_eq!(feed.entries.len(), 2);
        assert_eq!(link(&feed, "self").map(path), Some(target.clone()));
        let document = desk.document(&target).await;
        let headers = &document.variant(Coding::Identity).headers;
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .starts_with("private")
        );
    }
    for target in [
        "/outputs/inner.atom",
        "/p/wrong/outputs/inner.atom",
        "/p/third/outputs/inner.atom",
        "/p/sesame/outputs/third.atom",
        "/p/sesame/all.atom",
        "/sources/intranet.rss",
        "/tags/Secret.rss",
        "/categories/Inner.rss",
    ] {
        assert!(
            matches!(desk.refusal(target).await, Error::NotFound(_)),
            "{target}"
        );
    }
    assert!(
        desk.publisher
            .cached("p/sesame/outputs/inner.atom")
            .is_none()
    );
    for target in [
        "/all.json",
        "/outputs/open.json",
        "/opml",
        "/opml/own",
        "/sources/",
        "/tags/",
        "/categories/",
        "/",
        "/popular.rss",
    ] {
        let text = desk.text(target).await;
        assert!(
            !text.contains("intranet") && !text.contains("Secret") && !text.contains("inner"),
            "{target}: {text}"
        );
    }
    assert!(!desk.text("/opml").await.contains("secret@"));
}

#[tokio::test]
async fn months_become_archives() {
    let day = |month, day| Timestamp::from_civil(2026, month, day, 12, 0, 0).unwrap();
    let at = |guid: &str, when| article(guid).first_seen(when).published(when);
    let samples = vec![
        at("sep", day(9, 5)),
        at("oct1", day(10, 1)),
        at("oct2", day(10, 31)),
        at("nov", day(11, 20)),
    ];
    let desk = Desk::new(settings(), samples).await;
    let current = desk.feed("/all.atom").await;
    let october = link(&current, "prev-archive").map(path).unwrap();
    assert_eq!(october, "/all/2026-10.atom");
    let archive = desk.feed(&october).await;
    assert_eq!(archive.entries.len(), 2);
    assert_eq!(
        link(&archive, "current"),
        Some("https://news.example.org/all.atom")
    );
    assert_eq!(
        link(&archive, "prev-archive").map(path).as_deref(),
        Some("/all/2026-09.atom")
    );
    let september = desk.feed("/all/2026-09.atom").await;
    assert_eq!(
        link(&september, "next-archive").map(path).as_deref(),
        Some("/all/2026-10.atom")
    );
    let document = desk.document(&october).await;
    let headers = &document.variant(Coding::Identity).headers;
    assert_eq!(headers["cache-control"], "public, max-age=86400");
    assert!(desk.text(&october).await.contains("<fh:archive"));
    for target in [
        "/all/2026-11.atom",
        "/all/2026-12.atom",
        "/all/2020-01.atom",
    ] {
        assert!(
            matches!(desk.refusal(target).await, Error::NotFound(_)),
            "{target}"
        );
    }
    // News elsewhere leave a finished month alone.
    desk.commit([at("later", day(11, 24)).founded()], hours(1))
        .await;
    assert_eq!(desk.document(&october).await.plain(), document.plain());
}

#[tokio::test]
async fn a_reader_who_knows_the_rest_gets_what_changed() {
    let desk = Desk::new(settings(), numbered(30)).await;
    let target = Request::parse("/tags/Rust.atom").unwrap();
    let old = desk.document("/tags/Rust.atom").await;
    let etag = old.variant(Coding::Gzip).etag.clone();
    // The validator counts once it was given out.
    let old = desk.publisher.encode(&target, old, Coding::Gzip).await;
    drop(old);
    let text_of = |sample: Sample| sample.tag("Rust").content("<p>new text</p>");
    desk.commit([text_of(article("fresh")).founded()], hours(2))
        .await;
    desk.commit(
        [
            text_of(article("n3").version(2)).revised(),
            article("other").tag("Go").founded(),
        ],
        hours(3),
    )
    .await;
    let whole = desk.document("/tags/Rust.atom").await;
    let known: Vec<&[u8]> = vec![b"\"nonsense\"", etag.as_bytes()];
    let delta = desk
        .publisher
        .delta(&target, &whole, &known)
        .await
        .unwrap()
        .unwrap();
    let feed = read(String::from_utf8(delta.plain().to_vec()).unwrap());
    let mut ids: Vec<String> = feed.entries.into_iter().map(|entry| entry.id).collect();
    ids.sort();
    let mut expected: Vec<String> = ["fresh", "n3"]
        .map(|guid| format!("tag:news.example.org,2026:a/{}", id("blog", guid)))
        .to_vec();
    expected.sort();
    assert_eq!(ids, expected);
    let variant = delta.variant(Coding::Gzip);
    assert_eq!(variant.etag, whole.variant(Coding::Gzip).etag);
    assert_eq!(variant.headers["im"], "feed");
    assert_eq!(variant.headers["cache-control"], "no-store, im");
    let unknown: Vec<&[u8]> = vec![b"\"nonsense\""];
    assert!(
        desk.publisher
            .delta(&target, &whole, &unknown)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn what_many_sources_tell_is_popular() {
    let desk = Desk::new(
        settings(),
        vec![
            article("one"),
            article("two")
                .also_at("ribao", "two")
                .published(hours(0) - Duration::from_hours(5)),
            article("three")
                .also_at("ribao", "x")
                .also_at("third", "x")
                .published(hours(0) - Duration::from_hours(9)),
            article("old")
                .also_at("ribao", "o")
                .also_at("third", "o")
                .first_seen(hours(0) - Duration::from_hours(24 * 8)),
        ],
    )
    .await;
    let titles: Vec<String> = desk
        .feed("/popular.rss")
        .await
        .entries
        .iter()
        .map(|entry| entry.title_text().to_owned())
        .collect();
    assert_eq!(titles, ["Title of three", "Title of two", "Title of one"]);
}

#[tokio::test]
async fn many_first_requests_are_one_rendering() {
    let desk = Desk::new(settings(), numbered(50)).await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let publisher = Arc::clone(&desk.publisher);
        asked.spawn(async move {
            publisher
                .get(&Request::parse("/all.rss").unwrap())
                .await
                .unwrap();
        });
    }
    asked.join_all().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &desk.metrics.registry()).unwrap();
    assert!(text.contains("aggd_render_seconds_count 1\n"), "{text}");
}

#[tokio::test]
async fn the_memory_for_documents_is_bounded() {
    let mut settings = settings();
    settings.options.cache = 300_000;
    let desk = Desk::new(settings, numbered(50)).await;
    for n in 1..60 {
        desk.document(&format!("/all.rss?n={n}")).await;
        let held = desk.publisher.figures().await.unwrap().cache_bytes;
        assert!(held <= 300_000, "{held} bytes after {n} documents");
    }
    assert!(desk.publisher.cached("all.rss?n=59").is_some());
    assert!(desk.publisher.cached("all.rss?n=1").is_none());
}

#[tokio::test]
async fn new_settings_show_at_once() {
    let desk = Desk::new(
        settings(),
        vec![article("a").content("<p>The long text.</p>")],
    )
    .await;
    assert!(desk.text("/all.rss").await.contains("content:encoded"));
    let mut brief = settings();
    brief.options.content = Extent::Summary;
    brief.shape = brief.shape.with(&brief, hours(7));
    assert_ne!(brief.fingerprint(), settings().fingerprint());
    desk.publisher.reload(brief);
    let text = desk.text("/all.rss").await;
    assert!(!text.contains("content:encoded") && text.contains("The long text."));
    assert_eq!(desk.document("/all.rss").await.modified(), hours(7));
}

#[tokio::test]
async fn a_preview_is_what_readers_get() {
    let desk = Desk::new(settings(), vec![article("a").tag("Rust")]).await;
    let another = Publisher::new(desk.store.clone(), Metrics::default(), settings());
    let shown = preview(&another, "/tags/rust.atom").await.unwrap();
    assert_eq!(
        shown.plain(),
        desk.document("/tags/Rust.atom").await.plain()
    );
    let addresses = publish::addresses(&*desk.store, &settings()).await.unwrap();
    assert!(
        addresses.contains(&"/all.json".to_owned())
            && addresses.contains(&"/sources/blog.rss".to_owned()),
        "{addresses:?}"
    );
}
