//! `aggd run`: the daemon, in the foreground.

use super::{Exit, Failure, Global};

/// Arguments of `aggd run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Visit everything that is due, publish, exit
    #[arg(long)]
    once: bool,
}

pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let path = crate::config::locate(global.config.as_deref())?;
    let config = crate::config::load(Some(&path))?;
    super::log::start(&config.log, global.verbose, global.quiet);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let _ = args.once;
    Err(Failure::usage("`run` is not available in this version"))
}
