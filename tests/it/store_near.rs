//! Near copies in the store, each case on each engine: what is found, what is a conflict, what a merge and a split leave.

use std::sync::Arc;
use std::time::Duration;

use aggd::dedup::shape::{Folded, Shape};
use aggd::model::article::{ArticleId, Key};
use aggd::model::boilerplate::Boilerplate;
use aggd::model::signature::{Reach, Signature};
use aggd::store::memory::Memory;
use aggd::store::{Among, Batch, Change, Error, Found, Keep, Options, Prints, Store};

use crate::reprints::{Press, Tongue};
use crate::samples::{article, batch, id, noon, source};

fn shape(text: &[String]) -> Shape {
    Folded::new("A headline", &text.join("\n")).shape(&Boilerplate::default())
}

fn signature(at: &str, text: &[String]) -> Signature {
    shape(text).signature(0, &source(at), Some("Tech"))
}

fn among(reach: Reach) -> Among {
    Among {
        reach,
        since: noon() - Duration::from_hours(48),
    }
}

/// An article with the signature of its text.
fn told(at: &str, guid: &str, text: &[String], as_of: u64) -> Batch {
    Batch {
        prints: Some(Prints {
            source: source(at),
            signatures: vec![(id("blog", guid), signature(at, text))],
            paragraphs: vec![shape(text).paragraphs],
            as_of,
            among: among(Reach::All),
        }),
        ..batch([article(guid).founded()])
    }
}

async fn each(case: impl AsyncFn(Arc<dyn Store>)) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        path: dir.path().to_owned(),
        ..Options::default()
    };
    case(Arc::new(Memory::new(("news.example".to_owned(), 2026)))).await;
    case(aggd::store::open(options, true).await.unwrap()).await;
}

fn texts(seed: u64) -> (Vec<String>, Vec<String>, Vec<String>) {
    let mut press = Press::new(seed);
    let (_, one) = press.article(Tongue::English);
    let (_, other) = press.article(Tongue::English);
    let mut alike = one.clone();
    alike.push("A line that only this copy has.".to_owned());
    (one, alike, other)
}

async fn found(store: &Arc<dyn Store>, sought: &Signature, reach: Reach) -> Vec<ArticleId> {
    let alike = store
        .alike(std::slice::from_ref(sought), among(reach))
        .await
        .unwrap();
    alike.found[0].iter().map(|near| near.copy).collect()
}

#[tokio::test]
async fn near_copies_are_found_within_their_reach() {
    each(async |store| {
        let (one, alike, other) = texts(1);
        store
            .commit(told("blog", "a", &one, 0), noon())
            .await
            .unwrap();
        store
            .commit(told("blog", "b", &other, 1), noon())
            .await
            .unwrap();
        let sought = signature("wire", &alike);
        assert_eq!(found(&store, &sought, Reach::All).await, [id("blog", "a")]);
        assert_eq!(
            found(&store, &sought, Reach::Category).await,
            [id("blog", "a")]
        );
        assert!(found(&store, &sought, Reach::Feed).await.is_empty());
        let private = shape(&alike).signature(7, &source("wire"), None);
        assert!(found(&store, &private, Reach::All).await.is_empty());
        // What is gone is not found.
        let gone = Change::Removed {
            id: id("blog", "a"),
        };
        store.commit(batch([gone]), noon()).await.unwrap();
        assert!(found(&store, &sought, Reach::All).await.is_empty());
        assert_eq!(store.boilerplate(&source("blog")).await.unwrap().entries, 2);
    })
    .await;
}

#[tokio::test]
async fn a_text_that_came_meanwhile_is_a_conflict_if_it_may_be_the_same() {
    each(async |store| {
        let (one, alike, other) = texts(2);
        let as_of = store.alike(&[], among(Reach::All)).await.unwrap().as_of;
        store
            .commit(told("blog", "a", &one, as_of), noon())
            .await
            .unwrap();
        let late = store.commit(told("wire", "b", &alike, as_of), noon()).await;
        assert!(matches!(late, Err(Error::Conflict)), "{late:?}");
        store
            .commit(told("wire", "c", &other, as_of), noon())
            .await
            .unwrap();
        let now = store.alike(&[], among(Reach::All)).await.unwrap().as_of;
        store
            .commit(told("wire", "b", &alike, now), noon())
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn signatures_and_footers_survive_a_reopening_and_a_new_index() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        path: dir.path().to_owned(),
        ..Options::default()
    };
    let (one, alike, _) = texts(3);
    let store = aggd::store::open(options.clone(), true).await.unwrap();
    store
        .commit(told("blog", "a", &one, 0), noon())
        .await
        .unwrap();
    store.close().await.unwrap();
    for lost in [false, true] {
        if lost {
            std::fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        let store = aggd::store::open(options.clone(), false).await.unwrap();
        let sought = signature("wire", &alike);
        assert_eq!(
            found(&store, &sought, Reach::All).await,
            [id("blog", "a")],
            "lost: {lost}"
        );
        let footers = store.boilerplate(&source("blog")).await.unwrap();
        assert_eq!(footers.entries, 1, "lost: {lost}");
        store.close().await.unwrap();
    }
}

/// Articles may be kept for a shorter time than texts are compared.
#[tokio::test]
async fn signatures_go_with_their_articles() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        path: dir.path().to_owned(),
        keep: Keep {
            age: Duration::from_hours(1),
            min_per_feed: 0,
            max_per_feed: 1000,
        },
        ..Options::default()
    };
    let store = aggd::store::open(options, true).await.unwrap();
    let (text, ..) = texts(4);
    let sought = signature("wire", &text);
    assert!(found(&store, &sought, Reach::All).await.is_empty());
    let late = noon() + Duration::from_hours(2);
    // One of the first stays, and the others go all the same.
    let letters = [
        ("z", late, noon(), 1),
        ("a", noon(), noon(), 299),
        ("b", late, late, 300),
    ];
    for (letter, seen, at, count) in letters {
        let guids: Vec<String> = (0..count).map(|n| format!("{letter}{n}")).collect();
        let articles = guids.iter().map(|guid| {
            let mut one = article(guid);
            one.article.head.first_seen = seen;
            one.founded()
        });
        let signatures = guids
            .iter()
            .map(|guid| (id("blog", guid), signature("blog", &text)));
        let mut all = batch(articles);
        all.prints = Some(Prints {
            source: source("blog"),
            paragraphs: vec![shape(&text).paragraphs; count],
            signatures: signatures.collect(),
            as_of: u64::MAX,
            among: among(Reach::All),
        });
        store.commit(all, at).await.unwrap();
    }
    let kept = async || store.stats().await.unwrap().signatures;
    assert_eq!(kept().await, 600);
    assert_eq!(store.forget(late).await.unwrap(), 299);
    assert_eq!(kept().await, 301);
    assert_eq!(found(&store, &sought, Reach::All).await.len(), 24);
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_led_to_a_merged_article_leads_on_and_a_part_takes_its_keys_along() {
    each(async |store| {
        let (a, b) = (id("blog", "a"), id("blog", "b"));
        let keyed = |guid: &str, key: u128| article(guid).key(Key::Url(key)).founded();
        store
            .commit(batch([keyed("a", 1), keyed("b", 2)]), noon())
            .await
            .unwrap();
        let merged = article("a")
            .version(2)
            .also_at("blog", "b")
            .alias(b)
            .article;
        let merge = Change::Merged {
            article: Box::new(merged),
            from: b,
            keys: Vec::new(),
        };
        store.commit(batch([merge]), noon()).await.unwrap();
        let keys = [Key::Guid(b.0), Key::Url(2)];
        let known = store.known(&keys).await.unwrap();
        assert!(known.buried.is_empty());
        assert_eq!(known.hits.len(), 2);
        assert!(known.hits.iter().all(|(_, head)| head.id == a));
        assert!(matches!(store.article(b).await.unwrap(), Found::Alias(to) if to == a));

        let part = Change::New {
            article: Box::new(article("b").article),
            keys: vec![Key::Url(2)],
        };
        let rest = Change::Parted {
            article: Box::new(article("a").version(3).article),
            keys: Vec::new(),
            lost: keys.to_vec(),
        };
        store.commit(batch([rest, part]), noon()).await.unwrap();
        let known = store.known(&keys).await.unwrap();
        assert_eq!(known.hits.len(), 2);
        assert!(known.hits.iter().all(|(_, head)| head.id == b), "{known:?}");
        assert!(matches!(store.article(b).await.unwrap(), Found::Article(_)));
    })
    .await;
}
