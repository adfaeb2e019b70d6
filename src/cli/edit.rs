//! Commands that change feeds.toml, and what all of them share: trying the new text out, writing it, telling the daemon.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::access::{self, Access, Need};
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config::edit::{self, Locked};
use crate::config::{self, Config, Errors, File, Secrets};
use crate::ops::moves::Moved;
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
    let mut held: Vec<Locked> = Vec::new();
    let mut changed: Vec<File> = Vec::new();
    let mut by_hand = Vec::new();
    for (file, ids) in &files {
        let locked = Locked::beside(file, &held)?;
        let text = edit::remove(locked.text(), file, ids)?;
        by_hand.push(format!(
            "take out of {}: {}\n",
            file.display(),
            ids.join(", ")
        ));
        let path = file.clone();
        changed.push(File { path, text });
        held.push(locked);
    }
    try_out(&path, &changed)?;
    write_or_show(&mut held, &changed, &by_hand.concat(), out)?;
    for (file, ids) in &files {
        out.note(&format!(
            "removed {} from {}",
            ids.join(", "),
            file.display()
        ))?;
    }
    reload(global, &config, &mut held, out)?;
    let mut articles = 0;
    if args.purge {
        let access = Access::open(global, Need::Maybe)?;
        for id in &args.ids {
            let dropped: u64 = access.ask(Request::Purge { id: id.clone() })?;
            articles += dropped;
            out.note(&format!("dropped {dropped} articles of `{id}`"))?;
        }
        access.close()?;
    }
    if out.is_json() {
        out.json(&json!({ "removed": args.ids, "articles_dropped": articles }))?;
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
    let locked = Locked::open(&file)?;
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
        return edited(args, false, out);
    }
    let changed = [File {
        path: file.clone(),
        text,
    }];
    try_out(&path, &changed)?;
    let lines: Vec<String> = sets
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .chain(args.unset.iter().map(|key| format!("without {key}\n")))
        .collect();
    let mut held = [locked];
    write_or_show(&mut held, &changed, &lines.concat(), out)?;
    out.note(&format!("changed `{}` in {}", args.id, file.display()))?;
    reload(global, &config, &mut held, out)?;
    edited(args, true, out)
}

fn edited(args: &EditArgs, changed: bool, out: &mut Out) -> Result<Exit, Failure> {
    if out.is_json() {
        out.json(&json!({ "id": args.id, "changed": changed }))?;
    }
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
        .map(|(_, place)| place.file.to_path_buf());
    place.ok_or_else(|| no_such_feed(config, id))
}

/// In words, with the id that was probably meant.
pub(super) fn no_such_feed(config: &Config, id: &str) -> Failure {
    let hint = config::hint(id, config.sources.iter().map(|s| s.id.as_str()));
    Failure::new(Exit::NotFound, format!("there is no feed `{id}`{hint}"))
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

/// Makes sure that the files would still be a configuration. They were one before, so what is wrong now was asked for.
pub(super) fn try_out(main: &Path, changed: &[File]) -> Result<(), Failure> {
    match config::load_changed(main, changed, Secrets::Optional) {
        Ok(_) => Ok(()),
        Err(Errors::Invalid(problems)) => {
            let words: Vec<&str> = problems.iter().map(|one| one.text.as_str()).collect();
            Err(Failure::usage(words.join("\naggd: ")))
        }
        Err(other) => Err(other.into()),
    }
}

/// Writes all or none; where that is not allowed, the exact lines go to stdout for somebody who may.
pub(super) fn write_or_show(
    held: &mut [Locked],
    changed: &[File],
    lines: &str,
    out: &mut Out,
) -> Result<(), Failure> {
    let written = held.iter().try_for_each(Locked::writable).and_then(|()| {
        let mut pairs = held.iter_mut().zip(changed);
        pairs.try_for_each(|(locked, file)| locked.write(&file.text))
    });
    let Err(error) = written else { return Ok(()) };
    let is_forbidden = matches!(error, edit::Error::NotWritable { .. });
    let mut failure = Failure::from(error);
    put_back(held, &mut failure);
    if is_forbidden {
        out.text(lines)?;
        out.flush()?;
        failure
            .text
            .push_str("; the lines above are what is to be changed by hand");
    }
    Err(failure)
}

/// Tells the daemon, if one runs with this configuration; if it cannot follow, the files are as they were.
pub(super) fn reload(
    global: &Global,
    config: &Config,
    held: &mut [Locked],
    out: &mut Out,
) -> Result<(), Failure> {
    let asked = access::runtime()?.block_on(async {
        let Some(client) = access::daemon(global, Some(config)).await? else {
            return Ok(false);
        };
        match client.ask(&Request::Reload {}).await {
            Ok(_) => Ok(true),
            Err(ops::Error::NeedsDaemon) => Ok(false),
            Err(error) => Err(Failure::from(error)),
        }
    });
    match asked {
        Ok(true) => Ok(()),
        Ok(false) => out.note("no daemon is running; `aggd run` will find it there"),
        Err(mut failure) => {
            failure.text = format!(
                "the daemon does not follow, the file is as before: {}",
                failure.text
            );
            put_back(held, &mut failure);
            Err(failure)
        }
    }
}

/// What was written is taken back; where that cannot be done, the failure says so.
fn put_back(held: &mut [Locked], failure: &mut Failure) {
    for locked in held {
        if let Err(error) = locked.restore() {
            failure.text = format!(
                "{}; but {} could not be put back: {error}",
                failure.text,
                locked.shown().display()
            );
        }
    }
}
