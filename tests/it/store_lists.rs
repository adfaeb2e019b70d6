//! Long lists: whatever is asked of them, and from whichever side one comes, their pages show what belongs there.

use std::sync::Arc;

use aggd::model::label::{Scope, Selection};
use aggd::store::{self, Change, Page, Store};

use crate::furnished::{opened, options};
use crate::samples::{article, batch, hours, id, noon};

/// Long enough for several chunks of the index.
const ARTICLES: u64 = 1500;

/// Number `n`, the older the smaller.
fn sample(n: u64) -> Change {
    let parity = if n.is_multiple_of(2) { "even" } else { "odd" };
    let mut sample = article(&n.to_string())
        .published(noon() - std::time::Duration::from_secs(10_000 - n))
        .tag(parity);
    for divisor in [3, 500] {
        if n.is_multiple_of(divisor) {
            sample = sample.tag(&format!("by{divisor}"));
        }
    }
    sample.founded()
}

fn tag(key: &str) -> Scope {
    Scope::Tag(key.to_owned())
}

/// Whether the article of that number belongs somewhere.
type Fits = fn(u64) -> bool;

/// Selections, each with what it should hold.
fn selections() -> Vec<(Selection, Fits)> {
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    let of = Selection::of;
    vec![
        (of(Scope::All), |_| true),
        (of(tag("by500")), |n| n % 500 == 0),
        (
            Selection {
                tags: keys(&["odd"]),
                ..of(tag("even"))
            },
            |_| false,
        ),
        (
            Selection {
                tags: keys(&["by3", "even"]),
                ..of(Scope::All)
            },
            |n| n % 6 == 0,
        ),
        (
            Selection {
                not: keys(&["even", "by3"]),
                ..of(Scope::All)
            },
            |n| n % 2 == 1 && n % 3 != 0,
        ),
        (
            Selection {
                not: keys(&["even", "odd"]),
                ..of(Scope::All)
            },
            |_| false,
        ),
        (
            Selection {
                any: keys(&["by500", "by3"]),
                not: keys(&["odd"]),
                ..of(Scope::All)
            },
            |n| n % 2 == 0 && (n % 500 == 0 || n % 3 == 0),
        ),
    ]
}

async fn check(store: &Arc<dyn Store>, there: impl Fn(u64) -> bool, what: &str) {
    for (selection, fits) in selections() {
        let wanted: Vec<String> = (0..2 * ARTICLES)
            .rev()
            .filter(|n| there(*n) && fits(*n))
            .map(|n| n.to_string())
            .collect();
        let mut found = Vec::new();
        let mut page = Page::First { most: 70 };
        let last = loop {
            let listing = store.select(&selection, page).await.unwrap();
            let ids = listing.articles.iter();
            found.extend(ids.map(|(_, article)| article.entry.id.clone()));
            let last = listing.articles.last().map(|(cursor, _)| *cursor);
            match last {
                Some(cursor) if listing.older => page = Page::After { cursor, most: 70 },
                _ => break last,
            }
        };
        assert!(found == wanted, "{what}, {selection:?}: {found:?}");
        // And back, from the oldest of them.
        let Some(mut cursor) = last else { continue };
        let mut back = vec![found[found.len() - 1].clone()];
        loop {
            let page = Page::Before { cursor, most: 45 };
            let listing = store.select(&selection, page).await.unwrap();
            let ids = listing.articles.iter().rev();
            back.extend(ids.map(|(_, article)| article.entry.id.clone()));
            match listing.articles.first() {
                Some((newest, _)) if listing.newer => cursor = *newest,
                _ => break,
            }
        }
        back.reverse();
        assert!(back == wanted, "{what}, back, {selection:?}: {back:?}");
    }
}

#[tokio::test]
async fn every_selection_of_a_long_list_is_whole_from_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let real = opened(dir.path()).await;
    let all = (0..ARTICLES).map(sample);
    real.commit(batch(all), hours(0)).await.unwrap();
    check(&real, |n| n < ARTICLES, "in memory").await;
    real.close().await.unwrap();
    drop(real);
    let real = store::open(options(dir.path()), false).await.unwrap();
    check(&real, |n| n < ARTICLES, "on the disk").await;
    // Some of both: chunks that shrank, were joined, grew, and were not touched.
    let gone = |n: u64| (400..900).contains(&n) && !n.is_multiple_of(7);
    let removed = (0..ARTICLES).filter(|n| gone(*n)).map(|n| Change::Removed {
        id: id("blog", &n.to_string()),
    });
    real.commit(batch(removed), hours(1)).await.unwrap();
    let more = (ARTICLES..ARTICLES + 100).map(sample);
    real.commit(batch(more), hours(2)).await.unwrap();
    check(&real, |n| n < ARTICLES + 100 && !gone(n), "in both").await;
    real.close().await.unwrap();
}
