//! The store looked over, and cleared of what is too old.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Error};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store;

/// What looking a store over brought.
pub type Verified = store::Verified;

/// What a clearing brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Articles that are gone.
    pub articles: u64,
    /// Bytes of the log before.
    pub log_before: u64,
    /// And after.
    pub log_after: u64,
    /// Bytes of the index before.
    pub index_before: u64,
    /// And after.
    pub index_after: u64,
}

/// Drops what is too old, now.
///
/// # Errors
/// If there is no store or it cannot.
pub async fn sweep(context: &Context) -> Result<Swept, Error> {
    let store = context.store()?;
    let before = store.stats().await?;
    let articles = store.forget(context.clock.now()).await?;
    let after = store.stats().await?;
    Ok(Swept {
        articles,
        log_before: before.log_bytes,
        log_after: after.log_bytes,
        index_before: before.index_bytes,
        index_after: after.index_bytes,
    })
}

/// Looks the store of a running daemon over.
///
/// # Errors
/// If there is no store, or it cannot be read at all.
pub async fn verify(context: &Context, repair: bool) -> Result<Verified, Error> {
    Ok(context.store()?.verify(repair).await?)
}

/// Opens a store to look it over. With `repair` a damaged index is made anew; without, it is an error.
///
/// # Errors
/// If there is none, or it cannot be opened.
pub async fn open(config: &Arc<Config>, repair: bool) -> Result<Context, Error> {
    let options = config.store.clone();
    let opened = if repair {
        store::open(options, false).await?
    } else {
        store::open_as_it_is(options).await?
    };
    let clock = Arc::new(SystemClock);
    Ok(Context::alone(Arc::clone(config), Some(opened), clock))
}
