//! A feed while it is read.

use super::{Common, Slot};
use crate::model::candidate::Mark;
use crate::model::entry::{
    Cloud, Entry, Feed, FeedFormat, Generator, Hub, Image, Person, Podcast, Syndication,
};
use crate::model::time::Timestamp;
use crate::parse::construct::Construct;
use crate::parse::context::Context;

/// One feed, or the source of an entry.
#[derive(Debug, Default)]
pub(in crate::parse) struct FeedDraft<'a> {
    pub(in crate::parse) common: Common<'a>,
    pub(in crate::parse) format: FeedFormat,
    pub(in crate::parse) version: Option<String>,
    pub(in crate::parse) description: Slot<Construct<'a>>,
    /// RSS `link`.
    pub(in crate::parse) link: Slot<String>,
    pub(in crate::parse) favicon: Slot<String>,
    pub(in crate::parse) generator: Slot<Generator>,
    pub(in crate::parse) picture: Image,
    pub(in crate::parse) ttl: Option<u64>,
    pub(in crate::parse) skip_hours: Vec<u8>,
    pub(in crate::parse) skip_days: Vec<String>,
    pub(in crate::parse) syndication: Syndication,
    pub(in crate::parse) cloud: Option<Cloud>,
    pub(in crate::parse) new_feed_url: Option<String>,
    pub(in crate::parse) podcast: Podcast,
    pub(in crate::parse) entries: Vec<Entry>,
    /// One for each entry.
    pub(in crate::parse) marks: Vec<Mark>,
    /// `sy:updateBase` beside a missing date of the feed helps nobody, so it has its own place.
    pub(in crate::parse) sy_base: Option<Timestamp>,
}

impl FeedDraft<'_> {
    /// The feed as it stands.
    pub(in crate::parse) fn finish(mut self, cx: &Context<'_>) -> Feed {
        let home_page_url = self
            .link
            .take()
            .or_else(|| self.common.alternate().map(str::to_owned));
        let feed_url = self.common.linked("self").map(str::to_owned);
        let hubs = self.hubs();
        let common = &mut self.common;
        common.image.offer(1, self.picture.url.clone());
        self.syndication.base = self.sy_base;
        self.podcast.persons = std::mem::take(&mut common.persons);
        let mut feed = Feed {
            format: self.format,
            format_version: self.version,
            id: common.id.take(),
            title: common.title.take().and_then(|title| title.into_text(cx)),
            description: self.description.take().and_then(|text| text.into_text(cx)),
            rights: common.rights.take().and_then(|rights| rights.into_text(cx)),
            home_page_url,
            feed_url,
            icon: common.image.take(),
            favicon: self.favicon.take(),
            language: common.language.take(),
            authors: common.authors.take(),
            contributors: common.contributors.take(),
            publisher: common.publisher.take(),
            hubs,
            published: common.published.take(),
            updated: common.updated.take(),
            generator: self.generator.take(),
            image: (self.picture != Image::default()).then_some(self.picture),
            ttl: self.ttl,
            skip_hours: self.skip_hours,
            skip_days: self.skip_days,
            syndication: (self.syndication != Syndication::default()).then_some(self.syndication),
            cloud: self.cloud,
            new_feed_url: self.new_feed_url,
            license: common.license.take(),
            block: common.block,
            explicit: common.explicit,
            podcast: (self.podcast != Podcast::default()).then(|| Box::new(self.podcast)),
            entries: self.entries,
            links: std::mem::take(&mut common.links),
            terms: std::mem::take(&mut common.terms),
            ..Feed::default()
        };
        if feed.format == FeedFormat::Atom {
            inherit_authors(&mut feed, cx);
        }
        feed
    }

    fn hubs(&self) -> Vec<Hub> {
        let mut hubs: Vec<Hub> = Vec::new();
        for link in self.common.leading().filter(|link| link.rel == "hub") {
            if !hubs.iter().any(|hub| hub.url == link.href) {
                hubs.push(Hub {
                    kind: "WebSub".to_owned(),
                    url: link.href.clone(),
                });
            }
        }
        hubs
    }
}

/// An Atom entry without authors has those of its source, else those of the feed (RFC 4287, 4.2.1).
fn inherit_authors(feed: &mut Feed, cx: &Context<'_>) {
    let size = |authors: &[Person]| -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let person =
            |person: &Person| 128 + text(&person.name) + text(&person.url) + text(&person.email);
        authors.iter().map(person).sum()
    };
    let own = size(&feed.authors);
    for entry in feed
        .entries
        .iter_mut()
        .filter(|entry| entry.authors.is_empty())
    {
        let source = entry
            .source
            .as_deref()
            .map(|source| &source.authors)
            .filter(|authors| !authors.is_empty());
        if let Some(authors) = source {
            entry.authors.clone_from(authors);
        } else if own > 0 && cx.repeat(own) {
            entry.authors.clone_from(&feed.authors);
        }
    }
}
