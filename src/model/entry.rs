//! What one document said, in our neutral form: a [`Feed`] and its [`Entry`]s.
//!
//! Every field names where it comes from in RSS, Atom and JSON Feed. Text is plain unless its name ends in
//! `_html`; HTML is already clean, URLs are absolute where a base was known. `None` or empty means that the publisher did
//! not say. These types are also what the store keeps, as arrays without names: **new fields go to the end**.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The family a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedFormat {
    /// RSS 0.9x and 2.0, by its `<rss>` root.
    #[default]
    Rss,
    /// RSS 0.90, 1.0 and 1.1, by its RDF root.
    Rdf,
    /// Atom 0.3 and 1.0.
    Atom,
    /// JSON Feed 1.0 and 1.1.
    Json,
}

/// A piece of text that may carry markup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text {
    /// Without markup, character references decoded, white space collapsed, trimmed.
    pub plain: String,
    /// The clean HTML fragment, only where the source value carried markup.
    pub html: Option<String>,
}

/// Somebody with a name, as in Atom's person construct (RFC 4287, 3.2) and JSON Feed's author.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// The name for people to read.
    pub name: Option<String>,
    /// Home page; `mailto:` where there is nothing but an e-mail address.
    pub url: Option<String>,
    /// Picture (JSON Feed).
    pub avatar: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
}

/// A link with its relation (Atom `link`; RSS `link` is `alternate`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Relation, `alternate` if the publisher gave none.
    pub rel: String,
    /// Target; empty where the publisher described a link but gave it no address.
    pub href: String,
    /// Media type.
    pub media_type: Option<String>,
    /// Language of the target (BCP 47).
    pub hreflang: Option<String>,
    /// Title for people.
    pub title: Option<String>,
    /// Size in bytes.
    pub length: Option<u64>,
}

/// The publisher's own label: RSS and Atom `category`, JSON Feed `tags`, `dc:subject`, …
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Term {
    /// The label for machines.
    pub term: Option<String>,
    /// Vocabulary it belongs to (Atom `scheme`, RSS `domain`).
    pub scheme: Option<String>,
    /// The label for people.
    pub label: Option<String>,
}

/// A file that belongs to an entry: RSS `enclosure`, Atom `link rel=enclosure`, JSON Feed `attachments`, `media:content`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Enclosure {
    /// Where the file is.
    pub url: String,
    /// Media type.
    pub mime_type: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Size in bytes; never 0.
    pub length: Option<u64>,
    /// Playing time in seconds.
    pub duration: Option<u64>,
}

/// A hub that announces changes: `link rel=hub` (`WebSub`), JSON Feed `hubs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Hub {
    /// Protocol, `WebSub` for links.
    pub kind: String,
    /// Address of the hub.
    pub url: String,
}

/// The program that wrote the feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Name.
    pub name: Option<String>,
    /// Home page.
    pub url: Option<String>,
    /// Version.
    pub version: Option<String>,
}

/// The picture of a channel (RSS and RDF `image`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Image {
    /// The picture.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What it links to.
    pub link: Option<String>,
    /// Width in pixels.
    pub width: Option<u64>,
    /// Height in pixels.
    pub height: Option<u64>,
    /// Description.
    pub description: Option<String>,
}

/// The `syndication` module of RSS 1.0: how often the publisher writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Syndication {
    /// `hourly`, `daily`, `weekly`, `monthly` or `yearly`, in lower case.
    pub period: Option<String>,
    /// How many times in that period.
    pub frequency: Option<u64>,
    /// Start of the counting.
    pub base: Option<Timestamp>,
}

/// RSS 2.0 `cloud`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cloud {
    /// Host.
    pub domain: Option<String>,
    /// Port.
    pub port: Option<u64>,
    /// Path.
    pub path: Option<String>,
    /// Procedure to call.
    pub register_procedure: Option<String>,
    /// Protocol.
    pub protocol: Option<String>,
}

/// A person with a part in an episode (`podcast:person`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PodcastPerson {
    /// Name.
    pub name: Option<String>,
    /// Role, such as `host`.
    pub role: Option<String>,
    /// Group, such as `cast`.
    pub group: Option<String>,
    /// Home page.
    pub url: Option<String>,
    /// Picture.
    pub image: Option<String>,
}

/// What the podcast namespaces say of a whole feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Podcast {
    /// `podcast:guid`.
    pub guid: Option<String>,
    /// `podcast:locked`.
    pub locked: Option<bool>,
    /// `itunes:type`: `episodic` or `serial`.
    pub kind: Option<String>,
    /// `itunes:complete`.
    pub complete: Option<bool>,
    /// `podcast:funding`: address and title.
    pub funding: Vec<(String, Option<String>)>,
    /// `podcast:person`.
    pub persons: Vec<PodcastPerson>,
}

/// What one document said of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Feed {
    /// Family of the format.
    pub format: FeedFormat,
    /// Version as the document names it.
    pub format_version: Option<String>,
    /// Encoding used to read it, WHATWG name in lower case.
    pub encoding: String,
    /// False if bytes or syntax had to be repaired.
    pub well_formed: bool,
    /// Atom `id`, `rdf:about`.
    pub id: Option<String>,
    /// `title`, `dc:title`, `media:title`.
    pub title: Option<Text>,
    /// RSS `description`, Atom `subtitle`, JSON Feed `description`, …
    pub description: Option<Text>,
    /// RSS `copyright`, Atom `rights`, `dc:rights`.
    pub rights: Option<Text>,
    /// RSS `link`, Atom `link rel=alternate`, JSON Feed `home_page_url`.
    pub home_page_url: Option<String>,
    /// `link rel=self`, JSON Feed `feed_url`.
    pub feed_url: Option<String>,
    /// Large picture: Atom `logo`, RSS `image/url`, `itunes:image`, JSON Feed `icon`.
    pub icon: Option<String>,
    /// Small picture: Atom `icon`, JSON Feed `favicon`.
    pub favicon: Option<String>,
    /// `language`, `dc:language`, `xml:lang` of the root.
    pub language: Option<String>,
    /// Atom `author`, RSS `managingEditor`, `dc:creator`, …
    pub authors: Vec<Person>,
    /// Atom `contributor`, `dc:contributor`.
    pub contributors: Vec<Person>,
    /// RSS `webMaster`, `dc:publisher`, `itunes:owner`.
    pub publisher: Option<Person>,
    /// JSON Feed `expired`.
    pub expired: Option<bool>,
    /// JSON Feed `next_url`.
    pub next_url: Option<String>,
    /// JSON Feed `user_comment`.
    pub user_comment: Option<String>,
    /// Where changes are announced.
    pub hubs: Vec<Hub>,
    /// RSS `pubDate`.
    pub published: Option<Timestamp>,
    /// RSS `lastBuildDate`, Atom `updated`, `dc:date`.
    pub updated: Option<Timestamp>,
    /// The program that wrote it.
    pub generator: Option<Generator>,
    /// All links, in document order.
    pub links: Vec<Link>,
    /// All labels.
    pub terms: Vec<Term>,
    /// RSS and RDF `image`.
    pub image: Option<Image>,
    /// RSS `ttl`, minutes.
    pub ttl: Option<u64>,
    /// RSS `skipHours`, 0 to 23, GMT.
    pub skip_hours: Vec<u8>,
    /// RSS `skipDays`, English names, capitalised.
    pub skip_days: Vec<String>,
    /// Syndication module.
    pub syndication: Option<Syndication>,
    /// RSS `cloud`.
    pub cloud: Option<Cloud>,
    /// `itunes:new-feed-url`, or the target of a `<redirect>` document.
    pub new_feed_url: Option<String>,
    /// `cc:license`, `creativeCommons:license`, `link rel=license`.
    pub license: Option<String>,
    /// `itunes:block`.
    pub block: Option<bool>,
    /// `itunes:explicit`.
    pub explicit: Option<bool>,
    /// Podcast namespaces.
    pub podcast: Option<Box<Podcast>>,
    /// The entries, in document order. Empty where this feed is an entry's [`Entry::source`].
    pub entries: Vec<Entry>,
}

/// What an [`Entry::id`] was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdSource {
    /// The publisher gave it: RSS `guid`, Atom `id`, `rdf:about`, JSON Feed `id`.
    Guid,
    /// The entry's URL.
    Url,
    /// SHA-256 of title, date and content.
    #[default]
    Hash,
}

/// The main text of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A clean HTML fragment.
    Html(String),
    /// Plain text with its line ends; never to be read as HTML.
    Plain(String),
}

/// Where readers talk about an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Comments {
    /// RSS `comments`, Atom `link rel=replies` to a page.
    pub url: Option<String>,
    /// `wfw:comment`.
    pub post_url: Option<String>,
    /// `wfw:commentRss`.
    pub feed_url: Option<String>,
    /// `slash:comments`, `thr:total`.
    pub count: Option<u64>,
}

/// `thr:in-reply-to` (RFC 4685, 3).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InReplyTo {
    /// Id of the entry that is answered.
    pub reference: Option<String>,
    /// Where it can be read.
    pub href: Option<String>,
    /// Media type of that.
    pub media_type: Option<String>,
    /// Feed that holds it.
    pub source: Option<String>,
}

/// `psc:chapter`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Chapter {
    /// Seconds from the start.
    pub start: f64,
    /// Title.
    pub title: Option<String>,
    /// Link.
    pub href: Option<String>,
    /// Picture.
    pub image: Option<String>,
}

/// `podcast:transcript`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// Where it is.
    pub url: String,
    /// Media type.
    pub media_type: Option<String>,
    /// Language.
    pub language: Option<String>,
    /// Relation, such as `captions`.
    pub rel: Option<String>,
}

/// What the podcast namespaces say of one episode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Episode {
    /// `itunes:duration`, seconds.
    pub duration: Option<u64>,
    /// `itunes:episode`, `podcast:episode`.
    pub episode: Option<u64>,
    /// `itunes:season`, `podcast:season`.
    pub season: Option<u64>,
    /// `itunes:episodeType`.
    pub episode_type: Option<String>,
    /// `itunes:subtitle`.
    pub subtitle: Option<String>,
    /// `psc:chapters`.
    pub chapters: Vec<Chapter>,
    /// `podcast:chapters`.
    pub chapters_url: Option<String>,
    /// `podcast:transcript`.
    pub transcripts: Vec<Transcript>,
    /// `podcast:person`.
    pub persons: Vec<PodcastPerson>,
}

/// `media:thumbnail`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Picture.
    pub url: String,
    /// Pixels.
    pub width: Option<u64>,
    /// Pixels.
    pub height: Option<u64>,
    /// Offset in the video, as written.
    pub time: Option<String>,
}

/// `media:content`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MediaContent {
    /// The file.
    pub url: Option<String>,
    /// Media type.
    pub media_type: Option<String>,
    /// `image`, `audio`, `video`, `document` or `executable`.
    pub medium: Option<String>,
    /// Bytes (`fileSize`).
    pub length: Option<u64>,
    /// Pixels.
    pub width: Option<u64>,
    /// Pixels.
    pub height: Option<u64>,
    /// Seconds.
    pub duration: Option<u64>,
    /// `isDefault`.
    pub is_default: Option<bool>,
}

/// `media:credit`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credit {
    /// Role.
    pub role: Option<String>,
    /// Vocabulary of the role.
    pub scheme: Option<String>,
    /// Who.
    pub name: Option<String>,
}

/// `media:player`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Player {
    /// Address of the player.
    pub url: String,
    /// Pixels.
    pub width: Option<u64>,
    /// Pixels.
    pub height: Option<u64>,
}

/// `media:community`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Community {
    /// `media:statistics views`.
    pub views: Option<u64>,
    /// `media:starRating average`.
    pub stars: Option<f64>,
    /// `media:starRating count`.
    pub stars_count: Option<u64>,
}

/// Media RSS 1.5.1, groups flattened.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Media {
    /// `media:title`.
    pub title: Option<String>,
    /// `media:description`.
    pub description: Option<String>,
    /// `media:thumbnail`.
    pub thumbnails: Vec<Thumbnail>,
    /// `media:content`.
    pub contents: Vec<MediaContent>,
    /// `media:credit`.
    pub credits: Vec<Credit>,
    /// `media:player`.
    pub player: Option<Player>,
    /// `media:rating`.
    pub rating: Option<String>,
    /// `media:keywords`.
    pub keywords: Vec<String>,
    /// `media:community`.
    pub community: Option<Community>,
}

/// A place on earth (`GeoRSS`, W3C geo); positions are longitude, latitude and perhaps elevation in metres.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Geo {
    /// One position.
    Point(Vec<f64>),
    /// A path.
    LineString(Vec<Vec<f64>>),
    /// Rings, the outer first.
    Polygon(Vec<Vec<Vec<f64>>>),
}

/// What one document said of one thing: RSS `item`, Atom `entry`, JSON Feed item.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Never empty: guid, else URL, else a hash.
    pub id: String,
    /// What `id` was made from.
    pub id_source: IdSource,
    /// RSS `guid isPermaLink`, default true; only where there is a guid.
    pub guid_is_permalink: Option<bool>,
    /// RSS `link`, `feedburner:origLink`, Atom `link rel=alternate`, JSON Feed `url`.
    pub url: Option<String>,
    /// JSON Feed `external_url`, `link rel=related`.
    pub external_url: Option<String>,
    /// `title`, `dc:title`, `media:title`.
    pub title: Option<Text>,
    /// `content:encoded`, Atom `content`, JSON Feed `content_html` and `content_text`, else the summary's HTML.
    pub content: Option<Content>,
    /// JSON Feed `content_text` beside a `content_html`.
    pub content_text: Option<String>,
    /// Media type of Atom `content`.
    pub content_type: Option<String>,
    /// Atom `content src`.
    pub content_src: Option<String>,
    /// RSS `description`, Atom `summary`, JSON Feed `summary`; absent if it became the content.
    pub summary: Option<Text>,
    /// Atom `rights`, `dc:rights`.
    pub rights: Option<Text>,
    /// JSON Feed `image`, `itunes:image`, `media:thumbnail`, …
    pub image: Option<String>,
    /// JSON Feed `banner_image`.
    pub banner_image: Option<String>,
    /// RSS `pubDate`, Atom `published`, JSON Feed `date_published`.
    pub published: Option<Timestamp>,
    /// Atom `updated`, `dcterms:modified`, JSON Feed `date_modified`.
    pub updated: Option<Timestamp>,
    /// RSS `author`, `dc:creator`, Atom `author`, JSON Feed `authors`.
    pub authors: Vec<Person>,
    /// Atom `contributor`, `dc:contributor`.
    pub contributors: Vec<Person>,
    /// `dc:publisher`.
    pub publisher: Option<Person>,
    /// The publisher's labels, untouched.
    pub terms: Vec<Term>,
    /// `xml:lang` of the entry or its ancestors below the root, `dc:language`, JSON Feed `language`.
    pub language: Option<String>,
    /// Files.
    pub enclosures: Vec<Enclosure>,
    /// All links, in document order, RSS enclosures apart.
    pub links: Vec<Link>,
    /// Where readers talk about it.
    pub comments: Option<Comments>,
    /// `thr:in-reply-to`.
    pub in_reply_to: Vec<InReplyTo>,
    /// Atom `source`, RSS `source`: the feed it was copied from.
    pub source: Option<Box<Feed>>,
    /// `cc:license`, `link rel=license`.
    pub license: Option<String>,
    /// `itunes:block`.
    pub block: Option<bool>,
    /// `itunes:explicit`.
    pub explicit: Option<bool>,
    /// Podcast namespaces.
    pub episode: Option<Box<Episode>>,
    /// Media RSS.
    pub media: Option<Box<Media>>,
    /// Where on earth.
    pub geo: Option<Geo>,
    /// `dc:source`: the paper or agency a text was taken from (来源).
    pub dc_source: Option<String>,
}

impl Entry {
    /// The title as plain text, `""` if there is none.
    #[must_use]
    pub fn title_text(&self) -> &str {
        self.title.as_ref().map_or("", |title| title.plain.as_str())
    }
}
