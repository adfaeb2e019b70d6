//! A rendered document: the same bytes in each content coding, every one with its own strong `ETag` and its headers,
//! made once so that answering is comparing and cloning.

use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, LINK, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use crate::model::article::{ArticleId, Revision};
use crate::model::time::Timestamp;

/// How a body is written on the wire (RFC 9110, 8.4.1), in the order of our preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Brotli, quality 5.
    Brotli,
    /// Zstandard, level 9.
    Zstd,
    /// gzip, level 6, without time stamp.
    Gzip,
    /// As it is.
    Identity,
}

impl Coding {
    /// All of them, the preferred first.
    pub const ALL: [Self; 4] = [Self::Brotli, Self::Zstd, Self::Gzip, Self::Identity];

    /// The name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

/// What kind of document: decides about headers and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A feed: may be asked for as a delta.
    Feed,
    /// A page for people.
    Page,
    /// OPML.
    Opml,
}

/// What the headers of a document say.
#[derive(Debug, Clone)]
pub struct Label {
    /// Kind.
    pub kind: Kind,
    /// `Content-Type` with its charset.
    pub content_type: String,
    /// `Cache-Control`.
    pub cache_control: String,
    /// `Link`.
    pub link: Option<String>,
    /// `Last-Modified`.
    pub modified: Timestamp,
}

/// A document in one coding.
#[derive(Debug)]
pub struct Variant {
    /// The bytes.
    pub body: Bytes,
    /// Hash of these bytes, in quotes.
    pub etag: HeaderValue,
    /// Headers of a 200, `Content-Length` among them.
    pub headers: HeaderMap,
    /// Headers of a 304.
    pub unchanged: HeaderMap,
}

/// A rendered document.
#[derive(Debug)]
pub struct Document {
    label: Label,
    /// State of the store that it shows.
    pub as_of: Revision,
    /// The articles that it shows.
    pub shown: Vec<ArticleId>,
    last_modified: HeaderValue,
    variants: [OnceLock<Variant>; 4],
    /// The codings that readers asked for, a bit for each.
    asked: AtomicU8,
    /// A delta carries the validator of the whole document that it leads to.
    whole: Option<Arc<Document>>,
    /// Deltas that lead to this document, by the revision they start from.
    deltas: Mutex<Vec<(Revision, Arc<Document>)>>,
}

/// Deltas to keep for one document: readers that poll together ask for the same.
const DELTAS: usize = 4;

impl Document {
    /// A document from its bytes.
    #[must_use]
    pub fn new(label: Label, body: Vec<u8>, as_of: Revision, shown: Vec<ArticleId>) -> Self {
        let document = Self::bare(label, as_of, shown, None);
        let made = document.wrap(Coding::Identity, body.into());
        // The cell is new, so this cannot find it taken.
        let _ = document.variants[Coding::Identity as usize].set(made);
        document
    }

    /// A part of `whole` for readers who know the rest (RFC 3229).
    #[must_use]
    pub fn delta(whole: &Arc<Self>, body: Vec<u8>) -> Self {
        let label = Label {
            cache_control: "no-store, im".to_owned(),
            ..whole.label.clone()
        };
        let document = Self::bare(label, whole.as_of, Vec::new(), Some(Arc::clone(whole)));
        let made = document.wrap(Coding::Identity, body.into());
        let _ = document.variants[Coding::Identity as usize].set(made);
        document
    }

    fn bare(
        label: Label,
        as_of: Revision,
        shown: Vec<ArticleId>,
        whole: Option<Arc<Self>>,
    ) -> Self {
        Self {
            last_modified: header(&label.modified.to_http_date()),
            label,
            as_of,
            shown,
            variants: Default::default(),
            asked: AtomicU8::default(),
            whole,
            deltas: Mutex::default(),
        }
    }

    /// What kind of document.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.label.kind
    }

    /// When it last changed, in whole seconds: what `If-Modified-Since` is compared with.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        self.label.modified.whole_seconds()
    }

    /// `Last-Modified` as sent: most readers send it back byte for byte.
    #[must_use]
    pub fn last_modified(&self) -> &HeaderValue {
        &self.last_modified
    }

    /// The document in the coding that a reader asks for, if it was made already.
    #[must_use]
    pub fn ready(&self, coding: Coding) -> Option<&Variant> {
        let bit = 1 << coding as u8;
        // Many cores share this word, so only what is news is written.
        if self.asked.load(Relaxed) & bit == 0 {
            self.asked.fetch_or(bit, Relaxed);
        }
        self.variants[coding as usize].get()
    }

    fn made(&self) -> impl Iterator<Item = &Variant> {
        self.variants.iter().filter_map(OnceLock::get)
    }

    /// The document in a coding. The first call compresses: milliseconds of work, for a thread that may block.
    #[must_use]
    pub fn variant(&self, coding: Coding) -> &Variant {
        self.variants[coding as usize].get_or_init(|| {
            let plain = &self.variant(Coding::Identity).body;
            self.wrap(coding, compress(coding, plain))
        })
    }

    /// Makes the codings that readers asked for of the document that this one takes the place of: compressing costs more
    /// than rendering, and most readers know one coding.
    pub fn follow(&self, before: &Self) {
        let asked = before.asked.load(Relaxed);
        for coding in Coding::ALL {
            if asked & (1 << coding as u8) != 0 {
                let _ = self.variant(coding);
            }
        }
    }

    /// The bytes without coding.
    #[must_use]
    pub fn plain(&self) -> &Bytes {
        &self.variant(Coding::Identity).body
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        let bodies: usize = self.made().map(|variant| variant.body.len()).sum();
        let deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        let deltas: usize = deltas.iter().map(|(_, delta)| delta.weight()).sum();
        bodies + deltas + self.shown.len() * size_of::<ArticleId>() + 4096
    }

    /// The validators that were given out so far.
    pub(super) fn etags(&self) -> Vec<HeaderValue> {
        self.made().map(|variant| variant.etag.clone()).collect()
    }

    pub(super) fn known_delta(&self, from: Revision) -> Option<Arc<Self>> {
        let deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        deltas
            .iter()
            .find(|(revision, _)| *revision == from)
            .map(|(_, delta)| Arc::clone(delta))
    }

    pub(super) fn keep_delta(&self, from: Revision, delta: &Arc<Self>) {
        let mut deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        if deltas.len() >= DELTAS {
            deltas.remove(0);
        }
        deltas.push((from, Arc::clone(delta)));
    }

    fn wrap(&self, coding: Coding, body: Bytes) -> Variant {
        let etag = match &self.whole {
            Some(whole) => whole.variant(coding).etag.clone(),
            None => etag(&body),
        };
        let mut unchanged = HeaderMap::with_capacity(10);
        unchanged.insert(ETAG, etag.clone());
        unchanged.insert(LAST_MODIFIED, self.last_modified.clone());
        unchanged.insert(CACHE_CONTROL, header(&self.label.cache_control));
        unchanged.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(link) = &self.label.link {
            unchanged.insert(LINK, header(link));
        }
        unchanged.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        unchanged.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("ETag, Link"),
        );
        let mut headers = HeaderMap::with_capacity(18);
        headers.extend(unchanged.clone());
        headers.insert(CONTENT_TYPE, header(&self.label.content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        if coding != Coding::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        if self.label.kind == Kind::Page {
            for (name, value) in page_headers() {
                headers.insert(name, value);
            }
        }
        if self.whole.is_some() {
            headers.insert(
                HeaderName::from_static("im"),
                HeaderValue::from_static("feed"),
            );
        }
        Variant {
            body,
            etag,
            headers,
            unchanged,
        }
    }
}

fn page_headers() -> [(HeaderName, HeaderValue); 3] {
    [
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
        ),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ),
    ]
}

/// A header value; everything we send is ASCII, so the replacement is never seen.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A strong validator: 128 bits of the SHA-256 of the bytes.
fn etag(body: &[u8]) -> HeaderValue {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in &digest[..16] {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text.push('"');
    header(&text)
}

fn compress(coding: Coding, plain: &Bytes) -> Bytes {
    let packed = match coding {
        Coding::Identity => return plain.clone(),
        Coding::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(
                Vec::with_capacity(plain.len() / 3 + 64),
                flate2::Compression::new(6),
            );
            writer.write_all(plain).and_then(|()| writer.finish())
        }
        Coding::Brotli => {
            let mut out = Vec::with_capacity(plain.len() / 4 + 64);
            let mut writer = brotli::CompressorWriter::new(&mut out, 16 << 10, 5, 22);
            let written = writer.write_all(plain).and_then(|()| writer.flush());
            drop(writer);
            written.map(|()| out)
        }
        Coding::Zstd => zstd::bulk::compress(plain, 9),
    };
    packed.expect("writing to memory does not fail").into()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn document(body: &str) -> Document {
        let label = Label {
            kind: Kind::Feed,
            content_type: "application/atom+xml; charset=utf-8".into(),
            cache_control: "public, max-age=60".into(),
            link: None,
            modified: Timestamp::from_secs(1_700_000_000),
        };
        Document::new(
            label,
            body.as_bytes().to_vec(),
            Revision::default(),
            Vec::new(),
        )
    }

    #[test]
    fn every_coding_is_the_same_text_under_its_own_validator() {
        let text = "<feed>疫情</feed>".repeat(50);
        let document = document(&text);
        let unpack = |coding: Coding| {
            let mut out = String::new();
            let body = &document.variant(coding).body[..];
            match coding {
                Coding::Identity => out.push_str(std::str::from_utf8(body).unwrap()),
                Coding::Gzip => {
                    flate2::read::GzDecoder::new(body)
                        .read_to_string(&mut out)
                        .unwrap();
                }
                Coding::Brotli => {
                    brotli::Decompressor::new(body, 4096)
                        .read_to_string(&mut out)
                        .unwrap();
                }
                Coding::Zstd => out = String::from_utf8(zstd::decode_all(body).unwrap()).unwrap(),
            }
            out
        };
        let mut etags = std::collections::HashSet::new();
        for coding in Coding::ALL {
            assert_eq!(unpack(coding), text, "{coding:?}");
            assert!(etags.insert(document.variant(coding).etag.clone()));
        }
    }

    #[test]
    fn a_successor_is_made_in_the_codings_that_were_asked_for() {
        let before = document("a");
        assert!(before.ready(Coding::Gzip).is_none(), "made when asked for");
        let _ = before.variant(Coding::Gzip);
        let after = document("b");
        after.follow(&before);
        let made = |coding: Coding| after.variants[coding as usize].get().is_some();
        assert_eq!(Coding::ALL.map(made), [false, false, true, true]);
        let later = document("c");
        later.follow(&after);
        assert_eq!(later.made().count(), 1, "nobody asked since");
    }

    #[test]
    fn the_same_bytes_have_the_same_validator() {
        assert_eq!(document("a").etags(), document("a").etags());
        assert_ne!(document("a").etags(), document("b").etags());
    }
}
