//! `aggd run`: the daemon, in the foreground.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Global, Out};
use crate::clock::SystemClock;
use crate::{config, daemon, ops, store};

/// Arguments of `aggd run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Visit everything that is due, publish, exit
    #[arg(long)]
    once: bool,
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let path = config::locate(global.config.as_deref())?;
    let config = config::load(Some(&path))?;
    super::log::start(&config.log, global.verbose, global.quiet);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let load: daemon::Load = Arc::new(move || config::load(Some(&path)));
    let clock = Arc::new(SystemClock);
    let runtime = tokio::runtime::Runtime::new()?;
    if args.once {
        let counts = runtime
            .block_on(daemon::once(load, clock, CancellationToken::new()))
            .map_err(failure)?;
        out.line(&format!(
            "{} feeds visited, {} failed, {} unchanged; {} new articles, {} updated",
            counts.visited, counts.failed, counts.unchanged, counts.new, counts.updated
        ))?;
        return Ok(if counts.failed > 0 {
            Exit::SomeFailed
        } else {
            Exit::Done
        });
    }
    runtime
        .block_on(daemon::run(load, clock))
        .map_err(failure)?;
    Ok(Exit::Done)
}

/// What kept the daemon from starting, by what one would do about it.
fn failure(error: anyhow::Error) -> Failure {
    let error = match error.downcast::<config::Errors>() {
        Ok(errors) => return errors.into(),
        Err(error) => error,
    };
    match error.downcast::<store::Error>() {
        Ok(error) => ops::Error::Store(error).into(),
        Err(error) => Failure::failed(format!("{error:#}")),
    }
}
