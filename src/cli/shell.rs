//! What shells and `man` want to know, made from the same definitions as the commands.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;

use super::out::Out;
use super::{Cli, Exit, Failure};

/// Arguments of `aggd completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionArgs {
    /// Which shell
    shell: Shell,
}

/// Arguments of `aggd man`.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write aggd.1, a page for each command, and feeds.toml.5 into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionArgs, out: &mut Out) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "aggd", &mut script);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub(super) fn man(args: &ManArgs, out: &mut Out) -> Result<Exit, Failure> {
    let command = Cli::command();
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        out.text(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let wrong = |error: std::io::Error| {
        Failure::new(
            Exit::CannotWrite,
            format!("cannot write the pages to {}: {error}", dir.display()),
        )
    };
    std::fs::create_dir_all(dir).map_err(wrong)?;
    clap_mangen::generate_to(command, dir).map_err(wrong)?;
    std::fs::write(dir.join("feeds.toml.5"), crate::config::manual()).map_err(wrong)?;
    Ok(Exit::Done)
}
