//! Sources of all formats on loopback that get new entries all the time; a quarter of them misbehaves.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::origin::{Asked, Origin, Reply};

/// Hosts that the sources are spread over.
const HOSTS: usize = 20;
/// Entries that a feed lists.
const LISTED: u64 = 10;
/// Seconds between two new entries of the busiest source; the quietest takes ten times as long.
const BUSIEST: u64 = 30;

/// The clock of all sources: it stands still once the run is to be judged.
#[derive(Debug)]
struct Time {
    begin: Instant,
    frozen: AtomicU64,
}

impl Time {
    fn seconds(&self) -> u64 {
        let now = self.begin.elapsed().as_secs();
        now.min(self.frozen.load(Ordering::SeqCst))
    }
}

/// All sources.
pub(crate) struct Sources {
    hosts: Vec<Origin>,
    count: usize,
    time: Arc<Time>,
}

impl Sources {
    pub(crate) async fn start(count: usize) -> Self {
        let mut hosts = Vec::new();
        for host in 0..HOSTS {
            hosts.push(Origin::at(&format!("127.20.0.{}", host + 1)).await);
        }
        let time = Arc::new(Time {
            begin: Instant::now(),
            frozen: AtomicU64::new(u64::MAX),
        });
        let sources = Self { hosts, count, time };
        for number in 0..count {
            sources.set_up(number);
        }
        for host in &sources.hosts {
            host.forget_requests();
        }
        sources
    }

    fn set_up(&self, number: usize) {
        let (host, path) = (&self.hosts[number % HOSTS], path(number));
        if is_hostile(number) {
            host.script(&path, move |_, times| hostile(number / 4, times));
            return;
        }
        let time = Arc::clone(&self.time);
        host.script(&path, move |asked, _| {
            well_behaved(number, newest(number, time.seconds()), asked)
        });
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn hostile(&self) -> usize {
        (0..self.count).filter(|&number| is_hostile(number)).count()
    }

    pub(crate) fn url(&self, number: usize) -> String {
        self.hosts[number % HOSTS].url(&path(number))
    }

    /// No new entries from now on.
    pub(crate) fn freeze(&self) {
        self.time
            .frozen
            .store(self.time.begin.elapsed().as_secs(), Ordering::SeqCst);
    }

    /// Requests since the last time this was called.
    pub(crate) fn requests(&self) -> usize {
        self.hosts.iter().map(Origin::forget_requests).sum()
    }

    /// The guids that each sound source lists now.
    pub(crate) fn listed(&self) -> impl Iterator<Item = (usize, Vec<String>)> {
        let now = self.time.seconds();
        (0..self.count)
            .filter(|&number| !is_hostile(number))
            .map(move |number| {
                let newest = newest(number, now);
                let guids = (newest + 1 - LISTED..=newest).map(|entry| guid(number, entry));
                (number, guids.collect())
            })
    }
}

fn path(number: usize) -> String {
    format!("/feed/{number}")
}

fn is_hostile(number: usize) -> bool {
    number % 4 == 3
}

/// The number of the newest entry after so many seconds.
fn newest(number: usize, seconds: u64) -> u64 {
    let pace = BUSIEST * (1 + number as u64 % 10);
    LISTED + (seconds + number as u64 % pace) / pace
}

/// Each tenth source reprints the entries of the one before it.
fn author(number: usize) -> usize {
    if number % 10 == 9 && !is_hostile(number - 1) {
        number - 1
    } else {
        number
    }
}

/// As it stands in the feed.
fn guid(number: usize, entry: u64) -> String {
    format!("urn:soak:{number}:{entry}")
}

fn hostile(kind: usize, times: usize) -> Reply {
    let page = "<!DOCTYPE html><title>Closed</title><p>Nothing here, come again.";
    let feed = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Cut";
    match kind % 14 {
        0 => Reply::status(404),
        1 => Reply::status(500),
        2 => Reply::status(429).header("Retry-After", "30"),
        3 => Reply::status(503).header("Retry-After", "20"),
        4 => Reply::ok(feed).stall_after(20),
        5 => Reply::ok("x".repeat(64 << 10)).endless(),
        6 => Reply::status(200).reset(),
        7 => Reply::ok(page).header("Content-Type", "text/html"),
        8 => Reply::ok(feed.repeat(20)).cut_after(300),
        9 => Reply::ok("not gzip at all").header("Content-Encoding", "gzip"),
        10 => Reply::redirect(302, "?again"),
        11 => Reply::ok(feed).dribble_head(Duration::from_millis(700)),
        12 => Reply::ok(""),
        // Sound at first and every other time: it is never given up.
        _ if times.is_multiple_of(2) => Reply::ok(rss(1_000_000 + kind, LISTED)),
        _ => Reply::status(502),
    }
}

fn well_behaved(number: usize, newest: u64, asked: &Asked) -> Reply {
    let author = author(number);
    let etag = format!("\"{author}-{newest}\"");
    if asked
        .header("if-none-match")
        .is_some_and(|known| known == etag)
    {
        return Reply::status(304).etag(&etag);
    }
    let reply = match number % 6 {
        0 | 1 => Reply::ok(rss(number, newest)).header("Content-Type", "application/rss+xml"),
        2 => Reply::ok(atom(number, newest)).header("Content-Type", "application/atom+xml"),
        4 => Reply::ok(json(number, newest)).header("Content-Type", "application/feed+json"),
        // A bare ampersand and an undefined entity, which nobody may lose an entry for.
        _ => Reply::ok(rss(number, newest).replace("</title>", " &copy; Salt & Co</title>")),
    };
    let reply = reply.etag(&etag);
    if number.is_multiple_of(5) {
        reply.gzip()
    } else {
        reply
    }
}

struct Item {
    guid: String,
    link: String,
    title: String,
    text: String,
}

fn items(number: usize, newest: u64) -> impl Iterator<Item = Item> {
    let author = author(number);
    (newest + 1 - LISTED..=newest).rev().map(move |entry| Item {
        guid: guid(number, entry),
        link: format!("https://site{author}.example/story/{entry}"),
        title: format!("{} {author}/{entry}", prose(author, entry, 5)),
        text: prose(author, entry, 160),
    })
}

/// Words that no other entry has in this order; every fourth source writes Chinese.
fn prose(number: usize, entry: u64, words: usize) -> String {
    let mut rng = fastrand::Rng::with_seed((number as u64) << 32 | entry);
    let mut text = String::new();
    for word in 0..words {
        if number.is_multiple_of(4) {
            text.extend((0..2).map(|_| char::from_u32(rng.u32(0x4E00..0x9000)).unwrap()));
            text.push_str(if word % 12 == 11 { "。" } else { "" });
        } else {
            for _ in 0..rng.usize(1..4) {
                text.push(*b"bcdfgklmnprstvz".get(rng.usize(..15)).unwrap() as char);
                text.push(*b"aeiou".get(rng.usize(..5)).unwrap() as char);
            }
            text.push_str(if word % 12 == 11 { ". " } else { " " });
        }
    }
    text
}

fn rss(number: usize, newest: u64) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel><title>Site {number}</title>\
         <link>https://site{number}.example/</link><description>d</description>\n"
    );
    for item in items(number, newest) {
        let _ = writeln!(
            out,
            "<item><title>{}</title><link>{}</link><guid isPermaLink=\"false\">{}</guid><category>Soak</category>\
             <description>&lt;p&gt;{}&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</description></item>",
            item.title, item.link, item.guid, item.text
        );
    }
    out + "</channel></rss>"
}

fn atom(number: usize, newest: u64) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\
         <title>Site {number}</title><id>urn:soak:{number}</id>\n"
    );
    for item in items(number, newest) {
        let _ = writeln!(
            out,
            "<entry><title>{}</title><id>{}</id><link href=\"{}\"/><content type=\"html\">&lt;p&gt;{}&lt;/p&gt;</content></entry>",
            item.title, item.guid, item.link, item.text
        );
    }
    out + "</feed>"
}

fn json(number: usize, newest: u64) -> String {
    let items: Vec<_> = items(number, newest)
        .map(|item| {
            serde_json::json!({
                "id": item.guid, "url": item.link, "title": item.title,
                "content_html": format!("<p>{}</p>", item.text), "tags": ["Soak", "疫情"],
            })
        })
        .collect();
    serde_json::json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": format!("Site {number}"),
        "items": items,
    })
    .to_string()
}
