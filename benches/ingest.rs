//! What polling costs: `cargo bench --bench ingest -- [--feeds N] [--hosts N] [--entries N] [--spacing TIME]`.
//!
//! Three processes on loopback: an origin with many feeds on many hosts, the real aggd on an empty store, and a bare loop
//! of reqwest that fetches the same addresses, decodes the bodies and throws them away. Three rounds each: all is new,
//! nothing changed (304), one new entry in each feed. Figures are CPU seconds of the process alone; ratios within one
//! run say more than seconds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops where it cannot go on"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of an entry's text.
const TEXT: usize = 3000;
/// Requests that the bare loop has under way: as many as one core keeps busy.
const AT_ONCE: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Size {
    feeds: usize,
    hosts: usize,
    entries: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default| named(name).map_or(default, |text| text.parse().unwrap());
    let size = Size {
        feeds: number("--feeds", 2000),
        hosts: number("--hosts", 200),
        entries: number("--entries", 20),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match named("--part").as_deref() {
        Some("origin") => runtime.block_on(origin(size)),
        Some("bare") => runtime.block_on(bare()),
        _ => measure(size, &named("--spacing").unwrap_or_else(|| "0s".to_owned())),
    }
}

/// A part of this bench in a process of its own; it speaks in lines.
struct Part {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Part {
    fn start(part: &str, size: Size) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--part", part, "--feeds", &size.feeds.to_string()])
            .args(["--hosts", &size.hosts.to_string()])
            .args(["--entries", &size.entries.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(size: Size, spacing: &str) {
    let mut origin = Part::start("origin", size);
    let port = origin.hear();
    let address = |feed: usize| {
        let host = feed % size.hosts;
        format!(
            "http://127.20.{}.{}:{port}/{feed}",
            host / 250,
            host % 250 + 1
        )
    };
    let home = tempfile::tempdir().unwrap();
    let mut text = format!(
        "[server]\nlisten = \"unix:{home}/http.sock\"\npublic_url = \"http://news.example/\"\n[store]\npath = \"{home}/store\"\n\
         [control]\nsocket = \"{home}/control.sock\"\n[poll]\nevery = \"1d\"\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 2, spacing = \"{spacing}\" }}\n",
        home = home.path().display()
    );
    for feed in 0..size.feeds {
        write!(
            text,
            "[[feed]]\nid = \"f{feed}\"\nurl = \"{}\"\n",
            address(feed)
        )
        .unwrap();
    }
    std::fs::write(home.path().join("feeds.toml"), text).unwrap();
    println!(
        "{} feeds on {} hosts, {} entries of some {TEXT} bytes each; spacing {spacing}",
        size.feeds, size.hosts, size.entries
    );
    println!(
        "{:<11} | {:>8} {:>8} {:>9} {:>8} {:>8} | {:>8} {:>8} | {:>6}",
        "round", "aggd s", "CPU s", "feeds/s", "ms/new", "peak MB", "bare s", "CPU s", "× CPU"
    );
    let mut bare = Part::start("bare", size);
    for feed in 0..size.feeds {
        bare.tell(&address(feed));
    }
    bare.tell("");
    let mut aggd = None;
    for (round, new) in [("first", size.entries), ("unchanged", 0), ("one new", 1)] {
        if new == 1 {
            origin.tell("evolve");
            origin.hear();
        }
        bare.tell("go");
        let answer = bare.hear();
        let (loop_time, loop_cpu) = answer.split_once(' ').unwrap();
        let (loop_time, loop_cpu): (f64, f64) =
            (loop_time.parse().unwrap(), loop_cpu.parse().unwrap());
        let begun = Instant::now();
        let asked = |origin: &mut Part| {
            origin.tell("count");
            origin.hear().parse::<usize>().unwrap()
        };
        let before = asked(&mut origin);
        let cpu_before = aggd.as_ref().map_or(0.0, |child: &Aggd| cpu(child.0.id()));
        let running = aggd.get_or_insert_with(|| Aggd::start(home.path()));
        if round == "first" {
            running.until_kept(home.path(), size.feeds);
        } else {
            let fetched = command(home.path())
                .args(["fetch", "--wait", "-q"])
                .output();
            assert!(fetched.unwrap().status.success());
        }
        let (time, used) = (
            begun.elapsed().as_secs_f64(),
            cpu(running.0.id()) - cpu_before,
        );
        assert_eq!(
            asked(&mut origin) - before,
            size.feeds,
            "each was asked once"
        );
        let entries = new * size.feeds;
        println!(
            "{round:<11} | {time:>8.2} {used:>8.2} {:>9.0} {:>8} {:>8} | {loop_time:>8.2} {loop_cpu:>8.2} | {:>6.2}",
            as_f64(size.feeds) / time,
            if entries == 0 {
                String::new()
            } else {
                format!("{:.3}", used * 1e3 / as_f64(entries))
            },
            memory(running.0.id(), "VmHWM"),
            used / loop_cpu
        );
    }
    let running = aggd.unwrap();
    println!(
        "aggd holds {} MB at the end",
        memory(running.0.id(), "VmRSS")
    );
}

/// The real program.
struct Aggd(Child);

impl Drop for Aggd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Aggd {
    fn start(home: &Path) -> Self {
        Self(command(home).args(["run", "-q"]).spawn().unwrap())
    }

    /// Waits until every feed has been visited and what it said is kept.
    fn until_kept(&self, home: &Path, feeds: usize) {
        for _ in 0..3000 {
            std::thread::sleep(Duration::from_millis(100));
            let status = command(home).args(["status", "--json"]).output().unwrap();
            let status: serde_json::Value =
                serde_json::from_slice(&status.stdout).unwrap_or_default();
            if status["pid"] == self.0.id() && status["states"]["ok"] == feeds {
                return;
            }
        }
        panic!("not all feeds are well after five minutes");
    }
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aggd"));
    command.current_dir(home).env_clear().env("HOME", home);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}

/// CPU seconds of a process so far.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / as_f64(usize::try_from(rustix::param::clock_ticks_per_second()).unwrap())
}

/// A line of `/proc/PID/status` in megabytes.
fn memory(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1024
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn as_f64(number: usize) -> f64 {
    number as f64
}

/// The bare loop: addresses come in, a blank line ends them; each `go` is a round, answered with seconds and CPU seconds.
async fn bare() {
    let input = std::io::stdin().lines();
    let mut input = input.map(Result::unwrap);
    let addresses: Vec<String> = input.by_ref().take_while(|line| !line.is_empty()).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(1)
        .tls_certs_only([])
        .build()
        .unwrap();
    let mut tags: Vec<Option<reqwest::header::HeaderValue>> = vec![None; addresses.len()];
    for _ in input {
        let (begun, before) = (Instant::now(), cpu(std::process::id()));
        let mut under_way = tokio::task::JoinSet::new();
        for (feed, address) in addresses.iter().enumerate() {
            if under_way.len() == AT_ONCE {
                let (feed, tag): (usize, _) = under_way.join_next().await.unwrap().unwrap();
                tags[feed] = tag;
            }
            let mut request = client.get(address);
            if let Some(tag) = &tags[feed] {
                request = request.header("if-none-match", tag.clone());
            }
            under_way.spawn(async move {
                let mut response = request.send().await.unwrap();
                let tag = response.headers().get("etag").cloned();
                while let Some(chunk) = response.chunk().await.unwrap() {
                    std::hint::black_box(chunk);
                }
                (feed, tag)
            });
        }
        for (feed, tag) in under_way.join_all().await {
            tags[feed] = tag;
        }
        println!(
            "{} {}",
            begun.elapsed().as_secs_f64(),
            cpu(std::process::id()) - before
        );
    }
}

/// The origin: says its port, then obeys `evolve` (one more entry in each feed) and `count` (requests so far).
async fn origin(size: Size) {
    let version = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let mut port = 0;
    for host in 0..size.hosts {
        let address = format!("127.20.{}.{}", host / 250, host % 250 + 1);
        let listener = TcpListener::bind((address.as_str(), port)).await.unwrap();
        port = listener.local_addr().unwrap().port();
        let (version, asked) = (Arc::clone(&version), Arc::clone(&asked));
        spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (version, asked) = (Arc::clone(&version), Arc::clone(&asked));
                spawn(async move {
                    // Whoever asks may go away at any time.
                    let _ = converse(stream, size.entries, &version, &asked).await;
                });
            }
        });
    }
    println!("{port}");
    let (lines, mut heard) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    while let Some(line) = heard.recv().await {
        if line == "evolve" {
            version.fetch_add(1, Ordering::SeqCst);
        }
        println!("{}", asked.load(Ordering::SeqCst));
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process ends with its standard input, and the tasks with it"
    )]
    tokio::spawn(task);
}

async fn converse(
    mut stream: TcpStream,
    entries: usize,
    version: &AtomicUsize,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head);
        let path = text.split(' ').nth(1).unwrap_or("/0");
        let feed: usize = path[1..].parse().unwrap_or(0);
        let version = version.load(Ordering::SeqCst);
        let tag = format!("\"{feed}-{version}\"");
        asked.fetch_add(1, Ordering::SeqCst);
        let known = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .any(|(name, value)| name.eq_ignore_ascii_case("if-none-match") && value.trim() == tag);
        if known {
            let head = format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            continue;
        }
        let body = document(feed, version, entries);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
}

/// A feed whose entries are told nowhere else; each version has one more than the last, and the oldest falls out.
fn document(feed: usize, version: usize, entries: usize) -> String {
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\"><channel><title>Feed {feed}</title>\
         <link>http://site{feed}.example/</link><description>One of many</description>\n"
    );
    for number in (version..version + entries).rev() {
        let mut words = Words((feed * 100_003 + number * 7 + 1) as u64);
        let title = words.some(40);
        let html = words.html();
        writeln!(
            body,
            "<item><title>{title}</title><link>http://site{feed}.example/{number}</link><guid isPermaLink=\"false\">{feed}-{number}</guid>\
             <pubDate>Sun, {:02} Feb 2026 {:02}:{:02}:00 GMT</pubDate><description><![CDATA[{html}]]></description></item>",
            number / 1440 % 27 + 1,
            number / 60 % 24,
            number % 60
        )
        .unwrap();
    }
    body.push_str("</channel></rss>\n");
    body
}

/// Words from a generator that always says the same.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }

    /// So many bytes of words, at least.
    fn some(&mut self, bytes: usize) -> String {
        const SYLLABLES: [&str; 16] = [
            "ka", "lo", "mi", "ter", "ran", "so", "vel", "un", "pri", "do", "gam", "es", "hil",
            "tu", "bor", "ny",
        ];
        let mut text = String::new();
        while text.len() < bytes {
            if !text.is_empty() {
                text.push(' ');
            }
            let drawn = self.next();
            for syllable in 0..=(drawn % 3) {
                let at = usize::try_from(drawn >> (8 + 4 * syllable) & 15).unwrap();
                text.push_str(SYLLABLES[at]);
            }
        }
        text
    }

    fn html(&mut self) -> String {
        let mut html = String::new();
        while html.len() < TEXT {
            let (words, link) = (self.some(260), self.some(20));
            writeln!(
                html,
                "<p>{words} <a href=\"/about?x=1&amp;y=2\">{link}</a> &#8211; <em>{link}</em>.</p>"
            )
            .unwrap();
        }
        html
    }
}
