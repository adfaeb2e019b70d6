//! When a document last changed that no commit can be asked about: a title that a source gave itself, a story that is no
//! longer among the popular ones. The look of such a document is noted in the store with its time, and survives restarts.

use std::time::Duration;

use super::Error;
use crate::model::time::Timestamp;
use crate::store::Store;

/// When what is described last became what it is: `at` if that is now. Time does not run back, and moves with each change
/// by as much as `Last-Modified` can tell.
///
/// # Errors
/// [`Error::Store`].
pub(super) async fn of(
    store: &dyn Store,
    name: &str,
    described: &impl std::fmt::Debug,
    at: Timestamp,
) -> Result<Timestamp, Error> {
    let look = xxhash_rust::xxh3::xxh3_64(format!("{described:?}").as_bytes());
    let before = store.note(name).await?.and_then(|note| read(&note));
    let since = match before {
        Some((known, since)) if known == look => return Ok(since),
        Some((_, since)) => at.max(since + Duration::from_secs(1)),
        None => at,
    };
    let note = [look.to_be_bytes(), since.as_micros().to_be_bytes()].concat();
    if let Err(error) = store.set_note(name, &note).await {
        // Without room for the note the document is served all the same.
        tracing::debug!(%error, name, "could not note when a document changed");
    }
    Ok(since)
}

fn read(note: &[u8]) -> Option<(u64, Timestamp)> {
    let (look, since) = note.split_first_chunk::<8>()?;
    let since = <[u8; 8]>::try_from(since).ok()?;
    Some((
        u64::from_be_bytes(*look),
        Timestamp::from_micros(i64::from_be_bytes(since)),
    ))
}
