//! What an operator sees of visits and does about them, with a daemon and without one; and what settings of a source do
//! on the wire.

use std::path::Path;
use std::time::Duration;

use aggd::clock::Clock as _;

use crate::origin::{Origin, Reply, entry, rss};
use crate::program::{self, Program};
use crate::town::{Town, feed};

/// What a command says, and its exit code.
fn said(dir: &Path, args: &[&str]) -> (String, i32) {
    let output = program::output(dir, args);
    let words = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (words, output.status.code().unwrap())
}

async fn check(with_daemon: bool) {
    let origin = Origin::start().await;
    let reply = Reply::ok(rss("Blog", &[entry("a")])).etag("\"1\"");
    origin.serve("/feed", Reply::redirect(301, "/new"));
    origin.serve("/second", Reply::redirect(308, "/new"));
    origin.serve("/new", reply.conditional());
    origin.serve(
        "/busy",
        Reply::status(503).header("Retry-After", "99999999"),
    );
    origin.serve("/broken", Reply::redirect(302, "/gone"));
    let dir = tempfile::tempdir().unwrap();
    let port = program::free_port();
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n\
         [poll]\nevery = \"1d\"\nmove_after = \"0s\"\nsilent_after = \"1ms\"\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 8, spacing = \"0s\" }}\n"
    );
    for (id, path) in [
        ("blog", "/feed"),
        ("twin", "/second"),
        ("busy", "/busy"),
        ("broken", "/broken"),
    ] {
        text += &feed(id, &origin.url(path), "");
    }
    let path = dir.path().join("feeds.toml");
    std::fs::write(&path, text).unwrap();
    let daemon = if with_daemon {
        let program = Program::start(dir.path(), port).await;
        program
            .until("all were visited", async || {
                let (lines, _) = said(program.dir(), &["list-feeds", "--jsonl"]);
                lines.lines().count() == 4 && !lines.contains("\"state\":\"new\"")
            })
            .await;
        Some(program)
    } else {
        None
    };
    let run = |args: &[&str]| said(dir.path(), args);

    while !run(&["status", "--moved"]).0.contains("# blog") {
        let (words, code) = run(&["fetch", "--wait", "blog", "twin"]);
        assert_eq!(code, 0, "{words}");
        assert!(origin.count("/feed") <= 4, "{words}");
    }
    let (moved, code) = run(&["status", "--moved"]);
    assert_eq!(code, 0);
    let line = format!("feeds.toml:14:1: url = \"{}\"", origin.url("/new"));
    assert!(moved.contains(&line), "{moved}");
    assert!(moved.contains("together with twin"), "{moved}");
    let (blog, code) = run(&["status", "blog"]);
    assert_eq!(code, 0);
    for part in [
        "polled at",
        "together with",
        "(every 86400 s)",
        "moved ",
        "fresh",
        "not-modified",
    ] {
        assert!(blog.contains(part), "`{part}` is not in:\n{blog}");
    }

    // One request serves both.
    let before = origin.count("/new");
    run(&["fetch", "--wait", "blog"]);
    assert_eq!(origin.count("/new"), before + 1);
    let visits = |id: &str| {
        let (json, _) = run(&["status", id, "--json"]);
        let status: serde_json::Value = serde_json::from_str(&json).unwrap();
        status["visits"].as_array().unwrap().len()
    };
    assert_eq!(visits("blog"), visits("twin"));

    let (words, code) = run(&["edit-feed", "blog", "--accept-move"]);
    assert_eq!(code, 0, "{words}");
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains(&format!("\"{}\"", origin.url("/new"))));
    assert!(!run(&["status", "--moved"]).0.contains("# blog"));
    let before = origin.count("/feed");
    run(&["fetch", "--wait", "blog"]);
    assert_eq!(origin.count("/feed"), before);
    let last = origin.requests("/new").pop().unwrap();
    assert!(last.is_conditional(), "what was known of it stays known");

    // Who asked us to wait is left alone, unless the operator insists.
    run(&["fetch", "--wait", "busy"]);
    let asked = origin.count("/busy");
    assert_eq!(asked, 1);
    let (words, _) = run(&["fetch", "--wait", "busy"]);
    assert!(words.contains("waits until"), "{words}");
    assert_eq!(origin.count("/busy"), asked);
    let (words, code) = run(&["fetch", "--wait", "--force", "busy"]);
    assert_eq!((origin.count("/busy"), code), (asked + 1, 4), "{words}");

    run(&["fetch", "--wait", "broken"]);
    let (failing, code) = run(&["status", "--failing"]);
    assert_eq!(code, 4);
    let hop = format!("it answered 404 Not Found (at {})", origin.url("/gone"));
    assert!(failing.contains(&hop), "{failing}");
    let (silent, code) = run(&["list-feeds", "--silent"]);
    assert!(code == 0 && silent.contains("blog"), "{silent}");
    assert!(!silent.contains("broken"), "it never was well: {silent}");
    let (whole, _) = run(&["status"]);
    assert!(whole.contains("silent"), "{whole}");
    if let Some(program) = daemon {
        assert!(program.terminate().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_are_shown_and_ordered_without_a_daemon() {
    check(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn visits_are_shown_and_ordered_over_the_socket() {
    check(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_source_reach_the_wire_and_no_other() {
    let (home, site) = (Origin::start().await, Origin::at("127.0.0.7").await);
    for path in ["/plain", "/secret", "/login", "/1", "/2", "/3"] {
        let reply = Reply::ok(rss("Feed", &[entry(&path[1..])]));
        home.serve(path, reply.clone());
        site.serve(path, reply);
    }
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = at("key", "s3cret\n");
    let written = at("feed.xml", &rss("File", &[entry("from-a-file")]));
    let printed = at("other.xml", &rss("Program", &[entry("from-a-program")]));
    let mut lines =
        "[fetch.site.\"127.0.0.7\"]\nper_host = { at_once = 4, spacing = \"10s\" }\n".to_owned();
    lines += &feed("plain", &home.url("/plain"), "");
    lines += &feed(
        "secret",
        &home.url("/secret"),
        &format!(
            "user_agent = \"special/1\"\nheaders.X-Key = {{ file = \"{key}\", prefix = \"Key \" }}"
        ),
    );
    let login = home.url("/login").replace("http://", "http://me:pw@");
    lines += &feed("login", &login, "");
    lines += &format!(
        "[[feed]]\nid = \"file\"\nkind = \"file\"\nurl = \"{written}\"\n\
         [[feed]]\nid = \"exec\"\nkind = \"exec\"\ncommand = [\"/bin/cat\", \"{printed}\"]\n\
         [[feed]]\nid = \"hung\"\nkind = \"exec\"\ncommand = [\"/bin/sleep\", \"1000\"]\ntotal_timeout = \"300ms\"\n\
         [[feed]]\nid = \"loud\"\nkind = \"exec\"\ncommand = [\"/bin/cat\", \"/dev/zero\"]\nmax_body = \"1MiB\"\n"
    );
    for n in ["1", "2", "3"] {
        lines += &feed(&format!("site-{n}"), &site.url(&format!("/{n}")), "");
    }
    let town = Town::new(&lines).await;
    let sent = |path: &str, name: &str| home.requests(path)[0].header(name);
    assert!(sent("/plain", "user-agent").unwrap().starts_with("aggd/"));
    assert_eq!(sent("/plain", "x-key"), None);
    assert_eq!(sent("/secret", "x-key").as_deref(), Some("Key s3cret"));
    assert_eq!(sent("/secret", "user-agent").as_deref(), Some("special/1"));
    assert_eq!(
        sent("/login", "authorization").as_deref(),
        Some("Basic bWU6cHc=")
    );
    for expected in 1..=3 {
        assert_eq!(site.all_requests().len(), expected, "ten seconds apart");
        town.clock.advance(Duration::from_secs(10));
        town.quiet().await;
    }
    let titles = town.get("/all.rss").await.titles();
    for title in ["from-a-file", "from-a-program", "secret", "3"] {
        assert!(
            titles.contains(&format!("Title of {title}")),
            "{title} is not in {titles:?}"
        );
    }
}

#[tokio::test]
async fn what_is_too_old_is_dropped_soon_and_not_before() {
    const STEP: Duration = Duration::from_mins(5);
    let origin = Origin::start().await;
    origin.feed("/feed", &[entry("1").title("Old"), entry("2").title("Old")]);
    let lines = format!(
        "[store.keep]\nage = \"2h\"\nmin_per_feed = 0\n[poll]\nevery = \"10m\"\n{}",
        feed("blog", &origin.url("/feed"), "")
    );
    let town = Town::new(&lines).await;
    origin.feed("/feed", &[entry("3").title("New")]);
    let first = town.clock.now();
    while origin.count("/feed") < 2 {
        town.clock.advance(STEP);
        town.quiet().await;
    }
    let second = town.clock.now();
    while town.clock.now() < first + Duration::from_hours(2) {
        assert_eq!(town.get("/all.rss").await.titles(), ["New", "Old", "Old"]);
        town.clock.advance(STEP);
        town.quiet().await;
    }
    // A twenty-fourth of the age is between two looks.
    while town.clock.now() <= second + Duration::from_hours(2) + STEP {
        town.clock.advance(STEP);
        town.quiet().await;
    }
    let begin = std::time::Instant::now();
    while town.get("/all.rss").await.titles() != ["New"] {
        assert!(begin.elapsed() < Duration::from_mins(1), "they stay");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    town.daemon.stop().await.unwrap();
}
