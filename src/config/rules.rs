//! `[[rule]]`, `[[feed.rule]]`, `[[output]]` and `[[test]]` as they stand in a file, compiled. A mistake inside an
//! expression is told with its own place.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Check;
use super::problem::{Lines, Place};
use super::secret::{self, Found, Secrets, Surroundings};
use super::typed;
use crate::label::rules::Membership;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::publish::address::Format;
use crate::publish::{Extent, Order, Output, Token};
use crate::rule::{Expression, Rewrite, Rule, Template};

/// An article and what should become of it: `[[test]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Where it stands.
    pub place: Place,
    /// The article.
    pub article: Sample,
    /// What is expected.
    pub expect: Expected,
}

/// An article that nobody wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// Headline.
    pub title: String,
    /// Address.
    pub url: Option<String>,
    /// Author.
    pub author: Option<String>,
    /// Text as HTML.
    pub content: Option<String>,
    /// Text without markup.
    pub text: Option<String>,
    /// Labels of the publisher.
    pub tags: Vec<String>,
    /// The category of its source.
    pub category: Option<String>,
    /// Its source, whose own rules and tags count.
    pub feed: Option<SourceId>,
    /// Language.
    pub lang: Option<String>,
    /// Publication date.
    pub published: Option<Timestamp>,
}

/// What should become of an article; what is not written is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// It has these tags, perhaps among others.
    pub tags: Vec<String>,
    /// It has none of these.
    pub not_tags: Vec<String>,
    /// It stands in these outputs, perhaps among others; `all` is everything public.
    pub outputs: Vec<String>,
    /// It stands in none of these.
    pub not_outputs: Vec<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its headline.
    pub title: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// Its score.
    pub score: Option<i32>,
    /// Whether a rule drops it.
    pub drop: Option<bool>,
}

/// A file that is being read.
pub(super) struct Page<'p, 'e> {
    pub(super) text: &'p str,
    pub(super) lines: &'p Lines<'p>,
    pub(super) errors: &'p mut Check<'e>,
    pub(super) warnings: &'p mut Check<'e>,
}

impl Page<'_, '_> {
    /// One rule; `None` if it has mistakes, which have been noted.
    pub(super) fn rule(&mut self, table: &DeTable<'_>, at: usize) -> Option<Rule> {
        let text = |name| typed::get(table, name).and_then(typed::text);
        let texts = |name| typed::get(table, name).map_or_else(Vec::new, typed::texts);
        let flag = |name| typed::get(table, name).and_then(DeValue::as_bool);
        let place = self.lines.place(at);
        let rule = Rule {
            name: text("name").unwrap_or_else(|| format!("at {place}")),
            when: self.when(table)?,
            tag: texts("tag"),
            untag: texts("untag"),
            category: text("category").map(|name| name.trim().to_owned()),
            score: number(table, "score").unwrap_or(0),
            drop: flag("drop").unwrap_or(false),
            stop: flag("stop").unwrap_or(false),
            title: self.rewrite(table, "title")?,
            url: self.rewrite(table, "url")?,
            trouble: Arc::default(),
        };
        let idle = Rule {
            when: rule.when.clone(),
            name: rule.name.clone(),
            ..nothing()
        };
        if rule == idle {
            self.errors.note(
                at,
                "this rule does nothing; give it `tag`, `untag`, `category`, `score`, `title`, `url`, `drop` or `stop`",
            );
            return None;
        }
        Some(rule)
    }

    /// `when`: `Some(None)` if there is none, `None` if it has a mistake.
    #[expect(
        clippy::option_option,
        reason = "no condition and a condition with a mistake are two things"
    )]
    fn when(&mut self, table: &DeTable<'_>) -> Option<Option<Expression>> {
        let Some(value) = table.get("when") else {
            return Some(None);
        };
        let source = value.get_ref().as_str()?;
        match Expression::compile(source) {
            Ok(expression) => Some(Some(expression)),
            Err(mistake) => {
                let at = inside(self.text, value, mistake.at);
                self.errors.note(at, format!("in `when`: {}", mistake.text));
                None
            }
        }
    }

    #[expect(
        clippy::option_option,
        reason = "nothing to write anew and a mistake are two things"
    )]
    fn rewrite(&mut self, table: &DeTable<'_>, name: &str) -> Option<Option<Rewrite>> {
        let Some(value) = table.get(name) else {
            return Some(None);
        };
        if let Some(written) = value.get_ref().as_str() {
            return match Template::parse(written) {
                Ok(template) => Some(Some(Rewrite::Template(template))),
                Err((offset, text)) => {
                    self.errors.note(inside(self.text, value, offset), text);
                    None
                }
            };
        }
        let parts = value.get_ref().as_table()?;
        let part = |name| typed::get(parts, name).and_then(typed::text);
        let (Some(pattern), Some(replacement)) = (part("match"), part("replace")) else {
            self.errors.note(
                value.span().start,
                format!("`{name}` wants a template, or both `match` and `replace`"),
            );
            return None;
        };
        match Rewrite::pattern(&pattern, &replacement) {
            Ok(rewrite) => Some(Some(rewrite)),
            Err(text) => {
                let at = parts.get("match").map_or(0, |value| value.span().start);
                self.errors.note(at, text);
                None
            }
        }
    }

    /// One output: who stands in it, and how it is published.
    pub(super) fn output(
        &mut self,
        table: &DeTable<'_>,
        at: usize,
        base: &Path,
        surroundings: &Surroundings<'_>,
    ) -> Option<(Membership, Output)> {
        let text = |name| typed::get(table, name).and_then(typed::text);
        let Some(id) = text("id") else {
            if !table.contains_key("id") {
                self.errors.note(at, "an [[output]] needs an `id`");
            }
            return None;
        };
        SourceId::new(&id)?;
        let when = self.when(table)?;
        let template = match table.get("title_template") {
            None => None,
            Some(value) => match Template::parse(value.get_ref().as_str()?) {
                Ok(template) => Some(template),
                Err((offset, text)) => {
                    self.errors.note(inside(self.text, value, offset), text);
                    return None;
                }
            },
        };
        let formats: Vec<Format> = typed::get(table, "formats")
            .map_or_else(Vec::new, typed::texts)
            .iter()
            .filter_map(|word| Format::of_ending(word))
            .collect();
        let restricted = table.contains_key("tokens");
        let output = Output {
            id: id.clone(),
            title: text("title"),
            description: text("description"),
            items: number(table, "items"),
            limit_per_feed: number(table, "limit_per_feed"),
            order: match text("order").as_deref() {
                Some("score") => Order::Score,
                _ => Order::Newest,
            },
            content: match text("content").as_deref() {
                Some("full") => Some(Extent::Full),
                Some("summary") => Some(Extent::Summary),
                Some("title") => Some(Extent::Title),
                _ => None,
            },
            formats: if formats.is_empty() {
                Format::ALL.to_vec()
            } else {
                formats
            },
            title_template: template,
            restricted,
            tokens: self.tokens(table, base, surroundings),
        };
        let membership = Membership {
            id,
            when,
            private: restricted,
            trouble: Arc::default(),
        };
        Some((membership, output))
    }

    fn tokens(
        &mut self,
        table: &DeTable<'_>,
        base: &Path,
        surroundings: &Surroundings<'_>,
    ) -> Vec<Token> {
        let list = typed::get(table, "tokens").and_then(DeValue::as_array);
        let mut tokens: Vec<Token> = Vec::new();
        for one in list.into_iter().flat_map(|list| list.iter()) {
            let Some(parts) = one.get_ref().as_table() else {
                continue;
            };
            let at = one.span().start;
            let text = |name| typed::get(parts, name).and_then(typed::text);
            let name = text("name").unwrap_or_default();
            if name.is_empty() || tokens.iter().any(|other| other.name == name) {
                self.errors.note(at, "each token needs a `name` of its own");
                continue;
            }
            let ways = ["sha256", "env", "credential", "file"]
                .iter()
                .filter(|way| parts.contains_key(**way))
                .count();
            if ways != 1 {
                self.errors.note(
                    at,
                    "a token needs one of `sha256` (`aggd token new` writes it), `credential`, `env` and `file`",
                );
                continue;
            }
            if let Some(hex) = text("sha256") {
                match sha256(&hex) {
                    Some(sha256) => tokens.push(Token { name, sha256 }),
                    None => self.errors.note(at, "`sha256` has 64 hexadecimal digits"),
                }
                continue;
            }
            match secret::find(one.get_ref(), base, surroundings) {
                Some(Found::Elsewhere(secret) | Found::Inline(secret)) => {
                    if secret.reveal().trim().len() < 16 {
                        self.errors.note(
                            at,
                            format!("the token `{name}` is shorter than 16 characters: it could be guessed"),
                        );
                    } else {
                        tokens.push(Token::of(&name, &secret));
                    }
                }
                Some(Found::Missing(why)) => match surroundings.secrets {
                    Secrets::Required => self.errors.note(at, why),
                    Secrets::Optional => self.warnings.note(at, why),
                },
                None => {}
            }
        }
        tokens
    }

    /// One test.
    pub(super) fn trial(&mut self, table: &DeTable<'_>, at: usize) -> Option<Trial> {
        let (article, expect) = (typed::get(table, "article"), typed::get(table, "expect"));
        let (Some(article), Some(expect)) = (
            article.and_then(DeValue::as_table),
            expect.and_then(DeValue::as_table),
        ) else {
            self.errors
                .note(at, "a [[test]] needs an `article` and what to `expect`");
            return None;
        };
        let text = |table: &DeTable<'_>, name| typed::get(table, name).and_then(typed::text);
        let texts =
            |table: &DeTable<'_>, name| typed::get(table, name).map_or_else(Vec::new, typed::texts);
        let published = text(article, "published");
        let date = published.as_deref().and_then(Timestamp::parse_rfc3339);
        if published.is_some() && date.is_none() {
            self.errors.note(
                at,
                "`published` of `article` wants a time such as \"2026-11-24T08:00:00Z\"",
            );
            return None;
        }
        Some(Trial {
            place: self.lines.place(at),
            article: Sample {
                title: text(article, "title").unwrap_or_default(),
                url: text(article, "url"),
                author: text(article, "author"),
                content: text(article, "content"),
                text: text(article, "text"),
                tags: texts(article, "tags"),
                category: text(article, "category"),
                feed: text(article, "feed").and_then(|id| SourceId::new(&id)),
                lang: text(article, "lang"),
                published: date,
            },
            expect: Expected {
                tags: texts(expect, "tags"),
                not_tags: texts(expect, "not_tags"),
                outputs: texts(expect, "outputs"),
                not_outputs: texts(expect, "not_outputs"),
                category: text(expect, "category"),
                title: text(expect, "title"),
                url: text(expect, "url"),
                score: number(expect, "score"),
                drop: typed::get(expect, "drop").and_then(DeValue::as_bool),
            },
        })
    }
}

/// A rule that says nothing.
fn nothing() -> Rule {
    Rule {
        name: String::new(),
        when: None,
        tag: Vec::new(),
        untag: Vec::new(),
        category: None,
        score: 0,
        drop: false,
        stop: false,
        title: None,
        url: None,
        trouble: Arc::default(),
    }
}

fn number<T: TryFrom<i64>>(table: &DeTable<'_>, name: &str) -> Option<T> {
    let number = typed::get(table, name).and_then(typed::whole)?;
    T::try_from(number).ok()
}

/// 64 hexadecimal digits.
fn sha256(hex: &str) -> Option<[u8; 32]> {
    let fits = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    fits.then_some(hash)
}

/// Where a byte of a text stands in the file, whatever quotes and escapes it is written with.
fn inside(file: &str, value: &Spanned<DeValue<'_>>, offset: usize) -> usize {
    let span = value.span();
    let raw = file.get(span.clone()).unwrap_or_default();
    let quote = ["'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find(|quote| raw.starts_with(quote));
    let Some(quote) = quote else {
        return span.start;
    };
    let mut at = quote.len();
    // A line end right behind three quotes does not belong to the text.
    for line_end in ["\r\n", "\n"] {
        if quote.len() == 3 && raw[at..].starts_with(line_end) {
            at += line_end.len();
            break;
        }
    }
    let mut left = offset;
    let mut chars = raw[at..].char_indices().peekable();
    while let Some((here, c)) = chars.next() {
        if left == 0 {
            return span.start + at + here;
        }
        if c != '\\' || quote.starts_with('\'') {
            left = left.saturating_sub(c.len_utf8());
            continue;
        }
        let Some((_, escaped)) = chars.next() else {
            break;
        };
        let digits = match escaped {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            c if c.is_whitespace() => {
                // The text goes on with the next letter.
                while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
                continue;
            }
            _ => {
                left = left.saturating_sub(1);
                continue;
            }
        };
        let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
        let decoded = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
        left = left.saturating_sub(decoded.map_or(1, char::len_utf8));
    }
    span.end.saturating_sub(quote.len()).max(span.start)
}
