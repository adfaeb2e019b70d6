//! A server and a client over a real socket.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use aggd::clock::SystemClock;
use aggd::config::Control;
use aggd::config::{File, Secrets, Surroundings};
use aggd::control::{Client, Error, Server};
use aggd::ops::{self, Context, Request, feeds};

fn context(text: &str) -> Arc<Context> {
    let file = File {
        path: "feeds.toml".into(),
        text: text.to_owned(),
    };
    let surroundings = Surroundings {
        env: &|_| None,
        file: &|_| Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
        secrets: Secrets::Optional,
    };
    let config = aggd::config::read(&[file], &surroundings).unwrap();
    Arc::new(Context::alone(
        Arc::new(config),
        None,
        Arc::new(SystemClock),
    ))
}

#[tokio::test]
async fn a_command_asks_and_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/control.sock");
    let options = Control {
        socket: socket.clone(),
        mode: 0o660,
    };
    assert!(Client::connect(&socket).await.unwrap().is_none());

    let server = Server::bind(&options).unwrap();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let running = context("[[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\n");
    tasks.spawn(server.run(stop.clone(), running));

    let client = Client::connect(&socket).await.unwrap().unwrap();
    assert_eq!(client.hello().pid, std::process::id());
    let filter = feeds::Filter::default();
    let answer = client.ask(&Request::ListFeeds(filter)).await.unwrap();
    let rows: Vec<feeds::FeedRow> = serde_json::from_str(&answer).unwrap();
    assert_eq!(rows[0].id, "a");
    assert_eq!(rows[0].state, "new");
    let refused = client.ask(&Request::FeedStatus { id: "b".into() }).await;
    assert!(matches!(refused, Err(ops::Error::NotFound(_))));
    let refused = client.ask(&Request::Reload {}).await;
    assert!(matches!(refused, Err(ops::Error::NeedsDaemon)));
    assert!(matches!(Server::bind(&options), Err(Error::InUse { .. })));

    stop.cancel();
    tasks.close();
    tasks.wait().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_a_dead_daemon_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let options = Control {
        socket: socket.clone(),
        mode: 0o600,
    };
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(Server::bind(&options).is_ok());

    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "precious").unwrap();
    assert!(matches!(
        Server::bind(&options),
        Err(Error::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[tokio::test]
async fn a_daemon_of_another_protocol_is_named() {
    use std::io::{Read, Write};

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answers = std::thread::spawn(move || {
        for protocol in [99, ops::PROTOCOL] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).unwrap();
            let body = format!(
                "{{\"version\":\"9.9.9\",\"protocol\":{protocol},\"pid\":1,\"config\":\"c\",\"store\":\"s\",\"more\":1}}"
            );
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let refused = Client::connect(&socket).await.unwrap_err().to_string();
    assert!(refused.contains("(process 1) is 9.9.9"), "{refused}");
    let client = Client::connect(&socket).await.unwrap().unwrap();
    assert_eq!(client.hello().version, "9.9.9");
    answers.join().unwrap();
}

/// Root, the daemon's own user and the group of the socket may command; nobody else, whatever the socket's mode lets in.
#[tokio::test]
async fn strangers_are_refused() {
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        // Only root can become somebody else.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    // Where the tests were built may be closed to others.
    let program = folder.path().join("aggd");
    std::fs::copy(env!("CARGO_BIN_EXE_aggd"), &program).unwrap();
    let feeds = "[[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\n";
    std::fs::write(folder.path().join("feeds.toml"), feeds).unwrap();
    for (mode, user, group, wanted) in [
        (0o660, NOBODY, NOBODY, 77),
        (0o666, NOBODY, NOBODY, 77),
        (0o660, NOBODY, rustix::process::getegid().as_raw(), 0),
        (0o600, 0, 0, 0),
    ] {
        let options = Control {
            socket: folder.path().join("control.sock"),
            mode,
        };
        let server = Server::bind(&options).unwrap();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(server.run(stop.clone(), context(feeds)));
        let mut command = std::process::Command::new(&program);
        command
            .args(["--socket", "control.sock", "status"])
            .current_dir(folder.path())
            .env_clear()
            .gid(group)
            .uid(user);
        let output = tokio::process::Command::from(command).output().await;
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(wanted), "{mode:o}: {output:?}");
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
