//! Finds feeds.toml and what it includes, and reads them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::problem::{Errors, Lines, Place, Problem};
use super::read::directory;
use super::{File, typed};

/// Where feeds.toml is: what was asked for, `$AGGD_CONFIG`, `./feeds.toml`, `$XDG_CONFIG_HOME/aggd/feeds.toml`,
/// `/etc/aggd/feeds.toml`, whichever comes first.
///
/// # Errors
/// [`Errors::NotFound`] if none of the usual places has one. A file that was asked for is not looked at yet.
pub(super) fn find(
    asked: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, Errors> {
    if let Some(path) = asked {
        return Ok(path.to_owned());
    }
    if let Some(path) = env("AGGD_CONFIG").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let looked: Vec<PathBuf> = usual(env);
    looked
        .iter()
        .find(|path| path.exists())
        .cloned()
        .ok_or(Errors::NotFound { looked })
}

fn usual(env: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let home = env("XDG_CONFIG_HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
        .or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".config")));
    std::iter::once(PathBuf::from("feeds.toml"))
        .chain(home.map(|home| home.join("aggd/feeds.toml")))
        .chain([PathBuf::from("/etc/aggd/feeds.toml")])
        .collect()
}

/// A file and all that it includes, in name order. What is wrong with the includes comes beside them. Files of
/// `changed` hold what they say there, whatever is on the disk.
pub(super) fn gather(first: File, changed: &[File]) -> (Vec<File>, Vec<Problem>) {
    let File { path: main, text } = first.clone();
    let mut files = vec![first];
    let mut problems = Vec::new();
    // Most files include nothing: then they need not be parsed twice.
    if !text.contains("include") {
        return (files, problems);
    }
    let (tree, _) = DeTable::parse_recoverable(&text);
    let Some(list) = tree
        .get_ref()
        .get("include")
        .and_then(|include| include.get_ref().as_array())
    else {
        return (files, problems);
    };
    let lines = Lines::new(&main, &text);
    let mut paths: Vec<(PathBuf, Place)> = Vec::new();
    for pattern in list {
        let Some(written) = typed::text(pattern.get_ref()) else {
            continue;
        };
        let place = lines.place(pattern.span().start);
        match expand(&directory(&main), &main, &written) {
            Ok(found) => paths.extend(found.into_iter().map(|path| (path, place.clone()))),
            Err(text) => problems.push(Problem { place, text }),
        }
    }
    paths.sort();
    let mut seen = HashSet::from([real(&main)]);
    for (path, place) in paths {
        if !seen.insert(real(&path)) {
            continue;
        }
        if let Some(file) = changed.iter().find(|file| file.path == path) {
            files.push(file.clone());
            continue;
        }
        match open(&path) {
            Ok(file) => files.push(file),
            Err(Errors::Invalid(more)) => problems.extend(more),
            Err(error) => problems.push(Problem {
                place,
                text: error.to_string(),
            }),
        }
    }
    (files, problems)
}

/// One name for all names of a file.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Reads one file.
///
/// # Errors
/// If it cannot be read or is not UTF-8.
pub(super) fn open(path: &Path) -> Result<File, Errors> {
    let bytes = std::fs::read(path).map_err(|source| Errors::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(File {
            path: path.to_owned(),
            text,
        }),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            Err(Errors::Invalid(vec![Problem {
                place: Lines::new(path, &text).place(good),
                text: "this is not UTF-8; save the file as UTF-8".to_owned(),
            }]))
        }
    }
}

/// The files that a pattern names, shown the way the including file was named.
fn expand(base: &Path, main: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = Path::new(pattern);
    let shown = main.parent().unwrap_or(Path::new("")).join(path);
    let wild = |text: &str| text.contains(['*', '?']);
    let (Some(name), parent) = (
        path.file_name().and_then(|name| name.to_str()),
        path.parent(),
    ) else {
        return Err(format!(
            "`include` cannot be \"{pattern}\": it names no file"
        ));
    };
    if parent.is_some_and(|parent| wild(&parent.to_string_lossy())) {
        return Err(format!(
            "`include` knows `*` and `?` only in the last part of a path, not in \"{pattern}\""
        ));
    }
    if !wild(name) {
        return match std::fs::metadata(base.join(path)) {
            Ok(_) => Ok(vec![shown]),
            Err(error) => Err(format!("cannot include \"{pattern}\": {error}")),
        };
    }
    let folder = shown.parent().unwrap_or(Path::new("")).to_owned();
    let here = base.join(path);
    let entries = match std::fs::read_dir(here.parent().unwrap_or(base)) {
        Ok(entries) => entries,
        // A drop-in directory may be missing, as it may be empty.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("cannot include \"{pattern}\": {error}")),
    };
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|found| fits(name.as_bytes(), found.as_bytes()))
        .filter(|found| !found.starts_with('.') || name.starts_with('.'))
        .map(|found| folder.join(found))
        .collect())
}

/// Whether a name fits a pattern of `*` (any run of bytes) and `?` (any one).
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == b'?' || *c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((star, taken)) = retry {
            retry = Some((star, taken + 1));
            p = star + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, wanted) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml~", false),
            ("a*b*c", "axxbyyc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                wanted,
                "{pattern} {name}"
            );
        }
    }
}
