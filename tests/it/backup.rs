//! Backups, and what is brought back from them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aggd::model::article::{Key, Revision};
use aggd::model::source::SourceState;
use aggd::store::{self, Batch, Change, Error, Input, Store};

use crate::furnished::{furnish, opened, options, seen};
use crate::origin::{Origin, entry};
use crate::program::output;
use crate::samples::{article, batch, guid_key, hours, id, noon, source};
use crate::town::{self, Town};

/// Where a backup goes in a test.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<Vec<u8>>>);

impl Shelf {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Shelf {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn backed_up(store: &Arc<dyn Store>, since: Option<Revision>) -> Vec<u8> {
    let shelf = Shelf::default();
    let into = Box::new(shelf.clone());
    store.backup(into, since, hours(9)).await.unwrap();
    shelf.bytes()
}

fn inputs(backups: &[&[u8]]) -> Vec<Input> {
    let named = backups.iter().enumerate();
    named
        .map(|(n, bytes)| -> Input {
            let from = std::io::Cursor::new(bytes.to_vec());
            (format!("backup {n}"), Box::new(from))
        })
        .collect()
}

async fn restored(dir: &Path, backups: &[&[u8]]) -> Result<store::Outline, Error> {
    store::restore(options(dir), inputs(backups), |_, _| {}).await
}

#[tokio::test]
async fn what_is_restored_is_what_was_there() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(here.path()).await;
    furnish(&store).await;
    let before = seen(&store).await;
    let bytes = backed_up(&store, None).await;
    assert_eq!(store.stats().await.unwrap().backed_up, Some(hours(9)));
    store.close().await.unwrap();

    let outline = restored(there.path(), &[&bytes]).await.unwrap();
    assert_eq!((outline.articles, outline.sources), (4, 2));
    let store = opened(there.path()).await;
    let after = seen(&store).await;
    assert_eq!(after, before);
    // Whoever followed the old store begins anew with this one.
    assert_eq!(store.revision().epoch, outline.revision.epoch + 1);
    assert_eq!(store.revision().number, outline.revision.number);
    let verified = store.verify(false).await.unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!(verified.articles, 4);
    let known = store
        .known(&[Key::Guid(guid_key("blog", "b"))])
        .await
        .unwrap();
    assert_eq!(known.buried.len(), 1);
    // New articles go on behind the old ones.
    store
        .commit(batch([article("new").founded()]), hours(10))
        .await
        .unwrap();
    let rows = store.sightings(0, 100).await.unwrap();
    assert_eq!(rows.last().unwrap().1, id("blog", "new"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_backup_has_the_states_that_still_wait_in_memory() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(here.path()).await;
    let blog = source("blog");
    store.adopt(vec![(blog.clone(), noon())]).await.unwrap();
    for (interval, routine) in [(1, false), (2, true)] {
        let state = SourceState {
            interval,
            ..SourceState::default()
        };
        let lease = store.lease(&blog).await.unwrap().unwrap().lease;
        let visit = Batch {
            visit: Some((blog.clone(), Box::new(state), lease)),
            routine,
            ..Batch::default()
        };
        store.commit(visit, noon()).await.unwrap();
    }
    let bytes = backed_up(&store, None).await;
    store.close().await.unwrap();

    restored(there.path(), &[&bytes]).await.unwrap();
    let store = opened(there.path()).await;
    let state = store.state(&blog).await.unwrap().unwrap();
    assert_eq!(state.interval, 2);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_backup_is_lines_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(dir.path()).await;
    furnish(&store).await;
    let bytes = backed_up(&store, None).await;
    store.close().await.unwrap();
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["aggd_backup"], 1);
    assert_eq!(lines[0]["commits"], lines.len() - 1);
    let first = &lines[1]["items"][0]["article"];
    assert_eq!(first["entry"]["id"], "a");
    assert!(
        lines[1]["items"][3]["packed"].is_string(),
        "it has no words"
    );
    assert!(!text.contains("\\u"), "Chinese stays readable");
}

#[tokio::test]
async fn backups_continue_each_other() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(here.path()).await;
    furnish(&store).await;
    let first = backed_up(&store, None).await;
    let between = store.revision();
    store.set_note("a note", b"newer").await.unwrap();
    store
        .commit(batch([article("late").tag("Late").founded()]), hours(6))
        .await
        .unwrap();
    store
        .commit(
            batch([Change::Removed {
                id: id("other", "x"),
            }]),
            hours(7),
        )
        .await
        .unwrap();
    let second = backed_up(&store, Some(between)).await;
    assert!(second.len() < first.len());
    let before = seen(&store).await;
    let strange = Revision {
        epoch: 99,
        number: 1,
    };
    let refused = store
        .backup(Box::new(Shelf::default()), Some(strange), hours(9))
        .await;
    assert!(refused.unwrap_err().to_string().contains("whole backup"));
    store.close().await.unwrap();

    let (a, b) = (first.as_slice(), second.as_slice());
    for wrong in [vec![b], vec![a, a], vec![b, a]] {
        let refused = restored(there.path(), &wrong).await;
        assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    }
    restored(there.path(), &[&first, &second]).await.unwrap();
    let store = opened(there.path()).await;
    assert_eq!(seen(&store).await, before);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_backup_makes_no_store_and_a_store_is_not_overwritten() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(here.path()).await;
    furnish(&store).await;
    let bytes = backed_up(&store, None).await;
    store.close().await.unwrap();
    let mut flipped = 0;
    for at in (0..bytes.len()).step_by(41) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        match restored(there.path(), &[&bad]).await {
            Err(error) => {
                assert!(!there.path().join("log").exists(), "{error}");
                flipped += 1;
            }
            // A bit that says nothing, such as one of a frame's unused fields.
            Ok(_) => std::fs::remove_dir_all(there.path().join("log")).unwrap(),
        }
    }
    assert!(flipped > bytes.len() / 41 * 9 / 10, "{flipped}");
    let cut = restored(there.path(), &[&bytes[..bytes.len() - 9]]).await;
    let cut = cut.unwrap_err().to_string();
    assert!(cut.contains("cut off or damaged"), "{cut}");
    // Whole lines that are missing are noticed by the counts.
    let text = zstd::decode_all(bytes.as_slice()).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let short = zstd::encode_all(lines[..lines.len() - 1].concat().as_slice(), 1).unwrap();
    let short = restored(there.path(), &[&short]).await;
    assert!(short.unwrap_err().to_string().contains("lines are missing"));
    let newer = zstd::encode_all(&b"{\"aggd_backup\":2}\n"[..], 1).unwrap();
    let newer = restored(there.path(), &[&newer]).await;
    assert!(matches!(newer, Err(Error::Newer { found: 2, .. })));

    let refused = restored(here.path(), &[&bytes]).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("there is a store already")
    );
    let store = opened(here.path()).await;
    assert_eq!(store.stats().await.unwrap().articles, 4);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writes_shows_one_moment() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(here.path()).await;
    let writes = async {
        for n in 0..120u32 {
            // Two by two: no moment has an odd number.
            let pair = [2 * n, 2 * n + 1].map(|n| article(&format!("g{n}")).founded());
            store.commit(batch(pair), noon()).await.unwrap();
        }
    };
    let backups = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(backed_up(&store, None).await);
        }
        all
    };
    let ((), backups) = tokio::join!(writes, backups);
    store.close().await.unwrap();
    for bytes in backups {
        let outline = restored(there.path(), &[&bytes]).await.unwrap();
        let store = opened(there.path()).await;
        let articles = store.stats().await.unwrap().articles;
        assert_eq!(articles, outline.articles);
        assert_eq!(articles, outline.revision.number * 2);
        let rows = store.sightings(0, 1000).await.unwrap();
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.1, id("blog", &format!("g{n}")), "none is missing");
        }
        store.close().await.unwrap();
        drop(store);
        std::fs::remove_dir_all(there.path().join("log")).unwrap();
    }
}

async fn run(dir: &Path, args: &[&str]) -> (String, String, i32) {
    let (dir, args): (PathBuf, Vec<String>) = (
        dir.to_owned(),
        args.iter().map(|arg| (*arg).to_owned()).collect(),
    );
    let ran = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        output(&dir, &args)
    });
    let ran = ran.await.unwrap();
    (
        String::from_utf8_lossy(&ran.stdout).into_owned(),
        String::from_utf8_lossy(&ran.stderr).into_owned(),
        ran.status.code().unwrap(),
    )
}

const LISTS: [&str; 6] = [
    "/all.atom",
    "/all.rss",
    "/all.json",
    "/tags/News.atom",
    "/tags/新闻.rss",
    "/categories/Tech.json",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_is_backed_up_and_its_feeds_come_back_byte_for_byte() {
    let origin = Origin::start().await;
    origin.feed(
        "/blog",
        &[entry("g1").title("One"), entry("g2").title("社会新闻")],
    );
    let feeds = town::feed(
        "blog",
        &origin.url("/blog"),
        "category = \"Tech\"\ntags = [\"News\", \"新闻\"]",
    );
    let town = Town::new(&feeds).await;
    origin.feed(
        "/blog",
        &[
            entry("g3").title("Three"),
            entry("g1").title("One, corrected"),
        ],
    );
    town.pass(Duration::from_hours(30)).await;
    let mut before = Vec::new();
    for list in LISTS {
        before.push(town.get(list).await.body);
    }
    let here = town.dir.path();
    let (out, err, code) = run(here, &["backup", "whole.ndjson.zst"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("3 articles in "), "{out}");
    let (out, _, code) = run(here, &["backup", "--since", "whole.ndjson.zst", "more.zst"]).await;
    assert_eq!((out.starts_with("3 articles in "), code), (true, 0));
    let (_, err, code) = run(here, &["backup", "--since", "9.9", "wrong.zst"]).await;
    assert!(err.contains("make a whole backup"), "{err}");
    assert_eq!(code, 1);
    assert!(!here.join("wrong.zst").exists() && !here.join("wrong.zst.part").exists());
    let (out, _, _) = run(here, &["verify"]).await;
    assert!(out.contains("0 damaged places; index: 3 articles"), "{out}");
    let (_, err, code) = run(here, &["restore", "whole.ndjson.zst"]).await;
    assert!(err.contains("is in use by process"), "{err}");
    assert_eq!(code, 75);
    let (out, _, _) = run(here, &["status"]).await;
    let told = out.lines().find(|line| line.starts_with("last backup"));
    assert!(told.is_some_and(|line| line.contains("2026-")), "{out}");
    let metrics = town.get("/metrics").await.text();
    assert!(!metrics.contains("aggd_store_backup_timestamp_seconds 0\n"));
    assert!(metrics.contains("aggd_store_backup_timestamp_seconds 17"));

    let copies = ["whole.ndjson.zst", "more.zst"].map(|name| {
        let bytes = std::fs::read(here.join(name)).unwrap();
        (name, bytes)
    });
    let clock = town.clock.clone();
    town.daemon.stop().await.unwrap();
    let other = tempfile::tempdir().unwrap();
    for (name, bytes) in copies {
        std::fs::write(other.path().join(name), bytes).unwrap();
    }
    std::fs::write(
        other.path().join("feeds.toml"),
        "[store]\npath = \"store\"\n",
    )
    .unwrap();
    let (out, err, code) = run(other.path(), &["restore", "whole.ndjson.zst", "more.zst"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("3 articles of 1 sources"), "{out}");
    let town = Town::found(other, &feeds, clock).await;
    for (list, bytes) in LISTS.iter().zip(before) {
        let now = town.get(list).await;
        assert_eq!(now.status, 200, "{list}");
        assert!(now.body == bytes, "{list} has other bytes");
    }
    town.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_are_made_by_schedule_and_old_ones_go() {
    let origin = Origin::start().await;
    origin.feed("/blog", &[entry("g1")]);
    let lines = format!(
        "{}[store.backup]\nevery = \"1d\"\nkeep = 2\n",
        town::feed("blog", &origin.url("/blog"), "")
    );
    let town = Town::new(&lines).await;
    let folder = town.dir.path().join("store/backups");
    let names = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".part"))
            .collect();
        names.sort();
        names
    };
    let until = async |expected: &[&str]| {
        let begin = std::time::Instant::now();
        while names() != expected {
            assert!(begin.elapsed() < Duration::from_mins(1), "{:?}", names());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    until(&["aggd-20260301T120000Z.ndjson.zst"]).await;
    let (_, err, code) = run(town.dir.path(), &["run"]).await;
    let pid = std::process::id();
    assert!(
        err.contains(&format!("is in use by process {pid}")),
        "{err}"
    );
    assert_eq!(code, 75);
    for day in [2, 3] {
        for _ in 0..24 {
            town.clock.advance(Duration::from_hours(1));
            town.quiet().await;
        }
        until(&[
            &format!("aggd-2026030{}T120000Z.ndjson.zst", day - 1),
            &format!("aggd-2026030{day}T120000Z.ndjson.zst"),
        ])
        .await;
    }
    town.daemon.stop().await.unwrap();
}
