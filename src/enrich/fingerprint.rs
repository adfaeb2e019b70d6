//! Hashes that stand for guid, URL and text.
//!
//! Guids and URLs come from strangers and decide identity, so their keys are cut from SHA-256: nobody can make a
//! guid that collides with another source's. The text hash only says "edited", a fast one will do.

use memchr::memmem;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::Xxh3;

use crate::model::article::Key;
use crate::model::entry::Entry;
use crate::model::source::SourceId;

/// The key of a guid at its source: also the id of the article that it founds.
#[must_use]
pub fn guid_key(source: &SourceId, guid: &str) -> u128 {
    digest(&["guid", source.as_str(), guid])
}

/// The key of a canonical URL; a private source keeps it to itself.
#[must_use]
pub fn url_key(canonical: &str, private: Option<&SourceId>) -> Key {
    Key::Url(digest(&[
        "url",
        private.map_or("", SourceId::as_str),
        canonical,
    ]))
}

/// The key of a text, by its hash; `among` keeps it to a private source, or to a narrower reach.
#[must_use]
pub fn content_key(content: u128, among: &str) -> Key {
    Key::Content(digest(&["content", among, &format!("{content:x}")]))
}

/// Hash of what a reader would notice: headline, text, where it leads, what is attached. White space does not count.
#[must_use]
pub fn text_hash(entry: &Entry, canonical_url: Option<&str>, text: &str) -> u64 {
    let mut hash = Xxh3::new();
    let mut part = |value: &str| {
        for line in value.split('\n') {
            if is_collapsed(line) {
                hash.update(line.as_bytes());
                hash.update(b" ");
            } else {
                for word in line.split_whitespace() {
                    hash.update(word.as_bytes());
                    hash.update(b" ");
                }
            }
        }
        hash.update(b"\0");
    };
    part(entry.title_text());
    part(text);
    part(entry.summary.as_ref().map_or("", |summary| &summary.plain));
    part(canonical_url.or(entry.url.as_deref()).unwrap_or(""));
    for enclosure in &entry.enclosures {
        part(enclosure.url.split(['?', '#']).next().unwrap_or(""));
    }
    hash.digest()
}

/// True if single blanks part the words, as in most texts by now; false also where that is not plain at once.
fn is_collapsed(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_blank = |at: usize| bytes.get(at) == Some(&b' ');
    if bytes.is_empty() || is_blank(0) || is_blank(bytes.len() - 1) {
        return false;
    }
    if value.is_ascii() {
        return bytes.iter().all(|byte| *byte >= b' ') && memmem::find(bytes, b"  ").is_none();
    }
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b' ' => !is_blank(at + 1),
        // The rarer white space of Unicode; its first byte begins other characters, too.
        0xC2 | 0xE1 => false,
        0xE2 => !matches!(
            bytes.get(at + 1..at + 3),
            Some([0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF] | [0x81, 0x9F])
        ),
        0xE3 => bytes.get(at + 1..at + 3) != Some(&[0x80, 0x80]),
        byte => *byte > b' ',
    })
}

fn digest(parts: &[&str]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length in front, no part can borrow from the next.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut head = [0; 16];
    head.copy_from_slice(&whole[..16]);
    u128::from_be_bytes(head)
}
