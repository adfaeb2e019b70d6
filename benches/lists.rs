//! How long lists take: `cargo bench --bench lists -- [--articles N] [--tags N] [--rounds N]`.
//!
//! A store of 100,000 articles with 20,000 tags is made in a temporary directory, always the same: tags from one that
//! stands on every second article to those that stand on one or two. Then the newest 50 of tags, of ANDs, ORs and NOTs
//! of three, and of outputs are read, and rendered as a reader would get them, each under an address that nobody asked
//! for before. The worst cases are among them: tags that are common and never meet. A kind of list that takes 5 ms or more
//! (the median, since the machine has other things to do) is a failure, and so is memory that grows with tags that nobody
//! asked for.
//!
//! Then articles are committed one by one while readers ask for two hundred feeds: how long it takes until each feed that is
//! concerned shows the article. More than a second is a failure, and so is any other feed that was made anew.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops where it cannot go on"
)]

mod ratio;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggd::label;
use aggd::metrics::Metrics;
use aggd::model::article::{Article, ArticleId, Head, Key, SeenAt, Sighting};
use aggd::model::entry::{Content, Entry, IdSource, Text};
use aggd::model::label::{Origin, Scope, Selection, Tag};
use aggd::model::source::{About, SourceId};
use aggd::model::time::Timestamp;
use aggd::publish::address::Request;
use aggd::publish::{Answer, Options, Output, Publisher, Settings, Shape, Site};
use aggd::store::{self, Batch, Change, Page, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SOURCES: u64 = 50;
const OUTPUTS: [(&str, u64); 3] = [("most", 2), ("some", 50), ("few", 5000)];

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    /// Small numbers often, large ones seldom: tags are used like words.
    fn word(&mut self, words: u64) -> u64 {
        let bits = u64::from(64 - words.leading_zeros());
        let width = self.roll(bits) + 1;
        self.roll((1 << width).min(words))
    }
}

fn tag_name(number: u64) -> String {
    match number % 3 {
        0 => format!("标签{number}"),
        1 => format!("tag {number}"),
        _ => format!("Étiquette-{number}"),
    }
}

fn article(number: u64, tags: u64, dice: &mut Dice) -> Change {
    let source = SourceId::new(&format!("source-{}", number % SOURCES)).unwrap();
    let guid = format!("guid-{number}");
    let key = xxhash_rust::xxh3::xxh3_128(guid.as_bytes());
    let published = Timestamp::from_secs(1_750_000_000 + i64::try_from(number * 60).unwrap());
    let mut names = vec![
        if number.is_multiple_of(2) {
            "even"
        } else {
            "odd"
        }
        .to_owned(),
    ];
    names.extend((0..5).map(|_| tag_name(dice.word(tags))));
    // The rare ones stand on two articles each at most.
    names.push(tag_name(number % tags));
    let labels: Vec<Tag> = names
        .iter()
        .map(|name| Tag {
            name: name.clone(),
            key: aggd::text::key(name),
            origin: Origin::Publisher,
        })
        .collect();
    let url = format!("https://example.org/{number}");
    let title = format!("Headline number {number} 新闻");
    let outputs = OUTPUTS
        .iter()
        .filter(|(_, every)| number.is_multiple_of(*every));
    let head = Head {
        id: ArticleId(key),
        version: 1,
        first_seen: published,
        published,
        updated: published,
        source: source.clone(),
        private: false,
        language: Some(if number.is_multiple_of(7) { "fr" } else { "en" }.to_owned()),
        categories: vec![format!("category {}", number % 20)],
        tags: labels.clone(),
        score: 0,
        outputs: outputs.map(|(id, _)| (*id).to_owned()).collect(),
        has_image: false,
        has_enclosure: false,
        seen_at: vec![SeenAt {
            source: source.clone(),
            guid_key: key,
            text_hash: number,
        }],
        aliases: Vec::new(),
    };
    let body = format!(
        "<p>{} {number}</p>",
        "Some words of a text. 一些文字。".repeat(50)
    );
    Change::New {
        article: Box::new(Article {
            entry: Entry {
                id: guid.clone(),
                id_source: IdSource::Guid,
                url: Some(url.clone()),
                title: Some(Text {
                    plain: title.clone(),
                    html: None,
                }),
                content: Some(Content::Html(body)),
                ..Entry::default()
            },
            about: About {
                title: format!("Source {}", number % SOURCES),
                feed_url: "https://example.org/feed".to_owned(),
                ..About::default()
            },
            sightings: vec![Sighting {
                source: Some(source),
                guid,
                guid_key: key,
                text_hash: number,
                seen: published,
                published: Some(published),
                url: Some(url),
                title,
                labels,
                ..Sighting::default()
            }],
            head,
        }),
        keys: vec![Key::Guid(key)],
    }
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Prints a line of the table; gives the median in milliseconds.
fn row(name: &str, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!(
        "{name:<44} {:>8.3} {:>8.3} {:>8.3}",
        at(50),
        at(99),
        at(100)
    );
    at(50)
}

/// What is asked for in one round.
type Make = Box<dyn Fn(&mut Dice) -> Selection>;

fn kind(
    name: &'static str,
    make: impl Fn(&mut Dice) -> Selection + 'static,
) -> (&'static str, Make) {
    (name, Box::new(make))
}

/// Kinds of lists.
fn kinds(tags: u64) -> Vec<(&'static str, Make)> {
    let any = move |dice: &mut Dice| aggd::text::key(&tag_name(dice.word(tags)));
    let of = Selection::of;
    let (even, odd) = (|| "even".to_owned(), || "odd".to_owned());
    vec![
        kind("a tag", move |dice| of(Scope::Tag(any(dice)))),
        kind("a rare tag", move |dice| {
            of(Scope::Tag(aggd::text::key(&tag_name(dice.roll(tags)))))
        }),
        kind("A and B and C", move |dice| Selection {
            tags: vec![any(dice), any(dice)],
            ..of(Scope::Tag(any(dice)))
        }),
        kind("A or B or C", move |dice| Selection {
            any: vec![any(dice), any(dice), any(dice)],
            ..of(Scope::All)
        }),
        kind("A, neither B nor C", move |dice| Selection {
            not: vec![any(dice), any(dice)],
            ..of(Scope::Tag(any(dice)))
        }),
        kind("even and odd: they never meet", move |_| Selection {
            tags: vec![odd()],
            ..of(Scope::Tag(even()))
        }),
        kind("neither even nor odd: nothing is left", move |_| {
            Selection {
                not: vec![even(), odd()],
                ..of(Scope::All)
            }
        }),
        kind("an output", move |dice| {
            let (id, _) = OUTPUTS[usize::try_from(dice.roll(3)).unwrap()];
            of(Scope::Output(id.to_owned()))
        }),
        kind("an output, five of a source", move |_| Selection {
            per_source: Some(5),
            ..of(Scope::Output("most".to_owned()))
        }),
    ]
}

/// The address of a selection; `round` makes it one that nobody asked for before.
fn address(selection: &Selection, round: usize) -> String {
    let value = |name: &str, text: &String| {
        format!(
            "{name}={}",
            aggd::publish::address::segment(text).replace('+', "%2B")
        )
    };
    let stem = match &selection.scope {
        Scope::Tag(key) => format!("tags/{}", aggd::publish::address::segment(key)),
        Scope::Output(id) => format!("outputs/{id}"),
        _ => "all".to_owned(),
    };
    let mut query = vec![format!(
        "since=2001-01-01T00:00:{:02}.{round:06}Z",
        round % 60
    )];
    query.extend(selection.tags.iter().map(|tag| value("tag", tag)));
    query.extend(selection.any.iter().map(|tag| value("any", tag)));
    query.extend(selection.not.iter().map(|tag| value("not", tag)));
    format!("/{stem}.json?{}", query.join("&"))
}

async fn fill(store: &dyn Store, articles: u64, tags: u64) {
    let mut dice = Dice(7);
    let mut number = 0;
    while number < articles {
        let end = (number + 500).min(articles);
        let changes: Vec<Change> = (number..end)
            .map(|number| article(number, tags, &mut dice))
            .collect();
        let batch = Batch {
            changes,
            ..Batch::default()
        };
        store
            .commit(batch, Timestamp::from_secs(1_760_000_000))
            .await
            .unwrap();
        number = end;
    }
}

fn settings() -> Settings {
    Settings {
        site: Site {
            public_url: url::Url::parse("https://news.example.org/").unwrap(),
            title: "Bench".to_owned(),
        },
        options: Options::default(),
        label: label::Options::default(),
        sources: std::collections::BTreeMap::new(),
        outputs: OUTPUTS.iter().map(|(id, _)| Output::new(id)).collect(),
        only: None,
        shape: Shape::default(),
    }
}

/// Searches: for what stands everywhere, and for what stands nowhere, which reads as much as a search may.
async fn search(publisher: &Publisher) {
    for (name, words) in [
        ("a word of all", "words"),
        ("two of them, zh", "文字 新闻"),
        ("a word of none", "xyzzy"),
    ] {
        let mut times = Vec::new();
        for round in 0..10 {
            let since = format!("2001-01-01T00:00:{round:02}Z");
            let target = format!("/search.json?q={}&since={since}", words.replace(' ', "%20"));
            let request = Request::parse(&target).unwrap();
            let begun = Instant::now();
            publisher.get(&request).await.unwrap();
            times.push(begun.elapsed());
        }
        row(&format!("a search for {name}"), times);
    }
}

/// What readers ask for all the time: everything, outputs, sources, tags.
fn hot(tags: u64) -> Vec<(String, Scope)> {
    let outputs =
        OUTPUTS.map(|(id, _)| (format!("outputs/{id}.rss"), Scope::Output(id.to_owned())));
    let sources = (0..SOURCES).map(|number| {
        let id = SourceId::new(&format!("source-{number}")).unwrap();
        (format!("sources/{id}.atom"), Scope::Source(id))
    });
    let tags = (0..146.min(tags)).map(|number| {
        let name = tag_name(number);
        let address = aggd::publish::address::segment(&name);
        (
            format!("tags/{address}.json"),
            Scope::Tag(aggd::text::key(&name)),
        )
    });
    let all = [("all.rss".to_owned(), Scope::All)];
    all.into_iter()
        .chain(outputs)
        .chain(sources)
        .chain(tags)
        .collect()
}

/// How long it takes at worst until every feed shows what was committed, and how many others were made anew.
async fn news(
    store: &dyn Store,
    publisher: &Arc<Publisher>,
    articles: u64,
    tags: u64,
) -> (Duration, usize) {
    const ROUNDS: u64 = 60;
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    tracker.spawn(Arc::clone(publisher).run(stop.clone()));
    let hot = hot(tags);
    let mut dice = Dice(5);
    let (mut times, mut reached, mut disturbed) = (Vec::new(), 0, 0);
    for round in 0..ROUNDS {
        let mut before = Vec::new();
        for (asked, _) in &hot {
            let request = Request::parse(&format!("/{asked}")).unwrap();
            if let Answer::Document(document) = publisher.get(&request).await.unwrap() {
                before.push(document);
            }
        }
        assert_eq!(before.len(), hot.len(), "an address moved");
        let change = article(articles + round, tags, &mut dice);
        let Change::New { article, .. } = &change else {
            panic!("a new article");
        };
        let head = article.head.clone();
        let batch = Batch {
            changes: vec![change],
            ..Batch::default()
        };
        store
            .commit(batch, Timestamp::from_secs(1_770_000_000))
            .await
            .unwrap();
        let committed = Instant::now();
        let concerned = |scope: &Scope| match scope {
            Scope::All => true,
            Scope::Tag(key) => head.tags.iter().any(|tag| tag.key == *key),
            Scope::Source(id) => head.source == *id,
            Scope::Output(id) => head.outputs.contains(id),
            Scope::Category(_) => false,
        };
        let id = head.id.to_string();
        let mut waiting: Vec<usize> = (0..hot.len()).filter(|at| concerned(&hot[*at].1)).collect();
        while !waiting.is_empty() && committed.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            waiting.retain(|at| {
                let shown = publisher.cached(&hot[*at].0);
                let there = shown.is_some_and(|document| {
                    document
                        .plain()
                        .windows(id.len())
                        .any(|some| some == id.as_bytes())
                });
                if there {
                    times.push(committed.elapsed());
                    reached += 1;
                }
                !there
            });
        }
        times.extend(waiting.iter().map(|_| committed.elapsed()));
        for ((asked, scope), old) in hot.iter().zip(&before) {
            let same = publisher
                .cached(asked)
                .is_some_and(|now| Arc::ptr_eq(&now, old));
            disturbed += usize::from(!concerned(scope) && !same);
        }
    }
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    let slowest = times.iter().max().copied().unwrap_or_default();
    row(
        &format!(
            "{ROUNDS} commits, shown {reached} times in {} feeds",
            hot.len()
        ),
        times,
    );
    println!("{disturbed} feeds were made anew that no commit concerned");
    (slowest, disturbed)
}

async fn measure(articles: u64, tags: u64, rounds: usize) {
    let dir = tempfile::tempdir().unwrap();
    let options = store::Options {
        path: dir.path().join("store"),
        ..store::Options::default()
    };
    let begun = Instant::now();
    let filled = store::open(options.clone(), true).await.unwrap();
    fill(&*filled, articles, tags).await;
    filled.close().await.unwrap();
    drop(filled);
    let before = resident();
    let store = store::open(options, false).await.unwrap();
    let stats = store.stats().await.unwrap();
    println!(
        "{articles} articles, {} of {tags} tags, filled in {:.0} s; {} index items, {:.1} MiB more in memory once open",
        store.tags().await.unwrap().len(),
        begun.elapsed().as_secs_f64(),
        stats.index_items,
        resident() - before,
    );
    let publisher = Arc::new(Publisher::new(
        Arc::clone(&store),
        Metrics::default(),
        settings(),
    ));
    let open = resident();
    let one = Request::parse(&format!("/tags/{}.atom", tag_name(0))).unwrap();
    publisher.get(&one).await.unwrap();
    let grown = resident() - open;
    println!("asking for one tag of them: {grown:.1} MiB more in memory");
    let mut slowest = 0.0_f64;
    println!(
        "{:<44} {:>8} {:>8} {:>8}",
        "newest 50, ms", "p50", "p99", "worst"
    );
    for (name, make) in kinds(tags) {
        let mut dice = Dice(11);
        let (mut read, mut rendered) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let selection = make(&mut dice);
            let request = Request::parse(&address(&selection, round)).unwrap();
            let begun = Instant::now();
            store
                .select(&selection, Page::First { most: 50 })
                .await
                .unwrap();
            read.push(begun.elapsed());
            let begun = Instant::now();
            let mut answer = publisher.get(&request).await;
            let mut took = begun.elapsed();
            if let Ok(Answer::Moved(to)) = &answer {
                // A key is not always the spelling; the right address is what a reader would have asked for.
                let path = to.trim_start_matches("https://news.example.org");
                let request = Request::parse(path).unwrap();
                let begun = Instant::now();
                answer = publisher.get(&request).await;
                took = begun.elapsed();
            }
            if let Ok(Answer::Document(_)) = answer {
                rendered.push(took);
            }
        }
        slowest = slowest.max(row(&format!("{name}: read"), read));
        if !rendered.is_empty() {
            slowest = slowest.max(row(&format!("{name}: read and rendered"), rendered));
        }
    }
    println!(
        "{:.1} MiB more in memory after that (articles and documents in their caches)",
        resident() - open
    );
    search(&publisher).await;
    let (shown, disturbed) = news(&*store, &publisher, articles, tags).await;
    let in_time = shown < Duration::from_secs(1) && disturbed == 0;
    store.close().await.unwrap();
    ratio::at_most(
        "lists: ms of the newest fifty, slowest kind, median",
        slowest,
        5.0,
    );
    ratio::at_most("lists: MiB more in memory for one tag of them", grown, 4.0);
    ratio::at_most(
        "lists: s until a feed shows a commit, at worst",
        shown.as_secs_f64(),
        1.0,
    );
    assert!(slowest < 5.0, "a list takes {slowest:.1} ms");
    assert!(grown < 4.0, "memory grows with tags that nobody asked for");
    assert!(in_time, "a change came late, or where it does not belong");
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let (mut articles, mut tags, mut rounds) = (100_000, 20_000, 200);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().unwrap().parse().unwrap();
        match argument.as_str() {
            "--articles" => articles = number(),
            "--tags" => tags = number(),
            "--rounds" => rounds = usize::try_from(number()).unwrap(),
            other => println!("unknown argument {other}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(articles, tags, rounds));
}
