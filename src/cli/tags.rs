//! `aggd tags`: the tags with their counts, what the texts suggest, what stands beside a tag, and two tags made one.

use super::access::{Access, Need};
use super::edit::{reload, try_out, write_or_show};
use super::out::{Out, shortened};
use super::{Exit, Failure, Global};
use crate::config::edit::{Locked, alias};
use crate::config::{self, File, Secrets};
use crate::ops::Request;
use crate::ops::labels::LabelRow;
use crate::ops::suggest::Suggestion;

/// Arguments of `aggd tags`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// How many at most
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List what the texts suggest as tags
    ///
    /// Keywords that stand in at least `[tags] publish_min` of the newest articles and are no tags of theirs.
    #[command(after_help = "Example:\n  aggd tags suggest --articles 2000")]
    Suggest {
        /// Newest articles to look at
        #[arg(long, value_name = "N", default_value_t = 1000)]
        articles: usize,
        /// How many suggestions at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// List the tags that stand beside one
    #[command(after_help = "Example:\n  aggd tags related rust")]
    Related {
        /// Which
        tag: String,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Make one tag another one, by the alias table of feeds.toml
    ///
    /// Articles that are kept follow, and the addresses of the old tag lead to those of the new one.
    #[command(after_help = "Example:\n  aggd tags merge rustlang rust")]
    Merge {
        /// The tag that goes
        #[arg(value_name = "A")]
        from: String,
        /// The tag that stays
        #[arg(value_name = "B")]
        to: String,
    },
}

pub(super) fn run(global: &Global, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    match args.what {
        Some(What::Suggest { articles, limit }) => suggest(global, articles, limit, out),
        Some(What::Related { tag, limit }) => {
            let access = Access::open(global, Need::Store)?;
            let rows: Vec<LabelRow> = access.ask(Request::Related { tag })?;
            access.close()?;
            counts(rows, limit, out)
        }
        Some(What::Merge { from, to }) => merge(global, &from, &to, out),
        None => {
            let access = Access::open(global, Need::Store)?;
            let rows: Vec<LabelRow> = access.ask(Request::Tags {})?;
            access.close()?;
            counts(rows, args.limit.unwrap_or(usize::MAX), out)
        }
    }
}

fn counts(mut rows: Vec<LabelRow>, most: usize, out: &mut Out) -> Result<Exit, Failure> {
    rows.truncate(most);
    out.list(&["TAG", "ARTICLES"], &rows, |row| {
        vec![row.name.clone(), row.articles.to_string()]
    })?;
    Ok(Exit::Done)
}

fn suggest(global: &Global, articles: usize, limit: usize, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let mut rows: Vec<Suggestion> = access.ask(Request::Suggestions { articles })?;
    access.close()?;
    rows.truncate(limit);
    let narrow = out.is_terminal();
    out.list(&["SUGGESTION", "ARTICLES", "FOR EXAMPLE"], &rows, |row| {
        vec![
            row.name.clone(),
            row.articles.to_string(),
            if narrow {
                shortened(&row.example, 60)
            } else {
                row.example.clone()
            },
        ]
    })?;
    Ok(Exit::Done)
}

fn merge(global: &Global, from: &str, to: &str, out: &mut Out) -> Result<Exit, Failure> {
    let key = config::label_key;
    let (from, to) = (from.trim().trim_start_matches('#'), to.trim());
    if key(from).is_empty() || key(to).is_empty() {
        return Err(Failure::usage("both tags need a name"));
    }
    if key(from) == key(to) {
        return Err(Failure::usage(format!(
            "`{from}` and `{to}` are one tag already; [tags] label says how it is spelt"
        )));
    }
    let path = config::locate(global.config.as_deref())?;
    let config = config::load_with(Some(&path), Secrets::Optional)?;
    if let Some(meant) = config.label.alias.get(&key(to)) {
        return Err(Failure::new(
            Exit::Refused,
            format!("`{to}` is an alias of `{meant}` itself; merge into that one"),
        ));
    }
    let mut held = [Locked::open(&path)?];
    let after = alias::add(held[0].text(), &path, (from, to), |name| {
        key(name) == key(from)
    })?;
    let changed = [File {
        path: path.clone(),
        text: after,
    }];
    try_out(&path, &changed)?;
    let lines = format!("[tags.alias]\n{from:?} = {to:?}\n");
    write_or_show(&mut held, &changed, &lines, out)?;
    reload(global, &config, &mut held, out)?;
    out.note(&format!("`{from}` is `{to}` from now on"))?;
    Ok(Exit::Done)
}
