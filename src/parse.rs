//! Understands a document: from its bytes to a [`Feed`] with clean HTML and absolute URLs, and word of what was odd.
//!
//! A document comes in, whatever its format, encoding and state; a feed and warnings come out. Reading fails only if there
//! is no feed at all. This step knows no clock, no network and no disk, and never panics.

mod address;
mod atom;
mod construct;
mod context;
pub mod date;
pub mod decode;
mod draft;
mod extension;
mod json_feed;
mod notes;
mod rss;
mod shared;
pub mod sniff;
mod value;
mod xml;

use std::borrow::Cow;
use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::context::Context;
use self::decode::Decoded;
use self::draft::{EntryDraft, FeedDraft};
use self::notes::Notes;
use self::sniff::Kind;
use self::xml::Reader;
use crate::html;
use crate::model::candidate::Mark;
use crate::model::document::Document;
use crate::model::entry::{Entry, Feed, FeedFormat, Warning, WarningCode};

/// How to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Clean HTML by the allow-list and resolve its URLs. Without it HTML stays as it was found: only for measuring.
    pub clean_html: bool,
    /// Items beyond this number are not read.
    pub max_items: usize,
    /// XML elements nested deeper than this are skipped.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clean_html: true,
            max_items: 10_000,
            max_depth: 256,
        }
    }
}

/// What a document said.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The feed with its entries.
    pub feed: Feed,
    /// How each entry stands in the document.
    pub marks: Vec<Mark>,
    /// What was odd, in document order as far as it has a place there.
    pub warnings: Vec<Warning>,
}

/// What earlier documents of the same source left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Before {
    /// Fingerprints of one seed say nothing to another.
    pub seed: u64,
    /// Entries that are read already. Who has one of these fingerprints is only named: address, headline and dates.
    pub read: HashSet<u64>,
}

/// Why there is no feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is empty, or nothing but white space.
    #[error("the document is empty")]
    Empty {
        /// Word of it, and of the encoding.
        warnings: Vec<Warning>,
    },
    /// The body is something else than a feed.
    #[error("not a feed but {what}")]
    NotAFeed {
        /// What it is, in words: `an HTML page`.
        what: String,
        /// Word of it, and of the encoding.
        warnings: Vec<Warning>,
    },
}

impl Error {
    /// The warnings that belong to it; never empty.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Self::Empty { warnings } | Self::NotAFeed { warnings, .. } => warnings,
        }
    }
}

/// Reads a document.
///
/// # Errors
/// [`Error`] if there is no feed in it. A broken feed is not an error.
pub fn parse(document: &Document, options: &Options) -> Result<Parsed, Error> {
    parse_after(document, options, None)
}

/// Reads a document of a source that was read before: most of it is as it was, and need not be read again.
///
/// # Errors
/// As [`parse`].
pub fn parse_after(
    document: &Document,
    options: &Options,
    before: Option<&Before>,
) -> Result<Parsed, Error> {
    let Decoded {
        text,
        encoding,
        warnings,
        repaired,
    } = decode::decode(&document.body, document.content_type.as_deref());
    let mut notes = Notes::default();
    notes.adopt(warnings);
    let (text, vanished) = without_controls(text);
    if let Some(at) = vanished {
        notes.add(WarningCode::XmlError, Some(at), || {
            "control characters, which XML forbids; they are left out".to_owned()
        });
    }
    let (kind, root) = match sniff::kind(&text) {
        Kind::Xml(root) => (FeedFormat::Rss, root),
        Kind::Json(root) => (FeedFormat::Json, root),
        Kind::Empty => return Err(empty(notes, &text)),
        Kind::Html => return Err(not_a_feed(notes, &text, "an HTML page")),
        Kind::Other(root) if root.is_empty() => {
            return Err(not_a_feed(notes, &text, "text without any element"));
        }
        Kind::Other(root) => {
            let root: String = root.chars().take(60).collect();
            return Err(not_a_feed(
                notes,
                &text,
                &format!("a document whose root is <{root}>"),
            ));
        }
    };
    let mut cx = Context::new(&text, root, document.url.as_deref(), options);
    cx.before = before;
    let read = if kind == FeedFormat::Json {
        json_feed::read(&cx, &mut notes).map(|feed| {
            let marks = vec![Mark::default(); feed.entries.len()];
            (feed, marks)
        })
    } else {
        xml_feed(&cx, &mut notes)
    };
    let Some((mut feed, marks)) = read else {
        let what = if kind == FeedFormat::Json {
            "some other JSON"
        } else {
            "a document without a root element"
        };
        return Err(not_a_feed(notes, &text, what));
    };
    feed.encoding = encoding;
    if cx.cut.get() {
        notes.add(WarningCode::Limit, None, || {
            "HTML nested too deep; what lies deeper is left out".to_owned()
        });
    }
    for id in draft::shared_ids(&feed.entries) {
        notes.add(WarningCode::DuplicateId, None, || {
            format!("`{}` is the id of two items", value::excerpt(id))
        });
    }
    feed.well_formed = !repaired && !notes.repaired();
    Ok(Parsed {
        feed,
        marks,
        warnings: notes.finish(&text),
    })
}

fn xml_feed(cx: &Context<'_>, notes: &mut Notes) -> Option<(Feed, Vec<Mark>)> {
    let mut reader = Reader::new(cx);
    reader.notes = std::mem::take(notes);
    if !xml::only_misc(&cx.text[..cx.root]) {
        reader.notes.add(WarningCode::XmlError, Some(0), || {
            "something stands before the feed; it is not read".to_owned()
        });
    }
    let draft = root(&mut reader);
    *notes = std::mem::take(&mut reader.notes);
    draft.map(|mut draft| {
        let marks = std::mem::take(&mut draft.marks);
        (draft.finish(cx), marks)
    })
}

fn root<'a>(reader: &mut Reader<'a>) -> Option<FeedDraft<'a>> {
    let root = reader.root()?;
    let draft = match &*root.local {
        "feed" | "entry" => atom::read(reader, &root),
        "redirect" => rss::redirect(reader, &root)?,
        _ => rss::read(reader, &root),
    };
    // Whatever follows the last element that mattered may still be broken.
    reader.drain(root.level);
    Some(draft)
}

/// Room for about as many entries as a document of this size has: moving them again and again is what costs most.
fn room_for_entries(reader: &Reader<'_>) -> Vec<Entry> {
    const USUAL_SIZE: usize = 3000;
    Vec::with_capacity((reader.cx.text.len() / USUAL_SIZE).min(reader.cx.max_items))
}

/// Adds an entry that began at this byte.
fn add<'a>(reader: &Reader<'a>, feed: &mut FeedDraft<'a>, draft: EntryDraft<'a>, from: usize) {
    let mut mark = Mark::default();
    // Without a name of its own it is known by its text.
    if let Some(before) = reader.cx.before.filter(|_| draft.is_named()) {
        let hash = xxh3_64_with_seed(reader.since(from).as_bytes(), before.seed);
        mark.fingerprint = hash.max(1);
        mark.unchanged = before.read.contains(&mark.fingerprint);
    }
    feed.marks.push(mark);
    let entry = draft.finish(reader.cx, mark.unchanged);
    feed.entries.push(entry);
}

/// Ends the reading where a feed has more items than anybody keeps.
fn too_many(reader: &mut Reader<'_>) {
    let most = reader.cx.max_items;
    reader.note(WarningCode::Limit, || format!("only {most} items are read"));
    reader.stop();
}

fn empty(mut notes: Notes, text: &str) -> Error {
    notes.add(WarningCode::Empty, None, || {
        "the document is empty".to_owned()
    });
    Error::Empty {
        warnings: notes.finish(text),
    }
}

fn not_a_feed(mut notes: Notes, text: &str, what: &str) -> Error {
    notes.add(WarningCode::NotAFeed, None, || {
        format!("this is {what}, and no feed")
    });
    Error::NotAFeed {
        what: what.to_owned(),
        warnings: notes.finish(text),
    }
}

/// The text without control characters other than tab and line ends, and where the first of them stood.
fn without_controls(text: Cow<'_, str>) -> (Cow<'_, str>, Option<usize>) {
    match html::first_illegal(&text) {
        Some(first) => (Cow::Owned(html::hygiene(&text).into_owned()), Some(first)),
        None => (text, None),
    }
}
