//! Elements of other namespaces, in feeds and in entries. They fill what the core elements left open, and what only they know.

pub(super) mod dublin;
pub(super) mod geo;
pub(super) mod itunes;
pub(super) mod media;
pub(super) mod podcast;

use std::borrow::Cow;

use super::construct::Construct;
use super::draft::{EntryDraft, FeedDraft};
use super::xml::{Ns, Reader, Tag};
use crate::model::entry::{Generator, InReplyTo};

/// An element of an extension in a feed.
pub(super) fn feed<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match tag.ns {
        Ns::Dc => dublin::feed(r, feed, tag),
        Ns::DcTerms => dublin::terms(r, &mut feed.common, tag),
        Ns::Itunes => itunes::feed(r, feed, tag),
        Ns::GooglePlay => itunes::google_feed(r, feed, tag),
        Ns::Media => media::feed(r, feed, tag),
        Ns::Podcast => podcast::feed(r, feed, tag),
        Ns::Syndication => syndication(r, feed, tag),
        Ns::License => license(r, &mut feed.common.license, tag),
        Ns::Admin if tag.local == "generatoragent" => {
            let url = r.url_attr("resource");
            feed.generator.offer(
                3,
                url.map(|url| Generator {
                    url: Some(url),
                    ..Generator::default()
                }),
            );
        }
        _ => {}
    }
}

/// An element of an extension in an entry.
pub(super) fn entry<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    match tag.ns {
        Ns::Dc => dublin::entry(r, draft, tag),
        Ns::DcTerms => dublin::terms(r, &mut draft.common, tag),
        Ns::Content if tag.local == "encoded" => {
            draft.content.offer(0, Construct::rss(r, tag.level));
        }
        Ns::Xhtml if matches!(&*tag.local, "body" | "div") => {
            draft.content.offer(3, Construct::xhtml(r, tag.level));
        }
        // What a description in an entry says, it says of the entry; our own RSS names the wire there.
        Ns::Rdf if tag.local == "description" => {
            while let Some(inner) = r.child(tag.level) {
                if inner.ns == Ns::Dc {
                    dublin::entry(r, draft, &inner);
                }
            }
        }
        Ns::Itunes => itunes::entry(r, draft, tag),
        Ns::GooglePlay => itunes::google_entry(r, draft, tag),
        Ns::Media => media::entry(r, draft, tag),
        Ns::Podcast => podcast::entry(r, draft, tag),
        Ns::Psc if tag.local == "chapters" => podcast::chapters(r, draft, tag.level),
        Ns::Georss | Ns::Gml | Ns::Geo => geo::entry(r, draft, tag),
        Ns::Thread | Ns::Slash | Ns::Wfw => discussion(r, draft, tag),
        Ns::Feedburner if tag.local == "origlink" && draft.original.is_none() => {
            draft.original = r.url_value(tag.level);
        }
        Ns::License => license(r, &mut draft.common.license, tag),
        _ => {}
    }
}

/// The syndication module: how often there is news.
fn syndication(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>, tag: &Tag<'_>) {
    let known = &mut feed.syndication;
    match &*tag.local {
        "updateperiod" if known.period.is_none() => {
            let value = r.value(tag.level).to_ascii_lowercase();
            match value.as_str() {
                "hourly" | "daily" | "weekly" | "monthly" | "yearly" => known.period = Some(value),
                "" => {}
                _ => r.bad(&value, "period (hourly, daily, weekly, monthly, yearly)"),
            }
        }
        "updatefrequency" if known.frequency.is_none() => {
            known.frequency = r.number_value(tag.level);
        }
        "updatebase" if feed.sy_base.is_none() => feed.sy_base = r.date_value(tag.level),
        _ => {}
    }
}

/// `cc:license rdf:resource` and `creativeCommons:license` with text.
fn license(r: &mut Reader<'_>, place: &mut super::draft::Slot<String>, tag: &Tag<'_>) {
    if tag.local != "license" {
        return;
    }
    let url = match r.url_attr("resource") {
        Some(url) => Some(url),
        None => r.url_value(tag.level),
    };
    place.offer(0, url);
}

/// Who talks about an entry, where and how much.
fn discussion(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    let known = &mut draft.comments;
    match (tag.ns, &*tag.local) {
        (Ns::Wfw, "comment") if known.post_url.is_none() => known.post_url = r.url_value(tag.level),
        (Ns::Wfw, "commentrss") if known.feed_url.is_none() => {
            known.feed_url = r.url_value(tag.level);
        }
        (Ns::Slash, "comments") | (Ns::Thread, "total") if known.count.is_none() => {
            known.count = r.number_value(tag.level);
        }
        (Ns::Thread, "in-reply-to") => {
            let reply = InReplyTo {
                reference: r.filled_attr("ref").map(Cow::into_owned),
                href: r.url_attr("href"),
                media_type: r.text_attr("type"),
                source: r.url_attr("source"),
            };
            if reply != InReplyTo::default() && draft.in_reply_to.len() < 100 {
                draft.in_reply_to.push(reply);
            }
        }
        _ => {}
    }
}
