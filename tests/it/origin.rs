//! An origin server on loopback that does what tests tell it, however badly behaved, and remembers who asked for what.
//!
//! ```ignore
//! let origin = Origin::start().await;
//! origin.serve("/feed", Reply::ok("<rss/>").header("ETag", "\"1\"").conditional());
//! // … somebody visits origin.url("/feed") …
//! assert_eq!(origin.requests("/feed")[0].header("if-none-match"), None);
//! ```
//!
//! What it serves can be changed at any time. [`Origin::at`] takes another loopback address, which is another host.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggd::clock::{Clock, SystemClock};
use aggd::model::time::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `GET`, one hopes.
    pub(crate) method: String,
    /// Path and query as sent.
    pub(crate) target: String,
    /// Lines of the head in order, names in lower case, values byte for byte.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// By the clock of the test.
    pub(crate) at: Timestamp,
}

impl Asked {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.header_bytes(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// A header as it came.
    pub(crate) fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Asked only for what changed.
    pub(crate) fn is_conditional(&self) -> bool {
        self.header("if-none-match").is_some() || self.header("if-modified-since").is_some()
    }
}

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// `Content-Length`, true or not.
    Length(Option<u64>),
    Chunked,
    /// The end of the connection.
    Close,
}

/// What the body does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    /// The connection ends after so many bytes, without what framing demands.
    Cut(usize),
    /// Nothing more comes after so many bytes; the connection stays.
    Stall(usize),
    /// One byte at a time.
    Dribble(Duration),
    /// The body again and again.
    Endless,
}

/// What the head does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadManner {
    Plain,
    After(Duration),
    Never,
    Dribble(Duration),
    /// Lines without end.
    Endless,
    Reset,
}

/// An answer, however odd.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    version: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    body: Arc<Vec<u8>>,
    framing: Framing,
    manner: Manner,
    head: HeadManner,
    conditional: bool,
    before: Vec<u8>,
    raw: Option<Arc<Vec<u8>>>,
}

impl Reply {
    /// 200 with a body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: Arc::new(body.into()),
            ..Self::status(200)
        }
    }

    /// A status without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: Arc::default(),
            framing: Framing::Length(None),
            manner: Manner::Plain,
            head: HeadManner::Plain,
            conditional: false,
            before: Vec::new(),
            raw: None,
        }
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, to: impl AsRef<[u8]>) -> Self {
        Self::status(status).header("Location", to)
    }

    /// These bytes and nothing else, then the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: Some(Arc::new(bytes.into())),
            ..Self::status(0)
        }
    }

    /// One more line in the head.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// `ETag`.
    pub(crate) fn etag(self, etag: &str) -> Self {
        self.header("ETag", etag)
    }

    /// 304 for those who have the `ETag` or the `Last-Modified` of this reply.
    pub(crate) fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Another status for the same body.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// `Content-Length: n`, whatever the body is.
    pub(crate) fn claiming(mut self, length: u64) -> Self {
        self.framing = Framing::Length(Some(length));
        self
    }

    /// In chunks.
    pub(crate) fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Without a length: the connection ends with the body.
    pub(crate) fn until_close(mut self) -> Self {
        self.framing = Framing::Close;
        self
    }

    /// As HTTP/1.0.
    pub(crate) fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self.until_close()
    }

    /// Compressed, and said so.
    pub(crate) fn gzip(mut self) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&self.body).unwrap();
        self.body = Arc::new(encoder.finish().unwrap());
        self.header("Content-Encoding", "gzip")
    }

    /// Compressed with brotli, and said so.
    pub(crate) fn brotli(mut self) -> Self {
        let mut out = Vec::new();
        {
            let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
            encoder.write_all(&self.body).unwrap();
        }
        self.body = Arc::new(out);
        self.header("Content-Encoding", "br")
    }

    /// The last `n` bytes of the body are missing, framing as if they were not there.
    pub(crate) fn without_last(mut self, n: usize) -> Self {
        let keep = self.body.len().saturating_sub(n);
        self.body = Arc::new(self.body[..keep].to_vec());
        self
    }

    /// The connection ends after `n` bytes of the body.
    pub(crate) fn cut_after(mut self, n: usize) -> Self {
        self.manner = Manner::Cut(n);
        self
    }

    /// Nothing more comes after `n` bytes of the body.
    pub(crate) fn stall_after(mut self, n: usize) -> Self {
        self.manner = Manner::Stall(n);
        self
    }

    /// The body comes a byte at a time.
    pub(crate) fn dribble(mut self, every: Duration) -> Self {
        self.manner = Manner::Dribble(every);
        self
    }

    /// The body comes again and again, in chunks, without end.
    pub(crate) fn endless(mut self) -> Self {
        self.manner = Manner::Endless;
        self.chunked()
    }

    /// The head comes later.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.head = HeadManner::After(wait);
        self
    }

    /// No head ever comes.
    pub(crate) fn never(mut self) -> Self {
        self.head = HeadManner::Never;
        self
    }

    /// The head comes a byte at a time.
    pub(crate) fn dribble_head(mut self, every: Duration) -> Self {
        self.head = HeadManner::Dribble(every);
        self
    }

    /// The head has no end.
    pub(crate) fn endless_head(mut self) -> Self {
        self.head = HeadManner::Endless;
        self
    }

    /// The connection is closed without an answer.
    pub(crate) fn reset(mut self) -> Self {
        self.head = HeadManner::Reset;
        self
    }

    /// These bytes come first (a 103, say).
    pub(crate) fn preceded_by(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before = bytes.into();
        self
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    fn is_known_to(&self, asked: &Asked) -> bool {
        let same = |ours: &str, theirs: &str| {
            let ours = self.value(ours);
            ours.is_some() && ours == asked.header_bytes(theirs)
        };
        self.conditional
            && if asked.header("if-none-match").is_some() {
                same("etag", "if-none-match")
            } else {
                same("last-modified", "if-modified-since")
            }
    }

    fn not_modified(&self) -> Self {
        Self {
            headers: self
                .headers
                .iter()
                .filter(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"))
                .cloned()
                .collect(),
            ..Self::status(304)
        }
    }
}

/// One item of [`rss`].
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    guid: String,
    title: String,
    link: String,
    published: Option<Timestamp>,
    description: String,
}

/// An item with this guid, and everything else made from it.
pub(crate) fn entry(guid: &str) -> Entry {
    Entry {
        guid: guid.to_owned(),
        title: format!("Title of {guid}"),
        link: format!("http://site.example/{guid}"),
        published: None,
        description: format!("What {guid} has to say, in a sentence of its own."),
    }
}

impl Entry {
    /// Another headline.
    pub(crate) fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// Another link.
    pub(crate) fn link(mut self, link: &str) -> Self {
        link.clone_into(&mut self.link);
        self
    }

    /// Another text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// A date.
    pub(crate) fn published(mut self, at: Timestamp) -> Self {
        self.published = Some(at);
        self
    }
}

/// An RSS document.
pub(crate) fn rss(title: &str, entries: &[Entry]) -> String {
    let items: Vec<String> = entries.iter().map(item).collect();
    rss_with(title, "", &items.concat())
}

fn item(entry: &Entry) -> String {
    let date = entry.published.map_or_else(String::new, |at| {
        format!("<pubDate>{}</pubDate>", at.to_rfc822())
    });
    format!(
        "<item><guid isPermaLink=\"false\">{}</guid><title>{}</title><link>{}</link>{date}\
         <description>{}</description></item>\n",
        entry.guid, entry.title, entry.link, entry.description
    )
}

/// An RSS document with more in its channel.
pub(crate) fn rss_with(title: &str, channel: &str, items: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" \
         xmlns:sy=\"http://purl.org/rss/1.0/modules/syndication/\"><channel>\n\
         <title>{title}</title><link>http://site.example/</link>\
         <description>A feed.</description>{channel}\n{items}</channel></rss>\n"
    )
}

type Script = Box<dyn Fn(&Asked, usize) -> Reply + Send + Sync>;

struct Inner {
    clock: Mutex<Arc<dyn Clock>>,
    scripts: Mutex<HashMap<String, Script>>,
    asked: Mutex<Vec<Asked>>,
    news: watch::Sender<usize>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    ever_open: AtomicUsize,
    sent: AtomicUsize,
}

/// The server. It ends when this is dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    scheme: &'static str,
    inner: Arc<Inner>,
    stop: CancellationToken,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Origin {
    /// On 127.0.0.1.
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1").await
    }

    /// On another loopback address: another host.
    pub(crate) async fn at(address: &str) -> Self {
        Self::with(address, None).await
    }

    /// With a certificate.
    pub(crate) async fn tls(address: &str, config: Arc<rustls::ServerConfig>) -> Self {
        Self::with(address, Some(config)).await
    }

    async fn with(address: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let origin = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            inner: Arc::new(Inner {
                clock: Mutex::new(Arc::new(SystemClock)),
                scripts: Mutex::default(),
                asked: Mutex::default(),
                news: watch::Sender::new(0),
                open: AtomicUsize::new(0),
                most_open: AtomicUsize::new(0),
                ever_open: AtomicUsize::new(0),
                sent: AtomicUsize::new(0),
            }),
            stop: CancellationToken::new(),
        };
        let (inner, stop) = (Arc::clone(&origin.inner), origin.stop.clone());
        let tasks = TaskTracker::new();
        let tls = tls.map(tokio_rustls::TlsAcceptor::from);
        tasks.clone().spawn(async move {
            let accept = async {
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        continue;
                    };
                    // Else a short answer waits for the acknowledgement of the one before.
                    stream.set_nodelay(true).unwrap();
                    let (inner, stop, tls) = (Arc::clone(&inner), stop.clone(), tls.clone());
                    tasks.spawn(async move {
                        let open = Open::new(&inner);
                        let serve = async {
                            match tls {
                                None => converse(stream, &inner).await,
                                Some(tls) => match tls.accept(stream).await {
                                    Ok(stream) => converse(stream, &inner).await,
                                    Err(error) => Err(error),
                                },
                            }
                        };
                        tokio::select! {
                            // The other side may go away at any time.
                            _ = serve => {}
                            () = stop.cancelled() => {}
                        }
                        drop(open);
                    });
                }
            };
            tokio::select! {
                () = accept => {}
                () = stop.cancelled() => {}
            }
        });
        origin
    }

    /// Requests are remembered with the time of this clock.
    pub(crate) fn keep_time(&self, clock: Arc<dyn Clock>) {
        *self.inner.clock.lock().unwrap() = clock;
    }

    /// The address of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this path is answered so. Paths include the query.
    pub(crate) fn serve(&self, path: &str, reply: Reply) {
        self.script(path, move |_, _| reply.clone());
    }

    /// The first request gets the first reply, and so on; the last reply stays.
    pub(crate) fn serve_each(&self, path: &str, replies: Vec<Reply>) {
        self.script(path, move |_, number| {
            replies[number.min(replies.len() - 1)].clone()
        });
    }

    /// A feed with an `ETag` made of its content, and 304 for those who have it.
    pub(crate) fn feed(&self, path: &str, entries: &[Entry]) {
        let body = rss("Feed", entries);
        let etag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(body.as_bytes()));
        self.serve(
            path,
            Reply::ok(body)
                .header("Content-Type", "application/rss+xml")
                .etag(&etag)
                .conditional(),
        );
    }

    /// Whatever it takes: the request, and how many came for this path before since this script was set.
    pub(crate) fn script(
        &self,
        path: &str,
        script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) {
        let count = AtomicUsize::new(0);
        self.inner.scripts.lock().unwrap().insert(
            path.to_owned(),
            Box::new(move |asked, _| script(asked, count.fetch_add(1, Ordering::SeqCst))),
        );
    }

    /// What was asked of a path, in order.
    pub(crate) fn requests(&self, path: &str) -> Vec<Asked> {
        let asked = self.inner.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| asked.target == path)
            .cloned()
            .collect()
    }

    /// What was asked of any path, in order.
    pub(crate) fn all_requests(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests(path).len()
    }

    /// Forgets what was asked, and gives how often that was: for runs that are longer than a test.
    #[allow(dead_code, reason = "only the soak runs that long")]
    pub(crate) fn forget_requests(&self) -> usize {
        std::mem::take(&mut *self.inner.asked.lock().unwrap()).len()
    }

    /// Waits until so many requests have come in all.
    pub(crate) async fn asked(&self, count: usize) {
        let mut news = self.inner.news.subscribe();
        news.wait_for(|asked| *asked >= count).await.unwrap();
    }

    /// The most connections that were open at once.
    pub(crate) fn most_connections(&self) -> usize {
        self.inner.most_open.load(Ordering::SeqCst)
    }

    /// All connections that ever were.
    pub(crate) fn connections(&self) -> usize {
        self.inner.ever_open.load(Ordering::SeqCst)
    }

    /// Body bytes that were sent.
    pub(crate) fn sent(&self) -> usize {
        self.inner.sent.load(Ordering::SeqCst)
    }
}

struct Open<'a>(&'a Inner);

impl<'a> Open<'a> {
    fn new(inner: &'a Inner) -> Self {
        let now = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_open.fetch_max(now, Ordering::SeqCst);
        inner.ever_open.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    inner: &Inner,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(mut asked) = read_head(&mut stream, &mut buffer).await? {
        asked.at = inner.clock.lock().unwrap().now();
        inner.asked.lock().unwrap().push(asked.clone());
        inner.news.send_modify(|count| *count += 1);
        let reply = {
            let scripts = inner.scripts.lock().unwrap();
            scripts
                .get(&asked.target)
                .map_or_else(|| Reply::status(404), |script| script(&asked, 0))
        };
        let reply = if reply.is_known_to(&asked) {
            reply.not_modified()
        } else {
            reply
        };
        if !send(&mut stream, &reply, inner).await? {
            stream.shutdown().await?;
            return Ok(());
        }
    }
    Ok(())
}

async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Asked>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..end + 4).collect();
    let mut lines: VecDeque<&[u8]> = head[..end].split(|b| *b == b'\n').collect();
    let first = String::from_utf8_lossy(lines.pop_front().unwrap_or_default()).into_owned();
    let mut words = first.split(' ');
    Ok(Some(Asked {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
        headers: lines
            .iter()
            .filter_map(|line| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let colon = line.iter().position(|b| *b == b':')?;
                let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
                Some((name, line[colon + 1..].trim_ascii().to_vec()))
            })
            .collect(),
        at: Timestamp::EPOCH,
    }))
}

/// Sends a reply; true if the connection can be used again.
async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    reply: &Reply,
    inner: &Inner,
) -> io::Result<bool> {
    if let Some(raw) = &reply.raw {
        stream.write_all(raw).await?;
        return Ok(false);
    }
    let head = head_of(reply);
    stream.write_all(&reply.before).await?;
    match reply.head {
        HeadManner::Plain => stream.write_all(&head).await?,
        HeadManner::After(wait) => {
            tokio::time::sleep(wait).await;
            stream.write_all(&head).await?;
        }
        HeadManner::Never => return std::future::pending().await,
        HeadManner::Reset => return Ok(false),
        HeadManner::Dribble(every) => {
            for byte in &head {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(every).await;
            }
        }
        HeadManner::Endless => {
            stream.write_all(&head[..head.len() - 2]).await?;
            let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
            loop {
                stream.write_all(line.as_bytes()).await?;
                inner.sent.fetch_add(line.len(), Ordering::SeqCst);
            }
        }
    }
    send_body(stream, reply, inner).await
}

fn head_of(reply: &Reply) -> Vec<u8> {
    let mut head = format!("{} {} Whatever\r\n", reply.version, reply.status).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    for (name, value) in &reply.headers {
        line(name, value);
    }
    match reply.framing {
        // A 304 has no body and tells no length.
        _ if reply.status == 304 => {}
        Framing::Length(length) => {
            let length = length.unwrap_or(reply.body.len() as u64);
            line("Content-Length", length.to_string().as_bytes());
        }
        Framing::Chunked => line("Transfer-Encoding", b"chunked"),
        Framing::Close => line("Connection", b"close"),
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn send_body(
    stream: &mut (impl AsyncWrite + Unpin),
    reply: &Reply,
    inner: &Inner,
) -> io::Result<bool> {
    if reply.status == 304 {
        return Ok(true);
    }
    let chunked = reply.framing == Framing::Chunked;
    let mut piece = async |bytes: &[u8]| {
        if chunked && !bytes.is_empty() {
            stream
                .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
                .await?;
            stream.write_all(bytes).await?;
            stream.write_all(b"\r\n").await?;
        } else {
            stream.write_all(bytes).await?;
        }
        stream.flush().await?;
        inner.sent.fetch_add(bytes.len(), Ordering::SeqCst);
        io::Result::Ok(())
    };
    match reply.manner {
        Manner::Plain => {
            for bytes in reply.body.chunks(64 << 10) {
                piece(bytes).await?;
            }
        }
        Manner::Cut(n) => {
            piece(&reply.body[..n.min(reply.body.len())]).await?;
            return Ok(false);
        }
        Manner::Stall(n) => {
            piece(&reply.body[..n.min(reply.body.len())]).await?;
            return std::future::pending().await;
        }
        Manner::Dribble(every) => {
            for byte in reply.body.iter() {
                piece(&[*byte]).await?;
                tokio::time::sleep(every).await;
            }
        }
        Manner::Endless => loop {
            piece(&reply.body).await?;
        },
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(match reply.framing {
        Framing::Length(None) | Framing::Chunked => true,
        Framing::Length(Some(_)) | Framing::Close => false,
    })
}
