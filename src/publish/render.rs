//! From a request to a document, in two halves: [`gather`] reads from the store what the document shows, and
//! [`document`] turns that into bytes without touching anything.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Format, List, Request, Route};
use super::document::{Document, Kind, Label};
use super::item::{Context, Item, Names, item};
use super::query::MOST;
use super::sheet::{self, Naming, Standing};
use super::{Error, Settings, index, moment, opml, page, plain, search};
use crate::model::article::{Article, ArticleId, Revision};
use crate::model::label::{Cursor, LabelCount, Scope, Selection};
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::store::{Found, Listing, Page, Store};
use crate::text;

/// How far back the popular list looks.
const POPULAR: Duration = Duration::from_hours(7 * 24);
/// What was published so long before that is a new source's past, and popular with nobody.
const BACKLOG: Duration = Duration::from_hours(21 * 24);
/// Stories of several sources that are looked at.
const STORIES: usize = 2000;
/// States read from the store at once.
const STATES: usize = 500;
/// How long a finished archive stays fresh, in seconds.
const ARCHIVE_AGE: u64 = 86_400;

/// All that a document is made of.
pub(super) struct Gathered {
    names: Arc<(Revision, Names)>,
    authority: (String, i32),
    as_of: Revision,
    /// When what is shown last changed, whatever the settings did.
    changed: Timestamp,
    matter: Matter,
}

enum Matter {
    List(Shown),
    Article(Box<Article>),
    Labels(Vec<LabelCount>),
    States(Vec<(SourceId, SourceState)>),
    Lists(Vec<(List, String)>),
    Moved(String),
}

/// One page of a list.
struct Shown {
    articles: Vec<(Cursor, Arc<Article>)>,
    older: bool,
    newer: bool,
    /// Months with an archive, newest first.
    months: Vec<(i32, u32)>,
    /// Months before this one are finished.
    month_now: (i32, u32),
    touched: Timestamp,
}

impl Gathered {
    /// The path of another document that is meant.
    pub(super) fn moved(&self) -> Option<&str> {
        match &self.matter {
            Matter::Moved(to) => Some(to),
            _ => None,
        }
    }

    /// True if the article is on this page.
    pub(super) fn shows(&self, id: ArticleId) -> bool {
        match &self.matter {
            Matter::List(shown) => shown
                .articles
                .iter()
                .any(|(_, article)| article.head.id == id),
            _ => false,
        }
    }

    fn context<'a>(&'a self, settings: &'a Settings, request: &Request) -> Context<'a> {
        Context {
            settings,
            names: &self.names.1,
            authority: &self.authority,
            private: request.token.is_some(),
        }
    }
}

/// The set of articles that a list starts from.
pub(super) fn scope(settings: &Settings, list: &List) -> Scope {
    match list {
        List::All | List::Popular | List::Search => Scope::All,
        List::Tag(name) => Scope::Tag(settings.tag_key(name)),
        List::Category(name) => Scope::Category(text::key(name)),
        List::Source(id) => Scope::Source(id.clone()),
        List::Output(id) => Scope::Output(id.clone()),
    }
}

/// Reads what a document shows.
pub(super) async fn gather(
    store: &dyn Store,
    settings: &Settings,
    names: &Arc<(Revision, Names)>,
    request: &Request,
) -> Result<Gathered, Error> {
    let mut as_of = store.revision();
    let matter = match &request.route {
        Route::Feed(list, month, _) => {
            let listing = select(store, settings, request, list, *month).await?;
            as_of = listing.as_of;
            Matter::List(shown(store, settings, request, list, *month, listing).await?)
        }
        Route::Page(list) => {
            let listing = select(store, settings, request, list, None).await?;
            as_of = listing.as_of;
            Matter::List(shown(store, settings, request, list, None, listing).await?)
        }
        Route::Article(id) => article(store, *id).await?,
        Route::Tags => Matter::Labels(store.tags().await?),
        Route::Categories => Matter::Labels(store.categories().await?),
        Route::Sources | Route::Opml => Matter::States(states(store, settings).await?),
        Route::OwnOpml => Matter::Lists(lists(store, settings).await?),
        Route::Moved(to) => Matter::Moved(to.clone()),
    };
    Ok(Gathered {
        names: Arc::clone(names),
        authority: store.authority(),
        as_of,
        changed: changed(store, request, &matter).await?,
        matter,
    })
}

/// When what is shown last changed.
async fn changed(
    store: &dyn Store,
    request: &Request,
    matter: &Matter,
) -> Result<Timestamp, Error> {
    Ok(match (&request.route, matter) {
        (Route::Feed(List::Popular, ..) | Route::Page(List::Popular), Matter::List(shown))
            if request.query.is_plain() =>
        {
            // Any news may concern it, few do.
            let heads = shown.articles.iter().map(|(_, article)| &article.head);
            let look: Vec<_> = heads.map(|head| (head.id, head.version)).collect();
            moment::of(store, "published-popular", &look, shown.touched).await?
        }
        (_, Matter::List(shown)) => shown.touched,
        (_, Matter::Article(article)) => last_seen(article).max(article.head.updated),
        (Route::Opml, Matter::States(states)) => {
            let about = |state: &SourceState| {
                let about = state.about.as_ref();
                about.map(|about| (about.title.clone(), about.home_url.clone()))
            };
            let look: Vec<_> = states
                .iter()
                .map(|(id, state)| (id, about(state)))
                .collect();
            moment::of(store, "published-opml", &look, last_visit(states)).await?
        }
        (_, Matter::States(states)) => last_visit(states),
        (_, Matter::Lists(lists)) => {
            let at = last_commit(store).await?;
            moment::of(store, "published-lists", lists, at).await?
        }
        (_, Matter::Labels(_)) => last_commit(store).await?,
        (_, Matter::Moved(_)) => Timestamp::EPOCH,
    })
}

/// When the store last changed visibly.
async fn last_commit(store: &dyn Store) -> Result<Timestamp, Error> {
    let newest = store.revision();
    let before = Revision {
        number: newest.number.saturating_sub(1),
        ..newest
    };
    let commits = store.changes(before, 1).await?;
    Ok(commits.last().map_or(Timestamp::EPOCH, |commit| commit.at))
}

fn last_visit(states: &[(SourceId, SourceState)]) -> Timestamp {
    let visits = states.iter().filter_map(|(_, state)| state.last_visit);
    visits.max().unwrap_or_default()
}

/// When a copy of an article last came.
fn last_seen(article: &Article) -> Timestamp {
    article
        .sightings
        .iter()
        .map(|sighting| sighting.seen)
        .fold(article.head.first_seen, Timestamp::max)
}

async fn article(store: &dyn Store, id: ArticleId) -> Result<Matter, Error> {
    match store.article(id).await? {
        Found::Article(article) if article.head.private => {}
        // An id of a copy leads to its article too, but only the article's own is an address.
        Found::Article(article) if article.head.id != id => {
            return Ok(Matter::Moved(format!("articles/{}", article.head.id)));
        }
        Found::Article(article) => return Ok(Matter::Article(article)),
        Found::Alias(other) => return Ok(Matter::Moved(format!("articles/{other}"))),
        Found::Gone => {
            return Err(Error::Gone(
                "This article was here, and has been removed because of its age.".into(),
            ));
        }
        Found::Never => {}
    }
    Err(Error::NotFound("There is no such article.".into()))
}

/// Articles on a page of this list.
fn page_size(
    settings: &Settings,
    request: &Request,
    list: &List,
    month: Option<(i32, u32)>,
) -> usize {
    let output = match list {
        List::Output(id) => settings.output(id).and_then(|output| output.items),
        _ => None,
    };
    let usual = match month {
        Some(_) => MOST,
        None => output.unwrap_or(settings.options.items),
    };
    request.query.n.unwrap_or(usual).clamp(1, MOST)
}

async fn select(
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
        (None, None) => Page::First { most },
    };
    let mut listing = match &query.q {
        Some(words) => search::select(store, &selection, words, page).await?,
        None => store.select(&selection, page).await?,
    };
    if request.token.is_none() {
        // The store keeps them apart already; a list for everybody looks twice.
        listing
            .articles
            .retain(|(_, article)| !article.head.private);
    }
    Ok(listing)
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

async fn shown(
    store: &dyn Store,
    settings: &Settings,
    request: &Request,
    list: &List,
    month: Option<(i32, u32)>,
    listing: Listing,
) -> Result<Shown, Error> {
    if !listing.known && !is_configured(settings, list) {
        return Err(Error::NotFound(match list {
            List::Tag(name) => format!("No article here ever had the tag “{name}”."),
            List::Category(name) => format!("There is no category “{name}”."),
            List::Source(id) => format!("There is no source `{id}`."),
            _ => "There is nothing at this address.".to_owned(),
        }));
    }
    let month_now = listing.touched.year_month();
    let archived = *list != List::Popular && (month.is_some() || request.query.kept.is_empty());
    let months = if archived {
        archives(
            &store.months(&scope(settings, list)).await?,
            month_now,
            listing.older || month.is_some(),
        )
    } else {
        Vec::new()
    };
    if let Some(month) = month
        && !months.contains(&month)
    {
        return Err(Error::NotFound(
            "There is no archive of that month; the feed itself names those that exist.".into(),
        ));
    }
    Ok(Shown {
        articles: listing.articles,
        older: listing.older,
        newer: listing.newer,
        months,
        month_now,
        touched: listing.touched,
    })
}

/// The months of a list that have an archive.
pub(super) async fn months(
    store: &dyn Store,
    settings: &Settings,
    list: &List,
) -> Result<Vec<(i32, u32)>, Error> {
    if *list == List::Popular {
        return Ok(Vec::new());
    }
    let request = Request::parse(&format!("/{}.{}", list.stem(), Format::Atom.ending()))?;
    let listing = select(store, settings, &request, list, None).await?;
    Ok(archives(
        &store.months(&scope(settings, list)).await?,
        listing.touched.year_month(),
        listing.older,
    ))
}

/// Months that have an archive, newest first: the finished ones. As long as none is finished, the current one, if the
/// feed does not hold everything (`more`). A single archive is followed by an empty one, since one without neighbours
/// would tell readers that it is incomplete.
fn archives(months: &[((i32, u32), u64)], now: (i32, u32), more: bool) -> Vec<(i32, u32)> {
    let with_articles = months
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(month, _)| *month);
    let mut archives: Vec<(i32, u32)> =
        with_articles.clone().filter(|month| *month < now).collect();
    if archives.is_empty() && more {
        archives.extend(with_articles);
    }
    if let [(year, month)] = archives[..] {
        archives.push(match month {
            1 => (year - 1, 12),
            _ => (year, month - 1),
        });
    }
    archives
}

/// True for a list that exists even before it has articles.
fn is_configured(settings: &Settings, list: &List) -> bool {
    let mut public = settings.sources.iter().filter(|facts| !facts.private);
    match list {
        List::All | List::Popular | List::Search | List::Output(_) => true,
        List::Source(id) => public.any(|facts| facts.id == *id),
        List::Category(name) => {
            let key = text::key(name);
            public.any(|facts| {
                facts
                    .category
                    .as_deref()
                    .is_some_and(|name| text::key(name) == key)
            })
        }
        List::Tag(_) => false,
    }
}

/// States of the public sources of the configuration, in order of id.
pub(super) async fn states(
    store: &dyn Store,
    settings: &Settings,
) -> Result<Vec<(SourceId, SourceState)>, Error> {
    let mut known = std::collections::BTreeMap::new();
    let mut after = None;
    loop {
        let some = store.states(after, STATES).await?;
        let full = some.len() == STATES;
        after = some.last().map(|(id, _)| id.clone());
        known.extend(some);
        if !full {
            break;
        }
    }
    let mut public: Vec<(SourceId, SourceState)> = settings
        .sources
        .iter()
        .filter(|facts| !facts.private)
        .map(|facts| {
            (
                facts.id.clone(),
                known.remove(&facts.id).unwrap_or_default(),
            )
        })
        .collect();
    public.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(public)
}

/// The public lists with their titles: everything, categories, tags that many articles have, sources, outputs.
pub(super) async fn lists(
    store: &dyn Store,
    settings: &Settings,
) -> Result<Vec<(List, String)>, Error> {
    let mut lists = vec![(List::All, settings.site.title.clone())];
    for label in store.categories().await? {
        let title = settings
            .label
            .categories
            .get(&label.key)
            .and_then(|category| category.title.clone());
        let title = title.unwrap_or_else(|| label.name.clone());
        lists.push((List::Category(label.name), title));
    }
    for label in store.tags().await? {
        if label.articles >= settings.label.publish_min {
            let name = settings
                .label
                .label
                .get(&label.key)
                .cloned()
                .unwrap_or(label.name);
            lists.push((List::Tag(name.clone()), format!("#{name}")));
        }
    }
    let states = states(store, settings).await?;
    for (id, state) in states {
        let configured = settings.source(&id).and_then(|facts| facts.title.clone());
        let title = configured
            .or_else(|| state.about.map(|about| about.title))
            .filter(|title| !title.trim().is_empty())
            .unwrap_or_else(|| id.to_string());
        lists.push((List::Source(id), title));
    }
    for output in settings
        .outputs
        .iter()
        .filter(|output| output.tokens.is_empty())
    {
        let title = output.title.clone().unwrap_or_else(|| output.id.clone());
        lists.push((List::Output(output.id.clone()), title));
    }
    Ok(lists)
}

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
    let items = items(&context, shown)
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

fn items(context: &Context<'_>, shown: &Shown) -> Vec<Item> {
    let extent = context.settings.options.content;
    shown
        .articles
        .iter()
        .map(|(_, article)| item(context, article, extent))
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
    let mut items = items(context, shown);
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
        let sheet = sheet::sheet(
            context,
            request,
            list,
            format,
            month,
            &standing,
            items.clone(),
        );
        let body = sheet::write(&sheet, format)?;
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
    let shown: HashSet<&SourceId> = articles
        .iter()
        .flat_map(|(_, article)| article.head.seen_at.iter().map(|seen| &seen.source))
        .collect();
    let belongs = |facts: &&super::Facts| {
        let listed = match list {
            List::All | List::Popular | List::Search => true,
            List::Category(_) => facts.category.as_deref().map(text::key) == shelf,
            List::Source(id) => facts.id == *id,
            List::Tag(_) | List::Output(_) => false,
        };
        (!facts.private || context.private) && (listed || shown.contains(&facts.id))
    };
    context
        .settings
        .sources
        .iter()
        .filter(belongs)
        .map(|facts| facts.every.as_secs())
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
    let mut items = items(context, shown);
    for item in &mut items {
        item.shorten();
    }
    let source_title = sheet::source_title(context, list, &items);
    let naming: Naming = sheet::naming(context, request, list, &source_title);
    let body = page::list(context, request, list, &naming, &standing, &items);
    let links: Vec<String> = Format::ALL
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_the_finished_months() {
        let counts =
            |months: &[(i32, u32)]| months.iter().map(|month| (*month, 3)).collect::<Vec<_>>();
        for (months, more, expected) in [
            (
                &[(2026, 11), (2026, 10), (2026, 9)][..],
                true,
                &[(2026, 10), (2026, 9)][..],
            ),
            (&[(2026, 11), (2026, 10)], false, &[(2026, 10), (2026, 9)]),
            (&[(2026, 11)], false, &[]),
            (&[(2026, 11)], true, &[(2026, 11), (2026, 10)]),
            (&[], true, &[]),
        ] {
            assert_eq!(
                archives(&counts(months), (2026, 11), more),
                expected,
                "{months:?}"
            );
        }
    }
}
