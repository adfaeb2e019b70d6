//! `import-opml` and `export-opml`: other readers' lists of feeds in, ours out, with our settings and without loss.

use std::collections::HashSet;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::access;
use super::add_feed::Ids;
use super::check::counted;
use super::edit;
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::clock::{Clock, SystemClock};
use crate::config::edit::{
    Locked, NewFeed, append, categories_of, category_lines, feeds_of, inline_pairs, list, text,
};
use crate::config::{self, Config, File, Secrets};
use crate::ops::discover;
use crate::ops::opml::{self, Folder, Opml, Outline};

/// Arguments of `aggd import-opml`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// The file; `-` is standard input
    file: PathBuf,
    /// Put all its feeds on this shelf, whatever folders they stand in
    #[arg(long)]
    category: Option<String>,
    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `aggd export-opml`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Where to write it [default: standard output]
    file: Option<PathBuf>,
}

/// What came of an import.
#[derive(Debug, Default, Serialize)]
struct Imported {
    /// Feeds that are new.
    added: usize,
    /// Feeds that were there already, in feeds.toml or earlier in the same file.
    known: usize,
    /// What could not be taken, and why.
    skipped: Vec<String>,
}

pub(super) fn import(global: &Global, args: &ImportArgs, out: &mut Out) -> Result<Exit, Failure> {
    let path = config::locate(global.config.as_deref())?;
    // The mistakes of feeds.toml come before those of the import.
    config::load_with(Some(&path), Secrets::Optional)?;
    let opml = opml::read(&read(&args.file)?);
    if opml.feeds.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{} names no feed; is it OPML?", args.file.display()),
        ));
    }
    let locked = Locked::open(&path)?;
    let before = edit::read_again(&path, locked.text())?;
    let mut imported = Imported::default();
    let new = plan(args, &before, &opml, &mut imported);
    let mut after = append(locked.text(), &new);
    after.push_str(&new_categories(args, &before, &opml));
    if after == locked.text() || args.dry_run {
        if args.dry_run && !out.is_json() {
            let added = after.get(locked.text().len()..).unwrap_or_default();
            out.text(added.trim_start())?;
        }
        report(&imported, args, out)?;
        return Ok(Exit::Done);
    }
    let added = after
        .get(locked.text().len()..)
        .unwrap_or_default()
        .to_owned();
    let changed = [File {
        path: path.clone(),
        text: after,
    }];
    edit::try_out(&path, &changed)?;
    let mut held = [locked];
    edit::write_or_show(&mut held, &changed, added.trim_start(), out)?;
    report(&imported, args, out)?;
    edit::reload(global, &before, &mut held, out)?;
    Ok(Exit::Done)
}

fn report(imported: &Imported, args: &ImportArgs, out: &mut Out) -> Result<(), Failure> {
    for why in &imported.skipped {
        eprintln!("aggd: left out: {why}");
    }
    if out.is_json() {
        return out.json(imported);
    }
    if args.dry_run {
        return Ok(());
    }
    out.note(&format!(
        "added {}; {} were there already, {} left out",
        counted(imported.added, "feed", "feeds"),
        imported.known,
        imported.skipped.len()
    ))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = if file == Path::new("-") {
        if std::io::stdin().is_terminal() {
            eprintln!("aggd: reading OPML from the terminal; Ctrl-D ends it");
        }
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    done.map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    Ok(bytes)
}

fn plan(args: &ImportArgs, before: &Config, opml: &Opml, imported: &mut Imported) -> Vec<NewFeed> {
    let mut ids = Ids::of(before);
    let mut urls: HashSet<String> = before.sources.iter().map(|s| s.url.clone()).collect();
    let mut new = Vec::new();
    for outline in &opml.feeds {
        let (url, feed) = match &outline.settings {
            Some(settings) => match ours(settings, outline) {
                Ok(feed) => feed,
                Err(why) => {
                    imported.skipped.push(why);
                    continue;
                }
            },
            None => match theirs(args, outline) {
                Ok(feed) => feed,
                Err(why) => {
                    imported.skipped.push(why);
                    continue;
                }
            },
        };
        if !urls.insert(config::without_user_info(&url)) {
            imported.known += 1;
            continue;
        }
        let wanted = feed
            .iter()
            .find(|(key, _)| key == "id")
            .and_then(|(_, id)| id.as_str().map(str::to_owned));
        let id = match wanted {
            Some(id) if ids.claim(&id) => id,
            _ => ids.make(&url),
        };
        let mut whole: NewFeed = vec![("id".into(), text(&id))];
        whole.extend(feed.into_iter().filter(|(key, _)| key != "id"));
        new.push(whole);
        imported.added += 1;
    }
    new
}

/// A feed that aggd exported: all its settings as they were.
fn ours(settings: &str, outline: &Outline) -> Result<(String, NewFeed), String> {
    let mut feed = inline_pairs(settings)
        .ok_or_else(|| format!("{}: its settings cannot be read", outline.url))?;
    if !feed.iter().any(|(key, _)| key == "url" || key == "command") {
        feed.insert(0, ("url".into(), text(&outline.url)));
    }
    let url = feed.iter().find(|(key, _)| key == "url");
    let url = url
        .and_then(|(_, url)| url.as_str())
        .unwrap_or(&outline.url);
    Ok((url.to_owned(), feed))
}

/// A feed of another reader: the outermost folder is its category, what lies between are tags.
fn theirs(args: &ImportArgs, outline: &Outline) -> Result<(String, NewFeed), String> {
    if outline.scraped {
        return Err(format!(
            "{} is no feed; the other reader makes one of it by rules that aggd does not know",
            outline.url
        ));
    }
    let url = discover::address(&outline.url)
        .ok_or_else(|| format!("`{}` is not the address of a feed", outline.url))?;
    let url = if url::Url::parse(&outline.url).is_ok() && !outline.url.starts_with("feed:") {
        outline.url.clone()
    } else {
        url.to_string()
    };
    let mut feed: NewFeed = vec![("url".into(), text(&url))];
    if let Some(title) = &outline.title
        && *title != outline.url
    {
        feed.push(("title".into(), text(title)));
    }
    let category = args.category.as_ref().or(outline.folders.first());
    if let Some(category) = category {
        feed.push(("category".into(), text(category)));
    }
    let mut tags: Vec<&str> = Vec::new();
    let inner = outline.folders.iter().skip(1).chain(&outline.labels);
    for tag in inner.map(String::as_str) {
        if !tags.contains(&tag) && category.map(String::as_str) != Some(tag) {
            tags.push(tag);
        }
    }
    if !tags.is_empty() {
        feed.push(("tags".into(), list(tags)));
    }
    Ok((url, feed))
}

/// The settings of exported categories that feeds.toml does not have yet.
fn new_categories(args: &ImportArgs, before: &Config, opml: &Opml) -> String {
    if args.category.is_some() {
        return String::new();
    }
    let mut seen: HashSet<String> = before.label.categories.keys().cloned().collect();
    opml.folders
        .iter()
        .filter_map(|folder| {
            let pairs = inline_pairs(folder.settings.as_deref()?)?;
            seen.insert(config::category_key(&folder.name))
                .then(|| category_lines(&folder.name, &pairs))
        })
        .collect()
}

pub(super) fn export(global: &Global, args: &ExportArgs, out: &mut Out) -> Result<Exit, Failure> {
    let config = access::load(global)?;
    let mut opml = Opml::default();
    let mut hidden = 0;
    for file in &config.files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))?;
        for feed in feeds_of(&text, file)? {
            hidden += feed.hidden;
            opml.feeds.push(Outline {
                title: feed.text("title").or_else(|| feed.text("id")),
                url: feed.url,
                home: None,
                folders: feed.category.into_iter().collect(),
                labels: Vec::new(),
                scraped: false,
                settings: Some(feed.settings),
            });
        }
        for (name, settings) in categories_of(&text, file)? {
            opml.folders.push(Folder {
                name,
                settings: Some(settings),
            });
        }
    }
    if hidden > 0 {
        eprintln!(
            "aggd: note: {} left out, secrets do not go into OPML",
            counted(hidden, "header was", "headers were")
        );
    }
    let now = SystemClock.now().to_rfc822();
    let text = opml::write(&config.site.title, &now, &opml);
    match &args.file {
        None => out.text(&text)?,
        Some(file) => std::fs::write(file, text).map_err(|error| {
            Failure::new(
                Exit::CannotWrite,
                format!("cannot write {}: {error}", file.display()),
            )
        })?,
    }
    Ok(Exit::Done)
}
