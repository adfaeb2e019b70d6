//! Atom 1.0 (RFC 4287) and 0.3: `feed`, `entry` and `source`; also for their elements inside RSS.

use super::construct::{self, Construct};
use super::draft::{EntryDraft, FeedDraft};
use super::xml::{Level, Ns, Reader, Tag};
use super::{extension, rss, shared};
use crate::model::entry::{Enclosure, FeedFormat, Link};

/// Rank of an element that belongs to the document's own vocabulary.
const CORE: u8 = 0;

/// Reads a document whose root is `feed`, or one `entry`.
pub(super) fn read<'a>(r: &mut Reader<'a>, root: &Tag<'a>) -> FeedDraft<'a> {
    let mut feed = FeedDraft {
        format: FeedFormat::Atom,
        version: version(r, root),
        entries: super::room_for_entries(r),
        ..FeedDraft::default()
    };
    r.speak(root, true);
    if root.local == "entry" {
        entry(r, &mut feed, root);
        return feed;
    }
    r.enter_container(root.level);
    while let Some(tag) = r.child(root.level) {
        feed_child(r, &mut feed, &tag);
    }
    let language = r.root_language().map(str::to_owned);
    feed.common.language.offer(2, language);
    feed
}

/// 1.0 and 0.3 by namespace, else by attribute.
fn version(r: &mut Reader<'_>, root: &Tag<'_>) -> Option<String> {
    let by_attribute = r.filled_attr("version").map(|version| version.to_string());
    if root.ns == Ns::Atom {
        let old = !r.root_declares("www.w3.org/2005/atom");
        return Some(if old { "0.3" } else { "1.0" }.to_owned());
    }
    by_attribute
}

/// A child of `feed`.
fn feed_child<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match (tag.ns, &*tag.local) {
        (Ns::Core, "entry" | "item") => entry(r, feed, tag),
        (Ns::Core, _) => {
            if !feed_element(r, feed, tag, CORE) {
                rss::channel_element(r, feed, tag);
            }
        }
        _ => extension::feed(r, feed, tag),
    }
}

/// An element of Atom in a feed; false if it is none. `rank` is above zero inside RSS.
pub(super) fn feed_element<'a>(
    r: &mut Reader<'a>,
    feed: &mut FeedDraft<'a>,
    tag: &Tag<'a>,
    rank: u8,
) -> bool {
    let level = tag.level;
    match &*tag.local {
        "title" => feed.common.title.offer(rank, Construct::atom(r, level)),
        "subtitle" | "tagline" => feed.description.offer(1 + rank, Construct::atom(r, level)),
        "rights" | "copyright" => feed.common.rights.offer(rank, Construct::atom(r, level)),
        "id" => feed.common.id.offer(rank, id(r, level)),
        "link" => {
            if let Some(link) = shared::link(r, level) {
                feed.common.link(link);
            }
        }
        // Atom's own date counts first in Atom, last in RSS.
        "updated" | "modified" => feed.common.updated.offer(3 * rank, r.date_value(level)),
        "published" | "issued" | "created" => feed.common.published.offer(1, r.date_value(level)),
        "author" => feed.common.authors.offer(rank, shared::person(r, level)),
        "contributor" => feed.common.contributors.offer(0, shared::person(r, level)),
        "category" => {
            let term = shared::category(r, level);
            feed.common.term(term);
        }
        "generator" => feed.generator.offer(rank, shared::generator(r, tag)),
        "icon" => feed.favicon.offer(rank, r.url_value(level)),
        "logo" => feed.common.image.offer(rank, r.url_value(level)),
        _ => return false,
    }
    true
}

/// An id: never changed, except that a relative reference is resolved where a base is given.
pub(super) fn id(r: &mut Reader<'_>, level: Level) -> Option<String> {
    let base = r.base();
    let id = r.filled_value(level)?;
    let relative = id.contains('/') && !id.contains(':') && !id.contains(char::is_whitespace);
    match base {
        Some(base) if relative => base
            .join(&id)
            .ok()
            .map(String::from)
            .or_else(|| Some(id.into_owned())),
        _ => Some(id.into_owned()),
    }
}

/// Reads an `entry` and adds it to the feed.
fn entry<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    if feed.entries.len() >= r.cx.max_items {
        return super::too_many(r);
    }
    let from = r.begun();
    r.enter_item(tag.level);
    let mut draft = EntryDraft::default();
    draft
        .common
        .language
        .offer(0, r.language_below_root().map(str::to_owned));
    while let Some(tag) = r.child(tag.level) {
        match tag.ns {
            Ns::Core => {
                if !entry_element(r, &mut draft, &tag, CORE) {
                    rss::item_element(r, &mut draft, &tag);
                }
            }
            _ => extension::entry(r, &mut draft, &tag),
        }
    }
    super::add(r, feed, draft, from);
}

/// An element of Atom in an entry; false if it is none. `rank` is above zero inside RSS.
pub(super) fn entry_element<'a>(
    r: &mut Reader<'a>,
    draft: &mut EntryDraft<'a>,
    tag: &Tag<'a>,
    rank: u8,
) -> bool {
    let level = tag.level;
    match &*tag.local {
        "title" => draft.common.title.offer(rank, Construct::atom(r, level)),
        "link" => link(r, draft, level),
        "id" => draft.common.id.offer(rank, id(r, level)),
        "content" => content(r, draft, level, rank),
        "summary" => draft.summary.offer(1, Construct::atom(r, level)),
        "updated" | "modified" => draft.common.updated.offer(0, r.date_value(level)),
        "published" => draft.common.published.offer(1, r.date_value(level)),
        "issued" => draft.common.published.offer(2, r.date_value(level)),
        "created" => draft.common.published.offer(3, r.date_value(level)),
        "author" => draft.common.authors.offer(rank, shared::person(r, level)),
        "contributor" => draft.common.contributors.offer(0, shared::person(r, level)),
        "category" => {
            let term = shared::category(r, level);
            draft.common.term(term);
        }
        "rights" | "copyright" => draft.common.rights.offer(rank, Construct::atom(r, level)),
        "source" => source(r, draft, tag),
        _ => return false,
    }
    true
}

/// A link of an entry, and what its relation makes of it.
fn link(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    // RFC 4685 puts the number of replies on their link.
    let count = r.number_attr("count");
    if let Some(link) = shared::link(r, level) {
        add_link(draft, link, count);
    }
}

/// Takes a link into an entry.
pub(super) fn add_link(draft: &mut EntryDraft<'_>, link: Link, count: Option<u64>) {
    let href = || Some(link.href.clone());
    match link.rel.as_str() {
        _ if link.href.is_empty() => {}
        "enclosure" => draft.enclose(Enclosure {
            url: link.href.clone(),
            mime_type: link.media_type.clone(),
            title: link.title.clone(),
            length: link.length,
            duration: None,
        }),
        "replies" => {
            let is_feed = link
                .media_type
                .as_deref()
                .is_some_and(|kind| kind.contains("xml") && !kind.contains("xhtml"));
            let place = if is_feed {
                &mut draft.comments.feed_url
            } else {
                &mut draft.comments.url
            };
            if place.is_none() {
                *place = href();
            }
            draft.comments.count = draft.comments.count.or(count);
        }
        "http://podlove.org/simple-chapters" if draft.episode.chapters_url.is_none() => {
            draft.episode.chapters_url = href();
        }
        _ => {}
    }
    draft.common.link(link);
}

fn content<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, level: Level, rank: u8) {
    let kind = r.attr("type").map(|kind| construct::media_type(&kind));
    let src = r.url_attr("src");
    let value = Construct::atom(r, level);
    if value.is_none() && src.is_none() || !draft.content.wants(1 + rank) {
        return;
    }
    draft.content_type = Some(kind.unwrap_or_else(|| "text/plain".to_owned()));
    draft.content_src = src;
    draft.content.offer(1 + rank, value);
}

/// Atom `source`, a feed without entries; or RSS `source`, a title with a URL.
pub(super) fn source<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    let mut feed = FeedDraft {
        format: FeedFormat::Atom,
        ..FeedDraft::default()
    };
    if let Some(href) = r.url_attr("url") {
        feed.common.link(Link {
            rel: "self".to_owned(),
            href,
            ..Link::default()
        });
    }
    let mut text = std::borrow::Cow::Borrowed("");
    let mut children = false;
    // Not `child_or_text`, which would take `title` for the end of this element.
    while let Some(child) = r.child_and_text(tag.level, &mut text) {
        children = true;
        if matches!(child.ns, Ns::Core | Ns::Atom) {
            if !feed_element(r, &mut feed, &child, CORE) {
                rss::channel_element(r, &mut feed, &child);
            }
        } else {
            extension::feed(r, &mut feed, &child);
        }
    }
    if !children {
        feed.common.title.offer(CORE, Construct::markup(text, None));
    }
    let mut feed = feed.finish(r.cx);
    if !children {
        feed.links.clear();
    }
    let empty = crate::model::entry::Feed {
        format: FeedFormat::Atom,
        ..crate::model::entry::Feed::default()
    };
    if draft.source.is_none() && feed != empty {
        draft.source = Some(Box::new(feed));
    }
}
