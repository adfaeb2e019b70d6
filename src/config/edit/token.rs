//! Tokens of outputs: one more, one less. Everything else in the file stays as it was.

use std::path::Path;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::Error;

/// The text in which an output has one more token, of which only the hash is written down.
///
/// # Errors
/// If the text is not TOML, has no such output, or has its outputs or tokens in a form that cannot be changed piece by
/// piece.
pub fn add(
    text: &str,
    path: &Path,
    output: &str,
    name: &str,
    sha256: &str,
) -> Result<String, Error> {
    change(text, path, output, |tokens| {
        let mut token = InlineTable::new();
        token.insert("name", Value::from(name));
        token.insert("sha256", Value::from(sha256));
        tokens.push(Value::InlineTable(token));
        Ok(())
    })
}

/// The text in which an output has one token less. The list stays even if it is empty then: an output that was private
/// does not become public.
///
/// # Errors
/// As [`add`]; [`Error::NoSuchToken`].
pub fn revoke(text: &str, path: &Path, output: &str, name: &str) -> Result<String, Error> {
    change(text, path, output, |tokens| {
        let is_it = |value: &Value| {
            let table = value.as_inline_table();
            table.and_then(|table| table.get("name")?.as_str()) == Some(name)
        };
        let Some(at) = tokens.iter().position(is_it) else {
            return Err(Error::NoSuchToken {
                output: output.to_owned(),
                name: name.to_owned(),
            });
        };
        tokens.remove(at);
        Ok(())
    })
}

fn change(
    text: &str,
    path: &Path,
    output: &str,
    change: impl FnOnce(&mut Array) -> Result<(), Error>,
) -> Result<String, Error> {
    let broken = || Error::Broken {
        path: path.to_owned(),
    };
    let mut document: DocumentMut = text.parse().map_err(|_| broken())?;
    let missing = || Error::NoSuchOutput {
        id: output.to_owned(),
        path: path.to_owned(),
    };
    let tables = match document.get_mut("output") {
        Some(Item::ArrayOfTables(tables)) => tables,
        Some(_) => {
            return Err(Error::InlineOutputs {
                path: path.to_owned(),
            });
        }
        None => return Err(missing()),
    };
    let of_that_id = |table: &&mut Table| table.get("id").and_then(Item::as_str) == Some(output);
    let table = tables.iter_mut().find(of_that_id).ok_or_else(missing)?;
    let item = table
        .entry("tokens")
        .or_insert_with(|| Item::Value(Value::Array(Array::new())));
    let Some(tokens) = item.as_array_mut() else {
        return Err(Error::InlineOutputs {
            path: path.to_owned(),
        });
    };
    change(tokens)?;
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\n[[output]]\nid = \"a\" # the first\n\n[[output]]\nid = \"b\"\n# who may\ntokens = [{ name = \"old\", credential = \"x\" }] # two\nitems = 3\n";

    #[test]
    fn comments_stay_and_the_last_token_leaves_an_empty_list() {
        let path = Path::new("feeds.toml");
        let more = add(TEXT, path, "b", "phone", "00ff").unwrap();
        assert_eq!(
            more,
            TEXT.replace(
                " }] # two",
                " }, { name = \"phone\", sha256 = \"00ff\" }] # two"
            )
        );
        let less = revoke(&more, path, "b", "phone").unwrap();
        assert_eq!(less, TEXT);
        let none = revoke(TEXT, path, "b", "old").unwrap();
        assert!(none.contains("tokens = [] # two"), "{none}");
        let first = add(TEXT, path, "a", "phone", "00ff").unwrap();
        assert!(
            first.contains(
                "id = \"a\" # the first\ntokens = [{ name = \"phone\", sha256 = \"00ff\" }]\n"
            ),
            "{first}"
        );
        assert!(matches!(
            revoke(TEXT, path, "b", "new"),
            Err(Error::NoSuchToken { .. })
        ));
        assert!(matches!(
            add(TEXT, path, "c", "x", ""),
            Err(Error::NoSuchOutput { .. })
        ));
    }
}
