//! What other readers and another aggd get of feeds.toml: its feeds and categories, each with all its settings in one
//! inline table, and without the secrets.

use std::borrow::Cow;
use std::path::Path;

use toml_edit::{Item, TableLike, Value};

use super::{Error, NewFeed, feed_lines, id_of, text};
use crate::config::source::{is_secret_header, without_user_info};

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
