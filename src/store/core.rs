//! What readers and the writer share: the log, the index, and how an article is put together from them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::apply::{read_state, spot, state_key, tomb_place};
use super::cache::Cache;
use super::codec;
use super::common::in_order;
use super::index::Index;
use super::item::{self, Item, Stand};
use super::light::Light;
use super::lists;
use super::log::{Loc, Log};
use super::near::Shelf;
use super::packed::Rec;
use super::schedule::Schedule;
use super::unreadable::Unreadable;
use super::{Error, Options};
use crate::model::article::{Article, ArticleId, Key, Revision, Sighting};
use crate::model::entry::Entry;
use crate::model::source::{About, SourceId, SourceState};
use crate::model::time::Timestamp;

/// Most metadata ends within so many bytes: what is read where the text is not needed.
const META: usize = 2048;

/// The body of a whole article.
pub(super) type Body = (Entry, About, Vec<Sighting>);

/// Shared by all.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) options: Options,
    pub(super) log: Log,
    pub(super) index: Index,
    pub(super) cache: Cache,
    pub(super) near: Shelf,
    pub(super) unreadable: Unreadable,
    pub(super) schedule: Mutex<Schedule>,
    pub(super) light: Light,
    pub(super) news: watch::Sender<Revision>,
    pub(super) full: AtomicBool,
    pub(super) closed: AtomicBool,
    /// When the index was last given to sled, microseconds; 0: not yet.
    pub(super) flushed: AtomicI64,
    pub(super) authority: (String, i32),
}

/// An article as it stands now.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) stand: Arc<Stand>,
    pub(super) rec: Rec,
}

impl Core {
    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> Revision {
        *self.news.borrow()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.options.path.clone()
    }

    pub(super) fn flushed_at(&self) -> Option<Timestamp> {
        let at = self.flushed.load(Ordering::Relaxed);
        (at != 0).then(|| Timestamp::from_micros(at))
    }

    /// The metadata of an article's item.
    pub(super) fn stand(&self, loc: Loc) -> Result<Arc<Stand>, Error> {
        let mut bytes = self.log.item(loc, META)?;
        let mut read = item::meta(&bytes).map(|(item, _, _)| item);
        if read.is_none() && bytes.len() < usize::try_from(loc.length).unwrap_or(usize::MAX) {
            bytes = self.log.item(loc, usize::MAX)?;
            read = item::meta(&bytes).map(|(item, _, _)| item);
        }
        match read {
            Some(Item::Put(stand) | Item::Amend(stand)) => Ok(stand),
            _ => Err(self.log.damaged(loc)),
        }
    }

    /// An article by number.
    pub(super) fn live(&self, seq: u64) -> Result<Option<Live>, Error> {
        let Some(rec) = self.index.read().article(seq)? else {
            return Ok(None);
        };
        self.live_of(seq, &rec)
    }

    /// The same, or nothing if it cannot be read.
    pub(super) fn sound(&self, seq: u64) -> Result<Option<Live>, Error> {
        let Some(rec) = self.index.read().article(seq)? else {
            return Ok(None);
        };
        self.unreadable.spare(seq, self.live_of(seq, &rec))
    }

    fn live_of(&self, seq: u64, rec: &Rec) -> Result<Option<Live>, Error> {
        self.wherever_it_stands(seq, rec, |rec| {
            let stand = self.stand(rec.head)?;
            if stand.seq != seq {
                return Err(self.log.damaged(rec.head));
            }
            let rec = rec.clone();
            Ok(Live { stand, rec })
        })
    }

    /// Reads something of an article. Its file may just have been cleaned away: then it stands somewhere else by now, or
    /// nowhere.
    fn wherever_it_stands<T>(
        &self,
        seq: u64,
        rec: &Rec,
        read: impl Fn(&Rec) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let error = match read(rec) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => error,
        };
        match self.index.read().article(seq)? {
            Some(now) if now != *rec => read(&now).map(Some),
            Some(_) => Err(error),
            None => Ok(None),
        }
    }

    /// The articles that a key leads to, oldest first.
    pub(super) fn holders(&self, key: Key) -> Result<Vec<Live>, Error> {
        let numbers = spot(key).holders(&self.index.read())?;
        let mut found = Vec::new();
        for seq in numbers {
            let Some(live) = self.sound(seq)? else {
                continue;
            };
            if leads(&live.stand, key) {
                found.push(live);
            }
        }
        found.sort_unstable_by_key(|live| live.stand.seq);
        Ok(found)
    }

    /// The article with this id of its own.
    pub(super) fn by_id(&self, id: ArticleId) -> Result<Option<Live>, Error> {
        let holders = self.holders(Key::Guid(id.0))?;
        Ok(holders.into_iter().find(|live| live.stand.head.id == id))
    }

    /// True if a key has a tombstone.
    pub(super) fn buried(&self, key: Key) -> Result<bool, Error> {
        let (set, hash) = tomb_place(key);
        let table = self.index.read();
        Ok(table.figures.tombstones > 0 && !table.twins(&set, hash)?.is_empty())
    }

    /// A whole article; `None` if it is gone by now.
    pub(super) fn article(&self, seq: u64, rec: &Rec) -> Result<Option<Arc<Article>>, Error> {
        if let Some(article) = self.cache.get(rec.head) {
            return Ok(Some(article));
        }
        self.wherever_it_stands(seq, rec, |rec| self.assemble(seq, rec))
    }

    /// The same for whoever looks at many: nothing if it cannot be read.
    pub(super) fn sound_article(&self, seq: u64, rec: &Rec) -> Result<Option<Arc<Article>>, Error> {
        self.unreadable.spare(seq, self.article(seq, rec))
    }

    /// A whole article from the log, for those who read all of them: the cache stays with what readers use.
    pub(super) fn read_article(&self, seq: u64, rec: &Rec) -> Result<Article, Error> {
        let (article, _) = self.put_together(seq, rec)?;
        Ok(article)
    }

    fn assemble(&self, seq: u64, rec: &Rec) -> Result<Arc<Article>, Error> {
        let (article, length) = self.put_together(seq, rec)?;
        let article = Arc::new(article);
        // Beside their text the fields of an article take some kilobytes, and allocators round up.
        self.cache
            .put(rec.head, Arc::clone(&article), length / 4 * 5 + 3000);
        Ok(article)
    }

    /// The article, and how long its packed parts were unpacked.
    fn put_together(&self, seq: u64, rec: &Rec) -> Result<(Article, usize), Error> {
        let bytes = self.log.item(rec.body, usize::MAX)?;
        let raw = item::raw(&bytes).ok_or_else(|| self.log.damaged(rec.body))?;
        let unpacked = codec::unpack::<Body>(raw.body);
        let ((entry, about, mut sightings), mut length) =
            unpacked.ok_or_else(|| self.log.damaged(rec.body))?;
        for amend in &rec.amends {
            let bytes = self.log.item(*amend, usize::MAX)?;
            let raw = item::raw(&bytes).ok_or_else(|| self.log.damaged(*amend))?;
            let unpacked = codec::unpack::<Vec<Sighting>>(raw.body);
            let (news, more) = unpacked.ok_or_else(|| self.log.damaged(*amend))?;
            length += more;
            for new in news {
                sightings.retain(|old: &Sighting| {
                    old.source != new.source || old.guid_key != new.guid_key
                });
                sightings.push(new);
            }
        }
        let stand = if rec.head == rec.body {
            match raw.item {
                Item::Put(stand) => stand,
                _ => return Err(self.log.damaged(rec.body)),
            }
        } else {
            self.stand(rec.head)?
        };
        if stand.seq != seq {
            return Err(self.log.damaged(rec.head));
        }
        let head = Arc::try_unwrap(stand).map_or_else(|shared| shared.head.clone(), |own| own.head);
        let sightings = in_order(&head, sightings);
        let article = Article {
            head,
            entry,
            about,
            sightings,
        };
        Ok((article, length))
    }

    /// A source's state.
    pub(super) fn state(&self, source: &SourceId) -> Result<Option<SourceState>, Error> {
        if let Some(state) = self.light.get(source) {
            return Ok(Some(SourceState::clone(&state)));
        }
        let value = self.index.read().raw(&state_key(source))?;
        value.map(|value| unpack_state(source, &value)).transpose()
    }
}

/// A state from its item of the index.
pub(super) fn unpack_state(source: &SourceId, value: &[u8]) -> Result<SourceState, Error> {
    read_state(value)
        .and_then(|(_, body)| codec::unpack_state(body))
        .ok_or_else(|| Error::Damaged {
            what: format!("the index, state of source `{source}`"),
        })
}

/// True if a key leads to this article.
pub(super) fn leads(stand: &Stand, key: Key) -> bool {
    stand.keys.contains(&key) || lists::own_keys(&stand.head).contains(&key)
}
