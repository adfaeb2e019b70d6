//! What is wrong in feeds.toml and where, in a form that editors and people can follow: `file:line:column: sentence`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in one of the files; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<Path>,
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// One thing that is wrong, or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and how to mend it.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Errors {
    /// None of the usual places has a file.
    #[error("no feeds.toml found; looked for {}", list(looked))]
    NotFound {
        /// Where we looked.
        looked: Vec<PathBuf>,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Mistakes in the files, in the order in which they stand there; never empty.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

impl Errors {
    /// The mistakes one by one, if that is what it is.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            Self::NotFound { .. } | Self::Unreadable { .. } => &[],
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    names.join(", ")
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}

/// Finds line and column of a byte offset without walking the text from its start each time.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: Arc<Path>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &Path, text: &'a str) -> Self {
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            file: file.into(),
            text,
            starts,
        }
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        Place {
            file: Arc::clone(&self.file),
            line,
            column: self.text[start..offset].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new(Path::new("f"), "a\n标签 = 1\n");
        let at = lines.place("a\n标签 ".len());
        assert_eq!((at.line, at.column), (2, 4));
        assert_eq!(lines.place(999).line, 3);
    }
}
