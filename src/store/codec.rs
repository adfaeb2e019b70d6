//! How long values become bytes and come back: `MessagePack` arrays, texts inside zstd. Bytes are not trusted: reading gives
//! `None` where they are not what we wrote. Short values are in `model/bytes.rs`.

mod msgpack;

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use crate::model::bytes::{In, Out};
use crate::model::source::SourceState;

/// zstd level of article bodies.
const LEVEL: i32 = 1;
/// Room for what is packed that a thread keeps for the next time, bytes.
const USUAL: usize = 16 << 10;
/// A body that claims to be longer than this is damaged.
const LONGEST_BODY: usize = 1 << 30;

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
