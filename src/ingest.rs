//! Steps 2 to 6 for one document: introduces parse, enrich, dedup, label and store to each other.
//!
//! [`read`] is pure and may take a while (the blocking pool is its place); [`commit`] decides against what the store
//! knows, and decides again when another commit came first.

mod desk;
mod near;
pub mod privacy;
pub mod relabel;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use xxhash_rust::xxh3::xxh3_64;

use self::desk::{Desk, Work};
use crate::dedup;
use crate::dedup::story::Effect;
use crate::enrich;
use crate::label;
use crate::label::keywords::Found as Lesson;
use crate::model::article::Sighting;
use crate::model::candidate::{Candidate, Mark};
use crate::model::document::Document;
use crate::model::entry::{Entry, Feed, Hub};
use crate::model::source::{About, Source, SourceState};
use crate::model::time::Timestamp;
use crate::model::warning::Warning;
use crate::parse;
use crate::store::{self, Batch, Lease, Store};

/// Decisions are made again this often before the visit is given up. Each time somebody else's commit went through, so
/// that this is how many visits may bring copies of one story at the same moment.
const MOST_TRIES: usize = 300;
/// Longest wait for a commit that came first; if it fails, nothing else tells.
const FIRST_COMER: Duration = Duration::from_millis(250);
/// Times of newest entries that a source's state keeps.
const NEWEST: usize = 20;

/// What the steps between need.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Step 2.
    pub parse: parse::Options,
    /// Step 4.
    pub dedup: dedup::Options,
    /// Step 5, and the rules of each source before step 3.
    pub label: label::Options,
    /// Who waits for whom.
    pub turns: Arc<Turns>,
}

/// Who waits for whom: one for all visits under the same settings. Visits that a reload overtakes do without: what they
/// decide is checked at the commit all the same.
#[derive(Debug)]
pub struct Turns {
    /// Who came second decides again alone: many that bring one story at the same moment would else make each other's
    /// decisions void over and over.
    again: Mutex<()>,
    /// Texts are compared by one visit per core, and one that waits for the store meanwhile: each holds the texts that its
    /// own may be copies of.
    looks: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            again: Mutex::default(),
            looks: Semaphore::new(cores + 1),
        }
    }
}

/// What a document tells the schedule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeedHints {
    /// RSS `ttl`, minutes.
    pub ttl: Option<u64>,
    /// Syndication module: seconds between two issues.
    pub period: Option<u64>,
    /// RSS `skipHours`.
    pub skip_hours: Vec<u8>,
    /// RSS `skipDays`, 0 = Monday.
    pub skip_days: Vec<u8>,
    /// Dates of the newest dated entries, newest first.
    pub newest: Vec<Timestamp>,
    /// Hubs that announce changes.
    pub hubs: Vec<Hub>,
    /// The feed says that it lives elsewhere now.
    pub new_feed_url: Option<String>,
}

/// A document, understood and made ready.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Its entries.
    pub candidates: Vec<Candidate>,
    /// The feed about itself.
    pub about: About,
    /// For the schedule.
    pub hints: FeedHints,
    /// First 64 bits of the guid key of each entry: what the source lists at present.
    pub listed: Vec<u64>,
    /// The language that most entries are in.
    pub language: Option<String>,
    /// What the publisher should mend.
    pub warnings: Vec<Warning>,
}

/// What the visits before left: most entries of a document are as they were.
#[derive(Debug, Default)]
pub struct Before {
    /// `None`: all is read anew.
    known: Option<parse::Before>,
    listed: HashSet<u64>,
    language: Option<String>,
}

impl Before {
    /// What a source's state says of it.
    #[must_use]
    pub fn of(source: &Source, state: &SourceState, options: &Options) -> Self {
        // Its own rules may look at anything.
        if options.label.rules.feeds.contains_key(&source.id) {
            return Self::default();
        }
        // Another version may read better, and who becomes private is somebody else.
        let settings = format!(
            "{} {} {}",
            env!("CARGO_PKG_VERSION"),
            source.private,
            source.never_merge
        );
        Self {
            known: Some(parse::Before {
                seed: xxh3_64(settings.as_bytes()),
                read: state.read.iter().copied().collect(),
            }),
            listed: state.listed.iter().copied().collect(),
            language: state.language.clone(),
        }
    }
}

/// A visit that is over, before its result is kept.
#[derive(Debug)]
pub struct Visited<'a> {
    /// Where.
    pub source: &'a Source,
    /// The planned state; `visits[0]`, `last_new`, `about`, `listed` and undated `newest` are completed here.
    pub state: Box<SourceState>,
    /// Given back by the commit.
    pub lease: Lease,
    /// What was read, if there was something to read.
    pub reading: Option<Reading>,
    /// The state must survive the loss of the index even if no article came.
    pub durable: bool,
}

/// What a visit brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Articles founded.
    pub new: u32,
    /// Articles whose text changed, and copies that joined a story.
    pub updated: u32,
    /// Entries that we had.
    pub known: u32,
}

/// Reads a document: steps 2 and 3. `now` is the time of the visit.
///
/// # Errors
/// If there is no feed in it.
pub fn read(
    source: &Source,
    document: &Document,
    options: &Options,
    before: &Before,
    now: Timestamp,
) -> Result<Reading, parse::Error> {
    let reading = read_after(source, document, options, before, now)?;
    // What is only named must be what was listed: two entries under one guid change each other's names.
    let is_other =
        |one: &Candidate| one.mark.unchanged && !before.listed.contains(&listed_key(&one.sighting));
    if reading.candidates.iter().any(is_other) {
        let known = before.known.as_ref().map(|known| parse::Before {
            seed: known.seed,
            read: HashSet::new(),
        });
        let anew = Before {
            known,
            ..Before::default()
        };
        return read_after(source, document, options, &anew, now);
    }
    Ok(reading)
}

fn read_after(
    source: &Source,
    document: &Document,
    options: &Options,
    before: &Before,
    now: Timestamp,
) -> Result<Reading, parse::Error> {
    let parse::Parsed {
        mut feed,
        marks,
        warnings,
    } = parse::parse_after(document, &options.parse, before.known.as_ref())?;
    let url = document.url.as_deref().unwrap_or(&source.url);
    let about = enrich::about(&feed, source, url);
    let mut entries: Vec<(Entry, Mark)> = std::mem::take(&mut feed.entries)
        .into_iter()
        .zip(marks)
        .collect();
    let hints = hints(
        &feed,
        entries
            .iter()
            .filter_map(|(entry, _)| entry.published.or(entry.updated)),
        now,
    );
    let mut verdicts = Vec::with_capacity(entries.len());
    entries.retain_mut(|(entry, _)| {
        let verdict = label::rules::entry(entry, source, now, &options.label);
        let kept = !verdict.dropped;
        if kept {
            verdicts.push(verdict);
        }
        kept
    });
    let mostly = before.language.as_deref();
    let mut candidates = enrich::candidates(entries, source, &about, mostly, now);
    let read = |(candidate, _): &(&mut Candidate, _)| !candidate.mark.unchanged;
    for (candidate, verdict) in candidates.iter_mut().zip(&verdicts).filter(read) {
        candidate.sighting.labels = label::of_copy(candidate, source, &options.label);
        verdict.mark(&mut candidate.sighting, &options.label);
    }
    let listed = candidates
        .iter()
        .map(|candidate| listed_key(&candidate.sighting))
        .collect();
    Ok(Reading {
        language: enrich::mostly(&candidates).or_else(|| before.language.clone()),
        candidates,
        about,
        hints,
        listed,
        warnings,
    })
}

/// How a sighting stands in [`SourceState::listed`].
#[must_use]
pub fn listed_key(sighting: &Sighting) -> u64 {
    (sighting.guid_key >> 64) as u64
}

fn hints(feed: &Feed, dates: impl Iterator<Item = Timestamp>, now: Timestamp) -> FeedHints {
    let mut newest: Vec<Timestamp> = dates
        .filter(|date| (Timestamp::EPOCH..=now).contains(date))
        .collect();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    newest.truncate(NEWEST);
    FeedHints {
        ttl: feed.ttl,
        period: feed.syndication.as_ref().and_then(|syndication| {
            let period = match syndication.period.as_deref().unwrap_or("daily") {
                "hourly" => 3600,
                "daily" => 86_400,
                "weekly" => 7 * 86_400,
                "monthly" => 30 * 86_400,
                "yearly" => 365 * 86_400,
                _ => return None,
            };
            Some(period / syndication.frequency.unwrap_or(1).max(1))
        }),
        skip_hours: feed.skip_hours.clone(),
        skip_days: feed
            .skip_days
            .iter()
            .filter_map(|day| weekday(day))
            .collect(),
        newest,
        hubs: feed.hubs.clone(),
        new_feed_url: feed.new_feed_url.clone(),
    }
}

fn weekday(name: &str) -> Option<u8> {
    const DAYS: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    DAYS.iter()
        .position(|day| day.eq_ignore_ascii_case(name))
        .and_then(|day| u8::try_from(day).ok())
}

/// Keeps what a visit brought: steps 4 to 6. The source's new state and its articles are one batch.
///
/// # Errors
/// Those of the store; [`store::Error::Conflict`] only if others kept coming first.
pub async fn commit(
    store: &dyn Store,
    visited: Visited<'_>,
    now: Timestamp,
    options: &Options,
) -> Result<Tally, store::Error> {
    if visited.reading.is_none() {
        // Most visits: nothing to decide, and nobody can come first.
        let batch = Batch {
            // The first visit of all must be found again whatever happens to the index.
            routine: !visited.durable && visited.state.visits.len() > 1,
            durable: visited.durable,
            visit: Some((visited.source.id.clone(), visited.state, visited.lease)),
            ..Batch::default()
        };
        return store.commit(batch, now).await.map(|_| Tally::default());
    }
    // Boxed, since it is large, and most visits bring nothing to read.
    Box::pin(decide(store, &visited, now, options)).await
}

/// Decides and keeps, again and again until nobody came first.
async fn decide(
    store: &dyn Store,
    visited: &Visited<'_>,
    now: Timestamp,
    options: &Options,
) -> Result<Tally, store::Error> {
    let mut tries = 0;
    let mut texts = near::Texts::default();
    let mut alone = None;
    loop {
        let before = store.revision();
        let (batch, tally, lessons) = prepare(store, visited, now, options, &mut texts).await?;
        match store.commit(batch, now).await {
            Ok(_) => {
                for lesson in lessons {
                    let learnt = &options.label.learnt;
                    learnt.article(&lesson.language, &lesson.terms);
                }
                return Ok(tally);
            }
            Err(store::Error::Conflict) if tries < MOST_TRIES => {
                tries += 1;
                if alone.is_none() {
                    alone = Some(options.turns.again.lock().await);
                }
                // Whoever came first may still be on the way to the disk; only then is there something new to decide on.
                let _ = tokio::time::timeout(FIRST_COMER, store.changed(before)).await;
            }
            Err(other) => return Err(other),
        }
    }
}

async fn prepare(
    store: &dyn Store,
    visited: &Visited<'_>,
    now: Timestamp,
    options: &Options,
    texts: &mut near::Texts,
) -> Result<(Batch, Tally, Vec<Lesson>), store::Error> {
    let mut lessons = Vec::new();
    let mut state = visited.state.clone();
    let mut tally = Tally::default();
    let mut batch = Batch {
        durable: visited.durable,
        ..Batch::default()
    };
    if let Some(reading) = &visited.reading {
        let desk = Desk::open(store, visited.source, reading, now, options, texts).await?;
        let kept = desk.kept();
        let (works, prints, mut counted) = desk.clear();
        let mut all_kept = true;
        for (work, lesson, dropped) in labelled(works, options).await? {
            if dropped {
                all_kept = false;
                counted.new = counted.new.saturating_sub(1);
            } else {
                lessons.extend(lesson);
                work.settle(visited.source, &mut batch);
            }
        }
        batch.prints = prints.filter(|_| !batch.changes.is_empty());
        tally = counted;
        // The full state goes to the log together with articles, or when what the feed says of itself changed.
        batch.durable |= !batch.changes.is_empty() || state.about.as_ref() != Some(&reading.about);
        complete(&mut state, reading, tally, now);
        state.read = kept
            .into_iter()
            .filter(|(_, was)| *was || all_kept)
            .map(|(fingerprint, _)| fingerprint)
            .collect();
    }
    batch.visit = Some((visited.source.id.clone(), state, visited.lease));
    Ok((batch, tally, lessons))
}

fn complete(state: &mut SourceState, reading: &Reading, tally: Tally, now: Timestamp) {
    state.about = Some(reading.about.clone());
    state.listed.clone_from(&reading.listed);
    state.language.clone_from(&reading.language);
    if let Some(visit) = state.visits.first_mut() {
        visit.new = tally.new;
        visit.updated = tally.updated;
    }
    if tally.new > 0 {
        state.last_new = Some(now);
    }
    if reading.hints.newest.is_empty() {
        // Entries without dates are as old as our first sight of them.
        let fresh = usize::try_from(tally.new).unwrap_or(NEWEST).min(NEWEST);
        state.newest.splice(0..0, std::iter::repeat_n(now, fresh));
        state.newest.truncate(NEWEST);
    }
}

/// Reads articles and labels them, and says of each what it teaches and whether a rule drops it. Reading and rules may take
/// their time, so their place is the blocking pool.
async fn labelled(
    mut works: Vec<Work>,
    options: &Options,
) -> Result<Vec<(Work, Option<Lesson>, bool)>, store::Error> {
    let reads = options.label.auto == label::Auto::Publish;
    let run = move |works: &mut Vec<Work>, options: &label::Options| {
        let works = works.drain(..);
        works
            .map(|mut work| {
                let is_new = work.relies_on.is_none();
                let mut lesson = None;
                if reads && (is_new || work.effect == Effect::Text) {
                    let text = enrich::body_text(&work.article.entry);
                    lesson = label::read(&mut work.article, &text, options);
                }
                label::learn(&work.article, options);
                let ruled = label::story(&mut work.article, options);
                if ruled.text_changed {
                    work.effect = Effect::Text;
                }
                // A story that is kept already is not taken away by an edit: `aggd retag` does that, when asked.
                let dropped = ruled.dropped && work.relies_on.is_none();
                (work, lesson.filter(|_| is_new), dropped)
            })
            .collect()
    };
    if works.is_empty() || (options.label.rules.is_idle() && !reads) {
        return Ok(run(&mut works, &options.label));
    }
    let options = options.label.clone();
    let done = tokio::task::spawn_blocking(move || run(&mut works, &options)).await;
    done.map_err(|_| store::Error::Closed)
}
