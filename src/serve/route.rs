//! From request to response. The first look is for a document that is ready; everything else is the exception.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};

use super::client::{Limit, Peer};
use super::{Now, Options, coding, conditional, status};
use crate::metrics::{Metrics, Route};
use crate::publish::address::Request as Target;
use crate::publish::document::{Document, Kind};
use crate::publish::{Answer, Error, Publisher};

/// Bytes that a request may bring; we read none of them.
const BODY: u64 = 64 << 10;
/// Bytes of path and query.
const TARGET: usize = 8 << 10;

/// What all connections use.
pub(super) struct Shared {
    pub(super) publisher: Arc<Publisher>,
    pub(super) metrics: Metrics,
    pub(super) now: Now,
    pub(super) registry: prometheus_client::registry::Registry,
    pub(super) limit: Limit,
    /// No new work is wanted.
    pub(super) closing: AtomicBool,
    /// Path of `public_url` without its last slash, if it has one: proxies may leave it on.
    base: Option<String>,
}

impl Shared {
    pub(super) fn new(
        options: &Options,
        publisher: Arc<Publisher>,
        metrics: Metrics,
        now: Now,
    ) -> Self {
        let base = publisher
            .settings()
            .site
            .public_url
            .path()
            .trim_end_matches('/')
            .to_owned();
        Self {
            registry: metrics.registry(),
            limit: Limit::new(options.per_client, options.trusted_proxies.clone()),
            closing: AtomicBool::new(false),
            base: Some(base).filter(|base| !base.is_empty()),
            publisher,
            metrics,
            now,
        }
    }
}

type Reply = Response<Full<Bytes>>;

/// Answers one request.
pub(super) async fn answer(
    shared: &Shared,
    peer: Peer,
    free: bool,
    request: &Request<Incoming>,
) -> Result<Reply, Infallible> {
    let started = Instant::now();
    let client = if free {
        None
    } else {
        shared.limit.client(peer, request.headers())
    };
    let (route, reply) = match client.map_or(Ok(()), |client| shared.limit.take(client, started)) {
        Ok(()) => dispatch(shared, request).await,
        Err(seconds) => (Route::Other, too_many(seconds)),
    };
    let code = reply.status();
    if let Some(client) = client.filter(|_| code == StatusCode::NOT_MODIFIED) {
        give_back(shared, client);
    }
    shared
        .metrics
        .answered(route, code.as_u16(), started.elapsed());
    Ok(reply)
}

fn give_back(shared: &Shared, client: IpAddr) {
    shared.limit.give_back(client);
}

async fn dispatch(shared: &Shared, request: &Request<Incoming>) -> (Route, Reply) {
    let method = request.method();
    if method != Method::GET && method != Method::HEAD {
        return (Route::Other, without_document(method));
    }
    let Some(target) = request.uri().path_and_query() else {
        return (
            Route::Other,
            text(StatusCode::BAD_REQUEST, "The request names no path."),
        );
    };
    let target = match &shared.base {
        Some(base) => within(base, target.as_str()),
        None => target.as_str(),
    };
    if target.len() > TARGET || request.body().size_hint().lower() > BODY {
        return (
            Route::Other,
            text(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
        );
    }
    let head = method == Method::HEAD;
    if let Some(document) = target
        .strip_prefix('/')
        .and_then(|asked| shared.publisher.cached(asked))
    {
        let route = route_of(&document);
        if let Some(reply) = ready(&document, request.headers(), head) {
            return (route, reply);
        }
    }
    if let Some(reply) = own(shared, target, request.headers(), head).await {
        return reply;
    }
    match look(shared, target, request.headers(), head).await {
        Ok(found) => found,
        Err(error) => (Route::Other, failure(&error, head)),
    }
}

/// The target without the path of `public_url`.
fn within<'a>(base: &str, target: &'a str) -> &'a str {
    match target.strip_prefix(base) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => target,
    }
}

fn route_of(document: &Document) -> Route {
    match document.kind() {
        Kind::Feed => Route::Feed,
        Kind::Page => Route::Page,
        Kind::Opml => Route::Opml,
    }
}

/// The answer from a rendered document, if the coding that is wanted exists and no delta is.
fn ready(document: &Document, headers: &HeaderMap, head: bool) -> Option<Reply> {
    let coding = coding::negotiate(headers)?;
    let variant = document.ready(coding)?;
    if conditional::is_current(
        headers,
        &variant.etag,
        document.modified(),
        document.last_modified(),
    ) {
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        *reply.headers_mut() = variant.unchanged.clone();
        return Some(reply);
    }
    if headers.contains_key("a-im") && document.kind() == Kind::Feed {
        return None;
    }
    let body = if head {
        Bytes::new()
    } else {
        variant.body.clone()
    };
    let mut reply = Response::new(Full::new(body));
    *reply.headers_mut() = variant.headers.clone();
    Some(reply)
}

/// Health and metrics.
async fn own(
    shared: &Shared,
    target: &str,
    headers: &HeaderMap,
    head: bool,
) -> Option<(Route, Reply)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/healthz" => Some((Route::Health, plain(StatusCode::OK, "ok\n", head))),
        "/readyz" => {
            let (code, sentence) = status::readiness(shared).await;
            Some((Route::Health, plain(code, sentence, head)))
        }
        "/metrics" => Some((
            Route::Metrics,
            status::metrics(shared, query, headers, head).await,
        )),
        _ => None,
    }
}

/// The long way: understand the address, render if need be.
async fn look(
    shared: &Shared,
    target: &str,
    headers: &HeaderMap,
    head: bool,
) -> Result<(Route, Reply), Error> {
    let asked = Target::parse(target)?;
    let document = match shared.publisher.get(&asked).await? {
        Answer::Moved(to) => return Ok((Route::Other, moved(&to))),
        Answer::Document(document) => document,
    };
    let route = route_of(&document);
    let Some(coding) = coding::negotiate(headers) else {
        let sentence = "Every content coding is refused; there are br, zstd, gzip and identity.";
        return Ok((route, text(StatusCode::NOT_ACCEPTABLE, sentence)));
    };
    let document = match document.ready(coding) {
        Some(_) => document,
        None => shared.publisher.encode(&asked, document, coding).await,
    };
    let variant = document.variant(coding);
    let current = conditional::is_current(
        headers,
        &variant.etag,
        document.modified(),
        document.last_modified(),
    );
    if !current
        && document.kind() == Kind::Feed
        && let Some(known) = conditional::wants_delta(headers)
        && let Some(delta) = shared.publisher.delta(&asked, &document, &known).await?
    {
        let delta = match delta.ready(coding) {
            Some(_) => delta,
            None => shared.publisher.encode(&asked, delta, coding).await,
        };
        let variant = delta.variant(coding);
        let body = if head {
            Bytes::new()
        } else {
            variant.body.clone()
        };
        let mut reply = Response::new(Full::new(body));
        *reply.status_mut() = StatusCode::IM_USED;
        *reply.headers_mut() = variant.headers.clone();
        return Ok((route, reply));
    }
    // The coding is there now; a delta was looked for above.
    let mut plain_wish = HeaderMap::new();
    for name in [
        ACCEPT_ENCODING,
        http::header::IF_NONE_MATCH,
        http::header::IF_MODIFIED_SINCE,
    ] {
        for value in headers.get_all(&name) {
            plain_wish.append(name.clone(), value.clone());
        }
    }
    let reply = ready(&document, &plain_wish, head).unwrap_or_else(|| {
        text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The document is not ready.",
        )
    });
    Ok((route, reply))
}

fn failure(error: &Error, head: bool) -> Reply {
    let code = match error {
        Error::BadRequest(_) => StatusCode::BAD_REQUEST,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Gone(_) => StatusCode::GONE,
        Error::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Render { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if code.is_server_error() {
        tracing::error!(%error, cause = ?std::error::Error::source(error).map(ToString::to_string), "a request failed");
    }
    let mut reply = plain(code, &format!("{error}\n"), head);
    if code == StatusCode::SERVICE_UNAVAILABLE {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("30"));
    }
    reply
}

fn text(code: StatusCode, sentence: &str) -> Reply {
    plain(code, &format!("{sentence}\n"), false)
}

/// A short text of ours.
pub(super) fn plain(code: StatusCode, sentence: &str, head: bool) -> Reply {
    let body = Bytes::copy_from_slice(sentence.as_bytes());
    typed(code, body, "text/plain; charset=utf-8", head)
}

pub(super) fn typed(code: StatusCode, body: Bytes, media_type: &'static str, head: bool) -> Reply {
    let length = body.len();
    let mut reply = Response::new(Full::new(if head { Bytes::new() } else { body }));
    *reply.status_mut() = code;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    reply
}

fn moved(to: &str) -> Reply {
    let mut reply = text(StatusCode::MOVED_PERMANENTLY, &format!("It is at {to}"));
    let headers = reply.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    // Our addresses are ASCII.
    if let Ok(location) = HeaderValue::from_str(to) {
        headers.insert(LOCATION, location);
    }
    reply
}

fn too_many(seconds: u64) -> Reply {
    let mut reply = text(
        StatusCode::TOO_MANY_REQUESTS,
        &format!(
            "Too many requests. Please wait {seconds} seconds; a request that names what it has (If-None-Match) costs a tenth."
        ),
    );
    reply
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    reply
}

/// OPTIONS, and methods that we do not know.
fn without_document(method: &Method) -> Reply {
    const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
    if method != Method::OPTIONS {
        let mut reply = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "Everything here is read with GET or HEAD.",
        );
        reply.headers_mut().insert(ALLOW, METHODS);
        return reply;
    }
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "If-None-Match, If-Modified-Since, A-IM, Accept, Accept-Encoding, Content-Type",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    reply
}

/// True once nothing new should begin.
pub(super) fn is_closing(shared: &Shared) -> bool {
    shared.closing.load(Relaxed)
}
