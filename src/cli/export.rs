//! `export`: every public feed as a file, for servers that have no aggd behind them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::access::{Access, Need};
use super::check::counted;
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::ops::Request;
use crate::ops::lists::Previewed;

/// Documents asked for at once.
const AT_ONCE: usize = 64;

/// Arguments of `aggd export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write them; made if it is not there
    dir: PathBuf,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Exported {
    /// Files that are new or different.
    written: usize,
    /// Files that were right already.
    unchanged: usize,
    /// What could not be written, and why.
    skipped: Vec<String>,
}

impl Exported {
    fn take(&mut self, dir: &Path, target: &str, document: &Previewed) {
        let kept = match path_of(target) {
            Some(path) => keep(&dir.join(path), document),
            None => Err(io::Error::other("no file can have this name")),
        };
        match kept {
            Ok(true) => self.written += 1,
            Ok(false) => self.unchanged += 1,
            // Names may be too long for a file, and disks may be full: the others are written all the same.
            Err(error) => self.skipped.push(format!("{target}: {error}")),
        }
    }
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let access = Access::open(global, Need::Store)?;
    let targets: Vec<String> = access.ask(Request::Addresses {})?;
    let mut exported = Exported::default();
    let mut left = &targets[..];
    while !left.is_empty() {
        let some = left[..left.len().min(AT_ONCE)].to_vec();
        let documents: Vec<Option<Previewed>> = access.ask(Request::Documents { targets: some })?;
        if documents.is_empty() || documents.len() > left.len() {
            return Err(Failure::new(Exit::Failed, "the daemon gave no documents"));
        }
        let (done, rest) = left.split_at(documents.len());
        for (target, document) in done.iter().zip(&documents) {
            // What went away meanwhile is not published.
            if let Some(document) = document {
                exported.take(&args.dir, target, document);
            }
        }
        left = rest;
    }
    access.close()?;
    if out.is_json() {
        out.json(&exported)?;
    } else {
        out.note(&format!(
            "{} written, {} unchanged",
            counted(exported.written, "file", "files"),
            exported.unchanged
        ))?;
    }
    for skipped in &exported.skipped {
        eprintln!("aggd: not written: {skipped}");
    }
    Ok(if exported.skipped.is_empty() {
        Exit::Done
    } else {
        Exit::CannotWrite
    })
}

/// The file that a server of static files looks for: the decoded path. OPML gets an ending, so that the two lists have a
/// directory.
fn path_of(target: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(target.trim_start_matches('/'))
        .decode_utf8()
        .ok()?;
    let mut path = PathBuf::new();
    for part in decoded.split('/').filter(|part| !part.is_empty()) {
        if matches!(part, "." | "..") || part.contains('\0') {
            return None;
        }
        path.push(part);
    }
    if decoded == "opml" || decoded == "opml/own" {
        path.set_extension("opml");
    }
    path.file_name().is_some().then_some(path)
}

/// Writes a file if it is not the same already; says whether it did. Servers see the old one or the new one, never a part.
fn keep(path: &Path, document: &Previewed) -> io::Result<bool> {
    let modified = time(document.modified);
    let bytes = document.text.as_bytes();
    let same = fs::read(path).is_ok_and(|known| known == bytes);
    if same && fs::metadata(path)?.modified()? == modified {
        return Ok(false);
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let written =
        write(Path::new(&unfinished), bytes, modified).and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // It may not even have been made.
        let _ = fs::remove_file(&unfinished);
    }
    written.map(|()| true)
}

fn write(path: &Path, bytes: &[u8], modified: SystemTime) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_modified(modified)
}

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_where_servers_look_for_it() {
        for (target, path) in [
            ("/all.rss", Some("all.rss")),
            ("/tags/%E7%96%AB%E6%83%85.atom", Some("tags/疫情.atom")),
            ("/tags/a%2Fb.json", Some("tags/a/b.json")),
            (
                "/categories/tech/2026-11.rss",
                Some("categories/tech/2026-11.rss"),
            ),
            ("/opml", Some("opml.opml")),
            ("/opml/own", Some("opml/own.opml")),
            ("/tags/..%2F..%2Fetc.rss", None),
            ("/", None),
        ] {
            assert_eq!(path_of(target).as_deref(), path.map(Path::new), "{target}");
        }
    }
}
