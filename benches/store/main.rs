//! How the store does at 60,000 and at a million articles:
//! `cargo bench --bench store -- [--articles N]... [--dir DIR] [--no-sqlite]`.
//!
//! Each phase runs in a process of its own, so that its memory is its own: loading in batches of twenty, the newest
//! fifty of a tag while writing goes on, opening again, making the index from the log, and retention: 30 % away, then
//! ten times 10 % in and 10 % out. Beside it the same articles in `SQLite` (WAL, durable), in the same run. Figures that
//! have a limit are followed by it. CPU seconds are the process's own; making the articles is measured alone and taken
//! off. `--phase NAME --articles N --dir DIR` does one phase in a directory that stays (make, load, steadily, writing,
//! sqlite, sqlite-writing, open, rebuild, churn, in this order) and prints its figures as JSON.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints its table, and stops where it cannot go on"
)]

#[path = "../process.rs"]
mod process;
#[path = "../ratio.rs"]
mod ratio;
mod sample;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aggd::model::article::{Article, Key};
use aggd::model::label::{Scope, Selection};
use aggd::nice;
use aggd::store::{self, Batch, Change, Keep, Options, Page, Store};
use tokio::runtime::{Builder, Handle};

use sample::{SOURCES, Samples, seen, source, tag_key};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Articles of one commit.
const AT_ONCE: u64 = 20;
/// `[store] cache`.
const CACHE: u64 = 64 << 20;
/// Looks at a list that are timed.
const LOOKS: usize = 2000;

/// Between two commits where writing is not as fast as it goes: 500 articles a second, as from a hundred thousand busy feeds.
const STEADY: Duration = Duration::from_millis(40);

/// Figures by name.
type Figures = BTreeMap<String, f64>;

fn main() {
    let mut sizes = Vec::new();
    let (mut dir, mut beside, mut phase) = (std::env::temp_dir(), true, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--articles" => sizes.push(arguments.next().unwrap().parse().unwrap()),
            "--dir" => dir = arguments.next().unwrap().into(),
            "--no-sqlite" => beside = false,
            "--phase" => phase = arguments.next(),
            // What cargo passes.
            "--bench" => {}
            other => panic!("`{other}` is no option of this bench"),
        }
    }
    if let Some(phase) = phase {
        let figures = run_phase(&phase, &dir, sizes[0]);
        println!("{}", serde_json::to_string(&figures).unwrap());
        return;
    }
    if sizes.is_empty() {
        sizes = vec![60_000];
    }
    for size in sizes {
        report(&dir, size, beside);
    }
}

/// Runs each phase in a process of its own and prints what came of it.
fn report(dir: &Path, n: u64, beside: bool) {
    let home = tempfile::tempdir_in(dir).unwrap();
    let phase = |name: &str| -> Figures {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--phase", name, "--articles", &n.to_string(), "--dir"])
            .arg(home.path())
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last();
        let last = last.unwrap_or_else(|| panic!("phase {name}: {}", output.status));
        serde_json::from_str(last).unwrap()
    };
    println!("\n{n} articles, batches of {AT_ONCE}, 6 tags and 3 sightings each");
    let making = phase("make")["cpu"];
    let load = phase("load");
    let ours = (load["cpu"] - making).max(0.0);
    line("articles a second", load["rate"], "", None);
    line("CPU an article", ours, "us", None);
    let sqlite = beside.then(|| phase("sqlite"));
    if let Some(sqlite) = &sqlite {
        let theirs = (sqlite["cpu"] - making).max(0.0);
        line("  SQLite: articles a second", sqlite["rate"], "", None);
        line("  SQLite: CPU an article", theirs, "us", None);
        line("CPU, times SQLite's", ours / theirs, "", Some(1.5));
    }
    let allowed = 60.0 + mb(CACHE as f64) + n as f64 * 0.6 / 1024.0;
    line(
        "memory after loading",
        mb(load["rss"]),
        "MiB",
        Some(allowed),
    );
    line(
        "compressed bodies and metadata",
        mb(load["live"]),
        "MiB",
        None,
    );
    line("log", mb(load["log"]), "MiB", None);
    line("index", mb(load["index"]), "MiB", None);
    line("items in the index", load["items"], "", None);
    let ratio = (load["log"] + load["index"]) / load["live"];
    line("disk, times what lives", ratio, "", Some(2.0));
    for pace in ["steadily", "writing"] {
        let how = if pace == "writing" { "fast" } else { pace };
        let figures = phase(pace);
        let name = |percentile: &str| format!("newest 50, writing {how}, {percentile}");
        line(&name("p50"), figures["p50"], "ms", None);
        line(&name("p99"), figures["p99"], "ms", Some(2.0));
        line("  written meanwhile, a second", figures["rate"], "", None);
    }
    if let Some(sqlite) = &sqlite {
        let writing = phase("sqlite-writing");
        line("  SQLite: p50", writing["p50"], "ms", None);
        line("  SQLite: p99", writing["p99"], "ms", None);
        line("  SQLite: written meanwhile", writing["rate"], "", None);
        line("  SQLite: disk", mb(sqlite["disk"]), "MiB", None);
        line("  SQLite: memory", mb(sqlite["rss"]), "MiB", None);
    }
    let open = phase("open");
    line("open, an article", open["each"], "us", Some(10.0));
    line("  of it CPU", open["cpu"], "us", None);
    line("newest 50 at rest, p99", open["p99"], "ms", Some(2.0));
    line("  CPU of one", open["look"], "ms", None);
    line(
        "memory after opening",
        mb(open["rss"]),
        "MiB",
        Some(allowed),
    );
    let rebuild = phase("rebuild");
    line("rebuild, an article", rebuild["each"], "us", Some(200.0));
    line("  of it CPU", rebuild["cpu"], "us", None);
    let churn = phase("churn");
    line("dropped", churn["dropped"], "", None);
    line("CPU of dropping one", churn["each"], "us", None);
    line("disk after 30 % went, times", churn["after"], "", None);
    line("disk after the churn, times", churn["ratio"], "", Some(2.5));
    line(
        "memory after the churn",
        mb(churn["rss"]),
        "MiB",
        Some(allowed),
    );
    line(
        "newest 50 during the churn, p99",
        churn["p99"],
        "ms",
        Some(2.0),
    );
}

fn line(name: &str, value: f64, unit: &str, limit: Option<f64>) {
    let digits = usize::from(value < 1000.0) * 2;
    println!("{name:34} {value:>12.digits$} {unit}");
    if let Some(limit) = limit {
        let unit = if unit.is_empty() { "times" } else { unit };
        ratio::at_most(&format!("store: {name} ({unit})"), value, limit);
    }
}

fn mb(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn run_phase(phase: &str, dir: &Path, n: u64) -> Figures {
    // As in the daemon, where whoever reads for a page stands one step before whoever writes.
    let readers = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    nice::behind(1)();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let readers = readers.handle();
    match phase {
        "make" => make(n),
        "load" => runtime.block_on(load(dir, n)),
        "steadily" => runtime.block_on(writing(dir, n, Some(STEADY), readers)),
        "writing" => runtime.block_on(writing(dir, n, None, readers)),
        "sqlite" => load_sqlite(dir, n),
        "sqlite-writing" => write_sqlite(dir, n, readers),
        "open" => runtime.block_on(open(dir, n)),
        "rebuild" => {
            std::fs::remove_dir_all(dir.join("store/index")).unwrap();
            runtime.block_on(open(dir, n))
        }
        "churn" => runtime.block_on(churn(dir, n, readers)),
        other => panic!("no phase `{other}`"),
    }
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    process::cpu(std::process::id())
}

fn rss() -> f64 {
    aggd::metrics::resident().unwrap() as f64
}

fn make(n: u64) -> Figures {
    let samples = Samples::new();
    let (begin, most) = (cpu(), n.min(40_000));
    for number in 0..most {
        std::hint::black_box(samples.article(number));
    }
    figures([("cpu", (cpu() - begin) * 1e6 / most as f64)])
}

fn figures<const N: usize>(all: [(&str, f64); N]) -> Figures {
    all.map(|(name, value)| (name.to_owned(), value)).into()
}

fn options(dir: &Path) -> Options {
    Options {
        path: dir.join("store"),
        cache: CACHE,
        keep: Keep {
            // Retention is told what to drop by the time it is called with.
            age: Duration::from_hours(1),
            min_per_feed: 0,
            max_per_feed: u32::MAX,
        },
        ..Options::default()
    }
}

async fn opened(dir: &Path, create: bool) -> Arc<dyn Store> {
    let store = store::open(options(dir), create).await.unwrap();
    let all = (0..SOURCES).map(|n| (source(n), seen(0))).collect();
    store.adopt(all).await.unwrap();
    store
}

/// The store's own threads stand with those that read, as in the daemon.
async fn opened_by(readers: &Handle, dir: &Path) -> Arc<dyn Store> {
    let dir = dir.to_owned();
    let opening = readers.spawn(async move { opened(&dir, false).await });
    opening.await.unwrap()
}

async fn commit(store: &Arc<dyn Store>, samples: &Samples, first: u64) {
    let changes: Vec<Change> = (first..first + AT_ONCE)
        .map(|n| {
            let (article, keys) = samples.article(n);
            Change::New {
                article: Box::new(article),
                keys,
            }
        })
        .collect();
    let at = source(first / AT_ONCE);
    let due = store.lease(&at).await.unwrap().unwrap();
    let batch = Batch {
        visit: Some((at, Box::default(), due.lease)),
        durable: true,
        changes,
        ..Batch::default()
    };
    store.commit(batch, seen(first)).await.unwrap();
}

/// Looks at the newest 50 of tags, frequent and rare, until told to stop; sorted times in milliseconds.
async fn look(store: Arc<dyn Store>, stop: Arc<AtomicBool>, most: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(5);
    let mut times = Vec::new();
    while times.len() < most && !stop.load(Ordering::Relaxed) {
        let rank = (random.f64().powi(4) * 2000.0) as usize;
        let selection = Selection::of(Scope::Tag(tag_key(rank)));
        let begin = Instant::now();
        let listing = store.select(&selection, Page::First { most: 50 }).await;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        assert!(listing.unwrap().known);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_by(f64::total_cmp);
    times
}

fn percentile(times: &[f64], share: f64) -> f64 {
    let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or(f64::NAN)
}

async fn load(dir: &Path, n: u64) -> Figures {
    let samples = Samples::new();
    let store = opened(dir, true).await;
    let (cpu_begin, begin) = (cpu(), Instant::now());
    for first in (0..n).step_by(AT_ONCE as usize) {
        commit(&store, &samples, first).await;
    }
    let (took, used) = (begin.elapsed().as_secs_f64(), cpu() - cpu_begin);
    let memory = rss();
    let stats = store.stats().await.unwrap();

    store.close().await.unwrap();
    figures([
        ("rate", n as f64 / took),
        ("cpu", used * 1e6 / n as f64),
        ("rss", memory),
        ("live", stats.live_bytes as f64),
        ("log", stats.log_bytes as f64),
        ("index", stats.index_bytes as f64),
        ("items", stats.index_items as f64),
    ])
}

/// Numbers of the articles that are written while somebody looks: at least enough for all looks.
fn more(n: u64) -> std::ops::Range<u64> {
    let first = n.next_multiple_of(AT_ONCE);
    first..first + (n / 20).clamp(12_000, 40_000)
}

/// The newest fifty of tags while articles are written: a commit as often as this, or one after the other.
async fn writing(dir: &Path, n: u64, every: Option<Duration>, readers: &Handle) -> Figures {
    let numbers = match every {
        // Behind those that are written at full speed.
        Some(_) => more(more(n).end),
        None => more(n),
    };
    let samples = Samples::new();
    let store = opened_by(readers, dir).await;
    let stop = Arc::new(AtomicBool::new(false));
    // What nobody has looked at yet is in nobody's memory.
    look(Arc::clone(&store), Arc::clone(&stop), LOOKS).await;
    let looking = readers.spawn(look(Arc::clone(&store), Arc::clone(&stop), LOOKS));
    let mut pace = every.map(tokio::time::interval);
    let (begin, mut written) = (Instant::now(), 0);
    for first in numbers.step_by(AT_ONCE as usize) {
        if looking.is_finished() {
            break;
        }
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        commit(&store, &samples, first).await;
        written += AT_ONCE;
    }
    let took = begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let times = looking.await.unwrap();
    store.close().await.unwrap();
    figures([
        ("rate", written as f64 / took),
        ("looks", times.len() as f64),
        ("p50", percentile(&times, 0.5)),
        ("p90", percentile(&times, 0.9)),
        ("p99", percentile(&times, 0.99)),
        ("most", percentile(&times, 1.0)),
    ])
}

fn load_sqlite(dir: &Path, n: u64) -> Figures {
    let samples = Samples::new();
    let mut sqlite = sqlite::Sqlite::open(&dir.join("articles.sqlite"));
    let (cpu_begin, begin) = (cpu(), Instant::now());
    for first in (0..n).step_by(AT_ONCE as usize) {
        sqlite.commit(first, &some(&samples, first));
    }
    let (took, used) = (begin.elapsed().as_secs_f64(), cpu() - cpu_begin);
    let memory = rss();
    let disk: u64 = ["", "-wal"]
        .iter()
        .filter_map(|end| {
            let name = format!("articles.sqlite{end}");
            Some(std::fs::metadata(dir.join(name)).ok()?.len())
        })
        .sum();
    figures([
        ("rate", n as f64 / took),
        ("cpu", used * 1e6 / n as f64),
        ("rss", memory),
        ("disk", disk as f64),
    ])
}

/// The articles of one commit.
fn some(samples: &Samples, first: u64) -> Vec<(Article, Vec<Key>)> {
    let numbers = first..first + AT_ONCE;
    numbers.map(|n| samples.article(n)).collect()
}

fn write_sqlite(dir: &Path, n: u64, readers: &Handle) -> Figures {
    let samples = Samples::new();
    let path = dir.join("articles.sqlite");
    let mut sqlite = sqlite::Sqlite::open(&path);
    let stop = Arc::new(AtomicBool::new(false));
    let looking = readers.spawn_blocking({
        let stop = Arc::clone(&stop);
        move || {
            let reader = sqlite::Sqlite::reader(&path);
            let mut random = fastrand::Rng::with_seed(5);
            let mut times = Vec::new();
            while times.len() < LOOKS && !stop.load(Ordering::Relaxed) {
                let rank = (random.f64().powi(4) * 2000.0) as usize;
                let begin = Instant::now();
                std::hint::black_box(sqlite::newest(&reader, &tag_key(rank)));
                times.push(begin.elapsed().as_secs_f64() * 1e3);
                std::thread::sleep(Duration::from_millis(2));
            }
            times.sort_by(f64::total_cmp);
            times
        }
    });
    let (begin, mut written) = (Instant::now(), 0);
    for first in more(n).step_by(AT_ONCE as usize) {
        if looking.is_finished() {
            break;
        }
        sqlite.commit(first, &some(&samples, first));
        written += AT_ONCE;
    }
    let took = begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let times = readers.block_on(looking).unwrap();
    figures([
        ("rate", written as f64 / took),
        ("p50", percentile(&times, 0.5)),
        ("p99", percentile(&times, 0.99)),
    ])
}

async fn open(dir: &Path, n: u64) -> Figures {
    let (cpu_begin, begin) = (cpu(), Instant::now());
    let store = opened(dir, false).await;
    let (took, used) = (begin.elapsed().as_secs_f64(), cpu() - cpu_begin);
    let memory = rss();
    let articles = store.stats().await.unwrap().articles;
    assert!(articles >= n, "{articles} of {n} are there");
    let never = Arc::new(AtomicBool::new(false));
    let cpu_begin = cpu();
    let times = look(Arc::clone(&store), never, LOOKS / 4).await;
    let look_cpu = (cpu() - cpu_begin) * 1e3 / times.len() as f64;
    store.close().await.unwrap();
    figures([
        ("look", look_cpu),
        ("each", took * 1e6 / articles as f64),
        ("cpu", used * 1e6 / articles as f64),
        ("rss", memory),
        ("p99", percentile(&times, 0.99)),
    ])
}

/// Disk over what lives.
async fn ratio(store: &Arc<dyn Store>) -> f64 {
    let stats = store.stats().await.unwrap();
    (stats.log_bytes + stats.index_bytes) as f64 / stats.live_bytes as f64
}

async fn churn(dir: &Path, n: u64, readers: &Handle) -> Figures {
    let samples = Samples::new();
    let store = opened_by(readers, dir).await;
    let stop = Arc::new(AtomicBool::new(false));
    let looking = readers.spawn(look(Arc::clone(&store), Arc::clone(&stop), usize::MAX));
    // An article goes when it is older than an hour, so `oldest` is the first that stays.
    let drop_before = async |oldest: u64| {
        let now = seen(oldest) + Duration::from_hours(1);
        store.forget(now).await.unwrap()
    };
    let (mut oldest, mut next) = (n * 3 / 10, (n + n / 5).next_multiple_of(AT_ONCE) + 100_000);
    // Numbers between are those of the looks while writing; new articles begin behind them.
    let cpu_begin = cpu();
    let mut dropped = drop_before(oldest).await;
    let each = (cpu() - cpu_begin) * 1e6 / dropped as f64;
    let after = ratio(&store).await;
    let tenth = (n - oldest) / 10;
    for _ in 0..10 {
        for first in (next..next + tenth).step_by(AT_ONCE as usize) {
            commit(&store, &samples, first).await;
        }
        next = (next + tenth).next_multiple_of(AT_ONCE);
        oldest += tenth;
        dropped += drop_before(oldest.min(n)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let times = looking.await.unwrap();
    let disk = ratio(&store).await;
    let memory = rss();
    store.close().await.unwrap();
    figures([
        ("dropped", dropped as f64),
        ("each", each),
        ("after", after),
        ("ratio", disk),
        ("rss", memory),
        ("p99", percentile(&times, 0.99)),
    ])
}
