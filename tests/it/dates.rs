//! When published documents change, and when they do not: readers pay for every change with a download.

use std::sync::Arc;

use aggd::model::source::{About, Source, SourceState};
use aggd::publish::document::{Coding, Document};
use aggd::publish::{Settings, Shape};
use aggd::store::{Batch, Change, Store};

use super::origin::{Origin, Reply};
use super::publish::{Desk, configured, put, settings};
use super::samples::{article, article_at, hours, id, source};
use super::town::{Town, feed};

/// The same settings after a while, some of them perhaps changed: what the daemon makes of a reload.
fn later(before: &Settings, change: impl FnOnce(&mut Settings), hour: u64) -> Settings {
    let mut after = before.clone();
    change(&mut after);
    after.shape = before.shape.with(&after, hours(hour));
    after
}

fn founded() -> Settings {
    let bare = settings();
    Settings {
        shape: Shape::default().with(&bare, hours(0)),
        ..bare
    }
}

fn same(a: &Document, b: &Document) -> bool {
    let etag = |document: &Document| document.variant(Coding::Identity).etag.clone();
    etag(a) == etag(b) && a.last_modified() == b.last_modified()
}

#[tokio::test]
async fn another_source_leaves_the_feeds_of_the_others_alone() {
    let before = founded();
    let desk = Desk::new(before.clone(), vec![article("a").tag("Rust")]).await;
    let targets = [
        "/all.rss",
        "/tags/Rust.atom",
        "/sources/blog.json",
        "/categories/tech.rss",
        "/",
    ];
    let mut then = Vec::new();
    for target in targets {
        then.push(desk.document(target).await);
    }
    let (opml, index) = (
        desk.document("/opml").await,
        desk.document("/sources/").await,
    );
    desk.publisher.reload(later(
        &before,
        |settings| put(settings, configured("third", None)),
        5,
    ));
    for (target, then) in targets.into_iter().zip(&then) {
        let now = desk.document(target).await;
        assert!(same(&now, then), "{target}: {}", desk.text(target).await);
    }
    for (target, then) in [("/opml", opml), ("/sources/", index)] {
        let now = desk.document(target).await;
        assert_ne!(now.plain(), then.plain(), "{target}");
        assert_eq!(now.modified(), hours(5), "{target}");
    }
}

#[tokio::test]
async fn a_renamed_source_changes_what_shows_it_and_nothing_else() {
    let before = founded();
    let samples = vec![
        article("a").tag("Rust"),
        article_at("ribao", "b").tag("Go"),
        article_at("ribao", "c").tag("Zig").also_at("blog", "copy"),
    ];
    let desk = Desk::new(before.clone(), samples).await;
    let targets = [
        "/tags/Rust.atom",
        "/tags/Go.atom",
        "/tags/Zig.atom",
        "/sources/blog.rss",
    ];
    let mut then = Vec::new();
    for target in targets {
        then.push(desk.document(target).await);
    }
    let ours = Source {
        title: Some("Our blog".to_owned()),
        ..configured("blog", Some("tech"))
    };
    let rename = |settings: &mut Settings| put(settings, ours);
    let renamed = later(&before, rename, 4);
    desk.publisher.reload(renamed.clone());
    for ((target, then), changed) in targets
        .into_iter()
        .zip(&then)
        .zip([true, false, true, true])
    {
        let now = desk.document(target).await;
        assert_eq!(!same(&now, then), changed, "{target}");
        assert_eq!(
            now.modified(),
            if changed { hours(4) } else { hours(0) },
            "{target}"
        );
    }
    // Without its source the article goes by the publisher's name again, and that is news too.
    desk.publisher.reload(later(
        &renamed,
        |settings| drop(settings.sources.pop_first()),
        6,
    ));
    let now = desk.document("/tags/Rust.atom").await;
    assert_eq!(now.modified(), hours(6));
    assert!(desk.text("/tags/Rust.atom").await.contains("The blog"));
    assert_eq!(desk.document("/tags/Go.atom").await.modified(), hours(0));
}

#[tokio::test]
async fn a_shape_survives_as_a_note_and_time_does_not_run_back() {
    let shape = founded().shape;
    assert_eq!(Shape::of_note(&shape.note()), shape);
    assert_eq!(Shape::of_note(b"nonsense"), Shape::default());
    let newer = later(&founded(), |settings| settings.options.items = 3, 5);
    let clock_set_back = later(&newer, |settings| settings.options.items = 4, 1);
    let desk = Desk::new(clock_set_back, vec![article("a")]).await;
    assert_eq!(desk.document("/all.rss").await.modified(), hours(5));
}

#[tokio::test]
async fn subscription_lists_change_with_what_they_list() {
    let desk = Desk::new(founded(), vec![article("a").tag("Rust")]).await;
    let visit = async |title: &str, hour: u64| {
        let state = SourceState {
            about: Some(About {
                title: title.to_owned(),
                ..About::default()
            }),
            last_visit: Some(hours(hour)),
            ..SourceState::default()
        };
        desk.store
            .adopt(vec![(source("blog"), hours(0))])
            .await
            .unwrap();
        let due = desk.store.lease(&source("blog")).await.unwrap().unwrap();
        let batch = Batch {
            visit: Some((source("blog"), Box::new(state), due.lease)),
            ..Batch::default()
        };
        desk.store.commit(batch, hours(hour)).await.unwrap();
        // Another publisher, as after a restart: nothing is in its memory.
        Desk::over(Arc::clone(&desk.store), founded())
    };
    let first = visit("Blog", 1).await.document("/opml").await;
    let second = visit("Blog", 2).await.document("/opml").await;
    assert!(same(&first, &second), "a visit alone is no news");
    let third = visit("Weblog", 3).await.document("/opml").await;
    assert!(!same(&second, &third));
    assert_eq!(third.modified(), hours(3));
    let fourth = visit("Weblog", 4).await.document("/opml").await;
    assert!(same(&third, &fourth));
}

#[tokio::test]
async fn indexes_have_the_date_of_the_last_commit() {
    let desk = Desk::new(founded(), vec![article("a").tag("Rust")]).await;
    let before = desk.document("/tags/").await;
    desk.commit([article("b").tag("Go").founded()], hours(3))
        .await;
    let after = desk.document("/tags/").await;
    assert_eq!((before.modified(), after.modified()), (hours(0), hours(3)));
}

#[tokio::test]
async fn the_popular_are_found_among_many_and_news_elsewhere_leave_them_alone() {
    let mut all: Vec<_> = (0..600).map(|n| article(&format!("n{n}"))).collect();
    for n in 0..3 {
        let name = format!("told{n}");
        let mut told = article(&name)
            .also_at("ribao", &name)
            .published(hours(0) - std::time::Duration::from_hours(30));
        for more in 0..n {
            told = told.also_at(&format!("more{more}"), &name);
        }
        all.push(told);
    }
    let mut settings = founded();
    settings.options.items = 3;
    let desk = Desk::new(settings, all).await;
    let titles: Vec<String> = desk
        .feed("/popular.atom")
        .await
        .entries
        .iter()
        .map(|entry| entry.title_text().to_owned())
        .collect();
    assert_eq!(
        titles,
        ["Title of told2", "Title of told1", "Title of told0"]
    );
    let before = desk.document("/popular.atom").await;
    desk.commit([article("unheard").founded()], hours(2)).await;
    assert!(same(&before, &*desk.document("/popular.atom").await));
    desk.commit(
        [Change::Removed {
            id: id("blog", "told1"),
        }],
        hours(3),
    )
    .await;
    let after = desk.document("/popular.atom").await;
    assert!(!same(&before, &after));
    assert_eq!(after.modified(), hours(3));
    let paged = desk.ask("/popular.atom?before=5f-1").await;
    assert!(
        matches!(paged, Err(aggd::publish::Error::BadRequest(_))),
        "{paged:?}"
    );
}

/// A blog of one article, and its lines in feeds.toml with this tag.
fn chinese_blog(origin: &Origin, tag: &str) -> String {
    let rss = "<rss version=\"2.0\"><channel><title>博客</title><link>https://b.example/</link>\
               <item><guid>1</guid><title>一</title><link>https://b.example/1</link><description>全文</description></item>\
               </channel></rss>";
    origin.serve(
        "/blog",
        Reply::ok(rss).header("Content-Type", "application/rss+xml"),
    );
    feed(
        "blog",
        &origin.url("/blog"),
        &format!("category = \"新闻\"\ntags = [\"{tag}\"]\nevery = \"24h\""),
    )
}

#[tokio::test]
async fn a_restart_changes_nothing_that_readers_see() {
    let origin = Origin::start().await;
    let lines = chinese_blog(&origin, "疫情");
    let town = Town::new(&lines).await;
    let targets = [
        "/all.rss",
        "/tags/疫情.atom",
        "/categories/新闻.json",
        "/sources/blog.rss",
        "/opml",
        "/popular.atom",
        "/tags/",
    ];
    let seen = async |town: &Town| {
        let mut seen = Vec::new();
        for target in targets {
            let answer = town.get(target).await;
            assert_eq!(answer.status, 200, "{target}");
            let validators = ["etag", "last-modified"].map(|name| answer.header(name).to_owned());
            seen.push((target, validators, answer.text()));
        }
        seen
    };
    let before = seen(&town).await;
    let town = town
        .restart(&lines, std::time::Duration::from_hours(2))
        .await;
    assert_eq!(seen(&town).await, before);
    town.daemon.stop().await.unwrap();
}

#[tokio::test]
async fn files_are_what_readers_get() {
    let origin = Origin::start().await;
    let lines = chinese_blog(&origin, "a/b");
    let town = Town::new(&format!("[tags]\npublish_min = 1\n{lines}")).await;
    let export = async |dir: &std::path::Path| {
        let dir = dir.to_owned();
        let ended =
            tokio::task::spawn_blocking(move || crate::program::output(&dir, &["export", "out"]));
        let ended = ended.await.unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert!(ended.status.success(), "{}", said(ended.stderr));
        said(ended.stdout)
    };
    let first = export(town.dir.path()).await;
    assert!(first.ends_with(" files written, 0 unchanged\n"), "{first}");
    for (target, file) in [
        ("/all.rss", "all.rss"),
        ("/tags/a%2Fb.atom", "tags/a/b.atom"),
        ("/categories/新闻.json", "categories/新闻.json"),
        ("/sources/blog.rss", "sources/blog.rss"),
        ("/popular.json", "popular.json"),
        ("/opml", "opml.opml"),
        ("/opml/own", "opml/own.opml"),
    ] {
        let path = town.dir.path().join("out").join(file);
        let answer = town.get(target).await;
        assert_eq!(
            answer.text(),
            std::fs::read_to_string(&path).unwrap(),
            "{target}"
        );
        let modified =
            httpdate::fmt_http_date(std::fs::metadata(&path).unwrap().modified().unwrap());
        assert_eq!(answer.header("last-modified"), modified, "{target}");
    }
    let again = export(town.dir.path()).await;
    assert!(again.starts_with("0 files written, "), "{again}");
    // Without a daemon it is the same.
    let dir = town.dir;
    town.daemon.stop().await.unwrap();
    let alone = export(dir.path()).await;
    assert_eq!(alone, again);
}
