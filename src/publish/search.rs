//! Articles in which all words of a search occur: title, tags, source, text, whatever their spelling. There is no index of
//! words; the newest articles are read, as many as one request may cost, so that older ones are found with `before` alone.

use std::sync::Arc;

use super::Error;
use crate::html;
use crate::model::article::Article;
use crate::model::entry::Content;
use crate::model::label::{Cursor, Selection};
use crate::store::{Listing, Page, Store};
use crate::text;

/// Articles that are read for one page.
const READ: usize = 5000;
/// Articles that are read at once.
const STEP: usize = 250;

type Found = Vec<(Cursor, Arc<Article>)>;

/// One page of what is found.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn select(
    store: &dyn Store,
    selection: &Selection,
    words: &str,
    page: Page,
) -> Result<Listing, Error> {
    let words: Arc<[String]> = words
        .split_whitespace()
        .map(text::key)
        .filter(|word| !word.is_empty())
        .collect();
    let (most, upward) = match page {
        Page::First { most } | Page::After { most, .. } => (most, false),
        Page::Before { most, .. } => (most, true),
    };
    let mut next = match page {
        Page::First { .. } => Page::First { most: STEP },
        Page::After { cursor, .. } => Page::After { cursor, most: STEP },
        Page::Before { cursor, .. } => Page::Before { cursor, most: STEP },
    };
    let mut found: Found = Vec::new();
    let mut read = 0;
    let mut listing = loop {
        let mut some = store.select(selection, next).await?;
        let articles = std::mem::take(&mut some.articles);
        read += articles.len();
        let edge = if upward {
            articles.first()
        } else {
            articles.last()
        };
        let more = if upward { some.newer } else { some.older };
        let onward = edge.filter(|_| more).map(|(cursor, _)| *cursor);
        let wanted = Arc::clone(&words);
        let fits = tokio::task::spawn_blocking(move || matching(articles, &wanted));
        let mut fits = fits.await.map_err(|failure| Error::Render {
            format: "requested",
            reason: failure.to_string(),
        })?;
        if upward {
            fits.reverse();
        }
        found.append(&mut fits);
        next = match onward {
            // One more than asked for tells that there are others.
            Some(cursor) if found.len() <= most && read < READ && upward => {
                Page::Before { cursor, most: STEP }
            }
            Some(cursor) if found.len() <= most && read < READ => {
                Page::After { cursor, most: STEP }
            }
            _ => break some,
        };
    };
    let more = found.len() > most;
    found.truncate(most);
    if upward {
        found.reverse();
    }
    listing.articles = found;
    listing.newer = if upward { more } else { page_has_cursor(page) };
    listing.older = upward || more;
    Ok(listing)
}

/// Who comes from another page can go back to it.
fn page_has_cursor(page: Page) -> bool {
    !matches!(page, Page::First { .. })
}

fn matching(mut articles: Found, words: &[String]) -> Found {
    articles.retain(|(_, article)| fits(article, words));
    articles
}

fn fits(article: &Article, words: &[String]) -> bool {
    let entry = &article.entry;
    let mut said = String::from(entry.title_text());
    let tags = article.head.tags.iter().map(|tag| tag.name.as_str());
    for part in tags.chain([article.about.title.as_str()]) {
        said.push('\n');
        said.push_str(part);
    }
    if let Some(summary) = &entry.summary {
        said.push('\n');
        said.push_str(&summary.plain);
    }
    match &entry.content {
        Some(Content::Html(fragment)) => {
            said.push('\n');
            said.push_str(&html::text(fragment));
        }
        Some(Content::Plain(plain)) => {
            said.push('\n');
            said.push_str(plain);
        }
        None => {}
    }
    let said = text::key(&said);
    words.iter().all(|word| said.contains(word.as_str()))
}
