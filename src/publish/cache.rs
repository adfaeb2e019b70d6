//! What was rendered, by the address that asked for it. Bounded in bytes and in number; the longest unused goes first.
//!
//! A slot outlives its document: it remembers which validators were given out at which revision, so that a reader who
//! was away can be sent a delta, and it makes concurrent first requests wait for one rendering.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use http::HeaderValue;

use super::address::{List, Request};
use super::document::Document;
use crate::model::article::{ArticleId, Revision};
use crate::model::label::Scope;

/// Slots at most, with or without document.
const SLOTS: usize = 8192;
/// Versions of a feed that a delta may start from.
const PAST: usize = 32;

/// What a document depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Depends {
    /// A list.
    Scope(Scope),
    /// One article.
    Article(ArticleId),
    /// All labels: any change.
    Everything,
    /// The sources' states, which change without a revision: made anew for whoever comes after the time is over.
    Sources,
}

/// What changed.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// Everything may have changed.
    pub(super) all: bool,
    pub(super) scopes: HashSet<Scope>,
    pub(super) articles: HashSet<ArticleId>,
}

impl Dirty {
    fn touches(&self, depends: &Depends) -> bool {
        self.all
            || match depends {
                Depends::Scope(scope) => self.scopes.contains(scope),
                Depends::Article(id) => self.articles.contains(id),
                Depends::Everything => !self.articles.is_empty(),
                Depends::Sources => false,
            }
    }
}

/// A place for one address.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) request: Request,
    pub(super) depends: Depends,
    /// Held by whoever renders.
    pub(super) flight: tokio::sync::Mutex<()>,
    document: ArcSwapOption<Document>,
    /// The newest revision that may have changed it.
    dirtied: Mutex<Revision>,
    /// Asked for since it was rendered.
    wanted: AtomicBool,
    used: AtomicU64,
    weight: AtomicUsize,
    past: Mutex<VecDeque<(Revision, Vec<HeaderValue>)>>,
}

impl Slot {
    fn new(request: Request, depends: Depends) -> Self {
        Self {
            request,
            depends,
            flight: tokio::sync::Mutex::default(),
            document: ArcSwapOption::empty(),
            dirtied: Mutex::default(),
            wanted: AtomicBool::default(),
            used: AtomicU64::default(),
            weight: AtomicUsize::default(),
            past: Mutex::default(),
        }
    }

    /// The document, if there is one.
    pub(super) fn document(&self) -> Option<Arc<Document>> {
        self.document.load_full()
    }

    /// True if something changed after the state that `as_of` names.
    pub(super) fn is_dirty(&self, as_of: Revision) -> bool {
        *self.dirtied.lock().unwrap_or_else(PoisonError::into_inner) > as_of
    }

    /// The revision at which a validator was given out.
    pub(super) fn revision_of(&self, etags: &[&[u8]]) -> Option<Revision> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter()
            .rev()
            .find(|(_, known)| known.iter().any(|etag| etags.contains(&etag.as_bytes())))
            .map(|(revision, _)| *revision)
    }

    fn remember(&self, document: &Document) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let etags = document.etags();
        if past.back().is_some_and(|(_, known)| *known == etags) {
            return;
        }
        past.push_back((document.as_of, etags));
        if past.len() > PAST {
            past.pop_front();
        }
    }
}

/// All slots.
#[derive(Debug)]
pub(super) struct Cache {
    slots: RwLock<HashMap<Box<str>, Arc<Slot>>>,
    capacity: AtomicUsize,
    weight: AtomicUsize,
    /// Grows with every rendering: the age of what was not used since.
    clock: AtomicU64,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: RwLock::default(),
            capacity: AtomicUsize::new(capacity),
            weight: AtomicUsize::default(),
            clock: AtomicU64::default(),
        }
    }

    /// The document at this address. The path of nearly every request: no parsing, no allocation.
    pub(super) fn hot(&self, asked: &str) -> Option<Arc<Document>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(asked)?;
        let document = slot.document()?;
        self.note(slot);
        Some(document)
    }

    /// Notes that a slot was asked for, and writes only what is news: many cores share these words.
    fn note(&self, slot: &Slot) {
        if !slot.wanted.load(Relaxed) {
            slot.wanted.store(true, Relaxed);
        }
        let now = self.clock.load(Relaxed);
        if slot.used.load(Relaxed) != now {
            slot.used.store(now, Relaxed);
        }
    }

    /// The slot of a request, made if need be.
    pub(super) fn slot(&self, request: &Request, depends: Depends) -> Arc<Slot> {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry(request.asked.as_str().into())
            .or_insert_with(|| Arc::new(Slot::new(request.clone(), depends)));
        let slot = Arc::clone(slot);
        drop(slots);
        self.note(&slot);
        slot
    }

    /// The slot at this address.
    pub(super) fn find(&self, asked: &str) -> Option<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.get(asked).map(Arc::clone)
    }

    /// Forgets an address that leads nowhere.
    pub(super) fn remove(&self, asked: &str) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.remove(asked) {
            self.weight.fetch_sub(slot.weight.swap(0, Relaxed), Relaxed);
        }
    }

    /// Puts a document in its place, if the slot still has one: a reload may have come meanwhile.
    pub(super) fn put(&self, slot: &Arc<Slot>, document: &Arc<Document>) {
        if !self
            .find(&slot.request.asked)
            .is_some_and(|current| Arc::ptr_eq(&current, slot))
        {
            return;
        }
        slot.document.store(Some(Arc::clone(document)));
        self.weigh(slot, document);
        self.clock.fetch_add(1, Relaxed);
        self.evict();
    }

    /// Counts what a document weighs now: codings are added when they are first asked for.
    pub(super) fn weigh(&self, slot: &Slot, document: &Document) {
        slot.remember(document);
        let weight = document.weight();
        let before = slot.weight.swap(weight, Relaxed);
        self.weight.fetch_add(weight, Relaxed);
        self.weight.fetch_sub(before, Relaxed);
    }

    /// Takes the document out of a slot; what it remembers stays.
    pub(super) fn clear(&self, slot: &Slot) {
        slot.document.store(None);
        self.weight.fetch_sub(slot.weight.swap(0, Relaxed), Relaxed);
    }

    fn evict(&self) {
        let capacity = self.capacity.load(Relaxed);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if self.weight.load(Relaxed) <= capacity && slots.len() <= SLOTS {
            return;
        }
        let mut by_age: Vec<Arc<Slot>> = slots.values().map(Arc::clone).collect();
        by_age.sort_by_key(|slot| slot.used.load(Relaxed));
        // A tenth more than needed, so that this is rare.
        for slot in by_age {
            if self.weight.load(Relaxed) <= capacity / 10 * 9 && slots.len() <= SLOTS / 10 * 9 {
                break;
            }
            self.clear(&slot);
            if slots.len() > SLOTS / 10 * 9 {
                slots.remove(slot.request.asked.as_str());
            }
        }
    }

    /// Marks what a change concerns. Documents that nobody asked for lately are dropped; the others, which go on being
    /// served until their successors are there, are returned.
    pub(super) fn invalidate(&self, dirty: &Dirty, revision: Revision) -> Vec<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = Vec::new();
        for slot in slots.values().filter(|slot| dirty.touches(&slot.depends)) {
            *slot.dirtied.lock().unwrap_or_else(PoisonError::into_inner) = revision;
            // A search reads much, and every commit concerns it: made ahead of those who ask, it would keep lists waiting.
            let is_search = matches!(slot.request.list(), Some(List::Search));
            if !is_search && slot.wanted.swap(false, Relaxed) && slot.document.load().is_some() {
                wanted.push(Arc::clone(slot));
            } else {
                self.clear(slot);
            }
        }
        wanted.sort_by_key(|slot| std::cmp::Reverse(slot.used.load(Relaxed)));
        wanted
    }

    /// Drops documents that show the sources' states.
    pub(super) fn drop_states(&self) {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        for slot in slots
            .values()
            .filter(|slot| slot.depends == Depends::Sources)
        {
            self.clear(slot);
        }
    }

    /// Forgets everything, validators included: the settings changed.
    pub(super) fn reset(&self, capacity: usize) {
        self.capacity.store(capacity, Relaxed);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        for (_, slot) in slots.drain() {
            self.clear(&slot);
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.weight.load(Relaxed)
    }
}
