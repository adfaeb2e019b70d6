//! The store without a daemon: opened by the command itself.

use std::sync::Arc;

use super::{Context, Error};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::store;

/// Opens the store of a configuration.
///
/// # Errors
/// If it is not there and is not to be made, or cannot be opened.
pub async fn open(config: &Arc<Config>, create: bool) -> Result<Context, Error> {
    let opened = store::open(config.store.clone(), create).await?;
    Ok(Context::alone(
        Arc::clone(config),
        Some(opened),
        Arc::new(SystemClock),
    ))
}

/// For commands that can say something without a store.
#[must_use]
pub fn without_store(config: &Arc<Config>) -> Context {
    Context::alone(Arc::clone(config), None, Arc::new(SystemClock))
}

/// True if there is no store yet.
#[must_use]
pub fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::Missing { .. }))
}

/// True if another process holds the store.
#[must_use]
pub fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Store(store::Error::Busy { .. }))
}
