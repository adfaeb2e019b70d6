//! A [`Sheet`] as RSS 2.0, by the RSS Advisory Board's profile. The `rss` crate writes the XML.

use std::collections::BTreeMap;

use rss::extension::dublincore::DublinCoreExtension;
use rss::extension::itunes::{
    ITunesCategory, ITunesChannelExtension, ITunesItemExtension, ITunesOwner,
};
use rss::extension::{Extension, ExtensionMap};
use rss::{Category, Channel, Enclosure, Guid, Source};

use super::Error;
use super::address::Format;
use super::files::{File, Picture};
use super::item::Item;
use super::plain;
use super::sheet::Sheet;

const NAMESPACES: [(&str, &str); 7] = [
    ("atom", "http://www.w3.org/2005/Atom"),
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("fh", "http://purl.org/syndication/history/1.0"),
    ("media", "http://search.yahoo.com/mrss/"),
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    ("slash", "http://purl.org/rss/1.0/modules/slash/"),
    ("wfw", "http://wellformedweb.org/CommentAPI/"),
];

/// Endings of files that podcast directories take.
const PODCAST: [&str; 7] = ["m4a", "mp3", "mov", "mp4", "m4v", "pdf", "epub"];

/// Writes the document.
///
/// # Errors
/// [`Error::Render`] if the writer refuses.
pub(super) fn render(sheet: &Sheet) -> Result<Vec<u8>, Error> {
    let items: Vec<rss::Item> = sheet.items.iter().map(|shown| item(sheet, shown)).collect();
    let namespaces = used(sheet, &items);
    let podcast = items.iter().any(|item| item.itunes_ext.is_some());
    let channel = Channel {
        title: sheet.title.clone(),
        link: sheet.page_url.clone(),
        description: sheet.description.clone(),
        // Podcast directories want one; the channel's own words are English.
        language: sheet
            .language
            .clone()
            .or_else(|| podcast.then(|| "en".to_owned())),
        last_build_date: Some(sheet.updated.to_rfc822()),
        generator: Some(concat!("aggd/", env!("CARGO_PKG_VERSION")).to_owned()),
        docs: Some("http://www.rssboard.org/rss-specification".to_owned()),
        extensions: channel_extensions(sheet),
        itunes_ext: podcast.then(|| podcast_channel(sheet)),
        namespaces,
        items,
        ..Channel::default()
    };
    channel
        .write_to(Vec::new())
        .map_err(|refusal| Error::Render {
            format: "RSS",
            reason: refusal.to_string(),
        })
}

/// Only the namespaces that the document uses.
fn used(sheet: &Sheet, items: &[rss::Item]) -> BTreeMap<String, String> {
    let prefix = |name: &str| {
        name == "atom"
            || (name == "fh" && sheet.archive.is_some())
            || items.iter().any(|item| {
                item.extensions.contains_key(name)
                    || (name == "dc" && item.extensions.contains_key("rdf"))
            })
    };
    NAMESPACES
        .iter()
        .filter(|(name, _)| prefix(name))
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

fn link(rel: &str, href: &str, media_type: Option<&str>, title: Option<&str>) -> Extension {
    element(
        "atom:link",
        None,
        &[
            ("rel", Some(rel.to_owned())),
            ("href", Some(href.to_owned())),
            ("type", media_type.map(str::to_owned)),
            ("title", title.map(str::to_owned)),
        ],
    )
}

fn channel_extensions(sheet: &Sheet) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    put(
        &mut map,
        link("self", &sheet.own_url, Some(Format::Rss.media_type()), None),
    );
    put(
        &mut map,
        link("alternate", &sheet.page_url, Some("text/html"), None),
    );
    for (format, url) in &sheet.formats {
        if *format != Format::Rss {
            put(
                &mut map,
                link("alternate", url, Some(format.media_type()), None),
            );
        }
    }
    for (rel, url) in sheet.links.all() {
        put(&mut map, link(rel, url, None, None));
    }
    put(&mut map, element("atom:id", Some(sheet.id.clone()), &[]));
    if sheet.archive.is_some() {
        put(&mut map, element("fh:archive", None, &[]));
    }
    map
}

/// What podcast directories miss otherwise; `block` keeps the collection itself out of them.
fn podcast_channel(sheet: &Sheet) -> ITunesChannelExtension {
    ITunesChannelExtension {
        block: Some("Yes".to_owned()),
        explicit: Some(
            sheet
                .items
                .iter()
                .any(|item| item.explicit == Some(true))
                .to_string(),
        ),
        categories: vec![ITunesCategory {
            text: "News".to_owned(),
            subcategory: None,
        }],
        owner: Some(ITunesOwner {
            name: Some(sheet.site.clone()),
            email: Some(format!("noreply@{}", sheet.host)),
        }),
        ..ITunesChannelExtension::default()
    }
}

fn item(sheet: &Sheet, item: &Item) -> rss::Item {
    let (enclosure, rest) = enclosure(item);
    let mail = match &item.authors[..] {
        [author] => author
            .email
            .as_ref()
            .filter(|email| **email != author.name)
            .map(|email| format!("{email} ({})", author.name.replace(['(', ')'], " ").trim())),
        _ => None,
    };
    let creators: Vec<String> = match mail {
        Some(_) => Vec::new(),
        None => item
            .authors
            .iter()
            .map(|author| author.name.clone())
            .collect(),
    };
    let contributors: Vec<String> = item
        .contributors
        .iter()
        .map(|person| person.name.clone())
        .collect();
    let rights: Vec<String> = item.rights.iter().cloned().collect();
    let dublin_core = (!creators.is_empty() || !contributors.is_empty() || !rights.is_empty())
        .then(|| DublinCoreExtension {
            creators,
            contributors,
            rights,
            ..DublinCoreExtension::default()
        });
    rss::Item {
        title: Some(item.title.clone()),
        link: item.url.clone(),
        description: Some(plain::escape(item.said())),
        author: mail,
        categories: item
            .labels
            .iter()
            .map(|label| Category {
                name: label.name().to_owned(),
                domain: Some(format!("{}{}", sheet.public_url, label.scheme())),
            })
            .collect(),
        comments: item.comments.clone(),
        guid: Some(Guid {
            value: item.id.clone(),
            permalink: false,
        }),
        pub_date: Some(item.published.to_rfc822()),
        source: item.source.feed_url.as_ref().map(|url| Source {
            url: url.clone(),
            title: Some(item.source.title.clone()),
        }),
        content: item.html.clone(),
        extensions: extensions(item, &rest),
        itunes_ext: enclosure.as_ref().and_then(|file| podcast_item(item, file)),
        enclosure: enclosure.map(|file| Enclosure {
            url: file.url.clone(),
            length: file.length.unwrap_or(0).to_string(),
            mime_type: file.media_type.clone(),
        }),
        dublin_core_ext: dublin_core,
    }
}

/// RSS has room for one file; the others become media. Strict readers want a host with a dot in that one.
fn enclosure(item: &Item) -> (Option<File>, Vec<&File>) {
    let first = item
        .files
        .iter()
        .find(|file| plain::has_plain_host(&file.url));
    let rest = item
        .files
        .iter()
        .filter(|file| first.is_none_or(|first| first.url != file.url))
        .chain(&item.media)
        .collect();
    (first.cloned(), rest)
}

fn extensions(item: &Item, files: &[&File]) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    for file in files {
        put(&mut map, media(file));
    }
    for picture in &item.pictures {
        put(&mut map, thumbnail(picture));
    }
    let related = item
        .also_in
        .iter()
        .filter_map(|also| Some((also.url.as_deref()?, Some(also.title.as_str()))));
    for (url, title) in related.chain(item.external.as_deref().map(|url| (url, None))) {
        put(&mut map, link("related", url, None, title));
    }
    if let Some(via) = &item.via {
        put(&mut map, link("via", via, None, None));
    }
    if let Some(license) = &item.license {
        put(&mut map, link("license", license, None, None));
    }
    if item.updated != item.published {
        put(
            &mut map,
            element("atom:updated", Some(item.updated.to_rfc3339()), &[]),
        );
    }
    if let Some(count) = item.comments_count {
        put(
            &mut map,
            element("slash:comments", Some(count.to_string()), &[]),
        );
    }
    if let Some(feed) = &item.comments_feed {
        put(&mut map, element("wfw:commentRss", Some(feed.clone()), &[]));
    }
    if let Some(wire) = &item.wire {
        put(&mut map, wire_element(wire));
    }
    map
}

/// `dc:source` stands in a description of its own: directly in an item, validators take it for a second `<source>`.
fn wire_element(wire: &str) -> Extension {
    let inner = element("dc:source", Some(wire.to_owned()), &[]);
    Extension {
        children: BTreeMap::from([("source".to_owned(), vec![inner])]),
        ..element("rdf:Description", None, &[])
    }
}

/// `media:content` of a file.
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

/// Podcast details, for a file that podcast readers know by its ending.
fn podcast_item(item: &Item, file: &File) -> Option<ITunesItemExtension> {
    let ending = file.url.rsplit('.').next()?;
    if !PODCAST.contains(&ending) {
        return None;
    }
    let extension = ITunesItemExtension {
        duration: item.duration.map(|seconds| seconds.to_string()),
        image: item
            .image()
            .filter(|url| plain::has_plain_host(url))
            .map(str::to_owned),
        explicit: item.explicit.map(|explicit| explicit.to_string()),
        episode: item.episode.map(|number| number.to_string()),
        season: item.season.map(|number| number.to_string()),
        episode_type: item.episode_type.clone(),
        ..ITunesItemExtension::default()
    };
    (extension != ITunesItemExtension::default()).then_some(extension)
}
