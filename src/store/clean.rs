//! Gives space back: files of the log in which little is left, and an index that has grown too large.
//!
//! The oldest file goes first, always: what still lives in it is written once more at the log's end, and then it goes
//! whole. So no later file can hold the news that something of an earlier one is gone, and the kept history has no gaps.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::Error;
use super::apply::{home, read_about, read_state};
use super::core::Core;
use super::engine::Engine;
use super::frame;
use super::index::{Value, step_aside};
use super::item::{Item, Left, Name, Stand, Tombstone};
use super::log::{Loc, Pos};
use super::near;
use super::packed::Rec;
use super::paragraphs;
use super::prepare::whole;
use super::rebuild;
use super::retain::lost;
use super::writer::Writer;
use crate::model::label::Scope;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// Below this many percent of living bytes the log is cleaned.
const WORTH: u64 = 60;
/// A log shorter than this is left alone.
const SMALL: u64 = 8 << 20;
/// Bytes that one step of carrying forward looks at: visits wait no longer than that takes.
const STEP: usize = 1 << 20;
/// Names or tombstones in one frame.
const AT_ONCE: usize = 1024;
/// sled's files may grow to this many times their fresh size.
const BLOATED: u64 = 2;
/// Sled's files that are smaller are left alone.
const SMALL_INDEX: u64 = 64 << 20;

/// Gives space back: old files of the log, and a bloated index.
pub(super) async fn tidy(engine: &Engine, now: Timestamp) -> Result<(), Error> {
    // Each round takes one file away; what it carries makes at most as many new ones.
    let rounds = engine.core.log.files().len();
    for _ in 0..=rounds {
        let Some(file) = engine.ask(|core| Ok(worth_cleaning(core))).await? else {
            break;
        };
        if file == engine.core.log.last().0 {
            engine
                .by_writer(|writer| {
                    writer.make_room()?;
                    writer.begin_file()
                })
                .await?;
        }
        carry(engine, file, now).await?;
    }
    let bloated = {
        let table = engine.core.index.read();
        let fresh = table.fresh().max(table.bytes());
        table.disk() > SMALL_INDEX && table.disk() > fresh * BLOATED
    };
    if bloated {
        renew(engine).await?;
    }
    Ok(())
}

/// The oldest file, if taking it away gives enough back.
fn worth_cleaning(core: &Core) -> Option<u32> {
    let files = core.log.files();
    let (&first, state) = files.first_key_value()?;
    let live = |file: u32| {
        core.index
            .read()
            .figures
            .live
            .get(&file)
            .copied()
            .unwrap_or(0)
    };
    let all: u64 = core.log.size();
    let living: u64 = core.index.read().figures.live.values().sum();
    let nearly_empty = files.len() > 1 && live(first) * 4 < state.end;
    let wasteful = all > SMALL && living * 100 < all * WORTH;
    (nearly_empty || wasteful).then_some(first)
}

/// Writes what lives in the oldest file at the end of the log, and takes the file away.
async fn carry(engine: &Engine, file: u32, now: Timestamp) -> Result<(), Error> {
    let begin = engine.core.log.files().get(&file).map(|state| state.begin);
    let mut next = begin.map(|at| Pos { file, at });
    let (mut counted, mut has_holes) = (BTreeSet::new(), false);
    while let Some(from) = next {
        let step = engine
            .by_writer(move |writer| carry_articles(writer, from, now))
            .await?;
        next = step.next;
        counted.extend(step.counted);
        has_holes |= step.has_holes;
    }
    if has_holes {
        leave_behind(engine, file, now).await?;
    }
    engine
        .by_writer(move |writer| {
            carry_states(writer, file, now)?;
            carry_tombstones(writer, file, now)?;
            carry_names(writer, now)?;
            carry_prints(writer, file, now)?;
            carry_paragraphs(writer, counted, now)?;
            // sled must not point into a file that is gone, nor begin reading there.
            writer.flush()?;
            writer.core.log.remove_file(file)?;
            writer.core.index.write().figures.live.remove(&file);
            Ok(())
        })
        .await?;
    tracing::info!(file, "a file of the article log was cleaned away");
    Ok(())
}

/// What one step of carrying met.
#[derive(Default)]
struct Step {
    /// Where to go on.
    next: Option<Pos>,
    /// Sources whose paragraphs were counted there.
    counted: BTreeSet<SourceId>,
    /// Something cannot be read.
    has_holes: bool,
}

/// One step: the articles of some frames.
fn carry_articles(writer: &mut Writer, from: Pos, now: Timestamp) -> Result<Step, Error> {
    let core = Arc::clone(&writer.core);
    let mut items = Vec::new();
    let mut seen = HashSet::new();
    let (mut looked_at, mut step) = (0, Step::default());
    let holes = core.log.scan(from, |read| {
        if read.pos.file != from.file {
            return Ok(false);
        }
        if looked_at >= STEP {
            step.next = Some(read.pos);
            return Ok(false);
        }
        looked_at += read.bytes.len();
        for (at, raw) in frame::items(read.bytes).flatten() {
            step_aside();
            let stand = match &raw.item {
                Item::Put(stand) | Item::Amend(stand) => stand,
                Item::Marks(marks) => {
                    step.counted.insert(marks.source.clone());
                    continue;
                }
                Item::Paragraphs(source) => {
                    step.counted.insert(source.clone());
                    continue;
                }
                _ => continue,
            };
            if !seen.insert(stand.seq) {
                continue;
            }
            let Some(rec) = core.index.read().article(stand.seq)? else {
                continue;
            };
            if rec.places().all(|loc| loc.file != from.file) {
                continue;
            }
            let here = Loc {
                file: from.file,
                at: u32::try_from(read.pos.at + at as u64).unwrap_or(u32::MAX),
                length: u32::try_from(raw.length).unwrap_or(u32::MAX),
            };
            let alone = rec.body == here && rec.head == here;
            let body = if alone {
                Some(raw.body.to_vec())
            } else {
                let article = core.sound_article(stand.seq, &rec)?;
                article.map(|article| whole(&article))
            };
            let again = core
                .unreadable
                .spare(stand.seq, carried(&core, &rec).map(Some))?;
            items.push(match (again, body) {
                (Some(item), Some(body)) => (item, body),
                _ => (lost(stand.seq), Vec::new()),
            });
        }
        Ok(true)
    })?;
    step.has_holes = holes.iter().any(|hole| hole.file == from.file);
    writer.add(items, true, true, now)?;
    Ok(step)
}

/// Lets go of articles that stand in frames of this file which cannot be read.
async fn leave_behind(engine: &Engine, file: u32, now: Timestamp) -> Result<(), Error> {
    let stands_there = move |core: &Core| {
        let (mut numbers, mut seq) = (Vec::new(), 0);
        loop {
            let found = core.index.read().recs(seq)?;
            let Some((next, recs)) = found else {
                return Ok(numbers);
            };
            seq = next;
            for (number, rec) in recs {
                if rec.places().any(|loc| loc.file == file) {
                    numbers.push(number);
                }
            }
        }
    };
    let numbers = engine.ask(stands_there).await?;
    tracing::error!(
        file,
        articles = numbers.len(),
        "articles in damaged parts of a file that goes are lost"
    );
    for some in numbers.chunks(AT_ONCE) {
        let items = some.iter().map(|seq| (lost(*seq), Vec::new())).collect();
        engine
            .by_writer(move |writer| writer.add(items, true, true, now))
            .await?;
    }
    Ok(())
}

/// An article as it stands, to be written once more.
pub(super) fn carried(core: &Core, rec: &Rec) -> Result<Item, Error> {
    let stand = core.stand(rec.head)?;
    Ok(Item::Put(Arc::new(Stand {
        left: Left::default(),
        listed_until: rec.listed_until,
        ..stand.as_ref().clone()
    })))
}

fn carry_states(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    for space in [b"s", b"k"] {
        loop {
            let some = writer.core.index.read().page(space, after.as_deref(), 64)?;
            let Some((last, _)) = some.last() else { break };
            after = Some(last.clone());
            let mut items = Vec::new();
            for (key, value) in some {
                let Value::Raw(bytes) = value else { continue };
                let Some((home, body)) = read_state(&bytes) else {
                    continue;
                };
                let Ok(name) = std::str::from_utf8(&key[1..]) else {
                    continue;
                };
                if home != file {
                    continue;
                }
                match SourceId::new(name) {
                    Some(id) if space == b"s" => items.push((Item::State(id), body.to_vec())),
                    _ => items.push((Item::Note(name.to_owned()), body.to_vec())),
                }
            }
            writer.add(items, false, true, now)?;
        }
        after = None;
    }
    Ok(())
}

fn carry_tombstones(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let all = tombstones(&writer.core, Some(file))?;
    for some in all.chunks(AT_ONCE) {
        let item = Item::Tombstones(some.to_vec());
        writer.add(vec![(item, Vec::new())], false, true, now)?;
    }
    Ok(())
}

/// Tombstones, all or those that one file holds.
pub(super) fn tombstones(core: &Core, file: Option<u32>) -> Result<Vec<Tombstone>, Error> {
    let mut all = Vec::new();
    for kind in 0..3u8 {
        let table = core.index.read();
        table.walk(&[b'x', kind], (0, 0), |(hash, about)| {
            let (tick, in_file, source) = read_about(about);
            let wanted = file.is_none_or(|file| in_file == home(file));
            if wanted && let Some(source) = table.figures.source_names.get(&source) {
                all.push(Tombstone {
                    kind,
                    hash,
                    tick,
                    source: source.clone(),
                });
            }
            true
        })?;
    }
    Ok(all)
}

/// Signatures of the window that stand in this file.
fn carry_prints(writer: &mut Writer, file: u32, now: Timestamp) -> Result<(), Error> {
    let core = Arc::clone(&writer.core);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = near::runs(&core, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        let mut items = Vec::new();
        for (key, run) in some {
            let Some(run) = run.filter(|run| run.loc.file == file) else {
                continue;
            };
            match run.carried(&core)? {
                Some(item) => items.push(item),
                None => core.index.write().put_raw(&key, None)?,
            }
        }
        writer.add(items, false, true, now)?;
    }
}

/// What stands under everything that these sources say: counted from files that are gone, it must stand in one that stays.
fn carry_paragraphs(
    writer: &mut Writer,
    sources: BTreeSet<SourceId>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut items = Vec::new();
    for source in sources {
        if let Some(body) = paragraphs::carried(&writer.core.index.read(), &source)? {
            items.push((Item::Paragraphs(source), body));
        }
    }
    writer.add(items, false, true, now)
}

fn carry_names(writer: &mut Writer, now: Timestamp) -> Result<(), Error> {
    let all = known_names(&writer.core)?;
    for some in all.chunks(AT_ONCE) {
        let items = some
            .iter()
            .map(|name| (Item::Name(Box::new(name.clone())), Vec::new()))
            .collect();
        writer.add(items, false, true, now)?;
    }
    Ok(())
}

/// Every list that readers may know, with the time it was touched.
pub(super) fn known_names(core: &Core) -> Result<Vec<Name>, Error> {
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core.index.read().page(b"n", after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(all);
        };
        after = Some(last.clone());
        for (key, value) in some {
            let Value::Name(rec) = value else { continue };
            let text = String::from_utf8_lossy(&key[2..]).into_owned();
            let scope = match key[1] {
                b'o' => Some(Scope::All),
                b't' => Some(Scope::Tag(text)),
                b'c' => Some(Scope::Category(text)),
                b'f' => SourceId::new(&text).map(Scope::Source),
                b'q' => Some(Scope::Output(text)),
                _ => None,
            };
            if let Some(scope) = scope.filter(|_| rec.known) {
                all.push(Name {
                    scope,
                    touched: rec.touched,
                    shown: rec.shown.clone(),
                });
            }
        }
    }
}

/// Fills a new sled with what the present one holds and goes over to it: sled itself never gives space back.
pub(super) async fn renew(engine: &Engine) -> Result<(), Error> {
    let before = engine.core.index.read().disk();
    engine
        .by_writer(|writer| {
            let dir = rebuild::next_dir(&writer.core.options)?;
            let cache = rebuild::index_cache(&writer.core.options);
            let begun = writer.core.index.begin_successor(&dir, cache);
            begun.map_err(|what| Error::Damaged { what })
        })
        .await?;
    while !engine
        .by_writer(|writer| writer.core.index.copy_on())
        .await?
    {}
    let old = engine
        .by_writer(|writer| {
            writer.flush()?;
            writer.core.index.succeed()
        })
        .await?;
    if let Some((db, dir)) = old {
        // sled's threads end with it; that may take a moment.
        engine
            .ask(move |_| {
                drop(db);
                let _ = std::fs::remove_dir_all(dir);
                Ok(())
            })
            .await?;
    }
    let after = engine.core.index.read().disk();
    tracing::info!(before, after, "the index was made smaller");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::time::Duration;

    use super::*;
    use crate::model::article::{ArticleId, Key};
    use crate::model::signature::{BODY, LEAD, Reach, Signature, Sketch};
    use crate::store::samples::{article, noon, opened, put, source};
    use crate::store::{Among, Batch, Change, Found, Options, Prints, Store};

    fn options(dir: &tempfile::TempDir) -> Options {
        Options {
            path: dir.path().to_owned(),
            tombstones: Duration::from_hours(24 * 10),
            ..Options::default()
        }
    }

    /// The signature of some text.
    fn signature() -> Signature {
        Signature {
            realm: 7,
            title: 7,
            series: 7,
            sketch: Sketch {
                hashes: [7; BODY + LEAD],
                shingles: 100,
            },
            source: 1,
            shelf: 2,
        }
    }

    /// Entries with these paragraphs; the first one's copy has a signature.
    async fn count(engine: &Engine, copy: u128, paragraphs: &[&[u32]]) {
        let batch = Batch {
            prints: Some(Prints {
                source: source(),
                signatures: vec![(ArticleId(copy), signature())],
                paragraphs: paragraphs.iter().map(|some| some.to_vec()).collect(),
                as_of: 0,
                among: Among {
                    reach: Reach::All,
                    since: noon(),
                },
            }),
            ..Batch::default()
        };
        engine.commit(batch, noon()).await.unwrap();
    }

    async fn clean(engine: &Engine, file: u32) {
        engine.by_writer(Writer::begin_file).await.unwrap();
        carry(engine, file, noon()).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_file_alone_knew_is_known_without_it_and_without_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(&options(&dir));
        put(&engine, article(1)).await;
        put(&engine, article(2)).await;
        put(&engine, Change::Removed { id: ArticleId(2) }).await;
        count(&engine, 1, &[&[7, 70], &[7, 71]]).await;
        clean(&engine, 1).await;
        count(&engine, 3, &[&[7, 72]]).await;
        clean(&engine, 2).await;
        assert_eq!(engine.core.log.files().len(), 1);
        for _ in 0..2 {
            let footer = engine.boilerplate(&source()).await.unwrap();
            assert!(footer.covers(7));
            assert_eq!(footer.entries, 3);
            let found = engine.article(ArticleId(1)).await.unwrap();
            assert!(matches!(found, Found::Article(_)));
            let known = engine.known(&[Key::Guid(2)]).await.unwrap();
            assert_eq!(known.buried, [Key::Guid(2)]);
            engine.core.near.forget();
            let among = Among {
                reach: Reach::All,
                since: noon(),
            };
            let alike = engine.alike(&[signature()], among).await.unwrap();
            let copies = alike.found[0].iter().map(|near| near.copy.0);
            assert_eq!(copies.collect::<Vec<_>>(), [1]);
            assert_eq!(alike.as_of, 2);
            engine.by_writer(Writer::make_anew).await.unwrap();
        }
        engine.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_tombstone_whose_time_is_over_does_not_come_back_with_a_new_index() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(&options(&dir));
        put(&engine, article(2)).await;
        put(&engine, Change::Removed { id: ArticleId(2) }).await;
        let later = noon() + Duration::from_hours(24 * 20);
        engine.forget(later).await.unwrap();
        let batch = Batch {
            changes: vec![article(1)],
            ..Batch::default()
        };
        engine.commit(batch, later).await.unwrap();
        engine.by_writer(Writer::make_anew).await.unwrap();
        assert_eq!(engine.stats().await.unwrap().tombstones, 0);
        engine.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_frame_does_not_keep_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let engine = opened(&options(&dir));
        for n in 1..=3 {
            put(&engine, article(n)).await;
        }
        let rec = engine.core.index.read().article(2).unwrap().unwrap();
        let log = dir.path().join("log/00000001.alog");
        let log = std::fs::OpenOptions::new().write(true).open(log).unwrap();
        log.write_all_at(&[0xff; 8], u64::from(rec.head.at))
            .unwrap();
        clean(&engine, 1).await;
        assert_eq!(engine.core.log.files().len(), 1);
        let rows = engine.sightings(0, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 3]);
        engine.by_writer(Writer::make_anew).await.unwrap();
        assert_eq!(engine.stats().await.unwrap().articles, 2);
        engine.close().await.unwrap();
    }
}
