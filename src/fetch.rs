//! Step 1. Brings a document from a source, politely and within limits; never parses, never keeps anything.
//!
//! Redirects are followed by hand, so that each hop is tested, waits for its host, and gets only what belongs to it:
//! validators go to the URL that gave them, credentials to the origin they are configured for. Whatever happens is an
//! answer: a failure is one, too.

mod body;
mod cache;
mod client;
mod error;
mod guard;
mod host;
mod local;
mod trip;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use url::Url;

pub use body::Held;
pub use cache::Freshness;
pub use error::Error;
pub use host::{HostKey, Hosts, Permit, Welcome};

use crate::model::document::Document;
use crate::model::source::{
    Fault, Proxy, Secret, Source, SourceId, SourceKind, SourceState, Validators,
};
use crate::model::time::Timestamp;
use body::Budget;
use client::Clients;
use guard::{Guard, Resolver};
use trip::{Stop, Trip};

/// Memory for all bodies together, whatever it was asked for.
const BODY_MEMORY: usize = 256 << 20;

/// `[fetch]` of feeds.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `User-Agent`, already expanded (`aggd/VERSION (+URL)`).
    pub user_agent: String,
    /// Visits under way at once.
    pub in_flight: usize,
    /// Manners towards one host.
    pub per_host: HostLimits,
    /// Manners of their own, by registrable domain.
    pub site: BTreeMap<String, HostLimits>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for the whole exchange, redirects included.
    pub total_timeout: Duration,
    /// Bytes after decompression; half of it before.
    pub max_body: u64,
    /// Private networks that may be visited, as CIDR.
    pub allow_private: Vec<ipnet::IpNet>,
    /// Way out.
    pub proxy: Proxy,
}

/// `{ at_once, spacing }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// Connections at a time.
    pub at_once: usize,
    /// Time between the starts of two requests.
    pub spacing: Duration,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            at_once: 2,
            spacing: Duration::from_secs(1),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("aggd/", env!("CARGO_PKG_VERSION")).to_owned(),
            in_flight: 256,
            per_host: HostLimits::default(),
            site: BTreeMap::new(),
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
            max_body: 32 << 20,
            allow_private: Vec::new(),
            proxy: Proxy::None,
        }
    }
}

/// One redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Where it led.
    pub to: String,
}

/// What the headers of a good answer told.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// HTTP status; 0 for sources that do not speak HTTP.
    pub status: u16,
    /// The URL that answered.
    pub url: String,
    /// The redirects on the way there.
    pub hops: Vec<Hop>,
    /// Its validators, with that URL.
    pub validators: Validators,
    /// How long it asks to be left alone.
    pub freshness: Freshness,
    /// Body bytes on the wire.
    pub bytes: u64,
    /// The end of the body was certain: it had a length or chunks, and did not just stop.
    pub framed: bool,
}

/// What a failed visit told.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// Why, and at which hop.
    pub fault: Fault,
    /// The redirects before it.
    pub hops: Vec<Hop>,
    /// `Retry-After`.
    pub retry_after: Option<Timestamp>,
    /// The host that failed.
    pub host: Option<HostKey>,
    /// Body bytes on the wire.
    pub bytes: u64,
    /// Nothing at all was reached: it may be our own line that is down.
    pub silent: bool,
}

/// Where the first request of a visit goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// The address.
    pub url: Url,
    /// Whose manners it must mind.
    pub host: HostKey,
}

/// What came of a visit.
#[derive(Debug, Clone)]
pub enum Fetched {
    /// A whole document.
    Document {
        /// Decoded from its content coding.
        document: Document,
        /// Hash of its bytes.
        hash: u64,
        /// From its headers.
        answer: Answer,
        /// Memory on loan: to be kept as long as the document.
        held: Arc<Held>,
    },
    /// The document is as it was (304).
    NotModified(Answer),
    /// No document.
    Failed(Failure),
    /// A host on the way has no place or asked for silence: nothing is wrong, come again then.
    Deferred {
        /// When.
        until: Timestamp,
        /// Which host.
        host: HostKey,
    },
}

impl Fetched {
    /// The same for another source that it serves: nothing more came over the wire.
    #[must_use]
    pub fn again(&self) -> Self {
        let mut again = self.clone();
        match &mut again {
            Self::Document { answer, .. } | Self::NotModified(answer) => answer.bytes = 0,
            Self::Failed(failure) => failure.bytes = 0,
            Self::Deferred { .. } => {}
        }
        again
    }
}

/// Fetches documents. One is enough for everybody.
#[derive(Debug)]
pub struct Fetcher {
    options: Options,
    user_agent: HeaderValue,
    guard: Guard,
    clients: Clients,
    hosts: Arc<Hosts>,
    budget: Arc<Budget>,
}

impl Fetcher {
    /// # Errors
    /// If the options cannot be used.
    pub fn new(options: Options) -> Result<Self, Error> {
        let hosts = Hosts::new(options.per_host, &options.site);
        let budget = Arc::new(Budget::new(BODY_MEMORY, &options));
        Self::with(options, hosts, budget)
    }

    /// The same with other options: places taken at hosts, their pauses and lent memory stay.
    ///
    /// # Errors
    /// If the options cannot be used; nothing has changed then.
    pub fn renew(&self, options: Options) -> Result<Self, Error> {
        let (limits, site) = (options.per_host, options.site.clone());
        let new = Self::with(options, Arc::clone(&self.hosts), Arc::clone(&self.budget))?;
        self.hosts.set_limits(limits, &site);
        Ok(new)
    }

    fn with(options: Options, hosts: Arc<Hosts>, budget: Arc<Budget>) -> Result<Self, Error> {
        let guard = Guard::new(&options.allow_private);
        let resolver = Resolver::new(guard.clone()).map_err(|error| Error::Setting {
            what: "names cannot be resolved".to_owned(),
            source: Some(Box::new(error)),
        })?;
        let user_agent = header_value(&options.user_agent, "user_agent")?;
        Ok(Self {
            clients: Clients::new(resolver, &options),
            user_agent,
            guard,
            hosts,
            budget,
            options,
        })
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The hosts that it visits.
    #[must_use]
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// The first request of a visit; `None` where no host is visited.
    #[must_use]
    pub fn first(&self, source: &Source, state: &SourceState) -> Option<First> {
        if source.kind != SourceKind::Feed {
            return None;
        }
        let url = Url::parse(first_url(source, state)).ok()?;
        let host = self.hosts.key(&url);
        Some(First { url, host })
    }

    /// Visits a source, waiting for its host. `now` is the time at the beginning.
    pub async fn fetch(&self, source: &Source, state: &SourceState, now: Timestamp) -> Fetched {
        self.fetch_with(source, state, now, None).await
    }

    /// The same, with a place for the first request already taken.
    pub async fn fetch_with(
        &self,
        source: &Source,
        state: &SourceState,
        now: Timestamp,
        place: Option<(First, Permit)>,
    ) -> Fetched {
        match &source.kind {
            SourceKind::Feed => {
                let mut trip = Trip::new(self, source, state, now);
                match trip.make(place).await {
                    Ok(fetched) => fetched,
                    Err(Stop::Deferred { until, host }) => Fetched::Deferred { until, host },
                    Err(Stop::Failed(error)) => Fetched::Failed(trip.failure(&error)),
                }
            }
            SourceKind::File => self.fetch_file(source, state, now).await,
            SourceKind::Exec(command) => self.fetch_exec(source, command, now).await,
        }
    }

    /// Visits an address that is no source yet, with the same manners, limits and guard. Credentials in it are sent
    /// to its origin only.
    pub async fn get(&self, url: &str, now: Timestamp) -> Fetched {
        let Some(nameless) = SourceId::new("probe") else {
            unreachable!("it has the form of an id");
        };
        let mut source = Source::new(nameless, url);
        if let Ok(mut parsed) = Url::parse(url)
            && let Some(basic) = take_credentials(&mut parsed)
        {
            source.url = parsed.into();
            source
                .manner_mut()
                .headers
                .push((AUTHORIZATION.to_string(), basic));
        }
        self.fetch(&source, &SourceState::default(), now).await
    }

    fn max_body(&self, source: &Source) -> u64 {
        source.manner.max_body.unwrap_or(self.options.max_body)
    }

    fn total_timeout(&self, source: &Source) -> Duration {
        source
            .manner
            .total_timeout
            .unwrap_or(self.options.total_timeout)
    }

    async fn fetch_file(&self, source: &Source, state: &SourceState, now: Timestamp) -> Fetched {
        let known = state
            .validators
            .as_ref()
            .filter(|validators| validators.url == source.url)
            .and_then(|validators| validators.etag.clone());
        let limit = self.max_body(source);
        let mut answer = Answer {
            url: source.url.clone(),
            framed: true,
            ..Answer::default()
        };
        let (time, mark) = (self.total_timeout(source), known.clone());
        match local::file(&source.url, mark, limit, time).await {
            Ok(local::FromFile::Same) => {
                answer.validators = Validators {
                    url: source.url.clone(),
                    etag: known,
                    last_modified: None,
                };
                Fetched::NotModified(answer)
            }
            Ok(local::FromFile::Read { bytes, mark }) => {
                answer.validators = Validators {
                    url: source.url.clone(),
                    etag: Some(mark),
                    last_modified: None,
                };
                local_document(bytes, answer)
            }
            Err(error) => local_failure(&error, source, now),
        }
    }

    async fn fetch_exec(&self, source: &Source, command: &[String], now: Timestamp) -> Fetched {
        let limit = self.max_body(source);
        match local::exec(command, limit, self.total_timeout(source)).await {
            Ok(bytes) => {
                let answer = Answer {
                    url: source.url.clone(),
                    framed: true,
                    ..Answer::default()
                };
                local_document(bytes, answer)
            }
            Err(error) => local_failure(&error, source, now),
        }
    }
}

fn local_document(bytes: bytes::Bytes, mut answer: Answer) -> Fetched {
    answer.bytes = bytes.len() as u64;
    Fetched::Document {
        hash: xxhash_rust::xxh3::xxh3_64(&bytes),
        document: Document {
            body: bytes,
            url: Some(answer.url.clone()).filter(|url| Url::parse(url).is_ok()),
            content_type: None,
        },
        answer,
        held: Arc::default(),
    }
}

fn local_failure(error: &Error, source: &Source, now: Timestamp) -> Fetched {
    Fetched::Failed(Failure {
        fault: error.fault(&source.url, now),
        ..Failure::default()
    })
}

/// What is polled: the address as configured, or the one it moved to.
fn first_url<'a>(source: &'a Source, state: &'a SourceState) -> &'a str {
    if state.url_current.is_empty() {
        &source.url
    } else {
        &state.url_current
    }
}

fn header_value(text: &str, what: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|error| Error::Setting {
        what: format!("{what} cannot be sent as a header"),
        source: Some(Box::new(error)),
    })
}

/// Takes user and password out of a URL, as the header that carries them (RFC 7617).
fn take_credentials(url: &mut Url) -> Option<Secret> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pair = format!(
        "{}:{}",
        decode(url.username()),
        decode(url.password().unwrap_or_default())
    );
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let coded = base64::engine::general_purpose::STANDARD.encode(pair);
    Some(Secret::new(format!("Basic {coded}")))
}
