//! What people use today, on the same feeds: `sfeed_update`, newsboat, and reader for Python.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::memory;
use super::process::cpu_of_ended;

/// A program that fetches feeds and keeps what they say.
pub(super) struct Peer {
    name: &'static str,
    /// Its store lives as long as this.
    _home: TempDir,
    command: Command,
}

/// What one round of it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) seconds: f64,
    /// CPU seconds of the process and all that it started.
    pub(super) cpu: f64,
    /// Memory of the process itself at the most.
    pub(super) megabytes: u64,
    /// It ended as it should: what a program used up that failed says nothing.
    pub(super) well: bool,
}

/// Adds each feed once, then updates all.
const READER: &str = "from reader import make_reader\nr = make_reader('reader.sqlite')\n\
    for url in open('urls').read().split():\n    r.add_feed(url, exist_ok=True)\nr.update_feeds(workers=8)\n";

impl Peer {
    /// Those that are installed, each with an empty store of its own.
    pub(super) fn installed(addresses: &[String]) -> Vec<Self> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let has = |program: &str, arguments: &[&str]| {
            let mut asked = Command::new(program);
            asked.args(arguments).stdout(Stdio::null());
            // Any answer will do: sfeed_update has no option that only says what it is.
            asked.stderr(Stdio::null()).status().ok()
        };
        let mut all = Vec::new();
        if has("sfeed_update", &["/dev/null"]).is_some() {
            let mut feeds = String::from("sfeedpath=\"$HOME/sfeed\"\nmaxjobs=8\nfeeds() {\n");
            for (number, address) in addresses.iter().enumerate() {
                let _ = writeln!(feeds, "\tfeed f{number} '{address}'");
            }
            feeds.push_str("}\n");
            all.push(Self::new("sfeed", "sfeed_update", &["sfeedrc"], |home| {
                std::fs::create_dir(home.join("sfeed"))?;
                std::fs::write(home.join("sfeedrc"), feeds)
            }));
        }
        let urls = addresses.join("\n");
        if has("newsboat", &["-v"]).is_some() {
            let arguments = [
                "-q", "-u", "urls", "-c", "cache.db", "-C", "config", "-x", "reload",
            ];
            all.push(Self::new("newsboat", "newsboat", &arguments, |home| {
                std::fs::write(home.join("config"), "reload-threads 8\n")?;
                std::fs::write(home.join("urls"), &urls)
            }));
        }
        if has(&python, &["-c", "import reader"]).is_some_and(|status| status.success()) {
            all.push(Self::new("reader", &python, &["-c", READER], |home| {
                std::fs::write(home.join("urls"), &urls)
            }));
        }
        all
    }

    fn new(
        name: &'static str,
        program: &str,
        arguments: &[&str],
        prepare: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path()).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(home.path());
        command.env("HOME", home.path()).env("no_proxy", "*");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        Self {
            name,
            _home: home,
            command,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// The share of its CPU that aggd may need for the first round.
    pub(super) fn limit(&self) -> Option<f64> {
        match self.name {
            "sfeed" => Some(0.5),
            "reader" => Some(0.3),
            _ => None,
        }
    }

    /// Fetches everything once.
    pub(super) fn round(&mut self) -> Spent {
        let (begun, before) = (Instant::now(), cpu_of_ended());
        let mut child = self.command.spawn().unwrap();
        let mut megabytes = 0;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            // Between its end and our asking it has no memory any more.
            megabytes = megabytes.max(memory(child.id(), "VmHWM").unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        };
        Spent {
            well: status.success(),
            seconds: begun.elapsed().as_secs_f64(),
            cpu: cpu_of_ended() - before,
            megabytes,
        }
    }
}
