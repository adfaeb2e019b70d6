//! One document's entries on the table: what is decided on each, and what becomes of the articles that they concern.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Options, Reading, Tally, near};
use crate::dedup::story::{self, Effect};
use crate::dedup::{self, Decision};
use crate::model::article::{Article, ArticleId, Head, Joined, Key, Layer, Sighting};
use crate::model::candidate::Candidate;
use crate::model::source::Source;
use crate::model::time::Timestamp;
use crate::store::{self, Batch, Change, Found, Known, Prints, Store};

/// One document's entries on the table, with the articles that they concern.
pub(super) struct Desk<'a> {
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
    merges: Vec<Merge>,
    /// Entries whose guid and address led to two stories: by the next visit these are one, or somebody parted them.
    between: HashSet<usize>,
}

/// Two stories that turn out to be one.
struct Merge {
    /// The older one, which stays.
    into: ArticleId,
    /// The one that goes.
    from: ArticleId,
    /// Why: for the copy that founded the one that goes.
    because: Joined,
}

impl<'a> Desk<'a> {
    pub(super) async fn open(
        store: &dyn Store,
        source: &'a Source,
        reading: &'a Reading,
        now: Timestamp,
        options: &'a Options,
        texts: &mut near::Texts,
    ) -> Result<Self, store::Error> {
        // Most entries stood there at the last visit: nothing need be looked up for them.
        let unknown = reading.candidates.iter().filter(|one| !one.mark.unchanged);
        let keys: Vec<Key> = unknown.flat_map(Candidate::keys).collect();
        let known = store.known(&keys).await?;
        let heads: HashMap<Key, &Arc<Head>> =
            known.hits.iter().map(|(key, head)| (*key, head)).collect();
        let buried: HashSet<Key> = known.buried.iter().copied().collect();
        let mut decisions = dedup::decide(
            &reading.candidates,
            &|key| heads.get(&key).map(|head| Arc::clone(head)),
            &|key| buried.contains(&key),
        );
        let shown = shown_by_address(reading, &known, &decisions);
        let mut works = BTreeMap::new();
        for id in decisions.iter().filter_map(Decision::article) {
            take_up(store, &mut works, id).await?;
        }
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
            // The semaphore is never closed.
            let _turn = options.turns.looks.acquire().await;
            findings = ask.look(&mut decisions, texts).await?;
            for id in decisions.iter().filter_map(Decision::article) {
                take_up(store, &mut works, id).await?;
            }
        }
        let mut merges = Vec::new();
        let between = shown.iter().map(|(number, ..)| *number).collect();
        let shown = shown.into_iter().map(|(_, a, b)| (a, b, None));
        let strays = std::mem::take(&mut findings.strays);
        let strays = strays
            .into_iter()
            .map(|stray| (stray.story, stray.lone, Some(stray.joined)));
        for (a, b, joined) in shown.chain(strays) {
            take_up(store, &mut works, a).await?;
            take_up(store, &mut works, b).await?;
            merges.extend(agreed(&works, &merges, (a, b), joined));
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
            between,
        })
    }

    /// The fingerprints of what is or was kept and need not be looked at again, and whether it was before this visit. A rule
    /// may still drop what was not.
    pub(super) fn kept(&self) -> Vec<(u64, bool)> {
        let decided = self.reading.candidates.iter().zip(&self.decisions);
        decided
            .enumerate()
            .filter(|(number, (candidate, decision))| {
                let is_kept = !matches!(decision, Decision::Buried | Decision::Repeated);
                is_kept && candidate.mark.fingerprint != 0 && !self.between.contains(number)
            })
            .map(|(_, (candidate, decision))| {
                let is_new = matches!(decision, Decision::New | Decision::SameAs(_));
                (candidate.mark.fingerprint, !is_new)
            })
            .collect()
    }

    /// Carries the decisions out: the articles that change, in the order of arrival, and the signatures that go with them.
    pub(super) fn clear(mut self) -> (Vec<Work>, Option<Prints>, Tally) {
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
        let joined = &mut self.findings.joined;
        let mut copy = || {
            let mut copy = candidate.clone();
            copy.sighting.joined = joined.remove(&number).unwrap_or_default();
            copy
        };
        match self.decisions[number] {
            Decision::New => {
                let article = story::found(copy(), &self.source.id, about, now);
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
                let copy = joined_by_url(copy());
                story::join_founding(&mut work.article, copy, about, now, options);
                Some(work)
            }
            Decision::Sighted(id) => {
                let work = self.works.get_mut(&id)?;
                work.touched = true;
                let copy = joined_by_url(copy());
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
                    .max(story::edit(&mut work.article, copy(), about, now));
                Some(work)
            }
            Decision::Known | Decision::Repeated | Decision::Buried => None,
        }
    }

    /// Makes one story of those that an entry shows to be one.
    fn merge(&mut self) {
        let merges = std::mem::take(&mut self.merges);
        let mut unmerged = Vec::new();
        for Merge {
            into,
            from,
            because,
        } in merges
        {
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
            story::merge(&mut older.article, younger.article, &because);
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

/// A copy that joins a story: by its address, if no text said more.
fn joined_by_url(mut copy: Candidate) -> Candidate {
    if copy.sighting.joined.layer == Layer::Founded {
        copy.sighting.joined.layer = Layer::Url;
    }
    copy
}

/// An entry that is known here by its guid and there by its address shows that both are one story. Gives its place in the
/// document with the two.
fn shown_by_address(
    reading: &Reading,
    known: &Known,
    decisions: &[Decision],
) -> Vec<(usize, ArticleId, ArticleId)> {
    let holders = |key: Key| {
        known
            .hits
            .iter()
            .filter(move |(held, _)| *held == key)
            .map(|(_, head)| head)
    };
    let mut found = Vec::new();
    for (number, candidate) in reading.candidates.iter().enumerate() {
        let decision = &decisions[number];
        let (Decision::Known | Decision::Edited(_), Some(url)) = (decision, candidate.url) else {
            continue;
        };
        let Some(own) = holders(candidate.guid).next() else {
            continue;
        };
        let other = holders(url).find(|head| head.id != own.id);
        let is_held = holders(url).any(|head| head.id == own.id);
        if let Some(other) = other.filter(|_| !is_held) {
            found.push((number, own.id, other.id));
        }
    }
    found
}

/// How two stories become one: the older one stays. Not if somebody parted them, and each takes part in one merge at a
/// time. The lone copy, if a text shows it, is the second.
fn agreed(
    works: &BTreeMap<ArticleId, Work>,
    merges: &[Merge],
    (one, lone): (ArticleId, ArticleId),
    joined: Option<Joined>,
) -> Option<Merge> {
    let is_free = |id: ArticleId| {
        let mut merges = merges.iter();
        merges.all(|merge| merge.into != id && merge.from != id)
    };
    let (a, b) = (&works.get(&one)?.article, &works.get(&lone)?.article);
    if one == lone
        || !is_free(one)
        || !is_free(lone)
        || a.head.private != b.head.private
        || story::are_apart(a, b)
    {
        return None;
    }
    let lone_stays = story::is_older(&b.head, &a.head);
    let (into, from) = if lone_stays { (lone, one) } else { (one, lone) };
    let because = match joined {
        // The scores are those of the copy that stood alone.
        Some(joined) if lone_stays => Joined {
            scores: None,
            ..joined
        },
        Some(joined) => joined,
        None => Joined {
            layer: Layer::Url,
            ..Joined::default()
        },
    };
    Some(Merge {
        into,
        from,
        because,
    })
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
pub(super) struct Work {
    pub(super) article: Article,
    /// The version that the decision relies on; `None` if the article is founded here.
    pub(super) relies_on: Option<u32>,
    /// Where in the document it was founded.
    place: usize,
    pub(super) effect: Effect,
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
    pub(super) fn settle(self, source: &Source, batch: &mut Batch) {
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
