//! Changes feeds.toml for the commands: comments and order stay, nobody ever sees half a file, nothing is lost.
//!
//! Text in, text out for each kind of change ([`append`], [`remove`], [`set`], [`unset`]); [`Locked`] puts it on the disk. The
//! daemon never comes here.

mod exported;
mod locked;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike, Value};

pub use exported::{ExportedFeed, categories_of, category_lines, feeds_of, inline_pairs};
pub use locked::Locked;

use super::nearest::hint;
use super::schema::{self, Shape};
use super::source::{default_id, without_user_info};

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else changed it in the meantime.
    #[error("{} was changed by somebody else in the meantime; nothing was written, please try again", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// Another command is changing it and does not come to an end.
    #[error("another command is changing {}; please try again", path.display())]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("{} cannot be changed by this user: {why}", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The disk refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, so that there is no safe way to change it.
    #[error("{} has mistakes; `aggd check` names them", path.display())]
    Broken {
        /// Which.
        path: PathBuf,
    },
    /// There is nothing of that name in it.
    #[error("there is no feed `{id}` in {}", path.display())]
    NoSuchFeed {
        /// Which was meant.
        id: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file has its feeds in a form that cannot be changed piece by piece.
    #[error("{} lists its feeds as `feed = [ … ]`; write them as [[feed]] tables to let aggd change them", path.display())]
    Inline {
        /// Which.
        path: PathBuf,
    },
}

/// Keys and values of a new `[[feed]]`, in the order in which they are to stand.
pub type NewFeed = Vec<(Cow<'static, str>, Value)>;

/// A text as a value.
#[must_use]
pub fn text(text: &str) -> Value {
    Value::from(text)
}

/// A list of texts as a value.
#[must_use]
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::from_iter(texts)
}

/// What somebody typed for a key of `[[feed]]`, in the form that the key wants: `1h`, `true`, `a,b`, or TOML.
///
/// # Errors
/// In words, if there is no such key.
pub fn value(key: &str, typed: &str) -> Result<Value, String> {
    let name = key.split('.').next().unwrap_or(key);
    let Some(known) = schema::FEED.iter().find(|known| known.name == name) else {
        let hint = hint(name, schema::FEED.iter().map(|known| known.name));
        return Err(format!("a feed has no key `{name}`{hint}"));
    };
    let typed = typed.trim();
    let toml: Option<Value> = typed.parse().ok();
    let is_quoted = typed.starts_with(['"', '\'']);
    Ok(match (known.shape, toml) {
        (_, Some(toml)) if is_quoted || typed.starts_with(['{', '[']) => toml,
        (Shape::Flag | Shape::Whole(..), Some(toml)) => toml,
        (Shape::List(_), _) => list(typed.split(',').map(str::trim)),
        _ => text(typed),
    })
}

/// The lines of one new feed, without an empty line around them.
#[must_use]
pub fn feed_lines(feed: &NewFeed) -> String {
    use std::fmt::Write as _;

    let mut lines = String::from("[[feed]]\n");
    for (key, value) in feed {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{key} = {}", value.clone().decorated("", ""));
    }
    lines
}

/// The text with further feeds at its end; all that was there stays as it was, byte for byte.
#[must_use]
pub fn append(text: &str, feeds: &[NewFeed]) -> String {
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut all = text.to_owned();
    for feed in feeds {
        if !all.is_empty() {
            if !all.ends_with('\n') {
                all.push_str(line_end);
            }
            if !all.ends_with("\n\n") && !all.ends_with("\n\r\n") {
                all.push_str(line_end);
            }
        }
        all.push_str(&feed_lines(feed).replace('\n', line_end));
    }
    all
}

/// The text without some feeds. A feed takes along the comment that stands right above it, and everything between
/// its first and its last value; the rest stays as it was, byte for byte.
///
/// # Errors
/// If the text is not TOML, has its feeds inline, or has no such feed.
pub fn remove(text: &str, path: &Path, ids: &[&str]) -> Result<String, Error> {
    let broken = || Error::Broken {
        path: path.to_owned(),
    };
    let document = toml_edit::Document::parse(text).map_err(|_| broken())?;
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    for id in ids {
        let tables = match document.get("feed") {
            Some(Item::ArrayOfTables(tables)) => tables,
            Some(_) => {
                return Err(Error::Inline {
                    path: path.to_owned(),
                });
            }
            None => return Err(no_such(id, path)),
        };
        let table = tables
            .iter()
            .find(|table| id_of(*table).as_deref() == Some(*id))
            .ok_or_else(|| no_such(id, path))?;
        let header = table.span().ok_or_else(broken)?;
        let end = last_byte(table).max(header.end);
        cuts.push((comment_above(text, header.start), after_line(text, end)));
    }
    cuts.sort_unstable();
    let mut rest = text.to_owned();
    for (start, end) in cuts.into_iter().rev() {
        rest.replace_range(start..end, "");
    }
    Ok(rest)
}

/// The text with one key of a feed set to another value; its comments stay.
///
/// # Errors
/// As [`remove`].
pub fn set(text: &str, path: &Path, id: &str, key: &str, value: Value) -> Result<String, Error> {
    change(text, path, id, |table| set_in(table, key, value))
}

/// The text in which a feed has the id that it goes by, so that its address can change.
///
/// # Errors
/// As [`remove`].
pub fn with_id(text: &str, path: &Path, id: &str) -> Result<String, Error> {
    change(text, path, id, |table| {
        if !table.contains_key("id") {
            table.insert("id", Item::Value(Value::from(id)));
        }
    })
}

fn set_in(table: &mut dyn TableLike, key: &str, value: Value) {
    // `headers.Cookie` is a key within a table, which may have to be made.
    if let Some((outer, inner)) = key.split_once('.') {
        let item = table.entry(outer).or_insert_with(|| {
            let mut inline = toml_edit::InlineTable::new();
            inline.set_dotted(true);
            Item::Value(Value::InlineTable(inline))
        });
        if let Some(held) = item.as_table_like_mut() {
            set_in(held, inner, value);
        }
        return;
    }
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// The text with one key of a feed taken away.
///
/// # Errors
/// As [`remove`].
pub fn unset(text: &str, path: &Path, id: &str, key: &str) -> Result<String, Error> {
    change(text, path, id, |table| match key.split_once('.') {
        Some((outer, inner)) => {
            if let Some(held) = table.get_mut(outer).and_then(Item::as_table_like_mut) {
                held.remove(inner);
            }
        }
        None => {
            table.remove(key);
        }
    })
}

fn change(
    text: &str,
    path: &Path,
    id: &str,
    change: impl FnOnce(&mut toml_edit::Table),
) -> Result<String, Error> {
    let mut document: DocumentMut = text.parse().map_err(|_| Error::Broken {
        path: path.to_owned(),
    })?;
    let tables = match document.get_mut("feed") {
        Some(Item::ArrayOfTables(tables)) => tables,
        Some(_) => {
            return Err(Error::Inline {
                path: path.to_owned(),
            });
        }
        None => return Err(no_such(id, path)),
    };
    let table = tables
        .iter_mut()
        .find(|table| id_of(*table).as_deref() == Some(id))
        .ok_or_else(|| no_such(id, path))?;
    change(table);
    Ok(document.to_string())
}

fn no_such(id: &str, path: &Path) -> Error {
    Error::NoSuchFeed {
        id: id.to_owned(),
        path: path.to_owned(),
    }
}

/// The id of a feed as written, or as made from its address.
fn id_of(table: &dyn TableLike) -> Option<String> {
    if let Some(id) = table.get("id").and_then(Item::as_str) {
        return Some(id.to_owned());
    }
    let giver = match table.get("url").and_then(Item::as_str) {
        Some(url) => without_user_info(url.trim()),
        None => format!("exec:{}", table.get("command")?.get(0)?.as_str()?),
    };
    Some(default_id(&giver).as_str().to_owned())
}

/// Where the last value of a table ends, its sub-tables included.
fn last_byte(table: &toml_edit::Table) -> usize {
    table
        .iter()
        .map(|(_, item)| match item {
            Item::Table(inner) => last_byte(inner).max(inner.span().map_or(0, |span| span.end)),
            Item::ArrayOfTables(list) => list
                .iter()
                .map(|inner| last_byte(inner).max(inner.span().map_or(0, |span| span.end)))
                .max()
                .unwrap_or(0),
            other => other.span().map_or(0, |span| span.end),
        })
        .max()
        .unwrap_or(0)
}

/// The start of the comment that stands right above a header, or of the header's own line.
fn comment_above(text: &str, header: usize) -> usize {
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut start = line_start(header);
    while start > 0 {
        let above = line_start(start - 1);
        if !text[above..start].trim_start().starts_with('#') {
            break;
        }
        start = above;
    }
    start
}

/// The end of the line, and of the empty lines after it.
fn after_line(text: &str, at: usize) -> usize {
    let mut end = text[at..].find('\n').map_or(text.len(), |n| at + n + 1);
    while let Some(n) = text[end..].find('\n') {
        if !text[end..end + n].trim().is_empty() {
            break;
        }
        end += n + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# My feeds\n\n# about a\n[[feed]]\nid = \"a\"\nurl = \"https://a.org/\" # its address\n\n# loose\n\n# about b\n[[feed]]\nurl = \"https://b.org/\"\n  [feed.headers]\n  X = \"y\"\n\n# the end\n[log]\nlevel = \"info\"\n";

    #[test]
    fn a_removed_feed_takes_only_what_is_its_own() {
        let path = Path::new("feeds.toml");
        assert_eq!(
            remove(TEXT, path, &["a"]).unwrap(),
            TEXT.replace(
                "# about a\n[[feed]]\nid = \"a\"\nurl = \"https://a.org/\" # its address\n\n",
                ""
            )
        );
        assert_eq!(
            remove(TEXT, path, &["b-org"]).unwrap(),
            TEXT.replace(
                "# about b\n[[feed]]\nurl = \"https://b.org/\"\n  [feed.headers]\n  X = \"y\"\n\n",
                ""
            )
        );
        assert_eq!(
            remove(TEXT, path, &["b-org", "a"]).unwrap(),
            "# My feeds\n\n# loose\n\n# the end\n[log]\nlevel = \"info\"\n"
        );
        assert!(matches!(
            remove(TEXT, path, &["c"]),
            Err(Error::NoSuchFeed { .. })
        ));
    }

    #[test]
    fn a_changed_key_keeps_its_comment() {
        let path = Path::new("feeds.toml");
        let text = set(TEXT, path, "a", "url", Value::from("https://new.org/")).unwrap();
        assert_eq!(
            text,
            TEXT.replace("\"https://a.org/\" #", "\"https://new.org/\" #")
        );
        let text = set(TEXT, path, "a", "every", Value::from("1h")).unwrap();
        assert!(text.contains("# its address\nevery = \"1h\"\n"), "{text}");
        let text = unset(TEXT, path, "a", "id").unwrap();
        assert!(!text.contains("id = \"a\""));
        let text = set(TEXT, path, "a", "headers.X", super::text("y")).unwrap();
        assert!(text.contains("headers.X = \"y\"\n"), "{text}");
        let text = set(TEXT, path, "b-org", "headers.Z", super::text("y")).unwrap();
        assert!(text.contains("  X = \"y\"\nZ = \"y\"\n"), "{text}");
        let text = with_id(TEXT, path, "b-org").unwrap();
        assert!(text.contains("id = \"b-org\""), "{text}");
    }

    #[test]
    fn what_is_typed_takes_the_form_of_its_key() {
        for (key, typed, wanted) in [
            ("every", "1h", "\"1h\""),
            ("title", "2024", "\"2024\""),
            ("private", "true", "true"),
            ("trust", "10", "10"),
            ("tags", "a, b", "[\"a\", \"b\"]"),
            ("tags", "[\"a\"]", "[\"a\"]"),
            ("every", "{ min = \"1h\" }", "{ min = \"1h\" }"),
        ] {
            assert_eq!(value(key, typed).unwrap().to_string(), wanted);
        }
        assert_eq!(
            value("evry", "1h").unwrap_err(),
            "a feed has no key `evry`, did you mean `every`?"
        );
    }

    #[test]
    fn a_new_feed_stands_at_the_end_in_the_files_own_line_ends() {
        let feed: NewFeed = vec![
            ("id".into(), text("x")),
            ("title".into(), text("say \"hi\"")),
            ("tags".into(), list(["a", "社会"])),
        ];
        assert_eq!(
            append("", std::slice::from_ref(&feed)),
            "[[feed]]\nid = \"x\"\ntitle = 'say \"hi\"'\ntags = [\"a\", \"社会\"]\n"
        );
        assert_eq!(
            append("[log]\r\nlevel = \"info\"", &[feed]),
            "[log]\r\nlevel = \"info\"\r\n\r\n[[feed]]\r\nid = \"x\"\r\ntitle = 'say \"hi\"'\r\ntags = [\"a\", \"社会\"]\r\n"
        );
    }
}
