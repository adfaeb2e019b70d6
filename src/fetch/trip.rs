//! One visit over HTTP, hop by hop: which request goes where, with what, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, TRANSFER_ENCODING, USER_AGENT,
};
use reqwest::{Client, Method, Request, Response, Version};
use url::Url;

use super::body::{self, Limits};
use super::client::MAX_HEAD;
use super::{
    Answer, Error, Failure, Fetched, Fetcher, First, Hop, HostKey, Permit, cache, first_url,
    header_value, take_credentials,
};
use crate::model::document::Document;
use crate::model::source::{Source, SourceState, Validators};
use crate::model::time::Timestamp;

/// Requests that one visit may make: the first one and its redirects.
const MOST_HOPS: usize = 8;
/// What is asked for: the feed types first, anything else if need be.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, \
     text/xml;q=0.9, application/json;q=0.8, */*;q=0.5",
);
/// Only what can be decoded under a cap.
const CODINGS: HeaderValue = HeaderValue::from_static("gzip, br");
/// Turns that a finished connection gets to come back to the pool before its place is given away.
const TURNS_HOME: usize = 1;

/// Why a trip ends early.
pub(super) enum Stop {
    Failed(Error),
    Deferred { until: Timestamp, host: HostKey },
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A visit under way.
pub(super) struct Trip<'a> {
    fetcher: &'a Fetcher,
    source: &'a Source,
    validators: Option<&'a Validators>,
    begun: Instant,
    now: Timestamp,
    /// Time left on the network; waiting for a place at a host is not counted.
    left: Duration,
    /// The hop under way.
    url: String,
    /// Its host.
    host: Option<HostKey>,
    hops: Vec<Hop>,
    retry_after: Option<Timestamp>,
    bytes: u64,
}

/// What one hop came to.
enum Step {
    Done(Box<Fetched>),
    Onward(Url),
}

impl<'a> Trip<'a> {
    pub(super) fn new(
        fetcher: &'a Fetcher,
        source: &'a Source,
        state: &'a SourceState,
        now: Timestamp,
    ) -> Self {
        Self {
            fetcher,
            source,
            validators: state.validators.as_ref(),
            begun: Instant::now(),
            now,
            left: fetcher.total_timeout(source),
            url: first_url(source, state).to_owned(),
            host: None,
            hops: Vec::new(),
            retry_after: None,
            bytes: 0,
        }
    }

    /// Goes from hop to hop.
    pub(super) async fn make(&mut self, place: Option<(First, Permit)>) -> Result<Fetched, Stop> {
        let (mut url, mut permit) = match place {
            Some((first, permit)) => (first.url, Some(permit)),
            None => {
                let url = Url::parse(&self.url).map_err(|_| Error::BadUrl {
                    url: self.url.clone(),
                })?;
                (url, None)
            }
        };
        // What the operator wrote into the address belongs to the headers; the configuration has seen to it.
        take_credentials(&mut url);
        let client = self.fetcher.clients.of(self.source)?;
        for _ in 0..MOST_HOPS {
            url.set_fragment(None);
            url.as_str().clone_into(&mut self.url);
            if !matches!(url.scheme(), "http" | "https") {
                return Err(self.bad_scheme(&url).into());
            }
            self.fetcher
                .guard
                .check(&url)
                .map_err(|closed| Error::Refused {
                    what: closed.to_string(),
                })?;
            let place = self.place(&url, permit.take()).await?;
            let started = Instant::now();
            let step = tokio::time::timeout(self.left, self.hop(&client, &url))
                .await
                .unwrap_or(Err(Error::Timeout {
                    what: "the whole exchange took longer than `total_timeout`",
                }));
            self.left = self.left.saturating_sub(started.elapsed());
            // Else the next visitor would open a connection while this one is on its way back to the pool.
            for _ in 0..TURNS_HOME {
                tokio::task::yield_now().await;
            }
            drop(place);
            match step? {
                Step::Done(fetched) => return Ok(*fetched),
                Step::Onward(next) => url = next,
            }
        }
        Err(Error::Redirect {
            what: format!("more than {} redirects", MOST_HOPS - 1),
        }
        .into())
    }

    fn bad_scheme(&self, url: &Url) -> Error {
        if self.hops.is_empty() {
            return Error::BadUrl {
                url: url.to_string(),
            };
        }
        Error::Refused {
            what: format!("it redirects to {}:, which is not followed", url.scheme()),
        }
    }

    async fn place(&mut self, url: &Url, taken: Option<Permit>) -> Result<Permit, Stop> {
        if let Some(permit) = taken {
            self.host = Some(permit.key().clone());
            return Ok(permit);
        }
        let hosts = &self.fetcher.hosts;
        let key = hosts.key(url);
        self.host = Some(key.clone());
        let (begun, now) = (self.begun, self.now);
        hosts
            .wait(
                &key,
                || now + begun.elapsed(),
                self.fetcher.options.total_timeout,
            )
            .await
            .map_err(|until| Stop::Deferred { until, host: key })
    }

    async fn hop(&mut self, client: &Client, url: &Url) -> Result<Step, Error> {
        let mine = self.validators.filter(|validators| {
            validators.url == url.as_str()
                && (validators.etag.is_some() || validators.last_modified.is_some())
        });
        let mut request = Request::new(Method::GET, url.clone());
        *request.headers_mut() = self.headers(url, mine)?;
        let patience = self.fetcher.options.connect_timeout + self.third();
        let response = tokio::time::timeout(patience, client.execute(request))
            .await
            .map_err(|_| Error::Timeout {
                what: "no answer came",
            })?
            .map_err(|error| Error::from_request(&error))?;
        let head: usize = response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if head > MAX_HEAD as usize {
            return Err(Error::TooLarge {
                limit: u64::from(MAX_HEAD),
            });
        }
        self.answered(response, url, mine.is_some()).await
    }

    async fn answered(
        &mut self,
        response: Response,
        url: &Url,
        asked_for_change: bool,
    ) -> Result<Step, Error> {
        let status = response.status().as_u16();
        match status {
            200 | 203 => self.document(response, url).await.map(done),
            304 if asked_for_change => {
                let answer = self.answer(&response, url);
                Ok(done(Fetched::NotModified(answer)))
            }
            301 | 302 | 303 | 307 | 308 => {
                let next = self.onward(url, response.headers())?;
                self.hops.push(Hop {
                    status,
                    to: next.to_string(),
                });
                Ok(Step::Onward(next))
            }
            _ => {
                self.retry_after =
                    cache::retry_after(response.headers(), self.now + self.begun.elapsed());
                Err(Error::Status { status })
            }
        }
    }

    fn headers(&self, url: &Url, mine: Option<&Validators>) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::with_capacity(8);
        let agent = match &self.source.manner.user_agent {
            Some(own) => header_value(own, "user_agent")?,
            None => self.fetcher.user_agent.clone(),
        };
        headers.insert(USER_AGENT, agent);
        headers.insert(ACCEPT, ACCEPTED);
        let home = !self.source.manner.headers.is_empty()
            && Url::parse(&self.source.url)
                .is_ok_and(|configured| configured.origin() == url.origin());
        if home {
            for (name, value) in &self.source.manner.headers {
                let parsed = HeaderName::from_bytes(name.as_bytes());
                let name = parsed.map_err(|error| Error::Setting {
                    what: format!("the header name {name:?}"),
                    source: Some(Box::new(error)),
                })?;
                let mut value = header_value(value.reveal(), name.as_str())?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        headers.insert(ACCEPT_ENCODING, CODINGS);
        let stored = [
            (IF_NONE_MATCH, mine.and_then(|mine| mine.etag.as_ref())),
            (
                IF_MODIFIED_SINCE,
                mine.and_then(|mine| mine.last_modified.as_ref()),
            ),
        ];
        for (name, value) in stored {
            if let Some(value) = value.and_then(|bytes| HeaderValue::from_bytes(bytes).ok()) {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// Where a redirect leads (RFC 9110, 10.2.2). Bytes that are not ASCII go on percent-encoded, whatever they mean.
    fn onward(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
        let location = headers.get(LOCATION).ok_or_else(|| Error::Redirect {
            what: "it redirects without saying where".to_owned(),
        })?;
        let bytes = location.as_bytes();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => percent_encoding::percent_encode(bytes, &NOT_ASCII).to_string(),
        };
        let mut next = from.join(&text).map_err(|_| Error::Redirect {
            what: format!("it redirects to {text:?}, which is no address"),
        })?;
        next.set_fragment(None);
        // A stranger does not choose what we log in with.
        take_credentials(&mut next);
        if from.scheme() == "https" && next.scheme() == "http" {
            return Err(Error::Refused {
                what: "it redirects from https to http".to_owned(),
            });
        }
        let known = self.hops.iter().any(|hop| hop.to == next.as_str()) || next == *from;
        if known {
            return Err(Error::Redirect {
                what: "it redirects in a circle".to_owned(),
            });
        }
        Ok(next)
    }

    async fn document(&mut self, response: Response, url: &Url) -> Result<Fetched, Error> {
        let mut answer = self.answer(&response, url);
        let text = |name: HeaderName| {
            response
                .headers()
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let content_type = text(CONTENT_TYPE);
        let base = text(CONTENT_LOCATION)
            .and_then(|location| url.join(&location).ok())
            .filter(|base| matches!(base.scheme(), "http" | "https"));
        let plain = self.fetcher.max_body(self.source);
        let limits = Limits {
            wire: plain.div_ceil(2),
            plain,
            idle: self.third(),
        };
        let body = body::read(response, limits, &self.fetcher.budget, &mut self.bytes).await?;
        answer.bytes = body.wire;
        Ok(Fetched::Document {
            document: Document {
                body: body.bytes,
                url: Some(base.unwrap_or_else(|| url.clone()).into()),
                content_type,
            },
            hash: body.hash,
            answer,
            held: Arc::new(body.held),
        })
    }

    fn answer(&self, response: &Response, url: &Url) -> Answer {
        let headers = response.headers();
        Answer {
            status: response.status().as_u16(),
            url: url.to_string(),
            hops: self.hops.clone(),
            validators: cache::validators(url.as_str(), headers),
            freshness: cache::freshness(headers, self.now + self.begun.elapsed()),
            bytes: 0,
            framed: headers.contains_key(CONTENT_LENGTH)
                || headers.contains_key(TRANSFER_ENCODING)
                || response.version() >= Version::HTTP_2,
        }
    }

    /// Longest wait for the head of an answer, and between two reads: 10 s of the usual 30 s.
    fn third(&self) -> Duration {
        self.fetcher.total_timeout(self.source) / 3
    }

    /// What the trip tells if it ended in `error`.
    pub(super) fn failure(self, error: &Error) -> Failure {
        Failure {
            fault: error.fault(&self.url, self.now + self.begun.elapsed()),
            hops: self.hops,
            retry_after: self.retry_after,
            host: self.host,
            bytes: self.bytes,
            silent: error.silent(),
        }
    }
}

fn done(fetched: Fetched) -> Step {
    Step::Done(Box::new(fetched))
}

/// Leaves every ASCII character as it is.
const NOT_ASCII: percent_encoding::AsciiSet = percent_encoding::AsciiSet::EMPTY;
