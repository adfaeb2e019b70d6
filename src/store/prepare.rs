//! From a batch to the items of a frame: what it relies on is checked, and each change becomes what the log keeps of it.
//!
//! Several batches are prepared before the first of them is on the disk, so what they change is remembered here until then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::apply::spot;
use super::codec;
use super::core::{Core, Live};
use super::index::step_aside;
use super::item::{Gone, Item, Left, Stand};
use super::lists;
use super::near::{self, Marks};
use super::{Batch, Change, Error, Prints};
use crate::model::article::{Article, ArticleId, Head, Key};
use crate::model::source::SourceState;
use crate::model::time::Timestamp;

/// Sightings that stand apart from their article's text; with more of them it is written anew as a whole.
const APART: usize = 16;

/// A batch whose texts are packed already: that needs no knowledge of the store and is done by whoever commits.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) batch: Batch,
    /// One for each change; empty where there is nothing.
    pub(super) bodies: Vec<Vec<u8>>,
    /// The visited source's state.
    pub(super) state: Vec<u8>,
}

impl Packed {
    /// Packs the texts of a batch.
    pub(super) fn new(batch: Batch) -> Self {
        let body = |change| {
            step_aside();
            body(change)
        };
        let bodies = batch.changes.iter().map(body).collect();
        let state = batch.visit.as_ref();
        let state = state.map(|(_, state, _)| codec::pack_state(state));
        Self {
            batch,
            bodies,
            state: state.unwrap_or_default(),
        }
    }
}

fn body(change: &Change) -> Vec<u8> {
    match change {
        Change::New { article, .. }
        | Change::Revised { article, .. }
        | Change::Merged { article, .. }
        | Change::Parted { article, .. } => whole(article),
        Change::Amended { sightings, .. } if !sightings.is_empty() => codec::pack(sightings),
        Change::Amended { .. } | Change::Removed { .. } => Vec::new(),
    }
}

/// The body of a whole article.
pub(super) fn whole(article: &Article) -> Vec<u8> {
    codec::pack(&(&article.entry, &article.about, &article.sightings))
}

/// What batches change that are not on the disk yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// By id; `None`: removed.
    articles: HashMap<ArticleId, Option<Draft>>,
    added: HashMap<Key, Vec<u64>>,
    removed: HashSet<u64>,
}

#[derive(Debug, Clone)]
struct Draft {
    stand: Arc<Stand>,
    amends: usize,
    listed_until: Timestamp,
    /// Its text is in the log, so that it can be read.
    settled: bool,
}

impl Pending {
    /// Takes over what a batch changes that has been accepted.
    pub(super) fn absorb(&mut self, other: Self) {
        self.articles.extend(other.articles);
        for (key, numbers) in other.added {
            self.added.entry(key).or_default().extend(numbers);
        }
        self.removed.extend(other.removed);
    }
}

/// One batch on its way.
pub(super) struct Preparing<'a> {
    core: &'a Core,
    before: &'a Pending,
    pub(super) own: Pending,
    pub(super) next_seq: u64,
    pub(super) items: Vec<(Item, Vec<u8>)>,
}

impl<'a> Preparing<'a> {
    pub(super) fn new(core: &'a Core, before: &'a Pending, next_seq: u64) -> Self {
        Self {
            core,
            before,
            own: Pending::default(),
            next_seq,
            items: Vec::new(),
        }
    }

    /// What a batch relies on must still hold.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), Error> {
        for key in &batch.claims {
            if self.leads_somewhere(*key)? {
                return Err(Error::Conflict);
            }
        }
        for (id, version) in &batch.expects {
            let standing = self.find(*id)?.ok_or(Error::Conflict)?;
            if standing.stand.head.version != *version {
                return Err(Error::Conflict);
            }
        }
        if let Some(prints) = &batch.prints
            && near::came_too_late(self.core, prints)
        {
            return Err(Error::Conflict);
        }
        Ok(())
    }

    fn is_removed(&self, seq: u64) -> bool {
        self.own.removed.contains(&seq) || self.before.removed.contains(&seq)
    }

    fn leads_somewhere(&self, key: Key) -> Result<bool, Error> {
        let added = [&self.own, self.before]
            .into_iter()
            .filter_map(|pending| pending.added.get(&key))
            .flatten();
        if added.into_iter().any(|seq| !self.is_removed(*seq)) {
            return Ok(true);
        }
        // New keys are the rule: do not read an article unless its short form is there.
        if spot(key).holders(&self.core.index.read())?.is_empty() {
            return Ok(false);
        }
        let holders = self.core.holders(key)?;
        Ok(holders.iter().any(|live| !self.is_removed(live.stand.seq)))
    }

    fn find(&self, id: ArticleId) -> Result<Option<Draft>, Error> {
        for pending in [&self.own, self.before] {
            if let Some(found) = pending.articles.get(&id) {
                return Ok(found.clone());
            }
        }
        let live = self.core.by_id(id)?;
        Ok(live.map(|Live { stand, rec }| Draft {
            stand,
            amends: rec.amends.len(),
            listed_until: rec.listed_until,
            settled: true,
        }))
    }

    /// One change.
    pub(super) fn change(&mut self, change: Change, body: Vec<u8>) -> Result<(), Error> {
        match change {
            Change::New { article, keys } => {
                if self.find(article.head.id)?.is_some() {
                    return Err(Error::Conflict);
                }
                let seq = self.next_seq;
                self.next_seq += 1;
                let stand = Stand {
                    seq,
                    keys: further_keys(&article.head, keys),
                    head: article.head,
                    left: Left::default(),
                    listed_until: Timestamp::EPOCH,
                };
                self.put(stand, body, 0);
            }
            Change::Revised { article, keys } => {
                let old = self.find(article.head.id)?.ok_or(Error::Conflict)?;
                self.put(follow(&old, article.head, keys), body, 0);
            }
            Change::Amended {
                head,
                sightings,
                keys,
            } => {
                let old = self.find(head.id)?.ok_or(Error::Conflict)?;
                let stand = follow(&old, *head, keys);
                if old.amends >= APART && old.settled {
                    return self.consolidate(stand, sightings);
                }
                let amends = old.amends + usize::from(!sightings.is_empty());
                let stand = Arc::new(stand);
                self.remember(&stand, amends);
                self.items.push((Item::Amend(stand), body));
            }
            Change::Merged {
                article,
                from,
                mut keys,
            } => {
                let old = self.find(article.head.id)?.ok_or(Error::Conflict)?;
                let gone = self.find(from)?.ok_or(Error::Conflict)?;
                keys.extend(lists::own_keys(&gone.stand.head));
                keys.extend(&gone.stand.keys);
                self.put(follow(&old, article.head, keys), body, 0);
                self.bury(&gone.stand);
            }
            Change::Parted {
                article,
                keys,
                lost,
            } => {
                let old = self.find(article.head.id)?.ok_or(Error::Conflict)?;
                let mut stand = follow(&old, article.head, keys);
                stand.keys.retain(|key| !lost.contains(key));
                let item = Item::Unkeyed(stand.seq, lost);
                self.put(stand, body, 0);
                self.items.push((item, Vec::new()));
            }
            Change::Removed { id } => {
                let old = self.find(id)?.ok_or(Error::Conflict)?;
                self.bury(&old.stand);
            }
        }
        Ok(())
    }

    fn put(&mut self, stand: Stand, body: Vec<u8>, amends: usize) {
        let stand = Arc::new(stand);
        self.remember(&stand, amends);
        self.items.push((Item::Put(stand), body));
    }

    /// Writes an article anew whose sightings stand in too many places.
    fn consolidate(
        &mut self,
        stand: Stand,
        news: Vec<crate::model::article::Sighting>,
    ) -> Result<(), Error> {
        let rec = self.core.index.read().article(stand.seq)?;
        let rec = rec.ok_or(Error::Conflict)?;
        let old = self.core.article(stand.seq, &rec)?;
        let old = old.ok_or(Error::Conflict)?;
        let mut article = Article::clone(&old);
        for new in news {
            article
                .sightings
                .retain(|old| old.source != new.source || old.guid_key != new.guid_key);
            article.sightings.push(new);
        }
        article.sightings = super::common::in_order(&stand.head, article.sightings);
        let body = whole(&article);
        self.put(stand, body, 0);
        Ok(())
    }

    fn bury(&mut self, stand: &Stand) {
        let mut keys = lists::own_keys(&stand.head);
        keys.extend(stand.keys.iter().copied());
        let gone = Gone {
            seq: stand.seq,
            id: stand.head.id,
            source: stand.head.source.clone(),
            keys,
            left: all_left(&stand.head),
        };
        self.own.articles.insert(stand.head.id, None);
        self.own.removed.insert(stand.seq);
        self.items.push((Item::Removed(Box::new(gone)), Vec::new()));
    }

    fn remember(&mut self, stand: &Arc<Stand>, amends: usize) {
        for key in lists::own_keys(&stand.head).iter().chain(&stand.keys) {
            self.own.added.entry(*key).or_default().push(stand.seq);
        }
        let draft = Draft {
            stand: Arc::clone(stand),
            amends,
            listed_until: stand.listed_until,
            settled: false,
        };
        self.own.articles.insert(stand.head.id, Some(draft));
    }

    /// Adds the signatures of a batch, counted from `first` on.
    pub(super) fn marks(&mut self, prints: &Prints, first: u64, at: Timestamp) {
        let marks = Marks {
            source: prints.source.clone(),
            first,
            count: u32::try_from(prints.signatures.len()).unwrap_or(u32::MAX),
        };
        let body = near::write_marks(prints, at);
        self.items.push((Item::Marks(marks), body));
    }

    /// Adds the state of a visited source. It must survive the loss of the index if the batch says so, if articles came
    /// with it, or if the source lists other ones than before: retention goes by that.
    pub(super) fn state(&mut self, packed: &mut Packed) -> Result<bool, Error> {
        let Some((source, state, _)) = &packed.batch.visit else {
            return Ok(false);
        };
        let logged = packed.batch.durable || !self.items.is_empty() || {
            let old: Option<SourceState> = self.core.state(source)?;
            old.is_none_or(|old| old.listed != state.listed)
        };
        if logged {
            let body = std::mem::take(&mut packed.state);
            self.items.push((Item::State(source.clone()), body));
        }
        Ok(logged)
    }
}

/// Keys beside those that the head names.
fn further_keys(head: &Head, keys: impl IntoIterator<Item = Key>) -> Vec<Key> {
    let own = lists::own_keys(head);
    let mut further = Vec::new();
    for key in keys {
        if !own.contains(&key) && !further.contains(&key) {
            further.push(key);
        }
    }
    further
}

/// The next stand of an article that is known.
fn follow(old: &Draft, head: Head, keys: Vec<Key>) -> Stand {
    let before = &old.stand;
    let all = lists::own_keys(&before.head)
        .into_iter()
        .chain(before.keys.iter().copied())
        .chain(keys);
    Stand {
        seq: before.seq,
        keys: further_keys(&head, all),
        left: left(&before.head, &head),
        head,
        listed_until: old.listed_until,
    }
}

/// The lists that an article leaves.
fn left(old: &Head, new: &Head) -> Left {
    let mut left = all_left(old);
    let stays = (old.private, old.published, old.first_seen)
        == (new.private, new.published, new.first_seen);
    if stays {
        let (lists, narrowing) = (lists::lists(new), lists::narrowing(new));
        left.lists.retain(|scope| !lists.contains(scope));
        left.hidden.retain(|scope| !narrowing.contains(scope));
    }
    left
}

fn all_left(head: &Head) -> Left {
    Left {
        private: head.private,
        published: head.published,
        first_seen: head.first_seen,
        lists: lists::lists(head),
        hidden: if head.private {
            lists::narrowing(head)
        } else {
            Vec::new()
        },
    }
}
