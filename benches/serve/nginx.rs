//! The same bytes from the same machine: aggd beside nginx, which hands them out as files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::process::cpu;
use super::{GZIP, Running, connect, free_port, get, header, ratio};

/// Connections that ask without a pause.
const AT_ONCE: usize = 16;
/// How long each is asked in one turn.
const TURN: Duration = Duration::from_secs(2);
/// Turns; the median counts.
const TURNS: usize = 5;

/// What is asked with, beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Plain,
    Gzip,
    Same,
    SameGzip,
}

const CASES: [(Case, &str, f64); 4] = [
    (Case::Plain, "plain", 0.8),
    (Case::Gzip, "gzip", 1.0),
    (Case::Same, "304", 1.0),
    (Case::SameGzip, "304 of gzip", 1.0),
];

impl Case {
    fn coding(self) -> &'static str {
        match self {
            Self::Plain | Self::Same => "",
            Self::Gzip | Self::SameGzip => GZIP,
        }
    }

    /// The header lines of a request; `tag` is what the server calls this form.
    fn headers(self, tag: &str) -> String {
        let coding = self.coding();
        match self {
            Self::Plain | Self::Gzip => coding.to_owned(),
            Self::Same | Self::SameGzip => format!("{coding}If-None-Match: {tag}\r\n"),
        }
    }
}

/// Compares a cached feed of a daemon at rest with nginx; says so where there is no nginx.
pub(super) async fn compare(dir: &Path, aggd: &Running, port: u16) {
    let path = "/all.atom";
    let mut asking = connect(port).await;
    let (mut plain, mut gzip) = (Vec::new(), Vec::new());
    let body = get(&mut asking, path, "", &mut plain).await.unwrap();
    plain.drain(..body);
    let body = get(&mut asking, path, GZIP, &mut gzip).await.unwrap();
    gzip.drain(..body);
    let Some((nginx, its_port)) = start(dir, &plain, &gzip).await else {
        println!("nginx is not installed: nothing to compare with");
        return;
    };
    println!("{path}: {} bytes, {} with gzip", plain.len(), gzip.len());
    for (case, name, limit) in CASES {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            theirs.push(turn(its_port, "/x.feed", case, nginx.0.id()).await);
            ours.push(turn(port, path, case, aggd.0.id()).await);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        println!("{name}: {ours:.1} us of CPU a request, nginx {theirs:.1} us");
        ratio::at_least(
            &format!("serve: CPU of nginx by ours, {name}"),
            theirs / ours,
            limit,
        );
    }
}

/// Asks without a pause; CPU microseconds of the server for one request.
async fn turn(port: u16, path: &'static str, case: Case, server: u32) -> f64 {
    let (mut asking, mut buffer) = (connect(port).await, Vec::new());
    let body = get(&mut asking, path, case.coding(), &mut buffer)
        .await
        .unwrap();
    let head = String::from_utf8_lossy(&buffer[..body]);
    let headers = case.headers(header(&head, "etag").unwrap_or_default());
    let before = cpu(server);
    let end = Instant::now() + TURN;
    let mut readers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let headers = headers.clone();
        readers.spawn(async move {
            let (mut stream, mut buffer, mut count) = (connect(port).await, Vec::new(), 0_u32);
            while Instant::now() < end {
                get(&mut stream, path, &headers, &mut buffer).await.unwrap();
                count += 1;
            }
            count
        });
    }
    let count: u32 = readers.join_all().await.iter().sum();
    (cpu(server) - before) * 1e6 / f64::from(count.max(1))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One process that serves a file and its compressed form; `None` where there is no nginx.
async fn start(dir: &Path, plain: &[u8], gzip: &[u8]) -> Option<(Running, u16)> {
    let home = dir.join("nginx");
    std::fs::create_dir_all(home.join("html")).unwrap();
    std::fs::write(home.join("html/x.feed"), plain).unwrap();
    std::fs::write(home.join("html/x.feed.gz"), gzip).unwrap();
    let port = free_port();
    let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path scratch;\n"))
        .concat();
    std::fs::write(
        home.join("nginx.conf"),
        format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{ worker_connections 256; }}\n\
             http {{\n{scratch}access_log off;\nsendfile on;\ntcp_nopush on;\nkeepalive_requests 1000000000;\n\
             open_file_cache max=10;\ntypes {{ application/atom+xml feed; }}\n\
             server {{ listen 127.0.0.1:{port}; root html; gzip_static on; gzip_vary on; add_header Cache-Control \"public, max-age=300\"; }}\n}}\n"
        ),
    )
    .unwrap();
    let child = Command::new("nginx")
        .args(["-c", "nginx.conf", "-e", "error.log", "-p"])
        .arg(&home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let running = Running(child);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return Some((running, port));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "nginx does not answer: see {}",
        home.join("error.log").display()
    );
}
