//! RSS 0.90 to 2.0, RDF and RSS 1.1: `channel`, `item`, `image`; also for their elements inside Atom.

use std::borrow::Cow;

use super::address::is_http;
use super::construct::Construct;
use super::draft::{EntryDraft, FeedDraft};
use super::xml::{Level, Ns, Reader, Tag};
use super::{atom, extension, shared};
use crate::model::entry::{Cloud, Enclosure, FeedFormat, Image};

/// Ranks of the elements of RSS itself, and of Atom's inside RSS.
const CORE: u8 = 0;
const BORROWED: u8 = 1;

/// Days as RSS spells them.
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// Reads a document whose root is `rss`, `RDF` or `channel`.
pub(super) fn read<'a>(r: &mut Reader<'a>, root: &Tag<'a>) -> FeedDraft<'a> {
    let mut feed = FeedDraft {
        entries: super::room_for_entries(r),
        ..FeedDraft::default()
    };
    (feed.format, feed.version) = version(r, root);
    let about = r
        .filled_attr("about")
        .filter(|_| root.local == "channel")
        .map(Cow::into_owned);
    feed.common.id.offer(1, about);
    r.speak(root, false);
    r.enter_container(root.level);
    if root.local == "channel" {
        channel(r, &mut feed, root.level);
    } else {
        // RDF has its items beside the channel, and some RSS forgets the channel.
        while let Some(tag) = r.child(root.level) {
            match (tag.ns, &*tag.local) {
                (Ns::Core | Ns::Rss, "channel") => {
                    let about = r.filled_attr("about").map(Cow::into_owned);
                    feed.common.id.offer(1, about);
                    channel(r, &mut feed, tag.level);
                }
                _ => channel_child(r, &mut feed, &tag),
            }
        }
    }
    let language = r.root_language().map(str::to_owned);
    feed.common.language.offer(2, language);
    feed
}

/// Format and version: by the namespaces of RDF, by the attribute of RSS.
fn version(r: &mut Reader<'_>, root: &Tag<'_>) -> (FeedFormat, Option<String>) {
    let old = [
        "my.netscape.com/rdf/simple/0.9",
        "channel.netscape.com/rdf/simple/0.9",
    ];
    let by_namespace = if r.root_declares("purl.org/net/rss1.1") {
        Some("1.1")
    } else if r.root_declares("purl.org/rss/1.0") {
        Some("1.0")
    } else if old.iter().any(|uri| r.root_declares(uri)) {
        Some("0.90")
    } else {
        None
    };
    let version = r.filled_attr("version").map(Cow::into_owned);
    if root.local == "rdf" || root.local == "channel" && by_namespace.is_some() {
        (FeedFormat::Rdf, by_namespace.map(str::to_owned).or(version))
    } else {
        (FeedFormat::Rss, version)
    }
}

fn channel<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, level: Level) {
    r.enter_container(level);
    while let Some(tag) = r.child(level) {
        channel_child(r, feed, &tag);
    }
}

/// A child of `channel`, or what should have been one.
fn channel_child<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match (tag.ns, &*tag.local) {
        (Ns::Core, "item" | "entry") | (Ns::Atom, "entry") => item(r, feed, tag),
        // RSS 1.1 keeps its items together, and so does a habit of RSS 0.9.
        (Ns::Core, "items") => channel(r, feed, tag.level),
        (Ns::Core, _) => channel_element(r, feed, tag),
        (Ns::Atom, _) => {
            atom::feed_element(r, feed, tag, BORROWED);
        }
        _ => extension::feed(r, feed, tag),
    }
}

/// An element of RSS in a channel; what is unknown may be Atom's.
pub(super) fn channel_element<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    let level = tag.level;
    match &*tag.local {
        "title" => feed.common.title.offer(CORE, Construct::rss(r, level)),
        "link" => channel_link(r, feed, level),
        "description" => feed.description.offer(CORE, Construct::rss(r, level)),
        "subtitle" | "tagline" | "summary" => feed.description.offer(1, Construct::rss(r, level)),
        "language" => feed.common.language.offer(CORE, r.words(level)),
        "copyright" | "rights" => feed.common.rights.offer(CORE, Construct::rss(r, level)),
        "managingeditor" => feed.common.authors.offer(1, shared::person(r, level)),
        "author" => feed.common.authors.offer(CORE, shared::person(r, level)),
        "webmaster" => feed.common.publisher.offer(CORE, shared::person(r, level)),
        "pubdate" => feed.common.published.offer(CORE, r.date_value(level)),
        "lastbuilddate" => feed.common.updated.offer(CORE, r.date_value(level)),
        "category" => {
            let term = shared::category(r, level);
            feed.common.term(term);
        }
        "tags" | "keywords" => {
            let list = r.value(level);
            shared::term_list(&mut feed.common, &list, None);
        }
        "image" => image(r, feed, level),
        "ttl" => feed.ttl = feed.ttl.or(r.number_value(level)),
        "cloud" => cloud(r, feed),
        "skiphours" => skip_hours(r, feed, level),
        "skipdays" => skip_days(r, feed, level),
        _ => {
            atom::feed_element(r, feed, tag, BORROWED);
        }
    }
}

/// The channel's `link`: text, or Atom's attributes under the wrong name.
fn channel_link(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>, level: Level) {
    let Some(link) = shared::link(r, level) else {
        return;
    };
    if link.rel == "alternate" && !link.href.is_empty() {
        feed.link.offer(CORE, Some(link.href.clone()));
    }
    feed.common.link(link);
}

/// `image` of a channel; in RDF the channel only refers to it and its children stand beside.
fn image<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, level: Level) {
    let mut picture = Image {
        url: r.url_attr("resource").or_else(|| r.url_attr("href")),
        ..Image::default()
    };
    let mut text = Cow::Borrowed("");
    while let Some(tag) = r.child_and_text(level, &mut text) {
        if !matches!(tag.ns, Ns::Core | Ns::Rss) {
            continue;
        }
        match &*tag.local {
            "url" => picture.url = r.url_value(tag.level).or(picture.url),
            "title" if picture.title.is_none() => {
                picture.title = Construct::rss(r, tag.level).and_then(Construct::into_plain);
            }
            "link" if picture.link.is_none() => picture.link = r.url_value(tag.level),
            "width" if picture.width.is_none() => picture.width = r.number_value(tag.level),
            "height" if picture.height.is_none() => picture.height = r.number_value(tag.level),
            "description" if picture.description.is_none() => {
                picture.description = Construct::rss(r, tag.level).and_then(Construct::into_plain);
            }
            _ => {}
        }
    }
    if picture.url.is_none() {
        picture.url = r.url(&text);
    }
    let known = &mut feed.picture;
    known.url = known.url.take().or(picture.url);
    known.title = known.title.take().or(picture.title);
    known.link = known.link.take().or(picture.link);
    known.width = known.width.or(picture.width);
    known.height = known.height.or(picture.height);
    known.description = known.description.take().or(picture.description);
}

fn cloud(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>) {
    let cloud = Cloud {
        domain: r.text_attr("domain"),
        port: r.number_attr("port"),
        path: r.text_attr("path"),
        register_procedure: r.text_attr("registerProcedure"),
        protocol: r.text_attr("protocol"),
    };
    if feed.cloud.is_none() && cloud != Cloud::default() {
        feed.cloud = Some(cloud);
    }
}

fn skip_hours(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>, level: Level) {
    while let Some(tag) = r.child(level) {
        if tag.local != "hour" {
            continue;
        }
        match r.number_value(tag.level) {
            // Some count from 1 to 24.
            Some(hour @ 0..=24) => {
                let hour = u8::try_from(hour % 24).unwrap_or(0);
                if !feed.skip_hours.contains(&hour) {
                    feed.skip_hours.push(hour);
                }
            }
            Some(hour) => r.bad(&hour.to_string(), "hour"),
            None => {}
        }
    }
}

fn skip_days(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>, level: Level) {
    while let Some(tag) = r.child(level) {
        if tag.local != "day" {
            continue;
        }
        let value = r.value(tag.level);
        match DAYS.iter().find(|day| day.eq_ignore_ascii_case(&value)) {
            Some(day) if !feed.skip_days.iter().any(|known| known == day) => {
                feed.skip_days.push((*day).to_owned());
            }
            None if !value.is_empty() => r.bad(&value, "day of the week"),
            _ => {}
        }
    }
}

/// Reads an `item` and adds it to the feed.
fn item<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    if feed.entries.len() >= r.cx.max_items {
        return super::too_many(r);
    }
    let from = r.begun();
    r.enter_item(tag.level);
    let mut draft = EntryDraft::default();
    // `rdf:about` stands in for a guid, and need not be an address.
    let about = r.filled_attr("about").map(Cow::into_owned);
    draft.common.id.offer(2, about);
    // The channels of 1997 (CDF) date their items in an attribute.
    if let Some(date) = r.filled_attr("lastmod") {
        draft.common.updated.offer(3, r.date(&date));
    }
    draft
        .common
        .language
        .offer(0, r.language_below_root().map(str::to_owned));
    while let Some(tag) = r.child(tag.level) {
        match tag.ns {
            Ns::Core => item_element(r, &mut draft, &tag),
            Ns::Atom => {
                atom::entry_element(r, &mut draft, &tag, BORROWED);
            }
            _ => extension::entry(r, &mut draft, &tag),
        }
    }
    super::add(r, feed, draft, from);
}

/// An element of RSS in an item; what is unknown may be Atom's.
pub(super) fn item_element<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    let level = tag.level;
    match &*tag.local {
        "title" => draft.common.title.offer(CORE, Construct::rss(r, level)),
        "link" => item_link(r, draft, level),
        "description" => draft.summary.offer(CORE, Construct::rss(r, level)),
        "summary" if draft.second_summary.is_none() => {
            draft.second_summary = Construct::rss(r, level);
        }
        "guid" => guid(r, draft, level),
        "pubdate" => draft.common.published.offer(CORE, r.date_value(level)),
        "date" => draft.dc_date = draft.dc_date.or(r.date_value(level)),
        "author" => draft.common.authors.offer(CORE, shared::person(r, level)),
        "category" => {
            let term = shared::category(r, level);
            draft.common.term(term);
        }
        "tags" | "keywords" => {
            let list = r.value(level);
            shared::term_list(&mut draft.common, &list, None);
        }
        "comments" => comments(r, draft, level),
        "enclosure" => enclosure(r, draft, level),
        "source" => atom::source(r, draft, tag),
        "fullitem" => draft.content.offer(4, Construct::rss(r, level)),
        "body" | "div" => draft.content.offer(3, Construct::xhtml(r, level)),
        "image" => item_image(r, draft, level),
        "language" => draft.common.language.offer(1, r.words(level)),
        "rights" | "copyright" => draft.common.rights.offer(CORE, Construct::rss(r, level)),
        _ => {
            atom::entry_element(r, draft, tag, BORROWED);
        }
    }
}

fn item_link(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let Some(link) = shared::link(r, level) else {
        return;
    };
    if link.rel == "alternate" && !link.href.is_empty() {
        draft.link.offer(CORE, Some(link.href.clone()));
        draft.common.link(link);
    } else {
        atom::add_link(draft, link, None);
    }
}

fn guid(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let permalink = r
        .attr("isPermaLink")
        .is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"));
    if let Some(guid) = r.filled_value(level)
        && draft.common.id.wants(CORE)
    {
        draft.permalink = Some(permalink);
        draft.common.id.offer(CORE, Some(guid.into_owned()));
    }
}

/// `comments` is an address, except in feeds that write a number into it.
fn comments(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let value = r.value(level);
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        draft.comments.count = draft.comments.count.or(value.parse().ok());
    } else if draft.comments.url.is_none() {
        draft.comments.url = r.url(&value);
    }
}

fn enclosure(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let mime_type = r.text_attr("type");
    let title = r.text_attr("title");
    let length = r.number_attr("length").filter(|length| *length > 0);
    let address = match r.filled_attr("url") {
        Some(url) => Some(url),
        None => r.filled_attr("href"),
    };
    let url = match address {
        Some(address) => r.url(&address),
        None => r.url_value(level),
    };
    if let Some(url) = url {
        draft.enclose(Enclosure {
            url,
            mime_type,
            title,
            length,
            duration: None,
        });
    }
}

/// `image` of an item, known from Russian and Turkish news feeds: an address, or `url` inside.
fn item_image(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let mut url = match r.url_attr("href") {
        Some(url) => Some(url),
        None => r.url_attr("url"),
    };
    let mut text = Cow::Borrowed("");
    while let Some(tag) = r.child_and_text(level, &mut text) {
        if matches!(tag.ns, Ns::Core) && tag.local == "url" && url.is_none() {
            url = r.url_value(tag.level);
        }
    }
    let url = url.or_else(|| r.url(&text).filter(|url| is_http(url)));
    draft.common.image.offer(1, url);
}

/// The feed that a `<redirect><newLocation>` document points to.
pub(super) fn redirect<'a>(r: &mut Reader<'a>, root: &Tag<'a>) -> Option<FeedDraft<'static>> {
    r.speak(root, false);
    while let Some(tag) = r.child(root.level) {
        if tag.local == "newlocation"
            && let Some(url) = r.url_value(tag.level)
        {
            return Some(FeedDraft {
                new_feed_url: Some(url),
                ..FeedDraft::default()
            });
        }
    }
    None
}
