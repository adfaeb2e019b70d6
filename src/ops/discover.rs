//! What is at an address: a feed, or a page that names feeds.

use serde::Serialize;
use url::Url;

use crate::clock::{Clock, SystemClock};
use crate::config::{default_id, without_user_info};
use crate::fetch::{self, Fetched, Fetcher};
use crate::model::document::Document;
use crate::model::entry::{Feed, FeedFormat};
use crate::model::source::{Source, SourceKind, SourceState};
use crate::model::time::Timestamp;
use crate::parse;

use super::markup::{self, Tag};

/// Candidates of one page that are looked at.
const MOST_CANDIDATES: usize = 8;
/// Bytes of a page in which links are looked for.
const PAGE_LIMIT: usize = 2 << 20;
/// Where feeds usually are when a page names none.
const USUAL: [&str; 8] = [
    "feed",
    "feed.xml",
    "rss.xml",
    "atom.xml",
    "index.xml",
    "rss",
    "feed.json",
    "feeds/posts/default",
];

/// A feed that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Where it is.
    pub url: String,
    /// `RSS`, `Atom`, `JSON Feed`, with its version.
    pub format: String,
    /// Its title.
    pub title: String,
    /// The site it belongs to.
    pub home: Option<String>,
    /// Its newest articles, newest first.
    pub newest: Vec<Newest>,
    /// How many articles it lists.
    pub articles: usize,
}

/// An article of a feed that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Newest {
    /// Title.
    pub title: String,
    /// Date.
    pub published: Option<String>,
}

/// Why there is nothing to add.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no address.
    #[error("`{0}` is not an address; write it as https://…")]
    NotAnAddress(String),
    /// It could not be fetched.
    #[error("cannot fetch {url}: {why}")]
    Fetch {
        /// Which.
        url: String,
        /// Why.
        why: String,
    },
    /// Something is there, but no feed, and it leads to none.
    #[error("there is no feed at {0}, and that page names none")]
    Nothing(String),
}

/// Looks at an address on the web with the manners of `options`.
///
/// # Errors
/// As [`probe`].
pub async fn on_the_web(options: &fetch::Options, asked: &str) -> Result<Vec<Found>, Error> {
    let fetcher = fetcher(options, asked)?;
    probe(asked, async |url: &str| {
        document(fetcher.get(url, SystemClock.now()).await)
    })
    .await
}

/// Looks at a file.
///
/// # Errors
/// If it cannot be read or is no feed.
pub async fn in_file(options: &fetch::Options, path: &str) -> Result<Found, Error> {
    let fetcher = fetcher(options, path)?;
    let mut source = Source::new(default_id(path), path);
    source.kind = SourceKind::File;
    let visit = fetcher
        .fetch(&source, &SourceState::default(), SystemClock.now())
        .await;
    let document = document(visit).map_err(|why| failed(path, why))?;
    recognise(&document, path.to_owned()).ok_or_else(|| Error::Nothing(path.to_owned()))
}

fn fetcher(options: &fetch::Options, asked: &str) -> Result<Fetcher, Error> {
    Fetcher::new(options.clone()).map_err(|error| failed(asked, super::with_causes(&error)))
}

fn document(fetched: Fetched) -> Result<Document, String> {
    match fetched {
        Fetched::Document { document, .. } => Ok(document),
        Fetched::Failed(failure) => Err(failure.fault.text),
        Fetched::Deferred { until, host } => Err(format!(
            "{} asks to be left alone until {until}",
            host.as_str()
        )),
        Fetched::NotModified(_) => Err("it answers 304 to a first visit".to_owned()),
    }
}

/// Looks at an address. The first found is the best; a feed itself is the only one.
///
/// # Errors
/// If it is no address, cannot be fetched, or leads to no feed.
pub async fn probe(
    asked: &str,
    get: impl AsyncFn(&str) -> Result<Document, String>,
) -> Result<Vec<Found>, Error> {
    let url = address(asked).ok_or_else(|| no_address(asked))?;
    let mut written = asked_form(asked, &url);
    let document = match get(url.as_str()).await {
        Ok(document) => document,
        // Nobody wrote a scheme, so the older one may be meant.
        Err(why) => match plain_http(asked, &url) {
            Some(http) => {
                written = http.to_string();
                get(&written).await.map_err(|why| failed(&written, why))?
            }
            None => return Err(failed(url.as_str(), why)),
        },
    };
    if let Some(found) = recognise(&document, written) {
        return Ok(vec![found]);
    }
    let base = document
        .url
        .as_deref()
        .and_then(|url| Url::parse(url).ok())
        .unwrap_or(url);
    let named = links(&document, &base);
    let mut found = try_all(&named, &get).await;
    if found.is_empty() {
        found = try_all(&usual(&base), &get).await;
        // Of the usual places the first that answers is as good as the others: they are one feed in several forms.
        found.truncate(1);
    }
    if found.is_empty() {
        return Err(Error::Nothing(without_user_info(base.as_str())));
    }
    Ok(found)
}

fn failed(url: &str, why: String) -> Error {
    Error::Fetch {
        url: without_user_info(url),
        why,
    }
}

/// What somebody typed and we make nothing of.
#[must_use]
pub fn no_address(asked: &str) -> Error {
    Error::NotAnAddress(without_user_info(asked))
}

/// The address as it was written where that is one, so that feeds.toml has what the administrator typed.
fn asked_form(asked: &str, url: &Url) -> String {
    let asked = asked.trim();
    match Url::parse(asked) {
        Ok(_) => asked.to_owned(),
        Err(_) => url.to_string(),
    }
}

/// Reads what somebody typed as an address.
#[must_use]
pub fn address(asked: &str) -> Option<Url> {
    let asked = asked.trim();
    let asked = match asked.strip_prefix("feed:") {
        // feed://host/… and feed:https://host/… were both in use.
        Some(rest) if rest.starts_with("//") => format!("https:{rest}"),
        Some(rest) => rest.to_owned(),
        None => asked.to_owned(),
    };
    if let Ok(url) = Url::parse(&asked)
        && matches!(url.scheme(), "http" | "https")
    {
        return url.has_host().then_some(url);
    }
    // No scheme: a host with a dot, or one with a port.
    if asked.contains("://") || asked.starts_with(['/', '.']) || asked.contains(char::is_whitespace)
    {
        return None;
    }
    let host = asked.split(['/', '?', '#']).next().unwrap_or_default();
    if !host.contains('.') && !host.contains(':') {
        return None;
    }
    Url::parse(&format!("https://{asked}"))
        .ok()
        .filter(Url::has_host)
}

fn plain_http(asked: &str, url: &Url) -> Option<Url> {
    if asked.contains("://") || asked.starts_with("feed:") {
        return None;
    }
    let mut http = url.clone();
    http.set_scheme("http").ok()?;
    Some(http)
}

/// The feed in a document, if there is one.
#[must_use]
pub fn recognise(document: &Document, url: String) -> Option<Found> {
    let parsed = parse::parse(document, &parse::Options::default()).ok()?;
    Some(describe(&parsed.feed, url))
}

async fn try_all(
    candidates: &[Url],
    get: &impl AsyncFn(&str) -> Result<Document, String>,
) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for url in candidates.iter().take(MOST_CANDIDATES) {
        let Ok(document) = get(url.as_str()).await else {
            continue;
        };
        if let Some(found) = recognise(&document, url.to_string()) {
            all.push(found);
        }
    }
    all
}

fn describe(feed: &Feed, url: String) -> Found {
    let mut entries: Vec<_> = feed.entries.iter().collect();
    let date = |entry: &crate::model::entry::Entry| entry.published.or(entry.updated);
    entries.sort_by_key(|entry| std::cmp::Reverse(date(entry)));
    let name = match feed.format {
        FeedFormat::Rss => "RSS",
        FeedFormat::Rdf => "RDF",
        FeedFormat::Atom => "Atom",
        FeedFormat::Json => "JSON Feed",
    };
    Found {
        url,
        format: match &feed.format_version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        },
        title: feed
            .title
            .as_ref()
            .map(|title| title.plain.clone())
            .unwrap_or_default(),
        home: feed.home_page_url.clone(),
        newest: entries
            .iter()
            .take(5)
            .map(|entry| Newest {
                title: entry.title_text().to_owned(),
                published: date(entry).map(Timestamp::to_rfc3339),
            })
            .collect(),
        articles: entries.len(),
    }
}

fn usual(base: &Url) -> Vec<Url> {
    let mut all: Vec<Url> = Vec::new();
    // Beside the page first: a blog need not be at the top of its site.
    let mut folder = base.clone();
    if !folder.path().ends_with('/') {
        let path = format!("{}/", folder.path());
        folder.set_path(&path);
    }
    let root = base.join("/").ok();
    for from in std::iter::once(folder).chain(root) {
        for place in USUAL {
            if let Ok(url) = from.join(place)
                && !all.contains(&url)
            {
                all.push(url);
            }
        }
    }
    all
}

/// Feeds that a page names: `link rel=alternate` of a feed's type, then plain links that look like one. Those for
/// comments come last.
fn links(document: &Document, base: &Url) -> Vec<Url> {
    let body = &document.body[..document.body.len().min(PAGE_LIMIT)];
    let page = String::from_utf8_lossy(body);
    let mut base = base.clone();
    let (mut named, mut guessed, mut comments) = (Vec::new(), Vec::new(), Vec::new());
    for tag in markup::tags(&page, &["link", "a", "base"]) {
        let Some(href) = tag.get("href") else {
            continue;
        };
        if tag.name == "base" {
            base = base.join(href).unwrap_or(base);
            continue;
        }
        let Ok(url) = base.join(href) else {
            continue;
        };
        if !matches!(url.scheme(), "http" | "https") {
            continue;
        }
        let list = match tag.name.as_str() {
            "link" if is_feed_link(&tag) => &mut named,
            "a" if looks_like_feed(&url) && url.host() == base.host() => &mut guessed,
            _ => continue,
        };
        let list = if is_about_comments(&tag, &url) {
            &mut comments
        } else {
            list
        };
        list.push(url);
    }
    let mut all: Vec<Url> = Vec::new();
    for url in named.into_iter().chain(guessed).chain(comments) {
        if !all.contains(&url) {
            all.push(url);
        }
    }
    all
}

fn is_feed_link(tag: &Tag) -> bool {
    let rel = tag.get("rel").unwrap_or_default().to_ascii_lowercase();
    let rels: Vec<&str> = rel.split_ascii_whitespace().collect();
    let kind = tag.get("type").unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_feed = matches!(
        kind,
        "application/rss+xml"
            | "application/atom+xml"
            | "application/rdf+xml"
            | "application/feed+json"
            | "text/rss+xml"
            | "text/xml"
            | "application/xml"
            | "application/json"
    );
    // WordPress offers its API as application/json, which is no feed; the probe would find out, at the price of a visit.
    let is_api = kind == "application/json"
        && tag
            .get("href")
            .is_some_and(|href| href.contains("/wp-json/"));
    rels.contains(&"feed") || (rels.contains(&"alternate") && is_feed && !is_api)
}

fn looks_like_feed(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/').to_ascii_lowercase();
    let last = path.rsplit('/').next().unwrap_or_default();
    matches!(last, "feed" | "rss" | "atom" | "feeds" | "rss2")
        || [
            ".rss",
            ".atom",
            ".rdf",
            "feed.xml",
            "rss.xml",
            "atom.xml",
            "feed.json",
        ]
        .iter()
        .any(|end| last.ends_with(end))
        || url
            .query_pairs()
            .any(|(key, value)| key == "feed" || matches!(&*value, "rss" | "atom"))
}

fn is_about_comments(tag: &Tag, url: &Url) -> bool {
    let title = tag.get("title").unwrap_or_default().to_lowercase();
    title.contains("comment") || title.contains("评论") || url.path().contains("/comments/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(page: &str) -> Vec<String> {
        let document = Document {
            body: page.as_bytes().to_vec().into(),
            url: None,
            content_type: None,
        };
        let base = Url::parse("https://a.org/blog/").unwrap();
        links(&document, &base).iter().map(Url::to_string).collect()
    }

    #[test]
    fn a_page_names_its_feeds() {
        assert_eq!(
            named(
                r#"<!-- <link rel=alternate type=application/rss+xml href=/old> -->
                <script>"<link rel=alternate type=application/rss+xml href=/script>"</script>
                <LINK REL="alternate" TYPE='application/rss+xml' title="Comments" HREF="/comments/feed/">
                <link rel="stylesheet" href="x.css"><link rel=alternate hreflang=de href="/de">
                <link rel="alternate" type="application/atom+xml; charset=utf-8" href="atom.xml?a=1&amp;b=2" />
                <a href="/feed.xml">Feed</a><a href="https://other.org/feed">no</a>"#
            ),
            [
                "https://a.org/blog/atom.xml?a=1&b=2",
                "https://a.org/feed.xml",
                "https://a.org/comments/feed/"
            ]
        );
    }

    #[test]
    fn the_base_of_a_page_counts() {
        assert_eq!(
            named("<base href=/x/><link rel=alternate type=application/rss+xml href=f>"),
            ["https://a.org/x/f"]
        );
    }

    #[test]
    fn broken_pages_end() {
        for page in [
            "<link",
            "<link href",
            "<link href=",
            "<a href='",
            "<link ==\"",
            "<script>",
            "<!--",
            "<",
        ] {
            named(page);
        }
    }

    #[test]
    fn what_people_type_is_an_address() {
        for (typed, url) in [
            ("https://a.org/x", Some("https://a.org/x")),
            ("a.org/x", Some("https://a.org/x")),
            ("127.0.0.1:8080/x", Some("https://127.0.0.1:8080/x")),
            ("feed://a.org/x", Some("https://a.org/x")),
            ("feed:http://a.org/x", Some("http://a.org/x")),
            ("localhost:8080", Some("https://localhost:8080/")),
            ("word", None),
            ("/etc/passwd", None),
            ("ftp://a.org/", None),
            ("", None),
        ] {
            assert_eq!(
                address(typed).map(|u| u.to_string()).as_deref(),
                url,
                "{typed}"
            );
        }
    }
}
