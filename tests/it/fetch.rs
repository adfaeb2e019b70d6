//! What an origin sees of a visit, and what a visit makes of what an origin does.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggd::fetch::{Answer, Failure, Fetched, Fetcher, HostLimits, Options};
use aggd::model::document::Document;
use aggd::model::source::{Proxy, Secret, Source, SourceId, SourceKind, SourceState, Validators};
use aggd::model::time::Timestamp;

use crate::origin::{Origin, Reply};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const FEED: &str = "<rss version=\"2.0\"><channel><title>A</title></channel></rss>";

fn options() -> Options {
    Options {
        user_agent: "aggd/1.0 (+https://news.example/)".to_owned(),
        per_host: HostLimits {
            at_once: 8,
            spacing: Duration::ZERO,
        },
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        ..Options::default()
    }
}

fn fetcher() -> Fetcher {
    Fetcher::new(options()).unwrap()
}

/// Impatient enough for tests: an exchange may take this long.
const PATIENCE: Duration = Duration::from_millis(600);

fn impatient() -> Fetcher {
    Fetcher::new(Options {
        total_timeout: PATIENCE,
        ..options()
    })
    .unwrap()
}

fn source(url: &str) -> Source {
    Source::new(SourceId::new("blog").unwrap(), url)
}

async fn visit(fetcher: &Fetcher, url: &str) -> Fetched {
    fetcher
        .fetch(&source(url), &SourceState::default(), NOW)
        .await
}

#[track_caller]
fn document(fetched: Fetched) -> (Document, Answer) {
    match fetched {
        Fetched::Document {
            document, answer, ..
        } => (document, answer),
        other => panic!("no document: {other:?}"),
    }
}

#[track_caller]
fn failure(fetched: Fetched) -> Failure {
    match fetched {
        Fetched::Failed(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn remembered(validators: Validators) -> SourceState {
    SourceState {
        validators: Some(validators),
        ..SourceState::default()
    }
}

#[tokio::test]
async fn a_request_says_who_asks_and_nothing_it_should_not() {
    let origin = Origin::start().await;
    let path = "/feed?b=2&a=%7e1&c=%E4%B8%AD&d=x+y";
    origin.serve(path, Reply::ok(FEED));
    document(visit(&fetcher(), &format!("{}#part", origin.url(path))).await);
    let asked = &origin.requests(path)[0];
    assert_eq!(asked.method, "GET");
    let header = |name| asked.header(name);
    assert_eq!(
        header("user-agent").as_deref(),
        Some("aggd/1.0 (+https://news.example/)")
    );
    assert_eq!(header("accept-encoding").as_deref(), Some("gzip, br"));
    let accept = header("accept").unwrap();
    for kind in ["atom+xml", "rss+xml", "feed+json"] {
        assert!(accept.contains(kind), "{accept}");
    }
    for name in [
        "referer",
        "cookie",
        "cache-control",
        "pragma",
        "authorization",
        "if-none-match",
        "if-modified-since",
    ] {
        assert_eq!(header(name), None, "{name}");
    }
}

#[tokio::test]
async fn validators_come_back_byte_for_byte_and_get_a_304() {
    let cases: [(&[u8], &[u8]); 6] = [
        (b"\"plain\"", b"Tue, 24 Nov 2026 08:00:00 GMT"),
        (b"W/\"weak\"", b""),
        (b"", b"Tuesday, about noon"),
        (b"unquoted", b""),
        (b"\"\xe9\xff\\ ,;\"", b""),
        (b"\"a\" \"b\"", b"0"),
    ];
    let fetcher = fetcher();
    for (etag, last_modified) in cases {
        let origin = Origin::start().await;
        let mut reply = Reply::ok(FEED).conditional();
        if !etag.is_empty() {
            reply = reply.header("ETag", etag);
        }
        if !last_modified.is_empty() {
            reply = reply.header("Last-Modified", last_modified);
        }
        origin.serve("/feed", reply);
        let url = origin.url("/feed");
        let (_, answer) = document(visit(&fetcher, &url).await);
        let state = remembered(answer.validators);
        let again = fetcher.fetch(&source(&url), &state, NOW).await;
        assert!(matches!(again, Fetched::NotModified(_)), "{again:?}");
        let asked = &origin.requests("/feed")[1];
        let sent = |name: &str| asked.header_bytes(name).unwrap_or_default().to_vec();
        assert_eq!(sent("if-none-match"), etag);
        assert_eq!(sent("if-modified-since"), last_modified);
    }
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_a_failure() {
    let origin = Origin::start().await;
    origin.serve("/feed", Reply::status(304));
    let failed = failure(visit(&fetcher(), &origin.url("/feed")).await);
    assert_eq!(failed.fault.status, Some(304));
}

#[tokio::test]
async fn validators_go_only_to_the_url_that_gave_them() {
    let (here, there) = (Origin::start().await, Origin::at("127.0.0.2").await);
    here.serve("/feed", Reply::redirect(302, there.url("/moved")));
    there.serve("/moved", Reply::ok(FEED).etag("\"there\"").conditional());
    let (fetcher, url) = (fetcher(), here.url("/feed"));
    let (document, answer) = document(visit(&fetcher, &url).await);
    assert_eq!(document.url.as_deref(), Some(there.url("/moved").as_str()));
    assert_eq!(answer.validators.url, there.url("/moved"));
    let state = remembered(answer.validators);
    let again = fetcher.fetch(&source(&url), &state, NOW).await;
    assert!(matches!(again, Fetched::NotModified(_)));
    assert!(!here.requests("/feed")[1].is_conditional());
    let asked = &there.requests("/moved")[1];
    assert_eq!(asked.header("if-none-match").as_deref(), Some("\"there\""));
    assert_eq!(asked.header("referer"), None);
}

#[tokio::test]
async fn secrets_go_only_to_the_origin_they_are_configured_for() {
    let (here, there) = (Origin::start().await, Origin::at("127.0.0.2").await);
    here.serve("/feed", Reply::redirect(301, here.url("/inside")));
    here.serve("/inside", Reply::redirect(307, there.url("/outside")));
    there.serve("/outside", Reply::redirect(302, here.url("/back")));
    here.serve("/back", Reply::ok(FEED));
    let mut secret = source(&here.url("/feed"));
    secret.manner_mut().headers = vec![
        (
            "Authorization".to_owned(),
            Secret::new("Bearer x".to_owned()),
        ),
        ("X-Key".to_owned(), Secret::new("k".to_owned())),
    ];
    secret.manner_mut().user_agent = Some("special/1".to_owned());
    document(fetcher().fetch(&secret, &SourceState::default(), NOW).await);
    let sent = |origin: &Origin, path: &str, name: &str| origin.requests(path)[0].header(name);
    for path in ["/feed", "/inside", "/back"] {
        assert!(sent(&here, path, "authorization").is_some(), "{path}");
        assert!(sent(&here, path, "x-key").is_some(), "{path}");
    }
    assert_eq!(sent(&there, "/outside", "authorization"), None);
    assert_eq!(sent(&there, "/outside", "x-key"), None);
    assert_eq!(
        sent(&there, "/outside", "user-agent").as_deref(),
        Some("special/1")
    );
}

#[tokio::test]
async fn credentials_in_an_address_go_to_its_origin_alone() {
    let (here, there) = (Origin::start().await, Origin::at("127.0.0.2").await);
    here.serve("/feed", Reply::redirect(302, there.url("/else")));
    let with_user = there.url("/else").replace("http://", "http://eve:x@");
    there.serve(
        "/else",
        Reply::redirect(302, with_user.replace("/else", "/end")),
    );
    there.serve("/end", Reply::ok(FEED));
    let address = here.url("/feed").replace("http://", "http://me:p%40ss@");
    document(fetcher().get(&address, NOW).await);
    let sent = |origin: &Origin, path: &str| origin.requests(path)[0].header("authorization");
    // me:p@ss
    assert_eq!(sent(&here, "/feed").as_deref(), Some("Basic bWU6cEBzcw=="));
    assert_eq!(sent(&there, "/else"), None);
    assert_eq!(sent(&there, "/end"), None, "a redirect brings no login");
}

#[tokio::test]
async fn redirects_are_told_hop_by_hop() {
    let origin = Origin::start().await;
    origin.serve("/a", Reply::redirect(301, "/b"));
    origin.serve("/b", Reply::redirect(308, "c?x=1"));
    origin.serve("/c?x=1", Reply::redirect(303, origin.url("/d")));
    origin.serve("/d", Reply::ok(FEED));
    let (_, answer) = document(visit(&fetcher(), &origin.url("/a")).await);
    let hops: Vec<(u16, String)> = answer
        .hops
        .into_iter()
        .map(|hop| (hop.status, hop.to))
        .collect();
    assert_eq!(
        hops,
        [
            (301, origin.url("/b")),
            (308, origin.url("/c?x=1")),
            (303, origin.url("/d"))
        ]
    );
}

#[tokio::test]
async fn odd_locations_are_followed_and_stay_encoded() {
    let origin = Origin::start().await;
    let cases: [(&str, &[u8], &str); 4] = [
        (
            "/utf8",
            "/新闻?q=é".as_bytes(),
            "/%E6%96%B0%E9%97%BB?q=%C3%A9",
        ),
        ("/latin", b"/caf\xe9", "/caf%E9"),
        ("/crlf", b"/x%0d%0aX-Evil:%201", "/x%0d%0aX-Evil:%201"),
        ("/space", b"/a b", "/a%20b"),
    ];
    for (path, location, expected) in cases {
        origin.serve(path, Reply::redirect(302, location));
        origin.serve(expected, Reply::ok(FEED));
        document(visit(&fetcher(), &origin.url(path)).await);
        assert_eq!(origin.count(expected), 1, "{path}");
        assert_eq!(origin.requests(expected)[0].header("x-evil"), None);
    }
}

#[tokio::test]
async fn circles_and_endless_chains_end() {
    let origin = Origin::start().await;
    origin.serve("/self", Reply::redirect(302, "/self"));
    origin.serve("/ping", Reply::redirect(302, "/pong"));
    origin.serve("/pong", Reply::redirect(301, "/ping"));
    origin.serve("/nowhere", Reply::status(302));
    for n in 0..40 {
        origin.serve(
            &format!("/chain{n}"),
            Reply::redirect(302, format!("/chain{}", n + 1)),
        );
    }
    let fetcher = fetcher();
    for (path, most) in [("/self", 1), ("/ping", 3), ("/chain0", 8), ("/nowhere", 1)] {
        let before = origin.all_requests().len();
        let failed = failure(visit(&fetcher, &origin.url(path)).await);
        assert_eq!(failed.fault.kind, "redirect", "{path}");
        let requests = origin.all_requests().len() - before;
        assert!(requests <= most, "{path}: {requests}");
    }
}

#[tokio::test]
async fn a_redirect_out_of_the_web_is_refused() {
    let origin = Origin::start().await;
    let fetcher = fetcher();
    for target in [
        "ftp://127.0.0.1/feed",
        "gopher://127.0.0.1/feed",
        "file:///etc/passwd",
        "data:text/xml,<rss/>",
        "javascript:alert(1)",
    ] {
        origin.serve("/feed", Reply::redirect(302, target));
        let failed = failure(visit(&fetcher, &origin.url("/feed")).await);
        assert_eq!(failed.fault.kind, "refused", "{target}");
    }
    let failed = failure(visit(&fetcher, "ftp://127.0.0.1/feed").await);
    assert_eq!(failed.fault.kind, "bad-url");
}

#[tokio::test]
async fn private_addresses_are_refused_before_a_connection() {
    let origin = Origin::start().await;
    let port = origin.address().port();
    // Open is only the address that the origin stands on.
    let narrow = Fetcher::new(Options {
        allow_private: vec!["127.0.0.1/32".parse().unwrap()],
        ..options()
    })
    .unwrap();
    let forbidden = TcpListener::bind(("127.0.0.2", port)).unwrap();
    forbidden.set_nonblocking(true).unwrap();
    for host in [
        "127.0.0.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "127.2",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[64:ff9b::7f00:2]",
        "[2002:7f00:2::]",
        "10.0.0.1",
        "169.254.169.254",
    ] {
        let target = format!("http://{host}:{port}/feed");
        let direct = failure(visit(&narrow, &target).await);
        assert_eq!(direct.fault.kind, "refused", "{target}");
        origin.serve("/feed", Reply::redirect(302, &target));
        let redirected = failure(visit(&narrow, &origin.url("/feed")).await);
        assert_eq!(redirected.fault.kind, "refused", "redirected to {target}");
    }
    assert!(forbidden.accept().is_err(), "nobody ever knocked");
    let closed = Fetcher::new(Options {
        allow_private: Vec::new(),
        ..options()
    })
    .unwrap();
    let named = format!("http://localhost:{port}/feed");
    assert_eq!(
        failure(visit(&closed, &named).await).fault.kind,
        "refused",
        "a name that leads home"
    );
    origin.serve("/feed", Reply::ok(FEED));
    document(visit(&narrow, &named).await);
}

#[tokio::test]
async fn what_is_not_whole_is_not_taken() {
    let long = FEED.repeat(50);
    let cases: [(&str, Reply, &str); 10] = [
        (
            "short",
            Reply::ok(&*long).claiming(9000).cut_after(500),
            "truncated",
        ),
        (
            "claims more",
            Reply::ok(&*long).claiming(90_000),
            "truncated",
        ),
        (
            "no last chunk",
            Reply::ok(&*long).chunked().cut_after(500),
            "truncated",
        ),
        (
            "cut gzip",
            Reply::ok(&*long).gzip().without_last(20),
            "truncated",
        ),
        (
            "cut brotli",
            Reply::ok(&*long).brotli().without_last(9),
            "truncated",
        ),
        ("empty", Reply::ok(""), "empty"),
        ("empty gzip", Reply::ok("").gzip(), "empty"),
        (
            "lying gzip",
            Reply::ok(&*long).header("Content-Encoding", "gzip"),
            "encoding",
        ),
        (
            "deflate",
            Reply::ok(&*long).header("Content-Encoding", "deflate"),
            "encoding",
        ),
        ("reset", Reply::ok(FEED).reset(), "connect"),
    ];
    let (origin, fetcher) = (Origin::start().await, fetcher());
    for (name, reply, kind) in cases {
        origin.serve("/feed", reply.etag("\"bad\""));
        let failed = failure(visit(&fetcher, &origin.url("/feed")).await);
        assert_eq!(failed.fault.kind, kind, "{name}: {}", failed.fault.text);
    }
}

#[tokio::test]
async fn old_and_odd_http_is_taken() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                   6\r\n<rss/>\r\n0\r\nX-Sum: 1\r\n\r\n";
    let folded = "HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\nNo colon here\r\nETag : \"e\"\r\n\
                  Content-Length: 6\r\n\r\n<rss/>";
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n";
    let cases: [(&str, Reply); 9] = [
        ("HTTP/1.0", Reply::ok("<rss/>").http10()),
        ("until close", Reply::ok("<rss/>").until_close()),
        ("trailers", Reply::raw(chunked)),
        ("103 first", Reply::ok("<rss/>").preceded_by(early)),
        ("untidy head", Reply::raw(folded)),
        ("gzip", Reply::ok("<rss/>").gzip()),
        ("brotli", Reply::ok("<rss/>").brotli()),
        ("203", Reply::ok("<rss/>").with_status(203)),
        ("x-gzip, in chunks", Reply::ok("<rss/>").gzip().chunked()),
    ];
    let (origin, fetcher) = (Origin::start().await, fetcher());
    for (name, reply) in cases {
        origin.serve(
            "/feed",
            reply.header("Content-Type", "application/octet-stream"),
        );
        let (document, answer) = document(visit(&fetcher, &origin.url("/feed")).await);
        assert_eq!(document.body, "<rss/>", "{name}");
        assert!(answer.bytes > 0);
        assert_eq!(answer.framed, !["HTTP/1.0", "until close"].contains(&name));
    }
}

#[tokio::test]
async fn bodies_and_heads_have_limits() {
    let fetcher = Fetcher::new(Options {
        max_body: 1 << 20,
        ..options()
    })
    .unwrap();
    let origin = Origin::start().await;
    let bomb = Reply::ok(vec![b' '; 64 << 20]);
    let noise: Vec<u8> = (0..300_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let cases: [(&str, Reply); 7] = [
        ("gzip bomb", bomb.clone().gzip()),
        ("brotli bomb", bomb.brotli()),
        ("announced", Reply::ok("<rss/>").claiming(50 << 20)),
        ("endless", Reply::ok(vec![b'x'; 60_000]).endless()),
        ("compressed, too large on the wire", Reply::ok(noise).gzip()),
        ("endless head", Reply::ok("<rss/>").endless_head()),
        (
            "large head",
            (0..80).fold(Reply::ok("<rss/>"), |reply, n| {
                reply.header(&format!("X-{n}"), "y".repeat(1000))
            }),
        ),
    ];
    for (name, reply) in cases {
        origin.serve("/feed", reply);
        let before = origin.sent();
        let failed = failure(visit(&fetcher, &origin.url("/feed")).await);
        assert_eq!(
            failed.fault.kind, "too-large",
            "{name}: {}",
            failed.fault.text
        );
        // What lies in socket buffers counts as sent.
        let sent = origin.sent() - before;
        assert!(sent < 12 << 20, "{name}: {sent}");
    }
    let mut own = source(&origin.url("/feed"));
    own.manner_mut().max_body = Some(10);
    origin.serve("/feed", Reply::ok(FEED));
    let failed = failure(fetcher.fetch(&own, &SourceState::default(), NOW).await);
    assert_eq!(failed.fault.text, "it is larger than 10 bytes");
}

#[tokio::test]
async fn slow_origins_are_left_in_time() {
    let tick = Duration::from_millis(40);
    let long = FEED.repeat(20);
    let cases: [(&str, Reply); 6] = [
        ("no head", Reply::ok(FEED).never()),
        ("late head", Reply::ok(FEED).after(Duration::from_mins(1))),
        ("dribbled head", Reply::ok(FEED).dribble_head(tick)),
        ("dribbled body", Reply::ok(&*long).dribble(tick)),
        ("stalled body", Reply::ok(&*long).stall_after(100)),
        ("stalled gzip", Reply::ok(&*long).gzip().stall_after(30)),
    ];
    let fetcher = impatient();
    for (name, reply) in cases {
        let origin = Origin::start().await;
        origin.serve("/feed", reply);
        let begun = Instant::now();
        let failed = failure(visit(&fetcher, &origin.url("/feed")).await);
        assert_eq!(
            failed.fault.kind, "timeout",
            "{name}: {}",
            failed.fault.text
        );
        // The head may also take as long as a connection may.
        let most = PATIENCE + Duration::from_secs(3);
        assert!(begun.elapsed() < most, "{name}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn nobody_at_home_is_told_in_words() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let failed = failure(visit(&fetcher(), &format!("http://127.0.0.1:{port}/feed")).await);
    assert_eq!(failed.fault.kind, "connect");
    assert_eq!(failed.fault.text, "the connection was refused");
    assert!(failed.silent, "it may be a gate of our own that refuses");
    assert_eq!(
        failed.fault.url.unwrap(),
        format!("http://127.0.0.1:{port}/feed")
    );
}

#[tokio::test]
async fn failures_tell_status_hop_and_patience() {
    let origin = Origin::start().await;
    origin.serve("/feed", Reply::redirect(301, "/busy"));
    origin.serve("/busy", Reply::status(429).header("Retry-After", "120"));
    let failed = failure(visit(&fetcher(), &origin.url("/feed")).await);
    assert_eq!(failed.fault.status, Some(429));
    assert_eq!(failed.fault.text, "it answered 429 Too Many Requests");
    assert_eq!(failed.fault.url.unwrap(), origin.url("/busy"));
    assert_eq!(failed.hops.len(), 1);
    let wait = failed.retry_after.unwrap().since(NOW);
    assert!((120..125).contains(&wait.as_secs()));
}

#[tokio::test]
async fn a_host_never_has_more_than_its_share_of_connections() {
    let origin = Origin::start().await;
    for n in 0..12 {
        let reply = Reply::ok(FEED).after(Duration::from_millis(20));
        origin.serve(&format!("/{n}"), reply);
    }
    let fetcher = Fetcher::new(Options {
        per_host: HostLimits {
            at_once: 2,
            spacing: Duration::ZERO,
        },
        ..options()
    })
    .unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    let fetcher = Arc::new(fetcher);
    for n in 0..6 {
        let (fetcher, url) = (Arc::clone(&fetcher), origin.url(&format!("/{n}")));
        waiting.spawn(async move { document(visit(&fetcher, &url).await) });
    }
    waiting.join_all().await;
    assert!(
        origin.most_connections() <= 2,
        "{}",
        origin.most_connections()
    );
}

#[tokio::test]
async fn many_endless_bodies_share_the_memory_that_there_is() {
    let origin = Origin::start().await;
    origin.serve("/endless", Reply::ok(vec![b'x'; 64 << 10]).endless());
    let fetcher = Arc::new(
        Fetcher::new(Options {
            per_host: HostLimits {
                at_once: 64,
                spacing: Duration::ZERO,
            },
            ..options()
        })
        .unwrap(),
    );
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (fetcher, url) = (Arc::clone(&fetcher), origin.url("/endless"));
        waiting.spawn(async move { failure(visit(&fetcher, &url).await) });
    }
    let failures = waiting.join_all().await;
    assert!(
        failures
            .iter()
            .all(|failed| failed.fault.kind == "too-large")
    );
    // Each was let to its limit, one after the other if need be.
    assert!(failures.iter().all(|failed| failed.bytes > 30 << 20));
}

#[tokio::test]
async fn a_proxy_is_asked_where_one_is_configured() {
    let proxy = Origin::start().await;
    let target = "http://feeds.example/feed?x=1";
    proxy.serve(target, Reply::ok(FEED));
    let mut distant = source(target);
    let address = proxy.url("").replace("http://", "http://user:pass@");
    distant.manner_mut().proxy = Some(Proxy::Url(Secret::new(address)));
    document(
        fetcher()
            .fetch(&distant, &SourceState::default(), NOW)
            .await,
    );
    let asked = &proxy.requests(target)[0];
    assert_eq!(asked.header("host").as_deref(), Some("feeds.example"));
    assert_eq!(
        asked.header("proxy-authorization").as_deref(),
        Some("Basic dXNlcjpwYXNz")
    );
    // A private address is no business of the proxy either.
    distant.url = "http://10.0.0.1/".to_owned();
    let failed = failure(
        fetcher()
            .fetch(&distant, &SourceState::default(), NOW)
            .await,
    );
    assert_eq!(failed.fault.kind, "refused");
}

struct Tls {
    config: Arc<rustls::ServerConfig>,
    pem: String,
}

/// A certificate for 127.0.0.1 that nobody trusts yet.
fn tls() -> Tls {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Tls {
        config: Arc::new(config),
        pem: made.cert.pem(),
    }
}

#[tokio::test]
async fn untrusted_certificates_get_no_request() {
    let tls = tls();
    let origin = Origin::tls("127.0.0.1", Arc::clone(&tls.config)).await;
    origin.serve("/feed", Reply::ok(FEED));
    let url = origin.url("/feed");
    let failed = failure(visit(&fetcher(), &url).await);
    assert_eq!(failed.fault.kind, "tls", "{}", failed.fault.text);
    assert_eq!(origin.count("/feed"), 0);

    let home = tempfile::tempdir().unwrap();
    let ca_file = home.path().join("ca.pem");
    std::fs::write(&ca_file, &tls.pem).unwrap();
    let mut trusting = source(&url);
    trusting.manner_mut().ca_file = Some(ca_file);
    document(
        fetcher()
            .fetch(&trusting, &SourceState::default(), NOW)
            .await,
    );
    let mut careless = source(&url);
    careless.manner_mut().accept_invalid_certs = true;
    document(
        fetcher()
            .fetch(&careless, &SourceState::default(), NOW)
            .await,
    );
    assert_eq!(origin.count("/feed"), 2);

    trusting.manner_mut().ca_file = Some(home.path().join("missing.pem"));
    let failed = failure(
        fetcher()
            .fetch(&trusting, &SourceState::default(), NOW)
            .await,
    );
    assert_eq!(failed.fault.kind, "setting");
}

#[tokio::test]
async fn a_source_may_be_kept_to_http_1() {
    let tls = tls();
    let mut config = rustls::ServerConfig::clone(&tls.config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let origin = Origin::tls("127.0.0.1", Arc::new(config)).await;
    origin.serve("/feed", Reply::ok(FEED));
    let mut careless = source(&origin.url("/feed"));
    careless.manner_mut().accept_invalid_certs = true;
    // The origin promises HTTP/2 and cannot speak it.
    let state = SourceState::default();
    failure(impatient().fetch(&careless, &state, NOW).await);
    careless.manner_mut().http1_only = true;
    document(fetcher().fetch(&careless, &state, NOW).await);
}

/// A SOCKS5 server (RFC 1928) for one connection; gives what it was asked to connect to.
async fn socks(to: std::net::SocketAddr) -> (String, tokio::task::JoinSet<Vec<u8>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    let mut asked = tokio::task::JoinSet::new();
    asked.spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 2];
        client.read_exact(&mut greeting).await.unwrap();
        let mut methods = vec![0; usize::from(greeting[1])];
        client.read_exact(&mut methods).await.unwrap();
        client.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 5];
        client.read_exact(&mut request).await.unwrap();
        assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name");
        let mut name = vec![0; usize::from(request[4]) + 2];
        client.read_exact(&mut name).await.unwrap();
        let answer = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        client.write_all(&answer).await.unwrap();
        let mut origin = tokio::net::TcpStream::connect(to).await.unwrap();
        // It ends when either side does.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
        name.truncate(name.len() - 2);
        name
    });
    (url, asked)
}

#[tokio::test]
async fn a_socks_proxy_is_asked_by_name() {
    let origin = Origin::start().await;
    origin.serve("/feed", Reply::ok(FEED));
    let (url, mut asked) = socks(origin.address()).await;
    let mut distant = source("http://feeds.example/feed");
    distant.manner_mut().proxy = Some(Proxy::Url(Secret::new(url)));
    let state = SourceState::default();
    let fetcher = fetcher();
    document(fetcher.fetch(&distant, &state, NOW).await);
    let host = origin.requests("/feed")[0].header("host");
    assert_eq!(host.as_deref(), Some("feeds.example"));
    drop(fetcher);
    drop(origin);
    let name = asked.join_next().await.unwrap().unwrap();
    assert_eq!(name, b"feeds.example");
}

#[tokio::test]
async fn https_never_leads_to_http() {
    let tls = tls();
    let secure = Origin::tls("127.0.0.1", Arc::clone(&tls.config)).await;
    let plain = Origin::start().await;
    plain.serve("/feed", Reply::ok(FEED));
    secure.serve("/feed", Reply::redirect(301, plain.url("/feed")));
    let mut careless = source(&secure.url("/feed"));
    careless.manner_mut().accept_invalid_certs = true;
    let failed = failure(
        fetcher()
            .fetch(&careless, &SourceState::default(), NOW)
            .await,
    );
    assert_eq!(failed.fault.kind, "refused");
    assert_eq!(plain.count("/feed"), 0);
    // The other way is welcome.
    secure.serve("/feed", Reply::ok(FEED));
    plain.serve("/up", Reply::redirect(301, secure.url("/feed")));
    careless.url = plain.url("/up");
    document(
        fetcher()
            .fetch(&careless, &SourceState::default(), NOW)
            .await,
    );
}

#[tokio::test]
async fn files_and_programs_are_sources_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("feed.xml");
    std::fs::write(&path, FEED).unwrap();
    let mut file = source(path.to_str().unwrap());
    file.kind = SourceKind::File;
    let fetcher = fetcher();
    let (found, answer) = document(fetcher.fetch(&file, &SourceState::default(), NOW).await);
    assert_eq!(found.body, FEED);
    let again = fetcher
        .fetch(&file, &remembered(answer.validators), NOW)
        .await;
    assert!(matches!(again, Fetched::NotModified(_)));

    let mut exec = source("");
    exec.kind = SourceKind::Exec(vec![
        "/bin/cat".to_owned(),
        path.to_str().unwrap().to_owned(),
    ]);
    let (found, _) = document(fetcher.fetch(&exec, &SourceState::default(), NOW).await);
    assert_eq!(found.body, FEED);
    exec.kind = SourceKind::Exec(vec!["/bin/sleep".to_owned(), "1000".to_owned()]);
    let failed = failure(impatient().fetch(&exec, &SourceState::default(), NOW).await);
    assert_eq!(failed.fault.kind, "timeout");
}

#[tokio::test]
async fn a_domain_with_its_own_manners_is_met_with_them() {
    let origin = Origin::start().await;
    for path in ["/a", "/b", "/c"] {
        let reply = Reply::ok(FEED).after(Duration::from_millis(30));
        origin.serve(path, reply);
    }
    let own = HostLimits {
        at_once: 1,
        spacing: Duration::ZERO,
    };
    let fetcher = Fetcher::new(Options {
        site: BTreeMap::from([("127.0.0.1".to_owned(), own)]),
        ..options()
    })
    .unwrap();
    let urls = ["/a", "/b", "/c"].map(|path| origin.url(path));
    let (a, b, c) = tokio::join!(
        visit(&fetcher, &urls[0]),
        visit(&fetcher, &urls[1]),
        visit(&fetcher, &urls[2])
    );
    for fetched in [a, b, c] {
        document(fetched);
    }
    assert_eq!(origin.most_connections(), 1);
}
