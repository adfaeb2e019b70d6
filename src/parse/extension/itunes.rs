//! Apple's podcast elements (`itunes:`), and Google's (`googleplay:`), which are the same under another name.

use std::borrow::Cow;

use crate::model::entry::{Link, Person, Term};
use crate::parse::construct::Construct;
use crate::parse::draft::{Common, EntryDraft, FeedDraft};
use crate::parse::shared;
use crate::parse::value::{filled, plain};
use crate::parse::xml::{Level, Ns, Reader, Tag};

/// The vocabulary that iTunes categories and keywords belong to.
const SCHEME: &str = "http://www.itunes.com/";

/// `itunes:` in a feed.
pub(super) fn feed<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "summary" => feed.description.offer(3, Construct::rss(r, tag.level)),
        "subtitle" => feed.description.offer(4, Construct::rss(r, tag.level)),
        "owner" => feed.common.publisher.offer(2, shared::person(r, tag.level)),
        "new-feed-url" if feed.new_feed_url.is_none() => feed.new_feed_url = r.url_value(tag.level),
        "type" if feed.podcast.kind.is_none() => {
            feed.podcast.kind = r.words(tag.level).map(|kind| kind.to_ascii_lowercase());
        }
        "complete" if feed.podcast.complete.is_none() => {
            feed.podcast.complete = r.filled_value(tag.level).map(|value| is_yes(&value));
        }
        _ => both(r, &mut feed.common, tag, 2),
    }
}

/// `itunes:` in an entry.
pub(super) fn entry<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    let level = tag.level;
    let episode = &mut draft.episode;
    match &*tag.local {
        "summary" => draft.summary.offer(3, Construct::rss(r, level)),
        "duration" if episode.duration.is_none() => {
            let value = r.value(level);
            episode.duration = r.duration(&value);
        }
        "episode" if episode.episode.is_none() => episode.episode = r.number_value(level),
        "season" if episode.season.is_none() => episode.season = r.number_value(level),
        "episodetype" if episode.episode_type.is_none() => episode.episode_type = r.words(level),
        "subtitle" if episode.subtitle.is_none() => episode.subtitle = r.words(level),
        _ => both(r, &mut draft.common, tag, 0),
    }
}

/// `googleplay:` in a feed.
pub(super) fn google_feed<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "description" => feed.description.offer(5, Construct::rss(r, tag.level)),
        "new-feed-url" if feed.new_feed_url.is_none() => feed.new_feed_url = r.url_value(tag.level),
        "owner" | "email" => {
            let email = r.words(tag.level);
            feed.common.publisher.offer(
                3,
                shared::complete(Person {
                    email,
                    ..Person::default()
                }),
            );
        }
        _ => both(r, &mut feed.common, tag, 3),
    }
}

/// `googleplay:` in an entry.
pub(super) fn google_entry<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "description" => draft.summary.offer(5, Construct::rss(r, tag.level)),
        _ => both(r, &mut draft.common, tag, 2),
    }
}

fn both(r: &mut Reader<'_>, common: &mut Common<'_>, tag: &Tag<'_>, image_rank: u8) {
    let level = tag.level;
    match &*tag.local {
        "author" => common.authors.offer(3, shared::person(r, level)),
        "image" => {
            let url = match r.url_attr("href") {
                Some(url) => Some(url),
                None => match r.url_attr("url") {
                    Some(url) => Some(url),
                    None => image_text(r, level),
                },
            };
            common.image.offer(image_rank, url);
        }
        // An image as it was written in 2005.
        "link" => old_link(r, common, image_rank),
        "category" => category(r, common, level, 0),
        "keywords" => keywords(r, common, level),
        "block" if common.block.is_none() => {
            common.block = r.filled_value(level).map(|value| is_yes(&value));
        }
        "explicit" if common.explicit.is_none() => {
            let value = r.value(level);
            common.explicit = match value.to_ascii_lowercase().as_str() {
                "yes" | "true" | "explicit" => Some(true),
                "no" | "false" | "clean" => Some(false),
                _ => None,
            };
        }
        _ => {}
    }
}

fn is_yes(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("yes")
}

/// `<itunes:image>` with an address as text, or a child `url`.
fn image_text(r: &mut Reader<'_>, level: Level) -> Option<String> {
    let mut text = Cow::Borrowed("");
    let mut url = None;
    while let Some(tag) = r.child_and_text(level, &mut text) {
        if tag.local == "url" && url.is_none() {
            url = r.url_value(tag.level);
        }
    }
    url.or_else(|| r.url(&text))
}

fn old_link(r: &mut Reader<'_>, common: &mut Common<'_>, image_rank: u8) {
    let rel = r.filled_attr("rel").unwrap_or_default();
    let Some(href) = r.url_attr("href") else {
        return;
    };
    match &*rel {
        "image" => common.image.offer(image_rank, Some(href)),
        "" => {}
        rel => common.link(Link {
            rel: rel.to_owned(),
            href,
            ..Link::default()
        }),
    }
}

/// A category and those inside it.
fn category(r: &mut Reader<'_>, common: &mut Common<'_>, level: Level, depth: u8) {
    let term = r.text_attr("text");
    let mut text = Cow::Borrowed("");
    let add = |common: &mut Common<'_>, term: Option<String>| {
        common.term(Term {
            term,
            scheme: Some(SCHEME.to_owned()),
            label: None,
        });
    };
    if term.is_some() {
        add(common, term.clone());
    }
    while let Some(tag) = r.child_and_text(level, &mut text) {
        if matches!(tag.ns, Ns::Itunes | Ns::GooglePlay) && tag.local == "category" && depth < 4 {
            category(r, common, tag.level, depth + 1);
        }
    }
    if term.is_none()
        && let Some(term) = filled(plain(&text))
    {
        add(common, Some(term));
    }
}

fn keywords(r: &mut Reader<'_>, common: &mut Common<'_>, level: Level) {
    let list = r.value(level);
    shared::term_list(common, &list, Some(SCHEME));
}
