//! One article as all three formats show it: every text clean, every address absolute, nothing left to decide.

use std::collections::HashSet;

use super::files::{File, Picture, files, media, pictures};
use super::names::Names;
use super::plain;
use super::{Extent, Facts, Settings};
use crate::html as html_room;
use crate::model::article::{Article, ArticleId, Sighting};
use crate::model::entry::{Content, Entry, Person};
use crate::model::label::Origin;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::text;

/// Characters of a summary.
const SUMMARY: usize = 300;
/// Characters of a title that is made from the text.
const TITLE: usize = 80;

/// What an item is made with.
pub(super) struct Context<'a> {
    /// Configuration.
    pub(super) settings: &'a Settings,
    /// Spelling of labels.
    pub(super) names: &'a Names,
    /// Host and year in ids.
    pub(super) authority: &'a (String, i32),
    /// Sources and labels of private feeds may be named.
    pub(super) private: bool,
}

impl Context<'_> {
    /// An id in the store's name space (RFC 4151).
    pub(super) fn mint(&self, specific: &str) -> String {
        let (host, year) = self.authority;
        format!("tag:{host},{year:04}:{specific}")
    }

    /// An absolute URL of ours.
    pub(super) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.settings.site.public_url)
    }

    /// Our feed of a public source.
    fn own_feed(&self, id: &SourceId) -> Option<String> {
        let private = self.settings.source(id).is_some_and(Facts::is_private);
        (!private).then(|| self.link(&format!("sources/{id}.rss")))
    }

    fn source_title(&self, id: &SourceId, then: &str) -> String {
        let configured = self.settings.source(id).and_then(|facts| facts.title());
        plain::some_line(configured)
            .or_else(|| plain::some_line(Some(then)))
            .unwrap_or_else(|| id.to_string())
    }
}

/// The id of an article on the way out, the same in every format and list.
pub(super) fn article_id(context: &Context<'_>, id: ArticleId) -> String {
    context.mint(&format!("a/{id}"))
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Author {
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) email: Option<String>,
    pub(super) avatar: Option<String>,
}

/// Where the leading copy comes from.
#[derive(Debug, Clone)]
pub(super) struct Provenance {
    pub(super) id: SourceId,
    pub(super) atom_id: String,
    pub(super) title: String,
    pub(super) feed_url: Option<String>,
    pub(super) home_url: Option<String>,
    pub(super) updated: Timestamp,
}

/// Another place where the story stands.
#[derive(Debug, Clone)]
pub(super) struct Also {
    pub(super) source: SourceId,
    pub(super) title: String,
    pub(super) url: Option<String>,
}

/// A label; which of the two decides its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Tag(String),
    Category(String),
}

impl Label {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Tag(name) | Self::Category(name) => name,
        }
    }

    /// Path of the index that is its vocabulary.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Tag(_) => "tags/",
            Self::Category(_) => "categories/",
        }
    }
}

/// An article, ready for any format.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) article: ArticleId,
    pub(super) id: String,
    pub(super) guid: String,
    pub(super) url: Option<String>,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) html: Option<String>,
    pub(super) text: Option<String>,
    pub(super) published: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) authors: Vec<Author>,
    pub(super) contributors: Vec<Author>,
    pub(super) wire: Option<String>,
    pub(super) source: Provenance,
    pub(super) category: Option<String>,
    pub(super) labels: Vec<Label>,
    pub(super) also_in: Vec<Also>,
    pub(super) via: Option<String>,
    pub(super) external: Option<String>,
    pub(super) files: Vec<File>,
    pub(super) media: Vec<File>,
    pub(super) pictures: Vec<Picture>,
    pub(super) banner: Option<String>,
    pub(super) language: Option<String>,
    pub(super) comments: Option<String>,
    pub(super) comments_feed: Option<String>,
    pub(super) comments_count: Option<u64>,
    pub(super) rights: Option<String>,
    pub(super) license: Option<String>,
    pub(super) duration: Option<u64>,
    pub(super) episode: Option<u64>,
    pub(super) season: Option<u64>,
    pub(super) episode_type: Option<String>,
    pub(super) explicit: Option<bool>,
}

impl Item {
    /// The first picture.
    pub(super) fn image(&self) -> Option<&str> {
        self.pictures.first().map(|picture| picture.url.as_str())
    }

    /// The summary; for an article without any text its title, so that every format has something to show.
    pub(super) fn said(&self) -> &str {
        match (self.summary.is_empty(), &self.html) {
            (true, None) => &self.title,
            _ => &self.summary,
        }
    }

    /// Leaves out the full text: for an article that alone would not fit.
    pub(super) fn shorten(&mut self) {
        self.html = None;
        self.text = None;
    }
}

/// Makes an item of an article, with as much text as `extent` allows.
pub(super) fn item(context: &Context<'_>, article: &Article, extent: Extent) -> Item {
    let Article {
        head, entry, about, ..
    } = article;
    let leader = leader(article);
    let source_title = context.source_title(&head.source, &about.title);
    let feed_url = plain::some_url(Some(&about.feed_url));
    let home_url = plain::some_url(about.home_url.as_deref());
    let (html, text) = content(entry);
    let body = html.as_deref().map(html_room::text).unwrap_or_default();
    let title = title(entry, &body, &source_title, head.published);
    let summary = summary(entry, &body);
    let (html, text, summary) = match extent {
        Extent::Full => (html, text, summary),
        Extent::Summary => (None, None, summary),
        Extent::Title => (None, None, String::new()),
    };
    let files = files(entry);
    let comments = entry.comments.as_ref();
    let episode = entry.episode.as_deref();
    let url = plain::some_url(entry.url.as_deref())
        .or_else(|| plain::some_url(leader.and_then(|sighting| sighting.url.as_deref())))
        // Every reader wants something to open: then the place it came from, which is never ours.
        .or_else(|| home_url.clone())
        .or_else(|| feed_url.clone());
    Item {
        article: head.id,
        id: article_id(context, head.id),
        guid: plain::clean(&entry.id),
        title,
        summary,
        html,
        text,
        published: head.published,
        updated: head.updated.max(head.published),
        authors: people(&entry.authors),
        contributors: people(&entry.contributors),
        wire: plain::some_line(entry.dc_source.as_deref()),
        source: Provenance {
            atom_id: about
                .feed_id
                .clone()
                .filter(|id| plain::is_canonical_id(id))
                .unwrap_or_else(|| context.mint(&format!("s/{}", head.source))),
            id: head.source.clone(),
            title: source_title,
            // What is read from a file or a program has an address here alone.
            feed_url: feed_url.or_else(|| context.own_feed(&head.source)),
            home_url,
            updated: source_updated(article),
        },
        category: leader
            .and_then(|sighting| sighting.category.as_deref())
            // A rule may have put the story elsewhere.
            .filter(|name| {
                let key = text::key(name);
                head.categories.iter().any(|known| text::key(known) == key)
            })
            .or(head.categories.first().map(String::as_str))
            .and_then(|name| plain::some_line(Some(name))),
        labels: labels(context, article),
        also_in: also_in(context, article, leader, url.as_deref()),
        via: entry
            .links
            .iter()
            .find(|link| link.rel == "via")
            .and_then(|link| plain::url(&link.href))
            .filter(|via| Some(via) != url.as_ref()),
        external: plain::some_url(entry.external_url.as_deref())
            .filter(|at| Some(at) != url.as_ref()),
        media: media(entry, &files),
        duration: episode
            .and_then(|episode| episode.duration)
            .or_else(|| files.iter().find_map(|file| file.duration)),
        files,
        pictures: pictures(entry),
        banner: plain::some_url(entry.banner_image.as_deref()),
        language: head
            .language
            .as_deref()
            .or(entry.language.as_deref())
            .and_then(plain::language),
        comments: comments.and_then(|comments| plain::some_url(comments.url.as_deref())),
        comments_feed: comments.and_then(|comments| plain::some_url(comments.feed_url.as_deref())),
        comments_count: comments.and_then(|comments| comments.count),
        rights: entry
            .rights
            .as_ref()
            .and_then(|rights| plain::some_line(Some(&rights.plain))),
        license: plain::some_url(entry.license.as_deref()),
        episode: episode
            .and_then(|episode| episode.episode)
            .filter(|n| *n > 0),
        season: episode
            .and_then(|episode| episode.season)
            .filter(|n| *n > 0),
        episode_type: episode
            .and_then(|episode| episode.episode_type.clone())
            .filter(|kind| ["full", "trailer", "bonus"].contains(&kind.as_str())),
        explicit: entry.explicit,
        url,
    }
}

/// The sighting that the text comes from.
fn leader(article: &Article) -> Option<&Sighting> {
    let here = |sighting: &&Sighting| sighting.source.as_ref() == Some(&article.head.source);
    article
        .sightings
        .iter()
        .filter(here)
        .find(|sighting| sighting.guid == article.entry.id)
        .or_else(|| article.sightings.iter().find(here))
}

fn content(entry: &Entry) -> (Option<String>, Option<String>) {
    let beside = entry.content_text.as_deref().map(plain::clean);
    let (html, text) = match &entry.content {
        Some(Content::Html(html)) => (plain::clean(html), beside),
        Some(Content::Plain(text)) => {
            let text = plain::clean(text);
            (plain::paragraphs(&text), Some(text))
        }
        None => match &beside {
            Some(text) => (plain::paragraphs(text), beside),
            None => return (None, None),
        },
    };
    let html = Some(html).filter(|html| !html.trim().is_empty());
    (html, text.filter(|text| !text.trim().is_empty()))
}

fn title(entry: &Entry, body: &str, source: &str, published: Timestamp) -> String {
    let summary = || {
        entry
            .summary
            .as_ref()
            .map_or("", |text| text.plain.as_str())
    };
    let from_text = |text: &str| plain::line(&plain::excerpt(&plain::clean(text), TITLE));
    let some = |title: String| Some(title).filter(|title| !title.is_empty());
    some(plain::line(entry.title_text()))
        .or_else(|| some(from_text(body)))
        .or_else(|| some(from_text(summary())))
        .unwrap_or_else(|| {
            let date = published.to_rfc3339();
            format!("{source}, {}", date.get(..10).unwrap_or(&date))
        })
}

fn summary(entry: &Entry, body: &str) -> String {
    let given = entry.summary.as_ref().map(|text| plain::clean(&text.plain));
    let text = given.filter(|text| !text.trim().is_empty());
    let text = text.as_deref().unwrap_or(body);
    // Two more than are shown: one tells that there is more, even if the other is a blank.
    let flat = beginning(text, SUMMARY + 2);
    // Disarming adds characters, and the limit holds for what is sent.
    (0..)
        .map(|less| plain::disarm(&plain::excerpt(&flat, SUMMARY - less * 10)))
        .take(SUMMARY / 10)
        .find(|text| text.chars().count() <= SUMMARY)
        .unwrap_or_default()
}

/// So many characters of a text at least, if it has them, with its blanks collapsed.
fn beginning(text: &str, least: usize) -> String {
    let mut out = String::new();
    let mut missing = least;
    for word in text.split_whitespace() {
        if missing == 0 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
            missing = missing.saturating_sub(1);
        }
        let end = word
            .char_indices()
            .nth(missing)
            .map_or(word.len(), |(at, _)| at);
        out.push_str(&word[..end]);
        missing -= word[..end].chars().count();
    }
    out
}

/// What the feed said of its last change, as far as it can be believed: never later than we knew the article.
fn source_updated(article: &Article) -> Timestamp {
    let head = &article.head;
    let known = article
        .sightings
        .iter()
        .map(|sighting| sighting.seen)
        .fold(head.updated.max(head.first_seen), Timestamp::max);
    let credible = Timestamp::from_civil(1990, 1, 2, 0, 0, 0).unwrap_or_default();
    article
        .about
        .updated
        .filter(|updated| *updated <= known && *updated >= credible)
        .unwrap_or(head.updated)
}

fn people(persons: &[Person]) -> Vec<Author> {
    let mut out: Vec<Author> = Vec::new();
    for person in persons {
        let email = person
            .email
            .as_deref()
            .or(person
                .url
                .as_deref()
                .filter(|url| url.starts_with("mailto:")))
            .and_then(plain::mail);
        let url = plain::some_url(person.url.as_deref());
        let name = person.name.as_deref();
        let name = match &email {
            Some(email) => plain::some_line(name.map(|name| without(name, email)).as_deref()),
            None => plain::some_line(name),
        };
        let name = name.or_else(|| email.clone()).or_else(|| url.clone());
        let Some(name) = name else { continue };
        let author = Author {
            name,
            url,
            email,
            avatar: plain::some_url(person.avatar.as_deref()),
        };
        if !out.contains(&author) {
            out.push(author);
        }
    }
    out
}

/// A name without the address that is said beside it: readers that look for one there trip over more than an address.
fn without(name: &str, email: &str) -> String {
    let mut name = name.to_owned();
    for written in [format!("<{email}>"), format!("({email})"), email.to_owned()] {
        name = name.replace(&written, " ");
    }
    name
}

fn labels(context: &Context<'_>, article: &Article) -> Vec<Label> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    let guessed = context.settings.label.auto == crate::label::Auto::Publish;
    for tag in &article.head.tags {
        if tag.origin == Origin::Auto && !guessed {
            continue;
        }
        let name = context
            .names
            .tag(context.settings, &tag.key)
            .unwrap_or(&tag.name);
        let name = plain::line(name);
        if !name.is_empty() && seen.insert(name.clone()) {
            out.push(Label::Tag(name));
        }
    }
    let mut shelves = HashSet::new();
    for category in &article.head.categories {
        let key = text::key(category);
        let name = context
            .names
            .category(context.settings, &key)
            .unwrap_or(category);
        let name = plain::line(name);
        if !name.is_empty() && shelves.insert(name.clone()) {
            out.push(Label::Category(name));
        }
    }
    out
}

fn also_in(
    context: &Context<'_>,
    article: &Article,
    leader: Option<&Sighting>,
    url: Option<&str>,
) -> Vec<Also> {
    let mut out: Vec<Also> = Vec::new();
    for sighting in &article.sightings {
        let Some(source) = &sighting.source else {
            continue;
        };
        let hidden = context
            .settings
            .source(source)
            .is_some_and(Facts::is_private);
        if leader.is_some_and(|leader| std::ptr::eq(leader, sighting))
            || (hidden && !context.private)
        {
            continue;
        }
        let at = plain::some_url(sighting.url.as_deref());
        // The same source once more: only another page is news.
        let same = *source == article.head.source && at.as_deref().is_none_or(|at| Some(at) == url);
        if same
            || out
                .iter()
                .any(|also| also.source == *source && also.url == at)
        {
            continue;
        }
        out.push(Also {
            source: source.clone(),
            title: context.source_title(source, &sighting.source_title),
            url: at,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_needs_no_more_than_the_beginning() {
        let texts = [
            "word ".repeat(100),
            "词".repeat(400),
            format!("{} and more", "a".repeat(300)),
            format!("{} b", "a".repeat(299)),
            format!("{} b", "a".repeat(298)),
            format!("{}  \n {}", "a ".repeat(150), "b"),
            " short \n text ".to_owned(),
            String::new(),
        ];
        for text in texts {
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let beginning = beginning(&text, SUMMARY + 2);
            assert!(flat.starts_with(&beginning));
            let shown = plain::excerpt(&flat, SUMMARY);
            assert_eq!(plain::excerpt(&beginning, SUMMARY), shown);
        }
    }
}
