//! What the daemon is told to do with itself: `reload`, `gc`.

use super::access::{Access, Need};
use super::out::Out;
use super::units::bytes;
use super::{Exit, Failure, Global};
use crate::ops::upkeep::Swept;
use crate::ops::{Reloaded, Request};

pub(super) fn gc(global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let swept: Swept = access.ask(Request::Gc {})?;
    if out.is_json() {
        out.json(&swept)?;
    } else {
        out.note(&format!(
            "dropped {} articles; log {} before, {} now; index {} before, {} now",
            swept.articles,
            bytes(swept.log_before),
            bytes(swept.log_after),
            bytes(swept.index_before),
            bytes(swept.index_after)
        ))?;
    }
    access.close()?;
    Ok(Exit::Done)
}

pub(super) fn reload(global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open_daemon(global)?;
    let reloaded: Reloaded = access.ask(Request::Reload {})?;
    if out.is_json() {
        out.json(&reloaded)?;
        return Ok(Exit::Done);
    }
    for line in changes(&reloaded) {
        out.note(&line)?;
    }
    for warning in &reloaded.warnings {
        eprintln!("{warning}");
    }
    Ok(Exit::Done)
}

fn changes(reloaded: &Reloaded) -> Vec<String> {
    let lines: Vec<String> = [
        ("added", &reloaded.added),
        ("removed", &reloaded.removed),
        ("changed", &reloaded.changed),
        ("in force now", &reloaded.settings),
        ("needs a restart", &reloaded.restart),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", names.join(", ")))
    .collect();
    if lines.is_empty() {
        return vec!["nothing changed".to_owned()];
    }
    lines
}
