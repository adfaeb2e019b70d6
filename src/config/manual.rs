//! The table of known keys as a manual page, feeds.toml(5).

use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use super::schema::{EVERY, FILE, Key, SECRET, Shape};
use super::{later, typed};

/// The page, in roff.
#[must_use]
pub fn manual() -> String {
    let mut page = format!(
        ".TH feeds.toml 5 \"\" \"aggd {}\"\n.SH NAME\nfeeds.toml \\- what aggd polls, and how\n.SH DESCRIPTION\n",
        env!("CARGO_PKG_VERSION")
    );
    page.push_str(
        "One TOML file says all. Everything but the address of a feed has a default;\n\
         .B aggd config\nshows what is in force,\n.B aggd check\nnames every mistake with its place, and\n\
         .B aggd reload\nputs a change in force, or leaves everything as it was.\n\
         .PP\nDurations: \"90s\", \"15m\", \"24h\", \"30d\", \"5y\". Sizes: \"512KiB\", \"64MiB\", \"1GiB\".\n",
    );
    section(&mut page, "AT THE TOP", "", FILE);
    tables(&mut page, "", FILE);
    section(&mut page, "AN INTERVAL", "", EVERY);
    section(&mut page, "A SECRET", "", SECRET);
    page.push_str(
        ".SH FILES\n.I ./feeds.toml\n.br\n.I ~/.config/aggd/feeds.toml\n.br\n.I /etc/aggd/feeds.toml\n\
         .SH SEE ALSO\n.BR aggd (1)\n",
    );
    page
}

/// A section for each table, and for the tables within.
fn tables(page: &mut String, path: &str, keys: &[Key]) {
    for key in keys {
        let path = joined(path, key.name);
        if later::is_refused(&path) {
            continue;
        }
        let (heading, inner, keys) = match key.shape {
            Shape::Table(keys) => (format!("[{path}]"), path, keys),
            Shape::Tables(keys) => (format!("[[{path}]]"), path, keys),
            Shape::Map(Shape::Table(keys)) => (format!("[{path}.NAME]"), path, *keys),
            _ => continue,
        };
        section(page, &heading, &inner, keys);
        tables(page, &inner, keys);
    }
}

fn section(page: &mut String, heading: &str, path: &str, keys: &[Key]) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, ".SH \"{}\"", escaped(heading));
    for key in keys {
        let path = joined(path, key.name);
        if later::is_refused(&path) {
            continue;
        }
        let _ = writeln!(
            page,
            ".TP\n.B {}\n{}\n.br\n{}.",
            escaped(key.name),
            escaped(key.about),
            escaped(&form(&path, key.shape))
        );
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// What a value looks like, in the words of the error that says so.
fn form(path: &str, shape: Shape) -> String {
    match shape {
        Shape::List(of) => format!("A list; each is {}", form(path, *of)),
        Shape::OneOrMany(of) => format!("{}, or a list of these", form(path, *of)),
        Shape::Map(Shape::Table(_)) | Shape::Table(_) => "A table, see below".to_owned(),
        Shape::Tables(_) => "Tables in double brackets, see below".to_owned(),
        Shape::Map(of) => format!(
            "A table of names of yours; each value is {}",
            form(path, *of)
        ),
        Shape::Choice(words) => {
            let words: Vec<String> = words
                .iter()
                .filter(|word| !later::is_refused_word(path, word))
                .map(|word| format!("\"{word}\""))
                .collect();
            format!("one of {}", words.join(", "))
        }
        // No other shape is a table.
        shape => typed::fits(shape, &DeValue::Table(DeTable::new()))
            .err()
            .unwrap_or_else(|| "anything".to_owned()),
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_taken_stands_in_it() {
        let page = manual();
        for words in [
            ".SH \"[server]\"\n.TP\n.B listen\n",
            ".SH \"[store.keep]\"\n",
            ".SH \"[fetch.site.NAME]\"\n",
            ".SH \"[[feed]]\"\n",
            ".B user_agent\n",
            "A whole number from 1 to 500",
        ] {
            let found = page.to_lowercase().contains(&words.to_lowercase());
            assert!(found, "{words} is not in:\n{page}");
        }
        assert!(!page.contains("\n.\n"), "{page}");
        for key in FILE {
            let there = page.contains(&format!(".B {}\n", key.name));
            assert_ne!(there, later::is_refused(key.name), "{}", key.name);
        }
    }
}
