//! aggd as a service manager sees it: passed sockets, messages, signals.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::UnixDatagram;

use crate::program::{self, Program, aggd};
use crate::town::{Town, feed};

fn folder(listen: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[server]\nlisten = \"{listen}\"\npublic_url = \"http://localhost/\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n"
    );
    std::fs::write(dir.path().join("feeds.toml"), text).unwrap();
    dir
}

/// `aggd run` with this socket as systemd would pass it: number 3, named `http`.
fn with_socket(dir: &Path, listener: &TcpListener) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http; exec \"$0\" run 3<&0 </dev/null",
            env!("CARGO_BIN_EXE_aggd"),
        ])
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
    command
}

#[tokio::test]
async fn no_reader_is_refused_while_it_restarts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = folder("fd:http");
    let first = Program::start_as(dir.path(), port, with_socket(dir.path(), &listener)).await;
    let url = first.url("/all.atom");
    let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let reader = async {
        let mut answers = Vec::new();
        while !done.load(Ordering::Relaxed) {
            // Each on a connection of its own, as of many readers.
            let request = crate::web::client().get(&url).header("Connection", "close");
            answers.push(request.send().await.map(|answer| answer.status().as_u16()));
            count.fetch_add(1, Ordering::Relaxed);
        }
        answers
    };
    let restart = async {
        first
            .until("readers come", async || count.load(Ordering::Relaxed) > 2)
            .await;
        let ended = tokio::task::spawn_blocking(|| first.terminate());
        assert!(ended.await.unwrap().success());
        let second = Program::start_as(dir.path(), port, with_socket(dir.path(), &listener)).await;
        done.store(true, Ordering::Relaxed);
        second
    };
    let (answers, second) = tokio::join!(reader, restart);
    for answer in answers {
        assert_eq!(answer.unwrap(), 200);
    }
    assert!(second.terminate().success());
}

/// The next message to the service manager that has all of these.
async fn told(manager: &UnixDatagram, wanted: &[&str]) -> String {
    let mut buffer = vec![0; 4096];
    loop {
        let received = tokio::time::timeout(Duration::from_secs(20), manager.recv(&mut buffer));
        let length = received
            .await
            .unwrap_or_else(|_| panic!("never told {wanted:?}"));
        let message = String::from_utf8_lossy(&buffer[..length.unwrap()]).into_owned();
        if wanted.iter().all(|one| message.contains(one)) {
            return message;
        }
    }
}

#[tokio::test]
async fn the_service_manager_is_told_what_happens() {
    let port = program::free_port();
    let dir = folder(&format!("127.0.0.1:{port}"));
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let mut command = aggd(dir.path(), &["run"]);
    command
        .stdin(Stdio::null())
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .env("WATCHDOG_USEC", "200000");
    let program = Program::start_as(dir.path(), port, command).await;
    told(&manager, &["READY=1", "STATUS=0 feeds"]).await;
    told(&manager, &["WATCHDOG=1"]).await;

    let path = dir.path().join("feeds.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}colour = \"red\"\n")).unwrap();
    program.signal("HUP");
    told(&manager, &["RELOADING=1", "MONOTONIC_USEC="]).await;
    told(&manager, &["READY=1", "refused"]).await;
    std::fs::write(
        &path,
        format!("{good}[[feed]]\nurl = \"http://127.0.0.1:9/\"\n"),
    )
    .unwrap();
    program.signal("HUP");
    told(&manager, &["READY=1", "STATUS=1 feeds"]).await;
    told(&manager, &["WATCHDOG=1"]).await;

    let ended = tokio::task::spawn_blocking(|| program.terminate());
    assert!(ended.await.unwrap().success());
    told(&manager, &["STOPPING=1"]).await;
}

#[tokio::test]
async fn an_edit_that_the_daemon_refuses_is_taken_back() {
    let port = program::free_port();
    let dir = folder(&format!("127.0.0.1:{port}"));
    let path = dir.path().join("feeds.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!("{text}[[feed]]\nid = \"a\"\nurl = \"http://127.0.0.1:9/\"\n");
    std::fs::write(&path, &text).unwrap();
    let program = Program::start(dir.path(), port).await;
    // The command cannot know what secrets the daemon has; the daemon does.
    let set = "headers.X-Token={ env = \"AGGD_NOWHERE\" }";
    let refused = program::output(dir.path(), &["edit-feed", "a", "--set", set]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("the file is as before") && words.contains("AGGD_NOWHERE"),
        "{words}"
    );
    assert_eq!(refused.status.code(), Some(78));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let changed = program::output(dir.path(), &["edit-feed", "a", "--set", "title=A"]);
    assert!(changed.status.success(), "{changed:?}");
    let rows = program::output(dir.path(), &["list-feeds"]);
    let rows = String::from_utf8_lossy(&rows.stdout).into_owned();
    assert!(rows.starts_with("a\tA\t"), "{rows}");
    assert!(program.terminate().success());
}

#[tokio::test]
async fn who_holds_the_store_is_found_and_named() {
    let port = program::free_port();
    let dir = folder(&format!("127.0.0.1:{port}"));
    let path = dir.path().join("feeds.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[control]\nsocket = \"control.sock\"\n", "");
    std::fs::write(&path, &text).unwrap();
    // As from cron or sudo: without a runtime directory the socket is in the store, where a login does not look first.
    let mut command = aggd(dir.path(), &["run"]);
    command.stdin(Stdio::null()).env_remove("XDG_RUNTIME_DIR");
    let program = Program::start_as(dir.path(), port, command).await;
    let status = program::output(dir.path(), &["status"]);
    let words = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(words.contains("process "), "{words}");
    assert_eq!(
        program::output(dir.path(), &["reload"]).status.code(),
        Some(0)
    );

    let other = text.replace(&port.to_string(), "0");
    std::fs::write(dir.path().join("other.toml"), other).unwrap();
    let second = program::output(dir.path(), &["-c", "other.toml", "run"]);
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(75), "{words}");
    assert!(words.contains("process"), "{words}");
    assert!(program.terminate().success());
}

/// Names and niceness of the threads of a process.
#[cfg(target_os = "linux")]
fn threads(process: u32) -> Vec<(String, i32)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .filter_map(|task| {
            // A thread may end meanwhile.
            let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
            let (before, after) = stat.rsplit_once(") ")?;
            let (_, name) = before.split_once('(')?;
            // The nineteenth field (proc_pid_stat(5)); the third is the first behind the name.
            let nice = after.split(' ').nth(16)?.parse().ok()?;
            Some((name.to_owned(), nice))
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_answers_goes_before_who_renders_and_who_renders_before_who_polls() {
    let port = program::free_port();
    let dir = folder(&format!("127.0.0.1:{port}"));
    let program = Program::start(dir.path(), port).await;
    // Somebody renders, too.
    program.get("/all.atom").await;
    // A thread that has just begun does not stand in its place yet.
    program
        .until("each kind of thread stands in its place", async || {
            let threads = threads(program.id());
            let of = |name: &str| -> Vec<i32> {
                let of_name = threads.iter().filter(|(of, _)| of.starts_with(name));
                of_name.map(|(_, nice)| *nice).collect()
            };
            let Some(answer) = of("serve-").into_iter().max() else {
                return false;
            };
            let (render, poll) = ((answer + 5).min(19), (answer + 10).min(19));
            let workers = of("tokio-rt-worker");
            workers.contains(&render)
                && workers.iter().all(|nice| [render, poll].contains(nice))
                && of("poll") == [poll]
                // Readers wait for the store's lock.
                && of("aggd-store") == [render]
        })
        .await;
    assert!(program.terminate().success());
}

/// Threads keep what they read and pack articles with, so hundreds of them would be most of the memory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_burst_of_readers_leaves_few_threads() {
    let port = program::free_port();
    let dir = folder(&format!("127.0.0.1:{port}"));
    let program = Program::start(dir.path(), port).await;
    let url = program.url("/all.atom");
    let mut readers = tokio::task::JoinSet::new();
    for n in 1..=300 {
        readers.spawn(crate::web::client().get(format!("{url}?n={n}")).send());
    }
    for answer in readers.join_all().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let threads = threads(program.id());
    let workers = threads.iter().filter(|(name, _)| name == "tokio-rt-worker");
    let cores = std::thread::available_parallelism().unwrap().get();
    // Those of the runtime, those that read and pack for it, and those that render.
    let most = cores + (4 * cores).max(8) + 8 * cores.div_ceil(2);
    assert!(
        workers.clone().count() <= most,
        "{} of {most}",
        workers.count()
    );
    assert!(program.terminate().success());
}

#[tokio::test]
async fn a_refused_reload_shows_until_one_goes_well() {
    let town = Town::new("").await;
    let shown = async || {
        let metrics = town.get("/metrics").await.text();
        metrics.contains("\naggd_reload_failed 1\n")
    };
    assert!(!shown().await);
    town.reload("[poll]\nevry = \"1h\"\n").await.unwrap_err();
    assert!(shown().await);
    let done =
        town.reload("[publish]\nitems = 10\n[[feed]]\nid = \"x\"\nurl = \"http://127.0.0.1:9/\"\n");
    let done = done.await.unwrap();
    assert_eq!(done.added, ["x"]);
    assert_eq!(done.settings, ["[publish]"]);
    assert!(done.removed.is_empty() && done.restart.is_empty());
    assert!(!shown().await);
}

/// Names that the alerts for Prometheus use are names that aggd has.
#[tokio::test]
async fn alerts_ask_for_figures_that_exist() {
    let origin = crate::origin::Origin::start().await;
    origin.feed("/a", &[crate::origin::entry("1").title("One")]);
    let town = Town::new(&feed("a", &origin.url("/a"), "")).await;
    let metrics = town.get("/metrics").await.text();
    let alerts = include_str!("../../packaging/prometheus-alerts.yml");
    let mut names = 0;
    for line in alerts
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        for word in line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("aggd_") {
                names += 1;
                assert!(metrics.contains(&format!("\n{word}")), "there is no {word}");
            }
        }
    }
    assert!(names > 5, "{names}");
}
