//! Commands about articles and their labels: `articles`, `explain`, `categories`.

use super::access::{Access, Need};
use super::out::{Out, shortened};
use super::units::Times;
use super::{Exit, Failure, Global};
use crate::ops::Request;
use crate::ops::articles::{ArticleRow, ArticleView, Articles, Explanation, Query, Sightings};
use crate::ops::labels::LabelRow;
use crate::ops::lists::{self, Preview, Previewed};

/// Articles of a list, unless `--limit` says otherwise.
const USUAL: usize = 50;
/// Articles asked for at a time.
const PAGE: usize = 500;

/// Arguments of `aggd articles`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Those with this tag (several: with all of them)
    #[arg(long)]
    tag: Vec<String>,
    /// Those in this category
    #[arg(long)]
    category: Option<String>,
    /// Those seen at this feed
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Published since then: 7d, 2026-11-24, 2026-11-24T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// How many [default: 50; with --sightings all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Every (feed, guid) with the article that it belongs to
    #[arg(long, conflicts_with_all = ["tag", "category", "since"])]
    sightings: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show one article
    #[command(after_help = "Example:\n  aggd articles show 0123456789abcdef0123456789abcdef")]
    Show {
        /// Its id, or an address that ends in it
        id: String,
    },
}

/// Arguments of `aggd explain`.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// Its id, or an address that ends in it
    #[arg(value_name = "ARTICLE")]
    id: String,
}

/// Arguments of `aggd categories`.
#[derive(Debug, clap::Args)]
pub(super) struct LabelArgs {
    /// How many at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Arguments of `aggd preview`.
#[derive(Debug, clap::Args)]
pub(super) struct PreviewArgs {
    /// all, tags/T, categories/C, sources/ID, or any path that readers may ask for
    list: String,
    /// In which format [default: atom]
    #[arg(long)]
    format: Option<FeedFormat>,
    /// How many articles
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only those for which an expression holds, such as 'score > 3 && title.mentions("rust")'
    #[arg(long, value_name = "EXPR")]
    when: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FeedFormat {
    /// RSS 2.0
    Rss,
    /// Atom 1.0
    Atom,
    /// JSON Feed 1.1
    Json,
}

pub(super) fn preview(global: &Global, args: &PreviewArgs, out: &mut Out) -> Result<Exit, Failure> {
    let format = args.format.map(|format| match format {
        FeedFormat::Rss => "rss",
        FeedFormat::Atom => "atom",
        FeedFormat::Json => "json",
    });
    let access = Access::open(global, Need::Store)?;
    let shown: Previewed = access.ask(Request::Preview(Preview {
        target: lists::target(&args.list, format, args.limit),
        when: args.when.clone(),
    }))?;
    access.close()?;
    out.text(&shown.text)?;
    if !shown.text.ends_with('\n') {
        out.text("\n")?;
    }
    Ok(Exit::Done)
}

pub(super) fn run(global: &Global, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let exit = match args.what {
        Some(What::Show { id }) => show(&access, id, out)?,
        None if args.sightings => sightings(&access, args.feed.as_deref(), args.limit, out)?,
        None => list(&access, args, out)?,
    };
    access.close()?;
    Ok(exit)
}

fn list(access: &Access, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let most = args.limit.unwrap_or(USUAL);
    if most == 0 {
        return Err(Failure::usage("--limit is at least 1"));
    }
    let mut query = Query {
        tags: args.tag,
        category: args.category,
        feed: args.feed,
        since: args.since,
        limit: most.min(PAGE),
        after: None,
    };
    let mut rows: Vec<ArticleRow> = Vec::new();
    loop {
        let page: Articles = access.ask(Request::Articles(query.clone()))?;
        rows.extend(page.articles);
        if rows.len() >= most || page.next.is_none() {
            break;
        }
        query.limit = (most - rows.len()).min(PAGE);
        query.after = page.next;
    }
    let when = Times::of(out);
    let narrow = out.is_terminal();
    out.list(&["ID", "PUBLISHED", "FEED", "TITLE", "URL"], &rows, |row| {
        vec![
            row.id.clone(),
            when.show(Some(&row.published)),
            row.feed.clone(),
            if narrow {
                shortened(&row.title, 60)
            } else {
                row.title.clone()
            },
            row.url.clone().unwrap_or_default(),
        ]
    })?;
    Ok(Exit::Done)
}

/// All sightings, page by page: there may be millions.
fn sightings(
    access: &Access,
    feed: Option<&str>,
    limit: Option<usize>,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut after = 0;
    let mut whole = Vec::new();
    loop {
        let page: Sightings = access.ask(Request::Sightings {
            after,
            most: 2 * PAGE,
        })?;
        let mut rows = page.sightings;
        rows.retain(|row| feed.is_none_or(|feed| row.feed == feed));
        rows.truncate(left);
        left -= rows.len();
        if out.is_json() && !out.is_lines() {
            whole.extend(rows);
        } else {
            out.list(&["FEED", "GUID", "ARTICLE"], &rows, |row| {
                vec![row.feed.clone(), row.guid.clone(), row.article.clone()]
            })?;
        }
        match page.next {
            Some(next) if left > 0 => after = next,
            _ => break,
        }
    }
    if out.is_json() && !out.is_lines() {
        out.json(&whole)?;
    }
    Ok(Exit::Done)
}

fn show(access: &Access, id: String, out: &mut Out) -> Result<Exit, Failure> {
    let view: ArticleView = access.ask(Request::Article { id })?;
    if out.is_json() {
        out.json(&view)?;
        return Ok(Exit::Done);
    }
    let when = Times::of(out);
    let row = &view.row;
    out.pairs(&[
        ("title", row.title.clone()),
        ("id", row.id.clone()),
        ("url", row.url.clone().unwrap_or_default()),
        ("published", when.show(Some(&row.published))),
        ("updated", when.show(Some(&view.updated))),
        ("first seen", when.show(Some(&view.first_seen))),
        ("authors", view.authors.join(", ")),
        ("category", row.category.clone().unwrap_or_default()),
        ("tags", row.tags.join(", ")),
        ("language", view.language.clone().unwrap_or_default()),
        ("enclosures", view.enclosures.join(" ")),
    ])?;
    for place in &view.seen {
        out.line(&format!("seen at {} as {}", place.feed, place.guid))?;
    }
    let text = view
        .content_text
        .or(view.content_html)
        .or(view.summary)
        .unwrap_or_default();
    if !text.is_empty() {
        out.line("")?;
        // The text comes from outside: nothing in it may move the cursor of a terminal.
        let safe: String = text
            .chars()
            .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
            .collect();
        out.line(&safe)?;
    }
    Ok(Exit::Done)
}

pub(super) fn explain(global: &Global, args: ExplainArgs, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let why: Explanation = access.ask(Request::Explain { id: args.id })?;
    access.close()?;
    if out.is_json() {
        out.json(&why)?;
        return Ok(Exit::Done);
    }
    let when = Times::of(out);
    out.pairs(&[
        ("title", why.row.title.clone()),
        ("id", why.row.id.clone()),
        ("category", why.row.category.clone().unwrap_or_default()),
        ("outputs", why.outputs.join(", ")),
        ("rules", why.rules.join(", ")),
        (
            "score",
            if why.score == 0 {
                String::new()
            } else {
                why.score.to_string()
            },
        ),
        ("merged ids", why.aliases.join(", ")),
    ])?;
    for (place, seen) in why.seen.iter().enumerate() {
        let role = if place == 0 { "leads" } else { "copy" };
        out.line(&format!(
            "{role}: {} as {}, seen {}{}",
            seen.feed,
            seen.guid,
            when.show(Some(&seen.seen)),
            seen.url
                .as_ref()
                .map(|url| format!(", {url}"))
                .unwrap_or_default()
        ))?;
        out.line(&format!("  id {}", seen.id))?;
        for line in super::stories::because(&seen.why) {
            out.line(&line)?;
        }
    }
    for tag in &why.tags_why {
        out.line(&format!("tag: {} ({})", tag.name, origin(&tag.origin)))?;
    }
    for name in &why.suggested {
        out.line(&format!("suggested: {name} (readers do not get it)"))?;
    }
    Ok(Exit::Done)
}

fn origin(word: &str) -> &str {
    match word {
        "rule" => "a rule",
        "source" => "the feed's tags in feeds.toml",
        "category" => "its category's tags in feeds.toml",
        "publisher" => "the publisher",
        "page" => "the article's page",
        "url" => "its address",
        "auto" => "read from the text",
        other => other,
    }
}

pub(super) fn categories(
    global: &Global,
    args: &LabelArgs,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Maybe)?;
    let mut rows: Vec<LabelRow> = access.ask(Request::Categories {})?;
    access.close()?;
    rows.truncate(args.limit.unwrap_or(usize::MAX));
    out.list(&["CATEGORY", "TITLE", "FEEDS", "ARTICLES"], &rows, |row| {
        vec![
            row.name.clone(),
            row.title.clone().unwrap_or_default(),
            row.feeds.unwrap_or_default().to_string(),
            row.articles.to_string(),
        ]
    })?;
    Ok(Exit::Done)
}
