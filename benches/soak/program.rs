//! The real binary under the load, what is done to it each minute, and what it costs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::readers::Readers;
use crate::sources::Sources;

/// Categories that the sources are spread over.
pub(crate) const CATEGORIES: usize = 20;
/// An added feed goes again after so many minutes.
const GUEST: usize = 5;

pub(crate) struct Program {
    child: Child,
    dir: PathBuf,
    base: String,
}

/// What one minute was like.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    minute: usize,
    /// Resident, bytes.
    pub(crate) resident: u64,
    pub(crate) descriptors: usize,
    threads: u64,
    /// Of store and backups, bytes.
    pub(crate) disk: u64,
    /// Seconds of CPU since the start.
    cpu: f64,
    articles: u64,
    visits: usize,
    requests: usize,
    /// Latency of a reader's request, milliseconds: median and 99th percentile.
    median: f64,
    pub(crate) slowest: f64,
}

impl Sample {
    pub(crate) const HEAD: &str = "minute  resident   fds threads      disk   cpu/s  articles visits/s requests/s  p50 ms  p99 ms";
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6} {:>6} MiB {:>5} {:>7} {:>6} MiB {:>7.2} {:>9} {:>8} {:>10} {:>7.2} {:>7.2}",
            self.minute,
            self.resident >> 20,
            self.descriptors,
            self.threads,
            self.disk >> 20,
            self.cpu,
            self.articles,
            self.visits / 60,
            self.requests / 60,
            self.median,
            self.slowest
        )
    }
}

impl Program {
    pub(crate) async fn start(dir: &Path, sources: &Sources) -> Self {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        std::fs::write(dir.join("feeds.toml"), feeds_toml(port, sources)).unwrap();
        let log = std::fs::File::create(dir.join("aggd.log")).unwrap();
        let child = aggd(dir)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self {
            child,
            dir: dir.to_owned(),
            base: format!("http://127.0.0.1:{port}"),
        };
        let begin = Instant::now();
        while reqwest::get(program.url("/readyz")).await.is_err() {
            assert!(begin.elapsed() < Duration::from_mins(1), "it never served");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        program
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// One of the commands, while the daemon runs.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        aggd(&self.dir).args(args).output().unwrap()
    }

    /// What an administrator might do: a feed comes, an old guest goes, and the file is read again.
    pub(crate) fn disturb(&self, sources: &Sources, minute: usize) {
        let guest = format!("guest-{minute}");
        let url = sources.url(minute % sources.count()) + "?guest";
        let added = self.command(&["add-feed", "--no-fetch", "--id", &guest, &url]);
        assert!(added.status.success(), "{added:?}");
        if minute > GUEST {
            let old = format!("guest-{}", minute - GUEST);
            let removed = self.command(&["remove-feed", &old]);
            assert!(removed.status.success(), "{removed:?}");
        }
        let reloaded = self.command(&["reload"]);
        assert!(reloaded.status.success(), "{reloaded:?}");
    }

    pub(crate) async fn sample(
        &self,
        minute: usize,
        readers: &Readers,
        sources: &Sources,
    ) -> Sample {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status")).unwrap();
        let figure = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let digits: String = line.chars().filter(char::is_ascii_digit).collect();
            digits.parse::<u64>().unwrap()
        };
        let (median, slowest, requests) = readers.minute();
        Sample {
            minute,
            resident: figure("VmRSS:") << 10,
            descriptors: std::fs::read_dir(proc.join("fd")).unwrap().count(),
            threads: figure("Threads:"),
            disk: size(&self.dir.join("store")),
            cpu: cpu(&proc),
            articles: self.articles().await,
            visits: sources.requests(),
            requests,
            median,
            slowest,
        }
    }

    async fn articles(&self) -> u64 {
        let answer = reqwest::get(self.url("/metrics")).await.unwrap();
        let text = answer.text().await.unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("aggd_articles "))
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    /// Ends it as systemd would.
    pub(crate) fn stop(mut self) -> Vec<String> {
        let begin = Instant::now();
        let pid = self.child.id().to_string();
        Command::new("kill").arg(&pid).status().unwrap();
        let status = self.child.wait().unwrap();
        println!("it ended in {:.1} s", begin.elapsed().as_secs_f64());
        if status.success() {
            Vec::new()
        } else {
            vec![format!("it ended with {status}")]
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn aggd(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aggd"));
    command
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("XDG_RUNTIME_DIR", dir);
    command
}

/// Intervals of seconds, retention of minutes: what takes weeks in life. Short enough that as much is dropped as comes,
/// and both backups are there, by the time that flatness counts.
fn feeds_toml(port: u16, sources: &Sources) -> String {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"https://soak.example.org/\"\n\
         max_connections = 4096\n\
         [store]\npath = \"store\"\nkeep = {{ age = \"5m\", min_per_feed = 5, max_per_feed = 60 }}\n\
         tombstones = \"10m\"\nbackup = {{ every = \"4m\", keep = 2 }}\n\
         [control]\nsocket = \"control.sock\"\n\
         [poll]\nevery = {{ min = \"15s\", max = \"2m\" }}\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 16, spacing = \"0s\" }}\n\
         total_timeout = \"5s\"\n"
    );
    for number in 0..sources.count() {
        text.push_str(&format!(
            "[[feed]]\nid = \"source-{number}\"\nurl = \"{}\"\ncategory = \"shelf {}\"\ntags = [\"t{}\"]\n",
            sources.url(number),
            number % CATEGORIES,
            number % 100
        ));
    }
    text
}

/// Bytes on the disk below a directory.
fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            // It went while we looked.
            Err(_) => 0,
        })
        .sum()
}

/// Seconds of CPU that a process has used, in user and system mode.
fn cpu(proc: &Path) -> f64 {
    let stat = std::fs::read_to_string(proc.join("stat")).unwrap();
    // The name in parentheses may have blanks.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    let per_second = rustix::param::clock_ticks_per_second();
    #[expect(clippy::cast_precision_loss, reason = "it is a hundred")]
    let per_second = per_second as f64;
    (ticks(11) + ticks(12)) / per_second
}
