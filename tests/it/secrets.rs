//! A secret is planted wherever feeds.toml takes one; after a day of work, good and bad, it stands nowhere else.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::process::Command;

use crate::origin::{Origin, Reply, entry, rss};
use crate::program::{self, Program};

/// Every secret of the test has this in it.
const PLANTED: &str = "pl4nted";

/// What must be nowhere: the secret itself, and a pair with it as it goes over the wire.
fn found(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let pairs = ["one", "gone", "refused", "away"]
        .map(|name| STANDARD.encode(format!("reader:{PLANTED}-{name}")));
    std::iter::once(PLANTED.to_owned())
        .chain(pairs)
        .find_map(|secret| {
            let line = text.lines().find(|line| line.contains(&secret))?;
            Some(line.chars().take(600).collect())
        })
}

fn clean(place: &str, bytes: &[u8]) {
    if let Some(line) = found(bytes) {
        panic!("a secret stands in {place}: {line}");
    }
}

/// With what a service manager would give the daemon.
fn aggd(dir: &Path, args: &[&str]) -> std::process::Command {
    let mut command = program::aggd(dir, args);
    command
        .env("AGGD_HEADER", format!("{PLANTED}-env"))
        .env("AGGD_TOKEN", format!("{PLANTED}-token-of-the-phone"));
    command
}

/// What a command said and how it ended: no secret, whatever it was.
async fn said(dir: &Path, args: &[&str]) -> (Vec<u8>, i32) {
    let output = Command::from(aggd(dir, args)).output().await.unwrap();
    let place = format!("what `aggd {}` says", args.join(" "));
    if args != ["backup", "-"] {
        clean(&place, &output.stdout);
    }
    clean(&format!("{place}, as errors"), &output.stderr);
    (output.stdout, output.status.code().expect("it ended"))
}

fn settings(origin: &Origin, port: u16) -> String {
    let at = |name: &str| {
        origin
            .url(&format!("/{name}"))
            .replace("://", &format!("://reader:{PLANTED}-{name}@"))
    };
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n\
         [log]\nlevel = \"trace,sled=info\"\n[fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ spacing = \"0s\" }}\n\
         [[feed]]\nid = \"one\"\nurl = \"{one}\"\n\
         [[feed]]\nid = \"two\"\nurl = \"{two}\"\nprivate = true\n\
         headers.Authorization = \"Bearer {PLANTED}-inline\"\nheaders.X-Env = {{ env = \"AGGD_HEADER\" }}\n\
         headers.X-File = {{ file = \"key\", prefix = \"Key \" }}\n\
         [[feed]]\nid = \"gone\"\nurl = \"{gone}\"\n\
         [[feed]]\nid = \"away\"\nurl = \"{away}\"\n\
         [[feed]]\nid = \"refused\"\nurl = \"http://reader:{PLANTED}-refused@127.0.0.1:1/\"\n\
         [[feed]]\nid = \"proxied\"\nurl = \"http://192.0.2.1/\"\nproxy = \"http://reader:{PLANTED}-proxy@127.0.0.1:1/\"\n\
         [[output]]\nid = \"mine\"\nwhen = \"true\"\ntokens = [{{ name = \"phone\", env = \"AGGD_TOKEN\" }}]\n",
        one = at("one"),
        two = origin.url("/two"),
        gone = at("gone"),
        away = at("away"),
    )
}

#[tokio::test]
async fn a_secret_stays_where_it_was_put() {
    let origin = Origin::start().await;
    let elsewhere = Origin::start().await;
    origin.feed("/one", &[entry("1").title("First")]);
    origin.serve("/two", Reply::ok(rss("Two", &[entry("2").title("Second")])));
    origin.serve("/gone", Reply::status(404));
    origin.serve("/away", Reply::redirect(302, elsewhere.url("/nothing")));
    let port = program::free_port();
    let dir = tempfile::tempdir().unwrap();
    let good = settings(&origin, port);
    let file = dir.path().join("feeds.toml");
    std::fs::write(&file, &good).unwrap();
    std::fs::write(dir.path().join("key"), format!("{PLANTED}-file\n")).unwrap();
    let program = Program::start_as(dir.path(), port, aggd(dir.path(), &["run"])).await;
    let run = async |args: &[&str]| said(dir.path(), args).await;
    let (_, code) = run(&["fetch", "--wait", "--force"]).await;
    assert_eq!(code, 4, "four of the six cannot be fetched");

    // They are what they are for.
    let sent = |path: &str, name: &str| origin.requests(path)[0].header(name).unwrap_or_default();
    let pair = STANDARD.encode(format!("reader:{PLANTED}-one"));
    assert_eq!(sent("/one", "authorization"), format!("Basic {pair}"));
    assert_eq!(
        sent("/two", "authorization"),
        format!("Bearer {PLANTED}-inline")
    );
    assert_eq!(sent("/two", "x-env"), format!("{PLANTED}-env"));
    assert_eq!(sent("/two", "x-file"), format!("Key {PLANTED}-file"));
    let lists = format!("/p/{PLANTED}-token-of-the-phone/outputs/mine.json");
    assert_eq!(program.get(&lists).await.0, 200);
    assert_eq!(program.get(&lists.replace("phone", "p")).await.0, 404);

    for path in [
        "/metrics",
        "/readyz",
        "/",
        "/all",
        "/all.atom",
        "/all.json",
        "/sources",
        "/sources/one",
        "/sources/one.atom",
        "/opml",
        "/opml/own",
        "/status",
        "/outputs",
        "/sources/two.atom",
    ] {
        clean(path, &program.get(path).await.1);
    }
    let (articles, _) = run(&["articles", "--json"]).await;
    let articles: serde_json::Value = serde_json::from_slice(&articles).unwrap();
    let article = articles[0]["id"].as_str().expect("it has an id");
    for (args, wanted) in [
        (&["list-feeds", "--json"][..], 0),
        (&["status", "--json"], 0),
        (&["status"], 0),
        (&["status", "--failing"], 4),
        (&["status", "one", "--json"], 0),
        (&["status", "two"], 0),
        (&["status", "away"], 4),
        (&["status", "refused"], 4),
        (&["status", "proxied", "--json"], 4),
        (&["explain", article], 0),
        (&["config"], 0),
        (&["config", "one"], 0),
        (&["config", "two", "--json"], 0),
        (&["config", "proxied"], 0),
        (&["check"], 0),
        (&["token", "list"], 0),
        (&["export-opml"], 0),
        (&["verify"], 0),
        (
            &[
                "add-feed",
                &format!("http://reader:{PLANTED}@127.0.0.1:1/new"),
            ],
            1,
        ),
        (&["remove-feed", "--purge", "nothing"], 3),
    ] {
        let (_, code) = run(args).await;
        assert_eq!(code, wanted, "aggd {}", args.join(" "));
    }
    // It may well find faults with the machine.
    run(&["doctor"]).await;
    let (backup, _) = run(&["backup", "-"]).await;
    let backup = zstd::decode_all(backup.as_slice()).unwrap();
    assert!(backup.windows(5).any(|part| part == b"First"));
    clean("a backup", &backup);

    // Mistakes are told without what stands around them.
    for mistake in [
        format!("headers.Authorization = \"Bearer {PLANTED}"),
        format!("headers.Authorization = \"Bearer {PLANTED}\\u0007\"\n"),
        format!("headers.Authorization = {{ secret = \"{PLANTED}\" }}\n"),
        format!("headers = \"{PLANTED}\"\n"),
        format!("proxy = \"ftp://reader:{PLANTED}@127.0.0.1/\"\n"),
        format!("proxy = \"http://reader:{PLANTED}@[/\"\n"),
        format!("url = \"http://reader:{PLANTED}@[/\"\n"),
        format!("url = \"gopher://reader:{PLANTED}@127.0.0.1/\"\n"),
        format!("url = \"reader:{PLANTED}@127.0.0.1/\"\n"),
        format!("url = \"http://reader:{PLANTED}@127.0.0.1:99999/\"\n"),
    ] {
        let is_feed = mistake.starts_with("url");
        let address = if is_feed {
            ""
        } else {
            "url = \"http://192.0.2.1/\"\n"
        };
        std::fs::write(
            &file,
            format!("{good}[[feed]]\nid = \"bad\"\n{address}{mistake}"),
        )
        .unwrap();
        for args in [&["reload"][..], &["check"], &["list-feeds"]] {
            let (_, code) = run(args).await;
            assert!(code == 78 || args == ["list-feeds"], "{mistake}: {code}");
        }
        run(&["status"]).await;
    }
    std::fs::write(&file, &good).unwrap();
    assert_eq!(run(&["reload"]).await.1, 0);
    assert!(program.terminate().success());

    let log = std::fs::read(dir.path().join("aggd.log")).unwrap();
    assert!(log.len() > 10_000, "it tells everything");
    clean("the log", &log);
}
