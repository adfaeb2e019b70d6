//! URLs, both ways: a request target becomes a [`Request`], a list becomes the links that lead to it.
//!
//! A path is cut at its raw slashes and only then decoded, so that a label may contain anything. What comes after the
//! last dot is a format only if it is one of three, so that `node.js` is a label. Nothing here looks anything up.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

use super::Error;
use super::query::Query;
use crate::model::article::ArticleId;
use crate::model::source::SourceId;

/// What stands for itself in a path segment (RFC 3986, 3.3); the rest is encoded.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(0x7f);

/// The same for a value in a query: `+` and `&` mean something there.
const VALUE: &AsciiSet = &SEGMENT.add(b'&').add(b'+').add(b'=').add(b'\'');

/// The three feed formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RSS 2.0.
    Rss,
    /// Atom 1.0.
    Atom,
    /// JSON Feed 1.1.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rss, Self::Atom, Self::Json];

    /// The ending of its URLs.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Atom => "atom",
            Self::Json => "json",
        }
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rss => "RSS",
            Self::Atom => "Atom",
            Self::Json => "JSON Feed",
        }
    }

    /// Media type without parameters.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml",
            Self::Atom => "application/atom+xml",
            Self::Json => "application/feed+json",
        }
    }

    /// From the ending of a URL.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.ending() == ending)
    }
}

/// A list of articles that has a page and feeds. Labels are spelt as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum List {
    /// Everything public.
    All,
    /// What many sources tell these days.
    Popular,
    /// What the words of the query occur in.
    Search,
    /// A tag.
    Tag(String),
    /// A category.
    Category(String),
    /// A source.
    Source(SourceId),
    /// An `[[output]]`.
    Output(String),
}

impl List {
    /// The URL without origin, leading slash and ending: `tags/%E7%96%AB%E6%83%85`.
    #[must_use]
    pub fn stem(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Popular => "popular".to_owned(),
            Self::Search => "search".to_owned(),
            Self::Tag(name) => format!("tags/{}", segment(name)),
            Self::Category(name) => format!("categories/{}", segment(name)),
            Self::Source(id) => format!("sources/{id}"),
            Self::Output(id) => format!("outputs/{id}"),
        }
    }

    /// Where the list is a page for people: the stem, but the front page is `/`.
    #[must_use]
    pub fn page(&self) -> String {
        match self {
            Self::All => String::new(),
            _ => self.stem(),
        }
    }
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// A list as a feed, perhaps the archive of one month.
    Feed(List, Option<(i32, u32)>, Format),
    /// A list as a page.
    Page(List),
    /// One article.
    Article(ArticleId),
    /// Index of tags.
    Tags,
    /// Index of categories.
    Categories,
    /// The sources and how they are.
    Sources,
    /// The sources as OPML.
    Opml,
    /// Our own feeds as OPML.
    OwnOpml,
    /// Elsewhere on this site: a path without leading slash, links being permanent.
    Moved(String),
}

/// A request for a document, understood but not looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The target as asked for, in ASCII, without leading slash: the self link, and the name in the cache.
    pub asked: String,
    /// The secret of `/p/TOKEN/`.
    pub token: Option<String>,
    /// What is asked for.
    pub route: Route,
    /// What narrows it.
    pub query: Query,
}

impl Request {
    /// Understands the target of a request: path and query, as they came.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if it cannot be read, [`Error::NotFound`] if no such path exists.
    pub fn parse(target: &str) -> Result<Self, Error> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = path.strip_prefix('/') else {
            return Err(bad("The path must begin with a slash."));
        };
        let mut asked = normal(path);
        let segments = path
            .split('/')
            .map(decode)
            .collect::<Result<Vec<String>, Error>>()?;
        let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut token = None;
        if let ["p", secret, ..] = segments[..] {
            token = Some(secret.to_owned());
            segments.drain(..2);
        }
        let mut route = route(&segments).ok_or_else(|| {
            Error::NotFound(
                "There is nothing at this address. The feeds are listed at /opml/own.".into(),
            )
        })?;
        if token.is_some()
            && !matches!(
                route,
                Route::Feed(List::Output(_), ..) | Route::Page(List::Output(_))
            )
        {
            return Err(Error::NotFound("There is nothing at this address.".into()));
        }
        let query = normal(query);
        if !query.is_empty() {
            let _ = write!(asked, "?{query}");
            if let Route::Moved(to) = &mut route {
                let _ = write!(to, "?{query}");
            }
        }
        let request = Self {
            asked,
            token,
            route,
            query: Query::parse(&query)?,
        };
        match (request.list(), &request.query.q) {
            (Some(List::Search), None) => Err(bad("A search takes its words in `q`.")),
            (Some(List::Search), Some(_)) | (_, None) => Ok(request),
            (_, Some(_)) => Err(bad(
                "`q` is for /search; there are n, since, before, tag, any, not, category, source, lang and has.",
            )),
        }
    }

    /// The list that is asked for, if it is one.
    #[must_use]
    pub fn list(&self) -> Option<&List> {
        match &self.route {
            Route::Feed(list, ..) | Route::Page(list) => Some(list),
            _ => None,
        }
    }

    /// `p/TOKEN/` for a private request, else nothing: how its links begin.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.token
            .as_deref()
            .map(|secret| format!("p/{}/", segment(secret)))
            .unwrap_or_default()
    }
}

fn route(segments: &[&str]) -> Option<Route> {
    let simple = match segments {
        [""] => Route::Page(List::All),
        ["all"] => Route::Moved(String::new()),
        ["feed" | "rss" | "feed.xml" | "index.xml"] => Route::Moved("all.rss".to_owned()),
        ["atom.xml"] => Route::Moved("all.atom".to_owned()),
        ["feed.json"] => Route::Moved("all.json".to_owned()),
        ["tags", ""] => Route::Tags,
        ["categories", ""] => Route::Categories,
        ["sources", ""] => Route::Sources,
        ["tags" | "categories" | "sources"] => Route::Moved(format!("{}/", segments[0])),
        ["opml"] => Route::Opml,
        ["opml", "own"] => Route::OwnOpml,
        ["articles", id] => match ArticleId::parse(id) {
            Some(parsed) if *id == parsed.to_string() => Route::Article(parsed),
            parsed => Route::Moved(format!("articles/{}", parsed?)),
        },
        _ => return list_route(segments),
    };
    Some(simple)
}

fn list_route(segments: &[&str]) -> Option<Route> {
    let (stem, file) = match segments {
        [file] => (None, *file),
        ["all", file] => (Some(List::All), *file),
        [kind, file] => {
            return match file_format(file) {
                Some((name, format)) => Some(Route::Feed(list(&[kind, name])?, None, format)),
                None => Some(Route::Page(list(&[kind, file])?)),
            };
        }
        [kind, name, file] => (Some(list(&[kind, name])?), *file),
        _ => return None,
    };
    match (stem, file_format(file)) {
        (None, Some((name, format))) => Some(Route::Feed(list(&[name])?, None, format)),
        (None, None) => Some(Route::Page(list(&[file])?)),
        (Some(list), Some((month, format))) => {
            Some(Route::Feed(list, Some(year_month(month)?), format))
        }
        (Some(_), None) => None,
    }
}

fn list(segments: &[&str]) -> Option<List> {
    match segments {
        ["all"] => Some(List::All),
        ["popular"] => Some(List::Popular),
        ["search"] => Some(List::Search),
        ["tags", name] => Some(List::Tag((*name).to_owned())),
        ["categories", name] => Some(List::Category((*name).to_owned())),
        ["sources", id] => SourceId::new(id).map(List::Source),
        // Outputs have names of the same form as sources.
        ["outputs", id] => SourceId::new(id).map(|id| List::Output(id.as_str().to_owned())),
        _ => None,
    }
}

fn file_format(file: &str) -> Option<(&str, Format)> {
    let (name, ending) = file.rsplit_once('.')?;
    (!name.is_empty())
        .then(|| Format::of_ending(ending))
        .flatten()
        .map(|format| (name, format))
}

fn year_month(text: &str) -> Option<(i32, u32)> {
    let (year, month) = text.split_once('-')?;
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || !digits(month, 2) {
        return None;
    }
    let month: u32 = month.parse().ok()?;
    (1..=12)
        .contains(&month)
        .then_some((year.parse().ok()?, month))
}

/// `2026-11`, as in the URL of an archive.
pub(super) fn month_name((year, month): (i32, u32)) -> String {
    format!("{year:04}-{month:02}")
}

fn bad(sentence: &str) -> Error {
    Error::BadRequest(sentence.to_owned())
}

fn decode(raw: &str) -> Result<String, Error> {
    let bytes = raw.as_bytes();
    let broken = bytes.iter().enumerate().any(|(at, b)| {
        *b == b'%'
            && !bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(bad(
            "A percent sign in the address must be followed by two hexadecimal digits.",
        ));
    }
    let decoded = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| bad("The address is not UTF-8."))?;
    if decoded.chars().any(char::is_control) {
        return Err(bad("The address contains a control character."));
    }
    if decoded.split('/').any(|part| part == ".." || part == ".") {
        return Err(bad("The address contains a dot segment."));
    }
    Ok(decoded.nfc().collect())
}

/// The same address in ASCII, with upper-case hexadecimal digits; what was encoded stays encoded.
fn normal(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut hex = 0;
    for byte in raw.bytes() {
        if hex > 0 {
            hex -= 1;
            out.push(char::from(byte.to_ascii_uppercase()));
        } else if byte == b'%' {
            hex = 2;
            out.push('%');
        } else if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A label as a path segment: NFC, percent-encoded.
#[must_use]
pub fn segment(name: &str) -> String {
    let composed: String = name.nfc().collect();
    utf8_percent_encode(&composed, SEGMENT).to_string()
}

/// A value in a query.
#[must_use]
pub(super) fn value(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dot_decides_and_only_before_a_format() {
        let tag = |name: &str| List::Tag(name.to_owned());
        for (target, route) in [
            ("/", Route::Page(List::All)),
            ("/all.rss", Route::Feed(List::All, None, Format::Rss)),
            ("/popular", Route::Page(List::Popular)),
            ("/tags/node.js", Route::Page(tag("node.js"))),
            (
                "/tags/node.js.atom",
                Route::Feed(tag("node.js"), None, Format::Atom),
            ),
            (
                "/tags/%E7%96%AB%e6%83%85.json",
                Route::Feed(tag("疫情"), None, Format::Json),
            ),
            (
                "/tags/疫情.json",
                Route::Feed(tag("疫情"), None, Format::Json),
            ),
            (
                "/tags/a%2Fb.rss",
                Route::Feed(tag("a/b"), None, Format::Rss),
            ),
            ("/tags/C++.rss", Route::Feed(tag("C++"), None, Format::Rss)),
            ("/tags/cafe%CC%81", Route::Page(tag("café"))),
            (
                "/categories/tech/2026-11.rss",
                Route::Feed(List::Category("tech".into()), Some((2026, 11)), Format::Rss),
            ),
            (
                "/all/2026-01.json",
                Route::Feed(List::All, Some((2026, 1)), Format::Json),
            ),
            ("/tags/", Route::Tags),
            ("/tags", Route::Moved("tags/".into())),
            ("/feed", Route::Moved("all.rss".into())),
            ("/atom.xml", Route::Moved("all.atom".into())),
        ] {
            assert_eq!(Request::parse(target).unwrap().route, route, "{target}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for target in [
            "/tags/a%00b.rss",
            "/tags/..%2Fx.rss",
            "/tags/%FF.rss",
            "/tags/%zz",
            "/../x",
            "/search",
            "/search.rss?q=",
            "/all.rss?q=x",
        ] {
            assert!(
                matches!(Request::parse(target), Err(Error::BadRequest(_))),
                "{target}"
            );
        }
        for target in [
            "/nothing",
            "/tags/a/b/c",
            "/tags/a/2026-13.rss",
            "/tags/a/2026-1.rss",
            "/sources/UPPER.rss",
            "/articles/xyz",
            "/p/secret/all.rss",
            "/p/secret/search.rss?q=x",
            "/search/2026-11.rss?q=x",
            "/all.xml",
        ] {
            assert!(
                matches!(Request::parse(target), Err(Error::NotFound(_))),
                "{target}"
            );
        }
    }

    #[test]
    fn links_to_other_pages_are_ascii() {
        let request = Request::parse("/all.rss?tag=疫情&n=5&before=2b-1").unwrap();
        assert_eq!(request.query.tags, ["疫情"]);
        assert_eq!(request.query.kept, "tag=%E7%96%AB%E6%83%85&n=5");
    }

    #[test]
    fn one_address_has_one_name() {
        for target in ["/tags/疫情.rss?n=5", "/tags/%e7%96%ab%E6%83%85.rss?n=5"] {
            assert_eq!(
                Request::parse(target).unwrap().asked,
                "tags/%E7%96%AB%E6%83%85.rss?n=5"
            );
        }
    }
}
