//! `aggd add-feed`: looks at an address, shows what is there, and appends it to the configuration.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::access::runtime;
use super::check::counted;
use super::edit;
use super::out::{Out, one_line};
use super::units::Times;
use super::{Exit, Failure, Global};
use crate::config::edit::{Locked, NewFeed, append, feed_lines, list, text};
use crate::config::{self, Config, File, Secrets};
use crate::ops::discover::{self, Found};

/// Arguments of `aggd add-feed`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Addresses of feeds, or of sites that have one
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// How to read it
    #[arg(long)]
    kind: Option<Kind>,
    /// Its lasting name [default: made from the address]
    #[arg(long)]
    id: Option<String>,
    /// The shelf it stands on
    #[arg(long)]
    category: Option<String>,
    /// Tags for all its articles
    #[arg(long)]
    tag: Vec<String>,
    /// A title instead of the publisher's
    #[arg(long)]
    title: Option<String>,
    /// Interval, such as 1h
    #[arg(long)]
    every: Option<String>,
    /// Take the first feed that a page names, without asking
    #[arg(long)]
    first: bool,
    /// Take the address as it is, without looking at it
    #[arg(long)]
    no_fetch: bool,
    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A feed over HTTP
    Feed,
    /// A feed in a file
    File,
}

/// What is going to stand in the file.
#[derive(Debug, Serialize)]
struct Planned {
    id: String,
    url: String,
    #[serde(flatten)]
    found: Option<FoundView>,
    /// False with `--dry-run`.
    added: bool,
}

#[derive(Debug, Serialize)]
struct FoundView {
    title: String,
    format: String,
    articles: usize,
    newest: Vec<discover::Newest>,
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    if args.urls.len() > 1 && (args.id.is_some() || args.title.is_some()) {
        return Err(Failure::usage("--id and --title are for one feed alone"));
    }
    let path = config::locate(global.config.as_deref())?;
    let config = config::load_with(Some(&path), Secrets::Optional)?;
    let mut failures = Vec::new();
    let mut chosen: Vec<(String, Option<Found>)> = Vec::new();
    for asked in &args.urls {
        match choose(args, &config, asked, out) {
            Ok(all) => chosen.extend(all),
            Err(failure) => {
                failure.say();
                failures.push(failure);
            }
        }
    }
    if let (true, Some(first)) = (chosen.is_empty(), failures.first()) {
        return Ok(first.exit);
    }
    let planned = write(global, args, &path, chosen, out)?;
    if out.is_json() {
        if let [one] = planned.as_slice() {
            out.json(one)?;
        } else {
            out.list(&[], &planned, |_| Vec::new())?;
        }
    }
    Ok(if failures.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    })
}

/// The feeds to take from what somebody typed.
fn choose(
    args: &Args,
    config: &Config,
    asked: &str,
    out: &mut Out,
) -> Result<Vec<(String, Option<Found>)>, Failure> {
    let asked = asked.trim();
    if args.kind == Some(Kind::File) {
        let path = std::path::absolute(asked)?;
        let path = path.display().to_string();
        if args.no_fetch {
            return Ok(vec![(path, None)]);
        }
        let found = runtime()?.block_on(discover::in_file(&config.fetch, &path));
        let found = found.map_err(|error| failed(&error))?;
        show(&found, out)?;
        return Ok(vec![(path, Some(found))]);
    }
    if args.no_fetch {
        let url = discover::address(asked).ok_or_else(|| failed(&discover::no_address(asked)))?;
        let written = if url::Url::parse(asked).is_ok() {
            asked.to_owned()
        } else {
            url.to_string()
        };
        return Ok(vec![(written, None)]);
    }
    let mut found = runtime()?
        .block_on(discover::on_the_web(&config.fetch, asked))
        .map_err(|error| failed(&error))?;
    let one = if found.len() > 1 {
        pick(args, &mut found, asked, out)?
    } else {
        found.remove(0)
    };
    show(&one, out)?;
    Ok(vec![(one.url.clone(), Some(one))])
}

fn failed(error: &discover::Error) -> Failure {
    let exit = match error {
        discover::Error::NotAnAddress(_) => Exit::Usage,
        discover::Error::Fetch { .. } => Exit::Failed,
        discover::Error::Nothing(_) => Exit::NotFound,
    };
    Failure::new(exit, error.to_string())
}

/// One of several feeds of a page: asked for on a terminal, else the first.
fn pick(args: &Args, found: &mut Vec<Found>, asked: &str, out: &mut Out) -> Result<Found, Failure> {
    let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if args.first || !person {
        for other in &found[1..] {
            let title = one_line(&other.title);
            let url = config::without_user_info(&other.url);
            out.note(&format!("also there: {url} ({title})"))?;
        }
        return Ok(found.remove(0));
    }
    out.flush()?;
    eprintln!("{asked} has several feeds:");
    for (number, one) in found.iter().enumerate() {
        eprintln!(
            "  {}  {} ({}, {})",
            number + 1,
            one.url,
            one_line(&one.title),
            one.format
        );
    }
    eprint!("Which one? [1] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim();
    let number = if answer.is_empty() {
        Some(1)
    } else {
        answer.parse().ok()
    };
    match number {
        Some(number) if (1..=found.len()).contains(&number) => Ok(found.remove(number - 1)),
        _ => Err(Failure::new(Exit::Refused, "none was added")),
    }
}

fn show(found: &Found, out: &mut Out) -> Result<(), Failure> {
    let when = Times::of(out);
    let title = if found.title.is_empty() {
        "(without a title)".to_owned()
    } else {
        one_line(&found.title)
    };
    out.note(&format!(
        "{title}\n  {} ({}, {})",
        config::without_user_info(&found.url),
        found.format,
        counted(found.articles, "article", "articles")
    ))?;
    for article in &found.newest {
        let date = when.show(article.published.as_deref());
        let gap = if date.is_empty() { "" } else { "  " };
        out.note(&format!("  - {date}{gap}{}", one_line(&article.title)))?;
    }
    Ok(())
}

/// Appends the feeds, against the file as it is now: somebody may have changed it while we looked at the web.
fn write(
    global: &Global,
    args: &Args,
    path: &std::path::Path,
    chosen: Vec<(String, Option<Found>)>,
    out: &mut Out,
) -> Result<Vec<Planned>, Failure> {
    let locked = Locked::open(path)?;
    let before = edit::read_again(path, locked.text())?;
    let mut ids = Ids::of(&before);
    let mut new: Vec<NewFeed> = Vec::new();
    let mut planned = Vec::new();
    for (url, found) in chosen {
        refuse_doubles(&before, &url)?;
        let id = match &args.id {
            Some(id) if !ids.claim(id) => {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("there is already a feed `{id}`; choose another --id"),
                ));
            }
            Some(id) => id.clone(),
            None => ids.make(&url),
        };
        new.push(feed(args, &id, &url));
        planned.push(Planned {
            id,
            url,
            added: !args.dry_run,
            found: found.map(|found| FoundView {
                title: found.title,
                format: found.format,
                articles: found.articles,
                newest: found.newest,
            }),
        });
    }
    let after = [File {
        path: path.to_owned(),
        text: append(locked.text(), &new),
    }];
    edit::try_out(path, &after)?;
    let lines: Vec<String> = new.iter().map(feed_lines).collect();
    if args.dry_run {
        if !out.is_json() {
            out.text(&lines.join("\n"))?;
        }
        return Ok(planned);
    }
    let mut held = [locked];
    edit::write_or_show(&mut held, &after, &lines.join("\n"), out)?;
    for one in &planned {
        out.note(&format!("added `{}` to {}", one.id, path.display()))?;
    }
    edit::reload(global, &before, &mut held, out)?;
    Ok(planned)
}

fn refuse_doubles(config: &Config, url: &str) -> Result<(), Failure> {
    let url = config::without_user_info(url);
    let there = config
        .sources
        .iter()
        .zip(&config.places)
        .find(|(source, _)| source.url == url);
    match there {
        Some((source, place)) => Err(Failure::new(
            Exit::Refused,
            format!("{url} is already there as `{}` ({place})", source.id),
        )),
        None => Ok(()),
    }
}

/// The ids that feeds have, and those that new ones get.
#[derive(Debug, Default)]
pub(super) struct Ids {
    taken: HashSet<String>,
    /// For an id that an address gave: the next number to try.
    numbers: HashMap<String, u32>,
}

impl Ids {
    pub(super) fn of(config: &Config) -> Self {
        let taken = config.sources.iter().map(|source| source.id.to_string());
        Self {
            taken: taken.collect(),
            numbers: HashMap::new(),
        }
    }

    /// Takes this id; false if another feed has it.
    pub(super) fn claim(&mut self, id: &str) -> bool {
        self.taken.insert(id.to_owned())
    }

    /// The id that the address gives, with a number if another feed has it.
    pub(super) fn make(&mut self, url: &str) -> String {
        let id = config::default_id(&config::without_user_info(url)).to_string();
        if self.claim(&id) {
            return id;
        }
        let short = id.get(..id.len().min(53)).unwrap_or(&id);
        let short = short.trim_end_matches('-').to_owned();
        loop {
            let number = self.numbers.entry(short.clone()).or_insert(1);
            *number += 1;
            let numbered = format!("{short}-{number}");
            if self.claim(&numbered) {
                return numbered;
            }
        }
    }
}

fn feed(args: &Args, id: &str, url: &str) -> NewFeed {
    let mut feed: NewFeed = vec![("id".into(), text(id)), ("url".into(), text(url))];
    if args.kind == Some(Kind::File) {
        feed.push(("kind".into(), text("file")));
    }
    let optional = [
        ("title", &args.title),
        ("category", &args.category),
        ("every", &args.every),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            feed.push((key.into(), text(value)));
        }
    }
    if !args.tag.is_empty() {
        feed.push(("tags".into(), list(args.tag.iter().map(String::as_str))));
    }
    feed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_taken_gets_a_number() {
        let mut ids = Ids::default();
        assert!(ids.claim("a-org-2"));
        let made: Vec<String> = (0..3).map(|_| ids.make("https://a.org/")).collect();
        assert_eq!(made, ["a-org", "a-org-3", "a-org-4"]);
        assert_eq!(ids.make("https://b.org/"), "b-org");
        assert!(!ids.claim("b-org"));
    }
}
