//! The second half of a document: what was gathered becomes bytes and their headers. Nothing is read here.

use std::collections::HashSet;
use std::sync::Arc;

use super::address::{Format, List, Request, Route};
use super::document::{Document, Kind, Label};
use super::gather::{Gathered, Matter, Shown, last_seen};
use super::item::{Context, Item, item};
use super::sheet::{self, Naming, Standing};
use super::{Error, Settings, index, opml, page, plain};
use crate::label;
use crate::model::article::{Article, ArticleId, Revision};
use crate::model::label::Cursor;
use crate::model::time::Timestamp;
use crate::text;

/// How long a finished archive stays fresh, in seconds.
const ARCHIVE_AGE: u64 = 86_400;

/// The document of a request.
pub(super) fn document(
    settings: &Settings,
    request: &Request,
    gathered: &Gathered,
) -> Result<Document, Error> {
    let context = gathered.context(settings, request);
    match (&request.route, &gathered.matter) {
        (Route::Feed(list, month, format), Matter::List(shown)) => {
            feed(&context, request, list, *month, *format, shown, gathered)
        }
        (Route::Page(list), Matter::List(shown)) => {
            Ok(list_page(&context, request, list, shown, gathered))
        }
        (Route::Article(_), Matter::Article(article)) => {
            let modified = shaped(&context, None, [&**article]).max(gathered.changed);
            let body = page::article(&context, article);
            Ok(wrap(
                &context,
                Kind::Page,
                "text/html",
                &body,
                modified,
                gathered.as_of,
            ))
        }
        (Route::Tags | Route::Categories, Matter::Labels(labels)) => {
            let tags = request.route == Route::Tags;
            let body = index::labels(&context, tags, labels);
            let modified = general(&context).max(gathered.changed);
            Ok(wrap(
                &context,
                Kind::Page,
                "text/html",
                &body,
                modified,
                gathered.as_of,
            ))
        }
        (Route::Sources, Matter::States(states)) => {
            let modified = listed(&context).max(gathered.changed);
            let body = index::sources(&context, states);
            Ok(wrap(
                &context,
                Kind::Page,
                "text/html",
                &body,
                modified,
                gathered.as_of,
            ))
        }
        (Route::Opml, Matter::States(states)) => {
            let modified = listed(&context).max(gathered.changed);
            let body = opml::sources(&context, states, modified);
            Ok(wrap(
                &context,
                Kind::Opml,
                "text/x-opml",
                &body,
                modified,
                gathered.as_of,
            ))
        }
        (Route::OwnOpml, Matter::Lists(lists)) => {
            let modified = listed(&context).max(gathered.changed);
            let body = opml::own(&context, lists, modified);
            Ok(wrap(
                &context,
                Kind::Opml,
                "text/x-opml",
                &body,
                modified,
                gathered.as_of,
            ))
        }
        _ => Err(Error::NotFound("There is nothing at this address.".into())),
    }
}

/// The bytes of a feed with only the wanted ones of its articles.
pub(super) fn part(
    settings: &Settings,
    request: &Request,
    gathered: &Gathered,
    wanted: &HashSet<ArticleId>,
) -> Result<Vec<u8>, Error> {
    let context = gathered.context(settings, request);
    let (Route::Feed(list, month, format), Matter::List(shown)) =
        (&request.route, &gathered.matter)
    else {
        return Err(Error::NotFound("There is nothing at this address.".into()));
    };
    let items = items(&context, list, shown)
        .into_iter()
        .filter(|item| wanted.contains(&item.article))
        .collect();
    let standing = Standing {
        places: places(&shown.articles),
        older: shown.older,
        newer: shown.newer,
        months: &shown.months,
        updated: updated(&context, list, *month, shown, gathered.changed),
    };
    let sheet = sheet::sheet(&context, request, list, *format, *month, &standing, items);
    sheet::write(&sheet, *format)
}

fn items(context: &Context<'_>, list: &List, shown: &Shown) -> Vec<Item> {
    let output = context.settings.output_of(list);
    let extent = output.and_then(|output| output.content);
    let extent = extent.unwrap_or(context.settings.options.content);
    let template = output.and_then(|output| output.title_template.as_ref());
    shown
        .articles
        .iter()
        .map(|(_, article)| {
            let mut item = item(context, article, extent);
            if let Some(template) = template {
                let title = label::rules::fill(article, template);
                item.title = plain::some_line(Some(&title)).unwrap_or(item.title);
            }
            item
        })
        .collect()
}

fn places(articles: &[(Cursor, Arc<Article>)]) -> Option<(Cursor, Cursor)> {
    Some((articles.first()?.0, articles.last()?.0))
}

/// No document is older than the settings that shape all of them, nor than the store.
fn general(context: &Context<'_>) -> Timestamp {
    let founded = Timestamp::from_civil(context.authority.1, 1, 1, 0, 0, 0).unwrap_or_default();
    context.settings.shape.general().max(founded)
}

/// Since when what lists sources and outputs has the same settings.
fn listed(context: &Context<'_>) -> Timestamp {
    general(context).max(context.settings.shape.lists())
}

/// Since when what shows these articles has the same settings: every source may be called by its name.
fn shaped<'a>(
    context: &Context<'_>,
    list: Option<&List>,
    articles: impl IntoIterator<Item = &'a Article>,
) -> Timestamp {
    let shape = &context.settings.shape;
    let own = match list {
        Some(List::Source(id)) => shape.source(id),
        Some(List::Output(id)) => shape.output(id),
        _ => Timestamp::EPOCH,
    };
    articles
        .into_iter()
        .flat_map(|article| &article.head.seen_at)
        .map(|seen| shape.source(&seen.source))
        .fold(general(context).max(own), Timestamp::max)
}

/// When what a page of a list shows last changed.
fn updated(
    context: &Context<'_>,
    list: &List,
    month: Option<(i32, u32)>,
    shown: &Shown,
    changed: Timestamp,
) -> Timestamp {
    let articles = || shown.articles.iter().map(|(_, article)| &**article);
    let settings = shaped(context, Some(list), articles());
    let newest = |least: Timestamp| {
        articles()
            .map(|article| article.head.updated.max(last_seen(article)))
            .fold(least, Timestamp::max)
    };
    let changed = match month {
        // A finished month does not change when others do.
        Some(month) if month < shown.month_now => newest(month_end(month)),
        // What the list says of its change is said of its beginning alone; a page may be far behind that.
        _ if *list != List::Popular => newest(changed),
        _ => changed,
    };
    changed.max(settings)
}

fn feed(
    context: &Context<'_>,
    request: &Request,
    list: &List,
    month: Option<(i32, u32)>,
    format: Format,
    shown: &Shown,
    gathered: &Gathered,
) -> Result<Document, Error> {
    let finished = month.is_some_and(|month| month < shown.month_now);
    let updated = updated(context, list, month, shown, gathered.changed);
    let mut articles = &shown.articles[..];
    let mut items = items(context, list, shown);
    let backwards = request.query.after_place.is_some() && request.query.before_place.is_none();
    let most = context.settings.options.max_bytes;
    let body = loop {
        let cut = articles.len() < shown.articles.len();
        let standing = Standing {
            places: places(articles),
            older: shown.older || (cut && !backwards),
            newer: shown.newer || (cut && backwards),
            months: &shown.months,
            updated,
        };
        let moved = std::mem::take(&mut items);
        let sheet = sheet::sheet(context, request, list, format, month, &standing, moved);
        let body = sheet::write(&sheet, format)?;
        items = sheet.items;
        let count = items.len();
        if body.len() <= most || count == 0 || (count == 1 && items[0].html.is_none()) {
            break body;
        }
        if count == 1 {
            items[0].shorten();
            continue;
        }
        let fewer = (count * most / body.len() * 19 / 20).clamp(1, count - 1);
        if backwards {
            items.drain(..count - fewer);
            articles = &articles[count - fewer..];
        } else {
            items.truncate(fewer);
            articles = &articles[..fewer];
        }
    };
    let shown_ids = articles
        .iter()
        .map(|(_, article)| article.head.id)
        .collect();
    let own = context.link(&request.asked);
    let kept = kept(request);
    let page = context.link(&format!("{}{}{kept}", request.prefix(), list.page()));
    let label = Label {
        kind: Kind::Feed,
        content_type: format!("{}; charset=utf-8", format.media_type()),
        cache_control: if finished {
            cache_control(request, ARCHIVE_AGE)
        } else {
            cache_control(request, fastest(context, list, articles))
        },
        link: Some(format!(
            "<{own}>; rel=\"self\", <{page}>; rel=\"alternate\"; type=\"text/html\""
        )),
        modified: updated,
    };
    Ok(Document::new(label, body, gathered.as_of, shown_ids))
}

/// What narrows a list, as a query.
fn kept(request: &Request) -> String {
    match request.query.kept.as_str() {
        "" => String::new(),
        kept => format!("?{kept}"),
    }
}

/// The first moment after a month.
fn month_end((year, month): (i32, u32)) -> Timestamp {
    let (year, month) = match month {
        12 => (year + 1, 1),
        _ => (year, month + 1),
    };
    Timestamp::from_civil(year, month, 1, 0, 0, 0).unwrap_or_default()
}

fn cache_control(request: &Request, seconds: u64) -> String {
    let who = match request.token {
        Some(_) => "private",
        None => "public",
    };
    format!("{who}, max-age={seconds}")
}

/// The interval of the fastest source in a list, within a minute and an hour, in seconds.
fn fastest(context: &Context<'_>, list: &List, articles: &[(Cursor, Arc<Article>)]) -> u64 {
    let shelf = match list {
        List::Category(name) => Some(text::key(name)),
        _ => None,
    };
    let shown = articles
        .iter()
        .flat_map(|(_, article)| &article.head.seen_at)
        .filter_map(|seen| context.settings.source(&seen.source));
    let sources = &context.settings.sources;
    let listed = sources.iter().filter(|(name, facts)| match list {
        List::All | List::Popular | List::Search => true,
        List::Category(_) => facts.category().map(text::key) == shelf,
        List::Source(id) => *name == id,
        List::Tag(_) | List::Output(_) => false,
    });
    shown
        .chain(listed.map(|(_, facts)| facts))
        .filter(|facts| !facts.is_private() || context.private)
        .map(|facts| facts.every().as_secs())
        .min()
        .unwrap_or(3600)
        .clamp(60, 3600)
}

fn list_page(
    context: &Context<'_>,
    request: &Request,
    list: &List,
    shown: &Shown,
    gathered: &Gathered,
) -> Document {
    let updated = updated(context, list, None, shown, gathered.changed);
    let standing = Standing {
        places: places(&shown.articles),
        older: shown.older,
        newer: shown.newer,
        months: &[],
        updated,
    };
    let mut items = items(context, list, shown);
    for item in &mut items {
        item.shorten();
    }
    let source_title = sheet::source_title(context, list, &items);
    let naming: Naming = sheet::naming(context, request, list, &source_title);
    let body = page::list(context, request, list, &naming, &standing, &items);
    let links: Vec<String> = context
        .settings
        .formats(list)
        .iter()
        .map(|format| {
            let url = context.link(&format!(
                "{}{}.{}{}",
                request.prefix(),
                list.stem(),
                format.ending(),
                kept(request)
            ));
            format!(
                "<{url}>; rel=\"alternate\"; type=\"{}\"",
                format.media_type()
            )
        })
        .collect();
    let label = Label {
        kind: Kind::Page,
        content_type: "text/html; charset=utf-8".to_owned(),
        cache_control: cache_control(request, fastest(context, list, &shown.articles)),
        link: Some(links.join(", ")),
        modified: updated,
    };
    let ids = items.iter().map(|item| item.article).collect();
    Document::new(label, body.into_bytes(), gathered.as_of, ids)
}

fn wrap(
    context: &Context<'_>,
    kind: Kind,
    media_type: &str,
    body: &str,
    modified: Timestamp,
    as_of: Revision,
) -> Document {
    let label = Label {
        kind,
        content_type: format!("{media_type}; charset=utf-8"),
        cache_control: format!("public, max-age={}", fastest(context, &List::All, &[])),
        link: None,
        modified,
    };
    Document::new(label, plain::clean(body).into_bytes(), as_of, Vec::new())
}
