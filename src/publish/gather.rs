//! The first half of a document: reads from the store all that it shows, and when that last changed. The second half,
//! `render`, touches nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::address::{Format, List, Request, Route};
use super::item::Context;
use super::listing::select;
use super::names::{Names, labels_of};
use super::{Error, Settings, moment};
use crate::model::article::{Article, ArticleId, Revision};
use crate::model::label::{Cursor, LabelCount, Scope};
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::store::{self, Found, Listing, Store};
use crate::text;

/// All that a document is made of.
pub(super) struct Gathered {
    pub(super) names: Names,
    pub(super) authority: (String, i32),
    pub(super) as_of: Revision,
    /// When what is shown last changed, whatever the settings did.
    pub(super) changed: Timestamp,
    pub(super) matter: Matter,
}

pub(super) enum Matter {
    List(Shown),
    Article(Box<Article>),
    Labels(Vec<LabelCount>),
    States(Vec<(SourceId, SourceState)>),
    Lists(Vec<(List, String)>),
    Moved(String),
}

impl Matter {
    /// The labels whose spelling is shown. An index of labels brings them along.
    fn labels(&self, settings: &Settings, request: &Request) -> HashSet<Scope> {
        let mut labels = match self {
            Self::List(shown) => labels_of(shown.articles.iter().map(|(_, article)| &**article)),
            Self::Article(article) => labels_of([&**article]),
            _ => return HashSet::new(),
        };
        labels.extend(request.list().map(|list| scope(settings, list)));
        labels
    }
}

/// One page of a list.
pub(super) struct Shown {
    pub(super) articles: Vec<(Cursor, Arc<Article>)>,
    pub(super) older: bool,
    pub(super) newer: bool,
    /// Months with an archive, newest first.
    pub(super) months: Vec<(i32, u32)>,
    /// Months before this one are finished.
    pub(super) month_now: (i32, u32),
    pub(super) touched: Timestamp,
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

    pub(super) fn context<'a>(&'a self, settings: &'a Settings, request: &Request) -> Context<'a> {
        Context {
            settings,
            names: &self.names,
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
        names: Names::of(store, matter.labels(settings, request)).await?,
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
pub(super) async fn last_commit(store: &dyn Store) -> Result<Timestamp, Error> {
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
pub(super) fn last_seen(article: &Article) -> Timestamp {
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
    match list {
        List::All | List::Popular | List::Search | List::Output(_) => true,
        List::Source(id) => settings.source(id).is_some_and(|facts| !facts.is_private()),
        List::Category(name) => {
            let key = text::key(name);
            let mut public = settings
                .sources
                .values()
                .filter(|facts| !facts.is_private());
            public.any(|facts| facts.category().is_some_and(|name| text::key(name) == key))
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
    let keep = |id, state| {
        known.insert(id, state);
    };
    store::each_state(store, keep).await?;
    let public = settings
        .sources
        .iter()
        .filter(|(_, facts)| !facts.is_private());
    Ok(public
        .map(|(id, _)| (id.clone(), known.remove(id).unwrap_or_default()))
        .collect())
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
        let configured = settings
            .source(&id)
            .and_then(|facts| facts.title().map(str::to_owned));
        let title = configured
            .or_else(|| state.about.map(|about| about.title))
            .filter(|title| !title.trim().is_empty())
            .unwrap_or_else(|| id.to_string());
        lists.push((List::Source(id), title));
    }
    for output in settings.outputs.iter().filter(|output| !output.restricted) {
        let title = output.title.clone().unwrap_or_else(|| output.id.clone());
        lists.push((List::Output(output.id.clone()), title));
    }
    Ok(lists)
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
