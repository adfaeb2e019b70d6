//! Which articles a page of a list shows: what the store selects, and what is left of it for searches, popular lists, the
//! highest scores and expressions that somebody tries out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::address::{List, Request};
use super::gather::{last_commit, scope};
use super::query::MOST;
use super::{Error, Order, Settings, search};
use crate::label;
use crate::model::article::Article;
use crate::model::label::{Cursor, Selection};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::rule::Expression;
use crate::store::{Listing, Page, Store};
use crate::text;

/// How far back the popular list looks.
const POPULAR: Duration = Duration::from_hours(7 * 24);

/// What was published so long before that is a new source's past, and popular with nobody.
const BACKLOG: Duration = Duration::from_hours(21 * 24);

/// Stories of several sources that are looked at.
const STORIES: usize = 2000;

/// Articles on a page of this list.
fn page_size(
    settings: &Settings,
    request: &Request,
    list: &List,
    month: Option<(i32, u32)>,
) -> usize {
    let output = settings.output_of(list);
    let usual = match month {
        Some(_) => MOST,
        None => output
            .and_then(|output| output.items)
            .unwrap_or(settings.options.items),
    };
    request.query.n.unwrap_or(usual).clamp(1, MOST)
}

/// Reads a page of a list, or of its archive of a month.
pub(super) async fn select(
    store: &dyn Store,
    settings: &Settings,
    request: &Request,
    list: &List,
    month: Option<(i32, u32)>,
) -> Result<Listing, Error> {
    let query = &request.query;
    let keys = |names: &[String]| names.iter().map(|name| settings.tag_key(name)).collect();
    let mut selection = Selection {
        tags: keys(&query.tags),
        any: keys(&query.any),
        not: keys(&query.not),
        category: query.category.as_deref().map(text::key),
        source: query.source.clone(),
        language: query.language.clone(),
        has: query.has.clone(),
        since: query.since,
        before: query.before,
        month,
        ..Selection::of(scope(settings, list))
    };
    let output = settings.output_of(list).filter(|_| month.is_none());
    let by_score = output.is_some_and(|output| output.order == Order::Score);
    let limit = output.and_then(|output| output.limit_per_feed);
    selection.per_source = limit.filter(|_| !by_score);
    let most = page_size(settings, request, list, month);
    if *list == List::Popular {
        return popular(store, request, &selection, most).await;
    }
    let page = match (query.before_place, query.after_place) {
        (Some(cursor), after) => {
            if let Some(after) = after {
                selection.since = selection.since.max(Some(after.published));
            }
            Page::After { cursor, most }
        }
        (None, Some(cursor)) => Page::Before { cursor, most },
        (None, None) if by_score => Page::First { most: MOST },
        (None, None) => Page::First { most },
    };
    let mut listing = match (&settings.only, &query.q) {
        (Some(only), _) => only_fitting(store, &selection, page, most, only).await?,
        (None, Some(words)) => search::select(store, &selection, words, page).await?,
        (None, None) => store.select(&selection, page).await?,
    };
    if request.token.is_none() {
        // The store keeps them apart already; a list for everybody looks twice.
        listing
            .articles
            .retain(|(_, article)| !article.head.private);
    }
    if by_score {
        best(&mut listing, limit, most);
    }
    Ok(listing)
}

/// A page of those articles for which an expression holds, looked for among so many at most.
async fn only_fitting(
    store: &dyn Store,
    selection: &Selection,
    mut page: Page,
    most: usize,
    only: &Expression,
) -> Result<Listing, Error> {
    const LOOKED_AT: usize = 20_000;
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let mut listing = store.select(selection, page).await?;
        looked += listing.articles.len();
        let last = listing.articles.last().map(|(cursor, _)| *cursor);
        let (articles, only) = (std::mem::take(&mut listing.articles), only.clone());
        let work = move || -> Result<Vec<(Cursor, Arc<Article>)>, String> {
            let mut fitting = articles;
            let mut failed = None;
            fitting.retain(|(_, article)| {
                label::rules::fits(article, &only).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    false
                })
            });
            failed.map_or(Ok(fitting), Err)
        };
        let worked = tokio::task::spawn_blocking(work).await;
        let fitting = worked.unwrap_or_else(|failure| Err(failure.to_string()));
        found.extend(fitting.map_err(|error| {
            Error::BadRequest(format!("The expression failed for an article: {error}."))
        })?);
        match last {
            Some(cursor) if listing.older && found.len() < most && looked < LOOKED_AT => {
                page = Page::After { cursor, most: MOST };
            }
            _ => {
                listing.older |= found.len() > most;
                found.truncate(most);
                listing.articles = found;
                return Ok(listing);
            }
        }
    }
}

/// Orders by score, then newest first, with so many of one source at most.
fn best(listing: &mut Listing, limit: Option<u32>, most: usize) {
    listing
        .articles
        .sort_by_key(|(cursor, article)| std::cmp::Reverse((article.head.score, *cursor)));
    let mut counts: HashMap<SourceId, u32> = HashMap::new();
    listing.articles.retain(|(_, article)| {
        let count = counts.entry(article.head.source.clone()).or_default();
        *count += 1;
        limit.is_none_or(|limit| *count <= limit)
    });
    listing.articles.truncate(most);
    listing.older = false;
    listing.newer = false;
}

/// The stories of the last days that most sources tell, then the newest. The days are counted back from the last change,
/// so that the same articles are always the same list, and by the hour, so that not every change shifts it.
async fn popular(
    store: &dyn Store,
    request: &Request,
    selection: &Selection,
    most: usize,
) -> Result<Listing, Error> {
    if request
        .query
        .before_place
        .or(request.query.after_place)
        .is_some()
    {
        return Err(Error::BadRequest(
            "The popular list has one page; `since` and `before` take a time here.".to_owned(),
        ));
    }
    let mut listing = store.select(selection, Page::First { most }).await?;
    // A story that many tell may be far down in the list, where the list itself does not note its change.
    listing.touched = listing.touched.max(last_commit(store).await?);
    let after = next_hour(listing.touched) - POPULAR;
    let told = Selection {
        seen_after: Some(after),
        sightings: 2,
        since: Some(after - BACKLOG).max(selection.since),
        ..selection.clone()
    };
    let told = store.select(&told, Page::First { most: STORIES }).await?;
    listing.as_of = listing.as_of.min(told.as_of);
    listing.articles.extend(told.articles);
    listing
        .articles
        .retain(|(_, article)| article.head.first_seen > after && !article.head.private);
    let sources = |article: &Article| {
        let seen_at = article.head.seen_at.iter();
        let distinct: HashSet<&SourceId> = seen_at.map(|seen| &seen.source).collect();
        distinct.len()
    };
    listing
        .articles
        .sort_by_cached_key(|(cursor, article)| std::cmp::Reverse((sources(article), *cursor)));
    listing.articles.dedup_by_key(|(cursor, _)| *cursor);
    listing.articles.truncate(most);
    listing.older = false;
    listing.newer = false;
    Ok(listing)
}

/// The beginning of the hour after this one.
fn next_hour(at: Timestamp) -> Timestamp {
    const HOUR: i64 = 3600;
    Timestamp::from_secs((at.as_secs().div_euclid(HOUR) + 1) * HOUR)
}
