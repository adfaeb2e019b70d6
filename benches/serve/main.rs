//! Readers and sources at the same time: how long a cached feed takes while two thousand sources are polled and two hundred
//! connections read tag feeds, and whether a thousand connections that never finish a request keep anybody out. Then a cached
//! feed of a daemon at rest beside nginx, if it is installed, which hands out the same bytes as a file.
//!
//! `cargo bench --bench serve`: starts the real program on loopback, takes about two minutes, fails if a bar of the first part
//! is broken.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that stops where it cannot go on and says what it found"
)]

mod nginx;
#[path = "../process.rs"]
mod process;
#[path = "../ratio.rs"]
mod ratio;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SOURCES: usize = 2000;
const TAGS: usize = 100;
const READERS: usize = 200;
const SLOW: usize = 1000;
/// Between two requests of one reader.
const PACE: Duration = Duration::from_millis(100);
const MEASURED: Duration = Duration::from_secs(15);
/// The bar for the slowest of a hundred answers.
const BAR: Duration = Duration::from_millis(10);
/// What readers ask with.
const GZIP: &str = "Accept-Encoding: gzip\r\n";

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sources that bring something new at each visit.
async fn origin(visits: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio_util::task::TaskTracker::new().spawn(async move {
        let mut open = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let visits = Arc::clone(&visits);
            open.spawn(async move { answer(stream, &visits).await });
            while open.try_join_next().is_some() {}
        }
    });
    port
}

/// A text of its own: texts that are alike would be one story, and finding that out another measurement.
fn words(seed: &str) -> String {
    let mut text = String::new();
    for n in 0..120 {
        let word = xxhash_rust::xxh3::xxh3_64(format!("{seed} {n}").as_bytes()) % 5000;
        let _ = write!(text, "word{word} ");
    }
    text
}

async fn answer(mut stream: TcpStream, visits: &AtomicU64) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    let mut read = 0;
    while !buffer[..read].ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer[read..]).await? {
            0 => return Ok(()),
            more => read += more,
        }
    }
    let head = String::from_utf8_lossy(&buffer[..read]);
    let source = head
        .split(' ')
        .nth(1)
        .unwrap_or("/")
        .trim_start_matches('/')
        .to_owned();
    let visit = visits.fetch_add(1, Relaxed);
    let mut body = format!(
        "<rss version=\"2.0\"><channel><title>Source {source}</title><link>http://s{source}.example/</link><description/>"
    );
    for item in 0..20 {
        let news = if item == 0 { visit } else { 0 };
        let _ = write!(
            body,
            "<item><title>Story {item} of {source}, {news}</title><guid isPermaLink=\"false\">{source}-{item}-{news}</guid>\
             <link>http://s{source}.example/{item}/{news}</link><description>{}</description></item>",
            words(&format!("{source} {item} {news}"))
        );
    }
    body.push_str("</channel></rss>");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

/// Starts aggd with so many sources, each visited this often.
fn start(dir: &Path, origin: u16, port: u16, sources: usize, every: &str) -> Running {
    let mut toml = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n\
         [poll]\nevery = \"{every}\"\n[fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 64, spacing = \"0s\" }}\n"
    );
    for source in 0..sources {
        let _ = write!(
            toml,
            "[[feed]]\nid = \"s{source}\"\nurl = \"http://127.0.0.1:{origin}/{source}\"\ncategory = \"c{}\"\ntags = [\"t{}\"]\n",
            source % 10,
            source % TAGS
        );
    }
    std::fs::write(dir.join("feeds.toml"), toml).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_aggd"))
        .arg("run")
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Running(child)
}

/// One request over a connection that stays open. The answer is in the buffer then, its body from the place that is given.
async fn get(
    stream: &mut TcpStream,
    path: &str,
    headers: &str,
    buffer: &mut Vec<u8>,
) -> Result<usize, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: aggd\r\n{headers}\r\n");
    let said = |error: std::io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(said)?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await.map_err(said)? == 0 {
            return Err("the connection was closed".to_owned());
        }
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let length = match head.get(9..12) {
            Some("200") => header(&head, "content-length")
                .and_then(|length| length.parse().ok())
                .ok_or("no length")?,
            Some("304") => 0,
            _ => return Err(head.lines().next().unwrap_or_default().to_owned()),
        };
        let body = end + 4;
        while buffer.len() < body + length {
            if stream.read_buf(buffer).await.map_err(said)? == 0 {
                return Err("the body was cut off".to_owned());
            }
        }
        return Ok(body);
    }
}

/// A field of the head of an answer.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// After a while reads some paths again and again until the end; how long each answer took, and what went wrong.
async fn read(
    port: u16,
    paths: Vec<String>,
    wait: Duration,
    pace: Duration,
    end: Instant,
) -> (Vec<Duration>, Vec<String>) {
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    let mut stream = connect(port).await;
    let mut buffer = Vec::new();
    let mut ticks = tokio::time::interval_at((Instant::now() + wait).into(), pace);
    for path in paths.iter().cycle() {
        ticks.tick().await;
        if Instant::now() >= end {
            break;
        }
        let begin = Instant::now();
        match get(&mut stream, path, GZIP, &mut buffer).await {
            Ok(_) => times.push(begin.elapsed()),
            Err(fault) => {
                faults.push(format!("{path}: {fault}"));
                stream = connect(port).await;
            }
        }
    }
    (times, faults)
}

fn share(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// Readers while sources are polled. True if the bars hold.
async fn under_polling(port: u16, visits: &AtomicU64) -> bool {
    // A cached feed is one that somebody asked for before.
    let cached = vec!["/all.atom".to_owned()];
    let mut first = connect(port).await;
    get(&mut first, &cached[0], GZIP, &mut Vec::new())
        .await
        .unwrap();
    let end = Instant::now() + MEASURED;
    let before = visits.load(Relaxed);
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        let path = |step: usize| format!("/tags/t{}.rss", (reader + step * 7) % TAGS);
        let paths = (0..5).map(path).collect();
        // Readers who know nothing of each other do not come in step.
        let wait = PACE * u32::try_from(reader).unwrap() / u32::try_from(READERS).unwrap();
        readers.spawn(read(port, paths, wait, PACE, end));
    }
    let pace = Duration::from_millis(4);
    let (mut times, mut faults) = read(port, cached, Duration::ZERO, pace, end).await;
    let mut tags = Vec::new();
    for (some, more) in readers.join_all().await {
        tags.extend(some);
        faults.extend(more);
    }
    let p99 = share(&mut times, 99);
    println!(
        "{} visits meanwhile; a cached feed: {} answers, half within {:?}, 99 of 100 within {p99:?}, all within {:?}",
        visits.load(Relaxed) - before,
        times.len(),
        share(&mut times, 50),
        share(&mut times, 100),
    );
    println!(
        "tag feeds over {READERS} connections: {} answers, half within {:?}, 99 of 100 within {:?}; {} errors {}",
        tags.len(),
        share(&mut tags, 50),
        share(&mut tags, 99),
        faults.len(),
        faults.first().map_or("", String::as_str),
    );
    let fast = ratio::at_most(
        "serve: ms of 99 in 100 cached answers under polling",
        p99.as_secs_f64() * 1e3,
        BAR.as_secs_f64() * 1e3,
    );
    fast && faults.is_empty()
}

/// Others while many hold a place and never finish a request. True if the bar holds.
async fn beside_slow_ones(port: u16) -> bool {
    let over = Arc::new(AtomicBool::new(false));
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        let over = Arc::clone(&over);
        slow.spawn(async move {
            let mut stream = connect(port).await;
            let _ = stream
                .write_all(b"GET /all.rss HTTP/1.1\r\nHost: x\r\n")
                .await;
            while !over.load(Relaxed) {
                // Those that were cut off come again.
                if stream.write_all(b"X-Slow: 1\r\n").await.is_err() {
                    stream = connect(port).await;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut times = Vec::new();
    let mut faults = 0;
    for _ in 0..100 {
        let begin = Instant::now();
        let asked = async {
            let mut stream = connect(port).await;
            get(&mut stream, "/all.atom", GZIP, &mut Vec::new()).await
        };
        match tokio::time::timeout(Duration::from_secs(5), asked).await {
            Ok(Ok(_)) => times.push(begin.elapsed()),
            _ => faults += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Relaxed);
    slow.abort_all();
    println!(
        "beside {SLOW} that never finish a request: {} of 100 newcomers were answered, 99 of 100 within {:?}",
        times.len(),
        share(&mut times, 99)
    );
    faults == 0
}

/// Waits until there are articles under so many tags: before, their feeds are not found.
async fn until_filled(port: u16, tags: usize) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut asking, mut buffer) = (connect(port).await, Vec::new());
    for tag in 0..tags {
        let path = format!("/tags/t{tag}.rss");
        while get(&mut asking, &path, GZIP, &mut buffer).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            asking = connect(port).await;
        }
    }
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let visits = Arc::new(AtomicU64::new(0));
    let origin = origin(Arc::clone(&visits)).await;
    let port = free_port();
    let running = start(dir.path(), origin, port, SOURCES, "1m");
    until_filled(port, TAGS).await;
    println!(
        "{} of {SOURCES} sources visited when the readers come",
        visits.load(Relaxed)
    );
    let fast = under_polling(port, &visits).await;
    let open = beside_slow_ones(port).await;
    drop(running);
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let at_rest = start(dir.path(), origin, port, TAGS, "1d");
    until_filled(port, TAGS).await;
    nginx::compare(dir.path(), &at_rest, port).await;
    assert!(
        fast,
        "a cached feed is not answered within {BAR:?}, or somebody got an error"
    );
    assert!(open, "somebody was kept out");
}
