//! Articles for tests of the store: `article("a1").tag("Rust").published(hours(3))`, all else filled in.

use std::time::Duration;

use aggd::model::article::{Article, ArticleId, Head, Key, SeenAt, Sighting};
use aggd::model::entry::{Content, Entry, IdSource, Text};
use aggd::model::label::{Origin, Tag};
use aggd::model::source::{About, SourceId};
use aggd::model::time::Timestamp;
use aggd::store::{Batch, Change};

/// Noon of a plain day: when the tests' time begins.
pub(crate) fn noon() -> Timestamp {
    Timestamp::from_civil(2026, 11, 24, 12, 0, 0).unwrap()
}

/// So many hours after [`noon`].
pub(crate) fn hours(n: u64) -> Timestamp {
    noon() + Duration::from_hours(n)
}

/// A source by name.
pub(crate) fn source(name: &str) -> SourceId {
    SourceId::new(name).unwrap()
}

/// A stand-in for the hash of a guid at a source.
pub(crate) fn guid_key(source: &str, guid: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(format!("{source}\n{guid}").as_bytes())
}

/// The id of the article that was first seen at this source under this guid.
pub(crate) fn id(source: &str, guid: &str) -> ArticleId {
    ArticleId(guid_key(source, guid))
}

/// An article under construction; it is seen at source `blog` unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) article: Article,
    pub(crate) keys: Vec<Key>,
}

/// An article seen at `blog` under this guid.
pub(crate) fn article(guid: &str) -> Sample {
    article_at("blog", guid)
}

/// An article seen at this source under this guid.
pub(crate) fn article_at(at: &str, guid: &str) -> Sample {
    let url = format!("https://{at}.example/{guid}");
    let head = Head {
        id: id(at, guid),
        version: 1,
        first_seen: noon(),
        published: noon(),
        updated: noon(),
        source: source(at),
        private: false,
        language: Some("en".to_owned()),
        categories: Vec::new(),
        tags: Vec::new(),
        score: 0,
        outputs: Vec::new(),
        has_image: false,
        has_enclosure: false,
        seen_at: Vec::new(),
        aliases: Vec::new(),
    };
    let entry = Entry {
        id: guid.to_owned(),
        id_source: IdSource::Guid,
        url: Some(url.clone()),
        title: Some(Text {
            plain: format!("Title of {guid}"),
            html: None,
        }),
        content: Some(Content::Html(format!("<p>Text of {guid}.</p>"))),
        ..Entry::default()
    };
    let about = About {
        title: format!("The {at}"),
        feed_url: format!("https://{at}.example/feed"),
        ..About::default()
    };
    let keys = vec![
        Key::Guid(guid_key(at, guid)),
        Key::Url(guid_key("url", &url)),
    ];
    Sample {
        article: Article {
            head,
            entry,
            about,
            sightings: Vec::new(),
        },
        keys,
    }
    .also_at(at, guid)
}

impl Sample {
    pub(crate) fn title(mut self, title: &str) -> Self {
        self.article.entry.title = Some(Text {
            plain: title.to_owned(),
            html: None,
        });
        self
    }

    pub(crate) fn content(mut self, html: &str) -> Self {
        self.article.entry.content = Some(Content::Html(html.to_owned()));
        self
    }

    pub(crate) fn tag(mut self, name: &str) -> Self {
        self.article.head.tags.push(Tag {
            name: name.to_owned(),
            key: aggd::text::key(name),
            origin: Origin::Rule,
        });
        self
    }

    pub(crate) fn category(mut self, name: &str) -> Self {
        self.article.head.categories.push(name.to_owned());
        self
    }

    pub(crate) fn output(mut self, id: &str) -> Self {
        self.article.head.outputs.push(id.to_owned());
        self
    }

    pub(crate) fn private(mut self) -> Self {
        self.article.head.private = true;
        self
    }

    pub(crate) fn language(mut self, language: Option<&str>) -> Self {
        self.article.head.language = language.map(str::to_owned);
        self
    }

    pub(crate) fn image(mut self) -> Self {
        self.article.head.has_image = true;
        self
    }

    pub(crate) fn enclosure(mut self) -> Self {
        self.article.head.has_enclosure = true;
        self
    }

    pub(crate) fn version(mut self, version: u32) -> Self {
        self.article.head.version = version;
        self
    }

    pub(crate) fn published(mut self, at: Timestamp) -> Self {
        self.article.head.published = at;
        self.article.head.updated = at.max(self.article.head.updated);
        self
    }

    pub(crate) fn first_seen(mut self, at: Timestamp) -> Self {
        self.article.head.first_seen = at;
        for sighting in &mut self.article.sightings {
            sighting.seen = at;
        }
        self
    }

    /// Another sighting.
    pub(crate) fn also_at(mut self, at: &str, guid: &str) -> Self {
        let sighting = sighting(at, guid);
        self.article.head.seen_at.push(SeenAt {
            source: source(at),
            guid_key: sighting.guid_key,
            text_hash: sighting.text_hash,
        });
        self.article.sightings.push(sighting);
        self
    }

    /// A story with this id was merged into it.
    pub(crate) fn alias(mut self, id: ArticleId) -> Self {
        self.article.head.aliases.push(id);
        self
    }

    pub(crate) fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    pub(crate) fn id(&self) -> ArticleId {
        self.article.head.id
    }

    /// As a new article.
    pub(crate) fn founded(self) -> Change {
        Change::New {
            article: Box::new(self.article),
            keys: self.keys,
        }
    }

    /// As a revision of the article of this id.
    pub(crate) fn revised(self) -> Change {
        Change::Revised {
            article: Box::new(self.article),
            keys: self.keys,
        }
    }

    /// As other labels or sightings of the article of this id; the last `news` sightings are the new ones.
    pub(crate) fn amended(self, news: usize) -> Change {
        let known = self.article.sightings.len() - news;
        Change::Amended {
            head: Box::new(self.article.head),
            sightings: self.article.sightings[known..].to_vec(),
            keys: self.keys,
        }
    }
}

/// One sighting.
pub(crate) fn sighting(at: &str, guid: &str) -> Sighting {
    Sighting {
        source: Some(source(at)),
        guid: guid.to_owned(),
        guid_key: guid_key(at, guid),
        text_hash: 7,
        seen: noon(),
        published: Some(noon()),
        url: Some(format!("https://{at}.example/{guid}")),
        title: format!("Title of {guid}"),
        source_title: format!("The {at}"),
        category: None,
        ..Sighting::default()
    }
}

/// A batch of changes alone.
pub(crate) fn batch(changes: impl IntoIterator<Item = Change>) -> Batch {
    Batch {
        changes: changes.into_iter().collect(),
        ..Batch::default()
    }
}
