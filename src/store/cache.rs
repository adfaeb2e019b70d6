//! Articles that were read lately, kept so that a list need not be unpacked again for each reader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::log::Loc;
use crate::model::article::Article;

/// What was asked for since the hand came by stays for another round. A few go each time that one comes: taking many apart
/// at once would keep some reader waiting.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<Loc, Kept>,
    /// In the order in which the hand comes by.
    round: VecDeque<Loc>,
    bytes: usize,
    /// Taken out, not yet taken apart.
    gone: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    article: Arc<Article>,
    bytes: usize,
    asked_for: bool,
}

impl Cache {
    /// A cache of about so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            inner: Mutex::default(),
        }
    }

    /// The article whose newest head stands at this place.
    pub(super) fn get(&self, head: Loc) -> Option<Arc<Article>> {
        let mut inner = self.inner();
        let kept = inner.kept.get_mut(&head)?;
        kept.asked_for = true;
        Some(Arc::clone(&kept.article))
    }

    /// Keeps an article of about so many bytes. What stands at a place never changes, so nothing must be taken out.
    pub(super) fn put(&self, head: Loc, article: Arc<Article>, bytes: usize) {
        let mut inner = self.inner();
        let new = Kept {
            article,
            bytes,
            asked_for: false,
        };
        inner.bytes += bytes;
        match inner.kept.insert(head, new) {
            Some(before) => {
                inner.bytes -= before.bytes;
                inner.gone.push(before);
            }
            None => inner.round.push_back(head),
        }
        inner.make_room(self.limit);
    }

    /// Takes apart what went since the last time. That is a tenth of what reading a page costs, so whoever reads does it
    /// when the page is on its way.
    pub(super) fn clear_away(&self) {
        let gone = std::mem::take(&mut self.inner().gone);
        drop(gone);
    }

    /// Lets go of what nobody asked for since this was last called.
    pub(super) fn age(&self) {
        self.inner().age();
        self.clear_away();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes out what nobody asks for, until there is room.
    fn make_room(&mut self, limit: usize) {
        while self.bytes > limit
            && let Some(next) = self.round.pop_front()
        {
            self.pass(next);
        }
    }

    /// The hand comes by everything once.
    fn age(&mut self) {
        for next in std::mem::take(&mut self.round) {
            self.pass(next);
        }
        self.kept.shrink_to(self.kept.len() * 2);
    }

    /// The hand comes by one that it has taken from the round.
    fn pass(&mut self, at: Loc) {
        match self.kept.get_mut(&at) {
            Some(kept) if kept.asked_for => {
                kept.asked_for = false;
                self.round.push_back(at);
            }
            _ => {
                if let Some(kept) = self.kept.remove(&at) {
                    self.bytes -= kept.bytes;
                    self.gone.push(kept);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Change;
    use crate::store::samples::article;

    fn loc(at: u32) -> Loc {
        Loc {
            file: 1,
            at,
            length: 9,
        }
    }

    #[test]
    fn who_is_asked_for_stays_and_the_others_make_room() {
        let Change::New { article, .. } = article(1) else {
            panic!("a new article");
        };
        let article = Arc::new(*article);
        let cache = Cache::new(1000);
        for at in 0..10 {
            cache.put(loc(at), Arc::clone(&article), 100);
        }
        assert!(cache.get(loc(0)).is_some());
        for at in 10..15 {
            cache.put(loc(at), Arc::clone(&article), 100);
        }
        assert!(cache.get(loc(0)).is_some());
        assert!((1..6).all(|at| cache.get(loc(at)).is_none()));
        assert!((6..15).all(|at| cache.get(loc(at)).is_some()));
        cache.put(loc(20), Arc::clone(&article), 5000);
        assert!(cache.get(loc(20)).is_none(), "too large for it");
        assert!(cache.inner.lock().unwrap().bytes <= 1000);
        cache.clear_away();
        assert!(cache.inner.lock().unwrap().gone.is_empty());
    }

    #[test]
    fn what_nobody_asks_for_does_not_stay() {
        let Change::New { article, .. } = article(1) else {
            panic!("a new article");
        };
        let article = Arc::new(*article);
        let cache = Cache::new(1000);
        for at in 0..4 {
            cache.put(loc(at), Arc::clone(&article), 100);
        }
        assert!(cache.get(loc(2)).is_some());
        cache.age();
        assert!((0..4).all(|at| cache.get(loc(at)).is_some() == (at == 2)));
        cache.age();
        assert!(cache.get(loc(2)).is_some(), "asked for just now");
        cache.age();
        cache.age();
        assert!(cache.get(loc(2)).is_none());
        assert_eq!(Arc::strong_count(&article), 1);
        assert_eq!(cache.inner.lock().unwrap().bytes, 0);
    }
}
