//! A small article for tests of the store's inside.

use super::engine::Engine;
use super::open::{Mode, open};
use super::{Batch, Change, Options, Store};
use crate::model::article::{Article, ArticleId, Head, Key, SeenAt, Sighting};
use crate::model::entry::Entry;
use crate::model::source::{About, SourceId};
use crate::model::time::Timestamp;

/// When the articles were first seen.
pub(super) fn noon() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

pub(super) fn source() -> SourceId {
    SourceId::new("blog").unwrap()
}

pub(super) fn opened(options: &Options) -> Engine {
    Engine::new(open(options, Mode::Create).unwrap())
}

/// A new article whose guid key is `n`.
pub(super) fn article(n: u128) -> Change {
    let source = source();
    let seen = SeenAt {
        source: source.clone(),
        guid_key: n,
        text_hash: 1,
    };
    let head = Head {
        id: ArticleId(n),
        version: 1,
        first_seen: noon(),
        published: noon(),
        updated: noon(),
        source: source.clone(),
        private: false,
        language: None,
        categories: vec!["新闻".to_owned()],
        tags: Vec::new(),
        score: 0,
        outputs: Vec::new(),
        has_image: false,
        has_enclosure: false,
        seen_at: vec![seen],
        aliases: Vec::new(),
    };
    let sighting = Sighting {
        source: Some(source),
        guid_key: n,
        text_hash: 1,
        ..Sighting::default()
    };
    Change::New {
        article: Box::new(Article {
            head,
            entry: Entry::default(),
            about: About::default(),
            sightings: vec![sighting],
        }),
        keys: vec![Key::Guid(n), Key::Url(n + 1000)],
    }
}

/// Commits one change.
pub(super) async fn put(engine: &Engine, change: Change) {
    let batch = Batch {
        changes: vec![change],
        ..Batch::default()
    };
    engine.commit(batch, noon()).await.unwrap();
}
