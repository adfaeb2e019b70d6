//! What kind of document a text is: where its feed begins, or why there is none.
//!
//! Whatever a broken server wrote in front of the feed (blank lines, text, the HTML of a warning) is skipped. Reads only
//! tags, and each byte once.

use memchr::{memchr, memchr2, memmem};

/// What a text was recognised as. Offsets are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An XML feed; its prolog, or its root if it has none, begins here.
    Xml(usize),
    /// A JSON document; its `{` stands here.
    Json(usize),
    /// A page, and no feed in it.
    Html,
    /// Nothing at all.
    Empty,
    /// Anything else; the local name of the root element, or nothing if there is none.
    Other(String),
}

/// What a start tag may mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The root of a feed.
    Root,
    /// HTML that may stand in front of a feed.
    Html,
    /// Something else.
    Else,
}

/// Recognises a text: `{` begins JSON, everything else is searched for the root of a feed, then for a JSON Feed.
#[must_use]
pub fn kind(text: &str) -> Kind {
    let start = text.len() - text.trim_start_matches(is_ignorable).len();
    match text.as_bytes().get(start) {
        None => Kind::Empty,
        Some(b'{') => Kind::Json(start),
        Some(_) => match xml(text, start) {
            Kind::Xml(root) => Kind::Xml(root),
            other => named_json(text).map_or(other, Kind::Json),
        },
    }
}

/// Where a JSON Feed begins that stands behind something else: a warning of the server, the guard of a script.
fn named_json(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let name = memmem::find(bytes, b"jsonfeed.org/version")?;
    memchr::memchr_iter(b'{', &bytes[..name]).find(|open| {
        let quote = |c: char| matches!(c, '"' | '\'');
        let member = text[open + 1..name].trim_start();
        let member = member.strip_prefix(quote).unwrap_or(member);
        let behind = member.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let behind = behind.strip_prefix(quote).unwrap_or(behind);
        behind.len() < member.len() && behind.trim_start().starts_with(':')
    })
}

/// White space, byte order marks and control characters in front of a document.
pub(super) fn is_ignorable(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{FEFF}'
}

fn xml(text: &str, start: usize) -> Kind {
    // Once something else than the root of a feed or HTML was the root, only an unmistakable feed is one.
    let (mut at, mut prolog, mut first): (_, _, Option<(Meaning, &str)>) = (start, None, None);
    let mut closed = true;
    while let Some(open) = memchr(b'<', &text.as_bytes()[at..]).map(|found| found + at) {
        let rest = &text[open..];
        if let Some(length) = declaration(rest, &mut closed) {
            prolog =
                prolog.or((rest.starts_with("<?xml") || rest.starts_with("<!D")).then_some(open));
            at = open + length;
            continue;
        }
        let Some(name) = start_tag(rest) else {
            at = open + 1;
            continue;
        };
        let local = local_name(name);
        let meaning = meaning(local);
        let page = matches!(first, Some((_, root)) if root.eq_ignore_ascii_case("html"));
        let strict = page || matches!(first, Some((Meaning::Else, _)));
        if meaning == Meaning::Root && (!strict || is_unmistakable(local, tag(rest))) {
            return Kind::Xml(prolog.unwrap_or(open));
        }
        if first.is_none_or(|(meaning, _)| meaning == Meaning::Html) && !page {
            first = Some((meaning, local));
        }
        prolog = None;
        at = open + 1 + name.len();
    }
    match first {
        Some((Meaning::Else, root)) => Kind::Other(root.to_owned()),
        Some(_) => Kind::Html,
        None => Kind::Other(String::new()),
    }
}

/// The length of a comment, an instruction or a declaration at the start of `rest`. `closed` turns false at the first
/// comment or subset without an end: looking for one again and again would take forever.
fn declaration(rest: &str, closed: &mut bool) -> Option<usize> {
    if rest.starts_with("<!--") {
        let end = if *closed {
            memmem::find(rest.as_bytes(), b"-->")
        } else {
            None
        };
        *closed = end.is_some();
        Some(end.map_or(4, |end| end + 3))
    } else if rest.starts_with("<?") {
        Some(memchr(b'>', rest.as_bytes()).map_or(rest.len(), |end| end + 1))
    } else if rest.starts_with("<!") {
        Some(doctype(rest, closed))
    } else {
        None
    }
}

/// The length of a declaration with its internal subset, if the subset is closed.
fn doctype(rest: &str, closed: &mut bool) -> usize {
    let bytes = rest.as_bytes();
    // One that lacks its `>` ends where the next tag begins.
    let simple = memchr2(b'<', b'>', &bytes[1..]).map_or(rest.len(), |end| {
        end + 1 + usize::from(bytes[end + 1] == b'>')
    });
    match memchr(b'[', &rest.as_bytes()[..simple]) {
        Some(subset) if *closed => {
            let end = subset_end(&rest.as_bytes()[subset..]);
            *closed = end.is_some();
            end.map_or(simple, |end| subset + end)
        }
        _ => simple,
    }
}

/// The end of `[ … ]>`, quotes and comments respected.
fn subset_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => at += 1 + memchr(quote, &bytes[at + 1..])?,
            b'<' if bytes[at..].starts_with(b"<!--") => {
                at += 3 + memmem::find(&bytes[at + 4..], b"-->")? + 3;
            }
            b']' => return memchr(b'>', &bytes[at..]).map(|end| at + end + 1),
            // An element: the subset should have ended before it.
            b'<' if bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The name of the start tag at the start of `rest`, if it is one.
fn start_tag(rest: &str) -> Option<&str> {
    let name = &rest[1..];
    let end = name
        .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '<' | '"' | '\'' | '='))
        .unwrap_or(name.len());
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        .then(|| &name[..end])
}

/// The start tag at the start of `rest`, as far as anybody would look for a namespace in it.
fn tag(rest: &str) -> &str {
    const FAR: usize = 4096;
    let near = &rest.as_bytes()[..rest.len().min(FAR)];
    &rest[..memchr(b'>', near).unwrap_or_else(|| rest.floor_char_boundary(FAR))]
}

fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn meaning(local: &str) -> Meaning {
    const ROOTS: [&str; 6] = ["rss", "rdf", "feed", "entry", "channel", "redirect"];
    const HTML: [&str; 26] = [
        "html", "head", "body", "title", "meta", "link", "script", "style", "br", "b", "i", "p",
        "div", "span", "font", "hr", "pre", "code", "strong", "em", "table", "a", "h1", "h2", "h3",
        "center",
    ];
    let is_in = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(local));
    if is_in(&ROOTS) {
        Meaning::Root
    } else if is_in(&HTML)
        || HTML_TABLE
            .iter()
            .any(|known| known.eq_ignore_ascii_case(local))
    {
        Meaning::Html
    } else {
        Meaning::Else
    }
}

/// The tables in which a PHP debugger prints its traces.
const HTML_TABLE: [&str; 6] = ["tr", "td", "th", "tbody", "small", "ul"];

/// Whether a tag is the root of a feed wherever it stands: inside a page or a foreign document.
fn is_unmistakable(local: &str, tag: &str) -> bool {
    match local.to_ascii_lowercase().as_str() {
        "rss" => true,
        "rdf" => tag.contains("purl.org/rss") || tag.contains(".netscape.com"),
        "feed" => tag.contains("w3.org/2005/Atom") || tag.contains("purl.org/atom"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_found_behind_whatever_stands_before_it() {
        for (text, begins) in [
            ("<rss version='2.0'>", "<rss"),
            ("\u{FEFF}\n <?xml version='1.0'?>\n<rss>", "<?xml"),
            (
                "<!-- <rss> --><!DOCTYPE rss [<!ENTITY a \"<feed>]>\">]><rss>",
                "<!DOCTYPE",
            ),
            (
                "<br />\n<b>Warning</b>: x in <b>/a.php</b> on line <b>3</b><br />\n<?xml version='1.0'?><RSS>",
                "<?xml",
            ),
            ("Notice: a < b <?xml version='1.0'?><rdf:RDF>", "<?xml"),
            ("<html><body>oops</body></html><rss version='2.0'>", "<rss"),
            (
                "<?xml version='1.0'?><?xml-stylesheet href='a'?><atom:feed>",
                "<?xml",
            ),
            (
                "<!DOCTYPE rss PUBLIC \"x [\n<rss version='2.0'>",
                "<!DOCTYPE",
            ),
            ("<!DOCTYPE rss \"x [>\n<rss>]>", "<!DOCTYPE"),
            ("<entry/>", "<entry"),
            ("text <Channel>", "<Channel"),
            ("<redirect><newLocation>x", "<redirect"),
            ("<wrap><rss>", "<rss"),
            (
                "<soap:Envelope><feed xmlns='http://www.w3.org/2005/Atom'>",
                "<feed",
            ),
        ] {
            let Kind::Xml(at) = kind(text) else {
                panic!("no feed in {text}")
            };
            assert!(text[at..].starts_with(begins), "{text} at {at}");
        }
    }

    #[test]
    fn what_is_no_feed_says_what_it_is() {
        for (text, expected) in [
            ("", Kind::Empty),
            (" \n\u{FEFF}\0", Kind::Empty),
            ("\u{FEFF} {\"version\":", Kind::Json(4)),
            (
                "<b>Warning</b>: {x} {\"version\": \"https://jsonfeed.org/version/1\"}",
                Kind::Json(20),
            ),
            ("<!DOCTYPE html><html><head><title>x</title>", Kind::Html),
            (
                "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"><HTML><entry>",
                Kind::Html,
            ),
            ("<html><feed>", Kind::Html),
            (
                "<?xml version='1.0'?><opml version='2.0'><head/><body/></opml>",
                Kind::Other("opml".to_owned()),
            ),
            ("<urlset><entry>", Kind::Other("urlset".to_owned())),
            ("plain text, 1 < 2", Kind::Other(String::new())),
            ("[1]", Kind::Other(String::new())),
            ("<!-- <rss>", Kind::Xml(5)),
            ("<!-- <!-- <opml>", Kind::Other("opml".to_owned())),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
