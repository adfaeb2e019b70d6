//! What narrows a list: the parameters of a query, read strictly. Whatever cannot be meant is refused with a reason,
//! because a reader that silently gets everything instead of a selection would never notice.

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

use super::Error;
use crate::model::label::{Cursor, Has};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

/// More articles than this are never on one page.
pub(super) const MOST: usize = 500;

/// The parameters of a list. Labels are spelt as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Query {
    /// Articles on a page.
    pub n: Option<usize>,
    /// Published strictly after.
    pub since: Option<Timestamp>,
    /// Published strictly before.
    pub before: Option<Timestamp>,
    /// The page whose last article is newer than this place.
    pub after_place: Option<Cursor>,
    /// The page whose first article is older than this place.
    pub before_place: Option<Cursor>,
    /// All of these tags.
    pub tags: Vec<String>,
    /// One of these tags.
    pub any: Vec<String>,
    /// None of these tags.
    pub not: Vec<String>,
    /// In this category.
    pub category: Option<String>,
    /// Seen at this source.
    pub source: Option<SourceId>,
    /// In this language.
    pub language: Option<String>,
    /// With these parts.
    pub has: Vec<Has>,
    /// Words to search for.
    pub q: Option<String>,
    /// The parameters that are not a place, as they came: what links to other pages of the same list repeat.
    pub kept: String,
}

impl Query {
    /// Reads a raw query.
    ///
    /// # Errors
    /// [`Error::BadRequest`] with what is wrong and what would be right.
    pub fn parse(raw: &str) -> Result<Self, Error> {
        let mut query = Self::default();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            let value = decode(raw_value)?;
            if value.trim().is_empty() {
                return Err(refused(format!("`{name}` has no value.")));
            }
            if !query.take(&name, &value)? {
                if !query.kept.is_empty() {
                    query.kept.push('&');
                }
                query.kept.push_str(pair);
            }
        }
        Ok(query)
    }

    /// True if the list is not narrowed: only such a list has archives and deltas.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Notes one parameter; true if it names a place.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Error> {
        match name {
            "n" => once(name, &mut self.n, count(value)?)?,
            "since" => return point(name, value, &mut self.since, &mut self.after_place),
            "before" => return point(name, value, &mut self.before, &mut self.before_place),
            "q" => once(name, &mut self.q, value.to_owned())?,
            "tag" => self.tags.push(value.to_owned()),
            "any" => self.any.push(value.to_owned()),
            "not" => self.not.push(value.to_owned()),
            "category" => once(name, &mut self.category, value.to_owned())?,
            "source" => {
                let id = SourceId::new(value).ok_or_else(|| {
                    refused("`source` takes the id of a source, such as `rust-blog`.".into())
                })?;
                once(name, &mut self.source, id)?;
            }
            "lang" => once(name, &mut self.language, language(value)?)?,
            "has" => self.has.push(match value {
                "image" => Has::Image,
                "enclosure" => Has::Enclosure,
                _ => return Err(refused("`has` takes `image` or `enclosure`.".into())),
            }),
            _ => {
                return Err(refused(format!(
                    "There is no parameter `{name}`; there are n, since, before, tag, any, not, category, source, lang and has."
                )));
            }
        }
        Ok(false)
    }
}

fn refused(sentence: String) -> Error {
    Error::BadRequest(sentence)
}

fn once<T>(name: &str, place: &mut Option<T>, value: T) -> Result<(), Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(refused(format!("`{name}` is given twice."))),
    }
}

fn count(value: &str) -> Result<usize, Error> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    // A number too long for us is certainly over the limit.
    let number = if digits {
        value.parse().unwrap_or(usize::MAX)
    } else {
        0
    };
    if number == 0 {
        return Err(refused(format!("`n` takes a number from 1 to {MOST}.")));
    }
    Ok(number.min(MOST))
}

fn point(
    name: &str,
    value: &str,
    time: &mut Option<Timestamp>,
    place: &mut Option<Cursor>,
) -> Result<bool, Error> {
    // A `+` before the offset is often sent as it is, and may arrive as a blank.
    if let Some(at) = Timestamp::parse_rfc3339(&value.replace(' ', "+")) {
        once(name, time, at)?;
        return Ok(false);
    }
    let cursor = Cursor::parse(value).ok_or_else(|| {
        refused(format!(
            "`{name}` takes a time such as 2026-11-24T08:00:00Z, or a place from a link of this feed."
        ))
    })?;
    once(name, place, cursor)?;
    Ok(true)
}

fn language(value: &str) -> Result<String, Error> {
    let fits = value.split('-').all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if fits {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(refused(
            "`lang` takes a language such as en or zh-Hans.".into(),
        ))
    }
}

/// Decodes `%XX`. A plus sign stays one: `tag=C++` means C++.
fn decode(raw: &str) -> Result<String, Error> {
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| refused("The query is not UTF-8.".into()))?;
    if text.chars().any(char::is_control) {
        return Err(refused("The query contains a control character.".into()));
    }
    Ok(text.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_parameter_is_never_the_whole_feed() {
        for raw in [
            "n=0",
            "n=-1",
            "n=many",
            "n=",
            "n=5&n=6",
            "since=yesterday",
            "before=2026-13-01",
            "tag=",
            "source=A%20B",
            "lang=no_such",
            "has=cheese",
            "tagg=rust",
            "tag=%00",
            "tag=%ff",
        ] {
            assert!(
                matches!(Query::parse(raw), Err(Error::BadRequest(_))),
                "{raw}"
            );
        }
    }

    #[test]
    fn values_keep_what_belongs_to_them() {
        let query =
            Query::parse("tag=C++&tag=a%2Fb&any=x%26y&n=9999&since=2026-11-24T08:00:00+08:00")
                .unwrap();
        assert_eq!(query.tags, ["C++", "a/b"]);
        assert_eq!(query.any, ["x&y"]);
        assert_eq!(query.n, Some(MOST));
        assert_eq!(query.since, Timestamp::from_civil(2026, 11, 24, 0, 0, 0));
    }

    #[test]
    fn places_are_left_out_of_what_is_kept() {
        let query = Query::parse("lang=zh&before=2b-1&n=3").unwrap();
        assert!(query.before_place.is_some());
        assert_eq!(query.kept, "lang=zh&n=3");
    }
}
