//! Another text for a headline or an address: a template with the article's parts in it, or a pattern and what replaces it.

use std::borrow::Cow;

use regex::Regex;

use super::expression::pattern;
use super::facts::{Facts, LINE, authors, clip};

/// Bytes of what a template or a replacement may give.
const LONGEST: usize = 4 << 10;

/// A text with `{title}` and the like in it; `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    Name(&'static str),
}

/// What a template may name.
const NAMES: [&str; 7] = [
    "title", "url", "author", "category", "feed", "lang", "score",
];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Byte offset and words, if it names something that there is not, or a brace is left open.
    pub fn parse(written: &str) -> Result<Self, (usize, String)> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut chars = written.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let doubled = chars.next_if(|(_, next)| *next == c && (c == '{' || c == '}'));
            match c {
                '{' | '}' if doubled.is_some() => text.push(c),
                '{' => {
                    let name: String = std::iter::from_fn(|| {
                        chars
                            .next_if(|(_, c)| *c != '}' && *c != '{')
                            .map(|(_, c)| c)
                    })
                    .collect();
                    let closed = chars.next().is_some_and(|(_, c)| c == '}');
                    let known = NAMES.into_iter().find(|known| *known == name.trim());
                    match known.filter(|_| closed) {
                        Some(known) => {
                            if !text.is_empty() {
                                parts.push(Part::Text(std::mem::take(&mut text)));
                            }
                            parts.push(Part::Name(known));
                        }
                        None => {
                            return Err((
                                at,
                                format!(
                                    "`{{{name}` is none of {{{}}}; a brace itself is written twice",
                                    NAMES.join("}, {")
                                ),
                            ));
                        }
                    }
                }
                '}' => {
                    return Err((
                        at,
                        "a `}` without a `{`; a brace itself is written twice".into(),
                    ));
                }
                _ => text.push(c),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts })
    }

    /// The text with an article's parts in it, at most 4 KiB.
    #[must_use]
    pub fn fill(&self, facts: &Facts<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            let text: Cow<'_, str> = match part {
                Part::Text(text) => text.as_str().into(),
                Part::Name("title") => facts.entry.title_text().into(),
                Part::Name("url") => facts.entry.url.as_deref().unwrap_or_default().into(),
                Part::Name("author") => authors(&facts.entry.authors).into(),
                Part::Name("category") => facts.category.into(),
                Part::Name("feed") => facts.feed.into(),
                Part::Name("lang") => facts.language.into(),
                Part::Name(_) => facts.score.to_string().into(),
            };
            out.push_str(clip(&text, LONGEST));
            if out.len() > LONGEST {
                out.truncate(out.floor_char_boundary(LONGEST));
                break;
            }
        }
        out
    }
}

/// How a headline or an address is written anew.
#[derive(Debug, Clone)]
pub enum Rewrite {
    /// From a template.
    Template(Template),
    /// Wherever a pattern fits.
    Pattern {
        /// The pattern.
        pattern: Regex,
        /// What stands in its place; `$1`, `${name}` are what its groups caught.
        replacement: String,
    },
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Template(a), Self::Template(b)) => a == b,
            (
                Self::Pattern {
                    pattern: a,
                    replacement: x,
                },
                Self::Pattern {
                    pattern: b,
                    replacement: y,
                },
            ) => a.as_str() == b.as_str() && x == y,
            _ => false,
        }
    }
}

impl Eq for Rewrite {}

impl Rewrite {
    /// Reads a pattern and what is to replace it.
    ///
    /// # Errors
    /// In words, if the pattern is none or too large.
    pub fn pattern(written: &str, replacement: &str) -> Result<Self, String> {
        Ok(Self::Pattern {
            pattern: pattern(written)?,
            replacement: replacement.to_owned(),
        })
    }

    /// The text that is to stand in the place of `old`, at most 4 KiB; `None` if it stays.
    #[must_use]
    pub fn apply(&self, old: &str, facts: &Facts<'_>) -> Option<String> {
        let new = match self {
            Self::Template(template) => template.fill(facts),
            Self::Pattern {
                pattern,
                replacement,
            } => replaced(clip(old, LINE), pattern, replacement)?,
        };
        let new = new.split_whitespace().collect::<Vec<_>>().join(" ");
        (!new.is_empty() && new != old).then_some(new)
    }
}

/// Not by the library's own `replace_all`: that has no bound on what it gives.
fn replaced(old: &str, pattern: &Regex, replacement: &str) -> Option<String> {
    let mut out = String::new();
    let mut last = 0;
    for found in pattern.captures_iter(old) {
        let whole = found.get(0)?;
        out.push_str(&old[last..whole.start()]);
        found.expand(replacement, &mut out);
        last = whole.end();
        if out.len() > LONGEST {
            break;
        }
    }
    if last == 0 && out.is_empty() && pattern.find(old).is_none() {
        return None;
    }
    out.push_str(&old[last..]);
    out.truncate(out.floor_char_boundary(LONGEST));
    Some(out)
}
