//! The canonical form of an article's URL: what stays when everything is dropped that does not choose the article.
//!
//! It is a key, never shown and never fetched. Whatever might choose another article is kept: an unknown parameter is
//! a meaningful one.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Parameters that only say how the reader came: exact names.
const TRACKING: &[&str] = &[
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "bbid",
    "cmpid",
    "dclid",
    "fbclid",
    "gbraid",
    "gclid",
    "igshid",
    "isappinstalled",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "ncid",
    "ocid",
    "ref_src",
    "scm",
    "share_source",
    "share_token",
    "sr_share",
    "spm",
    "spm_id_from",
    "srsltid",
    "ts_from",
    "twclid",
    "vd_source",
    "wbraid",
    "weibo_id",
    "wfr",
    "yclid",
];

/// The same by how the name begins.
const TRACKING_PREFIXES: &[&str] = &["utm_", "mtm_", "pk_", "at_", "ga_", "hsa_", "itm_"];

/// Names that mean something at most sites, and tracking only with these values.
const TRACKING_VALUES: &[(&str, &[&str])] = &[
    (
        "from",
        &["timeline", "groupmessage", "singlemessage", "rss"],
    ),
    ("ref", &["rss", "feed", "twitter", "facebook"]),
    ("source", &["rss", "feed", "twitter", "facebook"]),
    ("s", &["rss", "feed"]),
    ("amp", &["1", ""]),
    ("outputtype", &["amp"]),
];

/// Host labels that choose a presentation of the same site.
const PRESENTATION_HOSTS: &[&str] = &["www.", "m.", "mobile.", "wap.", "amp.", "3g."];

/// How far redirectors inside redirectors are followed.
const MOST_WRAPS: usize = 5;

/// The canonical form, without a scheme (`example.org/a/b?id=1`). `None` unless it is an http(s) URL with a host.
#[must_use]
pub fn canonical(url: &str) -> Option<String> {
    let url = unwrap(Url::parse(url.trim()).ok()?);
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let mut out = host(&url)?;
    if let Some(port) = url.port() {
        out.push(':');
        out.push_str(&port.to_string());
    }
    out.push_str(&path(url.path()));
    let query = query(&url);
    if !query.is_empty() {
        out.push('?');
        out.push_str(&query);
    }
    // A fragment that routes (`#!/a`, `#/a`) chooses the article; any other is a place on the page.
    if let Some(fragment) = url
        .fragment()
        .filter(|fragment| fragment.starts_with(['!', '/']))
    {
        out.push('#');
        out.push_str(fragment);
    }
    Some(out)
}

/// False for a canonical URL that can hardly stand for one article: the front page of a site.
#[must_use]
pub fn names_one_article(canonical: &str) -> bool {
    canonical.contains(['/', '?', '#'])
}

/// Takes the target out of links that only count the click, as long as it stands in the link itself.
fn unwrap(mut url: Url) -> Url {
    for _ in 0..MOST_WRAPS {
        match target(&url) {
            Some(inner) if matches!(inner.scheme(), "http" | "https") => url = inner,
            _ => break,
        }
    }
    url
}

fn target(url: &Url) -> Option<Url> {
    let host = url.host_str()?;
    let path = url.path();
    let named = |names: &[&str]| {
        let (_, value) = url
            .query_pairs()
            .find(|(name, _)| names.contains(&name.as_ref()))?;
        Url::parse(&value).ok()
    };
    let under = |domain: &str| {
        host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let is_google = host.starts_with("www.google.") || host.starts_with("google.");
    if is_google && path == "/url" {
        return named(&["q", "url"]);
    }
    match host {
        "news.google.com" if path.contains("/articles/CBMi") => google_news(path),
        "www.bing.com" | "bing.com" if path.starts_with("/news/apiclick.aspx") => named(&["url"]),
        "l.facebook.com" | "lm.facebook.com" if path == "/l.php" => named(&["u"]),
        "t.umblr.com" if path == "/redirect" => named(&["z"]),
        "out.reddit.com" => named(&["url"]),
        "link.zhihu.com" => named(&["target"]),
        "c.pc.qq.com" => named(&["pfurl", "url"]),
        "weibo.cn" if path == "/sinaurl" => named(&["u"]),
        _ if host.starts_with("rd.yahoo.") || host == "rd.yahoo.com" => {
            let (_, inner) = path.split_once('*')?;
            Url::parse(&percent_decode_str(inner).decode_utf8_lossy()).ok()
        }
        _ if under("cdn.ampproject.org") => amp_cache(url),
        _ => None,
    }
}

/// `/c/s/example.org/a`: the content type, `s` for https, then the address; the query is the article's.
fn amp_cache(url: &Url) -> Option<Url> {
    let mut rest = url.path().trim_start_matches('/');
    for prefix in ["c/", "v/", "i/", "wp/"] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let (scheme, rest) = rest
        .strip_prefix("s/")
        .map_or(("http", rest), |rest| ("https", rest));
    rest.split('/').next().filter(|host| host.contains('.'))?;
    let mut inner = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    inner.set_query(url.query());
    Some(inner)
}

/// The old form of Google News ids is base64 of a small protobuf with the URL in it.
fn google_news(path: &str) -> Option<Url> {
    let id = path.split("/articles/").nth(1)?.split('/').next()?;
    let bytes = base64_url(id)?;
    let start = bytes.windows(4).position(|window| window == b"http")?;
    let length = bytes[start..]
        .iter()
        .position(|b| !(0x21..0x7f).contains(b))
        .unwrap_or(bytes.len() - start);
    Url::parse(std::str::from_utf8(&bytes[start..start + length]).ok()?).ok()
}

fn base64_url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .ok()
}

/// Lower case and punycode come from the URL parser; what is left are the names of presentations.
fn host(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(domain) => {
            let mut name = domain.trim_end_matches('.');
            while let Some(rest) = PRESENTATION_HOSTS
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix))
            {
                // `www.com` is somebody's domain, not a presentation of `com`.
                if !rest.contains('.') {
                    break;
                }
                name = rest;
            }
            Some(name.to_owned())
        }
        other => Some(other.to_string()),
    }
}

/// Dot segments are gone already (URL parser); left are double slashes, needless escapes, presentations and defaults.
fn path(path: &str) -> String {
    let mut segments: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(plain_segment)
        .collect();
    if segments
        .last()
        .is_some_and(|last| matches!(last.as_ref(), "index.html" | "index.htm" | "index.php"))
    {
        segments.pop();
    }
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "amp") {
        segments.pop();
    }
    if let Some(last) = segments.last_mut()
        && let Some(stem) = last.strip_suffix(".amp.html")
    {
        *last = Cow::Owned(stem.to_owned());
    } else if let Some(last) = segments.last_mut()
        && let Some(stem) = last.strip_suffix(".html")
        && !stem.is_empty()
    {
        // So that it meets its own `.amp.html`, whatever the site calls the plain page.
        *last = Cow::Owned(stem.to_owned());
    }
    segments
        .iter()
        .fold(String::new(), |out, segment| out + "/" + segment)
}

/// Decodes escapes of unreserved characters only: the others may mean something else undecoded (RFC 3986, 6.2.2.2).
fn plain_segment(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(b) if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            Some(_) => out.push_str(&rest[at..at + 3].to_ascii_uppercase()),
            None => {
                out.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn query(url: &Url) -> String {
    let Some(query) = url.query() else {
        return String::new();
    };
    let mut kept: Vec<Cow<'_, str>> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(plain_segment)
        .filter(|pair| !is_tracking(pair))
        .collect();
    kept.sort();
    kept.join("&")
}

fn is_tracking(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = name.to_ascii_lowercase();
    let value = value.to_ascii_lowercase();
    TRACKING.contains(&name.as_str())
        || TRACKING_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || TRACKING_VALUES
            .iter()
            .any(|(known, values)| *known == name && values.contains(&value.as_str()))
}
