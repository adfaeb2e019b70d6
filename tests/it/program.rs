//! The real binary, as a person or systemd would start it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running `aggd run`, ended when dropped.
pub(crate) struct Program {
    child: Child,
    dir: PathBuf,
    port: u16,
}

/// `aggd` with arguments, in a directory, far from the settings of whoever runs the tests.
pub(crate) fn aggd(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aggd"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("XDG_RUNTIME_DIR", dir);
    command
}

/// Runs a command to its end.
pub(crate) fn output(dir: &Path, args: &[&str]) -> Output {
    aggd(dir, args).output().unwrap()
}

impl Program {
    /// Starts it on the feeds.toml in this directory and waits until it serves.
    pub(crate) async fn start(dir: &Path, port: u16) -> Self {
        let mut command = aggd(dir, &["run"]);
        command.stdin(Stdio::null());
        Self::start_as(dir, port, command).await
    }

    /// The same by another command.
    pub(crate) async fn start_as(dir: &Path, port: u16, mut command: Command) -> Self {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("aggd.log"))
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let program = Self {
            child,
            dir: dir.to_owned(),
            port,
        };
        program
            .until("it serves", async || {
                program.try_get("/healthz").await.is_some()
            })
            .await;
        program
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn try_get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        let response = crate::web::client().get(self.url(path)).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.bytes().await.ok()?.to_vec()))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.try_get(path)
            .await
            .unwrap_or_else(|| panic!("no answer to {path}; {}", self.log()))
    }

    /// Asks again and again, for three minutes at most, until something holds. The program has a clock of its own.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let begin = Instant::now();
        while !holds().await {
            assert!(
                begin.elapsed() < Duration::from_mins(3),
                "not within three minutes: {what}; {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("aggd.log")).unwrap_or_default();
        let from = log.len().saturating_sub(4000);
        let from = (from..log.len())
            .find(|&at| log.is_char_boundary(at))
            .unwrap_or(0);
        format!("the log ends:\n{}", &log[from..])
    }

    /// As if the power went.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
