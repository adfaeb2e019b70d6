//! Podcasting 2.0 (`podcast:`) and Podlove simple chapters (`psc:`).

use std::borrow::Cow;

use crate::model::entry::{Chapter, PodcastPerson, Transcript};
use crate::parse::draft::{Common, EntryDraft, FeedDraft};
use crate::parse::xml::{Level, Reader, Tag};

/// More chapters, transcripts or people than this help nobody.
const MOST: usize = 1000;

/// `podcast:` in a feed.
pub(super) fn feed(r: &mut Reader<'_>, feed: &mut FeedDraft<'_>, tag: &Tag<'_>) {
    let podcast = &mut feed.podcast;
    match &*tag.local {
        "guid" if podcast.guid.is_none() => {
            podcast.guid = r.filled_value(tag.level).map(Cow::into_owned);
        }
        "locked" if podcast.locked.is_none() => {
            podcast.locked = match r.value(tag.level).to_ascii_lowercase().as_str() {
                "yes" | "true" => Some(true),
                "no" | "false" => Some(false),
                _ => None,
            };
        }
        "funding" if podcast.funding.len() < MOST => {
            if let Some(url) = r.url_attr("url") {
                let title = r.words(tag.level);
                podcast.funding.push((url, title));
            }
        }
        "person" => person(r, &mut feed.common, tag.level),
        _ => {}
    }
}

/// `podcast:` in an entry.
pub(super) fn entry(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    let episode = &mut draft.episode;
    match &*tag.local {
        "episode" if episode.episode.is_none() => episode.episode = r.number_value(tag.level),
        "season" if episode.season.is_none() => episode.season = r.number_value(tag.level),
        "chapters" if episode.chapters_url.is_none() => episode.chapters_url = r.url_attr("url"),
        "transcript" if episode.transcripts.len() < MOST => {
            if let Some(url) = r.url_attr("url") {
                let (media_type, language, rel) = (
                    r.text_attr("type"),
                    r.text_attr("language"),
                    r.text_attr("rel"),
                );
                episode.transcripts.push(Transcript {
                    url,
                    media_type,
                    language,
                    rel,
                });
            }
        }
        "person" => person(r, &mut draft.common, tag.level),
        _ => {}
    }
}

fn person(r: &mut Reader<'_>, common: &mut Common<'_>, level: Level) {
    let (role, group) = (r.text_attr("role"), r.text_attr("group"));
    let (url, image) = (r.url_attr("href"), r.url_attr("img"));
    let name = r.words(level);
    let person = PodcastPerson {
        name,
        role,
        group,
        url,
        image,
    };
    if person != PodcastPerson::default() && common.persons.len() < MOST {
        common.persons.push(person);
    }
}

/// `psc:chapters`.
pub(super) fn chapters(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    while let Some(tag) = r.child(level) {
        if tag.local != "chapter" || draft.episode.chapters.len() >= MOST {
            continue;
        }
        let Some(start) = r.filled_attr("start") else {
            continue;
        };
        match seconds(&start) {
            Some(start) => {
                let chapter = Chapter {
                    start,
                    title: r.text_attr("title"),
                    href: r.url_attr("href"),
                    image: r.url_attr("image"),
                };
                draft.episode.chapters.push(chapter);
            }
            None => r.bad(&start, "start of a chapter (HH:MM:SS.mmm)"),
        }
    }
}

/// Normal play time: `SS`, `MM:SS` or `HH:MM:SS`, with a fraction, as seconds.
fn seconds(value: &str) -> Option<f64> {
    let parts: Vec<&str> = value.trim().split(':').collect();
    let (last, before) = parts.split_last()?;
    if before.len() > 2
        || last.is_empty()
        || !last
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let mut whole = 0_u32;
    for part in before {
        whole = whole
            .checked_add(part.parse::<u32>().ok()?)?
            .checked_mul(60)?;
    }
    last.parse::<f64>()
        .ok()
        .map(|last| f64::from(whole) + last)
        .filter(|seconds| seconds.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapter_starts_are_seconds() {
        for (value, expected) in [
            ("00:03:07.250", Some(187.25)),
            ("08:26", Some(506.0)),
            ("12", Some(12.0)),
            ("1:2:3:4", None),
            ("a", None),
            ("-1", None),
        ] {
            assert_eq!(seconds(value), expected, "{value}");
        }
    }
}
