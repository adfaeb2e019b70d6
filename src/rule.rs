//! What an administrator may ask of an article: expressions in CEL, compiled once, and what follows when one holds.
//!
//! An expression looks at [`Facts`] and says yes or no; a [`Rule`] adds what is to be done then; a [`Template`] writes
//! another text. Nothing here labels, drops or publishes anything: `label` does. No expression can stall whoever asks:
//! its cost is reckoned when it is compiled, patterns are literals of bounded size that run in linear time, and no more
//! than [`LOOKED_AT`] bytes of a text are looked at.
//!
//! What an expression may use:
//!
//! | variable | is |
//! |---|---|
//! | `title` `url` `author` | text; several authors with commas between |
//! | `content` `text` | the article as it came (HTML or plain), and without markup |
//! | `tags` | list of tag keys: lower case, simplified; `"Rust" in tags` is read as `"rust" in tags` |
//! | `category` `feed` `lang` | the category as spelt, the id of the leading source, the language (BCP 47) |
//! | `score` `words` | whole numbers: the score so far, and the words of the text (a CJK character is one) |
//! | `published` | a timestamp: `published > timestamp("2026-11-01T00:00:00Z")` |
//! | `enclosures` | list of `{url, type, title, length}` |
//!
//! Of CEL: operators, `in`, `? :`, lists and maps, `has() all() exists() exists_one() map() filter()`, `size()`,
//! `contains() startsWith() endsWith()`, the conversions `int() uint() double() string() bool() timestamp() duration()`
//! and the parts of a time (`getFullYear()` …). Beyond it:
//!
//! | function | holds if |
//! |---|---|
//! | `TEXT.matches("RE")` | the pattern fits somewhere (syntax of Rust's `regex`); it is a literal |
//! | `TEXT.mentions("WORD")` or `([…])` | the word, or one of them, occurs: Latin words at word boundaries, CJK anywhere; case, width and traditional or simplified script do not matter |
//! | `TEXT.includes("PART")` | the part occurs anywhere, compared in the same way |
//! | `TEXT.key()` | gives the text as those two compare it: `title.key().matches("疫情.*(北京|上海)")` |

mod cost;
mod expression;
mod facts;
mod fold;
mod template;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use expression::{Expression, Mistake};
pub use facts::{Body, Facts};
pub use template::{Rewrite, Template};

/// Bytes of an article's text that an expression looks at.
pub const LOOKED_AT: usize = 64 << 10;

/// One `[[rule]]` or `[[feed.rule]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// How logs and explanations call it: its name, or its place in feeds.toml.
    pub name: String,
    /// When it applies; without, always.
    pub when: Option<Expression>,
    /// Tags to give.
    pub tag: Vec<String>,
    /// Tags to take away.
    pub untag: Vec<String>,
    /// Category to put it into, instead of its source's.
    pub category: Option<String>,
    /// To be added to the score.
    pub score: i32,
    /// The article is not kept.
    pub drop: bool,
    /// No rule after this one is asked.
    pub stop: bool,
    /// Another headline.
    pub title: Option<Rewrite>,
    /// Another address.
    pub url: Option<Rewrite>,
    /// What went wrong with it at run time.
    pub trouble: std::sync::Arc<Trouble>,
}

/// What went wrong at run time with a rule or an output: counted, and told once.
#[derive(Default)]
pub struct Trouble {
    articles: AtomicU64,
    first: OnceLock<String>,
}

impl Trouble {
    /// Notes a failure; true for the first one, which is to be told.
    #[must_use]
    pub fn note(&self, what: &str) -> bool {
        self.articles.fetch_add(1, Ordering::Relaxed);
        self.first.set(what.to_owned()).is_ok()
    }

    /// The first failure in words and the number of articles it cost a label, if there was one.
    #[must_use]
    pub fn told(&self) -> Option<(&str, u64)> {
        let first = self.first.get()?;
        Some((first, self.articles.load(Ordering::Relaxed)))
    }
}

/// Two rules are the same whatever became of them, and are written the same.
impl std::fmt::Debug for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trouble")
    }
}

impl PartialEq for Trouble {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Trouble {}

#[cfg(test)]
mod tests;
