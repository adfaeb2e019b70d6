//! Reads any bytes as if they were ours: for the fuzzer, and for tests that feed it nonsense. Nothing here may panic,
//! whatever the bytes are, and what is understood must be understood the same once more.

use super::backup::{self, Line};
use super::codec;
use super::core::Body;
use super::frame::{self, Draft, FrameHead, Peek};
use super::item::{self, Item};
use super::packed::{self, Coding};
use super::paragraphs;
use crate::model::article::Sighting;
use crate::model::time::Timestamp;

/// Counts what could be understood.
#[must_use]
#[cfg_attr(
    not(fuzzing),
    expect(unreachable_pub, reason = "the fuzzer alone comes from outside")
)]
pub fn survey(bytes: &[u8]) -> usize {
    frames(bytes) + metadata(bytes) + index(bytes) + line(bytes)
}

/// As a file of the log.
fn frames(bytes: &[u8]) -> usize {
    let (mut found, mut at) = (0, 0);
    while at < bytes.len() {
        match frame::peek(&bytes[at..]) {
            Peek::Frame(head, length) => {
                let read = &bytes[at..at + length];
                for (_, raw) in frame::items(read).flatten() {
                    found += 1;
                    bodies(raw.body);
                }
                assert_eq!(frame::head(read), Some(head));
                at += length;
            }
            Peek::Needs(_) | Peek::Bad => at += 1,
        }
    }
    found
}

fn bodies(bytes: &[u8]) {
    let _ = codec::unpack::<Body>(bytes);
    let _ = codec::unpack::<Vec<Sighting>>(bytes);
    let _ = codec::unpack_state(bytes);
}

/// As the metadata of an item, with the checksum that it would need: the first byte is the kind.
fn metadata(bytes: &[u8]) -> usize {
    let Some((kind, meta)) = bytes.split_first() else {
        return 0;
    };
    let mut out = codec::Out::default();
    out.byte(*kind);
    out.number(meta.len() as u64);
    out.number(0);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out.0), meta);
    out.0.extend_from_slice(&crc.to_le_bytes());
    out.0.extend_from_slice(meta);
    let Some(raw) = item::raw(&out.0) else {
        return 0;
    };
    // Written by ourselves it reads the same.
    let mut draft = Draft::new();
    draft.push(&raw.item, &[]);
    let frame = draft.seal(FrameHead {
        visible: true,
        carried: false,
        number: 1,
        at: Timestamp::EPOCH,
        next_seq: 1,
        count: 0,
    });
    let again: Vec<Item> = frame::items(&frame)
        .flatten()
        .map(|(_, raw)| raw.item)
        .collect();
    assert_eq!(again, [raw.item]);
    1
}

/// As values of the index.
fn index(bytes: &[u8]) -> usize {
    let mut found = 0;
    for coding in [Coding::Dated, Coding::Hashed] {
        if let Some(places) = packed::read_chunk(coding, bytes) {
            let written = packed::write_chunk(coding, &places);
            assert_eq!(packed::read_chunk(coding, &written), Some(places));
            found += 1;
        }
    }
    if let Some(pack) = packed::read_pack(16, bytes) {
        for (seq, rec) in &pack {
            let one = packed::read_one(16, bytes, *seq);
            assert!(one.is_ok_and(|one| one.as_ref() == Some(rec)));
        }
        found += 1;
    }
    if let Some((upto, boilerplate)) = paragraphs::read_boilerplate(bytes) {
        let written = paragraphs::write_boilerplate(upto, &boilerplate);
        assert_eq!(
            paragraphs::read_boilerplate(&written),
            Some((upto, boilerplate))
        );
        found += 1;
    }
    found + usize::from(packed::read_name(bytes).is_some())
}

/// As a line of a backup.
fn line(bytes: &[u8]) -> usize {
    let Ok(line) = serde_json::from_slice::<Line>(bytes) else {
        return 0;
    };
    for told in &line.items {
        let _ = backup::unpacked(told);
        if let backup::Told::Packed(text) = told {
            let _ = backup::packed(text);
        }
    }
    line.items.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::label::Scope;
    use crate::model::source::{SourceId, SourceState};
    use crate::store::item::{Name, Tombstone};

    fn sample() -> Vec<u8> {
        let source = SourceId::new("blog").unwrap();
        let mut draft = Draft::new();
        let state = codec::pack_state(&SourceState::default());
        draft.push(&Item::State(source.clone()), &state);
        draft.push(&Item::Note("a".to_owned()), b"note");
        draft.push(
            &Item::Tombstones(vec![Tombstone {
                kind: 1,
                hash: 77,
                tick: 9,
                source,
            }]),
            &[],
        );
        let name = Name {
            scope: Scope::Tag("社会".to_owned()),
            touched: Timestamp::from_secs(5),
            shown: "社会".to_owned(),
        };
        draft.push(&Item::Name(Box::new(name)), &[]);
        draft.seal(FrameHead {
            visible: true,
            carried: false,
            number: 3,
            at: Timestamp::from_secs(9),
            next_seq: 4,
            count: 0,
        })
    }

    #[test]
    fn a_flipped_bit_costs_its_frame_and_nothing_else() {
        let one = sample();
        let two = [one.clone(), one.clone()].concat();
        assert_eq!(frames(&two), 8);
        for bit in 0..one.len() * 8 {
            let mut bad = two.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(frames(&bad), 4, "bit {bit}");
        }
    }

    #[test]
    fn nonsense_is_read_without_a_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let whole = sample();
        for round in 0..20_000 {
            let bytes = if round % 2 == 0 {
                let length = random.usize(..80);
                (0..length).map(|_| random.u8(..)).collect()
            } else {
                // Our own metadata with a byte of another mind in it.
                let from = random.usize(..whole.len());
                let mut part = whole[from..].to_vec();
                let at = random.usize(..part.len());
                part[at] = random.u8(..);
                part.insert(0, random.u8(1..12));
                part
            };
            let _ = survey(&bytes);
        }
    }
}
