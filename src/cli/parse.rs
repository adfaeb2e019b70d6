//! `aggd parse`: what the parser sees in a document, as one JSON Feed.
//!
//! Files or requests come in, one JSON document for each goes out. It reads what it is told to and keeps nothing.

mod json;

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

use super::Exit;
use crate::model::document::Document;
use crate::model::warning::{Warning, WarningCode};
use crate::parse::{self, Options};

/// Arguments of `aggd parse`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// URL that the document came from: the base of relative URLs
    #[arg(long, conflicts_with = "batch")]
    url: Option<String>,
    /// Content-Type header that came with it
    #[arg(long, conflicts_with = "batch")]
    content_type: Option<String>,
    /// Read one request a line from standard input: a path, or {"path", "url", "`content_type`"}
    #[arg(long, conflicts_with = "file")]
    batch: bool,
    /// The document; `-` is standard input
    #[arg(required_unless_present = "batch")]
    file: Option<PathBuf>,
}

/// One line of `--batch`.
#[derive(Debug, Deserialize)]
struct Request {
    path: PathBuf,
    url: Option<String>,
    content_type: Option<String>,
}

/// Runs the command. The exit code is 0 for a feed, 1 for anything else.
///
/// # Errors
/// An unreadable file, or an output that nobody reads any more.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(path) = args.file.as_deref().filter(|_| !args.batch) else {
        let out = BufWriter::new(io::stdout().lock());
        batch(io::stdin().lock(), out).context("writing the results")?;
        return Ok(Exit::Done);
    };
    let body = read(path).with_context(|| format!("reading {}", path.display()))?;
    let request = Request {
        path: path.to_owned(),
        url: args.url.clone(),
        content_type: args.content_type.clone(),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let is_feed = answer(&mut out, body, request).context("writing the result")?;
    Ok(if is_feed { Exit::Done } else { Exit::Failed })
}

/// Answers each line with a line, until there are no more.
fn batch(mut requests: impl BufRead, mut out: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if requests.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match wanted(line.trim_ascii_end()).and_then(|request| Ok((read(&request.path)?, request)))
        {
            Ok((body, request)) => {
                answer(&mut out, body, request)?;
            }
            Err(error) => {
                let message = format!("the document cannot be read: {error}");
                let code = WarningCode::NotAFeed;
                let value = json::unknown(&[Warning {
                    code,
                    message,
                    position: None,
                }]);
                write_line(&mut out, &value)?;
            }
        }
    }
}

/// A request as it stands in a line.
fn wanted(line: &[u8]) -> io::Result<Request> {
    if line.starts_with(b"{") {
        return Ok(serde_json::from_slice(line)?);
    }
    let path = String::from_utf8(line.to_vec()).map_err(io::Error::other)?;
    Ok(Request {
        path: path.into(),
        url: None,
        content_type: None,
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().read_to_end(&mut body)?;
    } else {
        let mut file = File::open(path)?;
        let size = file.metadata().map_or(0, |meta| meta.len());
        body.reserve(usize::try_from(size).unwrap_or(0).min(1 << 30));
        file.read_to_end(&mut body)?;
    }
    Ok(body)
}

/// Writes the line for a document; true if it is a feed.
fn answer(out: &mut impl Write, body: Vec<u8>, request: Request) -> io::Result<bool> {
    let document = Document {
        body: body.into(),
        url: request.url,
        content_type: request.content_type,
    };
    match parse::parse(&document, &Options::default()) {
        Ok(parsed) => {
            // All that is needed of the body is in the feed.
            drop(document);
            json::write_feed(out, &parsed)?;
            out.write_all(b"\n")?;
            out.flush()?;
            Ok(true)
        }
        Err(error) => write_line(out, &json::unknown(error.warnings())).map(|()| false),
    }
}

fn write_line(out: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_its_line() {
        let mut out = Vec::new();
        batch(
            &b"/nonexistent/feed.xml\n{\"path\":\"/nonexistent/2\"}\n{broken\n"[..],
            &mut out,
        )
        .unwrap();
        let lines: Vec<Value> = out
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line["_aggd"]["format"] == "unknown"
            && line["items"] == Value::Array(Vec::new())));
    }
}
