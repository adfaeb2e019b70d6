//! Signatures by place, in pieces that become smaller as their signatures go.

use std::collections::VecDeque;

use crate::model::article::ArticleId;
use crate::model::signature::Signature;
use crate::model::time::Timestamp;

/// Places of one piece of memory.
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
    /// Those before the last have fewer signatures than places once some have gone; without any they are empty, or no
    /// longer here if none before them is left.
    chunks: VecDeque<Vec<Slot>>,
    /// Places of chunks that are no longer here.
    gone: usize,
    pub(super) len: usize,
}

/// A piece of memory: its first place, and the number of its last signature.
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

    /// Lets go of some signatures of a piece that is still here; gives the places of those that stay, which are others now.
    pub(super) fn thin(
        &mut self,
        piece: Piece,
        stays: impl Fn(&Slot) -> bool,
    ) -> std::ops::Range<usize> {
        let before = self.piece(piece).len();
        if before == 0 {
            return 0..0;
        }
        let chunk = &mut self.chunks[(piece.place - self.gone) / CHUNK];
        chunk.retain(stays);
        chunk.shrink_to_fit();
        let after = chunk.len();
        self.len -= before - after;
        while self.chunks.front().is_some_and(Vec::is_empty) {
            self.chunks.pop_front();
            self.gone += CHUNK;
        }
        piece.place..piece.place + after
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

    /// Counts places from the oldest on, without gaps.
    pub(super) fn number_anew(&mut self) {
        let before = std::mem::take(self);
        for slot in before.chunks.into_iter().flatten() {
            self.push(slot);
        }
    }
}
