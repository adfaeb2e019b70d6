//! Holds a parsed file against the table of known keys. All mistakes are collected; what fits is handed on as leaves.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::later;
use super::nearest::{hint, nearest};
use super::problem::{Lines, Problem};
use super::schema::{self, Key, Shape};
use super::source::without_user_info;
use super::typed;

/// A setting as it stands in a file: `store.keep.age`, or an item of a map: `tags.alias` with item `rustlang`.
pub(super) struct Leaf<'a> {
    /// Dotted, without the item.
    pub(super) path: String,
    /// Key within a map whose keys are free.
    pub(super) item: Option<&'a str>,
    /// The value.
    pub(super) value: &'a DeValue<'a>,
    /// Byte offset of its key.
    pub(super) at: usize,
}

/// What one file holds.
#[derive(Default)]
pub(super) struct Leaves<'a> {
    /// Settings, in no particular order.
    pub(super) settings: Vec<Leaf<'a>>,
    /// The `[[feed]]` tables with the byte offset of each.
    pub(super) feeds: Vec<(&'a DeTable<'a>, usize)>,
    /// The `[[rule]]` tables likewise.
    pub(super) rules: Vec<(&'a DeTable<'a>, usize)>,
    /// The `[[output]]` tables likewise.
    pub(super) outputs: Vec<(&'a DeTable<'a>, usize)>,
    /// The `[[test]]` tables likewise.
    pub(super) tests: Vec<(&'a DeTable<'a>, usize)>,
}

/// Collects what is wrong in one file.
pub(super) struct Check<'a> {
    lines: &'a Lines<'a>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(lines: &'a Lines<'a>) -> Self {
        Self {
            lines,
            problems: Vec::new(),
        }
    }

    /// Notes something wrong at a byte offset.
    pub(super) fn note(&mut self, at: usize, text: impl Into<String>) {
        self.problems.push(Problem {
            place: self.lines.place(at),
            text: text.into(),
        });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The whole file.
    pub(super) fn file(&mut self, root: &'a DeTable<'a>) -> Leaves<'a> {
        let mut leaves = Leaves::default();
        self.table("", "", root, schema::FILE, Some(&mut leaves));
        leaves
    }

    /// One table. With `leaves`, settings found in it are handed on.
    fn table(
        &mut self,
        path: &str,
        shown: &str,
        table: &'a DeTable<'a>,
        keys: &'static [Key],
        mut leaves: Option<&mut Leaves<'a>>,
    ) {
        for (name, value) in table {
            let at = name.span().start;
            let name: &str = name.get_ref();
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let text = unknown(name, shown, value.get_ref(), keys);
                self.note(at, text);
                continue;
            };
            let path = join(path, name);
            if let Some(what) = later::refused(&path, name, shown, value.get_ref()) {
                self.note(at, format!("{what} is not available in this version"));
                continue;
            }
            self.setting(
                &path,
                name,
                shown,
                at,
                value,
                key.shape,
                leaves.as_deref_mut(),
            );
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the place of a value has a path for us, a name for people and an offset"
    )]
    fn setting(
        &mut self,
        path: &str,
        name: &str,
        shown: &str,
        at: usize,
        value: &'a Spanned<DeValue<'a>>,
        shape: Shape,
        leaves: Option<&mut Leaves<'a>>,
    ) {
        let inner = value.get_ref();
        match (shape, inner) {
            (Shape::Table(keys), DeValue::Table(table)) => {
                let within = table_name(path, name, shown);
                self.table(path, &within, table, keys, leaves);
            }
            (Shape::Tables(keys), DeValue::Array(list)) => {
                let within = format!("[[{path}]]");
                let mut leaves = leaves;
                for one in list {
                    let DeValue::Table(table) = one.get_ref() else {
                        self.note(one.span().start, format!("{within} is a table"));
                        continue;
                    };
                    self.table(path, &within, table, keys, None);
                    if let Some(leaves) = leaves.as_deref_mut() {
                        let tables = match path {
                            "rule" => &mut leaves.rules,
                            "output" => &mut leaves.outputs,
                            "test" => &mut leaves.tests,
                            _ => &mut leaves.feeds,
                        };
                        tables.push((table, one.span().start));
                    }
                }
            }
            (Shape::Map(of), DeValue::Table(table)) => {
                let within = table_name(path, name, shown);
                let mut leaves = leaves;
                for (item, value) in table {
                    let at = item.span().start;
                    let item: &str = item.get_ref();
                    if item.trim().is_empty() {
                        self.note(at, format!("an empty name in {within}"));
                        continue;
                    }
                    // What stands under a free name is checked here and read whole by whoever knows it.
                    let full = format!("{path}.{item}");
                    self.setting(&full, item, &within, at, value, *of, None);
                    if let Some(leaves) = leaves.as_deref_mut() {
                        leaves.settings.push(Leaf {
                            path: path.to_owned(),
                            item: Some(item),
                            value: value.get_ref(),
                            at,
                        });
                    }
                }
            }
            _ => {
                self.value(name, shown, value, shape);
                if let Some(leaves) = leaves {
                    leaves.settings.push(Leaf {
                        path: path.to_owned(),
                        item: None,
                        value: inner,
                        at,
                    });
                }
            }
        }
    }

    /// One value that is not a table of settings.
    fn value(&mut self, name: &str, shown: &str, value: &'a Spanned<DeValue<'a>>, shape: Shape) {
        match (shape, value.get_ref()) {
            (Shape::List(of) | Shape::OneOrMany(of), DeValue::Array(list)) => {
                for one in list {
                    self.value(name, shown, one, *of);
                }
            }
            (Shape::OneOrMany(of), _) => self.value(name, shown, value, *of),
            (Shape::Table(keys), DeValue::Table(table)) => {
                let within = format!("`{name}` of {shown}");
                self.table("", &within, table, keys, None);
            }
            (Shape::Rewrite, DeValue::Table(table)) => {
                let within = format!("`{name}` of {shown}");
                self.table("", &within, table, schema::REWRITE, None);
            }
            (Shape::Every, DeValue::Table(table)) => {
                let within = format!("`{name}` of {shown}");
                self.table("", &within, table, schema::EVERY, None);
            }
            (Shape::Secret | Shape::Proxy, DeValue::Table(table)) => {
                let within = format!("`{name}` of {shown}");
                self.table("", &within, table, schema::SECRET, None);
                let ways = ["env", "credential", "file"]
                    .iter()
                    .filter(|way| typed::get(table, way).is_some())
                    .count();
                if ways != 1 {
                    self.note(
                        value.span().start,
                        format!("{within} needs one of `env`, `credential` and `file`"),
                    );
                }
            }
            (Shape::Choice(words), DeValue::String(word)) => {
                if !words.contains(&word.as_ref()) {
                    let all: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    self.note(
                        value.span().start,
                        format!(
                            "`{name}` cannot be \"{word}\"{}; it is one of {}",
                            hint(word, words.iter().copied()).trim_end_matches('?'),
                            all.join(", ")
                        ),
                    );
                }
            }
            (shape, inner) => {
                if let Err(wants) = typed::fits(shape, inner) {
                    // What was meant as a secret must not be shown by its own error.
                    let found = match (shape, inner) {
                        (
                            Shape::Secret | Shape::Proxy | Shape::Map(Shape::Secret),
                            DeValue::String(_),
                        ) => "this text".to_owned(),
                        _ => without_user_info(&typed::describe(inner)),
                    };
                    let text = format!("`{name}` wants {wants}, not {found}");
                    self.note(value.span().start, text);
                }
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// How messages call a table: `[store]`, or `keep` of it.
fn table_name(path: &str, name: &str, shown: &str) -> String {
    if shown.is_empty() {
        format!("[{path}]")
    } else {
        format!("`{name}` of {shown}")
    }
}

fn unknown(name: &str, shown: &str, value: &DeValue<'_>, keys: &'static [Key]) -> String {
    let near = hint(name, keys.iter().map(|key| key.name));
    if !shown.is_empty() {
        let elsewhere = if near.is_empty() && schema::FILE.iter().any(|key| key.name == name) {
            format!("; `{name}` belongs to the top of the file")
        } else {
            near
        };
        return format!("unknown key `{name}` in {shown}{elsewhere}");
    }
    let near = match nearest(name, keys.iter().map(|key| key.name)) {
        Some(meant) => format!(", did you mean `{}`?", as_written(meant)),
        None => String::new(),
    };
    match value {
        DeValue::Table(_) => format!("unknown table `[{name}]`{near}"),
        DeValue::Array(list) if list.iter().any(|one| one.get_ref().is_table()) => {
            format!("unknown table `[[{name}]]`{near}")
        }
        _ => match home(name) {
            Some(home) if near.is_empty() => {
                format!("unknown key `{name}` at the top of the file; it belongs to {home}")
            }
            _ => format!("unknown key `{name}` at the top of the file{near}"),
        },
    }
}

/// A word of the top level as it stands in the file.
fn as_written(name: &str) -> String {
    let shape = schema::FILE.iter().find(|key| key.name == name);
    match shape.map(|key| key.shape) {
        Some(Shape::Table(_)) => format!("[{name}]"),
        Some(Shape::Map(_)) => format!("[{name}.NAME]"),
        Some(Shape::Tables(_) | Shape::Any) => format!("[[{name}]]"),
        _ => name.to_owned(),
    }
}

/// The table that has such a key.
fn home(name: &str) -> Option<String> {
    schema::FILE.iter().find_map(|table| match table.shape {
        Shape::Table(keys) if keys.iter().any(|key| key.name == name) => {
            Some(format!("[{}]", table.name))
        }
        Shape::Tables(keys) if keys.iter().any(|key| key.name == name) => {
            Some(format!("[[{}]]", table.name))
        }
        _ => None,
    })
}
