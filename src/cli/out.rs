//! Standard output: tables on a terminal, tab-separated lines in a pipe, JSON where it was asked for.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use super::{Failure, Global};

/// In which form lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// Columns, with a head.
    #[default]
    Table,
    /// Values with tabs between, without a head.
    Tabs,
    /// One document.
    Json,
    /// One object a line.
    JsonLines,
}

/// The way out. A reader that goes away early ends the command quietly, through [`Failure`].
pub(super) struct Out {
    to: BufWriter<StdoutLock<'static>>,
    form: Form,
    terminal: bool,
    colors: bool,
    quiet: bool,
}

impl Out {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            to: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            form: if global.json {
                Form::Json
            } else if global.jsonl {
                Form::JsonLines
            } else if terminal {
                Form::Table
            } else {
                Form::Tabs
            },
            terminal,
            colors: global.color.wanted(terminal),
            quiet: global.quiet,
        }
    }

    /// For what is text in any case.
    pub(super) fn plain() -> Self {
        Self {
            to: BufWriter::new(io::stdout().lock()),
            form: Form::Tabs,
            terminal: io::stdout().is_terminal(),
            colors: false,
            quiet: false,
        }
    }

    /// Lists are written in another form than the arguments and the terminal say.
    pub(super) fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    /// True if the caller wants JSON of either kind.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json | Form::JsonLines)
    }

    /// True if a person reads along.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// True if each object goes out on its own line.
    pub(super) fn is_lines(&self) -> bool {
        self.form == Form::JsonLines
    }

    /// Text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.to.write_all(text.as_bytes())?)
    }

    /// A line.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.to, "{text}")?)
    }

    /// A line that `--quiet` leaves out, and that would spoil JSON.
    pub(super) fn note(&mut self, text: &str) -> Result<(), Failure> {
        if self.quiet || self.is_json() {
            return Ok(());
        }
        self.line(text)
    }

    /// One thing as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = match self.form {
            Form::JsonLines => serde_json::to_string(value),
            _ => serde_json::to_string_pretty(value),
        };
        let text = text.map_err(|error| Failure::failed(format!("no JSON: {error}")))?;
        self.line(&text)
    }

    /// A list: JSON, tabs, or a table with a head.
    pub(super) fn list<T: Serialize>(
        &mut self,
        head: &[&str],
        items: &[T],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.json(&items),
            Form::JsonLines => items.iter().try_for_each(|item| self.json(item)),
            Form::Tabs => items.iter().try_for_each(|item| {
                let line: Vec<String> = cells(item).iter().map(|cell| one_line(cell)).collect();
                self.line(&line.join("\t"))
            }),
            Form::Table => {
                let rows: Vec<Vec<String>> = items
                    .iter()
                    .map(|item| cells(item).iter().map(|cell| one_line(cell)).collect())
                    .collect();
                self.table(head, &rows)
            }
        }
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
        for row in rows {
            for (place, cell) in row.iter().enumerate() {
                widths[place] = widths[place].max(width(cell));
            }
        }
        let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
        let head = aligned(&head, &widths);
        if self.colors {
            self.line(&format!("\x1b[1m{head}\x1b[0m"))?;
        } else {
            self.line(&head)?;
        }
        rows.iter()
            .try_for_each(|row| self.line(&aligned(row, &widths)))
    }

    /// Names and values below each other.
    pub(super) fn pairs(&mut self, pairs: &[(&str, String)]) -> Result<(), Failure> {
        let widest = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            let gap = " ".repeat(widest - width(name) + 2);
            self.line(&format!("{name}{gap}{}", one_line(value)))?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.to.flush()?)
    }
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (place, cell) in row.iter().enumerate() {
        line.push_str(cell);
        if place + 1 < row.len() {
            line.push_str(&" ".repeat(widths[place] - width(cell) + 2));
        }
    }
    line.trim_end().to_owned()
}

/// Nothing from outside may break a line, a column, or the terminal.
pub(super) fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Columns that a text takes on a terminal: East Asian wide characters take two, combining marks none.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
            0x1100..=0x115F
            | 0x2E80..=0x303E
            | 0x3041..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x1F300..=0x1F64F
            | 0x1F900..=0x1F9FF
            | 0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}

/// Cuts a text to a number of columns, with an ellipsis where something is missing.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + width(c.encode_utf8(&mut [0; 4])) + 1 > most {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("社会news"), 8);
        assert_eq!(shortened("社会新闻标题", 7), "社会新…");
        assert_eq!(one_line("a\tb\nc\x1b[31m"), "a b c [31m");
    }
}
