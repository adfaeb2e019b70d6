//! The change log for followers: commits after a revision, read from the frames of the article log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::core::Core;
use super::frame;
use super::item::{Item, Stand};
use super::lists;
use super::log::Pos;
use super::{Commit, Error};
use crate::model::article::{ArticleId, Revision};
use crate::model::label::Scope;
use crate::model::time::Timestamp;

/// Places at which followers left off.
#[derive(Debug, Default)]
pub(super) struct Bookmarks(Mutex<HashMap<u64, Pos>>);

/// So many followers may be under way without looking for their place again.
const MOST: usize = 64;

impl Bookmarks {
    fn take(&self, number: u64) -> Option<Pos> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.get(&number).copied()
    }

    fn put(&self, number: u64, at: Pos) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= MOST {
            marks.clear();
        }
        marks.insert(number, at);
    }
}

/// Commits after `after`, whole ones, oldest first.
pub(super) fn changes(
    core: &Core,
    marks: &Bookmarks,
    after: Revision,
    most: usize,
) -> Result<Vec<Commit>, Error> {
    let newest = core.revision();
    if most == 0 || after == newest {
        return Ok(Vec::new());
    }
    let files = core.log.files();
    let mut commits = Vec::new();
    let mut number = after.number;
    if !is_known(core, after) {
        number = files.values().next().map_or(0, |file| file.head.number);
        commits.push(Commit {
            revision: Revision {
                epoch: newest.epoch,
                number,
            },
            at: Timestamp::EPOCH,
            changes: Vec::new(),
            reset: true,
        });
    }
    let from = match marks.take(number) {
        Some(pos) if files.contains_key(&pos.file) => pos,
        _ => seek(core, number)?,
    };
    let mut end = from;
    if commits.len() < most {
        core.log.scan(from, |read| {
            let head = read.head;
            // Not yet acknowledged: its writer is just about to be told, and then it is read.
            if head.number > newest.number {
                return Ok(false);
            }
            end = Pos {
                file: read.pos.file,
                at: read.pos.at + read.bytes.len() as u64,
            };
            if head.visible && head.number > number {
                commits.push(commit(newest.epoch, &read));
            }
            Ok(commits.len() < most)
        })?;
    }
    if let Some(last) = commits.last()
        && !last.reset
    {
        marks.put(last.revision.number, end);
    }
    Ok(commits)
}

/// True if everything after this revision is still in the log.
pub(super) fn is_known(core: &Core, after: Revision) -> bool {
    let newest = core.revision();
    let files = core.log.files();
    let oldest = files.values().next().map_or(0, |file| file.head.number);
    after.epoch == newest.epoch && (oldest..=newest.number).contains(&after.number)
}

/// A place behind the commit of this number and before the next visible one.
fn seek(core: &Core, number: u64) -> Result<Pos, Error> {
    let files = core.log.files();
    let file = files
        .iter()
        .rev()
        .find(|(_, state)| state.head.number <= number)
        .or_else(|| files.iter().next());
    let Some((&file, state)) = file else {
        return Ok(core.log.beginning());
    };
    let mut found = Pos {
        file,
        at: state.begin,
    };
    core.log.heads(file, |head, pos| {
        if head.number <= number {
            found = pos;
        }
        head.number <= number
    })?;
    Ok(found)
}

fn commit(epoch: u32, read: &super::log::Read<'_>) -> Commit {
    let mut changes: Vec<(ArticleId, Vec<Scope>)> = Vec::new();
    for (_, raw) in frame::items(read.bytes).flatten() {
        match raw.item {
            Item::Put(stand) | Item::Amend(stand) => {
                let scopes = if read.head.carried {
                    Vec::new()
                } else {
                    concerned(&stand)
                };
                changes.push((stand.head.id, scopes));
            }
            Item::Removed(gone) => changes.push((gone.id, gone.left.lists)),
            _ => {}
        }
    }
    Commit {
        revision: Revision {
            epoch,
            number: read.head.number,
        },
        at: read.head.at,
        changes,
        reset: false,
    }
}

/// The lists that a change entered, altered or left.
fn concerned(stand: &Stand) -> Vec<Scope> {
    let mut scopes = lists::lists(&stand.head);
    for left in &stand.left.lists {
        if !scopes.contains(left) {
            scopes.push(left.clone());
        }
    }
    scopes
}
