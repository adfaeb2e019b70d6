//! `aggd backup`, `restore` and `verify`.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::out::Out;
use super::{Exit, Failure, Global, access, units};
use crate::model::article::Revision;
use crate::ops::{self, Request, backups, upkeep};

/// `aggd backup`.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// Where to write it; `-` is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only what came after another backup (its file), or after a revision
    #[arg(long, value_name = "FILE|REVISION")]
    since: Option<String>,
}

/// `aggd restore`.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// A whole backup, and those that continue it, in order; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// `aggd verify`.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Make an index with faults anew from the article log
    #[arg(long)]
    repair: bool,
}

/// How far something is, on a terminal, now and then.
struct Progress {
    shown: bool,
    last: Instant,
}

impl Progress {
    fn new(global: &Global) -> Self {
        Self {
            shown: io::stderr().is_terminal() && !global.quiet,
            last: Instant::now(),
        }
    }

    fn say(&mut self, text: impl FnOnce() -> String) {
        const OFTEN: Duration = Duration::from_millis(200);
        if self.shown && self.last.elapsed() >= OFTEN {
            self.last = Instant::now();
            eprint!("\r{}\x1b[K", text());
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// Passes on what is written, and tells how much it was.
struct Told {
    to: Box<dyn Write + Send>,
    bytes: u64,
    progress: Progress,
}

impl Write for Told {
    fn write(&mut self, some: &[u8]) -> io::Result<usize> {
        let count = self.to.write(some)?;
        self.bytes += count as u64;
        let bytes = self.bytes;
        self.progress
            .say(|| format!("{} written", units::bytes(bytes)));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()?;
        self.progress.end();
        Ok(())
    }
}

pub(super) fn backup(global: &Global, args: &BackupArgs, out: &mut Out) -> Result<Exit, Failure> {
    let since = args.since.as_deref().map(since).transpose()?;
    let wanted = backups::Wanted { since };
    let progress = Progress::new(global);
    if args.file == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Failure::usage(
                "a backup is no text; send it to a file or a pipe",
            ));
        }
        // Lists hold the lock of standard output for as long as the command runs.
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let into = Told {
            to: Box::new(std::fs::File::from(stdout)),
            bytes: 0,
            progress,
        };
        write(global, Box::new(into), wanted)?;
        return Ok(Exit::Done);
    }
    let failed = |error: io::Error| {
        let what = format!("cannot write {}: {error}", args.file.display());
        Failure::new(Exit::CannotWrite, what)
    };
    let target = backups::Target::create(&args.file).map_err(failed)?;
    let into = Told {
        to: target.writer().map_err(failed)?,
        bytes: 0,
        progress,
    };
    write(global, Box::new(into), wanted)?;
    target.finish().map_err(failed)?;
    let outline = backups::outline(&args.file)?;
    let size = std::fs::metadata(&args.file).map_err(failed)?.len();
    if out.is_json() {
        out.json(&outline)?;
    } else {
        let Revision { epoch, number } = outline.revision;
        out.note(&format!(
            "{} articles in {} commits, {}; revision {epoch}.{number}",
            outline.articles,
            outline.commits,
            units::bytes(size)
        ))?;
    }
    if outline.damaged > 0 {
        eprintln!(
            "aggd: warning: {} places of the article log cannot be read and are not in the backup",
            outline.damaged
        );
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// A revision, or the file of the backup that shows it.
fn since(text: &str) -> Result<Revision, Failure> {
    if let Some(revision) = backups::revision(text) {
        return Ok(revision);
    }
    let outline = backups::outline(Path::new(text)).map_err(|error| {
        Failure::usage(format!(
            "`--since` wants a backup or a revision like 1.4711: {error}"
        ))
    })?;
    Ok(outline.revision)
}

/// Lets the daemon write it, or opens the store.
fn write(
    global: &Global,
    into: Box<dyn Write + Send>,
    wanted: backups::Wanted,
) -> Result<(), Failure> {
    let access = access::Access::open(global, access::Need::Store)?;
    access.backup(into, wanted)?;
    access.close()
}

pub(super) fn restore(global: &Global, args: &RestoreArgs, out: &mut Out) -> Result<Exit, Failure> {
    let config = access::load(global)?;
    let inputs = args
        .files
        .iter()
        .map(|path| {
            let from: Box<dyn Read + Send> = if path == Path::new("-") {
                Box::new(io::stdin())
            } else {
                let opened = std::fs::File::open(path).map_err(|error| {
                    let what = format!("cannot read {}: {error}", path.display());
                    Failure::new(Exit::NotFound, what)
                })?;
                Box::new(opened)
            };
            Ok((path.display().to_string(), from))
        })
        .collect::<Result<Vec<backups::Input>, Failure>>()?;
    let mut progress = Progress::new(global);
    let tell = move |done: u64, all: u64| {
        progress.say(|| format!("{done} of {all} commits"));
        if done == all {
            progress.end();
        }
    };
    let restored = access::runtime()?.block_on(backups::restore(&config, inputs, tell))?;
    if out.is_json() {
        out.json(&restored)?;
    } else {
        out.note(&format!(
            "{} articles of {} sources, {} tombstones, in {}",
            restored.articles,
            restored.sources,
            restored.tombstones,
            config.store.path.display()
        ))?;
    }
    if restored.is_whole() {
        return Ok(Exit::Done);
    }
    eprintln!(
        "aggd: warning: the backup was made of a store with {} articles of {} sources",
        restored.outline.articles, restored.outline.sources
    );
    Ok(Exit::Failed)
}

pub(super) fn verify(global: &Global, args: &VerifyArgs, out: &mut Out) -> Result<Exit, Failure> {
    let runtime = access::runtime()?;
    let config = access::load(global)?;
    let client = runtime.block_on(access::daemon(global, Some(&config)))?;
    let verified: upkeep::Verified = if let Some(client) = client {
        let repair = args.repair;
        let answer = runtime.block_on(client.ask(&Request::Verify { repair }))?;
        serde_json::from_str(&answer)
            .map_err(|error| Failure::failed(format!("the daemon's answer: {error}")))?
    } else {
        runtime.block_on(async {
            let config = Arc::new(config);
            let context = upkeep::open(&config, args.repair).await?;
            let verified = upkeep::verify(&context, args.repair).await;
            if let Some(store) = &context.store {
                store.close().await.map_err(ops::Error::Store)?;
            }
            verified
        })?
    };
    report(&verified, out)?;
    Ok(if verified.is_sound() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn report(verified: &upkeep::Verified, out: &mut Out) -> Result<(), Failure> {
    if out.is_json() {
        return out.json(verified);
    }
    if verified.repaired {
        out.note("the index was made anew")?;
    }
    for fault in &verified.faults {
        out.line(fault)?;
    }
    out.note(&format!(
        "log: {} commits with {} items, {} damaged places; index: {} articles, {} entries, {} wrong",
        verified.frames,
        verified.items,
        verified.damaged,
        verified.articles,
        verified.entries,
        verified.wrong
    ))?;
    if verified.wrong > 0 {
        out.note("`aggd verify --repair` makes the index anew from the log")?;
    }
    if verified.damaged > 0 {
        out.note(
            "what stood in the damaged places is lost; `aggd restore` brings it back from a backup",
        )?;
    }
    Ok(())
}
