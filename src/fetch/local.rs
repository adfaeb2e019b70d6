//! Sources on this machine: a feed in a file, or one that a program prints. The program is started without a shell,
//! in a process group of its own that ends with the visit, within the limits of any other body.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use url::Url;

use super::Error;

/// Files that are read at once. One on a file server that no longer answers keeps its thread, and others need threads too.
static READS: Semaphore = Semaphore::const_new(4);
/// How much of what a failing program says is repeated.
const COMPLAINT: u64 = 2000;
/// What a service manager tells the daemon is not for its children.
const OURS: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// A file's content, or that it is as it was.
pub(super) enum FromFile {
    Same,
    Read { bytes: Bytes, mark: Vec<u8> },
}

/// Reads a file unless it still bears `mark`: its time of change and its size, as they were at the last visit.
pub(super) async fn file(
    url: &str,
    mark: Option<Vec<u8>>,
    limit: u64,
    time: Duration,
) -> Result<FromFile, Error> {
    let path = path(url)?;
    let shown = path.display().to_string();
    let read = async {
        // Never closed.
        let place = READS.acquire().await;
        let read = move || {
            let _place = place;
            read_file(&path, mark.as_deref(), limit)
        };
        tokio::task::spawn_blocking(read).await
    };
    match tokio::time::timeout(time, read).await {
        Ok(Ok(result)) => result,
        Ok(Err(stopped)) => Err(Error::File {
            path: shown,
            source: std::io::Error::other(stopped),
        }),
        Err(_) => Err(Error::Timeout {
            what: "the file could not be read in time",
        }),
    }
}

fn read_file(path: &Path, mark: Option<&[u8]>, limit: u64) -> Result<FromFile, Error> {
    let wrong = |source| Error::File {
        path: path.display().to_string(),
        source,
    };
    // Before it is opened: opening a pipe would wait for somebody to write.
    let kind = std::fs::metadata(path).map_err(wrong)?;
    if !kind.is_file() {
        return Err(wrong(std::io::Error::other("it is not a regular file")));
    }
    let file = std::fs::File::open(path).map_err(wrong)?;
    let found = file.metadata().map_err(wrong)?;
    let now_marked = format!(
        "{}.{:09}-{}-{}",
        found.mtime(),
        found.mtime_nsec(),
        found.size(),
        found.ino()
    )
    .into_bytes();
    if mark == Some(now_marked.as_slice()) {
        return Ok(FromFile::Same);
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { limit });
    }
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    Ok(FromFile::Read {
        bytes: bytes.into(),
        mark: now_marked,
    })
}

/// A path, or a `file:` URL.
pub(super) fn path(url: &str) -> Result<PathBuf, Error> {
    if !url.starts_with("file:") {
        return Ok(PathBuf::from(url));
    }
    Url::parse(url)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| Error::BadUrl {
            url: url.to_owned(),
        })
}

/// Ends a program's whole group when the visit is over, however it ends.
struct Group {
    child: Child,
    group: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Usually there is nobody left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a program and takes what it prints.
pub(super) async fn exec(command: &[String], limit: u64, time: Duration) -> Result<Bytes, Error> {
    let [program, arguments @ ..] = command else {
        return Err(Error::Exec {
            what: "no program is named".to_owned(),
        });
    };
    let mut prepared = Command::new(program);
    prepared
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in OURS {
        prepared.env_remove(name);
    }
    let child = prepared.spawn().map_err(|error| Error::Exec {
        what: format!("{program} could not be started: {error}"),
    })?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let mut running = Group { child, group };
    tokio::time::timeout(time, output(&mut running.child, program, limit))
        .await
        .unwrap_or(Err(Error::Timeout {
            what: "the program did not end in time",
        }))
}

async fn output(child: &mut Child, program: &str, limit: u64) -> Result<Bytes, Error> {
    let broken = |error: std::io::Error| Error::Exec {
        what: format!("reading what {program} prints: {error}"),
    };
    let stdout = child.stdout.take().expect("its output was piped");
    let stderr = child.stderr.take().expect("its errors were piped");
    let printed = async {
        let bytes = some_of(stdout, limit.saturating_add(1))
            .await
            .map_err(broken)?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge { limit });
        }
        Ok(bytes)
    };
    let complained = async {
        let mut rest = stderr;
        let said = some_of(&mut rest, COMPLAINT).await.unwrap_or_default();
        // Read on, or a talkative program would wait for us for ever.
        let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        Ok(said)
    };
    let (bytes, said) = tokio::try_join!(printed, complained)?;
    let status = child.wait().await.map_err(broken)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        let last = said.trim().lines().next_back().unwrap_or_default();
        let colon = if last.is_empty() { "" } else { ": " };
        return Err(Error::Exec {
            what: format!("{program} ended with {status}{colon}{last}"),
        });
    }
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    Ok(bytes.into())
}

async fn some_of(from: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    const TIME: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_program_prints_a_feed_and_no_shell_looks_at_it() {
        let printed = exec(&words("/bin/echo -n $HOME <rss/> ;"), 100, TIME).await;
        assert_eq!(printed.unwrap(), &b"$HOME <rss/> ;"[..]);
    }

    #[tokio::test]
    async fn a_failing_program_is_quoted() {
        let failed = exec(&words("/bin/ls /nowhere/at-all"), 100, TIME).await;
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("/bin/ls ended with exit status"), "{text}");
        assert!(text.contains("/nowhere/at-all"), "{text}");
        let missing = exec(&words("/nowhere/program"), 100, TIME).await;
        assert!(
            missing
                .unwrap_err()
                .to_string()
                .contains("could not be started")
        );
    }

    #[tokio::test]
    async fn an_endless_program_is_stopped_at_the_limit() {
        let endless = exec(&words("/usr/bin/yes"), 1 << 20, TIME).await;
        assert!(matches!(endless, Err(Error::TooLarge { limit: 1_048_576 })));
    }

    #[tokio::test]
    async fn a_program_that_hangs_ends_with_its_children() {
        let home = tempfile::tempdir().unwrap();
        let note = home.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", note.display());
        let command = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        let hung = exec(&command, 100, Duration::from_millis(500)).await;
        assert!(matches!(hung, Err(Error::Timeout { .. })));
        let child = std::fs::read_to_string(&note).unwrap();
        let stat = PathBuf::from(format!("/proc/{}/stat", child.trim()));
        // Killed at once; until somebody collects it, it may stand there as a zombie.
        for _ in 0..1000 {
            match std::fs::read_to_string(&stat) {
                Ok(text) if !text.contains(") Z ") => tokio::task::yield_now().await,
                _ => return,
            }
        }
        panic!("the program's child lives on");
    }

    #[tokio::test]
    async fn a_file_is_read_when_it_changed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("feed.xml");
        std::fs::write(&path, "<rss/>").unwrap();
        let url = Url::from_file_path(&path).unwrap();
        let Ok(FromFile::Read { bytes, mark }) = file(url.as_str(), None, 100, TIME).await else {
            panic!("it is there");
        };
        assert_eq!(bytes, "<rss/>");
        let again = file(path.to_str().unwrap(), Some(mark.clone()), 100, TIME).await;
        assert!(matches!(again, Ok(FromFile::Same)));
        std::fs::write(&path, "<rss></rss>").unwrap();
        let changed = file(url.as_str(), Some(mark), 100, TIME).await;
        assert!(matches!(changed, Ok(FromFile::Read { .. })));
        let large = file(url.as_str(), None, 5, TIME).await;
        assert!(matches!(large, Err(Error::TooLarge { limit: 5 })));
        let directory = file(home.path().to_str().unwrap(), None, 100, TIME).await;
        assert!(matches!(directory, Err(Error::File { .. })));
    }
}
