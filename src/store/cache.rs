//! Articles that were read lately, kept so that a list need not be unpacked again for each reader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::log::Loc;
use crate::model::article::Article;

/// Two generations: what is used moves to the young one, and when that is full the old one goes.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    inner: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Loc, (Arc<Article>, usize)>,
    old: HashMap<Loc, (Arc<Article>, usize)>,
    bytes: usize,
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
        if let Some((article, _)) = inner.young.get(&head) {
            return Some(Arc::clone(article));
        }
        let (article, bytes) = inner.old.remove(&head)?;
        self.keep(&mut inner, head, Arc::clone(&article), bytes);
        Some(article)
    }

    /// Keeps an article of about so many bytes. What stands at a place never changes, so nothing must be taken out.
    pub(super) fn put(&self, head: Loc, article: Arc<Article>, bytes: usize) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.keep(&mut inner, head, article, bytes);
    }

    fn keep(&self, inner: &mut Generations, head: Loc, article: Arc<Article>, bytes: usize) {
        if inner.bytes + bytes > self.limit / 2 {
            inner.old = std::mem::take(&mut inner.young);
            inner.bytes = 0;
        }
        inner.bytes += bytes;
        inner.young.insert(head, (article, bytes));
    }
}
