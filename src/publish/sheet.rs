//! A whole feed document before it has a format: what it is called, where it stands among its pages and archives,
//! and its items.

use std::collections::HashMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::address::{Format, List, Request, month_name, value};
use super::item::{Context, Item};
use super::plain;
use super::{Error, atom, json_feed, rss};
use crate::model::label::Cursor;
use crate::model::time::Timestamp;
use crate::text;

/// A feed document.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    /// The list's own id, the same on all its pages.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    /// The URL asked for.
    pub(super) own_url: String,
    /// The list as a page for people.
    pub(super) page_url: String,
    /// The same document in the formats.
    pub(super) formats: Vec<(Format, String)>,
    pub(super) links: Links,
    /// Last change of what is shown.
    pub(super) updated: Timestamp,
    /// The commonest language of the items.
    pub(super) language: Option<String>,
    pub(super) site: String,
    pub(super) public_url: String,
    /// Host of ids, for an address that nobody reads.
    pub(super) host: String,
    pub(super) items: Vec<Item>,
    /// An archive: its month, where the list goes on.
    pub(super) archive: Option<String>,
}

/// Places in a paged or archived feed (RFC 5005), as URLs.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
    pub(super) previous: Option<String>,
    pub(super) current: Option<String>,
    pub(super) prev_archive: Option<String>,
    pub(super) next_archive: Option<String>,
}

impl Links {
    /// Relation and target of those that exist.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("first", &self.first),
            ("next", &self.next),
            ("previous", &self.previous),
            ("current", &self.current),
            ("prev-archive", &self.prev_archive),
            ("next-archive", &self.next_archive),
        ]
        .into_iter()
        .filter_map(|(rel, url)| url.as_deref().map(|url| (rel, url)))
    }
}

/// What a list is called, and the part of its id that is its own.
pub(super) struct Naming {
    pub(super) title: String,
    pub(super) description: String,
    id: String,
}

/// The name of a list, different for each.
pub(super) fn naming(
    context: &Context<'_>,
    request: &Request,
    list: &List,
    source_title: &str,
) -> Naming {
    let settings = context.settings;
    let site = plain::line(&settings.site.title);
    let (name, what, id) = match list {
        List::All => (None, "Everything".to_owned(), "l/all".to_owned()),
        List::Popular => (
            Some("Popular".to_owned()),
            "What most sources tell".to_owned(),
            "l/popular".to_owned(),
        ),
        List::Search => (
            Some("Search".to_owned()),
            "What was found".to_owned(),
            "l/search".to_owned(),
        ),
        List::Tag(name) => {
            let key = settings.tag_key(name);
            let shown = context.names.tag(settings, &key).unwrap_or(name);
            let shown = plain::line(shown);
            (
                Some(format!("#{shown}")),
                format!("Articles tagged {shown}"),
                format!("t/{}", encoded(&key)),
            )
        }
        List::Category(name) => {
            let key = text::key(name);
            let titled = settings
                .label
                .categories
                .get(&key)
                .and_then(|category| category.title.as_deref());
            let shown = titled
                .or_else(|| context.names.category(settings, &key))
                .unwrap_or(name);
            let shown = plain::line(shown);
            (
                Some(format!("Category {shown}")),
                format!("Articles in the category {shown}"),
                format!("c/{}", encoded(&key)),
            )
        }
        List::Source(id) => {
            let shared = settings
                .sources
                .iter()
                .any(|(other, facts)| other != id && facts.title() == Some(source_title));
            let shown = if shared {
                format!("{source_title} ({id})")
            } else {
                source_title.to_owned()
            };
            (
                Some(format!("Source {shown}")),
                format!("Articles from {shown}"),
                format!("f/{id}"),
            )
        }
        List::Output(id) => {
            let output = settings.output(id);
            let line = |text: Option<&String>| plain::some_line(text.map(String::as_str));
            let shown =
                line(output.and_then(|output| output.title.as_ref())).unwrap_or_else(|| id.clone());
            let about = line(output.and_then(|output| output.description.as_ref()));
            (
                Some(shown.clone()),
                about.unwrap_or(shown),
                format!("o/{id}"),
            )
        }
    };
    let narrowed = if request.query.kept.is_empty() {
        String::new()
    } else {
        format!(" ({})", plain::line(&shown_query(&request.query.kept)))
    };
    let title = match name {
        Some(name) => format!("{name}{narrowed} – {site}"),
        None => format!("{site}{narrowed}"),
    };
    let id = if request.query.kept.is_empty() {
        context.mint(&id)
    } else {
        context.mint(&format!("{id}/{}", encoded(&request.query.kept)))
    };
    Naming {
        title,
        description: format!("{what}, collected by {site}"),
        id,
    }
}

fn shown_query(kept: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(kept).decode_utf8_lossy();
    decoded.replace('&', ", ")
}

/// A key inside an id: only what stays the same under every normalisation.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
        .replace("%2E", ".")
        .replace("%5F", "_")
        .replace("%7E", "~")
}

/// Where a list stands: what the store said besides the articles.
pub(super) struct Standing<'a> {
    /// First and last place of the page.
    pub(super) places: Option<(Cursor, Cursor)>,
    /// There is something older, something newer.
    pub(super) older: bool,
    pub(super) newer: bool,
    /// Archived months, newest first.
    pub(super) months: &'a [(i32, u32)],
    pub(super) updated: Timestamp,
}

/// What a source's list is called after.
pub(super) fn source_title(context: &Context<'_>, list: &List, items: &[Item]) -> String {
    let List::Source(id) = list else {
        return String::new();
    };
    let facts = context.settings.source(id);
    items
        .iter()
        .find(|item| item.source.id == *id)
        .map(|item| item.source.title.clone())
        .or_else(|| plain::some_line(facts.and_then(|facts| facts.title())))
        .unwrap_or_else(|| id.to_string())
}

/// The document without its items' details of format.
pub(super) fn sheet(
    context: &Context<'_>,
    request: &Request,
    list: &List,
    format: Format,
    month: Option<(i32, u32)>,
    standing: &Standing<'_>,
    items: Vec<Item>,
) -> Sheet {
    let source_title = source_title(context, list, &items);
    let naming = naming(context, request, list, &source_title);
    let prefix = request.prefix();
    let stem = format!("{prefix}{}", list.stem());
    let in_month = month.map_or_else(String::new, |month| format!("/{}", month_name(month)));
    let kept = &request.query.kept;
    let query = |place: &str| match (kept.is_empty(), place.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("?{place}"),
        (false, true) => format!("?{kept}"),
        (false, false) => format!("?{kept}&{place}"),
    };
    let at = |format: Format, place: &str| {
        context.link(&format!(
            "{stem}{in_month}.{}{}",
            format.ending(),
            query(place)
        ))
    };
    let place = request.asked.split_once('?').map_or("", |(_, query)| query);
    let alternate = |format: Format| {
        let query = if place.is_empty() {
            String::new()
        } else {
            format!("?{place}")
        };
        context.link(&format!("{stem}{in_month}.{}{query}", format.ending()))
    };
    let archive_at = |month: (i32, u32)| {
        context.link(&format!("{stem}/{}.{}", month_name(month), format.ending()))
    };
    let mut links = Links::default();
    if *list != List::Popular {
        links.first = Some(at(format, ""));
    }
    if let Some((first, last)) = standing.places {
        if standing.older {
            links.next = Some(at(format, &format!("before={}", value(&last.to_string()))));
        }
        if standing.newer {
            links.previous = Some(at(format, &format!("since={}", value(&first.to_string()))));
        }
    }
    let mut archive = None;
    match month {
        Some(month) => {
            links.current = Some(context.link(&format!("{stem}.{}", format.ending())));
            links.prev_archive = standing
                .months
                .iter()
                .copied()
                .find(|other| *other < month)
                .map(archive_at);
            links.next_archive = standing
                .months
                .iter()
                .rev()
                .copied()
                .find(|other| *other > month)
                .map(archive_at);
            archive = Some(month_name(month));
        }
        None if request.query.kept.is_empty() => {
            links.prev_archive = standing.months.first().copied().map(archive_at);
        }
        None => {}
    }
    let title = match &archive {
        Some(month) => format!("{} ({month})", naming.title),
        None => naming.title,
    };
    Sheet {
        id: naming.id,
        title,
        description: naming.description,
        own_url: context.link(&request.asked),
        page_url: context.link(&format!("{prefix}{}{}", list.page(), query(""))),
        formats: context
            .settings
            .formats(list)
            .iter()
            .map(|format| (*format, alternate(*format)))
            .collect(),
        links,
        updated: standing.updated,
        language: commonest(&items),
        site: plain::line(&context.settings.site.title),
        public_url: context.settings.site.public_url.to_string(),
        host: context.authority.0.clone(),
        items,
        archive,
    }
}

fn commonest(items: &[Item]) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for language in items.iter().filter_map(|item| item.language.as_deref()) {
        *counts.entry(language).or_default() += 1;
    }
    counts
        .into_iter()
        // Ties by name, so that the same articles always give the same bytes.
        .max_by_key(|(language, count)| (*count, std::cmp::Reverse(*language)))
        .map(|(language, _)| language.to_owned())
}

/// The bytes of a document.
pub(super) fn write(sheet: &Sheet, format: Format) -> Result<Vec<u8>, Error> {
    match format {
        Format::Rss => rss::render(sheet),
        Format::Atom => atom::render(sheet),
        Format::Json => json_feed::render(sheet),
    }
}
