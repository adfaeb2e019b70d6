//! The articles of the bench, always the same: 2 to 6 KB of text, six tags, three sightings.

use std::sync::Arc;
use std::time::Duration;

use aggd::model::article::{Article, ArticleId, Head, Key, SeenAt, Sighting};
use aggd::model::entry::{Content, Entry, IdSource, Text};
use aggd::model::label::{Origin, Tag};
use aggd::model::source::{About, SourceId};
use aggd::model::time::Timestamp;
use xxhash_rust::xxh3::xxh3_128;

/// Sources that visits go to in turns.
pub(crate) const SOURCES: u64 = 500;
/// Different tags; a few are on every third article, most on a handful.
pub(crate) const TAGS: usize = 4000;
/// Different texts.
const TEXTS: u64 = 3000;
/// Time between two articles.
const STEP: Duration = Duration::from_mins(1);

/// Makes article after article.
pub(crate) struct Samples {
    texts: Vec<Arc<str>>,
    tags: Vec<Tag>,
}

/// When an article was first seen.
pub(crate) fn seen(n: u64) -> Timestamp {
    let begin = Timestamp::from_civil(2024, 1, 1, 0, 0, 0).unwrap();
    begin + STEP * u32::try_from(n).unwrap()
}

/// The source of an article: twenty in a row come from one visit.
pub(crate) fn source(n: u64) -> SourceId {
    SourceId::new(&format!("source-{}", n % SOURCES)).unwrap()
}

/// A tag by its rank.
pub(crate) fn tag_key(rank: usize) -> String {
    format!("tag-{rank}")
}

impl Samples {
    pub(crate) fn new() -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let words: Vec<String> = (0..6000)
            .map(|n| {
                if n % 5 == 0 {
                    let han = |rng: &mut fastrand::Rng| rng.char('\u{4e00}'..'\u{6c00}');
                    (0..random.usize(2..5)).map(|_| han(&mut random)).collect()
                } else {
                    (0..random.usize(2..11))
                        .map(|_| random.lowercase())
                        .collect()
                }
            })
            .collect();
        let texts = (0..TEXTS).map(|_| {
            let length = random.usize(2000..6000);
            let mut text = String::with_capacity(length + 40);
            while text.len() < length {
                text.push_str("<p>");
                for _ in 0..random.usize(20..90) {
                    // Common words are common.
                    let rank = (random.f64().powi(3) * 5999.0) as usize;
                    text.push_str(&words[rank]);
                    text.push(' ');
                }
                text.push_str("</p>");
            }
            text.into()
        });
        let texts = texts.collect();
        let tags = (0..TAGS).map(|rank| Tag {
            name: format!("Tag-{rank}"),
            key: tag_key(rank),
            origin: Origin::Publisher,
        });
        Self {
            texts,
            tags: tags.collect(),
        }
    }

    /// Article number `n` with its keys.
    pub(crate) fn article(&self, n: u64) -> (Article, Vec<Key>) {
        let mut random = fastrand::Rng::with_seed(n);
        let visit = n / 20;
        let at = source(visit);
        let guid = format!("https://{at}.example/posts/{n}");
        let mut tags: Vec<Tag> = Vec::with_capacity(6);
        while tags.len() < 6 {
            let rank = (random.f64().powi(4) * (TAGS - 1) as f64) as usize;
            if tags.iter().all(|tag| tag.key != self.tags[rank].key) {
                tags.push(self.tags[rank].clone());
            }
        }
        let sightings: Vec<Sighting> = (0..3)
            .map(|copy| {
                let at = if copy == 0 {
                    at.clone()
                } else {
                    source(random.u64(..SOURCES))
                };
                Sighting {
                    guid_key: xxh3_128(format!("{at} {guid} {copy}").as_bytes()),
                    source: Some(at),
                    guid: guid.clone(),
                    text_hash: n,
                    seen: seen(n),
                    published: Some(seen(n)),
                    url: Some(guid.clone()),
                    title: format!("Headline number {n}"),
                    source_title: "A source".to_owned(),
                    category: Some("Tech".to_owned()),
                    labels: Vec::new(),
                    trust: 50,
                    fullness: 3000,
                    ..Sighting::default()
                }
            })
            .collect();
        let head = Head {
            id: ArticleId(sightings[0].guid_key),
            version: 1,
            first_seen: seen(n),
            published: seen(n),
            updated: seen(n),
            source: at,
            private: false,
            language: Some("en".to_owned()),
            categories: vec![format!("Shelf {}", visit % SOURCES % 12)],
            tags,
            score: 0,
            outputs: Vec::new(),
            has_image: false,
            has_enclosure: false,
            seen_at: sightings
                .iter()
                .map(|seen| SeenAt {
                    source: seen.source.clone().unwrap(),
                    guid_key: seen.guid_key,
                    text_hash: seen.text_hash,
                })
                .collect(),
            aliases: Vec::new(),
        };
        let text = &self.texts[usize::try_from(n % TEXTS).unwrap()];
        let entry = Entry {
            id: guid.clone(),
            id_source: IdSource::Guid,
            url: Some(guid.clone()),
            title: Some(Text {
                plain: format!("Headline number {n}"),
                html: None,
            }),
            content: Some(Content::Html(format!("<p>{n}</p>{text}"))),
            ..Entry::default()
        };
        let about = About {
            title: "A source".to_owned(),
            ..About::default()
        };
        let mut keys: Vec<Key> = sightings.iter().map(|s| Key::Guid(s.guid_key)).collect();
        keys.push(Key::Url(xxh3_128(guid.as_bytes())));
        keys.push(Key::Content(xxh3_128(&n.to_le_bytes())));
        let article = Article {
            head,
            entry,
            about,
            sightings,
        };
        (article, keys)
    }
}
