//! An entry while it is read.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{Common, MOST, Slot};
use crate::model::entry::{
    Comments, Content, Enclosure, Entry, Episode, Feed, Geo, IdSource, InReplyTo, Link, Media, Text,
};
use crate::model::time::Timestamp;
use crate::parse::address::is_http;
use crate::parse::construct::Construct;
use crate::parse::context::Context;

/// Relations that lead to something else than the entry's own page.
const OTHER_USES: &[&str] = &[
    "self",
    "enclosure",
    "related",
    "via",
    "replies",
    "edit",
    "edit-media",
    "hub",
    "license",
    "next",
    "prev",
    "previous",
    "first",
    "last",
    "search",
    "up",
    "author",
    "icon",
    "shortcut icon",
    "image_src",
    "payment",
    "service.post",
    "service.edit",
    "service.feed",
    "thumbnail",
    "preview",
    "alternate",
];

/// One entry.
#[derive(Debug, Default)]
pub(in crate::parse) struct EntryDraft<'a> {
    pub(in crate::parse) common: Common<'a>,
    pub(in crate::parse) permalink: Option<bool>,
    /// RSS `link`.
    pub(in crate::parse) link: Slot<String>,
    /// The address before a redirecting service changed it.
    pub(in crate::parse) original: Option<String>,
    pub(in crate::parse) external: Option<String>,
    pub(in crate::parse) summary: Slot<Construct<'a>>,
    /// RSS `summary`, which may stand beside `description`.
    pub(in crate::parse) second_summary: Option<Construct<'a>>,
    pub(in crate::parse) content: Slot<Construct<'a>>,
    pub(in crate::parse) content_type: Option<String>,
    pub(in crate::parse) content_src: Option<String>,
    pub(in crate::parse) dc_date: Option<Timestamp>,
    pub(in crate::parse) enclosures: Vec<Enclosure>,
    pub(in crate::parse) comments: Comments,
    pub(in crate::parse) in_reply_to: Vec<InReplyTo>,
    pub(in crate::parse) source: Option<Box<Feed>>,
    pub(in crate::parse) episode: Episode,
    /// Playing time of the first file of Media RSS: it may be another one than the episode, which may say its own later.
    pub(in crate::parse) media_duration: Option<u64>,
    pub(in crate::parse) media: Media,
    pub(in crate::parse) geo: Slot<Geo>,
    /// W3C geo: latitude, longitude, altitude come one by one.
    pub(in crate::parse) position: [Option<f64>; 3],
    pub(in crate::parse) dc_source: Option<String>,
}

impl EntryDraft<'_> {
    /// Adds a file, once for each address.
    pub(in crate::parse) fn enclose(&mut self, enclosure: Enclosure) {
        let known = self
            .enclosures
            .iter()
            .position(|known| known.url == enclosure.url);
        if let Some(index) = known {
            let known = &mut self.enclosures[index];
            known.mime_type = known.mime_type.take().or(enclosure.mime_type);
            known.title = known.title.take().or(enclosure.title);
            known.length = known.length.or(enclosure.length);
            known.duration = known.duration.or(enclosure.duration);
        } else if self.enclosures.len() < MOST {
            self.enclosures.push(enclosure);
        }
    }

    /// The publisher gave it something to be known by.
    pub(in crate::parse) fn is_named(&self) -> bool {
        self.common.id.get().is_some() || self.link.get().is_some()
    }

    /// The entry as it stands; without its text if that is known.
    pub(in crate::parse) fn finish(mut self, cx: &Context<'_>, unchanged: bool) -> Entry {
        let url = self.url();
        let (content, summary) = if unchanged {
            (None, None)
        } else {
            self.texts(cx)
        };
        let published = self.common.published.take();
        let (published, modified) = match (published, self.dc_date) {
            (None, Some(date)) => (Some(date), None),
            (published, date) => (published, date),
        };
        let image = self.image();
        let external_url = self
            .external
            .take()
            .or_else(|| self.common.linked("related").map(str::to_owned));
        if let (None, [Some(latitude), Some(longitude), altitude]) = (self.geo.get(), self.position)
        {
            self.geo.offer(
                0,
                super::super::extension::geo::point(latitude, longitude, altitude),
            );
        }
        let common = &mut self.common;
        let mut entry = Entry {
            url,
            external_url,
            title: common.title.take().and_then(|title| title.into_text(cx)),
            content,
            content_type: self.content_type,
            content_src: self.content_src,
            summary,
            rights: common.rights.take().and_then(|rights| rights.into_text(cx)),
            image,
            published,
            updated: common.updated.take().or(modified),
            authors: common.authors.take(),
            contributors: common.contributors.take(),
            publisher: common.publisher.take(),
            language: common.language.take(),
            enclosures: self.enclosures,
            comments: filled(self.comments),
            in_reply_to: self.in_reply_to,
            source: self.source,
            license: common.license.take(),
            block: common.block,
            explicit: common.explicit,
            geo: self.geo.take(),
            dc_source: self.dc_source,
            terms: std::mem::take(&mut common.terms),
            links: std::mem::take(&mut common.links),
            ..Entry::default()
        };
        self.episode.persons = std::mem::take(&mut common.persons);
        self.episode.duration = self.episode.duration.or(self.media_duration);
        entry.episode = filled(self.episode).map(Box::new);
        entry.media = filled(self.media).map(Box::new);
        let guid = common.id.take();
        entry.guid_is_permalink = self.permalink.filter(|_| guid.is_some());
        identify(&mut entry, guid);
        entry
    }

    /// The entry's own page.
    fn url(&mut self) -> Option<String> {
        let common = &self.common;
        let guid = || {
            let usable = self.permalink.unwrap_or(false);
            common.id.get().filter(|id| usable && is_http(id)).cloned()
        };
        let other =
            |link: &&Link| !OTHER_USES.contains(&link.rel.as_str()) && !link.rel.contains("://");
        self.original
            .take()
            .or_else(|| self.link.take())
            .or_else(|| common.alternate().map(str::to_owned))
            .or_else(|| common.leading().find(other).map(|link| link.href.clone()))
            .or_else(guid)
    }

    /// Main text and summary; a summary alone is the main text.
    fn texts(&mut self, cx: &Context<'_>) -> (Option<Content>, Option<Text>) {
        let content = self
            .content
            .take()
            .and_then(|content| content.into_content(cx));
        let summary = self.summary.take();
        let second = self.second_summary.take();
        let as_content =
            |text: Construct<'_>| text.into_html(cx).map(|(html, _)| Content::Html(html));
        match (content, summary, second) {
            // A content that shows nothing, such as `<p></p>`, must not hide the summary.
            (Some((content, shows)), summary, second)
                if shows || summary.is_none() && second.is_none() =>
            {
                (
                    Some(content),
                    summary.or(second).and_then(|summary| summary.into_text(cx)),
                )
            }
            // Who writes both a description and a summary means one of them to be the text.
            (_, Some(summary), Some(second)) => (as_content(second), summary.into_text(cx)),
            (_, summary, second) => (summary.or(second).and_then(as_content), None),
        }
    }

    fn image(&mut self) -> Option<String> {
        let is_image = |kind: &Option<String>| {
            kind.as_deref()
                .is_some_and(|kind| kind.starts_with("image/"))
        };
        let media = &self.media;
        let thumbnail = || {
            media
                .thumbnails
                .first()
                .map(|thumbnail| thumbnail.url.clone())
        };
        let content = || {
            let picture = media.contents.iter().find(|content| {
                content.medium.as_deref() == Some("image") || is_image(&content.media_type)
            });
            picture.and_then(|content| content.url.clone())
        };
        let enclosure = || {
            self.enclosures
                .iter()
                .find(|file| is_image(&file.mime_type))
                .map(|file| file.url.clone())
        };
        self.common
            .image
            .take()
            .or_else(thumbnail)
            .or_else(content)
            .or_else(enclosure)
    }
}

/// `None` for a value in which nothing was set.
fn filled<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// Gives the entry its id: the publisher's, else its URL, else a hash of what it says.
pub(in crate::parse) fn identify(entry: &mut Entry, guid: Option<String>) {
    (entry.id, entry.id_source) = match (guid, &entry.url) {
        (Some(guid), _) => (guid, IdSource::Guid),
        (None, Some(url)) => (url.clone(), IdSource::Url),
        (None, None) => (hashed(entry), IdSource::Hash),
    };
}

fn hashed(entry: &Entry) -> String {
    let mut hash = Sha256::new();
    hash.update(entry.title_text());
    hash.update([0]);
    hash.update(
        entry
            .published
            .or(entry.updated)
            .map_or(String::new(), crate::model::time::Timestamp::to_rfc3339),
    );
    hash.update([0]);
    match &entry.content {
        Some(Content::Html(text) | Content::Plain(text)) => hash.update(text),
        None => hash.update(
            entry
                .enclosures
                .first()
                .map_or("", |file| file.url.as_str()),
        ),
    }
    hash.finalize()
        .iter()
        .fold(String::from("urn:sha256:"), |mut id, byte| {
            id.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            id.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            id
        })
}

/// The ids that stand for two different pages of one document.
pub(in crate::parse) fn shared_ids(entries: &[Entry]) -> Vec<&str> {
    let mut pages: std::collections::HashMap<&str, Option<&str>> =
        std::collections::HashMap::with_capacity(entries.len());
    let mut shared = HashSet::new();
    let mut list = Vec::new();
    for entry in entries {
        let before = *pages.entry(&entry.id).or_insert(entry.url.as_deref());
        if before != entry.url.as_deref() && shared.insert(entry.id.as_str()) {
            list.push(entry.id.as_str());
        }
    }
    list
}
