//! What polling costs: `cargo bench --bench ingest -- [--feeds N] [--hosts N] [--entries N] [--spacing TIME]`.
//!
//! Three processes on loopback: an origin with many feeds on many hosts, the real aggd on an empty store, and a bare loop
//! of reqwest that fetches the same addresses and throws the bodies away. Three rounds each: all is new,
//! nothing changed (304), one new entry in each feed. What is installed of `sfeed_update`, newsboat and reader (for Python;
//! the environment variable PYTHON names an interpreter that has it) does the same rounds on the same origin. Figures are
//! CPU seconds of the process alone; ratios within one run say more than seconds.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table, and stops where it cannot go on"
)]

mod origin;
mod peers;
#[path = "../process.rs"]
mod process;
#[path = "../ratio.rs"]
mod ratio;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use peers::Peer;
use process::cpu;

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
        Some("origin") => runtime.block_on(origin::origin(size)),
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
    let addresses: Vec<String> = (0..size.feeds).map(address).collect();
    write_config(home.path(), spacing, &addresses);
    println!(
        "{} feeds on {} hosts, {} entries of some {TEXT} bytes each; spacing {spacing}",
        size.feeds, size.hosts, size.entries
    );
    println!(
        "{:<11} | {:>8} {:>8} {:>9} {:>8} {:>8} | {:>8} {:>8} | {:>6}",
        "round", "aggd s", "CPU s", "feeds/s", "ms/new", "peak MB", "bare s", "CPU s", "× CPU"
    );
    let mut bare = Part::start("bare", size);
    for address in &addresses {
        bare.tell(address);
    }
    bare.tell("");
    let mut aggd = None;
    let mut peers = Peer::installed(&addresses);
    for (round, new) in [("first", size.entries), ("unchanged", 0), ("one new", 1)] {
        if new == 1 {
            origin.tell("evolve");
            origin.hear();
        }
        bare.tell("go");
        let answer = bare.hear();
        let mut numbers = answer.split(' ').map(|number| number.parse().unwrap());
        let (loop_time, loop_cpu): (f64, f64) = (numbers.next().unwrap(), numbers.next().unwrap());
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
            memory(running.0.id(), "VmHWM").unwrap(),
            used / loop_cpu
        );
        for peer in &mut peers {
            beside(peer, round, used, loop_cpu, size.feeds);
        }
        match round {
            "first" => {
                let each = used * 1e3 / as_f64(entries);
                ratio::at_most("ingest: ms of CPU a new entry", each, 0.4);
            }
            "unchanged" => {
                let what = "ingest: CPU beside a bare loop, unchanged";
                ratio::at_most(what, used / loop_cpu, 4.0);
            }
            _ => {
                let what = "ingest: CPU beside a bare loop, one new entry";
                ratio::at_most(what, used / loop_cpu, 10.0);
            }
        }
    }
    let running = aggd.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let peak = memory(running.0.id(), "VmHWM").unwrap() as f64;
    ratio::at_most("ingest: MB of memory at the most", peak, 150.0);
    println!(
        "aggd holds {} MB at the end",
        memory(running.0.id(), "VmRSS").unwrap()
    );
}

/// The same round by another program, on the line below ours.
fn beside(peer: &mut Peer, round: &str, used: f64, loop_cpu: f64, feeds: usize) {
    let spent = peer.round();
    if !spent.well {
        println!("  {} failed: what it used up says nothing", peer.name());
        return;
    }
    println!(
        "{:<11} | {:>8.2} {:>8.2} {:>9.0} {:>8} {:>8} | {:>8} {:>8} | {:>6.2}",
        format!("  {}", peer.name()),
        spent.seconds,
        spent.cpu,
        as_f64(feeds) / spent.seconds,
        "",
        spent.megabytes,
        "",
        "",
        spent.cpu / loop_cpu
    );
    if let Some(limit) = peer.limit().filter(|_| round == "first") {
        let what = format!("ingest: CPU beside {}, first round", peer.name());
        ratio::at_most(&what, used / spent.cpu, limit);
    }
}

/// feeds.toml for all of them.
fn write_config(home: &Path, spacing: &str, addresses: &[String]) {
    let mut text = format!(
        "[server]\nlisten = \"unix:{home}/http.sock\"\npublic_url = \"http://news.example/\"\n[store]\npath = \"{home}/store\"\n\
         [control]\nsocket = \"{home}/control.sock\"\n[poll]\nevery = \"1d\"\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 2, spacing = \"{spacing}\" }}\n",
        home = home.display()
    );
    for (number, address) in addresses.iter().enumerate() {
        write!(text, "[[feed]]\nid = \"f{number}\"\nurl = \"{address}\"\n").unwrap();
    }
    std::fs::write(home.join("feeds.toml"), text).unwrap();
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
            let mut asked = command(home);
            asked.args(["status", "--json"]).stdout(Stdio::piped());
            let status = asked.output().unwrap();
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

/// A line of `/proc/PID/status` in megabytes; `None` if the process has ended.
fn memory(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
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
