//! The alias table: one tag that is to be another one from now on. Everything else in the file stays as it was.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::Error;

/// The text in which `from` is an alias of `to`, and so is everything that was an alias of `from`.
///
/// `is_from` tells the spellings of `from`.
///
/// # Errors
/// If the text is not TOML.
pub fn add(
    text: &str,
    path: &Path,
    (from, to): (&str, &str),
    is_from: impl Fn(&str) -> bool,
) -> Result<String, Error> {
    let broken = || Error::Broken {
        path: path.to_owned(),
    };
    let mut document: DocumentMut = text.parse().map_err(|_| broken())?;
    let hidden = || {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    };
    let tags = document.entry("tags").or_insert_with(hidden);
    let tags = tags.as_table_like_mut().ok_or_else(broken)?;
    let alias = tags
        .entry("alias")
        .or_insert_with(|| Item::Table(Table::new()));
    let alias = alias.as_table_like_mut().ok_or_else(broken)?;
    for (_, item) in alias.iter_mut() {
        if let Item::Value(value) = item
            && value.as_str().is_some_and(&is_from)
        {
            let decor = value.decor().clone();
            *value = Value::from(to);
            *value.decor_mut() = decor;
        }
    }
    alias.insert(from, Item::Value(Value::from(to)));
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_alias(text: &str, from: &str, to: &str) -> String {
        add(text, Path::new("feeds.toml"), (from, to), |name| {
            name == from
        })
        .unwrap()
    }

    #[test]
    fn comments_stay_and_aliases_are_not_chained() {
        let before = "# ours\n[tags] # all\nauto = \"off\"\n[tags.alias] # one meaning\nrustlang = \"Rust-Lang\" # old\n\n[poll]\n";
        assert_eq!(
            add_alias(before, "Rust-Lang", "rust"),
            "# ours\n[tags] # all\nauto = \"off\"\n[tags.alias] # one meaning\nrustlang = \"rust\" # old\nRust-Lang = \"rust\"\n\n[poll]\n"
        );
        assert_eq!(
            add_alias("", "人工智慧", "AI"),
            "[tags.alias]\n\"人工智慧\" = \"AI\"\n"
        );
        let again = add_alias("[tags]\nalias = { a = \"b\" }\n", "b", "c++");
        let document: DocumentMut = again.parse().unwrap();
        assert_eq!(document["tags"]["alias"]["a"].as_str(), Some("c++"));
        assert_eq!(document["tags"]["alias"]["b"].as_str(), Some("c++"));
    }
}
