//! Walks through lists, chunk by chunk, from the place that is asked for to the nearest member: what pages are merged from.

use std::sync::Arc;

use crate::store::Error;
use crate::store::apply::list_prefix;
use crate::store::index::{Chunk, Table};
use crate::store::packed::{self, LAST, OTHER, Place};

/// The next older place.
pub(super) fn below(place: Place) -> Place {
    match place {
        (0, 0) => (0, 0),
        (a, 0) => (a - 1, u64::MAX),
        (a, b) => (a, b - 1),
    }
}

/// The next newer place.
pub(super) fn above(place: Place) -> Place {
    match place {
        (a, u64::MAX) => (a.saturating_add(1), 0),
        (a, b) => (a, b + 1),
    }
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Older,
    Newer,
}

/// Chunks that are looked for at once.
const STRIDE: usize = 64;
/// Members that are looked at one by one before the next is searched for.
const STEPS: usize = 8;

/// A list that is walked through, with the chunk that was looked at last.
pub(super) struct Walk {
    prefix: [u8; 5],
    /// Members, for beginning with the shortest list.
    count: u64,
    chunk: Option<(Place, Arc<Chunk>)>,
    /// Chunks that come next on the way to older members, the nearest last.
    ahead: Vec<(Place, Arc<Chunk>)>,
    /// How many of them were looked for at once: more and more, the longer one walks.
    stride: usize,
    /// Members of the chunk before the place that was looked for last: the next one is near, nearly always.
    before: usize,
}

impl Walk {
    pub(super) fn new(kind: u8, id: u32, count: u64) -> Self {
        Self {
            prefix: list_prefix(kind, id),
            count,
            chunk: None,
            ahead: Vec::new(),
            stride: 1,
            before: 0,
        }
    }

    /// The nearest member at or beyond a place.
    fn seek(&mut self, table: &Table, place: Place, way: Way) -> Result<Option<Place>, Error> {
        if way == Way::Older
            && let Some(member) = self.next_older(place)
        {
            return Ok(Some(member));
        }
        let mut from = place;
        loop {
            let covered = self
                .chunk
                .as_ref()
                .is_some_and(|(begin, chunk)| *begin <= from && from < chunk.upper);
            if !covered {
                // The last place of all belongs to the last chunk.
                let at = if from == LAST { below(LAST) } else { from };
                match way {
                    Way::Older => self.go_down(table, at)?,
                    Way::Newer => self.chunk = table.chunk(&self.prefix, at)?,
                }
            }
            let Some((begin, chunk)) = &self.chunk else {
                return Ok(None);
            };
            match way {
                Way::Older => {
                    self.before = point(&chunk.places, self.before, |member| member <= from);
                    if self.before > 0 {
                        return Ok(Some(chunk.places[self.before - 1]));
                    }
                    if *begin == (0, 0) {
                        return Ok(None);
                    }
                    from = below(*begin);
                }
                Way::Newer => {
                    self.before = point(&chunk.places, self.before, |member| member < from);
                    if let Some(member) = chunk.places.get(self.before) {
                        return Ok(Some(*member));
                    }
                    if chunk.upper == LAST {
                        return Ok(None);
                    }
                    from = chunk.upper;
                }
            }
        }
    }
}

impl Walk {
    /// The nearest member at or below a place if it is among the next few: whoever walks step by step finds it here.
    #[inline]
    fn next_older(&mut self, from: Place) -> Option<Place> {
        let (begin, chunk) = self.chunk.as_ref()?;
        if from < *begin || from >= chunk.upper {
            return None;
        }
        let (rest, beyond) = chunk.places.split_at_checked(self.before)?;
        if beyond.first().is_some_and(|member| *member <= from) {
            return None;
        }
        let found = rest.iter().rev().take(STEPS).position(|one| *one <= from)?;
        self.before -= found;
        Some(rest[self.before - 1])
    }

    /// Goes to the chunk that contains this older place.
    fn go_down(&mut self, table: &Table, at: Place) -> Result<(), Error> {
        while let Some((begin, _)) = self.ahead.last() {
            if *begin <= at {
                break;
            }
            self.ahead.pop();
        }
        if self.ahead.last().is_none_or(|(_, chunk)| at >= chunk.upper) {
            self.ahead = table.chunks_down(&self.prefix, at, self.stride)?;
            // Who came from next door goes on so: a look for many chunks costs little more than one for a single chunk.
            let here = self.chunk.as_ref().map(|(begin, _)| *begin);
            let next_door = self
                .ahead
                .first()
                .is_some_and(|(_, next)| Some(next.upper) == here);
            self.stride = if next_door {
                (self.stride * 4).min(STRIDE)
            } else {
                1
            };
            self.ahead.reverse();
        }
        self.chunk = self.ahead.pop();
        Ok(())
    }
}

/// The number of members, all at the beginning, for which `holds` is true; it is near `guess` if one walks step by step.
fn point(members: &[Place], guess: usize, holds: impl Fn(Place) -> bool) -> usize {
    let fits = |at: usize| {
        at <= members.len()
            && (at == 0 || holds(members[at - 1]))
            && members.get(at).is_none_or(|member| !holds(*member))
    };
    let near = [guess, guess.wrapping_sub(1), guess.wrapping_add(1)];
    let found = near.into_iter().find(|at| fits(*at));
    found.unwrap_or_else(|| members.partition_point(|member| holds(*member)))
}

/// Lists of which an article must stand in one.
pub(super) struct OneOf {
    pub(super) walks: Vec<Walk>,
    /// Nothing stands above the first of these places and not above the second.
    gap: Option<(Place, Place)>,
}

impl OneOf {
    pub(super) fn new(walks: Vec<Walk>) -> Self {
        Self { walks, gap: None }
    }

    #[inline]
    pub(super) fn seek(
        &mut self,
        table: &Table,
        place: Place,
        way: Way,
    ) -> Result<Option<Place>, Error> {
        match &mut self.walks[..] {
            [only] => only.seek(table, place, way),
            _ => self.seek_all(table, place, way),
        }
    }

    /// True if the article at this place stands in one of them, under whatever spelling.
    #[inline]
    pub(super) fn holds(&mut self, table: &Table, place: Place) -> Result<bool, Error> {
        let (first, last) = (packed::bare(place), (place.0, place.1 | u64::from(OTHER)));
        if let Some((below, upto)) = self.gap
            && below < first
            && last <= upto
        {
            return Ok(false);
        }
        let found = self.seek(table, last, Way::Older)?;
        if found.is_some_and(|found| found >= first) {
            return Ok(true);
        }
        self.gap = Some((found.unwrap_or_default(), last));
        Ok(false)
    }

    fn seek_all(&mut self, table: &Table, place: Place, way: Way) -> Result<Option<Place>, Error> {
        let mut best: Option<Place> = None;
        for walk in &mut self.walks {
            if let Some(found) = walk.seek(table, place, way)? {
                best = Some(match (best, way) {
                    (None, _) => found,
                    (Some(best), Way::Older) => best.max(found),
                    (Some(best), Way::Newer) => best.min(found),
                });
            }
        }
        Ok(best)
    }

    pub(super) fn count(&self) -> u64 {
        self.walks.iter().map(|walk| walk.count).sum()
    }
}
