//! Reads the `MessagePack` that `rmp-serde` writes, for as much of it as our types use: structs as arrays, variants by name.
//!
//! Reading is what a page of a list costs most, and half of that was finding out, byte by byte, that texts are UTF-8: here
//! that is done many bytes at a time.

use std::fmt;

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::In;

/// The value at the beginning of these bytes; `None` if it is not one of this type.
pub(super) fn read<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    let mut reader = Reader { input: In(bytes) };
    T::deserialize(&mut reader).ok()
}

/// The bytes are not what we wrote.
#[derive(Debug)]
struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not what was written")
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Reads value after value. Our types do not contain themselves, so nothing goes deeper than they do.
struct Reader<'de> {
    input: In<'de>,
}

impl<'de> Reader<'de> {
    fn byte(&mut self) -> Result<u8, Fault> {
        self.input.byte().ok_or(Fault)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Fault)
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Fault> {
        self.input.take(count).ok_or(Fault)
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, wide: u8) -> Result<usize, Fault> {
        Ok(match wide {
            0 => usize::from(self.byte()?),
            1 => usize::from(u16::from_be_bytes(self.array()?)),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| Fault)?,
        })
    }

    /// Takes the next byte if it is this one.
    fn next_is(&mut self, marker: u8) -> bool {
        let is = self.input.0.first() == Some(&marker);
        if is {
            self.input.0 = &self.input.0[1..];
        }
        is
    }

    fn text<V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        let bytes = self.take(count)?;
        visitor.visit_borrowed_str(simdutf8::basic::from_utf8(bytes).map_err(|_| Fault)?)
    }

    fn list<V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Result<V::Value, Fault> {
        // Each element has at least a byte: nobody makes room for more.
        if count > self.input.0.len() {
            return Err(Fault);
        }
        let mut all = Elements {
            left: count,
            reader: self,
        };
        let value = visitor.visit_seq(&mut all)?;
        (all.left == 0).then_some(value).ok_or(Fault)
    }
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Fault;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.byte()? {
            marker @ 0..=0x7f => visitor.visit_u8(marker),
            marker @ 0xe0..=0xff => visitor.visit_i8(marker.cast_signed()),
            marker @ 0xa0..=0xbf => self.text(usize::from(marker & 0x1f), visitor),
            marker @ 0xd9..=0xdb => {
                let count = self.length(marker - 0xd9)?;
                self.text(count, visitor)
            }
            marker @ 0x90..=0x9f => self.list(usize::from(marker & 0xf), visitor),
            marker @ 0xdc..=0xdd => {
                let count = self.length(marker - 0xdb)?;
                self.list(count, visitor)
            }
            0xc0 => visitor.visit_unit(),
            0xc2 => visitor.visit_bool(false),
            0xc3 => visitor.visit_bool(true),
            marker @ 0xc4..=0xc6 => {
                let count = self.length(marker - 0xc4)?;
                visitor.visit_borrowed_bytes(self.take(count)?)
            }
            0xca => visitor.visit_f32(f32::from_be_bytes(self.array()?)),
            0xcb => visitor.visit_f64(f64::from_be_bytes(self.array()?)),
            0xcc => visitor.visit_u8(self.byte()?),
            0xcd => visitor.visit_u16(u16::from_be_bytes(self.array()?)),
            0xce => visitor.visit_u32(u32::from_be_bytes(self.array()?)),
            0xcf => visitor.visit_u64(u64::from_be_bytes(self.array()?)),
            0xd0 => visitor.visit_i8(i8::from_be_bytes(self.array()?)),
            0xd1 => visitor.visit_i16(i16::from_be_bytes(self.array()?)),
            0xd2 => visitor.visit_i32(i32::from_be_bytes(self.array()?)),
            0xd3 => visitor.visit_i64(i64::from_be_bytes(self.array()?)),
            // Maps of names and extensions: none of our types is written as one.
            _ => Err(Fault),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.next_is(0xc0) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Sixteen bytes.
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let known = self.next_is(0xc4) && self.next_is(16);
        if !known {
            return Err(Fault);
        }
        visitor.visit_u128(u128::from_be_bytes(self.array()?))
    }

    /// A name alone, or a map from the one name to what it carries.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.next_is(0x81) {
            return visitor.visit_enum(self);
        }
        let name = <&str as de::Deserialize>::deserialize(self)?;
        visitor.visit_enum(name.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Fault> {
        let name = seed.deserialize(&mut *self)?;
        Ok((name, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = Fault;

    /// A variant without content stands as its name alone.
    fn unit_variant(self) -> Result<(), Fault> {
        Err(Fault)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::article::{
        Against, ArticleId, CopyText, Joined, Layer, Scores, Sighting, Spoke,
    };
    use crate::model::entry::{Content, Entry, Text};
    use crate::model::label::{Origin, Tag};
    use crate::model::source::{About, HintFrom, SourceId, SourceState};
    use crate::model::time::Timestamp;

    type Body = (Entry, About, Vec<Sighting>);

    /// One of everything that a body can hold.
    fn body() -> Body {
        let entry = Entry {
            id: "guid".to_owned(),
            title: Some(Text {
                plain: "标题 ".repeat(70),
                html: None,
            }),
            content: Some(Content::Html("<p>文字</p>".repeat(9000))),
            ..Entry::default()
        };
        let about = About {
            title: "Ünï".to_owned(),
            ..About::default()
        };
        let scores = Scores {
            jaccard: 0.5,
            numbers: 70_000,
            ..Scores::default()
        };
        let sighting = Sighting {
            source: SourceId::new("blog"),
            guid_key: u128::MAX,
            text_hash: u64::MAX,
            seen: Timestamp::from_micros(-3),
            published: Some(Timestamp::from_secs(1_800_000_000)),
            labels: vec![Tag {
                name: "C++".to_owned(),
                key: "c++".to_owned(),
                origin: Origin::Url,
            }],
            score: -300,
            copy: Some(Box::new(CopyText {
                entry: entry.clone(),
                about: about.clone(),
            })),
            joined: Joined {
                layer: Layer::Near,
                with: Some(ArticleId(5)),
                scores: Some(scores),
                against: vec![Against {
                    article: ArticleId(1 << 100),
                    scores,
                    spoke: Spoke::Footer,
                }],
            },
            apart: vec![ArticleId(9); 40],
            ..Sighting::default()
        };
        (entry, about, vec![Sighting::default(), sighting])
    }

    #[test]
    fn what_was_written_is_read_as_its_writer_reads_it() {
        let body = body();
        let bytes = rmp_serde::to_vec(&body).unwrap();
        assert_eq!(read(&bytes), Some(body.clone()));
        assert_eq!(read::<Body>(&bytes), rmp_serde::from_slice(&bytes).ok());
        let state = SourceState {
            next_due: Timestamp::from_secs(7),
            listed: vec![0, 1 << 40, u64::MAX],
            ..SourceState::default()
        };
        let bytes = rmp_serde::to_vec(&state).unwrap();
        assert_eq!(read(&bytes), Some(state));
        let hints = [HintFrom::None, HintFrom::MaxAge];
        assert_eq!(read(&rmp_serde::to_vec(&hints).unwrap()), Some(hints));
        let floats = (1.5_f32, -2.5_f64, i64::MIN, i32::MIN, -1_i8, 'ü', true, ());
        assert_eq!(read(&rmp_serde::to_vec(&floats).unwrap()), Some(floats));
    }

    #[test]
    fn what_is_cut_or_altered_is_none_or_what_its_writer_would_read() {
        let mut body = body();
        body.0.content = Some(Content::Plain("kurz".to_owned()));
        body.2[1].copy = None;
        let bytes = rmp_serde::to_vec(&body).unwrap();
        for at in 0..bytes.len() {
            assert_eq!(read::<Body>(&bytes[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                if let Some(found) = read::<Body>(&other) {
                    // Floats that are not numbers equal nothing: compared as they are written.
                    let theirs: Body = rmp_serde::from_slice(&other).unwrap();
                    assert_eq!(format!("{found:?}"), format!("{theirs:?}"), "byte {at}");
                }
            }
        }
    }
}
