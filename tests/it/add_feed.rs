//! `aggd add-feed` against an origin: what it finds, what it shows, what it writes, and what it leaves alone.

use std::path::Path;

use tokio::process::Command;

use crate::origin::{Origin, Reply};
use crate::program;

const OPEN: &str =
    "# mine\n[fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = { spacing = \"0s\" }\n";

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("feeds.toml"), OPEN).unwrap();
    dir
}

fn feed(title: &str) -> Reply {
    Reply::ok(format!(
        "<rss version=\"2.0\"><channel><title>{title}</title>\
         <item><guid>1</guid><title>Older</title><pubDate>Mon, 23 Nov 2026 08:00:00 GMT</pubDate></item>\
         <item><guid>2</guid><title>Newer &amp; better</title><pubDate>Tue, 24 Nov 2026 08:00:00 GMT</pubDate></item>\
         </channel></rss>"
    ))
}

/// Runs the command beside the origin, which lives in this process.
async fn run(dir: &Path, args: &[&str]) -> (String, String, i32) {
    let output = Command::from(program::aggd(dir, args))
        .output()
        .await
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().expect("it ended by itself"),
    )
}

fn written(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("feeds.toml")).unwrap();
    text.strip_prefix(OPEN)
        .expect("what was there stays as it was")
        .to_owned()
}

#[tokio::test]
async fn a_feed_is_shown_and_written_with_an_id() {
    let origin = Origin::start().await;
    origin.serve("/blog.xml", feed("A blog"));
    let dir = folder();
    let url = origin.url("/blog.xml");
    let (out, err, code) = run(
        dir.path(),
        &[
            "add-feed",
            &url,
            "--category",
            "社会新闻",
            "--tag",
            "a",
            "--tag",
            "b",
            "--every",
            "1h",
            "--id",
            "blog",
        ],
    )
    .await;
    assert_eq!((err.as_str(), code), ("", 0));
    assert_eq!(
        out,
        format!(
            "A blog\n  {url} (RSS 2.0, 2 articles)\n  - 2026-11-24T08:00:00Z  Newer & better\n  - 2026-11-23T08:00:00Z  Older\n\
             added `blog` to feeds.toml\nno daemon is running; `aggd run` will find it there\n"
        )
    );
    assert_eq!(
        written(dir.path()),
        format!(
            "\n[[feed]]\nid = \"blog\"\nurl = \"{url}\"\ncategory = \"社会新闻\"\nevery = \"1h\"\ntags = [\"a\", \"b\"]\n"
        )
    );
    assert_eq!(origin.requests("/blog.xml").len(), 1, "fetched once");
}

#[tokio::test]
async fn a_page_leads_to_its_feed() {
    let origin = Origin::start().await;
    origin.serve(
        "/",
        Reply::ok(
            "<!doctype html><title>Site</title>\
             <link rel=alternate type=application/rss+xml title='Comments' href=/comments.xml>\
             <link rel=alternate type=application/atom+xml href='news.xml'>\
             <link rel=alternate type=application/rss+xml href='/gone.xml'>",
        ),
    );
    origin.serve("/news.xml", feed("News"));
    origin.serve("/comments.xml", feed("Comments"));
    let dir = folder();
    let (out, err, code) = run(dir.path(), &["add-feed", &origin.url("/")]).await;
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(
        out.contains(&format!("also there: {}", origin.url("/comments.xml"))),
        "{out}"
    );
    assert!(written(dir.path()).contains(&format!("url = \"{}\"\n", origin.url("/news.xml"))));
}

#[tokio::test]
async fn a_page_that_names_none_is_tried_at_the_usual_places() {
    let origin = Origin::start().await;
    origin.serve("/blog/", Reply::ok("<html><body>Hello</body></html>"));
    origin.serve("/blog/atom.xml", feed("Hidden"));
    let dir = folder();
    let (_, err, code) = run(dir.path(), &["add-feed", &origin.url("/blog/")]).await;
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(written(dir.path()).contains("/blog/atom.xml\""));
}

#[tokio::test]
async fn without_a_scheme_the_older_one_is_tried_too() {
    let origin = Origin::start().await;
    origin.serve("/f", feed("Plain"));
    let dir = folder();
    let url = origin.url("/f");
    let bare = url.strip_prefix("http://").unwrap();
    let (_, err, code) = run(dir.path(), &["add-feed", bare, "--json"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(written(dir.path()).contains(&url));
}

#[tokio::test]
async fn what_cannot_be_added_is_said_and_nothing_is_written() {
    let origin = Origin::start().await;
    origin.serve(
        "/page",
        Reply::ok("<html><body>no feed anywhere</body></html>"),
    );
    origin.serve("/broken", Reply::status(500));
    origin.serve("/feed", feed("F"));
    let dir = folder();
    for (path, words, code) in [
        ("/page", "there is no feed at ", 3),
        ("/broken", "cannot fetch ", 1),
        ("/missing", "cannot fetch ", 1),
    ] {
        let (out, err, found) = run(dir.path(), &["add-feed", &origin.url(path)]).await;
        assert!(err.starts_with(&format!("aggd: {words}")), "{path}: {err}");
        assert_eq!((out.as_str(), found), ("", code), "{path}");
    }
    let (out, _, code) = run(dir.path(), &["add-feed", "--dry-run", &origin.url("/feed")]).await;
    assert!(out.contains("[[feed]]\nid = "), "{out}");
    assert_eq!(code, 0);
    assert_eq!(written(dir.path()), "");
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_opened() {
    let origin = Origin::start().await;
    origin.serve("/feed", feed("F"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("feeds.toml"), "").unwrap();
    let (_, err, code) = run(dir.path(), &["add-feed", &origin.url("/feed")]).await;
    assert!(err.contains("allow_private"), "{err}");
    assert_eq!(code, 1);
    assert!(origin.requests("/feed").is_empty());
}

#[tokio::test]
async fn the_same_feed_is_not_added_twice() {
    let origin = Origin::start().await;
    origin.serve("/feed", feed("F"));
    let dir = folder();
    let url = origin.url("/feed");
    assert_eq!(run(dir.path(), &["add-feed", &url]).await.2, 0);
    let before = written(dir.path());
    let (_, err, code) = run(dir.path(), &["add-feed", &url]).await;
    assert!(err.contains("is already there as"), "{err}");
    assert_eq!(code, 5);
    assert_eq!(written(dir.path()), before);
}

#[tokio::test]
async fn of_several_the_good_ones_are_added() {
    let origin = Origin::start().await;
    origin.serve("/a", feed("A"));
    origin.serve("/b", feed("B"));
    let dir = folder();
    let (a, b, c) = (origin.url("/a"), origin.url("/b"), origin.url("/c"));
    let (_, err, code) = run(dir.path(), &["add-feed", &a, &c, &b]).await;
    assert!(err.starts_with("aggd: cannot fetch "), "{err}");
    assert_eq!(code, 4);
    let text = written(dir.path());
    assert_eq!(text.matches("[[feed]]").count(), 2, "{text}");
}

#[tokio::test]
async fn a_feed_in_a_file_is_a_feed_too() {
    let dir = folder();
    let file = dir.path().join("local.xml");
    std::fs::write(&file, "<rss><channel><title>Local</title></channel></rss>").unwrap();
    let (out, err, code) = run(dir.path(), &["add-feed", "--kind", "file", "local.xml"]).await;
    assert!(out.starts_with("Local\n"), "{out}{err}");
    assert_eq!(code, 0);
    assert!(written(dir.path()).contains("kind = \"file\"\n"));
    assert_eq!(run(dir.path(), &["check"]).await.2, 0);
}

/// Saves a line more, as an editor does: another file in the place of the one that was there.
fn edit(dir: &Path, line: &str) {
    let file = dir.join("feeds.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(dir.join("edited"), format!("{text}{line}\n")).unwrap();
    std::fs::rename(dir.join("edited"), file).unwrap();
}

#[tokio::test]
async fn what_an_editor_saves_while_the_web_is_asked_stays() {
    let origin = Origin::start().await;
    let dir = folder();
    let place = dir.path().to_owned();
    origin.script("/blog.xml", move |_, _| {
        edit(&place, "# an editor's");
        feed("A blog")
    });
    let url = origin.url("/blog.xml");
    let (_, err, code) = run(dir.path(), &["add-feed", &url, "--id", "blog"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        written(dir.path()),
        format!("# an editor's\n\n[[feed]]\nid = \"blog\"\nurl = \"{url}\"\n")
    );
}

/// The file is read, another text made of it, and then the file is no longer what was read. An included file that is a
/// pipe holds the command up at each reading, long enough for an editor.
#[tokio::test]
async fn what_an_editor_saves_in_the_very_moment_is_not_overwritten() {
    let dir = folder();
    let text = format!("include = [\"more.toml\"]\n{OPEN}");
    std::fs::write(dir.path().join("feeds.toml"), &text).unwrap();
    let place = dir.path().to_owned();
    let pipe = dir.path().join("more.toml");
    let lay = |pipe: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, pipe, 0o600.into()).unwrap();
    lay(&pipe);
    let editor = std::thread::spawn(move || {
        let mut saved = 0;
        loop {
            // Waits for somebody who reads.
            let held = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            if !place.join("feeds.toml").exists() {
                return saved;
            }
            edit(&place, "# an editor's");
            saved += 1;
            // The next reading is of another pipe: this one ends with `held`.
            std::fs::remove_file(&pipe).unwrap();
            lay(&pipe);
            drop(held);
        }
    });
    let add = ["add-feed", "--no-fetch", "https://new.example.org/"];
    let (_, err, code) = run(dir.path(), &add).await;
    let file = dir.path().join("feeds.toml");
    let now = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    drop(std::fs::File::open(dir.path().join("more.toml")).unwrap());
    let saved = editor.join().unwrap();
    assert!(
        err.contains("was changed by somebody else in the meantime; nothing was written"),
        "{err}"
    );
    assert_eq!(code, 5);
    assert!(saved >= 2, "once before the lock, once behind it");
    assert_eq!(now, format!("{text}{}", "# an editor's\n".repeat(saved)));
}
