//! Changes feeds.toml for the commands: comments and order stay, nobody ever sees half a file, nothing is lost.
//!
//! Text in, text out for each kind of change ([`append`], [`remove`], [`set`], [`unset`]); [`Locked`] puts it on the disk. The
//! daemon never comes here.

pub mod alias;
pub mod token;

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, FlockOperation};
use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::nearest::hint;
use super::schema::{self, Shape};
use super::source::{default_id, is_secret_header, without_user_info};

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
    /// There is no output of that name in it.
    #[error("there is no output `{id}` in {}", path.display())]
    NoSuchOutput {
        /// Which was meant.
        id: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The output has no token of that name.
    #[error("`{output}` has no token `{name}`; `aggd token list` shows them")]
    NoSuchToken {
        /// The output.
        output: String,
        /// Which was meant.
        name: String,
    },
    /// The file has its outputs or their tokens in a form that cannot be changed piece by piece.
    #[error("{} lists its outputs or tokens in another form; write [[output]] tables with `tokens = [{{ … }}]` to let aggd change them", path.display())]
    InlineOutputs {
        /// Which.
        path: PathBuf,
    },
    /// The file has its feeds in a form that cannot be changed piece by piece.
    #[error("{} lists its feeds as `feed = [ … ]`; write them as [[feed]] tables to let aggd change them", path.display())]
    Inline {
        /// Which.
        path: PathBuf,
    },
}

/// A file of the configuration, held against other commands (not against editors: those are noticed before writing).
#[derive(Debug)]
pub struct Locked {
    shown: PathBuf,
    path: PathBuf,
    text: String,
    before: Option<String>,
    directory: File,
}

impl Locked {
    /// Takes the file for as long as the value lives, waiting up to ten seconds for other commands.
    ///
    /// # Errors
    /// If it cannot be read, may not be written, or stays locked.
    pub fn open(shown: &Path) -> Result<Self, Error> {
        let io = |what, source| Error::Io {
            what,
            path: shown.to_owned(),
            source,
        };
        // A link stays a link: what it leads to is changed.
        let path = shown
            .canonicalize()
            .map_err(|source| io("cannot find", source))?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        let directory =
            File::open(parent).map_err(|source| io("cannot open the directory of", source))?;
        lock(&directory, shown)?;
        let text = read(&path).map_err(|source| io("cannot read", source))?;
        Ok(Self {
            shown: shown.to_owned(),
            path,
            text,
            before: None,
            directory,
        })
    }

    /// Says whether [`Locked::write`] may work, before anything else is done for it.
    ///
    /// # Errors
    /// [`Error::NotWritable`].
    pub fn writable(&self) -> Result<(), Error> {
        let refuse = |why: String| {
            Err(Error::NotWritable {
                path: self.shown.clone(),
                why,
            })
        };
        // To root nothing is read-only, but somebody who takes every write bit away means it.
        let locked = std::fs::metadata(&self.path).is_ok_and(|meta| meta.mode() & 0o222 == 0);
        if locked {
            return refuse("the file is read-only".to_owned());
        }
        if let Err(error) = rustix::fs::access(&self.path, Access::WRITE_OK) {
            return refuse(words(error));
        }
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        match rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Ok(()),
            Err(error) => refuse(format!("its directory: {}", words(error))),
        }
    }

    /// What stands in it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts another text in its place: whole or not at all, with the same mode and owner.
    ///
    /// # Errors
    /// [`Error::Changed`] if it no longer holds what was read; [`Error::NotWritable`], [`Error::Io`].
    pub fn write(&mut self, text: &str) -> Result<(), Error> {
        self.writable()?;
        self.replace(text)?;
        let before = std::mem::replace(&mut self.text, text.to_owned());
        self.before.get_or_insert(before);
        Ok(())
    }

    /// Puts back what was there before the first [`Locked::write`].
    ///
    /// # Errors
    /// As [`Locked::write`]; somebody else's change is not overwritten.
    pub fn restore(&mut self) -> Result<(), Error> {
        if let Some(before) = self.before.take() {
            self.replace(&before)?;
            self.text = before;
        }
        Ok(())
    }

    fn replace(&self, text: &str) -> Result<(), Error> {
        let io = |what| {
            let path = self.shown.clone();
            move |source| Error::Io { what, path, source }
        };
        let meta = std::fs::metadata(&self.path).map_err(io("cannot read"))?;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self
            .path
            .with_file_name(format!(".{name}.{}.new", std::process::id()));
        let written = self.write_beside(&temporary, text, &meta);
        let done = written.and_then(|()| {
            let now = read(&self.path).map_err(io("cannot read"))?;
            if now != self.text {
                return Err(Error::Changed {
                    path: self.shown.clone(),
                });
            }
            std::fs::rename(&temporary, &self.path).map_err(io("cannot replace"))
        });
        if done.is_err() {
            // Best effort: the error that is told is the one that led here.
            let _ = std::fs::remove_file(&temporary);
            return done;
        }
        self.directory
            .sync_all()
            .map_err(io("cannot sync the directory of"))
    }

    fn write_beside(
        &self,
        temporary: &Path,
        text: &str,
        meta: &std::fs::Metadata,
    ) -> Result<(), Error> {
        let io = |source| Error::Io {
            what: "cannot write",
            path: self.shown.clone(),
            source,
        };
        // One that was left by a command that was killed; its process id has come round again.
        let _ = std::fs::remove_file(temporary);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)
            .map_err(io)?;
        file.write_all(text.as_bytes()).map_err(io)?;
        let ours = file.metadata().map_err(io)?;
        if (ours.uid(), ours.gid()) != (meta.uid(), meta.gid()) {
            let owner = rustix::fs::fchown(
                &file,
                Some(rustix::fs::Uid::from_raw(meta.uid())),
                Some(rustix::fs::Gid::from_raw(meta.gid())),
            );
            if owner.is_err() {
                return Err(Error::NotWritable {
                    path: self.shown.clone(),
                    why: "it belongs to somebody else".to_owned(),
                });
            }
        }
        file.set_permissions(meta.permissions()).map_err(io)?;
        file.sync_all().map_err(io)
    }
}

fn words(error: rustix::io::Errno) -> String {
    match error {
        rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => "permission denied".to_owned(),
        rustix::io::Errno::ROFS => "the file system is read-only".to_owned(),
        other => std::io::Error::from(other).to_string(),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// The directory itself is what is locked: no lock file is left behind, and renaming the file changes nothing.
fn lock(directory: &File, shown: &Path) -> Result<(), Error> {
    const STEP: Duration = Duration::from_millis(20);
    for _ in 0..500 {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(STEP),
            // Some network file systems have no locks; the comparison before the rename still stands.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(Error::Locked {
        path: shown.to_owned(),
    })
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

/// The keys and values of an inline table, as [`ExportedFeed::settings`] has them; `None` if it is none.
#[must_use]
pub fn inline_pairs(settings: &str) -> Option<NewFeed> {
    let value: Value = settings.trim().parse().ok()?;
    let table = value.as_inline_table()?.clone();
    Some(
        table
            .into_iter()
            .map(|(key, value)| (Cow::Owned(key.clone()), value))
            .collect(),
    )
}

/// A feed as it stands in feeds.toml, without what must not leave it.
#[derive(Debug, Clone)]
pub struct ExportedFeed {
    /// Its address, without name and password; empty if it has none.
    pub url: String,
    /// Its category.
    pub category: Option<String>,
    /// All its settings: an inline table.
    pub settings: String,
    /// Headers that were left out since they hold a secret.
    pub hidden: usize,
    table: toml_edit::InlineTable,
}

impl ExportedFeed {
    /// A setting that is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        self.table.get(key)?.as_str().map(str::to_owned)
    }
}

/// The feeds of a file, each with its id, however it came by it.
///
/// # Errors
/// If the text is not TOML.
pub fn feeds_of(text: &str, path: &Path) -> Result<Vec<ExportedFeed>, Error> {
    let document = toml_edit::Document::parse(text).map_err(|_| Error::Broken {
        path: path.to_owned(),
    })?;
    let tables: Vec<&dyn TableLike> = match document.get("feed") {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter().map(|one| one as &dyn TableLike).collect()
        }
        Some(Item::Value(Value::Array(list))) => list
            .iter()
            .filter_map(|one| one.as_inline_table().map(|one| one as &dyn TableLike))
            .collect(),
        _ => Vec::new(),
    };
    Ok(tables.into_iter().map(exported).collect())
}

fn exported(table: &dyn TableLike) -> ExportedFeed {
    let mut settings = toml_edit::InlineTable::new();
    let mut hidden = 0;
    if let Some(id) = id_of(table) {
        settings.insert("id", text(&id));
    }
    for (key, item) in table.iter().filter(|(key, _)| *key != "id") {
        let Some(value) = bare(item) else { continue };
        let value = match (key, value) {
            ("url", Value::String(url)) => text(&without_user_info(url.value().trim())),
            ("proxy", Value::String(proxy)) if proxy.value().contains('@') => {
                hidden += 1;
                continue;
            }
            ("headers", Value::InlineTable(headers)) => {
                let open: toml_edit::InlineTable = headers
                    .iter()
                    .filter(|(name, value)| !value.is_str() || !is_secret_header(name))
                    .map(|(name, value)| (name, value.clone()))
                    .collect();
                hidden += headers.len() - open.len();
                Value::InlineTable(open)
            }
            (_, value) => value,
        };
        settings.insert(key, value);
    }
    let url = table.get("url").and_then(Item::as_str).unwrap_or_default();
    ExportedFeed {
        url: without_user_info(url.trim()),
        category: table
            .get("category")
            .and_then(Item::as_str)
            .map(str::to_owned),
        settings: Value::InlineTable(settings.clone()).to_string(),
        hidden,
        table: settings,
    }
}

/// The `[category.NAME]` tables of a file: name and settings, the latter as an inline table.
///
/// # Errors
/// If the text is not TOML.
pub fn categories_of(text: &str, path: &Path) -> Result<Vec<(String, String)>, Error> {
    let document = toml_edit::Document::parse(text).map_err(|_| Error::Broken {
        path: path.to_owned(),
    })?;
    let Some(table) = document.get("category").and_then(Item::as_table_like) else {
        return Ok(Vec::new());
    };
    Ok(table
        .iter()
        .filter_map(|(name, item)| Some((name.to_owned(), bare(item)?.to_string())))
        .collect())
}

/// The lines of one `[category.NAME]`, with an empty line before them.
#[must_use]
pub fn category_lines(name: &str, pairs: &NewFeed) -> String {
    let key = toml_edit::Key::new(name);
    let lines = feed_lines(pairs);
    let pairs = lines.trim_start_matches("[[feed]]\n");
    format!("\n[category.{}]\n{pairs}", key.display_repr())
}

/// A value without comments and line ends, tables as inline tables.
fn bare(item: &Item) -> Option<Value> {
    let mut value = item.clone().into_value().ok()?;
    strip(&mut value);
    Some(value)
}

fn strip(value: &mut Value) {
    value.decor_mut().clear();
    match value {
        Value::InlineTable(table) => {
            table.set_dotted(false);
            table.fmt();
            table.iter_mut().for_each(|(_, inner)| strip(inner));
            table.fmt();
        }
        Value::Array(list) => {
            list.iter_mut().for_each(strip);
            list.set_trailing("");
            list.fmt();
        }
        _ => {}
    }
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
