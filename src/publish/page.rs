//! Pages for people, as plain as they can be: the same articles as in the feeds, and where the feeds are. No script, no
//! style, nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Extent;
use super::address::{Format, List, Request, segment, value};
use super::item::{Context, Item, Label, item};
use super::plain::{self, escape};
use super::sheet::{Naming, Standing};
use crate::model::article::Article;
use crate::model::time::Timestamp;

/// Tags that are called related, at most.
const RELATED: usize = 12;

/// What stands in the head of a page.
pub(super) struct Head<'a> {
    pub(super) title: &'a str,
    /// Feeds of the same list, by absolute URL.
    pub(super) feeds: Vec<(Format, String)>,
}

/// The frame around every page.
pub(super) fn frame(context: &Context<'_>, head: &Head<'_>, main: &str) -> String {
    let base = context.settings.site.public_url.path();
    let mut links = String::new();
    for (format, url) in &head.feeds {
        let _ = writeln!(
            links,
            "<link rel=\"alternate\" type=\"{}\" title=\"{} ({})\" href=\"{}\">",
            format.media_type(),
            escape(head.title),
            format.name(),
            escape(url)
        );
    }
    let nav: String = [
        ("", "All"),
        ("categories/", "Categories"),
        ("tags/", "Tags"),
        ("sources/", "Sources"),
        ("popular", "Popular"),
    ]
    .iter()
    .map(|(path, name)| format!("<li><a href=\"{base}{path}\">{name}</a></li>\n"))
    .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         {links}</head>\n<body>\n<header>\n<p><a href=\"{base}\">{site}</a></p>\n<nav aria-label=\"Site\">\n<ul>\n{nav}</ul>\n</nav>\n</header>\n\
         <main>\n<h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n",
        title = escape(head.title),
        site = escape(&plain::line(&context.settings.site.title)),
    )
}

/// A list with its feeds and the ways to its other pages.
pub(super) fn list(
    context: &Context<'_>,
    request: &Request,
    list: &List,
    naming: &Naming,
    standing: &Standing<'_>,
    items: &[Item],
) -> String {
    let prefix = request.prefix();
    let kept = &request.query.kept;
    let query = |place: &str| match (kept.is_empty(), place.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("?{kept}"),
        (true, false) => format!("?{place}"),
        (false, false) => format!("?{kept}&{place}"),
    };
    let feeds: Vec<(Format, String)> = context
        .settings
        .formats(list)
        .iter()
        .copied()
        .map(|format| {
            let path = format!("{prefix}{}.{}{}", list.stem(), format.ending(), query(""));
            (format, context.link(&path))
        })
        .collect();
    let mut main = format!("<p>{}.</p>\n", escape(&naming.description));
    subscribe(&mut main, &feeds);
    if items.is_empty() {
        main.push_str("<p>Nothing here at the moment.</p>\n");
    }
    main.push_str("<ol>\n");
    for item in items {
        let _ = writeln!(main, "<li>\n{}</li>", summary(context, item));
    }
    main.push_str("</ol>\n");
    if let List::Tag(name) = list {
        main.push_str(&related(context, name, items));
    }
    if let Some((first, last)) = standing.places {
        let base = context.settings.site.public_url.path();
        let at = |place: String| escape(&format!("{base}{prefix}{}{}", list.page(), query(&place)));
        if standing.newer {
            let url = at(format!("since={}", value(&first.to_string())));
            let _ = writeln!(
                main,
                "<p><a rel=\"prev\" href=\"{url}\">Newer articles</a></p>"
            );
        }
        if standing.older {
            let url = at(format!("before={}", value(&last.to_string())));
            let _ = writeln!(
                main,
                "<p><a rel=\"next\" href=\"{url}\">Older articles</a></p>"
            );
        }
    }
    let title = &naming.title;
    plain::clean(&frame(context, &Head { title, feeds }, &main))
}

/// The tags that stand beside one on the articles of its page, the commonest first.
fn related(context: &Context<'_>, name: &str, items: &[Item]) -> String {
    let settings = context.settings;
    let own = settings.tag_key(name);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for label in items.iter().flat_map(|item| &item.labels) {
        if let Label::Tag(name) = label {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts.retain(|other, _| settings.tag_key(other) != own);
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    names.truncate(RELATED);
    if names.is_empty() {
        return String::new();
    }
    let base = settings.site.public_url.path();
    let rows: String = names
        .iter()
        .map(|(name, _)| {
            let address = escape(&segment(name));
            format!(
                "<li><a href=\"{base}tags/{address}\">{}</a></li>\n",
                escape(name)
            )
        })
        .collect();
    format!("<nav aria-label=\"Related tags\">\n<h2>Related tags</h2>\n<ul>\n{rows}</ul>\n</nav>\n")
}

fn subscribe(main: &mut String, feeds: &[(Format, String)]) {
    main.push_str("<p>Subscribe:");
    for (format, url) in feeds {
        let _ = write!(
            main,
            " <a type=\"{}\" href=\"{}\">{}</a>",
            format.media_type(),
            escape(url),
            format.name()
        );
    }
    main.push_str("</p>\n");
}

fn time(at: Timestamp) -> String {
    let full = at.whole_seconds().to_rfc3339();
    let date = full.get(..10).unwrap_or(&full);
    let clock = full.get(11..16).unwrap_or_default();
    format!("<time datetime=\"{full}\">{date} {clock} UTC</time>")
}

fn language(item: &Item) -> String {
    item.language
        .as_deref()
        .map(|language| format!(" lang=\"{language}\""))
        .unwrap_or_default()
}

/// Title, source, time, labels.
fn facts(context: &Context<'_>, item: &Item) -> String {
    let base = context.settings.site.public_url.path();
    let mut out = format!(
        "<p><a href=\"{base}sources/{}\">{}</a>, {}",
        item.source.id,
        escape(&item.source.title),
        time(item.published)
    );
    for author in &item.authors {
        let _ = write!(out, ", {}", escape(&author.name));
    }
    out.push_str("</p>\n");
    if !item.labels.is_empty() {
        out.push_str("<ul>\n");
        for label in &item.labels {
            let (kind, name) = match label {
                Label::Tag(name) => ("tags", name),
                Label::Category(name) => ("categories", name),
            };
            let _ = writeln!(
                out,
                "<li><a href=\"{base}{kind}/{}\">{}</a></li>",
                escape(&segment(name)),
                escape(name)
            );
        }
        out.push_str("</ul>\n");
    }
    if !item.also_in.is_empty() {
        let names: Vec<String> = item
            .also_in
            .iter()
            .map(|also| match &also.url {
                Some(url) => format!(
                    "<a rel=\"noopener\" href=\"{}\">{}</a>",
                    escape(url),
                    escape(&also.title)
                ),
                None => escape(&also.title),
            })
            .collect();
        let _ = writeln!(out, "<p>Also at {}</p>", names.join(", "));
    }
    out
}

fn summary(context: &Context<'_>, item: &Item) -> String {
    let base = context.settings.site.public_url.path();
    let title = escape(&item.title);
    let title = match &item.url {
        Some(url) => format!("<a rel=\"noopener\" href=\"{}\">{title}</a>", escape(url)),
        None => title,
    };
    let text = if item.summary.is_empty() {
        String::new()
    } else {
        format!("<p{}>{}</p>\n", language(item), escape(&item.summary))
    };
    format!(
        "<article>\n<h2{}>{title}</h2>\n{}{text}<p><a href=\"{base}articles/{}\">Details<span hidden> of {}</span></a></p>\n</article>\n",
        language(item),
        facts(context, item),
        item.article,
        escape(&item.title),
    )
}

/// One article. The text itself stays with the publisher; here is what it is and where it stands.
pub(super) fn article(context: &Context<'_>, article: &Article) -> String {
    let item = item(context, article, Extent::Summary);
    let feeds = Format::ALL
        .into_iter()
        .map(|format| {
            let path = format!("sources/{}.{}", item.source.id, format.ending());
            (format, context.link(&path))
        })
        .collect();
    let mut main = facts(context, &item);
    if let Some(wire) = &item.wire {
        let _ = writeln!(main, "<p>From {}</p>", escape(wire));
    }
    for person in &item.contributors {
        let _ = writeln!(main, "<p>With {}</p>", escape(&person.name));
    }
    if !item.summary.is_empty() {
        let _ = writeln!(main, "<p{}>{}</p>", language(&item), escape(&item.summary));
    }
    if let Some(url) = &item.url {
        let _ = writeln!(
            main,
            "<p><a rel=\"noopener\" href=\"{}\">Read it at the publisher</a></p>",
            escape(url)
        );
    }
    for file in &item.files {
        let _ = writeln!(
            main,
            "<p><a rel=\"noopener\" href=\"{url}\">{}</a> ({})</p>",
            escape(file.title.as_deref().unwrap_or(&file.url)),
            escape(&file.media_type),
            url = escape(&file.url),
        );
    }
    frame(
        context,
        &Head {
            title: &item.title,
            feeds,
        },
        &main,
    )
}
