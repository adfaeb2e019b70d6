//! How fast feeds are read: `cargo bench --bench parse -- [FILTER] [--milliseconds N] [--profile clean|raw]`.
//!
//! The corpus is made here, always the same: RSS and Atom, English and Chinese, 5 KB to 5 MB. Beside the parser with and
//! without HTML cleaning stand feed-rs, the rss and `atom_syndication` crates and the raw events of quick-xml, run in
//! turns in this process. A figure is the median of its runs.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops where it cannot go on"
)]

mod ratio;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aggd::model::document::Document;
use aggd::parse::{self, Options};

/// The sizes of the corpus in bytes.
const SIZES: [usize; 4] = [5_000, 50_000, 500_000, 5_000_000];

/// A file of the corpus.
struct Sample {
    name: String,
    body: String,
    entries: usize,
    atom: bool,
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let (mut filter, mut budget, mut profile) = (String::new(), Duration::from_millis(300), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--milliseconds" => {
                budget = Duration::from_millis(arguments.next().unwrap().parse().unwrap());
            }
            "--profile" => profile = arguments.next(),
            _ => filter = argument,
        }
    }
    let samples = corpus();
    let samples = samples
        .iter()
        .filter(|sample| sample.name.contains(&filter));
    if let Some(which) = profile {
        // Nothing but our own parser, for a profiler to look at.
        let options = Options {
            clean_html: which == "clean",
            ..Options::default()
        };
        for sample in samples {
            let document = sample.document();
            let [time] = medians(
                budget,
                [&|| drop(black_box(parse::parse(&document, &options).unwrap()))],
            );
            println!(
                "{:<16} {:>9.1} MB/s",
                sample.name,
                as_f64(sample.body.len()) / time / 1e6
            );
        }
        return;
    }
    println!(
        "{:<16} {:>8} {:>7} | {:>9} {:>9} {:>9} {:>9} {:>9} | {:>8} {:>8} | {:>10}",
        "file",
        "bytes",
        "entries",
        "aggd",
        "cleaning",
        "feed-rs",
        "rss/atom",
        "quick-xml",
        "×feed-rs",
        "cleaned",
        "entries/s"
    );
    let measured: Vec<Ratios> = samples.map(|sample| measure(sample, budget)).collect();
    println!(
        "MB/s of input, entries/s with cleaning; ×feed-rs compares without cleaning, \"cleaned\" with it"
    );
    let worst = |of: fn(&Ratios) -> f64| measured.iter().map(of).fold(f64::MAX, f64::min);
    ratio::at_least(
        "parse: speed beside feed-rs, slowest file",
        worst(|of| of.feed_rs),
        2.0,
    );
    ratio::at_least(
        "parse: speed beside rss and atom_syndication, slowest file",
        worst(|of| of.format),
        0.5,
    );
}

/// How many times as fast as others.
struct Ratios {
    feed_rs: f64,
    /// The crate made for the format.
    format: f64,
}

impl Sample {
    fn document(&self) -> Document {
        Document {
            body: self.body.clone().into(),
            url: Some("https://example.org/feed".to_owned()),
            content_type: None,
        }
    }
}

fn measure(sample: &Sample, budget: Duration) -> Ratios {
    let raw = Options {
        clean_html: false,
        ..Options::default()
    };
    let clean = Options::default();
    let document = sample.document();
    assert_eq!(
        parse::parse(&document, &clean).unwrap().feed.entries.len(),
        sample.entries
    );
    let body = sample.body.as_bytes();
    let format = || {
        if sample.atom {
            drop(black_box(atom_syndication::Feed::read_from(body).unwrap()));
        } else {
            drop(black_box(rss::Channel::read_from(body).unwrap()));
        }
    };
    let times = medians(
        budget * 5,
        [
            &|| drop(black_box(parse::parse(&document, &raw).unwrap())),
            &|| drop(black_box(parse::parse(&document, &clean).unwrap())),
            &|| drop(black_box(feed_rs::parser::parse(body).unwrap())),
            &format,
            &|| {
                black_box(events(&sample.body));
            },
        ],
    );
    let [ours, cleaned, feed_rs, format, events] = times;
    let rate = |time: f64| as_f64(body.len()) / time / 1e6;
    println!(
        "{:<16} {:>8} {:>7} | {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} | {:>8.2} {:>8.2} | {:>10.0}",
        sample.name,
        body.len(),
        sample.entries,
        rate(ours),
        rate(cleaned),
        rate(feed_rs),
        rate(format),
        rate(events),
        feed_rs / ours,
        feed_rs / cleaned,
        as_f64(sample.entries) / cleaned,
    );
    Ratios {
        feed_rs: feed_rs / ours,
        format: format / ours,
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
const fn as_f64(number: usize) -> f64 {
    number as f64
}

/// The median time of each, in seconds, of as many rounds as fit into the budget, three at least. They take turns, so
/// that whatever else the machine does disturbs them alike.
fn medians<const N: usize>(budget: Duration, subjects: [&dyn Fn(); N]) -> [f64; N] {
    let (mut times, start) = ([const { Vec::new() }; N], Instant::now());
    while times[0].len() < 3 || start.elapsed() < budget {
        for (times, subject) in times.iter_mut().zip(subjects) {
            let begin = Instant::now();
            subject();
            times.push(begin.elapsed().as_secs_f64());
        }
    }
    times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// All events of quick-xml, nothing done with them.
fn events(body: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(body);
    let mut count = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => return count,
            event => {
                black_box(&event);
                count += 1;
            }
        }
    }
}

fn corpus() -> Vec<Sample> {
    let mut samples = Vec::new();
    for size in SIZES {
        for atom in [false, true] {
            for chinese in [false, true] {
                samples.push(sample(size, atom, chinese));
            }
        }
    }
    samples
}

fn sample(size: usize, atom: bool, chinese: bool) -> Sample {
    let mut words = Words {
        state: 0x2545_F491_4F6C_DD1D,
        chinese,
    };
    let mut body = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    body.push_str(if atom { ATOM_HEAD } else { RSS_HEAD });
    let mut entries = 0;
    while body.len() < size {
        if atom {
            atom_entry(&mut body, &mut words, entries);
        } else {
            rss_item(&mut body, &mut words, entries);
        }
        entries += 1;
    }
    body.push_str(if atom {
        "</feed>\n"
    } else {
        "</channel>\n</rss>\n"
    });
    let unit = if size < 1_000_000 {
        format!("{}KB", size / 1000)
    } else {
        format!("{}MB", size / 1_000_000)
    };
    let name = format!(
        "{}-{}-{unit}",
        if atom { "atom" } else { "rss" },
        if chinese { "zh" } else { "en" }
    );
    Sample {
        name,
        body,
        entries,
        atom,
    }
}

const RSS_HEAD: &str = r#"<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom">
<channel>
<title>A blog of many words</title>
<link>https://example.org/</link>
<description>Words in an order that means nothing</description>
<atom:link href="https://example.org/feed" rel="self" type="application/rss+xml"/>
<language>en</language>
<lastBuildDate>Tue, 24 Nov 2026 08:00:00 +0000</lastBuildDate>
"#;

const ATOM_HEAD: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">
<title>A blog of many words</title>
<link href="https://example.org/"/>
<link href="https://example.org/feed" rel="self" type="application/atom+xml"/>
<id>https://example.org/</id>
<updated>2026-11-24T08:00:00Z</updated>
"#;

fn rss_item(body: &mut String, words: &mut Words, number: usize) {
    let (title, summary, author) = (words.sentence(7), words.sentence(30), words.sentence(2));
    let html = words.html();
    let (day, hour, label) = (number % 28 + 1, number % 24, words.sentence(1));
    write!(
        body,
        "<item>\n<title>{title}</title>\n<link>https://example.org/posts/{number}?utm_source=rss&amp;n={number}</link>\n\
         <guid isPermaLink=\"false\">https://example.org/?p={number}</guid>\n\
         <pubDate>Tue, {day:02} Nov 2026 {hour:02}:30:00 +0000</pubDate>\n<dc:creator>{author}</dc:creator>\n\
         <category>{label}</category>\n<description>{summary} &amp;#8230;</description>\n\
         <content:encoded><![CDATA[{html}]]></content:encoded>\n</item>\n"
    )
    .unwrap();
}

fn atom_entry(body: &mut String, words: &mut Words, number: usize) {
    let (title, summary, author) = (words.sentence(7), words.sentence(30), words.sentence(2));
    let html = words
        .html()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let (day, hour, label) = (number % 28 + 1, number % 24, words.sentence(1));
    write!(
        body,
        "<entry>\n<title>{title}</title>\n<link href=\"https://example.org/posts/{number}?n={number}\"/>\n\
         <id>tag:example.org,2026:{number}</id>\n<published>2026-11-{day:02}T{hour:02}:30:00Z</published>\n\
         <updated>2026-11-{day:02}T{hour:02}:31:00.5+01:00</updated>\n<author><name>{author}</name></author>\n\
         <category term=\"{label}\"/>\n<summary>{summary}</summary>\n<content type=\"html\">{html}</content>\n</entry>\n"
    )
    .unwrap();
}

/// Words from a generator that always says the same.
struct Words {
    state: u64,
    chinese: bool,
}

impl Words {
    fn next(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).unwrap() % below
    }

    fn sentence(&mut self, words: usize) -> String {
        const ENGLISH: [&str; 32] = [
            "release",
            "the",
            "of",
            "parser",
            "a",
            "to",
            "and",
            "faster",
            "in",
            "that",
            "feed",
            "is",
            "for",
            "reader",
            "new",
            "which",
            "version",
            "with",
            "article",
            "we",
            "yesterday",
            "network",
            "because",
            "on",
            "this",
            "library",
            "memory",
            "it",
            "are",
            "written",
            "world",
            "question",
        ];
        const CHINESE: [&str; 24] = [
            "发布",
            "新的",
            "版本",
            "我们",
            "今天",
            "网络",
            "阅读",
            "文章",
            "因为",
            "可以",
            "这个",
            "问题",
            "世界",
            "技术",
            "开发者",
            "公司",
            "数据",
            "没有",
            "一个",
            "时间",
            "，",
            "中国",
            "和",
            "更快",
        ];
        let mut sentence = String::new();
        for n in 0..words {
            if self.chinese {
                sentence.push_str(CHINESE[self.next(CHINESE.len())]);
            } else {
                if n > 0 {
                    sentence.push(' ');
                }
                sentence.push_str(ENGLISH[self.next(ENGLISH.len())]);
            }
        }
        sentence
    }

    /// An article as blog software writes it: some 2 to 4 KB.
    fn html(&mut self) -> String {
        let mut html = String::new();
        for _ in 0..3 + self.next(5) {
            let (before, link, after, number) = (
                self.sentence(25),
                self.sentence(3),
                self.sentence(20),
                self.next(1000),
            );
            match self.next(8) {
                0 => write!(html, "<h2 id=\"part-{number}\">{link}</h2>\n<ul>\n<li>{before}</li>\n<li><strong>{link}</strong> {after}</li>\n</ul>\n"),
                1 => writeln!(
                    html,
                    "<figure class=\"wp-block-image\"><img loading=\"lazy\" width=\"1024\" height=\"683\" src=\"https://example.org/images/{number}.jpg\" alt=\"{link}\" class=\"wp-image-{number}\"/><figcaption>{after}</figcaption></figure>"
                ),
                2 => write!(html, "<blockquote><p>{before}</p></blockquote>\n<pre><code>let n = {number};\nif n &lt; 3 {{ return; }}\n</code></pre>\n"),
                _ => writeln!(
                    html,
                    "<p>{before} <a href=\"/posts/{number}?a=1&amp;b=2\" target=\"_blank\">{link}</a>, {after} &#8211; <em>{link}</em>&nbsp;{after}.</p>"
                ),
            }
            .unwrap();
        }
        html
    }
}
