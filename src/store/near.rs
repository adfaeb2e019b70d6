//! Near copies: the hashing in memory that finds them, made from the signatures that log and index keep, and whether a
//! commit came too late to know of one.
//!
//! Nothing of this costs anything until the first question: only then are the signatures of the window read.

mod prints;

use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use super::apply::spot;
use super::core::Core;
use super::lsh::{Hit, Lsh, Print, Range};
use super::{Alike, Among, Error, Near, Prints};
use crate::model::article::{ArticleId, Key};
use crate::model::signature::Signature;
use crate::model::time::Timestamp;

use prints::{AT_ONCE, runs_up_to};
pub(super) use prints::{ItemKey, Marks, Run, apply, runs, write_marks};

/// The hashing, once somebody asked for it.
#[derive(Debug, Default)]
pub(super) struct Shelf(std::sync::RwLock<Option<Lsh>>);

impl Shelf {
    fn read(&self) -> RwLockReadGuard<'_, Option<Lsh>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Lsh>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the hashing says; nothing if it is not there yet.
    fn ask<T: Default>(&self, question: impl FnOnce(&Lsh) -> T) -> T {
        self.read().as_ref().map(question).unwrap_or_default()
    }

    /// As if nobody had asked yet.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        *self.write() = None;
    }

    /// Signatures in memory, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        self.ask(|lsh| (lsh.len() as u64, lsh.bytes() as u64))
    }
}

/// Reads the signatures that the index knows into memory.
fn load(core: &Core) -> Result<Lsh, Error> {
    let mut lsh = Lsh::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = runs(core, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for run in some.iter().filter_map(|(_, run)| run.as_ref()) {
            for print in run.prints(core)? {
                lsh.push(&print);
            }
            lsh.last = lsh.last.max(run.last());
        }
    }
    lsh.make_tables();
    lsh.applied = lsh.last;
    if !lsh.is_empty() {
        tracing::debug!(
            signatures = lsh.len(),
            bytes = lsh.bytes(),
            "near copies can be found"
        );
    }
    Ok(lsh)
}

/// Texts that may be the same as these, with the articles they belong to now.
pub(super) fn alike(core: &Core, sought: &[Signature], among: Among) -> Result<Alike, Error> {
    if core.near.read().is_none() {
        let mut shelf = core.near.write();
        if shelf.is_none() {
            *shelf = Some(load(core)?);
        }
    }
    let (as_of, hits) = {
        let shelf = core.near.read();
        let Some(lsh) = shelf.as_ref() else {
            return Err(Error::Closed);
        };
        let range = Range {
            reach: among.reach,
            since: among.since,
            numbers: (0, lsh.applied),
        };
        let hits: Vec<(bool, Vec<Hit>)> = sought
            .iter()
            .map(|one| (lsh.is_series(one, 1), lsh.find(one, &range)))
            .collect();
        (lsh.applied, hits)
    };
    let mut alike = Alike {
        as_of,
        found: Vec::with_capacity(hits.len()),
    };
    for (in_series, hits) in hits {
        let mut near = Vec::with_capacity(hits.len());
        for hit in hits {
            // Its article may be gone: then nothing leads there any more.
            if let Some(live) = core.holders(Key::Guid(hit.copy.0))?.into_iter().next_back() {
                near.push(Near {
                    copy: hit.copy,
                    article: live.stand.head.id,
                    seen: hit.at,
                    source: hit.source,
                    in_series: in_series || hit.in_series,
                });
            }
        }
        alike.found.push(near);
    }
    Ok(alike)
}

/// True if since the question that these signatures were decided by something came that is too alike to be overlooked.
pub(super) fn came_too_late(core: &Core, prints: &Prints) -> bool {
    let shelf = core.near.read();
    let Some(lsh) = shelf.as_ref().filter(|lsh| lsh.last > prints.as_of) else {
        return false;
    };
    let range = Range {
        reach: prints.among.reach,
        since: prints.among.since,
        numbers: (prints.as_of + 1, u64::MAX),
    };
    prints.signatures.iter().any(|(_, one)| {
        let hits = lsh.find(one, &range);
        hits.iter().any(|hit| hit.estimate.is_worth_a_look())
    })
}

/// Lets others see what a batch that was accepted adds; what they decide meanwhile must not overlook it.
pub(super) fn announce(core: &Core, first: u64, prints: &Prints, at: Timestamp) {
    if let Some(lsh) = core.near.write().as_mut() {
        for (number, (copy, signature)) in (first..).zip(&prints.signatures) {
            lsh.insert(&Print {
                number,
                at,
                copy: *copy,
                signature: signature.clone(),
            });
        }
    }
}

/// Everything up to this number is in the index now. What was never announced, since nobody had asked yet, is added; what
/// is older than anybody asks for goes. Gives the keys of runs that nobody needs any more.
pub(super) fn settle(
    core: &Core,
    upto: u64,
    before: Option<Timestamp>,
) -> Result<Vec<ItemKey>, Error> {
    let mut shelf = core.near.write();
    let Some(lsh) = shelf.as_mut() else {
        return Ok(Vec::new());
    };
    while lsh.last < upto {
        let number = lsh.last + 1;
        match Run::at(core, number)? {
            Some(run) => {
                for print in run.prints(core)? {
                    lsh.insert(&print);
                }
                lsh.last = lsh.last.max(run.last());
            }
            None => lsh.last = number,
        }
    }
    lsh.applied = lsh.applied.max(upto);
    match before.and_then(|before| lsh.expire(before)) {
        Some(gone) => {
            let old = runs_up_to(core, gone)?.into_iter();
            Ok(old.map(|(key, _)| key).collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Lets go of signatures whose copies lead nowhere: the articles went before the window did. Gives the keys of runs that
/// nobody needs any more.
pub(super) fn let_go(core: &Core) -> Result<Vec<ItemKey>, Error> {
    let mut gone = None;
    for piece in core.near.ask(|lsh| lsh.pieces().collect::<Vec<_>>()) {
        let copies = core.near.ask(|lsh| lsh.copies(piece));
        // Those that stay get other places, which is worth it where most go.
        let most = copies.len() / 2;
        let mut living = Vec::new();
        for copy in copies {
            if living.len() <= most && leads_somewhere(core, [copy])? {
                living.push(copy);
            }
        }
        if living.len() > most {
            continue;
        }
        if let Some(lsh) = core.near.write().as_mut() {
            lsh.keep(piece, &living.into_iter().collect());
        }
        gone = Some(piece.last);
    }
    gone.map_or_else(|| Ok(Vec::new()), |gone| keys_of_nobody(core, gone))
}

/// The keys of runs up to this number of which no signature is left.
fn keys_of_nobody(core: &Core, upto: u64) -> Result<Vec<ItemKey>, Error> {
    let left = core.near.ask(|lsh| lsh.numbers().collect::<Vec<_>>());
    let is_left = |run: Run| {
        let next = left.partition_point(|number| *number < run.first);
        left.get(next).is_some_and(|number| *number <= run.last())
    };
    let runs = runs_up_to(core, upto)?.into_iter();
    let nobodys = runs.filter(|(_, run)| run.is_none_or(|run| !is_left(run)));
    Ok(nobodys.map(|(key, _)| key).collect())
}

/// True if an article has one of these copies.
pub(super) fn leads_somewhere(
    core: &Core,
    copies: impl IntoIterator<Item = ArticleId>,
) -> Result<bool, Error> {
    for copy in copies {
        let spot = spot(Key::Guid(copy.0));
        if !spot.holders(&core.index.read())?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
