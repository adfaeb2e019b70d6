//! A feed as JSON Feed 1.1; what that has no member for stands in `_aggd` objects. Absent means unknown: no member is empty.

use std::io::{self, Write};

use serde_json::{Map, Number, Value, json};

use crate::model::entry::{
    Content, Enclosure, Entry, Feed, FeedFormat, Generator, Geo, IdSource, Image, Link, Media,
    MediaContent, Person, PodcastPerson, Term, Text, Thumbnail,
};
use crate::model::time::Timestamp;
use crate::model::warning::Warning;
use crate::parse::Parsed;

const VERSION: &str = "https://jsonfeed.org/version/1.1";

/// An object that leaves out what is empty.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn text(&mut self, name: &str, value: Option<&String>) -> &mut Self {
        self.set(
            name,
            value.map_or(Value::Null, |value| Value::String(value.clone())),
        )
    }

    fn number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        self.set(name, value)
    }

    fn date(&mut self, name: &str, value: Option<Timestamp>) -> &mut Self {
        self.set(name, value.map(Timestamp::to_rfc3339))
    }

    fn list<T>(&mut self, name: &str, list: &[T], write: impl Fn(&T) -> Value) -> &mut Self {
        let list: Vec<Value> = list
            .iter()
            .map(write)
            .filter(|value| !is_empty_object(value))
            .collect();
        self.set(name, list)
    }

    fn value(&mut self) -> Value {
        Value::Object(std::mem::take(&mut self.0))
    }
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// Writes the document of a feed, one item after the other: as a whole it would take several times its size in memory.
pub(super) fn write_feed(out: &mut impl Write, parsed: &Parsed) -> io::Result<()> {
    let feed = &parsed.feed;
    let mut members = Members::default();
    members.set("version", VERSION);
    members
        .0
        .insert("title".to_owned(), Value::String(String::new()));
    head(&mut members, feed);
    let before = members.value().to_string();
    out.write_all(before.strip_suffix('}').unwrap_or(&before).as_bytes())?;
    out.write_all(b",\"items\":[")?;
    for (index, entry) in feed.entries.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &item(entry))?;
    }
    out.write_all(b"],\"_aggd\":")?;
    let mut more = Members::default();
    more.set("format", format(feed.format));
    more.text("format_version", feed.format_version.as_ref())
        .set("encoding", feed.encoding.as_str())
        .set("well_formed", feed.well_formed);
    more.set("warnings", warnings(&parsed.warnings));
    feed_extension(&mut more, feed);
    serde_json::to_writer(&mut *out, &more.value())?;
    out.write_all(b"}")
}

/// The document for what is no feed.
pub(super) fn unknown(list: &[Warning]) -> Value {
    json!({"version": VERSION, "title": "", "items": [], "_aggd": {"format": "unknown", "warnings": warnings(list)}})
}

fn warnings(list: &[Warning]) -> Vec<Value> {
    let write = |warning: &Warning| {
        let place = warning
            .position
            .map(|at| format!("line {}, column {}: ", at.line, at.column))
            .unwrap_or_default();
        json!({"code": warning.code.as_str(), "message": format!("{place}{}", warning.message)})
    };
    list.iter().map(write).collect()
}

const fn format(format: FeedFormat) -> &'static str {
    match format {
        FeedFormat::Rss => "rss",
        FeedFormat::Rdf => "rdf",
        FeedFormat::Atom => "atom",
        FeedFormat::Json => "json",
    }
}

/// The members that JSON Feed has for a feed.
fn head(out: &mut Members, feed: &Feed) {
    out.text("title", feed.title.as_ref().map(|title| &title.plain));
    out.text("home_page_url", feed.home_page_url.as_ref())
        .text("feed_url", feed.feed_url.as_ref());
    out.text(
        "description",
        feed.description.as_ref().map(|text| &text.plain),
    );
    out.text("user_comment", feed.user_comment.as_ref())
        .text("next_url", feed.next_url.as_ref());
    out.text("icon", feed.icon.as_ref())
        .text("favicon", feed.favicon.as_ref());
    out.list("authors", &feed.authors, person)
        .text("language", feed.language.as_ref());
    out.set("expired", feed.expired);
    out.list(
        "hubs",
        &feed.hubs,
        |hub| json!({"type": hub.kind, "url": hub.url}),
    );
}

/// The members of `_aggd` for a feed, or for the source of an item.
fn feed_extension(out: &mut Members, feed: &Feed) {
    out.text("id", feed.id.as_ref());
    html(out, "title_html", feed.title.as_ref());
    html(out, "description_html", feed.description.as_ref());
    out.text("rights", feed.rights.as_ref().map(|rights| &rights.plain));
    html(out, "rights_html", feed.rights.as_ref());
    out.date("published", feed.published)
        .date("updated", feed.updated);
    out.set("generator", feed.generator.as_ref().map(generator));
    out.list("links", &feed.links, link)
        .list("categories", &feed.terms, term)
        .list("contributors", &feed.contributors, person);
    out.set("publisher", feed.publisher.as_ref().map(person));
    out.set("image", feed.image.as_ref().map(image));
    out.number("ttl", feed.ttl)
        .set("skip_hours", feed.skip_hours.clone())
        .set("skip_days", feed.skip_days.clone());
    if let Some(syndication) = &feed.syndication {
        let mut value = Members::default();
        value
            .text("period", syndication.period.as_ref())
            .number("frequency", syndication.frequency)
            .date("base", syndication.base);
        out.set("syndication", value.value());
    }
    if let Some(cloud) = &feed.cloud {
        let mut value = Members::default();
        value
            .text("domain", cloud.domain.as_ref())
            .number("port", cloud.port)
            .text("path", cloud.path.as_ref());
        value
            .text("register_procedure", cloud.register_procedure.as_ref())
            .text("protocol", cloud.protocol.as_ref());
        out.set("cloud", value.value());
    }
    out.text("new_feed_url", feed.new_feed_url.as_ref())
        .text("license", feed.license.as_ref());
    out.set("block", feed.block).set("explicit", feed.explicit);
    if let Some(podcast) = &feed.podcast {
        let mut value = Members::default();
        value
            .text("guid", podcast.guid.as_ref())
            .set("locked", podcast.locked)
            .text("type", podcast.kind.as_ref())
            .set("complete", podcast.complete);
        value.list("funding", &podcast.funding, |(url, title)| {
            Members::default()
                .set("url", url.as_str())
                .text("title", title.as_ref())
                .value()
        });
        value.list("persons", &podcast.persons, podcast_person);
        out.set("podcast", value.value());
    }
}

fn item(entry: &Entry) -> Value {
    let mut out = Members::default();
    out.set("id", entry.id.as_str())
        .text("url", entry.url.as_ref())
        .text("external_url", entry.external_url.as_ref());
    out.text("title", entry.title.as_ref().map(|title| &title.plain));
    match &entry.content {
        Some(Content::Html(html)) => out
            .set("content_html", html.as_str())
            .text("content_text", entry.content_text.as_ref()),
        Some(Content::Plain(text)) => out.set("content_text", text.as_str()),
        None => out.text("content_text", entry.content_text.as_ref()),
    };
    out.text(
        "summary",
        entry.summary.as_ref().map(|summary| &summary.plain),
    );
    out.text("image", entry.image.as_ref())
        .text("banner_image", entry.banner_image.as_ref());
    out.date("date_published", entry.published)
        .date("date_modified", entry.updated);
    out.list("authors", &entry.authors, person);
    let mut tags: Vec<Value> = Vec::new();
    for tag in entry
        .terms
        .iter()
        .filter_map(|term| term.label.as_ref().or(term.term.as_ref()))
    {
        if !tags.iter().any(|known| known == tag.as_str()) {
            tags.push(Value::String(tag.clone()));
        }
    }
    out.set("tags", tags)
        .text("language", entry.language.as_ref());
    out.list("attachments", &entry.enclosures, attachment);
    out.set("_aggd", item_extension(entry));
    out.value()
}

fn item_extension(entry: &Entry) -> Value {
    let mut out = Members::default();
    out.set(
        "id_source",
        match entry.id_source {
            IdSource::Guid => "guid",
            IdSource::Url => "url",
            IdSource::Hash => "hash",
        },
    );
    out.set("guid_is_permalink", entry.guid_is_permalink);
    html(&mut out, "title_html", entry.title.as_ref());
    html(&mut out, "summary_html", entry.summary.as_ref());
    out.text("rights", entry.rights.as_ref().map(|rights| &rights.plain));
    html(&mut out, "rights_html", entry.rights.as_ref());
    out.text("content_type", entry.content_type.as_ref())
        .text("content_src", entry.content_src.as_ref());
    out.list("links", &entry.links, link)
        .list("categories", &entry.terms, term)
        .list("contributors", &entry.contributors, person);
    out.set("publisher", entry.publisher.as_ref().map(person))
        .text("license", entry.license.as_ref());
    out.set("block", entry.block)
        .set("explicit", entry.explicit);
    if let Some(comments) = &entry.comments {
        let mut value = Members::default();
        value
            .text("url", comments.url.as_ref())
            .text("post_url", comments.post_url.as_ref());
        value
            .text("feed_url", comments.feed_url.as_ref())
            .number("count", comments.count);
        out.set("comments", value.value());
    }
    out.list("in_reply_to", &entry.in_reply_to, |reply| {
        let mut value = Members::default();
        value
            .text("ref", reply.reference.as_ref())
            .text("href", reply.href.as_ref());
        value
            .text("type", reply.media_type.as_ref())
            .text("source", reply.source.as_ref())
            .value()
    });
    if let Some(source) = &entry.source {
        out.set("source", feed_source(source));
    }
    episode(&mut out, entry);
    out.set("media", entry.media.as_deref().map(media));
    out.set("geo", entry.geo.as_ref().map(geo));
    out.value()
}

/// The feed that an item was copied from: members of both kinds beside each other.
fn feed_source(feed: &Feed) -> Value {
    let mut out = Members::default();
    head(&mut out, feed);
    let mut more = Members::default();
    feed_extension(&mut more, feed);
    // RSS gives title and address only; all of them are members of JSON Feed.
    out.set("_aggd", more.value());
    out.value()
}

fn episode(out: &mut Members, entry: &Entry) {
    let media_duration = || {
        entry
            .media
            .as_ref()
            .and_then(|media| media.contents.iter().find_map(|content| content.duration))
    };
    let Some(episode) = entry.episode.as_deref() else {
        out.number("duration", media_duration());
        return;
    };
    out.number("duration", episode.duration.or_else(media_duration))
        .number("episode", episode.episode)
        .number("season", episode.season);
    out.text("episode_type", episode.episode_type.as_ref())
        .text("subtitle", episode.subtitle.as_ref());
    out.list("chapters", &episode.chapters, |chapter| {
        let mut value = Members::default();
        value
            .set("start", decimal(chapter.start))
            .text("title", chapter.title.as_ref());
        value
            .text("href", chapter.href.as_ref())
            .text("image", chapter.image.as_ref())
            .value()
    });
    out.text("chapters_url", episode.chapters_url.as_ref());
    out.list("transcripts", &episode.transcripts, |transcript| {
        let mut value = Members::default();
        value
            .set("url", transcript.url.as_str())
            .text("type", transcript.media_type.as_ref());
        value
            .text("language", transcript.language.as_ref())
            .text("rel", transcript.rel.as_ref())
            .value()
    });
    out.list("persons", &episode.persons, podcast_person);
}

fn media(media: &Media) -> Value {
    let mut out = Members::default();
    out.text("title", media.title.as_ref())
        .text("description", media.description.as_ref());
    out.list("thumbnails", &media.thumbnails, thumbnail).list(
        "contents",
        &media.contents,
        media_content,
    );
    out.list("credits", &media.credits, |credit| {
        Members::default()
            .text("role", credit.role.as_ref())
            .text("scheme", credit.scheme.as_ref())
            .text("name", credit.name.as_ref())
            .value()
    });
    if let Some(player) = &media.player {
        let mut value = Members::default();
        value
            .set("url", player.url.as_str())
            .number("width", player.width)
            .number("height", player.height);
        out.set("player", value.value());
    }
    out.text("rating", media.rating.as_ref())
        .set("keywords", media.keywords.clone());
    if let Some(community) = &media.community {
        let mut value = Members::default();
        value
            .number("views", community.views)
            .set("stars", community.stars.map(decimal))
            .number("stars_count", community.stars_count);
        out.set("community", value.value());
    }
    out.value()
}

fn thumbnail(thumbnail: &Thumbnail) -> Value {
    let mut out = Members::default();
    out.set("url", thumbnail.url.as_str())
        .number("width", thumbnail.width)
        .number("height", thumbnail.height);
    out.text("time", thumbnail.time.as_ref()).value()
}

fn media_content(content: &MediaContent) -> Value {
    let mut out = Members::default();
    out.text("url", content.url.as_ref())
        .text("type", content.media_type.as_ref())
        .text("medium", content.medium.as_ref());
    out.number("length", content.length)
        .number("width", content.width)
        .number("height", content.height);
    out.number("duration", content.duration)
        .set("is_default", content.is_default)
        .value()
}

fn html(out: &mut Members, name: &str, text: Option<&Text>) {
    out.text(name, text.and_then(|text| text.html.as_ref()));
}

fn person(person: &Person) -> Value {
    let mut out = Members::default();
    out.text("name", person.name.as_ref())
        .text("url", person.url.as_ref())
        .text("avatar", person.avatar.as_ref());
    if let Some(email) = &person.email {
        out.set("_aggd", json!({"email": email}));
    }
    out.value()
}

fn podcast_person(person: &PodcastPerson) -> Value {
    let mut out = Members::default();
    out.text("name", person.name.as_ref())
        .text("role", person.role.as_ref())
        .text("group", person.group.as_ref());
    out.text("url", person.url.as_ref())
        .text("image", person.image.as_ref())
        .value()
}

fn link(link: &Link) -> Value {
    let mut out = Members::default();
    out.set("rel", link.rel.as_str())
        .set("href", link.href.as_str())
        .text("type", link.media_type.as_ref());
    out.text("hreflang", link.hreflang.as_ref())
        .text("title", link.title.as_ref())
        .number("length", link.length)
        .value()
}

fn term(term: &Term) -> Value {
    Members::default()
        .text("term", term.term.as_ref())
        .text("scheme", term.scheme.as_ref())
        .text("label", term.label.as_ref())
        .value()
}

fn generator(generator: &Generator) -> Value {
    Members::default()
        .text("name", generator.name.as_ref())
        .text("url", generator.url.as_ref())
        .text("version", generator.version.as_ref())
        .value()
}

fn image(image: &Image) -> Value {
    let mut out = Members::default();
    out.text("url", image.url.as_ref())
        .text("title", image.title.as_ref())
        .text("link", image.link.as_ref());
    out.number("width", image.width)
        .number("height", image.height)
        .text("description", image.description.as_ref())
        .value()
}

fn attachment(file: &Enclosure) -> Value {
    let mut out = Members::default();
    out.set("url", file.url.as_str())
        .text("mime_type", file.mime_type.as_ref())
        .text("title", file.title.as_ref());
    out.number("size_in_bytes", file.length)
        .number("duration_in_seconds", file.duration)
        .value()
}

fn geo(geo: &Geo) -> Value {
    match geo {
        Geo::Point(at) => json!({"type": "Point", "coordinates": at}),
        Geo::LineString(path) => json!({"type": "LineString", "coordinates": path}),
        Geo::Polygon(rings) => json!({"type": "Polygon", "coordinates": rings}),
    }
}

/// A number without a needless `.0`.
fn decimal(number: f64) -> Value {
    let text = number.to_string();
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}
