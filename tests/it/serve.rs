//! What clients see on the wire: validators, codings, methods, limits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aggd::model::source::Secret;
use aggd::publish::{Output, Settings, Token};
use aggd::serve::{self, Listen, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::publish::{Desk, settings};
use super::samples::{Sample, article, hours};

/// A publisher behind a socket.
struct Counter {
    desk: Desk,
    address: SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Counter {
    async fn open(options: serve::Options, settings: Settings, samples: Vec<Sample>) -> Self {
        let desk = Desk::new(settings, samples).await;
        let metrics = desk.metrics.clone();
        let server = Server::bind(
            &options,
            Arc::clone(&desk.publisher),
            metrics,
            Arc::new(|| hours(1)),
        )
        .unwrap();
        let address = server
            .local_addrs()
            .first()
            .copied()
            .unwrap_or(([127, 0, 0, 1], 1).into());
        let stop = CancellationToken::new();
        let serving = server.run(stop.clone(), Duration::from_secs(5));
        let served = tokio_util::task::TaskTracker::new().spawn(serving);
        Self {
            desk,
            address,
            stop,
            served,
        }
    }

    async fn with(samples: Vec<Sample>) -> Self {
        Self::open(options(), settings(), samples).await
    }

    async fn send(&self, request: &[u8]) -> Reply {
        exchange(TcpStream::connect(self.address).await.unwrap(), request).await
    }

    async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(&head(method, target, headers)).await
    }

    async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.ask("GET", target, headers).await
    }

    async fn close(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }
}

fn options() -> serve::Options {
    serve::Options {
        listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
        ..serve::Options::default()
    }
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let fields: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {target} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n{fields}\r\n").into_bytes()
}

/// An answer as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Reply {
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    // A server that refuses may close before everything is read.
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("an answer");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    Reply {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    }
}

#[tokio::test]
async fn addresses_mean_what_they_say() {
    let counter = Counter::with(vec![
        article("a")
            .tag("疫情")
            .tag("node.js")
            .tag("a/b")
            .tag("C++")
            .category("tech"),
    ])
    .await;
    for (target, status) in [
        ("/", 200),
        ("/all.rss", 200),
        ("/tags/疫情.rss", 200),
        ("/tags/%E7%96%AB%E6%83%85.atom", 200),
        ("/tags/%e7%96%ab%e6%83%85", 200),
        ("/tags/node.js", 200),
        ("/tags/node.js.json", 200),
        ("/tags/a%2Fb.rss", 200),
        ("/tags/C++.rss", 200),
        ("/categories/tech.rss", 200),
        ("/sources/blog.rss", 200),
        ("/opml", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/tags/NODE.JS.json", 301),
        ("/feed", 301),
        ("/index.xml?n=2", 301),
        ("/tags/never.rss", 404),
        ("/nothing", 404),
        ("/tags/a%00.rss", 400),
        ("/tags/..%2F..%2Fetc.rss", 400),
        ("/tags/%ff.rss", 400),
        ("/all.rss?n=0", 400),
        ("/all.rss?n=-3", 400),
        ("/all.rss?since=yesterday", 400),
        ("/all.rss?nn=3", 400),
    ] {
        let reply = counter.get(target, &[]).await;
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        if status >= 300 {
            assert!(
                reply.text().ends_with(".\n") || status == 301,
                "{target}: {}",
                reply.text()
            );
            assert!(!reply.text().contains("evil"), "{target}");
        }
    }
    assert_eq!(
        counter.get("/index.xml?n=2", &[]).await.header("location"),
        "https://news.example.org/all.rss?n=2"
    );
    let raw = counter
        .send(b"GET /tags/\xff.rss HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(raw.status, 400);
    let one = counter.get("/tags/疫情.rss", &[]).await;
    let other = counter.get("/tags/%e7%96%ab%E6%83%85.rss", &[]).await;
    assert_eq!(one.body, other.body);
    assert!(!one.text().contains("evil"));
    counter.close().await;
}

#[tokio::test]
async fn every_coding_has_its_validator_and_every_validator_its_304() {
    let counter = Counter::with(vec![article("a")]).await;
    let mut etags = Vec::new();
    for target in ["/all.rss", "/all.atom", "/all.json", "/", "/opml"] {
        for coding in ["", "gzip", "br", "zstd"] {
            let wish: &[(&str, &str)] = if coding.is_empty() {
                &[]
            } else {
                &[("Accept-Encoding", coding)]
            };
            let reply = counter.get(target, wish).await;
            assert_eq!(reply.status, 200);
            assert_eq!(reply.header("content-encoding"), coding, "{target}");
            assert_eq!(reply.header("vary"), "Accept-Encoding");
            assert_eq!(reply.header("content-length"), reply.body.len().to_string());
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            assert_eq!(reply.header("access-control-allow-origin"), "*");
            assert!(
                reply
                    .header("access-control-expose-headers")
                    .contains("ETag")
            );
            assert!(
                reply.header("content-type").ends_with("; charset=utf-8"),
                "{target}"
            );
            assert!(
                reply
                    .header("cache-control")
                    .starts_with("public, max-age="),
                "{target}"
            );
            let etag = reply.header("etag").to_owned();
            assert!(etag.starts_with('"'), "a strong one: {etag}");
            for (name, value, status) in [
                ("If-None-Match", etag.clone(), 304),
                ("If-None-Match", format!("W/{etag}"), 304),
                ("If-None-Match", format!("\"x\", {etag}"), 304),
                ("If-None-Match", "*".to_owned(), 304),
                ("If-None-Match", "\"x\"".to_owned(), 200),
                (
                    "If-Modified-Since",
                    reply.header("last-modified").to_owned(),
                    304,
                ),
                (
                    "If-Modified-Since",
                    "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(),
                    200,
                ),
            ] {
                let mut fields = wish.to_vec();
                fields.push((name, &value));
                let again = counter.get(target, &fields).await;
                assert_eq!(again.status, status, "{target} {coding} {name}: {value}");
                if status == 304 {
                    assert!(again.body.is_empty());
                    for name in ["etag", "cache-control", "vary", "link", "last-modified"] {
                        assert_eq!(again.header(name), reply.header(name), "{target} {name}");
                    }
                    assert_eq!(again.header("content-length"), "");
                }
            }
            let both = [
                ("If-None-Match", "\"x\""),
                ("If-Modified-Since", reply.header("last-modified")),
            ];
            let fields: Vec<(&str, &str)> = wish.iter().copied().chain(both).collect();
            assert_eq!(
                counter.get(target, &fields).await.status,
                200,
                "the validator wins"
            );
            etags.push(etag);
        }
    }
    let distinct: std::collections::HashSet<&String> = etags.iter().collect();
    assert_eq!(distinct.len(), etags.len());
    let refused = counter
        .get("/all.rss", &[("Accept-Encoding", "identity;q=0")])
        .await;
    assert_eq!(refused.status, 406);
    counter.close().await;
}

#[tokio::test]
async fn head_is_get_without_the_body_and_options_tells() {
    let counter = Counter::with(vec![article("a")]).await;
    for target in ["/all.rss", "/", "/healthz", "/nothing"] {
        let get = counter.get(target, &[]).await;
        let head = counter.ask("HEAD", target, &[]).await;
        assert_eq!(head.status, get.status);
        assert!(head.body.is_empty());
        for (name, value) in get.headers.iter().filter(|(name, _)| *name != "date") {
            assert_eq!(head.header(name), value, "{target} {name}");
        }
    }
    let asked = counter
        .ask(
            "OPTIONS",
            "/all.rss",
            &[("Origin", "https://reader.example")],
        )
        .await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), "*");
    assert!(
        asked
            .header("access-control-allow-headers")
            .contains("If-None-Match")
    );
    for method in ["POST", "PUT", "DELETE"] {
        let refused = counter
            .ask(method, "/all.rss", &[("Content-Length", "0")])
            .await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    }
    counter.close().await;
}

#[tokio::test]
async fn a_delta_travels_as_226() {
    let counter = Counter::with((0..9).map(|n| article(&format!("n{n}"))).collect()).await;
    let old = counter.get("/all.atom", &[]).await;
    counter
        .desk
        .commit([article("fresh").founded()], hours(2))
        .await;
    let known = ("If-None-Match", old.header("etag"));
    let delta = counter
        .get("/all.atom", &[known, ("A-IM", "feed, gzip")])
        .await;
    assert_eq!(delta.status, 226);
    assert_eq!(delta.header("im"), "feed");
    assert_eq!(delta.text().matches("<entry").count(), 1);
    let whole = counter.get("/all.atom", &[known]).await;
    assert_eq!(
        (whole.status, whole.header("etag")),
        (200, delta.header("etag"))
    );
    let now = ("If-None-Match", delta.header("etag"));
    assert_eq!(
        counter
            .get("/all.atom", &[now, ("A-IM", "feed")])
            .await
            .status,
        304
    );
    counter.close().await;
}

#[tokio::test]
async fn links_come_from_public_url_and_its_path_is_understood() {
    let mut settings = settings();
    settings.site.public_url = "https://example.org/news/".parse().unwrap();
    let counter = Counter::open(options(), settings, vec![article("a").tag("Rust")]).await;
    for target in ["/tags/Rust.atom", "/news/tags/Rust.atom"] {
        let reply = counter.get(target, &[]).await;
        assert_eq!(reply.status, 200, "{target}");
        assert!(
            reply
                .text()
                .contains("href=\"https://example.org/news/tags/Rust.atom\" rel=\"self\""),
            "{}",
            reply.text()
        );
    }
    let moved = counter.get("/news/feed", &[]).await;
    assert_eq!(moved.header("location"), "https://example.org/news/all.rss");
    counter.close().await;
}

#[tokio::test]
async fn tokens_work_over_the_wire() {
    let mut settings = settings();
    let tokens = vec![Token::of("phone", &Secret::new("open sesame".to_owned()))];
    settings.outputs = vec![Output {
        restricted: true,
        tokens,
        ..Output::new("inner")
    }];
    let counter = Counter::open(options(), settings, vec![article("a").output("inner")]).await;
    let inner = counter.get("/p/open%20sesame/outputs/inner.rss", &[]).await;
    assert_eq!(inner.status, 200);
    assert_eq!(inner.header("cache-control"), "private, max-age=900");
    assert_eq!(
        counter.get("/p/guess/outputs/inner.rss", &[]).await.status,
        404
    );
    assert_eq!(counter.get("/outputs/inner.rss", &[]).await.status, 404);
    counter.close().await;
}

#[tokio::test]
async fn http_2_works_without_tls() {
    let counter = Counter::with(vec![article("a")]).await;
    let client = crate::web::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for _ in 0..3 {
        let reply = client
            .get(format!("http://{}/all.atom", counter.address))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.version(), reqwest::Version::HTTP_2);
        assert_eq!(reply.status(), 200);
        assert!(reply.text().await.unwrap().contains("Title of a"));
    }
    drop(client);
    counter.close().await;
}

#[tokio::test]
async fn it_listens_in_several_places_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("http.sock");
    // What a process that died has left.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut options = options();
    options.listen.push(Listen::Unix(path.clone()));
    let counter = Counter::open(options.clone(), settings(), vec![article("a")]).await;
    assert_eq!(counter.get("/all.rss", &[]).await.status, 200);
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(
        exchange(stream, &head("GET", "/all.rss", &[])).await.status,
        200
    );
    let publisher = Arc::clone(&counter.desk.publisher);
    let taken = Server::bind(
        &options,
        publisher,
        counter.desk.metrics.clone(),
        Arc::new(|| hours(1)),
    );
    assert!(matches!(taken, Err(serve::Error::Listen { .. })));
    counter.close().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits() {
    let options = serve::Options {
        per_client: Some(20),
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..options()
    };
    let counter = Counter::open(options, settings(), vec![article("a")]).await;
    let from = |address: &'static str| ("X-Forwarded-For", address);
    let etag = counter.get("/all.rss", &[]).await.header("etag").to_owned();
    for n in 0..20 {
        assert_eq!(
            counter.get("/all.rss", &[from("9.9.9.9")]).await.status,
            200,
            "{n}"
        );
    }
    let refused = counter.get("/all.rss", &[from("9.9.9.9")]).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    // Others, and this machine itself, are not concerned.
    assert_eq!(
        counter.get("/all.rss", &[from("9.9.9.8")]).await.status,
        200
    );
    assert_eq!(counter.get("/all.rss", &[]).await.status, 200);
    for n in 0..100 {
        let reply = counter
            .get("/all.rss", &[from("7.7.7.7"), ("If-None-Match", &etag)])
            .await;
        assert_eq!(reply.status, 304, "{n}");
    }
    counter.close().await;
}

#[tokio::test]
async fn those_who_only_hold_a_place_lose_it() {
    let options = serve::Options {
        max_connections: 8,
        ..options()
    };
    let counter = Counter::open(options, settings(), vec![article("a")]).await;
    let mut held = Vec::new();
    for n in 0..40 {
        let mut stream = TcpStream::connect(counter.address).await.unwrap();
        // Half of them begin a request and never end it.
        if n % 2 == 0 {
            stream
                .write_all(b"GET /all.rss HTTP/1.1\r\nHost: x\r\nX-A: ")
                .await
                .unwrap();
        }
        held.push(stream);
    }
    for _ in 0..10 {
        let reply =
            tokio::time::timeout(Duration::from_secs(5), counter.get("/all.rss", &[])).await;
        assert_eq!(reply.expect("an answer in time").status, 200);
    }
    counter.close().await;
}

#[tokio::test]
async fn those_who_do_not_take_what_they_asked_for_lose_it_too() {
    let options = serve::Options {
        max_connections: 4,
        ..options()
    };
    let long = article("a").content(&format!("<p>{}</p>", "word ".repeat(200_000)));
    let mut settings = settings();
    settings.options.max_bytes = 4 << 20;
    let counter = Counter::open(options, settings, vec![long]).await;
    assert_eq!(counter.get("/all.rss", &[]).await.status, 200);
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(counter.address).await.unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
        // More than the kernel takes off our hands.
        let asked = b"GET /all.rss HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16);
        stream.write_all(&asked).await.unwrap();
        held.push(stream);
    }
    let newcomer =
        tokio::time::timeout(Duration::from_secs(20), counter.get("/all.rss", &[])).await;
    assert_eq!(newcomer.expect("an answer in time").status, 200);
    counter.close().await;
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let counter = Counter::with(vec![article("a")]).await;
    let long = format!("/all.rss?tag={}", "x".repeat(10_000));
    assert_eq!(counter.get(&long, &[]).await.status, 413);
    let header = "x".repeat(100_000);
    assert_eq!(
        counter.get("/all.rss", &[("X-Long", &header)]).await.status,
        431
    );
    assert_eq!(
        counter
            .get("/all.rss", &[("Content-Length", "99999999")])
            .await
            .status,
        413
    );
    assert_eq!(counter.get("/all.rss", &[]).await.status, 200);
    counter.close().await;
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let counter = Counter::with(vec![article("a")]).await;
    let mut stream = TcpStream::connect(counter.address).await.unwrap();
    let request = b"GET /all.rss HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n";
    // The first one renders; pipelined ones are answered in order.
    for _ in 0..3 {
        stream.write_all(&request.repeat(4)).await.unwrap();
        let mut seen = String::new();
        let mut buffer = [0; 4096];
        while seen.matches("HTTP/1.1 304").count() < 4 {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }
    counter.close().await;
}

#[tokio::test]
async fn figures_are_there_for_who_watches() {
    let counter = Counter::with(vec![article("a"), article("b").also_at("ribao", "c")]).await;
    counter.get("/all.rss", &[]).await;
    let text = counter.get("/metrics", &[]).await.text();
    for line in [
        "aggd_articles 2\n",
        "aggd_sightings 3\n",
        "aggd_requests_total{route=\"feed\",status=\"200\"} 1\n",
        "aggd_render_seconds_count 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(!text.contains("aggd_source_up"));
    assert!(
        counter
            .get("/metrics?sources", &[])
            .await
            .text()
            .contains("aggd_source_up{source=\"blog\"} 0\n")
    );
    counter.close().await;
}

#[tokio::test]
async fn stopping_waits_for_nobody_who_asks_for_nothing() {
    let counter = Counter::with(vec![article("a")]).await;
    let idle = TcpStream::connect(counter.address).await.unwrap();
    let mut used = TcpStream::connect(counter.address).await.unwrap();
    used.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 512];
    assert!(used.read(&mut buffer).await.unwrap() > 0);
    let address = counter.address;
    counter.close().await;
    assert!(TcpStream::connect(address).await.is_err());
    drop((idle, used));
}
