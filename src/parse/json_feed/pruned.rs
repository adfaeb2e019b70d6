//! JSON as far as it can matter: the members that JSON Feed knows, lists as long as anybody keeps them, and a limit for
//! all of it together. What goes beyond is read past and never held: a number takes two bytes in a document and seventy in
//! memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of JSON Feed 1.0 and 1.1, of feeds, items, authors, attachments and hubs.
const KNOWN: [&str; 34] = [
    "attachments",
    "author",
    "authors",
    "avatar",
    "banner_image",
    "content_html",
    "content_text",
    "date_modified",
    "date_published",
    "description",
    "duration_in_seconds",
    "email",
    "expired",
    "external_url",
    "favicon",
    "feed_url",
    "home_page_url",
    "hubs",
    "icon",
    "id",
    "image",
    "items",
    "language",
    "mime_type",
    "name",
    "next_url",
    "size_in_bytes",
    "summary",
    "tags",
    "title",
    "type",
    "url",
    "user_comment",
    "version",
];

/// Longer lists than this are kept of items only.
const LONGEST_LIST: usize = 2000;

/// What one document may keep.
pub(super) struct Limits {
    items: usize,
    left: Cell<usize>,
    /// Something was left out for its size.
    pub(super) met: Cell<bool>,
}

impl Limits {
    /// Values of any document, and one more for so many bytes of it.
    const ALLOWANCE: usize = 200_000;
    const BYTES_FOR_VALUE: usize = 16;
    /// What a list and an object take beside what is in them.
    pub(super) const LIST: usize = 4;
    pub(super) const OBJECT: usize = 6;

    /// The limits of a document of `length` bytes of which `items` items are kept.
    pub(super) const fn new(length: usize, items: usize) -> Self {
        Self {
            items,
            left: Cell::new(length / Self::BYTES_FOR_VALUE + Self::ALLOWANCE),
            met: Cell::new(false),
        }
    }

    /// May so many more values be kept?
    pub(super) fn take(&self, values: usize) -> bool {
        let left = self.left.get().checked_sub(values);
        self.left.set(left.unwrap_or(0));
        self.met.set(self.met.get() || left.is_none());
        left.is_some()
    }

    /// How long a list of items may get: one more than is kept, to tell that there were more.
    pub(super) const fn most_items(&self) -> usize {
        self.items.saturating_add(1)
    }

    fn longest(&self, name: &str) -> usize {
        if name == "items" {
            self.most_items()
        } else {
            LONGEST_LIST
        }
    }
}

/// Reads a JSON document; the error says where it is none.
pub(super) fn parse(text: &str, limits: &Limits) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Pruned {
        limits,
        longest: LONGEST_LIST,
    }
    .deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// One value, with how many elements of it are kept if it is a list.
#[derive(Clone, Copy)]
struct Pruned<'l> {
    limits: &'l Limits,
    longest: usize,
}

impl<'de> DeserializeSeed<'de> for Pruned<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pruned<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let limits = self.limits;
        let mut list = Vec::new();
        let mut room = limits.take(Limits::LIST);
        loop {
            room = room && list.len() < self.longest && limits.take(1);
            if !room {
                if access.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            }
            let element = Pruned {
                limits,
                longest: LONGEST_LIST,
            };
            match access.next_element_seed(element)? {
                Some(value) => list.push(value),
                None => break,
            }
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let limits = self.limits;
        let mut object = Map::new();
        let room = limits.take(Limits::OBJECT);
        while let Some(name) = access.next_key::<String>()? {
            // The first of several members of one name counts.
            let wanted = KNOWN.contains(&name.as_str()) && !object.contains_key(&name);
            if room && wanted && limits.take(2) {
                let member = Pruned {
                    limits,
                    longest: limits.longest(&name),
                };
                object.insert(name, access.next_value_seed(member)?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limits: &Limits) -> String {
        parse(text, limits).map_or_else(|error| error.to_string(), |value| value.to_string())
    }

    #[test]
    fn what_json_feed_does_not_know_is_not_kept() {
        let limits = Limits::new(0, 2);
        assert_eq!(
            read(
                "{\"x\":[{}],\"id\":1.5,\"id\":2,\"title\":\"a\\n\",\"items\":[{\"y\":1,\"url\":null},-1,true,{}]}",
                &limits
            ),
            "{\"id\":1.5,\"title\":\"a\\n\",\"items\":[{\"url\":null},-1,true]}"
        );
        assert!(!limits.met.get());
        assert!(read("{\"id\":1} x", &limits).starts_with("trailing characters"));
    }

    #[test]
    fn a_document_of_nothing_but_values_is_not_held() {
        for text in [
            format!("{{\"items\":[{}]}}", vec!["[]"; 300_000].join(",")),
            format!("{{\"items\":[{}]}}", vec!["{\"id\":1}"; 300_000].join(",")),
        ] {
            let limits = Limits::new(0, usize::MAX);
            let value = parse(&text, &limits).unwrap();
            assert!(limits.met.get());
            assert!(value["items"].as_array().unwrap().len() < 50_000);
        }
    }
}
