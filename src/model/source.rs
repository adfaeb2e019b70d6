//! What we poll, and what we remember of each visit.

mod compact;

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The lasting name of a source: `[a-z0-9][a-z0-9-]{0,63}`. Articles survive a changed URL through it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Takes a name; `None` unless it has the allowed form.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let fits = (1..=64).contains(&bytes.len())
            && bytes[0] != b'-'
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        fits.then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A value that must appear in no log, no error and no list.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the wire only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"***\"")
    }
}

/// How a source is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum SourceKind {
    /// A feed over HTTP.
    #[default]
    Feed,
    /// A feed in a file; `url` is a `file:` URL or a path.
    File,
    /// A program that prints a feed: the program and its arguments, no shell.
    Exec(Vec<String>),
}

/// How often to come, at best and at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Every {
    /// Shortest wait.
    pub min: Duration,
    /// Longest wait that our own reckoning may choose; equal to `min` where the interval is fixed.
    pub max: Duration,
}

/// A way out of here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Proxy {
    /// Direct.
    #[default]
    None,
    /// `http_proxy`, `https_proxy`, `no_proxy`.
    Env,
    /// `http://`, `https://`, `socks5://`, `socks5h://`, perhaps with credentials.
    Url(Secret),
}

/// Something we poll: one `[[feed]]` of feeds.toml, as meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Lasting name.
    pub id: SourceId,
    /// How to read it.
    pub kind: SourceKind,
    /// Address as the administrator wrote it, credentials taken out into `headers`.
    pub url: String,
    /// Title that overrides the publisher's.
    pub title: Option<String>,
    /// The operator's shelf, as spelt in feeds.toml.
    pub category: Option<String>,
    /// Tags for every article from here.
    pub tags: Vec<String>,
    /// Only for outputs that have a token.
    pub private: bool,
    /// 0 to 100; the higher one leads where copies of one story meet.
    pub trust: u8,
    /// Keep each article apart, whatever it resembles.
    pub never_merge: bool,
    /// Interval of its own.
    pub every: Option<Every>,
    /// How it is asked; see [`Source::manner_mut`].
    pub manner: Arc<Manner>,
}

/// How the requests of a source differ from what `[fetch]` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Manner {
    /// Request headers, credentials among them: sent to the origin of `url` only.
    pub headers: Vec<(String, Secret)>,
    /// User agent of its own.
    pub user_agent: Option<String>,
    /// Some origins break on HTTP/2.
    pub http1_only: bool,
    /// Way out of its own.
    pub proxy: Option<Proxy>,
    /// Body limit of its own, in bytes after decompression.
    pub max_body: Option<u64>,
    /// Time limit of its own for one exchange.
    pub total_timeout: Option<Duration>,
    /// PEM file with further certificate authorities.
    pub ca_file: Option<std::path::PathBuf>,
    /// Take any certificate: for a machine in one's own cellar.
    pub accept_invalid_certs: bool,
}

impl Manner {
    /// The default, of which there is one: most of a hundred thousand sources have nothing of their own.
    #[must_use]
    pub fn usual() -> Arc<Self> {
        static USUAL: LazyLock<Arc<Manner>> = LazyLock::new(Arc::default);
        Arc::clone(&USUAL)
    }
}

impl Source {
    /// A plain feed with every setting at its default.
    #[must_use]
    pub fn new(id: SourceId, url: &str) -> Self {
        Self {
            id,
            kind: SourceKind::Feed,
            url: url.to_owned(),
            title: None,
            category: None,
            tags: Vec::new(),
            private: false,
            trust: 0,
            never_merge: false,
            every: None,
            manner: Manner::usual(),
        }
    }

    /// How it is asked, to be changed for this source alone.
    pub fn manner_mut(&mut self) -> &mut Manner {
        Arc::make_mut(&mut self.manner)
    }
}

/// All sources of the running configuration.
pub type Sources = HashMap<SourceId, Arc<Source>>;

/// What lets an origin answer "not modified": opaque bytes, valid only for the URL that sent them (RFC 9110, 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// The URL whose answer gave them.
    pub url: String,
    /// `ETag`, byte for byte.
    #[serde(with = "bytes_option")]
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified`, byte for byte.
    #[serde(with = "bytes_option")]
    pub last_modified: Option<Vec<u8>>,
}

mod bytes_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        // Header bytes need not be UTF-8: each stands as the character of its number.
        value
            .as_ref()
            .map(|bytes| bytes.iter().map(|&b| char::from(b)).collect::<String>())
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(|text| {
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                .collect()
        }))
    }
}

/// Where a freshness hint came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HintFrom {
    /// No hint.
    #[default]
    None,
    /// `Cache-Control: max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// RSS `ttl`.
    Ttl,
    /// Syndication module.
    Syndication,
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not visited yet.
    #[default]
    New,
    /// The last visit went well.
    Ok,
    /// The last visit failed.
    Failing,
    /// The origin says that it is gone for good (410).
    Gone,
    /// The origin asked us to wait.
    Paused,
}

/// Why a visit failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fault {
    /// A word for machines: `dns`, `connect`, `tls`, `timeout`, `status`, `too-large`, `truncated`, `refused`, `not-a-feed`, …
    pub kind: String,
    /// One sentence for people.
    pub text: String,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// The hop that failed.
    pub url: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// One visit, for `aggd status ID`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visit {
    /// When it began.
    pub at: Timestamp,
    /// One of [`outcome`], or a fault's kind.
    pub outcome: Cow<'static, str>,
    /// HTTP status, 0 if there was none.
    pub status: u16,
    /// Body bytes on the wire.
    pub bytes: u64,
    /// How long it took, milliseconds.
    pub millis: u32,
    /// New articles.
    pub new: u32,
    /// Updated articles.
    pub updated: u32,
}

/// What a visit comes to if it does not fail.
pub mod outcome {
    /// A document that was not known.
    pub const FRESH: &str = "fresh";
    /// The same bytes as before.
    pub const UNCHANGED: &str = "unchanged";
    /// 304.
    pub const NOT_MODIFIED: &str = "not-modified";
}

/// A permanent redirect that still has to prove itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MoveCandidate {
    /// Where it leads.
    pub url: String,
    /// Polls in a row that followed it to a parsed feed.
    pub count: u32,
    /// Since when.
    pub since: Timestamp,
}

/// A permanent redirect that we follow from now on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Move {
    /// Old address.
    pub from: String,
    /// New address.
    pub to: String,
    /// When it was taken over.
    pub at: Timestamp,
    /// 301 or 308.
    pub status: u16,
}

/// What one source's feed says of itself: how its articles name where they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// Title, the operator's if there is one.
    pub title: String,
    /// The feed's own id.
    pub feed_id: Option<String>,
    /// Where the feed is.
    pub feed_url: String,
    /// The site it belongs to.
    pub home_url: Option<String>,
    /// Language it claims.
    pub language: Option<String>,
    /// Its `updated` (Atom) or `lastBuildDate` (RSS).
    pub updated: Option<Timestamp>,
}

/// All that is remembered of a source between visits, written in the same batch as the articles of the visit.
/// Kept as an array without names: new fields go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceState {
    /// What the administrator wrote when this was recorded; another one drops the next two and the moves.
    pub url_config: String,
    /// What is polled.
    pub url_current: String,
    /// What to send to get a 304.
    pub validators: Option<Validators>,
    /// Hash of the last body; decides only whether to parse.
    pub body_hash: Option<u64>,
    /// Freshness hint in force, seconds.
    pub hint: Option<u64>,
    /// Where it came from.
    pub hint_from: HintFrom,
    /// RSS `skipHours` of the last document.
    pub skip_hours: Vec<u8>,
    /// RSS `skipDays` of the last document, 0 = Monday.
    pub skip_days: Vec<u8>,
    /// When to come again.
    pub next_due: Timestamp,
    /// The wait that `next_due` was made from, seconds.
    pub interval: u64,
    /// Why then, in words: `max-age 3600`, `Retry-After`, `backoff 5`, `adaptive: 3 items a day`.
    pub why: String,
    /// The origin asked for silence until then.
    pub retry_until: Option<Timestamp>,
    /// Times of the newest entries, newest first, at most 20.
    #[serde(with = "compact")]
    pub newest: Vec<Timestamp>,
    /// When something new last came.
    pub last_new: Option<Timestamp>,
    /// Failures in a row.
    pub fails: u32,
    /// Too-large answers in a row.
    pub oversize: u32,
    /// When the row of failures began.
    pub first_fail: Option<Timestamp>,
    /// Last visit that went well.
    pub last_ok: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<Fault>,
    /// How it is doing.
    pub health: Health,
    /// 410 answers in a row.
    pub gone: u32,
    /// The last visits, newest first, at most 20.
    #[serde(with = "compact")]
    pub visits: Vec<Visit>,
    /// A permanent redirect on probation.
    pub move_candidate: Option<MoveCandidate>,
    /// Permanent redirects taken over.
    pub moves: Vec<Move>,
    /// What the last document said of the feed.
    pub about: Option<About>,
    /// Guid keys (first 64 bits) that the last document listed: retention spares them.
    #[serde(with = "compact")]
    pub listed: Vec<u64>,
    /// When it was last visited.
    pub last_visit: Option<Timestamp>,
    /// First time we knew of this source.
    pub added: Timestamp,
    /// What the headers of the last answer said of freshness: seconds and where from. Kept over 304s that are silent.
    pub header_hint: Option<(u64, HintFrom)>,
    /// What the last document said of freshness: seconds and where from. Kept over 304s.
    pub body_hint: Option<(u64, HintFrom)>,
    /// A 429 from here made its host pause.
    pub host_pause: Option<HostPause>,
    /// Fingerprints of the entries that the last document listed and that are kept: as long as they stay the same, nothing
    /// of them is read again.
    #[serde(with = "compact")]
    pub read: Vec<u64>,
    /// The language that most of them are in.
    pub language: Option<String>,
}

/// A host asked all of us to wait.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostPause {
    /// The host as its manners are counted: `host:port`, or a registrable domain with its own limits.
    pub host: String,
    /// Until when.
    pub until: Timestamp,
}
