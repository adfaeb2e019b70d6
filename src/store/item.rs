//! What a frame of the log is made of: one item for each thing that changed, with all that the index must know of it.
//!
//! An item is a kind, the lengths of its two parts, a checksum, the metadata (packed by hand: enough for the index) and
//! the body (compressed, with a checksum of its own: the text). An item can be read alone, without its frame.

mod parts;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::article::{ArticleId, Head, Key};
use crate::model::label::Scope;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

use super::codec::{In, Out};
use super::near::Marks;

pub(super) use parts::{parts, scope_parts};
use parts::{
    put_keys, put_left, put_scope, put_stand, take_all, take_keys, take_left, take_scope,
    take_source, take_stand, take_time,
};

/// Metadata of one item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A whole article: new, revised, or carried forward from an older file.
    Put(Arc<Stand>),
    /// A new head, and sightings in the body; the text stays where it is.
    Amend(Arc<Stand>),
    /// An article that is gone.
    Removed(Box<Gone>),
    /// A source's state, in the body.
    State(SourceId),
    /// The tombstones of a source were taken away.
    Unburied(SourceId),
    /// What was remembered of a source was thrown away.
    Forgotten(SourceId),
    /// Tombstones carried forward.
    Tombstones(Vec<Tombstone>),
    /// What is remembered of a list whether or not anything stands in it.
    Name(Box<Name>),
    /// A note of that name; its text is in the body.
    Note(String),
    /// Signatures of near copies, and the paragraphs of their entries, in the body.
    Marks(Marks),
    /// How often a source's paragraphs were seen in files that are gone, in the body.
    Paragraphs(SourceId),
    /// Keys that no longer lead to an article.
    Unkeyed(u64, Vec<Key>),
}

/// How an article stands after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stand {
    pub(super) seq: u64,
    pub(super) head: Head,
    /// All keys that lead to it, apart from those that the head names.
    pub(super) keys: Vec<Key>,
    /// Lists that it stood in and no longer does.
    pub(super) left: Left,
    /// When its source last listed it, once it no longer does.
    pub(super) listed_until: Timestamp,
}

/// A place in lists that an article leaves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) private: bool,
    pub(super) published: Timestamp,
    pub(super) first_seen: Timestamp,
    /// Lists in which readers found it.
    pub(super) lists: Vec<Scope>,
    /// Where it could be narrowed down, if it was private.
    pub(super) hidden: Vec<Scope>,
}

/// An article that is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    pub(super) seq: u64,
    pub(super) id: ArticleId,
    pub(super) source: SourceId,
    /// All keys that led to it.
    pub(super) keys: Vec<Key>,
    pub(super) left: Left,
}

/// The trace of a purged key: kind and hash of the key, tick of the burial, source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tombstone {
    pub(super) kind: u8,
    pub(super) hash: u64,
    pub(super) tick: u32,
    pub(super) source: SourceId,
}

/// A list by name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) scope: Scope,
    pub(super) touched: Timestamp,
    /// How it is spelt for readers, if it has a spelling.
    pub(super) shown: String,
}

const PUT: u8 = 1;
const AMEND: u8 = 2;
const REMOVED: u8 = 3;
const STATE: u8 = 4;
const UNBURIED: u8 = 5;
const FORGOTTEN: u8 = 6;
const TOMBSTONES: u8 = 7;
const NAME: u8 = 8;
const NOTE: u8 = 9;
const MARKS: u8 = 20;
const UNKEYED: u8 = 21;
const PARAGRAPHS: u8 = 22;

/// An item as it stands in a frame: where it begins, its metadata and its packed body.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    /// From the beginning of what was given to [`raw`].
    pub(super) length: usize,
    pub(super) item: Item,
    pub(super) body: &'a [u8],
}

/// Writes an item.
pub(super) fn write(to: &mut Vec<u8>, item: &Item, body: &[u8]) {
    let (kind, meta) = encode(item);
    let mut out = Out(Vec::with_capacity(12));
    out.byte(kind);
    out.number(meta.len() as u64);
    out.number(body.len() as u64);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out.0), &meta);
    to.extend_from_slice(&out.0);
    to.extend_from_slice(&crc.to_le_bytes());
    to.extend_from_slice(&meta);
    to.extend_from_slice(body);
}

/// Reads the item at the beginning of these bytes; `None` if it is not one that we wrote.
pub(super) fn raw(bytes: &[u8]) -> Option<Raw<'_>> {
    let (item, rest, body_length) = meta(bytes)?;
    let body = rest.get(..body_length)?;
    Some(Raw {
        length: bytes.len() - rest.len() + body_length,
        item,
        body,
    })
}

/// Reads an item's metadata alone: the bytes may end anywhere behind it. Gives what follows, and the body's length.
pub(super) fn meta(bytes: &[u8]) -> Option<(Item, &[u8], usize)> {
    let mut input = In(bytes);
    let kind = input.byte()?;
    let meta_length = usize::try_from(input.number()?).ok()?;
    let body_length = usize::try_from(input.number()?).ok()?;
    let before = &bytes[..bytes.len() - input.0.len()];
    let crc = input.take(4)?;
    let meta = input.take(meta_length)?;
    if crc32c::crc32c_append(crc32c::crc32c(before), meta).to_le_bytes() != crc {
        return None;
    }
    Some((decode(kind, meta)?, input.0, body_length))
}

fn encode(item: &Item) -> (u8, Vec<u8>) {
    let mut out = Out(Vec::with_capacity(256));
    let kind = match item {
        Item::Put(stand) => {
            put_stand(&mut out, stand);
            PUT
        }
        Item::Amend(stand) => {
            put_stand(&mut out, stand);
            AMEND
        }
        Item::Removed(gone) => {
            out.number(gone.seq);
            out.hash(gone.id.0);
            out.text(gone.source.as_str());
            put_keys(&mut out, &gone.keys);
            put_left(&mut out, &gone.left);
            REMOVED
        }
        Item::State(source) => {
            out.text(source.as_str());
            STATE
        }
        Item::Unburied(source) => {
            out.text(source.as_str());
            UNBURIED
        }
        Item::Forgotten(source) => {
            out.text(source.as_str());
            FORGOTTEN
        }
        Item::Tombstones(all) => {
            out.number(all.len() as u64);
            for one in all {
                out.byte(one.kind);
                out.word(one.hash);
                out.number(u64::from(one.tick));
                out.text(one.source.as_str());
            }
            TOMBSTONES
        }
        Item::Name(name) => {
            put_scope(&mut out, &name.scope);
            out.signed(name.touched.as_micros());
            if !name.shown.is_empty() {
                out.text(&name.shown);
            }
            NAME
        }
        Item::Note(name) => {
            out.text(name);
            NOTE
        }
        Item::Marks(marks) => {
            out.text(marks.source.as_str());
            out.number(marks.first);
            out.number(u64::from(marks.count));
            MARKS
        }
        Item::Unkeyed(seq, keys) => {
            out.number(*seq);
            put_keys(&mut out, keys);
            UNKEYED
        }
        Item::Paragraphs(source) => {
            out.text(source.as_str());
            PARAGRAPHS
        }
    };
    (kind, out.0)
}

fn decode(kind: u8, meta: &[u8]) -> Option<Item> {
    let mut input = In(meta);
    let item = match kind {
        PUT => Item::Put(Arc::new(take_stand(&mut input)?)),
        AMEND => Item::Amend(Arc::new(take_stand(&mut input)?)),
        REMOVED => Item::Removed(Box::new(Gone {
            seq: input.number()?,
            id: ArticleId(input.hash()?),
            source: take_source(&mut input)?,
            keys: take_keys(&mut input)?,
            left: take_left(&mut input)?,
        })),
        STATE => Item::State(take_source(&mut input)?),
        UNBURIED => Item::Unburied(take_source(&mut input)?),
        FORGOTTEN => Item::Forgotten(take_source(&mut input)?),
        TOMBSTONES => {
            let take = |input: &mut In<'_>| {
                Some(Tombstone {
                    kind: input.byte()?,
                    hash: input.word()?,
                    tick: input.small()?,
                    source: take_source(input)?,
                })
            };
            Item::Tombstones(take_all(&mut input, take)?)
        }
        NAME => Item::Name(Box::new(Name {
            scope: take_scope(&mut input)?,
            touched: take_time(&mut input)?,
            // Older logs end here.
            shown: match input.0 {
                [] => String::new(),
                _ => input.text()?.to_owned(),
            },
        })),
        NOTE => Item::Note(input.text()?.to_owned()),
        MARKS => Item::Marks(Marks {
            source: take_source(&mut input)?,
            first: input.number()?,
            count: input.small()?,
        }),
        UNKEYED => Item::Unkeyed(input.number()?, take_keys(&mut input)?),
        PARAGRAPHS => Item::Paragraphs(take_source(&mut input)?),
        _ => return None,
    };
    Some(item)
}
