//! `aggd run`: the daemon, in the foreground.

use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config;

/// Arguments of `aggd run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Visit everything that is due, keep it, exit
    #[arg(long)]
    once: bool,
}

pub(super) fn run(global: &Global, args: &Args, _out: &mut Out) -> Result<Exit, Failure> {
    let config = config::load(global.config.as_deref())?;
    super::log::start(&config.log, global.verbose, global.quiet);
    let _ = args.once;
    Err(Failure::usage("`run` is not available in this version"))
}
