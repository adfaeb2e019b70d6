//! The origin of the bench: many feeds on many hosts of loopback, with validators, and text that is told nowhere else.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Size, TEXT};

/// The origin: says its port, then obeys `evolve` (one more entry in each feed) and `count` (requests so far).
pub(super) async fn origin(size: Size) {
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
