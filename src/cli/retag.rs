//! `aggd retag`: the rules of today for the stories of yesterday, after a look at what they would do.

use super::access::{Access, Need};
use super::out::{Out, shortened};
use super::{Exit, Failure, Global};
use crate::ops::Request;
use crate::ops::labels::{Difference, Retag, Retagged};

/// Arguments of `aggd retag`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only stories published since then: 7d, 2026-11-24, 2026-11-24T08:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only print what would be different
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(global: &Global, args: Args, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let mut wanted = Retag {
        since: args.since,
        dry_run: args.dry_run,
        after: 0,
    };
    let (mut looked, mut changed, mut dropped) = (0, 0, 0);
    let mut all = Vec::new();
    loop {
        let page: Retagged = access.ask(Request::Retag(wanted.clone()))?;
        looked += page.looked;
        changed += page.differences.len();
        dropped += page.differences.iter().filter(|one| one.dropped).count();
        if out.is_json() && !out.is_lines() {
            all.extend(page.differences);
        } else {
            let narrow = out.is_terminal();
            out.list(
                &["ARTICLE", "TITLE", "DIFFERENCE"],
                &page.differences,
                |one| {
                    let title = if narrow {
                        shortened(&one.title, 40)
                    } else {
                        one.title.clone()
                    };
                    vec![one.article.clone(), title, words(one)]
                },
            )?;
        }
        match page.next {
            Some(next) => wanted.after = next,
            None => break,
        }
    }
    if out.is_json() && !out.is_lines() {
        out.json(&all)?;
    }
    access.close()?;
    let would = if args.dry_run { "would be " } else { "" };
    out.note(&format!(
        "{looked} stories looked at, {changed} {would}changed, {dropped} of these {would}dropped"
    ))?;
    Ok(Exit::Done)
}

fn words(one: &Difference) -> String {
    let mut words: Vec<String> = Vec::new();
    if one.dropped {
        words.push("dropped".to_owned());
    }
    words.extend(one.added.iter().map(|label| format!("+{label}")));
    words.extend(one.removed.iter().map(|label| format!("-{label}")));
    if let Some((before, after)) = one.score {
        words.push(format!("score {before} to {after}"));
    }
    words.extend(
        one.new_title
            .iter()
            .map(|title| format!("title \"{title}\"")),
    );
    words.extend(one.new_url.iter().map(|url| format!("url {url}")));
    words.join(", ")
}
