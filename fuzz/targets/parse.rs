//! Any bytes as a feed: reading ends, and what was read keeps its promises.
#![no_main]

use aggd::html;
use aggd::model::document::Document;
use aggd::model::entry::{Content, Entry};
use aggd::parse::{self, Options};
use libfuzzer_sys::fuzz_target;

const TYPES: [Option<&str>; 4] = [
    None,
    Some("application/json"),
    Some("text/xml; charset=gb2312"),
    Some("application/xml; charset=utf-16"),
];

fn check(entry: &Entry) {
    assert!(!entry.id.trim().is_empty());
    assert!(!entry.title_text().chars().any(html::is_illegal));
    if let Some(Content::Html(html)) = &entry.content {
        assert!(!html.chars().any(html::is_illegal) && !html.contains("<script"));
    }
}

fuzz_target!(|body: &[u8]| {
    let kind = body
        .first()
        .map_or(0, |first| usize::from(*first) % TYPES.len());
    let document = Document {
        body: body.to_vec().into(),
        url: Some("https://example.org/feed".to_owned()),
        content_type: TYPES[kind].map(str::to_owned),
    };
    if let Ok(parsed) = parse::parse(&document, &Options::default()) {
        parsed.feed.entries.iter().for_each(check);
        assert!(parsed.feed.well_formed || !parsed.warnings.is_empty());
    }
});
