//! Namespaces, reduced to the few that feeds use.
//!
//! A URI goes in, an [`Ns`] comes out; misspelt and outdated URIs count as what they mean. Nothing is fetched from them.

use std::borrow::Cow;

/// What vocabulary a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) enum Ns {
    /// The vocabulary of the root: RSS in an RSS document, Atom in an Atom document.
    Core,
    /// No namespace.
    None,
    /// RSS 0.90, 1.0, 1.1 or 2.0.
    Rss,
    /// RDF syntax.
    Rdf,
    /// Atom 0.3 and 1.0.
    Atom,
    /// XHTML.
    Xhtml,
    /// Dublin Core elements.
    Dc,
    /// Dublin Core terms.
    DcTerms,
    /// RSS 1.0 content module.
    Content,
    /// Apple's podcast elements.
    Itunes,
    /// Google's podcast elements.
    GooglePlay,
    /// Media RSS.
    Media,
    /// `GeoRSS`.
    Georss,
    /// Geography Markup Language.
    Gml,
    /// W3C basic geo vocabulary.
    Geo,
    /// Atom threading (RFC 4685).
    Thread,
    /// Slash module.
    Slash,
    /// Syndication module.
    Syndication,
    /// Well-formed web: comments.
    Wfw,
    /// Podcasting 2.0.
    Podcast,
    /// Podlove simple chapters.
    Psc,
    /// `FeedBurner`.
    Feedburner,
    /// Creative Commons, as RDF and as RSS module.
    License,
    /// Administration module.
    Admin,
    /// Anything else.
    Other,
}

/// URIs without scheme, in lower case, without the last `/` or `#`.
const KNOWN: &[(&str, Ns)] = &[
    ("", Ns::None),
    ("www.w3.org/2005/atom", Ns::Atom),
    ("purl.org/atom/ns", Ns::Atom),
    ("purl.org/dc/elements/1.1", Ns::Dc),
    ("purl.org/dc/elements/1.0", Ns::Dc),
    ("purl.org/dc/1.1", Ns::Dc),
    ("dublincore.org/documents/dcmi-namespace", Ns::Dc),
    ("purl.org/rss/1.0/modules/dc", Ns::Dc),
    ("purl.org/metadata/dublin_core", Ns::Dc),
    ("purl.org/dc/terms", Ns::DcTerms),
    ("purl.org/dc/dcmitype", Ns::Other),
    ("purl.org/rss/1.0/modules/content", Ns::Content),
    ("www.itunes.com/dtds/podcast-1.0.dtd", Ns::Itunes),
    ("example.com/dtds/podcast-1.0.dtd", Ns::Itunes),
    ("www.google.com/schemas/play-podcasts/1.0", Ns::GooglePlay),
    (
        "www.google.com/schemas/play-podcasts/1.0/play-podcasts.xsd",
        Ns::GooglePlay,
    ),
    ("search.yahoo.com/mrss", Ns::Media),
    ("search.yahoo.com/rss", Ns::Media),
    ("video.search.yahoo.com/mrss", Ns::Media),
    ("tools.search.yahoo.com/mrss", Ns::Media),
    ("www.rssboard.org/media-rss", Ns::Media),
    ("www.georss.org/georss", Ns::Georss),
    ("www.georss.org/georss/10", Ns::Georss),
    ("www.georss.org", Ns::Georss),
    ("www.opengis.net/gml", Ns::Gml),
    ("www.opengis.net/gml/3.2", Ns::Gml),
    ("www.w3.org/2003/01/geo/wgs84_pos", Ns::Geo),
    ("www.w3.org/2003/01/geo", Ns::Geo),
    ("purl.org/syndication/thread/1.0", Ns::Thread),
    ("purl.org/rss/1.0/modules/slash", Ns::Slash),
    ("purl.org/rss/1.0/modules/syndication", Ns::Syndication),
    ("wellformedweb.org/commentapi", Ns::Wfw),
    ("podcastindex.org/namespace/1.0", Ns::Podcast),
    (
        "github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
        Ns::Podcast,
    ),
    ("podlove.org/simple-chapters", Ns::Psc),
    ("rssnamespace.org/feedburner/ext/1.0", Ns::Feedburner),
    ("creativecommons.org/ns", Ns::License),
    ("creativecommons.org/ns#license", Ns::License),
    ("web.resource.org/cc", Ns::License),
    ("backend.userland.com/creativecommonsrssmodule", Ns::License),
    (
        "cyber.law.harvard.edu/rss/creativecommonsrssmodule.html",
        Ns::License,
    ),
    (
        "cyber.law.harvard.edu/rss/creativecommonsrssmodule",
        Ns::License,
    ),
    ("webns.net/mvcb", Ns::Admin),
    ("www.w3.org/1999/02/22-rdf-syntax-ns", Ns::Rdf),
    ("www.w3.org/1999/xhtml", Ns::Xhtml),
    ("www.w3.org/tr/rec-html40", Ns::Xhtml),
    // Early drafts of Atom.
    ("example.com/newformat", Ns::Atom),
    ("example.com/necho", Ns::Atom),
    ("purl.org/echo", Ns::Atom),
    ("uri/of/echo/namespace", Ns::Atom),
    ("purl.org/pie", Ns::Atom),
    // RSS never had a namespace of its own before 1.0, so there are many.
    ("purl.org/rss/1.0", Ns::Rss),
    ("purl.org/rss/2.0", Ns::Rss),
    ("purl.org/net/rss1.1", Ns::Rss),
    ("purl.org/rss/1.0/modules/rss091", Ns::Rss),
    ("my.netscape.com/rdf/simple/0.9", Ns::Rss),
    ("channel.netscape.com/rdf/simple/0.9", Ns::Rss),
    ("my.netscape.com/publish/formats/rss-0.91.dtd", Ns::Rss),
    ("backend.userland.com/rss", Ns::Rss),
    ("backend.userland.com/rss2", Ns::Rss),
    ("backend.userland.com/rss091", Ns::Rss),
    ("backend.userland.com/rss092", Ns::Rss),
    ("blogs.law.harvard.edu/tech/rss", Ns::Rss),
    ("cyber.law.harvard.edu/rss", Ns::Rss),
    ("cyber.law.harvard.edu/rss/rss.html", Ns::Rss),
    ("www.rssboard.org/rss-specification", Ns::Rss),
];

/// Parts of a URI that tell what was meant when nothing in [`KNOWN`] fits.
const TELLING: &[(&str, Ns)] = &[
    ("itunes.com/dtds/podcast", Ns::Itunes),
    ("yahoo.com/mrss", Ns::Media),
    ("purl.org/dc/elements", Ns::Dc),
    ("purl.org/dc/terms", Ns::DcTerms),
    ("modules/content", Ns::Content),
    ("georss.org/georss", Ns::Georss),
    ("podcastindex", Ns::Podcast),
    ("play-podcasts", Ns::GooglePlay),
    ("modules/syndication", Ns::Syndication),
    ("wellformedweb", Ns::Wfw),
    ("www.w3.org/2005/atom", Ns::Atom),
];

/// The URI as it is compared: trimmed, in lower case, without `http(s)://` and without a last `/` or `#`.
pub(super) fn normal(uri: &str) -> String {
    let lower = uri.trim().to_ascii_lowercase();
    let bare = lower
        .strip_prefix("http://")
        .or_else(|| lower.strip_prefix("https://"))
        .unwrap_or(&lower);
    bare.trim_end_matches(['/', '#']).to_owned()
}

/// What tells, in a URI that is misspelt beyond [`KNOWN`], that a prefix means what it usually does.
const HINTS: &[(Ns, &[&str])] = &[
    (Ns::Dc, &["purl", "dublincore"]),
    (Ns::DcTerms, &["purl", "dublincore"]),
    (Ns::Content, &["purl", "content"]),
    (Ns::Itunes, &["itunes", "podcast"]),
    (Ns::Media, &["mrss", "yahoo", "mediarss"]),
    (Ns::Atom, &["atom", "w3"]),
    (Ns::Georss, &["georss"]),
    (Ns::Thread, &["purl", "thread"]),
    (Ns::Slash, &["purl", "slash"]),
    (Ns::Syndication, &["purl", "syndication"]),
    (Ns::Wfw, &["wellformed", "wfw", "commentapi"]),
    (Ns::Podcast, &["podcast"]),
    (Ns::Psc, &["podlove", "chapters"]),
];

/// What a prefix is bound to. A URI that nobody knows counts as the usual one of its prefix if it resembles that.
pub(super) fn bound(prefix: &str, uri: &str) -> Ns {
    let ns = by_uri(uri);
    if prefix.is_empty() || !matches!(ns, Ns::Other | Ns::None) {
        return ns;
    }
    let usual = by_custom(prefix);
    let letters: String = uri
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let hints = HINTS.iter().find(|(ns, _)| *ns == usual);
    let resembles = letters.is_empty()
        || hints.is_some_and(|(_, hints)| hints.iter().any(|hint| letters.contains(hint)));
    if resembles { usual } else { ns }
}

/// What a namespace URI stands for.
pub(super) fn by_uri(uri: &str) -> Ns {
    // The spellings that nearly everybody uses need no copy.
    match uri {
        "http://www.w3.org/2005/Atom" => return Ns::Atom,
        "http://purl.org/dc/elements/1.1/" => return Ns::Dc,
        "http://purl.org/rss/1.0/modules/content/" => return Ns::Content,
        _ => {}
    }
    let normal = normal(uri);
    let exact = KNOWN.iter().find(|(known, _)| *known == normal);
    exact
        .or_else(|| TELLING.iter().find(|(part, _)| normal.contains(part)))
        .map_or(Ns::Other, |&(_, ns)| ns)
}

/// What a prefix usually means, for documents that forgot to declare it.
pub(super) fn by_custom(prefix: &str) -> Ns {
    match prefix {
        "dc" => Ns::Dc,
        "dcterms" => Ns::DcTerms,
        "content" => Ns::Content,
        "itunes" => Ns::Itunes,
        "googleplay" => Ns::GooglePlay,
        "media" => Ns::Media,
        "atom" | "atom10" | "a10" => Ns::Atom,
        "georss" => Ns::Georss,
        "gml" => Ns::Gml,
        "geo" => Ns::Geo,
        "thr" => Ns::Thread,
        "slash" => Ns::Slash,
        "sy" => Ns::Syndication,
        "wfw" => Ns::Wfw,
        "podcast" => Ns::Podcast,
        "psc" => Ns::Psc,
        "feedburner" => Ns::Feedburner,
        "cc" | "creativeCommons" => Ns::License,
        "admin" => Ns::Admin,
        "rdf" => Ns::Rdf,
        "rss" => Ns::Rss,
        "xhtml" => Ns::Xhtml,
        _ => Ns::Other,
    }
}

/// The name in lower case. The mixed-case names that most feeds have cost nothing.
pub(super) fn fold(local: &str) -> Cow<'_, str> {
    if !local.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(local);
    }
    match local {
        "pubDate" => Cow::Borrowed("pubdate"),
        "lastBuildDate" => Cow::Borrowed("lastbuilddate"),
        "commentRss" => Cow::Borrowed("commentrss"),
        "origLink" => Cow::Borrowed("origlink"),
        "episodeType" => Cow::Borrowed("episodetype"),
        "managingEditor" => Cow::Borrowed("managingeditor"),
        "webMaster" => Cow::Borrowed("webmaster"),
        _ => Cow::Owned(local.to_ascii_lowercase()),
    }
}

/// The part of a qualified name before the colon (`""` if there is none) and the part behind it.
pub(super) fn split(raw: &str) -> (&str, &str) {
    match memchr::memchr(b':', raw.as_bytes()) {
        Some(colon) => (&raw[..colon], &raw[colon + 1..]),
        None => ("", raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_uri_means_what_it_should() {
        for (uri, ns) in [
            ("HTTP://WWW.ITUNES.COM/DTDS/PODCAST-1.0.DTD", Ns::Itunes),
            (
                "http://www.itunes.com/dtds/podcast-1.0.dtd/extra",
                Ns::Itunes,
            ),
            (" https://search.yahoo.com/mrss ", Ns::Media),
            ("http://www.w3.org/2005/atom/", Ns::Atom),
            ("http://purl.org/atom/ns#", Ns::Atom),
            ("http://purl.org/rss/1.0", Ns::Rss),
            ("", Ns::None),
            ("http://example.org/ours", Ns::Other),
        ] {
            assert_eq!(by_uri(uri), ns, "{uri}");
        }
    }

    #[test]
    fn a_uri_beyond_recognition_counts_by_its_prefix() {
        for (prefix, uri, ns) in [
            ("dc", "http://purl.org//dcelements/1.1/", Ns::Dc),
            ("media", "", Ns::Media),
            ("content", "http:/ /purl.org/rss/1.0/mod&ules/", Ns::Content),
            ("media", "http://example.org/ours", Ns::Other),
            ("ours", "http://purl.org/ours", Ns::Other),
            ("x", "http://search.yahoo.com/mrss/", Ns::Media),
            ("", "http://purl.org/ours", Ns::Other),
        ] {
            assert_eq!(bound(prefix, uri), ns, "{prefix} {uri}");
        }
    }

    #[test]
    fn names_are_compared_in_lower_case() {
        assert_eq!(fold("pubDate"), "pubdate");
        assert_eq!(fold("GUID"), "guid");
        assert!(matches!(fold("title"), Cow::Borrowed("title")));
        assert_eq!(split("dc:creator"), ("dc", "creator"));
    }
}
