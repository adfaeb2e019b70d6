//! The command line: which commands there are, and what each gets.
//!
//! Arguments come in, an exit code goes out. What a command does lives in its own file.

mod parse;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Polls feeds, keeps each story once, and republishes them per tag and per category.
#[derive(Debug, Parser)]
#[command(name = "aggd", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a feed and print what was understood, as JSON
    Parse(parse::Args),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Parse(args) => parse::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("aggd: {error:#}");
        ExitCode::from(2)
    })
}
