//! What every engine of the store must do, each case on each engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aggd::model::article::{ArticleId, Key, Revision};
use aggd::model::label::{Cursor, Has, LabelCount, Scope, Selection};
use aggd::model::source::{SourceId, SourceState};
use aggd::model::time::Timestamp;
use aggd::store::memory::Memory;
use aggd::store::{Batch, Change, Error, Found, Keep, Listing, Options, Page, Store};
use tokio_util::task::TaskTracker;

use crate::samples::{
    Sample, article, article_at, batch, guid_key, hours, id, noon, sighting, source,
};

/// A store, and what must live as long as it does.
struct Engine {
    name: &'static str,
    store: Arc<dyn Store>,
}

async fn engines(options: &Options, dir: &Path) -> Vec<Engine> {
    let authority = ("news.example".to_owned(), 2026);
    let options = Options {
        path: dir.to_owned(),
        host: authority.0.clone(),
        ..options.clone()
    };
    vec![
        Engine {
            name: "memory",
            store: Arc::new(Memory::with(authority, &options)),
        },
        Engine {
            name: "log and sled",
            store: aggd::store::open(options, true).await.unwrap(),
        },
    ]
}

/// Runs a case on each engine.
async fn each(case: impl AsyncFn(Arc<dyn Store>)) {
    each_with(&Options::default(), case).await;
}

async fn each_with(options: &Options, case: impl AsyncFn(Arc<dyn Store>)) {
    let dir = tempfile::tempdir().unwrap();
    for engine in engines(options, dir.path()).await {
        eprintln!("engine: {}", engine.name);
        case(Arc::clone(&engine.store)).await;
        engine.store.close().await.unwrap();
    }
}

async fn put(store: &Arc<dyn Store>, changes: impl IntoIterator<Item = Change>) -> Revision {
    let done = store.commit(batch(changes), noon()).await.unwrap();
    done.revision
}

async fn list(store: &Arc<dyn Store>, selection: &Selection) -> Listing {
    let page = Page::First { most: 100 };
    store.select(selection, page).await.unwrap()
}

async fn titles(store: &Arc<dyn Store>, selection: &Selection) -> Vec<String> {
    guids(&list(store, selection).await)
}

fn guids(listing: &Listing) -> Vec<String> {
    let articles = listing.articles.iter();
    articles.map(|(_, a)| a.entry.id.clone()).collect()
}

fn tag(key: &str) -> Selection {
    Selection::of(Scope::Tag(key.to_owned()))
}

fn all() -> Selection {
    Selection::of(Scope::All)
}

#[tokio::test]
async fn an_article_comes_back_as_it_was_given() {
    each(async |store| {
        let sample = article("g1")
            .tag("Rust")
            .category("Tech")
            .output("morning")
            .also_at("other", "x1");
        let whole = sample.article.clone();
        let revision = put(&store, [sample.founded()]).await;
        assert_eq!(revision, store.revision());
        let Found::Article(found) = store.article(whole.head.id).await.unwrap() else {
            panic!("not found")
        };
        assert_eq!(*found, whole);
        let listing = list(&store, &all()).await;
        assert_eq!(*listing.articles[0].1, whole);
        assert_eq!(listing.as_of, revision);
        assert_eq!(listing.touched, noon());
        assert!(!listing.older && !listing.newer && listing.known);
    })
    .await;
}

#[tokio::test]
async fn ids_of_copies_and_merged_stories_lead_to_the_article() {
    each(async |store| {
        let (a, b) = (id("blog", "a"), id("blog", "b"));
        put(&store, [article("a").founded(), article("b").founded()]).await;
        let merged = article("a").version(2).also_at("blog", "b").alias(b);
        let merge = [
            merged.key(Key::Url(99)).amended(1),
            Change::Removed { id: b },
        ];
        put(&store, merge).await;
        assert!(matches!(store.article(b).await.unwrap(), Found::Alias(to) if to == a));
        // Its keys lead on, so that it never comes back as new.
        let keys = [Key::Guid(b.0), Key::Url(99)];
        let known = store.known(&keys).await.unwrap();
        let led: Vec<_> = known
            .hits
            .iter()
            .map(|(key, head)| (*key, head.id))
            .collect();
        assert_eq!(led, [(keys[0], a), (keys[1], a)]);
        assert_eq!(titles(&store, &all()).await, ["a"]);

        let copied = article("a")
            .version(3)
            .also_at("blog", "b")
            .also_at("wire", "w")
            .alias(b);
        put(&store, [copied.amended(1)]).await;
        let Found::Article(found) = store.article(id("wire", "w")).await.unwrap() else {
            panic!("a copy's id leads nowhere")
        };
        assert_eq!((found.head.id, found.sightings.len()), (a, 3));
        assert!(matches!(
            store.article(ArticleId(5)).await.unwrap(),
            Found::Never
        ));
    })
    .await;
}

#[tokio::test]
async fn a_removed_article_leaves_tombstones_that_a_new_one_lifts() {
    each(async |store| {
        let sample = article("g").tag("Rust");
        let (gone, keys) = (sample.id(), sample.keys.clone());
        put(&store, [sample.clone().founded()]).await;
        put(&store, [Change::Removed { id: gone }]).await;
        assert!(matches!(store.article(gone).await.unwrap(), Found::Gone));
        let known = store.known(&keys).await.unwrap();
        assert!(known.hits.is_empty());
        assert_eq!(known.buried, keys);
        // A tag whose articles have expired is still known.
        let listing = list(&store, &tag("rust")).await;
        assert!(listing.known && listing.articles.is_empty());
        assert!(!list(&store, &tag("never")).await.known);
        assert!(store.tags().await.unwrap().is_empty());

        put(&store, [sample.founded()]).await;
        assert!(store.known(&keys).await.unwrap().buried.is_empty());
        assert!(matches!(
            store.article(gone).await.unwrap(),
            Found::Article(_)
        ));
    })
    .await;
}

#[tokio::test]
async fn unbury_frees_the_keys_of_one_source() {
    each(async |store| {
        put(
            &store,
            [
                article_at("a", "1").founded(),
                article_at("b", "1").founded(),
            ],
        )
        .await;
        store.adopt(vec![(source("a"), noon())]).await.unwrap();
        assert_eq!(store.purge(&source("a"), noon()).await.unwrap(), 1);
        put(&store, [Change::Removed { id: id("b", "1") }]).await;
        assert_eq!(store.next_due().await.unwrap(), None, "purged, so not due");
        assert_eq!(store.unbury(&source("a")).await.unwrap(), 2);
        let keys = [Key::Guid(guid_key("a", "1")), Key::Guid(guid_key("b", "1"))];
        assert_eq!(store.known(&keys).await.unwrap().buried, [keys[1]]);
    })
    .await;
}

#[tokio::test]
async fn a_taken_key_is_a_conflict_and_nothing_of_the_batch_stays() {
    each(async |store| {
        put(&store, [article("g1").founded()]).await;
        let before = store.revision();
        let mut second = batch([article_at("wire", "w1").founded()]);
        second.claims = vec![Key::Url(guid_key("url", "https://blog.example/g1"))];
        let answer = store.commit(second.clone(), noon()).await;
        assert!(matches!(answer, Err(Error::Conflict)), "{answer:?}");
        second.claims = vec![Key::Url(1)];
        second.expects = vec![(id("blog", "g1"), 2)];
        let answer = store.commit(second.clone(), noon()).await;
        assert!(matches!(answer, Err(Error::Conflict)), "{answer:?}");
        // The second change fails, so the first one is not kept either.
        let answer = store
            .commit(
                batch([
                    article("g2").founded(),
                    Change::Removed { id: ArticleId(3) },
                ]),
                noon(),
            )
            .await;
        assert!(matches!(answer, Err(Error::Conflict)), "{answer:?}");
        assert_eq!(titles(&store, &all()).await, ["g1"]);
        assert_eq!(store.revision(), before);

        second.expects = vec![(id("blog", "g1"), 1)];
        store.commit(second, noon()).await.unwrap();
        assert_eq!(titles(&store, &all()).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn one_key_may_lead_to_several_articles() {
    each(async |store| {
        let body = Key::Content(77);
        let (a, b) = (
            article_at("a", "1").key(body),
            article_at("b", "1").key(body),
        );
        let ids = [a.id(), b.id()];
        put(&store, [a.founded(), b.founded()]).await;
        let known = store.known(&[body]).await.unwrap();
        assert_eq!(
            known.hits.iter().map(|(_, h)| h.id).collect::<Vec<_>>(),
            ids
        );
        put(&store, [Change::Removed { id: ids[0] }]).await;
        let known = store.known(&[body]).await.unwrap();
        assert_eq!(known.hits[0].1.id, ids[1]);
        assert!(known.buried.is_empty(), "somebody living holds it");
    })
    .await;
}

#[tokio::test]
async fn lists_are_newest_first_and_pages_are_disjoint_and_end() {
    each(async |store| {
        // Published in another order than they arrive, some at the same instant.
        for n in 0..40u64 {
            let sample = article(&format!("g{n}")).published(hours(n * 7 % 13));
            put(&store, [sample.tag("t").founded()]).await;
        }
        let whole = list(&store, &tag("t")).await;
        let places: Vec<Cursor> = whole.articles.iter().map(|(place, _)| *place).collect();
        assert_eq!(places.len(), 40);
        assert!(places.is_sorted_by(|a, b| a > b), "newest first");

        let mut walked = Vec::new();
        let mut page = Page::First { most: 7 };
        loop {
            let part = store.select(&tag("t"), page).await.unwrap();
            assert_eq!(part.newer, !walked.is_empty());
            walked.extend(part.articles.iter().map(|(place, _)| *place));
            if !part.older {
                break;
            }
            let cursor = *walked.last().unwrap();
            page = Page::After { cursor, most: 7 };
        }
        assert_eq!(walked, places);

        let cursor = places[20];
        let back = store
            .select(&tag("t"), Page::Before { cursor, most: 5 })
            .await
            .unwrap();
        let back: Vec<Cursor> = back.articles.iter().map(|(place, _)| *place).collect();
        assert_eq!(back, places[15..20], "the nearest newer ones");
        let cursor = places[2];
        let first = store
            .select(&tag("t"), Page::Before { cursor, most: 5 })
            .await
            .unwrap();
        assert!(first.older && !first.newer && first.articles.len() == 2);
    })
    .await;
}

#[tokio::test]
async fn selections_narrow_in_every_combination() {
    each(async |store| {
        let samples = [
            article_at("a", "1").tag("Rust").tag("Web").category("Tech"),
            article_at("a", "2").tag("Rust").category("News").image(),
            article_at("b", "3").tag("Web").category("Tech").enclosure(),
            article_at("b", "4").tag("新闻").language(Some("zh-Hans")),
            article_at("b", "5")
                .tag("rust")
                .language(Some("zh-Hant"))
                .also_at("a", "5"),
        ];
        for (n, sample) in (0u64..).zip(samples) {
            put(&store, [sample.published(hours(n)).founded()]).await;
        }
        let strings = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let check = async |what: Selection, expected: &[&str]| {
            assert_eq!(titles(&store, &what).await, expected, "{what:?}");
        };
        check(tag("rust"), &["5", "2", "1"]).await;
        check(
            Selection {
                tags: strings(&["web"]),
                ..tag("rust")
            },
            &["1"],
        )
        .await;
        check(
            Selection {
                any: strings(&["web", "新闻"]),
                ..all()
            },
            &["4", "3", "1"],
        )
        .await;
        check(
            Selection {
                any: strings(&["nothing"]),
                ..all()
            },
            &[],
        )
        .await;
        check(
            Selection {
                not: strings(&["rust", "none"]),
                ..all()
            },
            &["4", "3"],
        )
        .await;
        let category = Some("tech".to_owned());
        check(
            Selection {
                category,
                ..tag("web")
            },
            &["3", "1"],
        )
        .await;
        check(
            Selection {
                source: Some(source("a")),
                ..all()
            },
            &["5", "2", "1"],
        )
        .await;
        check(Selection::of(Scope::Source(source("b"))), &["5", "4", "3"]).await;
        check(
            Selection {
                language: Some("zh".to_owned()),
                ..all()
            },
            &["5", "4"],
        )
        .await;
        check(
            Selection {
                has: vec![Has::Image],
                ..all()
            },
            &["2"],
        )
        .await;
        check(
            Selection {
                has: vec![Has::Image, Has::Enclosure],
                ..all()
            },
            &[],
        )
        .await;
        check(
            Selection {
                since: Some(hours(2)),
                ..all()
            },
            &["5", "4"],
        )
        .await;
        check(
            Selection {
                before: Some(hours(1)),
                ..all()
            },
            &["1"],
        )
        .await;
        let narrow = Selection {
            tags: strings(&["rust"]),
            not: strings(&["web"]),
            source: Some(source("a")),
            before: Some(hours(4)),
            ..all()
        };
        check(narrow, &["2"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_page_holds_no_more_of_one_source_than_asked_for() {
    each(async |store| {
        let many = (0..6).map(|n| {
            let guid = format!("a{n}");
            article_at("much", &guid).published(hours(n)).founded()
        });
        put(&store, many).await;
        let few = [(1, "b1"), (4, "b4")];
        let few = few.map(|(n, guid)| article_at("little", guid).published(hours(n)).founded());
        put(&store, few).await;
        let limited = Selection {
            per_source: Some(2),
            ..all()
        };
        let first = list(&store, &limited).await;
        assert_eq!(guids(&first), ["a5", "b4", "a4", "b1"]);
        let page = Page::First { most: 2 };
        let two = store.select(&limited, page).await.unwrap();
        assert_eq!(guids(&two), ["a5", "b4"]);
        assert!(two.older);
        // Each page counts anew.
        let cursor = two.articles[1].0;
        let page = Page::After { cursor, most: 9 };
        let rest = store.select(&limited, page).await.unwrap();
        assert_eq!(guids(&rest), ["a4", "a3", "b1"]);
        assert!(rest.newer);
    })
    .await;
}

#[tokio::test]
async fn labels_count_public_articles_under_their_commonest_spelling() {
    each(async |store| {
        let samples = [
            article("1").tag("rust").category("Tech"),
            article("2").tag("Rust").category("tech"),
            article("3").tag("Rust").tag("Web"),
            article("4")
                .tag("Rust")
                .tag("Secret")
                .output("mine")
                .private(),
        ];
        put(&store, samples.map(crate::samples::Sample::founded)).await;
        let tags = store.tags().await.unwrap();
        let tags: Vec<_> = tags.iter().map(|t| (t.name.as_str(), t.articles)).collect();
        assert_eq!(tags, [("Rust", 3), ("Web", 1)]);
        let categories = store.categories().await.unwrap();
        assert_eq!(categories[0].articles, 2);
        assert_eq!(
            categories[0].name, "Tech",
            "the first of two equals in the order of the alphabet"
        );
    })
    .await;
}

#[tokio::test]
async fn a_label_is_spelt_as_it_was_first_published() {
    each(async |store| {
        let rust = Scope::Tag("rust".to_owned());
        let asked = [
            Scope::Tag("never".to_owned()),
            rust.clone(),
            Scope::Category("tech".to_owned()),
        ];
        let spelt = async || {
            let found = store.labels(&asked).await.unwrap().into_iter();
            let label = |label: Option<LabelCount>| label.map(|l| (l.key, l.name, l.articles));
            found.map(label).collect::<Vec<_>>()
        };
        let label = |key: &str, name: &str, n| Some((key.to_owned(), name.to_owned(), n));
        assert_eq!(spelt().await, [None, None, None]);
        let first = [
            article("1").tag("RUST").category("Tech"),
            article("2").tag("Rust"),
            article("3").tag("Rust"),
        ];
        put(&store, first.map(Sample::founded)).await;
        let decided = [None, label("rust", "Rust", 3), label("tech", "Tech", 1)];
        assert_eq!(spelt().await, decided);
        let more = ["4", "5", "6", "7"].map(|guid| article(guid).tag("rust").category("tech"));
        put(&store, more.map(Sample::founded)).await;
        let after = [None, label("rust", "Rust", 7), label("tech", "Tech", 5)];
        assert_eq!(spelt().await, after);
        let gone = ["1", "2", "3", "4", "5", "6", "7"].map(|guid| Change::Removed {
            id: id("blog", guid),
        });
        put(&store, gone).await;
        let empty = [None, label("rust", "Rust", 0), label("tech", "Tech", 0)];
        assert_eq!(spelt().await, empty);
        put(&store, [article("8").tag("rUST").founded()]).await;
        assert_eq!(
            store.labels(&[rust]).await.unwrap()[0]
                .as_ref()
                .unwrap()
                .name,
            "Rust"
        );
    })
    .await;
}

#[tokio::test]
async fn a_private_article_stands_in_outputs_alone() {
    each(async |store| {
        let sample = article("p")
            .tag("Rust")
            .category("Work")
            .output("mine")
            .private();
        put(&store, [sample.founded()]).await;
        for scope in [
            Scope::All,
            Scope::Tag("rust".to_owned()),
            Scope::Category("work".to_owned()),
            Scope::Source(source("blog")),
        ] {
            let listing = list(&store, &Selection::of(scope.clone())).await;
            assert!(listing.articles.is_empty(), "{scope:?}");
            assert_eq!(listing.known, scope == Scope::All, "{scope:?}");
            assert!(store.months(&scope).await.unwrap().is_empty(), "{scope:?}");
        }
        let mine = Selection::of(Scope::Output("mine".to_owned()));
        assert_eq!(titles(&store, &mine).await, ["p"]);
        let by_tag = Selection {
            tags: vec!["rust".to_owned()],
            ..mine.clone()
        };
        assert_eq!(titles(&store, &by_tag).await, ["p"]);
        let by_source = Selection {
            source: Some(source("blog")),
            ..mine.clone()
        };
        assert_eq!(titles(&store, &by_source).await, ["p"]);
        let without = Selection {
            not: vec!["rust".to_owned()],
            ..mine
        };
        assert!(titles(&store, &without).await.is_empty());
        let commits = store
            .changes(
                Revision {
                    epoch: 1,
                    number: 0,
                },
                9,
            )
            .await
            .unwrap();
        assert_eq!(commits[0].changes[0].1, [Scope::Output("mine".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn labels_and_text_can_change_and_lists_follow() {
    each(async |store| {
        put(&store, [article("g").tag("Old").tag("Kept").founded()]).await;
        let other = article("g").version(2).tag("Kept").tag("New").output("o");
        put(&store, [other.amended(0)]).await;
        assert!(titles(&store, &tag("old")).await.is_empty());
        assert_eq!(titles(&store, &tag("new")).await, ["g"]);
        let commits = store
            .changes(
                Revision {
                    epoch: 1,
                    number: 1,
                },
                9,
            )
            .await
            .unwrap();
        let mut scopes = commits[0].changes[0].1.clone();
        scopes.sort_by_key(|scope| format!("{scope:?}"));
        let tag = |key: &str| Scope::Tag(key.to_owned());
        let (output, blog) = (Scope::Output("o".to_owned()), Scope::Source(source("blog")));
        assert_eq!(
            scopes,
            [
                Scope::All,
                output,
                blog,
                tag("kept"),
                tag("new"),
                tag("old")
            ]
        );

        let text = article("g")
            .version(3)
            .tag("Kept")
            .title("Better")
            .content("<p>b</p>");
        put(&store, [text.clone().revised()]).await;
        let Found::Article(found) = store.article(text.id()).await.unwrap() else {
            panic!("lost")
        };
        assert_eq!(*found, text.article);
        assert!(
            titles(&store, &Selection::of(Scope::Output("o".to_owned())))
                .await
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_sighting_keeps_text_and_older_sightings() {
    each(async |store| {
        put(&store, [article("g").founded()]).await;
        let seen = article("g").version(2).also_at("wire", "w");
        put(&store, [seen.clone().amended(1)]).await;
        let more = seen.clone().version(3).also_at("third", "t");
        put(&store, [more.clone().amended(1)]).await;
        // A sighting that is given again replaces the older one.
        let mut edited = sighting("wire", "w");
        edited.title = "Edited there".to_owned();
        let mut head = more.article.head.clone();
        head.version = 4;
        let change = Change::Amended {
            head: Box::new(head),
            sightings: vec![edited],
            keys: vec![],
        };
        put(&store, [change]).await;
        let Found::Article(found) = store.article(seen.id()).await.unwrap() else {
            panic!("lost")
        };
        let titles: Vec<_> = found.sightings.iter().map(|s| s.title.as_str()).collect();
        assert_eq!(titles, ["Title of g", "Edited there", "Title of t"]);
        assert_eq!(found.entry, seen.article.entry);
        let rows = store.sightings(0, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].1, rows[0].2.len()), (1, seen.id(), 3));
        assert!(store.sightings(rows[0].0, 10).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn touched_moves_with_the_newest_articles_only() {
    each(async |store| {
        let later = |n| noon() + Duration::from_secs(n);
        let old = article("old")
            .published(noon() - Duration::from_secs(9))
            .tag("t");
        store
            .commit(batch([old.clone().founded()]), later(1))
            .await
            .unwrap();
        let many = (0..500).map(|n| article(&format!("g{n}")).tag("t").founded());
        store.commit(batch(many), later(2)).await.unwrap();
        let again = old.clone().version(2).tag("extra");
        store
            .commit(batch([again.clone().revised()]), later(3))
            .await
            .unwrap();
        assert_eq!(
            list(&store, &tag("t")).await.touched,
            later(2),
            "501st of its list"
        );
        assert_eq!(list(&store, &tag("extra")).await.touched, later(3));
        let gone = Change::Removed {
            id: id("blog", "g3"),
        };
        store.commit(batch([gone]), later(4)).await.unwrap();
        assert_eq!(
            list(&store, &tag("t")).await.touched,
            later(4),
            "a removal shows"
        );
        let again = again.version(3);
        store
            .commit(batch([again.revised()]), later(5))
            .await
            .unwrap();
        assert_eq!(
            list(&store, &tag("t")).await.touched,
            later(5),
            "500th by now"
        );
        // The machine's clock was set back: what readers compare must not go back with it.
        store
            .commit(batch([article("new").tag("t").founded()]), later(0))
            .await
            .unwrap();
        assert_eq!(list(&store, &tag("t")).await.touched, later(5));
    })
    .await;
}

#[tokio::test]
async fn archives_go_by_the_month_of_first_sight() {
    each(async |store| {
        let month = |m, d| Timestamp::from_civil(2026, m, d, 0, 0, 0).unwrap();
        let samples = [
            article("1").first_seen(month(9, 1)).published(month(3, 1)),
            article("2")
                .first_seen(month(10, 31))
                .published(month(10, 31)),
            article("3")
                .first_seen(month(11, 1))
                .published(month(10, 30)),
            article("4")
                .first_seen(month(11, 2))
                .published(month(11, 2)),
        ];
        put(&store, samples.map(|s| s.tag("t").founded())).await;
        let scope = Scope::Tag("t".to_owned());
        let expected = [((2026, 11), 2), ((2026, 10), 1), ((2026, 9), 1)];
        assert_eq!(store.months(&scope).await.unwrap(), expected);
        let in_month = |m| Selection {
            month: Some((2026, m)),
            ..tag("t")
        };
        assert_eq!(titles(&store, &in_month(11)).await, ["4", "3"]);
        assert_eq!(titles(&store, &in_month(9)).await, ["1"]);
        assert!(titles(&store, &in_month(8)).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn sources_are_due_once_and_come_back_with_their_state() {
    each(async |store| {
        let (a, b) = (source("a"), source("b"));
        store
            .adopt(vec![(a.clone(), hours(2)), (b.clone(), hours(1))])
            .await
            .unwrap();
        assert_eq!(store.next_due().await.unwrap(), Some(hours(1)));
        assert!(store.due(noon(), 9).await.unwrap().is_empty());
        let due = store.due(hours(3), 9).await.unwrap();
        assert_eq!(
            due.iter().map(|d| d.source.clone()).collect::<Vec<_>>(),
            [b.clone(), a.clone()]
        );
        assert!(store.due(hours(3), 9).await.unwrap().is_empty(), "on lease");
        assert!(store.lease(&a).await.unwrap().is_none());
        assert_eq!(store.next_due().await.unwrap(), None);

        let state = SourceState {
            why: "because".to_owned(),
            next_due: hours(9),
            ..SourceState::default()
        };
        let visit = Batch {
            visit: Some((b.clone(), Box::new(state.clone()), due[0].lease)),
            ..Batch::default()
        };
        let before = store.revision();
        let done = store.commit(visit.clone(), noon()).await.unwrap();
        assert_eq!(done.revision, before, "nothing that a reader sees");
        assert_eq!(store.state(&b).await.unwrap(), Some(state.clone()));
        assert_eq!(store.next_due().await.unwrap(), Some(hours(9)));
        let again = store.commit(visit, noon()).await;
        assert!(matches!(again, Err(Error::LeaseLost(id)) if id == b));

        store.release(due[1].lease).await.unwrap();
        assert_eq!(store.next_due().await.unwrap(), Some(hours(2)), "still due");
        store.reschedule(&b, hours(1)).await.unwrap();
        let due = store.lease(&b).await.unwrap().unwrap();
        assert_eq!(due.state.why, "because");
        assert!(store.lease(&source("nobody")).await.unwrap().is_none());
        assert_eq!(store.states(None, 9).await.unwrap().len(), 1);
        assert!(store.states(Some(b), 9).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_routine_visit_is_seen_at_once_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        path: dir.path().join("store"),
        ..Options::default()
    };
    let (a, b) = (source("a"), source("b"));
    let state = |why: &str, due| SourceState {
        why: why.to_owned(),
        next_due: due,
        listed: vec![1, 2],
        ..SourceState::default()
    };
    let visit = async |store: &Arc<dyn Store>, source: &SourceId, state: SourceState, routine| {
        let due = store.lease(source).await.unwrap().unwrap();
        let visit = Batch {
            visit: Some((source.clone(), Box::new(state), due.lease)),
            routine,
            ..Batch::default()
        };
        store.commit(visit.clone(), noon()).await.unwrap();
        let again = store.commit(visit, noon()).await;
        assert!(matches!(again, Err(Error::LeaseLost(_))));
        due.state
    };
    {
        let store = aggd::store::open(options.clone(), true).await.unwrap();
        let both = vec![(a.clone(), noon()), (b.clone(), noon())];
        store.adopt(both).await.unwrap();
        for id in [&a, &b] {
            visit(&store, id, state("first", hours(1)), false).await;
        }
        for (n, why) in ["second", "third"].into_iter().enumerate() {
            let before = visit(&store, &a, state(why, hours(2)), true).await;
            assert_eq!(before.why, ["first", "second"][n]);
            assert_eq!(store.state(&a).await.unwrap().unwrap().why, why);
            assert_eq!(store.states(None, 9).await.unwrap()[0].1.why, why);
        }
        assert_eq!(store.next_due().await.unwrap(), Some(hours(1)));
        // What the log has afterwards is newer than what was routine.
        visit(&store, &b, state("second", hours(3)), true).await;
        visit(&store, &b, state("third", hours(4)), false).await;
        assert_eq!(store.state(&b).await.unwrap().unwrap().why, "third");
        store.reschedule(&a, hours(9)).await.unwrap();
        store.close().await.unwrap();
    }
    let store = aggd::store::open(options, true).await.unwrap();
    let found = store.states(None, 9).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(_, state)| (state.why.as_str(), state.next_due))
        .collect();
    assert_eq!(found, [("third", hours(9)), ("third", hours(4))]);
    store.adopt(vec![(a.clone(), noon())]).await.unwrap();
    visit(&store, &a, state("fourth", hours(1)), true).await;
    store.purge(&a, noon()).await.unwrap();
    assert_eq!(store.state(&a).await.unwrap(), None);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_source_that_was_taken_away_loses_its_lease() {
    each(async |store| {
        let (a, b) = (source("a"), source("b"));
        store
            .adopt(vec![(a.clone(), noon()), (b.clone(), noon())])
            .await
            .unwrap();
        let (due_a, due_b) = (
            store.lease(&a).await.unwrap().unwrap(),
            store.lease(&b).await.unwrap().unwrap(),
        );
        store.adopt(vec![(b.clone(), hours(1))]).await.unwrap();
        let visit = |source, lease| Batch {
            visit: Some((source, Box::default(), lease)),
            changes: vec![article("g").founded()],
            ..Batch::default()
        };
        let answer = store.commit(visit(a.clone(), due_a.lease), noon()).await;
        assert!(matches!(answer, Err(Error::LeaseLost(id)) if id == a));
        assert!(titles(&store, &all()).await.is_empty());
        store.commit(visit(b, due_b.lease), noon()).await.unwrap();
        assert_eq!(titles(&store, &all()).await, ["g"]);
    })
    .await;
}

#[tokio::test]
async fn a_conflict_leaves_the_lease_with_the_visitor() {
    each(async |store| {
        let a = source("a");
        put(&store, [article("g").founded()]).await;
        store.adopt(vec![(a.clone(), noon())]).await.unwrap();
        let due = store.lease(&a).await.unwrap().unwrap();
        let mut visit = Batch {
            visit: Some((a, Box::default(), due.lease)),
            claims: vec![Key::Guid(guid_key("blog", "g"))],
            ..Batch::default()
        };
        let answer = store.commit(visit.clone(), noon()).await;
        assert!(matches!(answer, Err(Error::Conflict)));
        visit.claims.clear();
        store.commit(visit, noon()).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_while_others_write_misses_no_commit() {
    each(async |store| {
        const WRITERS: usize = 4;
        const COMMITS: usize = 100;
        let start = store.revision();
        let writers = TaskTracker::new();
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            writers.spawn(async move {
                for n in 0..COMMITS {
                    put(&store, [article(&format!("{writer}-{n}")).founded()]).await;
                }
            });
        }
        let mut at = start;
        let mut seen = Vec::new();
        while seen.len() < WRITERS * COMMITS {
            let all_written = writers.is_empty();
            let some = store.changes(at, COMMITS).await.unwrap();
            match some.last() {
                Some(last) => at = last.revision,
                None if all_written => break,
                None => tokio::task::yield_now().await,
            }
            seen.extend(some.iter().map(|commit| commit.revision.number));
        }
        writers.close();
        writers.wait().await;
        let first = start.number + 1;
        let all = (WRITERS * COMMITS) as u64;
        assert_eq!(seen, (first..first + all).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn followers_see_whole_commits_in_order_and_new_ones_begin_with_a_reset() {
    each(async |store| {
        let start = store.revision();
        for n in 0..5 {
            put(
                &store,
                [
                    article(&format!("a{n}")).founded(),
                    article(&format!("b{n}")).founded(),
                ],
            )
            .await;
        }
        let mut at = start;
        let mut seen = Vec::new();
        loop {
            let some = store.changes(at, 2).await.unwrap();
            let Some(last) = some.last() else { break };
            assert!(
                some.iter()
                    .all(|commit| commit.changes.len() == 2 && !commit.reset)
            );
            assert!(last.revision > at);
            at = last.revision;
            seen.extend(some.into_iter().flat_map(|commit| commit.changes));
        }
        assert_eq!(at, store.revision());
        assert_eq!(seen.len(), 10);

        let strange = Revision {
            epoch: 99,
            number: 2,
        };
        for place in [Revision::default(), strange] {
            let fresh = store.changes(place, 100).await.unwrap();
            assert!(fresh[0].reset && fresh[0].changes.is_empty());
            assert!(fresh[1..].iter().all(|commit| !commit.reset));
            let named: Vec<_> = fresh.iter().flat_map(|commit| &commit.changes).collect();
            assert_eq!(named.len(), 10);
        }
        tokio::time::timeout(Duration::from_secs(5), store.changed(start))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn changed_waits_for_the_next_commit() {
    each(async |store| {
        let now = store.revision();
        let waiting = store.changed(now);
        let commit = put(&store, [article("g").founded()]);
        let ((), newer) = tokio::time::timeout(Duration::from_secs(5), async {
            tokio::join!(waiting, commit)
        })
        .await
        .unwrap();
        assert!(newer > now);
    })
    .await;
}

#[tokio::test]
async fn retention_spares_what_is_listed_and_the_newest_of_each_source_and_output() {
    let days = |n: u64| Duration::from_hours(24 * n);
    let keep = Keep {
        age: days(10),
        min_per_feed: 2,
        max_per_feed: 6,
    };
    each_with(
        &Options {
            keep,
            ..Options::default()
        },
        async |store| {
            let a = source("a");
            store.adopt(vec![(a.clone(), noon())]).await.unwrap();
            let due = store.lease(&a).await.unwrap().unwrap();
            let samples = (0..6u64).map(|n| {
                let sample = article_at("a", &format!("{n}")).published(hours(n));
                if n == 1 { sample.output("o") } else { sample }.founded()
            });
            let listed = |guids: &[&str]| SourceState {
                listed: guids
                    .iter()
                    .map(|g| (guid_key("a", g) >> 64) as u64)
                    .collect(),
                ..SourceState::default()
            };
            let visit = Batch {
                visit: Some((a.clone(), Box::new(listed(&["0", "2"])), due.lease)),
                durable: true,
                changes: samples.collect(),
                ..Batch::default()
            };
            store.commit(visit, noon()).await.unwrap();
            assert_eq!(store.forget(noon() + days(9)).await.unwrap(), 0);

            let due = store.lease(&a).await.unwrap().unwrap();
            let visit = Batch {
                visit: Some((a.clone(), Box::new(listed(&["0"])), due.lease)),
                ..Batch::default()
            };
            store.commit(visit, noon() + days(5)).await.unwrap();
            // 0 is listed, 1 is in an output, 2 was listed until five days ago, 4 and 5 are the newest.
            assert_eq!(store.forget(noon() + days(11)).await.unwrap(), 1);
            assert_eq!(titles(&store, &all()).await, ["5", "4", "2", "1", "0"]);
            assert!(matches!(
                store.article(id("a", "3")).await.unwrap(),
                Found::Gone
            ));
            assert_eq!(store.forget(noon() + days(16)).await.unwrap(), 1);
            assert_eq!(titles(&store, &all()).await, ["5", "4", "1", "0"]);

            let more = (6..12u64).map(|n| {
                let at = noon() + days(16);
                article_at("a", &format!("{n}"))
                    .first_seen(at)
                    .published(at)
                    .founded()
            });
            store.commit(batch(more), noon() + days(16)).await.unwrap();
            // Ten by now, six may stay: the oldest go, however young, but not 0 and 1.
            assert_eq!(store.forget(noon() + days(16)).await.unwrap(), 2);
            let left = titles(&store, &all()).await;
            assert_eq!(left, ["11", "10", "9", "8", "7", "6", "1", "0"]);
        },
    )
    .await;
}

#[tokio::test]
async fn tombstones_expire() {
    let tombstones = Duration::from_hours(24);
    each_with(
        &Options {
            tombstones,
            ..Options::default()
        },
        async |store| {
            put(&store, [article("g").founded()]).await;
            put(
                &store,
                [Change::Removed {
                    id: id("blog", "g"),
                }],
            )
            .await;
            store.forget(hours(23)).await.unwrap();
            assert_eq!(store.stats().await.unwrap().tombstones, 2);
            store.forget(hours(49)).await.unwrap();
            assert_eq!(store.stats().await.unwrap().tombstones, 0);
            assert!(matches!(
                store.article(id("blog", "g")).await.unwrap(),
                Found::Never
            ));
        },
    )
    .await;
}

#[tokio::test]
async fn figures_count_what_is_there() {
    each(async |store| {
        store.adopt(vec![(source("a"), noon())]).await.unwrap();
        let due = store.lease(&source("a")).await.unwrap().unwrap();
        let visit = Batch {
            visit: Some((source("a"), Box::default(), due.lease)),
            durable: true,
            changes: vec![
                article("1").also_at("b", "1").founded(),
                article("2").private().founded(),
            ],
            ..Batch::default()
        };
        store.commit(visit, noon()).await.unwrap();
        let stats = store.stats().await.unwrap();
        assert_eq!((stats.articles, stats.sightings, stats.sources), (2, 3, 1));
        assert_eq!(stats.revision, store.revision());
        assert_eq!(store.authority().0, "news.example");
    })
    .await;
}

#[tokio::test]
async fn notes_are_found_again() {
    each(async |store| {
        assert_eq!(store.note("a").await.unwrap(), None);
        store.set_note("a", b"first").await.unwrap();
        store.set_note("a", b"second").await.unwrap();
        store.set_note("ab", b"").await.unwrap();
        assert_eq!(store.note("a").await.unwrap().unwrap(), b"second");
        assert_eq!(store.note("ab").await.unwrap().unwrap(), b"");
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_takes_nothing_more() {
    each(async |store| {
        store.close().await.unwrap();
        let answer = store.commit(batch([article("g").founded()]), noon()).await;
        assert!(matches!(answer, Err(Error::Closed)));
    })
    .await;
}
