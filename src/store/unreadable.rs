//! Articles whose place in the log is damaged. Each is told once and counted; everything else goes on without it: one
//! flipped bit must not take lists, visits or retention away.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::Error;

/// The numbers of those that were met since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<HashSet<u64>>);

impl Unreadable {
    /// What was read of an article, or nothing if it cannot be read.
    ///
    /// # Errors
    /// Those that say nothing about the article itself.
    pub(super) fn spare<T>(
        &self,
        seq: u64,
        read: Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        match read {
            Err(error) if is_damage(&error) => {
                let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if met.insert(seq) {
                    tracing::error!(number = seq, %error, "an article cannot be read and is left out");
                }
                Ok(None)
            }
            other => other,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.len() as u64
    }
}

/// True if it is this place that cannot be read: other bytes than were written, a bad sector, a file that is gone.
fn is_damage(error: &Error) -> bool {
    match error {
        Error::Damaged { .. } => true,
        Error::Io { source, .. } => {
            source.kind() == std::io::ErrorKind::NotFound
                || source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use crate::model::article::{ArticleId, Key};
    use crate::model::label::{Scope, Selection};
    use crate::store::log::Loc;
    use crate::store::samples::{article, noon, opened, put};
    use crate::store::{Found, Keep, Options, Page, Store};
    use std::time::Duration;

    /// Flips the last bit of an item.
    fn harm(options: &Options, loc: Loc) {
        let path = options.path.join(format!("log/{:08}.alog", loc.file));
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let at = u64::from(loc.at + loc.length - 1);
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }

    #[tokio::test]
    async fn a_damaged_article_is_left_out_and_takes_nothing_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            path: dir.path().to_owned(),
            keep: Keep {
                age: Duration::from_hours(1),
                min_per_feed: 0,
                max_per_feed: 100,
            },
            ..Options::default()
        };
        let engine = opened(&options);
        for n in 1..=3 {
            put(&engine, article(n)).await;
        }
        let rec = engine.core.index.read().article(2).unwrap().unwrap();
        harm(&options, rec.body);

        let all = Selection::of(Scope::All);
        let page = Page::First { most: 10 };
        let listing = engine.select(&all, page).await.unwrap();
        let ids: Vec<u128> = listing.articles.iter().map(|(_, a)| a.head.id.0).collect();
        assert_eq!(ids, [3, 1]);
        let rows = engine.sightings(0, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 3]);
        assert!(engine.article(ArticleId(2)).await.is_err());
        assert_eq!(engine.stats().await.unwrap().unreadable, 1);

        // Nor can its head be read: nothing is known of it any more, and it may come again.
        let head = Loc {
            length: 20,
            ..rec.head
        };
        harm(&options, head);
        assert!(engine.known(&[Key::Guid(2)]).await.unwrap().hits.is_empty());
        put(&engine, article(2)).await;
        let found = engine.article(ArticleId(2)).await.unwrap();
        assert!(matches!(found, Found::Article(_)));

        // It goes when its time has come.
        let later = noon() + Duration::from_hours(2);
        assert_eq!(engine.forget(later).await.unwrap(), 4);
        assert_eq!(engine.stats().await.unwrap().articles, 0);
        engine.close().await.unwrap();
    }
}
