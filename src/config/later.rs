//! What feeds.toml may ask for but this version does not do yet. Each is refused by name, never silently ignored.
//! The only such list: whoever builds one of these takes its line away.

use toml::de::DeValue;

/// One thing that is refused.
enum Later {
    /// The key with whatever value.
    Key(&'static str),
    /// The key with this word as its value.
    Word(&'static str, &'static str),
    /// The key with any value but this word.
    OtherThan(&'static str, &'static str),
}

const LATER: &[Later] = &[
    Later::Key("feed.select"),
    Later::Key("feed.zone"),
    Later::Word("feed.kind", "page"),
    Later::OtherThan("feed.fulltext", "never"),
    Later::Key("dedup.url_rules"),
    Later::OtherThan("publish.hub", "off"),
    Later::OtherThan("server.language", "auto"),
];

/// How to name what is refused, or `None` if this version does it. `path` is dotted, `shown` is how messages call
/// the place (`[[feed]]`).
pub(super) fn refused(path: &str, name: &str, shown: &str, value: &DeValue<'_>) -> Option<String> {
    let word = value.as_str();
    LATER.iter().find_map(|later| match later {
        Later::Key(key) if *key == path => Some(match value {
            DeValue::Table(_) if shown.is_empty() => format!("`[{path}]`"),
            DeValue::Array(_) if shown.is_empty() => format!("`[[{path}]]`"),
            _ => format!("`{name}` in {shown}"),
        }),
        Later::Word(key, refused) if *key == path && word == Some(refused) => {
            Some(format!("`{name} = \"{refused}\"` in {shown}"))
        }
        Later::OtherThan(key, done) if *key == path && word != Some(done) => Some(match word {
            Some(word) => format!("`{name} = \"{word}\"` in {shown}"),
            None => format!("this `{name}` in {shown}"),
        }),
        _ => None,
    })
}

/// True if the key is refused whatever its value: such keys are left out of the schema that editors get.
pub(super) fn is_refused(path: &str) -> bool {
    LATER
        .iter()
        .any(|later| matches!(later, Later::Key(key) if *key == path))
}

/// True if this word is refused as the value of the key.
pub(super) fn is_refused_word(path: &str, word: &str) -> bool {
    LATER.iter().any(|later| match later {
        Later::Key(_) => false,
        Later::Word(key, refused) => *key == path && *refused == word,
        Later::OtherThan(key, done) => *key == path && *done != word,
    })
}
