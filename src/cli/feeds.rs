//! Commands about the sources: `list-feeds`, `status`, `fetch`.

use clap::ValueEnum;

use super::access::{Access, Need};
use super::check::counted;
use super::out::{Form, Out, shortened};
use super::units::{Times, bytes};
use super::{Exit, Failure, Global};
use crate::clock::{Clock, SystemClock};
use crate::ops::Request;
use crate::ops::feeds::{FeedRow, FeedStatus, Filter, is_failing};
use crate::ops::moves::Moved;
use crate::ops::status::Status;
use crate::ops::visits::{Fetch, Fetched, Progress, Since};

/// Arguments of `aggd list-feeds`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only those whose last visit failed
    #[arg(long)]
    failing: bool,
    /// Only those that have been silent for long
    #[arg(long)]
    silent: bool,
    /// Only those with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only those in this category
    #[arg(long)]
    category: Option<String>,
    /// In which form
    #[arg(long, value_name = "FORM")]
    format: Option<ListFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// Columns with a head
    Table,
    /// Tabs between the values
    Tsv,
    /// One document
    Json,
    /// One object a line
    Jsonl,
}

impl From<ListFormat> for Form {
    fn from(format: ListFormat) -> Self {
        match format {
            ListFormat::Table => Self::Table,
            ListFormat::Tsv => Self::Tabs,
            ListFormat::Json => Self::Json,
            ListFormat::Jsonl => Self::JsonLines,
        }
    }
}

/// Arguments of `aggd status`.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// One feed, with its last visits
    #[arg(conflicts_with_all = ["failing", "moved"])]
    id: Option<String>,
    /// Only the feeds that fail; exit code 4 if there are any
    #[arg(long)]
    failing: bool,
    /// The lines of feeds.toml to change for feeds that moved
    #[arg(long, conflicts_with = "failing")]
    moved: bool,
}

/// Arguments of `aggd fetch`.
#[derive(Debug, clap::Args)]
pub(super) struct FetchArgs {
    /// Which feeds [default: all]
    ids: Vec<String>,
    /// Wait until they have been visited
    #[arg(long)]
    wait: bool,
    /// Even if the origin asked us to wait
    #[arg(long)]
    force: bool,
}

pub(super) fn list(global: &Global, args: ListArgs, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(format) = args.format {
        out.set_form(format.into());
    }
    let access = Access::open(global, Need::Maybe)?;
    let narrowed = args.failing || args.silent || args.tag.is_some() || args.category.is_some();
    let rows: Vec<FeedRow> = access.ask(Request::ListFeeds(Filter {
        failing: args.failing,
        silent: args.silent,
        tag: args.tag,
        category: args.category,
    }))?;
    table(&rows, out)?;
    access.close()?;
    Ok(if rows.is_empty() && narrowed {
        Exit::NotFound
    } else {
        Exit::Done
    })
}

fn table(rows: &[FeedRow], out: &mut Out) -> Result<(), Failure> {
    let when = Times::of(out);
    let narrow = out.is_terminal();
    out.list(
        &[
            "ID", "TITLE", "CATEGORY", "TAGS", "STATE", "LAST OK", "NEXT",
        ],
        rows,
        |row| {
            let title = row.title.clone().unwrap_or_default();
            vec![
                row.id.clone(),
                if narrow { shortened(&title, 40) } else { title },
                row.category.clone().unwrap_or_default(),
                row.tags.join(","),
                row.state.clone(),
                when.show(row.last_ok.as_deref()),
                when.show(row.next.as_deref()),
            ]
        },
    )
}

pub(super) fn status(global: &Global, args: &StatusArgs, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Maybe)?;
    let exit = if let Some(id) = &args.id {
        one(&access, id, out)?
    } else if args.failing {
        failing(&access, out)?
    } else if args.moved {
        moved(&access, out)?
    } else {
        whole(&access, out)?
    };
    access.close()?;
    Ok(exit)
}

fn failing(access: &Access, out: &mut Out) -> Result<Exit, Failure> {
    let rows: Vec<FeedRow> = access.ask(Request::ListFeeds(Filter {
        failing: true,
        ..Filter::default()
    }))?;
    let when = Times::of(out);
    out.list(
        &["ID", "STATE", "FAILS", "LAST OK", "WHAT IS WRONG"],
        &rows,
        |row| {
            vec![
                row.id.clone(),
                row.state.clone(),
                row.fails.to_string(),
                when.show(row.last_ok.as_deref()),
                row.error.clone().unwrap_or_default(),
            ]
        },
    )?;
    Ok(if rows.is_empty() {
        Exit::Done
    } else {
        Exit::SomeFailed
    })
}

fn moved(access: &Access, out: &mut Out) -> Result<Exit, Failure> {
    let all: Vec<Moved> = access.ask(Request::Moved {})?;
    if out.is_json() {
        out.list(&[], &all, |_| Vec::new())?;
        return Ok(Exit::Done);
    }
    for one in &all {
        let with = match one.with.as_slice() {
            [] => String::new(),
            others => format!(", together with {}", others.join(", ")),
        };
        out.line(&format!(
            "{}: url = \"{}\"    # {}, was {}{with}",
            one.written, one.to, one.id, one.from
        ))?;
    }
    if !all.is_empty() && out.is_terminal() {
        out.note("\n`aggd edit-feed ID --accept-move` writes them.")?;
    }
    Ok(Exit::Done)
}

/// How many articles there are, and how many of those that were looked at cannot be read.
fn articles(status: &Status) -> String {
    let all = format!("{} (seen at {} places)", status.articles, status.sightings);
    match status.unreadable {
        0 => all,
        some => {
            format!("{all}, {some} cannot be read: `aggd verify` tells where the log is damaged")
        }
    }
}

fn whole(access: &Access, out: &mut Out) -> Result<Exit, Failure> {
    let status: Status = access.ask(Request::Status {})?;
    if out.is_json() {
        out.json(&status)?;
        return Ok(Exit::Done);
    }
    let when = Times::of(out);
    let daemon = match (status.pid, &status.started) {
        (Some(pid), Some(started)) => {
            format!(
                "process {pid}, started {}",
                when.show(Some(started.as_str()))
            )
        }
        _ => "none is running".to_owned(),
    };
    let counts: Vec<String> = ["ok", "failing", "paused", "gone", "new"]
        .iter()
        .filter_map(|state| {
            let count = status.states.get(*state)?;
            Some(format!("{count} {state}"))
        })
        .chain((status.silent > 0).then(|| format!("{} silent", status.silent)))
        .collect();
    let feeds = match counts.as_slice() {
        [] => status.feeds.to_string(),
        counts => format!("{} ({})", status.feeds, counts.join(", ")),
    };
    out.pairs(&[
        ("aggd", status.version.clone()),
        ("daemon", daemon),
        ("configuration", status.config.clone()),
        ("store", status.store.clone()),
        ("articles", articles(&status)),
        (
            "on disk",
            format!(
                "{} log ({} live, {} dead), {} index ({} items)",
                bytes(status.log_bytes),
                bytes(status.live_bytes),
                bytes(status.log_bytes.saturating_sub(status.live_bytes)),
                bytes(status.index_bytes),
                status.index_items
            ),
        ),
        (
            "memory",
            status.pid.map(|_| bytes(status.memory)).unwrap_or_default(),
        ),
        ("last flush", when.show(status.flushed.as_deref())),
        ("last backup", when.show(status.backed_up.as_deref())),
        ("feeds", feeds),
        ("next visit", when.show(status.next.as_deref())),
    ])?;
    if status.disk_full {
        out.line("\nThe disk is full: nothing is written until there is space.")?;
    }
    if let Some(why) = &status.reload_failed {
        out.line("\nThe last reload failed, the configuration of before is in force:")?;
        out.line(why)?;
    }
    for warning in &status.warnings {
        out.line(&format!("warning: {warning}"))?;
    }
    if let Some(progress) = &status.relabel {
        out.line(&format!("labels: {progress}"))?;
    }
    for trouble in &status.troubles {
        out.line(&format!("trouble: {trouble}"))?;
    }
    if !status.failing.is_empty() {
        out.line("\nfailing:")?;
        let rows: Vec<Vec<String>> = status
            .failing
            .iter()
            .map(|row| vec![row.id.clone(), row.error.clone().unwrap_or_default()])
            .collect();
        for row in rows {
            out.line(&format!("  {}: {}", row[0], row[1]))?;
        }
    }
    Ok(Exit::Done)
}

fn one(access: &Access, id: &str, out: &mut Out) -> Result<Exit, Failure> {
    let status: FeedStatus = access.ask(Request::FeedStatus { id: id.to_owned() })?;
    let exit = if is_failing(&status.row) {
        Exit::SomeFailed
    } else {
        Exit::Done
    };
    if out.is_json() {
        out.json(&status)?;
        return Ok(exit);
    }
    let when = Times::of(out);
    let row = &status.row;
    let next = match &row.next {
        Some(next) if status.why.is_empty() => when.show(Some(next)),
        Some(next) => format!("{} ({})", when.show(Some(next)), status.why),
        None if row.state == "gone" => "never again, unless you ask with `aggd fetch`".to_owned(),
        None => "as soon as the daemon runs".to_owned(),
    };
    let state = if row.fails > 1 {
        format!("{}, {} times in a row", row.state, row.fails)
    } else {
        row.state.clone()
    };
    out.pairs(&[
        ("id", row.id.clone()),
        ("title", row.title.clone().unwrap_or_default()),
        ("url", row.url.clone()),
        ("polled at", status.polled.clone().unwrap_or_default()),
        ("together with", status.with.join(", ")),
        ("written", status.written.clone().unwrap_or_default()),
        ("category", row.category.clone().unwrap_or_default()),
        ("tags", row.tags.join(", ")),
        ("state", state),
        ("wrong", row.error.clone().unwrap_or_default()),
        (
            "failing since",
            if row.fails > 0 {
                when.show(status.first_fail.as_deref())
            } else {
                String::new()
            },
        ),
        ("last ok", when.show(row.last_ok.as_deref())),
        ("last new", when.show(row.last_new.as_deref())),
        ("next", next),
        (
            "may move",
            status.move_candidate.clone().unwrap_or_default(),
        ),
    ])?;
    for step in &status.moves {
        out.line(&format!(
            "moved      from {} to {} ({}, {})",
            step.from,
            step.to,
            step.status,
            when.show(Some(&step.at))
        ))?;
    }
    if !status.visits.is_empty() {
        out.line("")?;
        out.list(
            &[
                "VISITED", "OUTCOME", "STATUS", "BYTES", "MS", "NEW", "UPDATED",
            ],
            &status.visits,
            |visit| {
                vec![
                    when.show(Some(&visit.at)),
                    visit.outcome.clone(),
                    visit
                        .status
                        .map(|status| status.to_string())
                        .unwrap_or_default(),
                    visit.bytes.to_string(),
                    visit.ms.to_string(),
                    visit.new.to_string(),
                    visit.updated.to_string(),
                ]
            },
        )?;
    }
    Ok(exit)
}

pub(super) fn fetch(global: &Global, args: FetchArgs, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Create)?;
    let how_far = Request::Progress(Since {
        micros: SystemClock.now().as_micros(),
        ids: args.ids.clone(),
    });
    let request = Request::Fetch(Fetch {
        ids: args.ids,
        force: args.force,
        wait: args.wait,
    });
    let fetched: Fetched = access.ask_showing(
        request,
        &how_far,
        |progress: &Progress| format!("{} of {} feeds visited", progress.visited, progress.of),
        global,
    )?;
    if out.is_json() {
        out.json(&fetched)?;
    } else {
        out.list(
            &["ID", "OUTCOME", "NEW", "UPDATED", "WHAT IS WRONG"],
            &fetched.visits,
            |visit| {
                vec![
                    visit.id.clone(),
                    visit.outcome.clone(),
                    visit.new.to_string(),
                    visit.updated.to_string(),
                    visit.error.clone().unwrap_or_default(),
                ]
            },
        )?;
        if fetched.planned > 0 {
            let feeds = counted(fetched.planned, "feed", "feeds");
            out.note(&format!("{feeds} will be visited now"))?;
        }
    }
    access.close()?;
    let failed = fetched.visits.iter().any(|visit| visit.error.is_some());
    Ok(if failed { Exit::SomeFailed } else { Exit::Done })
}
