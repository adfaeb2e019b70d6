//! Frames: what one commit adds to the log, whole or not at all. Bytes in, items out, and the other way round.
//!
//! A frame begins with a mark that no UTF-8 text contains, so that after damage the next one is found again; its length
//! and everything in it stand under one checksum.

use crate::model::time::Timestamp;

use super::item::{self, Item, Raw};

/// First bytes of a frame. Texts are UTF-8, so nothing that a publisher writes can look like one.
pub(super) const MARK: [u8; 4] = [0xff, b'a', b'f', 0xfe];
/// Mark, length, checksum.
pub(super) const PREFIX: usize = 12;
/// What stands before the first item.
pub(super) const HEAD: usize = PREFIX + 29;
/// A longer frame is not one of ours.
const LONGEST: usize = 1 << 30;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// It has a revision of its own, which followers see.
    pub(super) visible: bool,
    /// It carries older articles forward: followers learn of them, no list changed.
    pub(super) carried: bool,
    /// Number of the revision after it.
    pub(super) number: u64,
    /// When it was made.
    pub(super) at: Timestamp,
    /// The next new article after it gets a sequence number of at least this.
    pub(super) next_seq: u64,
    /// Items in it.
    pub(super) count: u32,
}

/// A frame under construction.
#[derive(Debug)]
pub(super) struct Draft {
    bytes: Vec<u8>,
    /// Beginning and length of each item, counted from the frame's first byte.
    pub(super) places: Vec<(usize, usize)>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; HEAD],
            places: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, item: &Item, body: &[u8]) {
        let at = self.bytes.len();
        item::write(&mut self.bytes, item, body);
        self.places.push((at, self.bytes.len() - at));
    }

    /// An item as it stands in another frame.
    pub(super) fn push_raw(&mut self, item: &[u8]) {
        self.places.push((self.bytes.len(), item.len()));
        self.bytes.extend_from_slice(item);
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The finished frame.
    pub(super) fn seal(mut self, mut head: FrameHead) -> Vec<u8> {
        head.count = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(self.bytes.len() - PREFIX).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&MARK);
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[12] = u8::from(head.visible) | u8::from(head.carried) << 1;
        self.bytes[13..21].copy_from_slice(&head.number.to_le_bytes());
        self.bytes[21..29].copy_from_slice(&head.at.as_micros().to_le_bytes());
        self.bytes[29..37].copy_from_slice(&head.next_seq.to_le_bytes());
        self.bytes[37..41].copy_from_slice(&head.count.to_le_bytes());
        let crc = checksum(&self.bytes);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        self.bytes
    }

    /// True if a frame of this many bytes can be read back.
    pub(super) fn fits(length: usize) -> bool {
        length - PREFIX <= LONGEST
    }
}

/// Over the length and all behind the checksum's own place.
fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[4..8]), &frame[12..])
}

/// What the bytes at some place are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// Perhaps a frame of this length; ask again with so many bytes.
    Needs(usize),
    /// Not a frame.
    Bad,
    /// A whole, sound frame of this length.
    Frame(FrameHead, usize),
}

/// Looks at the bytes where a frame should begin.
pub(super) fn peek(bytes: &[u8]) -> Peek {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else {
        return Peek::Needs(PREFIX);
    };
    let Some(length) = promised(prefix) else {
        return Peek::Bad;
    };
    let Some(frame) = bytes.get(..length) else {
        return Peek::Needs(length);
    };
    if checksum(frame).to_le_bytes() != frame[8..12] {
        return Peek::Bad;
    }
    match head(frame) {
        Some(head) => Peek::Frame(head, length),
        None => Peek::Bad,
    }
}

/// The whole length that a frame's first bytes promise.
pub(super) fn promised(prefix: &[u8; PREFIX]) -> Option<usize> {
    let length = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
    let length = usize::try_from(length).ok()?;
    (prefix[..4] == MARK && (HEAD - PREFIX..=LONGEST).contains(&length)).then_some(PREFIX + length)
}

/// What a frame's first [`HEAD`] bytes say, unchecked.
pub(super) fn head(frame: &[u8]) -> Option<FrameHead> {
    let word = |from: usize| frame.get(from..from + 8)?.first_chunk::<8>().copied();
    let flags = *frame.get(PREFIX)?;
    Some(FrameHead {
        visible: flags & 1 != 0,
        carried: flags & 2 != 0,
        number: u64::from_le_bytes(word(13)?),
        at: Timestamp::from_micros(i64::from_le_bytes(word(21)?)),
        next_seq: u64::from_le_bytes(word(29)?),
        count: u32::from_le_bytes(*frame.get(37..41)?.first_chunk::<4>()?),
    })
}

/// The items of a sound frame, each with its place in it; `None` where the bytes are not an item.
pub(super) fn items(frame: &[u8]) -> impl Iterator<Item = Option<(usize, Raw<'_>)>> {
    let mut at = HEAD;
    std::iter::from_fn(move || {
        let rest = frame.get(at..).filter(|rest| !rest.is_empty())?;
        let Some(raw) = item::raw(rest) else {
            at = frame.len();
            return Some(None);
        };
        let here = at;
        at += raw.length;
        Some(Some((here, raw)))
    })
}
