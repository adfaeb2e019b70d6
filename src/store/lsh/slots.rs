//! Signatures by place, in pieces that go together.

use std::collections::VecDeque;

use crate::model::article::ArticleId;
use crate::model::signature::Signature;
use crate::model::time::Timestamp;

/// Signatures in one piece of memory. They go together, so one that stays keeps few others.
pub(super) const CHUNK: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) copy: ArticleId,
    pub(super) signature: Signature,
}

/// Signatures by place.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Each is full but the last; those that are gone are empty, or no longer here if none before them is left.
    chunks: VecDeque<Vec<Slot>>,
    /// Places of chunks that are no longer here.
    gone: usize,
    pub(super) len: usize,
}

/// Signatures that go together: the place of the first, and the number of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    place: usize,
    /// Number of its last signature.
    pub last: u64,
}

impl Slots {
    pub(super) fn get(&self, place: usize) -> Option<&Slot> {
        let place = place.checked_sub(self.gone)?;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    /// Gives its place.
    pub(super) fn push(&mut self, slot: Slot) -> usize {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        let at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[at];
        chunk.push(slot);
        self.len += 1;
        self.gone + at * CHUNK + chunk.len() - 1
    }

    /// All of them, with their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let begins = (self.gone..).step_by(CHUNK);
        let chunks = begins.zip(&self.chunks);
        chunks.flat_map(|(begin, chunk)| (begin..).zip(chunk))
    }

    /// The pieces, oldest first.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let begins = (self.gone..).step_by(CHUNK);
        begins.zip(&self.chunks).filter_map(|(place, chunk)| {
            let last = chunk.last()?.number;
            Some(Piece { place, last })
        })
    }

    pub(super) fn oldest(&self) -> Option<Piece> {
        self.pieces().next()
    }

    /// The signatures of a piece; none if it has gone meanwhile.
    pub(super) fn piece(&self, piece: Piece) -> &[Slot] {
        let at = piece.place.checked_sub(self.gone);
        let chunk = at.and_then(|at| self.chunks.get(at / CHUNK));
        let same = chunk.filter(|chunk| chunk.last().is_some_and(|slot| slot.number == piece.last));
        same.map_or(&[], Vec::as_slice)
    }

    /// Lets go of a piece that is still here.
    pub(super) fn drop_piece(&mut self, piece: Piece) {
        let here = self.piece(piece).len();
        if here > 0 {
            self.len -= here;
            self.chunks[(piece.place - self.gone) / CHUNK] = Vec::new();
        }
        while self.chunks.front().is_some_and(Vec::is_empty) {
            self.chunks.pop_front();
            self.gone += CHUNK;
        }
    }

    /// The number of the newest signature.
    pub(super) fn newest(&self) -> Option<u64> {
        let last = self.chunks.back().and_then(|chunk| chunk.last());
        last.map(|slot| slot.number)
    }

    /// Signatures that there is room for.
    pub(super) fn capacity(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Counts places from the oldest on.
    pub(super) fn number_anew(&mut self) {
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.gone = 0;
    }
}
