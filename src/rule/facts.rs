//! What an expression looks at: one article at one moment, clipped to a bounded length.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cel::Value;
use cel::common::types::CelString;
use cel::common::value::CowVal;
use cel::context::VariableResolver;

use super::LOOKED_AT;
use super::fold::{fold, words};
use crate::model::entry::{Content, Entry, Person};
use crate::model::time::Timestamp;

/// Bytes of a headline, an address or a list of authors that are looked at.
pub(super) const LINE: usize = 4 << 10;
/// Elements of a list that are looked at.
pub(super) const ITEMS: usize = 64;
/// Folded texts that are remembered for one article.
const REMEMBERED: usize = 8;

/// The names that an expression may use.
pub(super) const VARIABLES: [&str; 13] = [
    "title",
    "url",
    "author",
    "content",
    "text",
    "tags",
    "category",
    "feed",
    "lang",
    "score",
    "published",
    "words",
    "enclosures",
];

/// An article at the moment of the question.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its text; headline and address as they are by now.
    pub entry: &'a Entry,
    /// What was worked out of the text already.
    pub body: &'a Body,
    /// Id of its source, of the leading one if there are several.
    pub feed: &'a str,
    /// Category as spelt, empty if there is none.
    pub category: &'a str,
    /// Language (BCP 47), empty if unknown.
    pub language: &'a str,
    /// Keys of its tags.
    pub tags: &'a [String],
    /// Score so far.
    pub score: i32,
    /// Publication date.
    pub published: Timestamp,
}

/// What is worked out of an article's text when first asked for, and kept for all questions about it.
#[derive(Debug)]
pub struct Body {
    plain: fn(&Entry) -> String,
    text: OnceLock<String>,
    words: OnceLock<i64>,
    pub(super) memo: Arc<Memo>,
}

impl Body {
    /// Nothing worked out yet. `plain` gives an entry's text without markup.
    #[must_use]
    pub fn new(plain: fn(&Entry) -> String) -> Self {
        Self {
            plain,
            text: OnceLock::new(),
            words: OnceLock::new(),
            memo: Arc::default(),
        }
    }

    fn text(&self, entry: &Entry) -> &str {
        self.text.get_or_init(|| {
            let mut text = (self.plain)(entry);
            text.truncate(clip(&text, LOOKED_AT).len());
            text
        })
    }
}

/// Folded texts by the hash of what they were: folding a whole article for each word asked for would be the dearest
/// part of a rule.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<HashMap<u128, Arc<str>>>);

impl Memo {
    pub(super) fn fold(&self, text: &str) -> Arc<str> {
        let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folded) = known.get(&hash) {
            return Arc::clone(folded);
        }
        let folded: Arc<str> = fold(text).into();
        if known.len() < REMEMBERED {
            known.insert(hash, Arc::clone(&folded));
        }
        folded
    }
}

/// The beginning of a text, at most so many bytes, whole characters.
pub(super) fn clip(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The authors in one line.
pub(super) fn authors(people: &[Person]) -> String {
    let names: Vec<&str> = people
        .iter()
        .filter_map(|person| person.name.as_deref().or(person.email.as_deref()))
        .take(ITEMS)
        .collect();
    names.join(", ")
}

fn content(entry: &Entry) -> &str {
    match (&entry.content, &entry.summary) {
        (Some(Content::Html(content) | Content::Plain(content)), _) => content,
        (None, Some(summary)) => summary.html.as_deref().unwrap_or(&summary.plain),
        (None, None) => "",
    }
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(Arc::new(values.take(ITEMS).collect()))
}

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let text = |text: &'b str, most| Some(CowVal::owned(CelString::from(clip(text, most))));
        let value = match variable {
            "title" => return text(self.entry.title_text(), LINE),
            "url" => return text(self.entry.url.as_deref().unwrap_or_default(), LINE),
            "content" => return text(content(self.entry), LOOKED_AT),
            "text" => return text(self.body.text(self.entry), LOOKED_AT),
            "category" => return text(self.category, LINE),
            "feed" => return text(self.feed, LINE),
            "lang" => return text(self.language, LINE),
            "author" => Value::from(clip(&authors(&self.entry.authors), LINE)),
            "score" => Value::Int(self.score.into()),
            "words" => {
                let count = || words(self.body.text(self.entry));
                Value::Int(*self.body.words.get_or_init(count))
            }
            "published" => Value::Timestamp(self.published.civil().fixed_offset()),
            "tags" => list(self.tags.iter().map(|tag| Value::from(tag.as_str()))),
            "enclosures" => list(self.entry.enclosures.iter().map(|file| {
                let text = |text: &Option<String>| Value::from(text.as_deref().unwrap_or_default());
                Value::from(HashMap::from([
                    ("url", Value::from(clip(&file.url, LINE))),
                    ("type", text(&file.mime_type)),
                    ("title", text(&file.title)),
                    (
                        "length",
                        Value::Int(file.length.unwrap_or(0).try_into().unwrap_or(i64::MAX)),
                    ),
                ]))
            })),
            _ => return None,
        };
        value.try_into().ok().map(CowVal::Owned)
    }
}
