//! Articles that were read lately, kept so that a list need not be unpacked again for each reader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::log::Loc;
use crate::model::article::Article;

/// Who was asked for since the hand came by stays for another round. A few go each time that one comes: taking many apart
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
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.kept.get_mut(&head)?;
        kept.asked_for = true;
        Some(Arc::clone(&kept.article))
    }

    /// Keeps an article of about so many bytes. What stands at a place never changes, so nothing must be taken out.
    pub(super) fn put(&self, head: Loc, article: Arc<Article>, bytes: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Kept {
            article,
            bytes,
            asked_for: false,
        };
        let before = inner.kept.insert(head, new);
        inner.bytes += bytes;
        match &before {
            Some(before) => inner.bytes -= before.bytes,
            None => inner.round.push_back(head),
        }
        let gone = inner.make_room(self.limit);
        drop(inner);
        drop((gone, before));
    }
}

impl Inner {
    /// Takes out what nobody asks for, until there is room; what was taken out is for the caller to drop.
    fn make_room(&mut self, limit: usize) -> Vec<Kept> {
        let mut gone = Vec::new();
        while self.bytes > limit
            && let Some(next) = self.round.pop_front()
        {
            match self.kept.get_mut(&next) {
                Some(kept) if kept.asked_for => {
                    kept.asked_for = false;
                    self.round.push_back(next);
                }
                _ => {
                    if let Some(kept) = self.kept.remove(&next) {
                        self.bytes -= kept.bytes;
                        gone.push(kept);
                    }
                }
            }
        }
        gone
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
    }
}
