//! `stories`: which articles were seen at several places, and what the administrator says belongs together.

use super::access::{Access, Need};
use super::out::{Out, shortened};
use super::{Exit, Failure, Global};
use crate::ops::Request;
use crate::ops::stories::{Settled, StoryRow, Why};

/// Stories of a list, unless `--limit` says otherwise.
const USUAL: usize = 50;

/// Arguments of `aggd stories`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = USUAL)]
    limit: usize,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Take copies out of a story, for good
    #[command(after_help = "Example:\n  aggd stories split 0123456789abcdef0123456789abcdef")]
    Split {
        /// The copy's own id; the story's id takes every copy out
        id: String,
    },
    /// Make two articles one, for good; the older one keeps its id
    #[command(
        after_help = "Example:\n  aggd stories merge 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210"
    )]
    Merge {
        /// One of them
        a: String,
        /// The other
        b: String,
    },
}

pub(super) fn run(global: &Global, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let exit = match args.what {
        Some(What::Split { id }) => {
            let done: Settled = access.ask(Request::SplitStory { id })?;
            settled(&done, "stands alone now", out)?
        }
        Some(What::Merge { a, b }) => {
            let done: Settled = access.ask(Request::MergeStories { a, b })?;
            settled(&done, "is part of it now", out)?
        }
        None => {
            let rows: Vec<StoryRow> = access.ask(Request::Stories { limit: args.limit })?;
            let header = ["ID", "COPIES", "FEEDS", "BY", "TITLE"];
            out.list(&header, &rows, |row| {
                let feeds: Vec<&str> = row.copies.iter().map(|copy| copy.feed.as_str()).collect();
                let mut by: Vec<&str> = row.copies.iter().map(|copy| layer(&copy.why)).collect();
                by.retain(|by| *by != "founded");
                by.dedup();
                if !row.maybe.is_empty() {
                    by.push("maybe");
                }
                vec![
                    row.id.clone(),
                    row.copies.len().to_string(),
                    feeds.join(" "),
                    by.join(" "),
                    shortened(&row.title, 60),
                ]
            })?;
            Exit::Done
        }
    };
    access.close()?;
    Ok(exit)
}

fn settled(done: &Settled, what: &str, out: &mut Out) -> Result<Exit, Failure> {
    if out.is_json() {
        out.json(done)?;
        return Ok(Exit::Done);
    }
    out.line(&format!("story {}", done.article))?;
    for other in &done.others {
        out.line(&format!("{other} {what}"))?;
    }
    Ok(Exit::Done)
}

/// The layer in a word.
fn layer(why: &Why) -> &'static str {
    use crate::model::article::Layer;
    match why.layer {
        Layer::Founded => "founded",
        Layer::Url => "url",
        Layer::Content => "content",
        Layer::Near => "near",
        Layer::Pinned => "pinned",
    }
}

/// The reason in lines for people.
pub(super) fn because(why: &Why) -> Vec<String> {
    use crate::model::article::{Layer, Spoke};
    let by = match why.layer {
        Layer::Founded => "by none: it is the first".to_owned(),
        Layer::Url => "by its address".to_owned(),
        Layer::Content => "by an equal text".to_owned(),
        Layer::Near => "by a nearly equal text".to_owned(),
        Layer::Pinned => "by the administrator's word".to_owned(),
    };
    let mut lines = vec![match (&why.scores, &why.with) {
        (Some(scores), Some(with)) => format!(
            "  recognised {by}: Jaccard {:.2}, containment {:.2}, beginning {:.2}, numbers {}/{}, with {with}",
            scores.jaccard, scores.containment, scores.lead, scores.common_numbers, scores.numbers
        ),
        _ => format!("  recognised {by}"),
    }];
    for against in &why.against {
        let spoke = match against.spoke {
            Spoke::Teaser => "too few words to compare",
            Spoke::Different => "the texts differ",
            Spoke::Numbers => "the numbers differ",
            Spoke::Series => "the headlines differ in digits and dates alone: a series",
            Spoke::Footer => "nothing but a text that the feed repeats",
            Spoke::Weaker => "another one is more alike",
            Spoke::Title => "only the headline is the same: `aggd stories merge` makes them one",
        };
        lines.push(format!(
            "  not {}: {spoke} (Jaccard {:.2}, containment {:.2}, numbers {}/{})",
            against.article,
            against.scores.jaccard,
            against.scores.containment,
            against.scores.common_numbers,
            against.scores.numbers
        ));
    }
    lines
}
