//! Items of the index: as they are used, and as sled has them.

use std::sync::Arc;

use super::damaged;
use super::disk::Stored;
use super::sets::Chunk;
use crate::store::Error;
use crate::store::packed::{self, Coding, NameRec, Place, Rec};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) value: Value,
    pub(super) stored: Option<Stored>,
    pub(super) dirty: bool,
}

/// An item as it is used.
#[derive(Debug, Clone)]
pub(in crate::store) enum Value {
    /// Nothing any more.
    Gone,
    /// Part of an ordered set.
    Set(Arc<Chunk>),
    /// Articles.
    Pack(Arc<Vec<(u64, Rec)>>),
    /// A list by name.
    Name(Arc<NameRec>),
    /// Anything else.
    Raw(Arc<[u8]>),
}

/// Reads what sled has under a key; `upper` matters for chunks only.
pub(super) fn decode(key: &[u8], bytes: &[u8], upper: Place) -> Result<Value, Error> {
    let value = match key.first() {
        Some(b'a') => packed::pack_begin(key)
            .and_then(|begin| packed::read_pack(begin, bytes))
            .map(|pack| Value::Pack(Arc::new(pack))),
        Some(b'n') => packed::read_name(bytes).map(|name| Value::Name(Arc::new(name))),
        Some(b's' | b'k' | b'm' | b'd' | b'p') => Some(Value::Raw(bytes.into())),
        _ => packed::read_chunk(Coding::of(key), bytes)
            .map(|places| Value::Set(Arc::new(Chunk { places, upper }))),
    };
    value.ok_or_else(|| damaged(key))
}

/// The bytes that sled gets for it; `None` if it is gone.
pub(super) fn encode(key: &[u8], value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Gone => None,
        Value::Set(chunk) => Some(packed::write_chunk(Coding::of(key), &chunk.places)),
        Value::Pack(pack) => Some(packed::write_pack(pack)),
        Value::Name(name) => Some(packed::write_name(name)),
        Value::Raw(bytes) => Some(bytes.to_vec()),
    }
}

/// Estimate of the bytes of an article's record in memory.
pub(super) const REC: usize = 150;
/// Bytes of a place.
pub(super) const PLACE: usize = size_of::<Place>();

/// Estimate of the bytes that an item takes in memory.
pub(super) fn weight(key: &[u8], value: &Value) -> usize {
    let inner = match value {
        Value::Gone => 0,
        Value::Set(chunk) => chunk.places.len() * PLACE,
        Value::Pack(pack) => pack.len() * REC,
        Value::Name(name) => {
            80 + name.months.len() * 16 + name.spellings.len() * 48 + name.shown.len()
        }
        Value::Raw(bytes) => bytes.len(),
    };
    120 + key.len() + inner
}
