//! The store without a daemon: opened by the command itself.

use std::path::Path;
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

/// What can be said of a store's directory without opening it.
///
/// # Errors
/// In words, if this user could not run a daemon on it.
pub fn look(path: &Path) -> Result<String, String> {
    let place = usable(path)?;
    let space =
        rustix::fs::statvfs(place).map_err(|error| format!("cannot be looked at: {error}"))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let words = format!("{} MiB free", free >> 20);
    if free < 256 << 20 {
        return Err(format!("only {words}"));
    }
    Ok(if place == path {
        words
    } else {
        format!("not made yet, {words}")
    })
}

/// The directory, or the nearest above it that is there: what is not there yet is made in that one.
///
/// # Errors
/// In words, if this user may not write there.
pub fn usable(path: &Path) -> Result<&Path, String> {
    use rustix::fs::Access;

    let mut place = path;
    while !place.exists() {
        place = place.parent().ok_or("there is no such place")?;
    }
    rustix::fs::access(place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("{} cannot be used by this user: {error}", place.display()))?;
    Ok(place)
}

/// How many files this process may open; `None`: as many as it likes.
#[must_use]
pub fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}
