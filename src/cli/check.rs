//! `aggd check`: the whole configuration, every mistake with its place.

use std::path::PathBuf;

use serde::Serialize;

use super::out::Out;
use super::{Exit, Failure, Global};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Errors, Problem, Secrets};
use crate::ops::trials;

/// Arguments of `aggd check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file [default: the one that the daemon would read]
    file: Option<PathBuf>,
    /// Warnings count as mistakes
    #[arg(long)]
    strict: bool,
}

#[derive(Serialize)]
struct Report {
    valid: bool,
    feeds: usize,
    categories: usize,
    tests: usize,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    file: String,
    line: usize,
    column: usize,
    message: String,
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let path = args.file.as_deref().or(global.config.as_deref());
    let mut report = Report {
        valid: true,
        feeds: 0,
        categories: 0,
        tests: 0,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let mut lines = Vec::new();
    match config::load_with(path, Secrets::Optional) {
        Ok(config) => {
            report.feeds = config.sources.len();
            report.categories = config.category_count();
            report.warnings = config.warnings.iter().map(finding).collect();
            let failed = trials::run(&config, SystemClock.now());
            report.tests = config.trials.len();
            report.errors = failed.iter().map(finding).collect();
            report.valid = failed.is_empty() && (!args.strict || report.warnings.is_empty());
            lines.extend(failed.iter().map(ToString::to_string));
            for warning in &config.warnings {
                lines.push(format!("{}: warning: {}", warning.place, warning.text));
            }
            if report.valid {
                let file = config.files.first().map(|file| file.display().to_string());
                let tests = match report.tests {
                    0 => String::new(),
                    count => format!(", {} passed", counted(count, "test", "tests")),
                };
                out.note(&format!(
                    "{}: {} in {}{tests}, no mistakes",
                    file.unwrap_or_default(),
                    counted(report.feeds, "feed", "feeds"),
                    counted(report.categories, "category", "categories"),
                ))?;
            }
        }
        Err(Errors::Invalid(problems)) => {
            report.valid = false;
            report.errors = problems.iter().map(finding).collect();
            lines.extend(problems.iter().map(ToString::to_string));
        }
        Err(other) => return Err(other.into()),
    }
    if out.is_json() {
        out.json(&report)?;
    } else {
        for line in &lines {
            eprintln!("{line}");
        }
    }
    Ok(if report.valid {
        Exit::Done
    } else {
        Exit::Config
    })
}

fn finding(problem: &Problem) -> Finding {
    Finding {
        file: problem.place.file.display().to_string(),
        line: problem.place.line,
        column: problem.place.column,
        message: problem.text.clone(),
    }
}

/// A number with its word.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
