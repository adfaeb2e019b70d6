//! Steps 2 to 6 for one document: introduces parse, enrich, dedup, label and store to each other.
//!
//! [`read`] is pure and may take a while (the blocking pool is its place); [`commit`] decides against what the store
//! knows, and decides again when another commit came first.

mod near;
pub mod privacy;
pub mod relabel;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::dedup::story::{self, Effect};
use crate::dedup::{self, Decision};
use crate::enrich;
use crate::label;
use crate::label::keywords::Found as Lesson;
use crate::model::article::{Article, ArticleId, Head, Key, Layer, Sighting};
use crate::model::candidate::{Candidate, Mark};
use crate::model::document::Document;
use crate::model::entry::{Entry, Feed, Hub};
use crate::model::source::{About, Source, SourceState};
use crate::model::time::Timestamp;
use crate::model::warning::Warning;
use crate::parse;
use crate::store::{self, Batch, Change, Found, Known, Lease, Prints, Store};

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
    /// Who came second decides again alone: many that bring one story at the same moment would else make each other's
    /// decisions void over and over.
    pub again: Arc<tokio::sync::Mutex<()>>,
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
    pub state: SourceState,
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
    let mut tries = 0;
    let mut texts = near::Texts::default();
    let mut alone = None;
    loop {
        let before = store.revision();
        let (batch, tally, lessons) = prepare(store, &visited, now, options, &mut texts).await?;
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
                    alone = Some(options.again.lock().await);
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

/// One document's entries on the table, with the articles that they concern.
struct Desk<'a> {
    reading: &'a Reading,
    source: &'a Source,
    now: Timestamp,
    options: &'a Options,
    known: Known,
    decisions: Vec<Decision>,
    /// Articles that are to change, by id.
    works: BTreeMap<ArticleId, Work>,
    /// What comparing texts brought, if texts are compared.
    findings: near::Findings,
    /// Stories that turn out to be one: the older one, and the one that goes.
    merges: Vec<(ArticleId, ArticleId)>,
}

impl<'a> Desk<'a> {
    async fn open(
        store: &dyn Store,
        source: &'a Source,
        reading: &'a Reading,
        now: Timestamp,
        options: &'a Options,
        texts: &mut near::Texts,
    ) -> Result<Self, store::Error> {
        let keys: Vec<Key> = reading
            .candidates
            .iter()
            .flat_map(Candidate::keys)
            .collect();
        let known = store.known(&keys).await?;
        let heads: HashMap<Key, &Arc<Head>> =
            known.hits.iter().map(|(key, head)| (*key, head)).collect();
        let buried: HashSet<Key> = known.buried.iter().copied().collect();
        let mut decisions = dedup::decide(
            &reading.candidates,
            &|key| heads.get(&key).map(|head| Arc::clone(head)),
            &|key| buried.contains(&key),
        );
        let mut merges = merges(reading, &known, &decisions);
        let mut works = BTreeMap::new();
        let concerned = decisions.iter().filter_map(Decision::article);
        let merging = merges.iter().flat_map(|(into, from)| [*into, *from]);
        for id in concerned.chain(merging) {
            take_up(store, &mut works, id).await?;
        }
        merges.retain(|(into, from)| {
            let pair = (works.get(into), works.get(from));
            matches!(pair, (Some(into), Some(from)) if !story::are_apart(&into.article, &from.article))
        });
        near::leave_out_immaterial(store, source, reading, &mut decisions, &works).await?;
        let mut findings = near::Findings::default();
        if options.dedup.mode != dedup::Mode::Off && !source.never_merge {
            let ask = near::Ask {
                store,
                source,
                reading,
                options: &options.dedup,
                now,
            };
            findings = ask.look(&mut decisions, texts).await?;
            for id in decisions.iter().filter_map(Decision::article) {
                take_up(store, &mut works, id).await?;
            }
        }
        Ok(Self {
            reading,
            source,
            now,
            options,
            known,
            decisions,
            works,
            findings,
            merges,
        })
    }

    /// The fingerprints of what is or was kept, and whether it was before this visit. A rule may still drop what was not.
    fn kept(&self) -> Vec<(u64, bool)> {
        let decided = self.reading.candidates.iter().zip(&self.decisions);
        decided
            .filter(|(candidate, decision)| {
                let is_kept = !matches!(decision, Decision::Buried | Decision::Repeated);
                is_kept && candidate.mark.fingerprint != 0
            })
            .map(|(candidate, decision)| {
                let is_new = matches!(decision, Decision::New | Decision::SameAs(_));
                (candidate.mark.fingerprint, !is_new)
            })
            .collect()
    }

    /// Carries the decisions out: the articles that change, in the order of arrival, and the signatures that go with them.
    fn clear(mut self) -> (Vec<Work>, Option<Prints>, Tally) {
        let mut tally = Tally::default();
        let mut taken: HashSet<Key> = self.known.hits.iter().map(|(key, _)| *key).collect();
        let content = std::mem::take(&mut self.findings.content);
        let held = std::mem::take(&mut self.findings.held);
        for (number, candidate) in self.reading.candidates.iter().enumerate() {
            match self.carry_out(number, candidate) {
                Some(work) => {
                    work.keys
                        .extend(candidate.keys().filter(|key| taken.insert(*key)));
                    match content.get(&number) {
                        // Another story has it too, or this one has it already.
                        Some(key) if held.contains(key) => work.unclaimed.push(*key),
                        Some(key) if taken.insert(*key) => work.keys.push(*key),
                        _ => {}
                    }
                    let counter = if work.relies_on.is_none() {
                        &mut tally.new
                    } else {
                        &mut tally.updated
                    };
                    *counter += u32::from(!matches!(self.decisions[number], Decision::SameAs(_)));
                }
                None => tally.known += 1,
            }
        }
        self.merge();
        let mut works: Vec<Work> = self.works.into_values().collect();
        // Documents list the newest first; the store numbers in the order of arrival.
        works.sort_by_key(|work| std::cmp::Reverse(work.place));
        (works, self.findings.prints, tally)
    }

    /// Does to an article what was decided on this candidate; `None` if nothing is to be done.
    fn carry_out(&mut self, number: usize, candidate: &Candidate) -> Option<&mut Work> {
        let (now, about, options) = (self.now, &self.reading.about, &self.options.dedup);
        let mut copy = candidate.clone();
        copy.sighting.joined = self.findings.joined.remove(&number).unwrap_or_default();
        match self.decisions[number] {
            Decision::New => {
                let article = story::found(copy, &self.source.id, about, now);
                let id = article.head.id;
                Some(
                    self.works
                        .entry(id)
                        .or_insert(Work::new(article, None, number)),
                )
            }
            Decision::SameAs(first) => {
                let founded = ArticleId(self.reading.candidates[first].sighting.guid_key);
                let work = self.works.get_mut(&founded)?;
                if copy.sighting.joined.layer == Layer::Founded {
                    copy.sighting.joined.layer = Layer::Url;
                }
                story::join_founding(&mut work.article, copy, about, now, options);
                Some(work)
            }
            Decision::Sighted(id) => {
                let work = self.works.get_mut(&id)?;
                work.touched = true;
                if copy.sighting.joined.layer == Layer::Founded {
                    copy.sighting.joined.layer = Layer::Url;
                }
                work.effect =
                    work.effect
                        .max(story::join(&mut work.article, copy, about, now, options));
                Some(work)
            }
            Decision::Edited(id) => {
                let work = self.works.get_mut(&id)?;
                work.touched = true;
                work.effect = work
                    .effect
                    .max(story::edit(&mut work.article, copy, about, now));
                Some(work)
            }
            Decision::Known | Decision::Repeated | Decision::Buried => None,
        }
    }

    /// Makes one story of those that an entry shows to be one.
    fn merge(&mut self) {
        let merges = std::mem::take(&mut self.merges);
        let mut unmerged = Vec::new();
        for (into, from) in merges {
            let Some(younger) = self.works.remove(&from) else {
                continue;
            };
            // One at a time; what more there is comes with the next visit.
            let is_free = |work: &Work| work.swallowed.is_none();
            let fits = self.works.get(&into).is_some_and(is_free) && is_free(&younger);
            let (Some(older), Some(version), true) =
                (self.works.get_mut(&into), younger.relies_on, fits)
            else {
                unmerged.push((from, younger));
                continue;
            };
            story::merge(&mut older.article, younger.article, Layer::Url);
            older.swallowed = Some((from, version));
            older.keys.extend(younger.keys);
            older.unclaimed.extend(younger.unclaimed);
            older.effect = Effect::Text;
            older.touched = true;
        }
        self.works.extend(unmerged);
        self.works
            .retain(|_, work| work.touched || work.relies_on.is_none());
    }
}

/// An entry that is known here by its guid and there by its address shows that both are one story. The older one stays.
fn merges(reading: &Reading, known: &Known, decisions: &[Decision]) -> Vec<(ArticleId, ArticleId)> {
    let holders = |key: Key| {
        known
            .hits
            .iter()
            .filter(move |(held, _)| *held == key)
            .map(|(_, head)| head)
    };
    let mut found: Vec<(ArticleId, ArticleId)> = Vec::new();
    for (candidate, decision) in reading.candidates.iter().zip(decisions) {
        let (Decision::Known | Decision::Edited(_), Some(url)) = (decision, candidate.url) else {
            continue;
        };
        let Some(own) = holders(candidate.guid).next() else {
            continue;
        };
        let other = holders(url).find(|head| head.id != own.id);
        let is_held = holders(url).any(|head| head.id == own.id);
        let Some(other) = other.filter(|other| !is_held && other.private == own.private) else {
            continue;
        };
        let pair = if story::is_older(own, other) {
            (own.id, other.id)
        } else {
            (other.id, own.id)
        };
        let is_new = |id: ArticleId| found.iter().all(|(a, b)| *a != id && *b != id);
        if is_new(pair.0) && is_new(pair.1) {
            found.push(pair);
        }
    }
    found
}

/// Loads an article that is to change.
async fn take_up(
    store: &dyn Store,
    works: &mut BTreeMap<ArticleId, Work>,
    id: ArticleId,
) -> Result<(), store::Error> {
    if !works.contains_key(&id)
        && let Found::Article(article) = store.article(id).await?
    {
        let version = article.head.version;
        works.insert(id, Work::new(*article, Some(version), 0));
    }
    Ok(())
}

/// One article under work.
struct Work {
    article: Article,
    /// The version that the decision relies on; `None` if the article is founded here.
    relies_on: Option<u32>,
    /// Where in the document it was founded.
    place: usize,
    effect: Effect,
    /// Something is done to it.
    touched: bool,
    /// The story that became part of it, with the version that the decision relies on.
    swallowed: Option<(ArticleId, u32)>,
    /// Keys that lead to it from now on, and led nowhere before.
    keys: Vec<Key>,
    /// Keys that lead to it and to others.
    unclaimed: Vec<Key>,
}

impl Work {
    fn new(article: Article, relies_on: Option<u32>, place: usize) -> Self {
        Self {
            article,
            relies_on,
            place,
            effect: Effect::Head,
            touched: false,
            swallowed: None,
            keys: Vec::new(),
            unclaimed: Vec::new(),
        }
    }

    /// Puts what becomes of it into the batch.
    fn settle(self, source: &Source, batch: &mut Batch) {
        batch.claims.extend(&self.keys);
        let id = self.article.head.id;
        batch
            .expects
            .extend(self.relies_on.map(|version| (id, version)));
        batch.expects.extend(self.swallowed);
        batch.changes.push(self.into_change(source));
    }

    fn into_change(mut self, source: &Source) -> Change {
        let mut keys = self.keys;
        keys.extend(self.unclaimed);
        let Some(version) = self.relies_on else {
            return Change::New {
                article: Box::new(self.article),
                keys,
            };
        };
        self.article.head.version = version + 1;
        if let Some((from, _)) = self.swallowed {
            return Change::Merged {
                article: Box::new(self.article),
                from,
                keys,
            };
        }
        match self.effect {
            Effect::Text => Change::Revised {
                article: Box::new(self.article),
                keys,
            },
            Effect::Head => {
                let ours = |sighting: &Sighting| sighting.source.as_ref() == Some(&source.id);
                let sightings = self.article.sightings.into_iter().filter(ours).collect();
                Change::Amended {
                    head: Box::new(self.article.head),
                    sightings,
                    keys,
                }
            }
        }
    }
}
