//! Commands that change feeds.toml, and what all of them share: trying the new text out, writing it, telling the daemon.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::access::{self, Access, Need};
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config::edit::{self, Locked};
use crate::config::{self, Config, Errors, File, Secrets};
use crate::ops::feeds::Moved;
use crate::ops::{self, Request};

/// Arguments of `aggd remove-feed`.
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    /// Which feeds
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Drop their articles too
    #[arg(long)]
    purge: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Arguments of `aggd edit-feed`.
#[derive(Debug, clap::Args)]
pub(super) struct EditArgs {
    /// Which feed
    id: String,
    /// Set a key, such as every=1h, tags=a,b or headers.Accept-Language=zh
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a key away
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Write down the address that it moved to
    #[arg(long)]
    accept_move: bool,
}

pub(super) fn remove(global: &Global, args: &RemoveArgs, out: &mut Out) -> Result<Exit, Failure> {
    let path = config::locate(global.config.as_deref())?;
    let config = config::load_with(Some(&path), Secrets::Optional)?;
    let mut files: BTreeMap<PathBuf, Vec<&str>> = BTreeMap::new();
    for id in &args.ids {
        let file = file_of(&config, id)?;
        let ids = files.entry(file).or_default();
        if !ids.contains(&id.as_str()) {
            ids.push(id);
        }
    }
    if args.purge && !args.yes {
        confirm(&format!(
            "Drop the articles of {} for good?",
            args.ids.join(", ")
        ))?;
    }
    for (file, ids) in files {
        let mut locked = Locked::open(&file)?;
        let after = edit::remove(locked.text(), &file, &ids)?;
        if file == path {
            try_out(&path, &after)?;
        }
        let what = format!("take out of {}: {}\n", file.display(), ids.join(", "));
        write_or_show(&mut locked, &after, &what, out)?;
        out.note(&format!(
            "removed {} from {}",
            ids.join(", "),
            file.display()
        ))?;
        reload(global, &config, &mut locked, out)?;
    }
    if args.purge {
        let access = Access::open(global, Need::Maybe)?;
        for id in &args.ids {
            let dropped: u64 = access.ask(Request::Purge { id: id.clone() })?;
            out.note(&format!("dropped {dropped} articles of `{id}`"))?;
        }
        access.close()?;
    }
    Ok(Exit::Done)
}

pub(super) fn edit(global: &Global, args: &EditArgs, out: &mut Out) -> Result<Exit, Failure> {
    if args.set.is_empty() && args.unset.is_empty() && !args.accept_move {
        return Err(Failure::usage(
            "say what to change: --set KEY=VALUE, --unset KEY or --accept-move",
        ));
    }
    let path = config::locate(global.config.as_deref())?;
    let config = config::load_with(Some(&path), Secrets::Optional)?;
    let file = file_of(&config, &args.id)?;
    let mut sets: Vec<(String, String)> = Vec::new();
    for pair in &args.set {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(Failure::usage(format!(
                "`{pair}` is not of the form KEY=VALUE"
            )));
        };
        sets.push((key.trim().to_owned(), value.to_owned()));
    }
    if args.accept_move {
        sets.push(("url".to_owned(), moved_to(global, &args.id)?));
    }
    if sets.iter().any(|(key, _)| key == "id") || args.unset.iter().any(|key| key == "id") {
        return Err(Failure::new(
            Exit::Refused,
            "its articles hang on the id of a feed; it cannot be changed",
        ));
    }
    let mut locked = Locked::open(&file)?;
    // Without an id of its own a feed is named after its address: a new one would make it another feed.
    let mut text = edit::with_id(locked.text(), &file, &args.id)?;
    for (key, value) in &sets {
        let value = edit::value(key, value).map_err(Failure::usage)?;
        text = edit::set(&text, &file, &args.id, key, value)?;
    }
    for key in &args.unset {
        text = edit::unset(&text, &file, &args.id, key)?;
    }
    if text == locked.text() {
        out.note("nothing changed")?;
        return Ok(Exit::Done);
    }
    if file == path {
        try_out(&path, &text)?;
    }
    let lines: Vec<String> = sets
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .chain(args.unset.iter().map(|key| format!("without {key}\n")))
        .collect();
    write_or_show(&mut locked, &text, &lines.concat(), out)?;
    out.note(&format!("changed `{}` in {}", args.id, file.display()))?;
    reload(global, &config, &mut locked, out)?;
    Ok(Exit::Done)
}

fn moved_to(global: &Global, id: &str) -> Result<String, Failure> {
    let access = Access::open(global, Need::Store)?;
    let moved: Vec<Moved> = access.ask(Request::Moved {})?;
    access.close()?;
    moved
        .into_iter()
        .find(|one| one.id == id)
        .map(|one| one.to)
        .ok_or_else(|| Failure::new(Exit::NotFound, format!("`{id}` has not moved")))
}

fn file_of(config: &Config, id: &str) -> Result<PathBuf, Failure> {
    let place = config
        .sources
        .iter()
        .zip(&config.places)
        .find(|(source, _)| source.id.as_str() == id)
        .map(|(_, place)| place.file.clone());
    place.ok_or_else(|| {
        let hint = config::hint(id, config.sources.iter().map(|s| s.id.as_str()));
        Failure::new(Exit::NotFound, format!("there is no feed `{id}`{hint}"))
    })
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirm(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Refused,
            format!("{question} Say so with --yes"),
        ));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Refused, "nothing was done"))
    }
}

/// The configuration as the file has it now.
pub(super) fn read_again(path: &Path, text: &str) -> Result<Config, Failure> {
    let file = File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    Ok(config::load_text(file, Secrets::Optional)?)
}

/// Makes sure that the file would still be a configuration. It was one before, so what is wrong now was asked for.
pub(super) fn try_out(path: &Path, text: &str) -> Result<Config, Failure> {
    let file = File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    match config::load_text(file, Secrets::Optional) {
        Ok(config) => Ok(config),
        Err(Errors::Invalid(problems)) => {
            let words: Vec<&str> = problems.iter().map(|one| one.text.as_str()).collect();
            Err(Failure::usage(words.join("\naggd: ")))
        }
        Err(other) => Err(other.into()),
    }
}

/// Writes; where that is not allowed, the exact lines go to stdout for somebody who may.
pub(super) fn write_or_show(
    locked: &mut Locked,
    text: &str,
    lines: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    match locked.write(text) {
        Ok(()) => Ok(()),
        Err(error @ edit::Error::NotWritable { .. }) => {
            out.text(lines)?;
            out.flush()?;
            let mut failure = Failure::from(error);
            failure
                .text
                .push_str("; the lines above are what is to be changed by hand");
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells the daemon, if one runs with this configuration; if it refuses, the file is as it was.
pub(super) fn reload(
    global: &Global,
    config: &Config,
    locked: &mut Locked,
    out: &mut Out,
) -> Result<(), Failure> {
    let runtime = access::runtime()?;
    let asked = runtime.block_on(async {
        let Some(client) = access::daemon(global, Some(config)).await? else {
            return Ok(None);
        };
        Ok::<_, Failure>(Some(client.ask(&Request::Reload {}).await))
    })?;
    match asked {
        Some(Ok(_)) => Ok(()),
        None | Some(Err(ops::Error::NeedsDaemon)) => {
            out.note("no daemon is running; `aggd run` will find it there")?;
            Ok(())
        }
        Some(Err(error)) => {
            let back = locked.restore();
            let mut failure = Failure::from(error);
            failure.text = match back {
                Ok(()) => format!(
                    "the daemon refused, the file is as before: {}",
                    failure.text
                ),
                Err(error) => format!("the daemon refused ({}), and {error}", failure.text),
            };
            Err(failure)
        }
    }
}
