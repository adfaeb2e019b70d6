//! A [`Sheet`] as Atom 1.0 (RFC 4287). The `atom_syndication` crate writes the XML.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use atom_syndication::extension::{Extension, ExtensionMap};
use atom_syndication::{
    Category, Content, Entry, Feed, FixedDateTime, Generator, Link, Person, Source, Text,
    WriteConfig,
};

use super::Error;
use super::address::Format;
use super::files::{File, Picture};
use super::item::{Author, Item};
use super::sheet::Sheet;
use crate::model::time::Timestamp;

const NAMESPACES: [(&str, &str); 5] = [
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("fh", "http://purl.org/syndication/history/1.0"),
    ("itunes", "http://www.itunes.com/dtds/podcast-1.0.dtd"),
    ("media", "http://search.yahoo.com/mrss/"),
    ("thr", "http://purl.org/syndication/thread/1.0"),
];

/// Writes the document.
///
/// # Errors
/// [`Error::Render`] if the writer refuses.
pub(super) fn render(sheet: &Sheet) -> Result<Vec<u8>, Error> {
    let entries: Vec<Entry> = sheet
        .items
        .iter()
        .zip(distinct(&sheet.items))
        .map(|(item, updated)| entry(sheet, item, updated))
        .collect();
    let feed = Feed {
        title: Text::plain(sheet.title.clone()),
        id: sheet.id.clone(),
        updated: date(sheet.updated),
        generator: Some(Generator {
            value: "aggd".to_owned(),
            uri: None,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
        links: links(sheet),
        subtitle: Some(Text::plain(sheet.description.clone())),
        namespaces: used(sheet, &entries),
        extensions: archive(sheet),
        lang: sheet.language.clone(),
        entries,
        ..Feed::default()
    };
    let config = WriteConfig {
        write_document_declaration: true,
        indent_size: None,
    };
    feed.write_with_config(Vec::new(), config)
        .map_err(|refusal| refusal.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|refusal| refusal.to_string()))
        .map(|xml| finish(sheet, &xml).into_bytes())
        .map_err(|reason| Error::Render {
            format: "Atom",
            reason,
        })
}

/// Adds what the writer has no place for: the language of an entry, and `dc:source` before `source`, the one order that
/// validators take. Text is always escaped, so a tag in the bytes is a tag.
fn finish(sheet: &Sheet, xml: &str) -> String {
    let mut parts = xml.split("<entry>");
    let mut out = String::with_capacity(xml.len() + 1024);
    out.push_str(parts.next().unwrap_or_default());
    for (part, item) in parts.zip(&sheet.items) {
        match item
            .language
            .as_deref()
            .filter(|language| Some(*language) != sheet.language.as_deref())
        {
            Some(language) => {
                out.push_str("<entry xml:lang=\"");
                out.push_str(language);
                out.push_str("\">");
            }
            None => out.push_str("<entry>"),
        }
        match wire_first(part) {
            Some(moved) => out.push_str(&moved),
            None => out.push_str(part),
        }
    }
    out
}

fn wire_first(entry: &str) -> Option<String> {
    let from = entry.find("<dc:source>")?;
    let to = from + entry[from..].find("</dc:source>")? + "</dc:source>".len();
    let place = entry.find("<source>").filter(|place| *place < from)?;
    Some(
        [
            &entry[..place],
            &entry[from..to],
            &entry[place..from],
            &entry[to..],
        ]
        .concat(),
    )
}

fn date(at: Timestamp) -> FixedDateTime {
    at.civil().fixed_offset()
}

/// `updated` of each item. Validators suspect entries that changed at the same moment; the later arrivals of such a group
/// get some nanoseconds, which nobody measures.
fn distinct(items: &[Item]) -> Vec<FixedDateTime> {
    let mut taken: HashMap<Timestamp, u64> = HashMap::new();
    let mut dates: Vec<FixedDateTime> = items
        .iter()
        .rev()
        .map(|item| {
            let rank = taken.entry(item.updated).or_default();
            let shifted = date(item.updated) + Duration::from_nanos(*rank);
            *rank += 1;
            shifted
        })
        .collect();
    dates.reverse();
    dates
}

fn plain_link(rel: &str, href: &str) -> Link {
    Link {
        href: href.to_owned(),
        rel: rel.to_owned(),
        ..Link::default()
    }
}

fn typed_link(rel: &str, href: &str, media_type: &str) -> Link {
    Link {
        mime_type: Some(media_type.to_owned()),
        ..plain_link(rel, href)
    }
}

fn titled_link(rel: &str, href: &str, title: Option<&str>) -> Link {
    Link {
        title: title.map(str::to_owned),
        ..plain_link(rel, href)
    }
}

fn links(sheet: &Sheet) -> Vec<Link> {
    let mut links = vec![
        typed_link("self", &sheet.own_url, Format::Atom.media_type()),
        typed_link("alternate", &sheet.page_url, "text/html"),
    ];
    for (format, url) in &sheet.formats {
        if *format != Format::Atom {
            links.push(typed_link("alternate", url, format.media_type()));
        }
    }
    links.extend(sheet.links.all().map(|(rel, url)| plain_link(rel, url)));
    links
}

fn archive(sheet: &Sheet) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    if sheet.archive.is_some() {
        put(&mut map, element("fh:archive", None, &[]));
    }
    map
}

/// Only the namespaces that the document uses.
fn used(sheet: &Sheet, entries: &[Entry]) -> BTreeMap<String, String> {
    NAMESPACES
        .iter()
        .filter(|(name, _)| {
            (*name == "fh" && sheet.archive.is_some())
                || entries
                    .iter()
                    .any(|entry| entry.extensions.contains_key(*name))
        })
        .map(|(name, url)| ((*name).to_owned(), (*url).to_owned()))
        .collect()
}

/// An element without children.
fn element(name: &str, value: Option<String>, attributes: &[(&str, Option<String>)]) -> Extension {
    Extension {
        name: name.to_owned(),
        value,
        attrs: attributes
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)))
            .collect(),
        children: BTreeMap::new(),
    }
}

fn put(map: &mut ExtensionMap, extension: Extension) {
    let (prefix, local) = extension.name.split_once(':').unwrap_or_default();
    let (prefix, local) = (prefix.to_owned(), local.to_owned());
    map.entry(prefix)
        .or_default()
        .entry(local)
        .or_default()
        .push(extension);
}

fn person(author: &Author) -> Person {
    Person {
        name: author.name.clone(),
        email: author.email.clone(),
        uri: author.url.clone(),
        ..Person::default()
    }
}

fn entry(sheet: &Sheet, item: &Item, updated: FixedDateTime) -> Entry {
    Entry {
        title: Text::plain(item.title.clone()),
        id: item.id.clone(),
        updated,
        authors: item.authors.iter().map(person).collect(),
        categories: item
            .labels
            .iter()
            .map(|label| Category {
                term: label.name().to_owned(),
                scheme: Some(format!("{}{}", sheet.public_url, label.scheme())),
                label: None,
            })
            .collect(),
        contributors: item.contributors.iter().map(person).collect(),
        links: entry_links(item),
        published: Some(date(item.published)),
        rights: item.rights.clone().map(Text::plain),
        source: Some(source(item)),
        summary: Some(item.said())
            .filter(|text| !text.is_empty())
            .map(Text::plain),
        content: item.html.clone().map(|html| Content {
            value: Some(html),
            content_type: Some("html".to_owned()),
            ..Content::default()
        }),
        extensions: extensions(item),
        ..Entry::default()
    }
}

fn entry_links(item: &Item) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    links.extend(item.url.as_deref().map(|url| plain_link("alternate", url)));
    for also in &item.also_in {
        links.extend(
            also.url
                .as_deref()
                .map(|url| titled_link("related", url, Some(&also.title))),
        );
    }
    links.extend(
        item.external
            .as_deref()
            .map(|url| plain_link("related", url)),
    );
    links.extend(item.via.as_deref().map(|url| plain_link("via", url)));
    links.extend(
        item.license
            .as_deref()
            .map(|url| plain_link("license", url)),
    );
    links.extend(item.files.iter().map(|file| Link {
        length: file.length.map(|bytes| bytes.to_string()),
        title: file.title.clone(),
        ..typed_link("enclosure", &file.url, &file.media_type)
    }));
    links.extend(
        item.comments
            .as_deref()
            .map(|url| typed_link("replies", url, "text/html")),
    );
    links.extend(
        item.comments_feed
            .as_deref()
            .map(|url| typed_link("replies", url, "application/atom+xml")),
    );
    links
}

/// The feed that the article comes from; without an author of its own, the article is by that feed.
fn source(item: &Item) -> Source {
    let origin = &item.source;
    let by_feed = Author {
        name: origin.title.clone(),
        url: None,
        email: None,
        avatar: None,
    };
    let mut links: Vec<Link> = Vec::new();
    links.extend(
        origin
            .feed_url
            .as_deref()
            .map(|url| plain_link("self", url)),
    );
    links.extend(
        origin
            .home_url
            .as_deref()
            .map(|url| plain_link("alternate", url)),
    );
    Source {
        title: Text::plain(origin.title.clone()),
        id: origin.atom_id.clone(),
        updated: date(origin.updated),
        authors: if item.authors.is_empty() {
            vec![person(&by_feed)]
        } else {
            Vec::new()
        },
        links,
        ..Source::default()
    }
}

fn extensions(item: &Item) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for file in &item.media {
        put(&mut map, media(file));
    }
    for picture in &item.pictures {
        put(&mut map, thumbnail(picture));
    }
    if let Some(wire) = &item.wire {
        put(&mut map, element("dc:source", Some(wire.clone()), &[]));
    }
    if let Some(count) = item.comments_count {
        put(&mut map, element("thr:total", Some(count.to_string()), &[]));
    }
    if !item.files.is_empty() {
        podcast(item, &mut map);
    }
    map
}

fn podcast(item: &Item, map: &mut ExtensionMap) {
    let facts = [
        (
            "itunes:duration",
            item.duration.map(|seconds| seconds.to_string()),
        ),
        (
            "itunes:explicit",
            item.explicit.map(|explicit| explicit.to_string()),
        ),
        (
            "itunes:episode",
            item.episode.map(|number| number.to_string()),
        ),
        (
            "itunes:season",
            item.season.map(|number| number.to_string()),
        ),
        ("itunes:episodeType", item.episode_type.clone()),
    ];
    for (name, value) in facts {
        if value.is_some() {
            put(map, element(name, value, &[]));
        }
    }
    if let Some(image) = item.image().filter(|url| super::plain::has_plain_host(url)) {
        put(
            map,
            element("itunes:image", None, &[("href", Some(image.to_owned()))]),
        );
    }
}

fn media(file: &File) -> Extension {
    let medium = file
        .media_type
        .split('/')
        .next()
        .filter(|kind| ["image", "audio", "video"].contains(kind));
    element(
        "media:content",
        None,
        &[
            ("url", Some(file.url.clone())),
            ("type", Some(file.media_type.clone())),
            ("medium", medium.map(str::to_owned)),
            (
                "fileSize",
                file.length.filter(|n| *n > 0).map(|n| n.to_string()),
            ),
            ("duration", file.duration.map(|n| n.to_string())),
        ],
    )
}

fn thumbnail(picture: &Picture) -> Extension {
    element(
        "media:thumbnail",
        None,
        &[
            ("url", Some(picture.url.clone())),
            ("width", picture.width.map(|n| n.to_string())),
            ("height", picture.height.map(|n| n.to_string())),
        ],
    )
}
