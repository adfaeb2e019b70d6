//! A [`Sheet`] as JSON Feed 1.1. What the format has no word for stands in `_aggd`.

use serde_json::{Map, Value, json};

use super::Error;
use super::address::Format;
use super::files::File;
use super::item::{Also, Author, Item};
use super::sheet::Sheet;

/// What `_aggd` means, for those who find it.
const ABOUT: &str = "Extension of aggd. On items: source is the feed that the article comes from (id, title, feed_url, home_url), \
guid the publisher's own id, category the shelf it stands on, wire the paper or agency it was taken from, also_in the other sources of the same story.";

/// Writes the document.
///
/// # Errors
/// [`Error::Render`] if the writer refuses.
pub(super) fn render(sheet: &Sheet) -> Result<Vec<u8>, Error> {
    let mut feed = Map::new();
    feed.insert("version".into(), "https://jsonfeed.org/version/1.1".into());
    feed.insert("title".into(), sheet.title.clone().into());
    feed.insert("home_page_url".into(), sheet.page_url.clone().into());
    feed.insert("feed_url".into(), sheet.own_url.clone().into());
    put(&mut feed, "next_url", sheet.links.next.clone());
    feed.insert("description".into(), sheet.description.clone().into());
    put(&mut feed, "language", sheet.language.clone());
    feed.insert("_aggd".into(), extension(sheet));
    feed.insert(
        "items".into(),
        sheet
            .items
            .iter()
            .map(|entry| item(sheet, entry))
            .collect::<Vec<_>>()
            .into(),
    );
    serde_json::to_vec(&feed).map_err(|refusal| Error::Render {
        format: "JSON Feed",
        reason: refusal.to_string(),
    })
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}

fn extension(sheet: &Sheet) -> Value {
    let mut own = Map::new();
    own.insert("about".into(), ABOUT.into());
    own.insert("id".into(), sheet.id.clone().into());
    own.insert(
        "generator".into(),
        concat!("aggd/", env!("CARGO_PKG_VERSION")).into(),
    );
    own.insert("updated".into(), sheet.updated.to_rfc3339().into());
    let formats: Map<String, Value> = sheet
        .formats
        .iter()
        .filter(|(format, _)| *format != Format::Json)
        .map(|(format, url)| (format.ending().to_owned(), url.clone().into()))
        .collect();
    own.insert("alternate".into(), formats.into());
    for (rel, url) in sheet.links.all() {
        if rel != "next" {
            own.insert(rel.replace('-', "_"), url.into());
        }
    }
    if let Some(month) = &sheet.archive {
        own.insert("archive".into(), month.clone().into());
    }
    own.into()
}

fn item(sheet: &Sheet, item: &Item) -> Value {
    let mut out = Map::new();
    out.insert("id".into(), item.id.clone().into());
    put(&mut out, "url", item.url.clone());
    put(&mut out, "external_url", item.external.clone());
    out.insert("title".into(), item.title.clone().into());
    put(&mut out, "content_html", item.html.clone());
    // One of the two must be there.
    let text = item
        .text
        .clone()
        .or_else(|| item.html.is_none().then(|| item.said().to_owned()));
    put(&mut out, "content_text", text);
    put(
        &mut out,
        "summary",
        Some(item.summary.clone()).filter(|text| !text.is_empty()),
    );
    put(&mut out, "image", item.image());
    put(&mut out, "banner_image", item.banner.clone());
    out.insert("date_published".into(), item.published.to_rfc3339().into());
    out.insert("date_modified".into(), item.updated.to_rfc3339().into());
    put(&mut out, "authors", some(people(&item.authors)));
    let mut tags: Vec<&str> = Vec::new();
    for label in &item.labels {
        if !tags.contains(&label.name()) {
            tags.push(label.name());
        }
    }
    put(
        &mut out,
        "tags",
        some(tags.into_iter().map(Value::from).collect()),
    );
    let language = item
        .language
        .clone()
        .filter(|language| Some(language) != sheet.language.as_ref());
    put(&mut out, "language", language);
    put(
        &mut out,
        "attachments",
        some(item.files.iter().map(file).collect()),
    );
    out.insert("_aggd".into(), item_extension(item));
    out.into()
}

fn some(values: Vec<Value>) -> Option<Vec<Value>> {
    Some(values).filter(|values| !values.is_empty())
}

fn people(authors: &[Author]) -> Vec<Value> {
    authors
        .iter()
        .map(|author| {
            let mut out = Map::new();
            out.insert("name".into(), author.name.clone().into());
            let mail = author.email.as_ref().map(|email| format!("mailto:{email}"));
            put(&mut out, "url", author.url.clone().or(mail));
            put(&mut out, "avatar", author.avatar.clone());
            out.into()
        })
        .collect()
}

fn file(file: &File) -> Value {
    let mut out = Map::new();
    out.insert("url".into(), file.url.clone().into());
    out.insert("mime_type".into(), file.media_type.clone().into());
    put(&mut out, "title", file.title.clone());
    put(&mut out, "size_in_bytes", file.length);
    put(&mut out, "duration_in_seconds", file.duration);
    out.into()
}

fn item_extension(item: &Item) -> Value {
    let origin = &item.source;
    let mut source = Map::new();
    source.insert("id".into(), origin.id.as_str().into());
    source.insert("title".into(), origin.title.clone().into());
    put(&mut source, "feed_url", origin.feed_url.clone());
    put(&mut source, "home_url", origin.home_url.clone());
    let mut out = Map::new();
    out.insert("guid".into(), item.guid.clone().into());
    out.insert("source".into(), source.into());
    put(&mut out, "category", item.category.clone());
    put(
        &mut out,
        "also_in",
        some(item.also_in.iter().map(also).collect()),
    );
    put(&mut out, "via", item.via.clone());
    put(&mut out, "wire", item.wire.clone());
    put(&mut out, "contributors", some(people(&item.contributors)));
    put(&mut out, "rights", item.rights.clone());
    put(&mut out, "license", item.license.clone());
    let mut comments = Map::new();
    put(&mut comments, "url", item.comments.clone());
    put(&mut comments, "feed_url", item.comments_feed.clone());
    put(&mut comments, "count", item.comments_count);
    put(
        &mut out,
        "comments",
        Some(comments).filter(|comments| !comments.is_empty()),
    );
    let mut episode = Map::new();
    if !item.files.is_empty() {
        put(&mut episode, "duration", item.duration);
        put(&mut episode, "episode", item.episode);
        put(&mut episode, "season", item.season);
        put(&mut episode, "type", item.episode_type.clone());
        put(&mut episode, "explicit", item.explicit);
    }
    put(
        &mut out,
        "episode",
        Some(episode).filter(|episode| !episode.is_empty()),
    );
    out.into()
}

fn also(also: &Also) -> Value {
    let mut out = json!({ "id": also.source.as_str(), "title": also.title });
    if let (Some(url), Some(out)) = (&also.url, out.as_object_mut()) {
        out.insert("url".into(), url.clone().into());
    }
    out
}
