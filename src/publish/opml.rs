//! OPML 2.0: the sources as a subscription list, and our own feeds as another. Addresses without credentials, private
//! sources never.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::address::{Format, List};
use super::item::Context;
use super::plain;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::text;

/// The public sources, on their shelves.
pub(super) fn sources(
    context: &Context<'_>,
    states: &[(SourceId, SourceState)],
    modified: Timestamp,
) -> String {
    let mut shelves: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for (id, state) in states {
        let Some(facts) = context.settings.source(id) else {
            continue;
        };
        let Some(url) = plain::url(facts.url()) else {
            continue;
        };
        let about = state.about.as_ref();
        let title = plain::some_line(facts.title())
            .or_else(|| plain::some_line(about.map(|about| about.title.as_str())))
            .unwrap_or_else(|| id.to_string());
        let home = about.and_then(|about| plain::some_url(about.home_url.as_deref()));
        let name = facts.category().unwrap_or("Uncategorized");
        let key = text::key(name);
        let configured = context.settings.label.categories.get(&key);
        let shown = configured
            .and_then(|category| category.title.as_deref())
            .unwrap_or(name);
        shelves
            .entry(key)
            .or_insert_with(|| (plain::line(shown), Vec::new()))
            .1
            .push(outline(&title, &url, home.as_deref()));
    }
    document(
        &format!("Sources of {}", plain::line(&context.settings.site.title)),
        modified,
        shelves.into_values(),
    )
}

/// Our own public feeds.
pub(super) fn own(context: &Context<'_>, lists: &[(List, String)], modified: Timestamp) -> String {
    let kinds = |list: &List| match list {
        List::All | List::Popular | List::Search => (0, "All"),
        List::Category(_) => (1, "Categories"),
        List::Tag(_) => (2, "Tags"),
        List::Source(_) => (3, "Sources"),
        List::Output(_) => (4, "Outputs"),
    };
    let mut shelves: BTreeMap<(u8, &str), Vec<String>> = BTreeMap::new();
    for (list, title) in lists {
        let formats = context.settings.formats(list);
        let format = if formats.contains(&Format::Rss) {
            Format::Rss
        } else {
            formats[0]
        };
        let feed = context.link(&format!("{}.{}", list.stem(), format.ending()));
        let page = context.link(&list.page());
        shelves.entry(kinds(list)).or_default().push(outline(
            &plain::line(title),
            &feed,
            Some(&page),
        ));
    }
    document(
        &format!("Feeds of {}", plain::line(&context.settings.site.title)),
        modified,
        shelves
            .into_iter()
            .map(|((_, name), outlines)| (name.to_owned(), outlines)),
    )
}

fn document(
    title: &str,
    modified: Timestamp,
    shelves: impl Iterator<Item = (String, Vec<String>)>,
) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<opml version=\"2.0\">\n<head><title>{}</title><dateModified>{}</dateModified></head>\n<body>\n",
        label(title),
        modified.to_rfc822()
    );
    let mut empty = true;
    for (name, outlines) in shelves {
        empty = false;
        let _ = writeln!(out, "<outline text=\"{}\">", label(&name));
        for outline in outlines {
            out.push_str(&outline);
        }
        out.push_str("</outline>\n");
    }
    if empty {
        // The body must not be empty.
        out.push_str("<outline text=\"Nothing yet\"/>\n");
    }
    out.push_str("</body>\n</opml>\n");
    plain::clean(&out)
}

fn outline(title: &str, feed: &str, home: Option<&str>) -> String {
    let title = label(title);
    let home = home
        .map(|home| format!(" htmlUrl=\"{}\"", plain::escape(home)))
        .unwrap_or_default();
    format!(
        "<outline type=\"rss\" text=\"{title}\" title=\"{title}\" xmlUrl=\"{}\"{home}/>\n",
        plain::escape(feed)
    )
}

/// A title as OPML wants it: escaped HTML, escaped once more for XML. Most readers do not expect HTML here, so only what
/// would not be the same in HTML is escaped twice.
fn label(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        match c {
            '&' if next.is_none_or(|next| next == ' ' || next == '&') => html.push('&'),
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            _ => html.push(c),
        }
    }
    plain::escape(&html)
}
