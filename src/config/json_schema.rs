//! The table of known keys as JSON Schema (draft 7), from which editors complete and check feeds.toml while it is typed.

use serde_json::{Map, Value, json};

use super::later;
use super::schema::{EVERY, FILE, Key, REWRITE, SECRET, Shape};

const DURATION: &str = "^\\s*([0-9]+\\s*(y|w|d|h|m|s|ms)\\s*)+$";
const SIZE: &str = "^\\s*[0-9]+\\s*(B|KiB|MiB|GiB)\\s*$";

/// The schema of feeds.toml as this version takes it.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = table("", FILE);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("feeds.toml of aggd");
    schema
}

fn table(path: &str, keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let path = if path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{path}.{}", key.name)
        };
        if later::is_refused(&path) {
            continue;
        }
        let mut property = shape(&path, key.shape);
        property["description"] = json!(key.about);
        properties.insert(key.name.to_owned(), property);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn shape(path: &str, shape_of: Shape) -> Value {
    match shape_of {
        Shape::Text | Shape::Line | Shape::Listen | Shape::Network | Shape::Rate => {
            json!({ "type": "string", "minLength": 1 })
        }
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Span | Shape::SpanOrZero | Shape::Days(..) => {
            json!({ "type": "string", "pattern": DURATION })
        }
        Shape::Size => json!({ "type": "string", "pattern": SIZE }),
        Shape::Choice(words) => {
            let words: Vec<&str> = words
                .iter()
                .copied()
                .filter(|word| !later::is_refused_word(path, word))
                .collect();
            json!({ "type": "string", "enum": words })
        }
        Shape::Every => json!({ "anyOf": [
            { "type": "string", "pattern": DURATION },
            table("", EVERY),
        ] }),
        Shape::Id => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" }),
        Shape::Http => json!({ "type": "string", "pattern": "^https?://" }),
        Shape::Mode => json!({ "type": "string", "pattern": "^0?[0-7]{3}$" }),
        Shape::Rewrite => json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            table("", REWRITE),
        ] }),
        Shape::Secret | Shape::Proxy => json!({ "anyOf": [
            { "type": "string" },
            table("", SECRET),
        ] }),
        Shape::List(of) => json!({ "type": "array", "items": shape("", *of) }),
        Shape::OneOrMany(of) => json!({ "anyOf": [
            shape("", *of),
            { "type": "array", "items": shape("", *of) },
        ] }),
        Shape::Table(keys) => table(path, keys),
        Shape::Tables(keys) => json!({ "type": "array", "items": table(path, keys) }),
        Shape::Map(of) => json!({
            "type": "object",
            "additionalProperties": shape(path, *of),
        }),
        Shape::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_offered() {
        let schema = json_schema();
        let rule = &schema["properties"]["rule"]["items"]["properties"];
        assert_eq!(rule["drop"]["type"], json!("boolean"));
        let feed = &schema["properties"]["feed"]["items"]["properties"];
        assert_eq!(feed["kind"]["enum"], json!(["feed", "file", "exec"]));
        assert_eq!(feed["url"]["description"], json!("Address of the feed."));
    }
}
