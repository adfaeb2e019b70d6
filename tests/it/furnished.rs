//! A store with one of everything, and all that can be seen of it from outside.

use std::path::Path;
use std::sync::Arc;

use aggd::model::article::Key;
use aggd::model::entry::{Chapter, Episode};
use aggd::model::label::{Scope, Selection};
use aggd::model::source::SourceState;
use aggd::store::{self, Batch, Change, Options, Page, Store};

use crate::samples::{article, article_at, batch, hours, id, noon, source};

pub(crate) fn options(dir: &Path) -> Options {
    Options {
        path: dir.to_owned(),
        host: "news.example".to_owned(),
        ..Options::default()
    }
}

pub(crate) async fn opened(dir: &Path) -> Arc<dyn Store> {
    store::open(options(dir), true).await.unwrap()
}

/// Everything that somebody outside can see of a store, in words.
pub(crate) async fn seen(store: &Arc<dyn Store>) -> Vec<String> {
    let mut all = vec![format!("{:?}", store.authority())];
    let stats = store.stats().await.unwrap();
    all.push(format!(
        "{} articles, {} sightings, {} sources, {} tombstones",
        stats.articles, stats.sightings, stats.sources, stats.tombstones
    ));
    let tags = store.tags().await.unwrap();
    let categories = store.categories().await.unwrap();
    all.push(format!("{tags:?} {categories:?}"));
    let asked = ["gone", "never"].map(|key| Scope::Tag(key.to_owned()));
    all.push(format!("{:?}", store.labels(&asked).await.unwrap()));
    let scopes = [Scope::All, Scope::Output("morning".into())]
        .into_iter()
        .chain(tags.iter().map(|tag| Scope::Tag(tag.key.clone())))
        .chain(["blog", "wire", "other"].map(|name| Scope::Source(source(name))))
        .chain([Scope::Tag("gone".into()), Scope::Tag("never".into())])
        .chain(categories.iter().map(|of| Scope::Category(of.key.clone())));
    for scope in scopes {
        let months = store.months(&scope).await.unwrap();
        let selection = Selection::of(scope.clone());
        let page = Page::First { most: 1000 };
        let listing = store.select(&selection, page).await.unwrap();
        all.push(format!(
            "{scope:?} known {} touched {} months {months:?}",
            listing.known, listing.touched
        ));
        for (place, article) in &listing.articles {
            all.push(format!("{place:?} {article:?}"));
        }
    }
    for (number, id, sightings) in store.sightings(0, 1000).await.unwrap() {
        all.push(format!("{number} {id} {sightings:?}"));
    }
    for state in store.states(None, 1000).await.unwrap() {
        all.push(format!("{state:?}"));
    }
    all.push(format!("{:?}", store.note("a note").await.unwrap()));
    all
}

/// A store with one of everything.
pub(crate) async fn furnish(store: &Arc<dyn Store>) {
    store
        .adopt(vec![
            (source("blog"), noon()),
            (source("wire"), noon()),
            (source("empty"), noon()),
        ])
        .await
        .unwrap();
    let mut odd = article("odd").tag("新闻").category("Tech & Co");
    // Not a number has no word in JSON.
    let chapter = Chapter {
        start: f64::NAN,
        ..Chapter::default()
    };
    odd.article.entry.episode = Some(Box::new(Episode {
        chapters: vec![chapter],
        ..Episode::default()
    }));
    let due = store.lease(&source("blog")).await.unwrap().unwrap();
    let visit = Batch {
        visit: Some((
            source("blog"),
            Box::new(SourceState {
                listed: vec![1, 2, 3],
                interval: 7,
                ..SourceState::default()
            }),
            due.lease,
        )),
        changes: vec![
            article("a").tag("Rust").output("morning").founded(),
            article("b").tag("Gone").published(hours(0)).founded(),
            article("c").private().output("morning").founded(),
            odd.founded(),
        ],
        ..Batch::default()
    };
    store.commit(visit, noon()).await.unwrap();
    let more = article("a")
        .tag("Rust")
        .tag("web")
        .output("morning")
        .version(2)
        .also_at("wire", "w1")
        .key(Key::Url(77));
    let commits = [
        batch([more.amended(1)]),
        batch([article_at("other", "x").founded()]),
        batch([article_at("other", "x")
            .version(2)
            .title("Said anew")
            .revised()]),
        batch([Change::Removed {
            id: id("blog", "b"),
        }]),
    ];
    for (n, batch) in (1..).zip(commits) {
        store.commit(batch, hours(n)).await.unwrap();
    }
    store.set_note("a note", b"kept").await.unwrap();
    // A visit that brought nothing: the log does not hear of it.
    let due = store.lease(&source("wire")).await.unwrap().unwrap();
    let quiet = Batch {
        visit: Some((
            source("wire"),
            Box::new(SourceState {
                interval: 99,
                ..SourceState::default()
            }),
            due.lease,
        )),
        ..Batch::default()
    };
    store.commit(quiet, hours(5)).await.unwrap();
}
