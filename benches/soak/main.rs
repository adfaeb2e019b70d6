//! A long run under fire: the real binary with thousands of loopback sources of all formats, a quarter of them badly
//! behaved, entries all the time, readers with conditional requests, reloads, `add-feed` and `remove-feed`, retention
//! and backups. Prints a line a minute and, at the end, whether everything that had to be there was there once, and
//! whether memory, descriptors and latencies stayed flat.
//!
//! ```sh
//! cargo bench --bench soak -- --minutes 120 --sources 3000 --readers 200 --keep /tmp/soak
//! ```
//!
//! Ends with 1 if anything was not as it should be. `--keep` leaves the directory with log, store and the published
//! feeds of the last minute behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "a run that cannot go on stops; its report goes to the terminal"
)]

#[path = "../../tests/it/origin.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod origin;

mod check;
mod program;
mod readers;
mod sources;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use program::{Program, Sample};
use readers::Readers;
use sources::Sources;

/// The first minutes fill caches and connections; flatness counts from here on.
const WARM: usize = 10;

struct Arguments {
    minutes: usize,
    sources: usize,
    readers: usize,
    keep: Option<PathBuf>,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        minutes: 120,
        sources: 3000,
        readers: 200,
        keep: None,
    };
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words
            .next()
            .unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "--minutes" => found.minutes = value.parse().unwrap(),
            "--sources" => found.sources = value.parse().unwrap(),
            "--readers" => found.readers = value.parse().unwrap(),
            "--keep" => found.keep = Some(value.into()),
            _ => panic!("{word} is not known: --minutes, --sources, --readers, --keep"),
        }
    }
    found
}

#[tokio::main]
async fn main() {
    let arguments = arguments();
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let temporary = tempfile::tempdir().unwrap();
    let dir = arguments
        .keep
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).unwrap();
    let sources = Sources::start(arguments.sources).await;
    let program = Program::start(&dir, &sources).await;
    let readers = Readers::start(program.base(), arguments.readers);
    println!(
        "{} sources ({} badly behaved), {} readers, {} minutes, in {}",
        arguments.sources,
        sources.hostile(),
        arguments.readers,
        arguments.minutes,
        dir.display()
    );
    println!("{}", Sample::HEAD);
    let mut samples = Vec::new();
    for minute in 1..=arguments.minutes {
        let begin = Instant::now();
        program.disturb(&sources, minute);
        tokio::time::sleep_until((begin + Duration::from_mins(1)).into()).await;
        let sample = program.sample(minute, &readers, &sources).await;
        println!("{sample}");
        samples.push(sample);
    }
    sources.freeze();
    let mut faults = readers.stop().await;
    faults.extend(check::present_once(&program, &sources));
    faults.extend(check::valid(&program, &dir).await);
    faults.extend(check::flat(&samples, WARM));
    faults.extend(program.stop());
    if faults.is_empty() {
        println!("as it should be");
        return;
    }
    for fault in &faults {
        println!("FAULT: {fault}");
    }
    std::process::exit(1);
}
