//! How values become bytes and come back: numbers as LEB128, text with its length before it, long texts as `MessagePack`
//! arrays inside zstd. Bytes are not trusted: reading gives `None` where they are not what we wrote.

mod msgpack;

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::source::SourceState;

/// zstd level of article bodies.
const LEVEL: i32 = 3;
/// Room for what is packed that a thread keeps for the next time, bytes.
const USUAL: usize = 16 << 10;
/// A body that claims to be longer than this is damaged.
const LONGEST_BODY: usize = 1 << 30;

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A number, seven bits a byte, the lowest first.
    pub(super) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(low(value) | 0x80);
            value >>= 7;
        }
        self.0.push(low(value));
    }

    /// A number with a sign: small ones of either sign stay short.
    pub(super) fn signed(&mut self, value: i64) {
        self.number((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    pub(super) fn hash(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn word(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }
}

/// The low seven bits.
fn low(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit")
}

/// Reads values one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct In<'a>(pub(super) &'a [u8]);

impl<'a> In<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        // Most are short.
        match *self.0 {
            [byte @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Some(u64::from(byte))
            }
            [first, second @ 0..0x80, ref rest @ ..] => {
                self.0 = rest;
                Some(u64::from(first & 0x7f) | u64::from(second) << 7)
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Option<i64> {
        let raw = self.number()?;
        Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    pub(super) fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// A number of things that follow, each of at least one byte: never more than there are bytes.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(super) fn hash(&mut self) -> Option<u128> {
        let (value, rest) = self.0.split_first_chunk::<16>()?;
        self.0 = rest;
        Some(u128::from_be_bytes(*value))
    }

    pub(super) fn word(&mut self) -> Option<u64> {
        let (value, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*value))
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (value, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(value)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// A value as a `MessagePack` array, compressed, with a checksum.
pub(super) fn pack<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    thread_local! {
        static PRESS: RefCell<Press> = const { RefCell::new(Press { worker: None, plain: Vec::new() }) };
    }
    PRESS.with_borrow_mut(|press| press.pack(value))
}

/// What a thread packs with: setting up a compressor costs more than compressing an article.
struct Press {
    worker: Option<zstd::bulk::Compressor<'static>>,
    plain: Vec<u8>,
}

impl Press {
    fn pack<T: Serialize + ?Sized>(&mut self, value: &T) -> Vec<u8> {
        self.plain.clear();
        // No longer than what is usual, or each thread would keep room for the longest article that it ever saw.
        self.plain.shrink_to(USUAL);
        encode(&mut self.plain, value);
        let worker = self.worker.get_or_insert_with(|| {
            let mut new = zstd::bulk::Compressor::new(LEVEL).expect("a level that zstd has");
            new.include_checksum(true).expect("zstd has checksums");
            new
        });
        worker
            .compress(&self.plain)
            .expect("a buffer of zstd's own bound is large enough")
    }
}

fn encode<T: Serialize + ?Sized>(to: &mut Vec<u8>, value: &T) {
    rmp_serde::encode::write(to, value).expect("our own types have no maps with odd keys");
}

/// The state of a source as a `MessagePack` array. A state is replaced at every visit, and most of it are numbers that do
/// not shrink: compressing it and back was a sixth of what a visit that brings nothing costs, in instructions.
pub(super) fn pack_state(state: &SourceState) -> Vec<u8> {
    let mut packed = Vec::with_capacity(2 << 10);
    encode(&mut packed, state);
    packed
}

/// What [`pack_state`] made.
pub(super) fn unpack_state(packed: &[u8]) -> Option<SourceState> {
    msgpack::read(packed)
}

/// What [`pack`] made, and how long it was before.
pub(super) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Option<(T, usize)> {
    thread_local! {
        static WORKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    // The frame says how long its content is: `pack` compresses in one piece.
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok()??;
    let length = usize::try_from(length).ok()?;
    // zstd cannot shrink a text to less than this; a claim beyond it is damage, not an order for memory.
    if length > LONGEST_BODY || length / 30_000 > packed.len() {
        return None;
    }
    let plain = WORKER.with_borrow_mut(|worker| {
        if worker.is_none() {
            *worker = zstd::bulk::Decompressor::new().ok();
        }
        worker.as_mut()?.decompress(packed, length).ok()
    })?;
    let value = msgpack::read(&plain)?;
    Some((value, plain.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Out::default();
            out.number(value);
            assert_eq!(In(&out.0).number(), Some(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX, 1_700_000_000_000_000] {
            let mut out = Out::default();
            out.signed(value);
            assert_eq!(In(&out.0).signed(), Some(value));
        }
    }

    #[test]
    fn a_cut_or_overlong_number_is_none() {
        assert_eq!(In(&[0x80]).number(), None);
        assert_eq!(In(&[0xff; 10]).number(), None);
        assert_eq!(In(&[9, 1, 2]).bytes(), None);
    }

    #[test]
    fn a_flipped_bit_in_a_packed_value_is_noticed() {
        let packed = pack(&vec!["some text that is long enough to be compressed"; 9]);
        for at in 0..packed.len() {
            let mut bad = packed.clone();
            bad[at] ^= 4;
            let back: Option<(Vec<String>, usize)> = unpack(&bad);
            assert!(back.is_none_or(|(v, _)| v.len() == 9), "byte {at}");
        }
    }
}
