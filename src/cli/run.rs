//! `aggd run`: the daemon, in the foreground.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::out::Out;
use super::{Exit, Failure, Global};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::daemon::{self, Load};
use crate::nice;

/// Arguments of `aggd run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Visit everything that is due, publish, exit
    #[arg(long)]
    once: bool,
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let path = config::locate(global.config.as_deref())?;
    // Read once before anything starts: its mistakes belong on the terminal, and the log's settings are in it.
    let config = config::load(Some(&path))?;
    super::log::start(&config.log, global.verbose, global.quiet);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let load = load_from(path, config);
    let clock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(nice::behind(1))
        .max_blocking_threads(daemon::blocking_threads())
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    if !args.once {
        runtime.block_on(daemon::run(load, clock))?;
        return Ok(Exit::Done);
    }
    let counts = runtime.block_on(async {
        let stop = CancellationToken::new();
        let ended = daemon::once(load, clock, stop.clone());
        let mut ended = std::pin::pin!(ended);
        tokio::select! {
            counts = ended.as_mut() => counts,
            _ = daemon::asked_to_stop() => {
                stop.cancel();
                ended.await
            }
        }
    })?;
    if out.is_json() {
        out.json(&serde_json::json!({
            "visited": counts.visited,
            "failed": counts.failed,
            "unchanged": counts.unchanged,
            "new": counts.new,
            "updated": counts.updated,
        }))?;
    }
    out.note(&format!(
        "{} feeds visited, {} failed, {} unchanged; {} new articles, {} updated",
        counts.visited, counts.failed, counts.unchanged, counts.new, counts.updated
    ))?;
    Ok(if counts.failed > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    })
}

/// Gives what was read already to whoever asks first: a hundred thousand sources take seconds to read, and much memory.
fn load_from(path: PathBuf, config: Config) -> Load {
    let first = Mutex::new(Some(config));
    Arc::new(move || {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or_else(|| config::load(Some(&path)), Ok)
    })
}
