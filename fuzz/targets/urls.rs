//! Any text as an address, in HTML and in feeds: nothing but harmless schemes comes out.
#![no_main]

use aggd::html;
use aggd::model::document::Document;
use aggd::parse::{self, Options};
use libfuzzer_sys::fuzz_target;

fn is_harmless(url: &str) -> bool {
    let plain: String = url
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect();
    let scheme = plain
        .split([':', '/', '?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    !plain[scheme.len()..].starts_with(':')
        || !matches!(scheme.as_str(), "javascript" | "vbscript" | "data" | "file")
}

/// The addresses of a `srcset` (HTML, "parse a srcset attribute"): a comma within one does not end it.
fn candidates(srcset: &str) -> Vec<&str> {
    let (mut rest, mut all) = (srcset, Vec::new());
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        if rest.is_empty() {
            return all;
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (url, behind) = rest.split_at(end);
        all.push(url.trim_end_matches(','));
        rest = behind;
        if !url.ends_with(',') {
            let mut inside = false;
            let comma = rest.find(|c| {
                inside = (inside || c == '(') && c != ')';
                c == ',' && !inside
            });
            rest = &rest[comma.unwrap_or(rest.len())..];
        }
    }
}

fuzz_target!(|url: &str| {
    let quoted = url
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    for base in [
        None,
        Some("https://example.org/a/b?c#d".parse().expect("an address")),
    ] {
        let fragment = format!("<a href=\"{quoted}\">x</a><p cite=\"{quoted}\">");
        let clean = html::clean(&fragment, base.as_ref()).unwrap_or_default();
        for start in ["href=\"", "cite=\""] {
            if let Some((_, value)) = clean.split_once(start) {
                let value = value.split('"').next().unwrap_or_default();
                assert!(is_harmless(&html::unescape(value)), "{value}");
            }
        }
        let srcset =
            html::clean(&format!("<img srcset=\"{quoted}\">"), base.as_ref()).unwrap_or_default();
        if let Some((_, value)) = srcset.split_once("srcset=\"") {
            let value = html::unescape(value.split('"').next().unwrap_or_default());
            for candidate in candidates(&value) {
                let is_picture = candidate.starts_with("data:image/");
                assert!(is_picture || is_harmless(candidate), "{srcset}");
            }
        }
    }
    let feed = format!(
        "<rss><channel><link>{quoted}</link><item xml:base=\"{quoted}\"><link>{quoted}</link><enclosure url=\"{quoted}\"/></item></channel></rss>"
    );
    let document = Document {
        body: feed.into(),
        url: Some("https://example.org/".to_owned()),
        content_type: None,
    };
    if let Ok(parsed) = parse::parse(&document, &Options::default()) {
        let entries = parsed.feed.entries.iter();
        let urls = entries.flat_map(|entry| {
            entry
                .url
                .iter()
                .chain(entry.enclosures.iter().map(|enclosure| &enclosure.url))
        });
        for url in urls.chain(&parsed.feed.home_page_url) {
            assert!(is_harmless(url), "{url}");
        }
    }
});
