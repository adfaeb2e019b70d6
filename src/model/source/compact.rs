//! The lists of a source's state in its binary form: bytes instead of a value each. They are most of a state, and a state is
//! read and written at every visit.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Visit, outcome};
use crate::model::bytes::{In, Out};
use crate::model::time::Timestamp;

/// Something that stands in such a list.
pub(super) trait Compact: Sized {
    fn put(&self, to: &mut Out);
    /// `None` if the bytes are not what [`Self::put`] wrote.
    fn take(from: &mut In<'_>) -> Option<Self>;
}

pub(super) fn serialize<T: Compact + Serialize, S: Serializer>(
    list: &[T],
    to: S,
) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        return to.collect_seq(list);
    }
    let mut bytes = Out(Vec::with_capacity(list.len() * 16));
    for one in list {
        one.put(&mut bytes);
    }
    to.serialize_bytes(&bytes.0)
}

pub(super) fn deserialize<'de, T: Compact + Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(List(PhantomData))
}

struct List<T>(PhantomData<T>);

impl<'de, T: Compact + Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or the bytes of one")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<T>, E> {
        let mut bytes = In(bytes);
        let mut list = Vec::with_capacity(bytes.0.len() / 8);
        while !bytes.0.is_empty() {
            list.push(T::take(&mut bytes).ok_or_else(|| E::custom("not what was written"))?);
        }
        Ok(list)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = all.next_element()? {
            list.push(one);
        }
        Ok(list)
    }
}

impl Compact for u64 {
    fn put(&self, to: &mut Out) {
        to.word(*self);
    }

    fn take(from: &mut In<'_>) -> Option<Self> {
        from.word()
    }
}

impl Compact for Timestamp {
    fn put(&self, to: &mut Out) {
        to.word(self.as_micros().cast_unsigned());
    }

    fn take(from: &mut In<'_>) -> Option<Self> {
        Some(Self::from_micros(from.word()?.cast_signed()))
    }
}

/// The outcomes that are numbers; any other stands behind the number after these.
const WORDS: [&str; 3] = [outcome::FRESH, outcome::UNCHANGED, outcome::NOT_MODIFIED];

impl Compact for Visit {
    fn put(&self, to: &mut Out) {
        self.at.put(to);
        let word = WORDS.iter().position(|word| *word == self.outcome);
        to.number(word.unwrap_or(WORDS.len()) as u64);
        if word.is_none() {
            to.text(&self.outcome);
        }
        to.number(self.status.into());
        to.number(self.bytes);
        for number in [self.millis, self.new, self.updated] {
            to.number(number.into());
        }
    }

    fn take(from: &mut In<'_>) -> Option<Self> {
        let at = Timestamp::take(from)?;
        let word = usize::try_from(from.number()?).ok()?;
        let outcome = match WORDS.get(word) {
            Some(word) => Cow::Borrowed(*word),
            None => Cow::Owned(from.text()?.to_owned()),
        };
        Some(Self {
            at,
            outcome,
            status: from.number()?.try_into().ok()?,
            bytes: from.number()?,
            millis: from.small()?,
            new: from.small()?,
            updated: from.small()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::SourceState;

    #[test]
    fn a_list_comes_back_from_both_forms_and_not_from_what_was_cut() {
        let visit = |outcome: &str, bytes| Visit {
            at: Timestamp::from_micros(-1),
            outcome: Cow::Owned(outcome.to_owned()),
            status: 304,
            bytes,
            millis: 127,
            new: 128,
            updated: u32::MAX,
        };
        let state = SourceState {
            newest: vec![Timestamp::FAR_FUTURE, Timestamp::EPOCH],
            visits: vec![
                visit("fresh", 0),
                visit("too-large", u64::MAX),
                visit("not-modified", 1 << 14),
            ],
            listed: vec![0, u64::MAX],
            ..SourceState::default()
        };
        let bytes = rmp_serde::to_vec(&state).unwrap();
        let back: SourceState = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(back, state);
        let json = serde_json::to_string(&state).unwrap();
        assert!(json.contains(r#""outcome":"too-large""#), "{json}");
        assert_eq!(serde_json::from_str::<SourceState>(&json).unwrap(), state);

        let mut list = Out::default();
        state.visits[1].put(&mut list);
        for cut in 0..list.0.len() {
            assert_eq!(Visit::take(&mut In(&list.0[..cut])), None, "cut at {cut}");
        }
    }
}
