//! Opening a store whatever has happened to it: damage, other formats, a clock that was set back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aggd::control::Client;
use aggd::ops::Request;
use aggd::ops::visits::Fetch;
use aggd::store::{self, Error, Found};

use crate::furnished::{furnish, opened, options, seen};
use crate::origin::{Origin, entry};
use crate::samples::{article, batch, hours, id, noon};
use crate::town::{self, NOON, Town, Winder};

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_damaged_index_is_told_or_mended_and_never_costs_an_article() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let store = opened(&path).await;
    furnish(&store).await;
    let before = seen(&store).await;
    store.close().await.unwrap();
    drop(store);
    let index = path.join("index");
    let whole = dir.path().join("whole");
    copy_dir(&index, &whole);
    let sled = std::fs::read_dir(&index)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .file_name();

    let states_lost = |text: &String| text.contains("interval: 99");
    for damage in ["missing", "cut", "zeroed", "junk"] {
        let files: Vec<PathBuf> = std::fs::read_dir(index.join(&sled))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        match damage {
            "missing" => std::fs::remove_dir_all(&index).unwrap(),
            "cut" => files.iter().for_each(|file| {
                let opened = std::fs::OpenOptions::new().write(true).open(file).unwrap();
                opened
                    .set_len(opened.metadata().unwrap().len() / 2)
                    .unwrap();
            }),
            "zeroed" => files.iter().for_each(|file| {
                let mut bytes = std::fs::read(file).unwrap();
                let length = bytes.len().min(1 << 20);
                bytes[..length].fill(0);
                std::fs::write(file, bytes).unwrap();
            }),
            _ => std::fs::write(
                index.join(&sled).join("snap.00000000000000FF.generating"),
                "junk",
            )
            .unwrap(),
        }
        let told = store::open_as_it_is(options(&path)).await;
        match told {
            // Junk beside it does no harm.
            Ok(store) => {
                assert_eq!(damage, "junk");
                store.close().await.unwrap();
            }
            Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{damage}: {error}"),
        }
        let store = opened(&path).await;
        let after = seen(&store).await;
        if damage == "junk" {
            assert_eq!(after, before);
        } else {
            // What a visit that brought nothing had noted stood in the index alone.
            let kept = |all: &[String]| -> Vec<String> {
                let stats = |text: &String| text.contains("tombstones");
                all.iter()
                    .filter(|text| !states_lost(text) && !stats(text))
                    .cloned()
                    .collect()
            };
            assert_eq!(kept(&after), kept(&before), "{damage}");
        }
        assert!(store.verify(false).await.unwrap().is_sound());
        store.close().await.unwrap();
        drop(store);
        std::fs::remove_dir_all(&index).unwrap();
        copy_dir(&whole, &index);
    }
}

/// Bits flip at random places of log and index: every opening gives a store or an error that says what is wrong, and what
/// the damage did not touch is there.
#[tokio::test]
async fn flipped_bits_give_errors_or_repairs() {
    const ARTICLES: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let store = opened(&whole).await;
    for n in 0..ARTICLES {
        let long = "word ".repeat(40 + n);
        let sample = article(&format!("g{n}"))
            .content(&format!("<p>{long}</p>"))
            .tag("t");
        store
            .commit(batch([sample.founded()]), noon())
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..30 {
        let path = dir.path().join(format!("round-{round}"));
        copy_dir(&whole, &path);
        let (in_log, folder) = if round % 2 == 0 {
            (true, path.join("log"))
        } else {
            let index = path.join("index");
            let generation = std::fs::read_dir(index).unwrap().next().unwrap();
            (false, generation.unwrap().path())
        };
        let files: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && path.metadata().unwrap().len() > 0)
            .collect();
        let file = random.choice(&files).unwrap();
        let mut bytes = std::fs::read(file).unwrap();
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u32(..8);
        std::fs::write(file, bytes).unwrap();
        // Half of the damaged logs are met by an index that must be made from them.
        if in_log && round % 4 == 0 {
            std::fs::remove_dir_all(path.join("index")).unwrap();
        }
        let store = opened(&path).await;
        let mut there = 0;
        for n in 0..ARTICLES {
            match store.article(id("blog", &format!("g{n}"))).await {
                Ok(Found::Article(_)) => there += 1,
                Ok(_) | Err(Error::Damaged { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let least = if in_log { ARTICLES - 1 } else { ARTICLES };
        assert!(there >= least, "{there} are left after {}", file.display());
        let verified = store.verify(false).await.unwrap();
        assert!(verified.damaged <= 1 && (in_log || verified.is_sound()));
        store
            .commit(batch([article("after").founded()]), hours(1))
            .await
            .unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_older_store_is_taken_over_after_a_backup_and_a_newer_one_is_refused() {
    let (dir, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = opened(dir.path()).await;
    furnish(&store).await;
    let before = seen(&store).await;
    store.close().await.unwrap();
    drop(store);
    let file = dir.path().join("log/00000001.alog");
    let claim = |format: u32| {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[8..12].copy_from_slice(&format.to_le_bytes());
        let end = 13 + usize::from(bytes[12]);
        let crc = crc32c::crc32c(&bytes[..end]);
        bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&file, bytes).unwrap();
    };
    claim(3);
    let refused = store::open(options(dir.path()), true).await;
    assert!(
        matches!(
            refused.as_ref().err(),
            Some(Error::Newer {
                found: 3,
                known: 2,
                ..
            })
        ),
        "{:?}",
        refused.err()
    );
    claim(1);
    let store = opened(dir.path()).await;
    assert_eq!(seen(&store).await, before);
    store.close().await.unwrap();
    drop(store);
    // From here on an aggd that knows only format 1 is told so.
    let second = std::fs::read(dir.path().join("log/00000002.alog")).unwrap();
    assert_eq!(second[8..12], [2, 0, 0, 0]);
    let kept = std::fs::read(dir.path().join("before-format-2.ndjson.zst")).unwrap();
    let from: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(kept));
    let inputs: Vec<store::Input> = vec![("kept".to_owned(), from)];
    store::restore(options(there.path()), inputs, |_, _| {})
        .await
        .unwrap();
    let store = opened(there.path()).await;
    assert_eq!(seen(&store).await, before);
    store.close().await.unwrap();
    // Only once.
    std::fs::remove_file(dir.path().join("before-format-2.ndjson.zst")).unwrap();
    opened(dir.path()).await.close().await.unwrap();
    assert!(!dir.path().join("before-format-2.ndjson.zst").exists());
}

#[tokio::test]
async fn a_clock_that_was_set_back_loses_nothing_and_stops_nothing() {
    let origin = Origin::start().await;
    origin.feed("/blog", &[entry("g1"), entry("g2")]);
    let feeds = town::feed("blog", &origin.url("/blog"), "");
    let town = Town::new(&feeds).await;
    let Town { dir, daemon, .. } = town;
    daemon.stop().await.unwrap();
    origin.feed("/blog", &[entry("g3"), entry("g1")]);
    let earlier = Winder::at(NOON - Duration::from_hours(24 * 40));
    let town = Town::found(dir, &feeds, earlier).await;
    assert!(town.get("/all.atom").await.titles().len() >= 2);
    town.pass(Duration::from_hours(24 * 41)).await;
    let titles = town.get("/all.atom").await.titles();
    assert_eq!(titles.len(), 3, "{titles:?}");
    town.daemon.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_under_a_running_daemon_lets_nobody_wait_for_as_long_as_it_jumped()
{
    const DAY: Duration = Duration::from_hours(24);
    let origin = Origin::start().await;
    origin.feed("/blog", &[entry("g1")]);
    origin.feed("/wire", &[entry("w1")]);
    let feeds = town::feed("blog", &origin.url("/blog"), "")
        + &town::feed("wire", &origin.url("/wire"), "");
    let town = Town::new(&feeds).await;
    origin.feed("/blog", &[entry("g2"), entry("g1")]);
    town.clock.set_back(30 * DAY);
    // Any visit shows what time it is; without one, it shows within seconds.
    let client = Client::connect(&town.dir.path().join("control.sock")).await;
    let fetch = Request::Fetch(Fetch {
        ids: vec!["wire".to_owned()],
        wait: true,
        ..Fetch::default()
    });
    client.unwrap().unwrap().ask(&fetch).await.unwrap();
    town.pass(DAY).await;
    let titles = town.get("/all.atom").await.titles();
    assert_eq!(titles.len(), 3, "{titles:?}");
    town.daemon.stop().await.unwrap();
}
