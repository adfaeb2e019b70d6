//! From the bytes of a body to text: which encoding, and what could not be read.
//!
//! The candidates are tried in a fixed order: byte order mark, `charset` of the content type, XML declaration, the zero
//! bytes of UTF-16 and UTF-32, UTF-8, a detector, windows-1252. The first that is known and decodes the bytes without
//! an error is taken; after them all, one that decodes nearly everything. Valid UTF-8 is not copied.
//!
//! One exception: bytes that are well-formed UTF-8 are read as that although their label names an older encoding. Those
//! labels "work" on any bytes, or on most (windows-1252 has no error, GBK few), so the rule would never come to UTF-8, and
//! gibberish is what it would give: a server's default charset in front of UTF-8 is the commonest wrong label there is.

mod attempt;
mod label;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use self::attempt::{Attempt, Codec, is_utf8_after_all, leniently, strictly};
use self::label::{byte_order_mark, charset, codec, declaration, looks_wide, zeros};
use crate::model::warning::{Warning, WarningCode};

/// How much of the body the detector looks at.
const SAMPLE: usize = 64 * 1024;

/// A body as text.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The text, without its byte order mark.
    pub text: Cow<'a, str>,
    /// The encoding used, WHATWG name in lower case, or `utf-32le` or `utf-32be`.
    pub encoding: String,
    /// What the publisher should know.
    pub warnings: Vec<Warning>,
    /// Whether a label was wrong or bytes could not be read.
    pub repaired: bool,
}

/// Decodes a body. JSON without a byte order mark is UTF-8 whatever its label says.
#[must_use]
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    let mut search = Search {
        body,
        warnings: Vec::new(),
        tried: Vec::new(),
        is_called_utf8: false,
    };
    let found = search.run(content_type);
    let (codec, attempt) = found.unwrap_or_else(|| search.last_resort());
    search.report(codec, attempt)
}

/// The candidates tried so far and what there is to say about them.
struct Search<'a> {
    body: &'a [u8],
    warnings: Vec<Warning>,
    tried: Vec<Codec>,
    /// A label says so.
    is_called_utf8: bool,
}

impl<'a> Search<'a> {
    fn run(&mut self, content_type: Option<&str>) -> Option<(Codec, Attempt<'a>)> {
        if let Some((codec, length)) = byte_order_mark(self.body) {
            self.body = &self.body[length..];
            // Nearly any bytes decode as UTF-16; the zeros in the markup tell whether they are.
            let fits = !codec.is_wide()
                || looks_wide(self.body) && zeros(self.body).is_none_or(|seen| seen == codec);
            let found = if fits { self.attempt(codec) } else { None };
            if found.is_some() {
                return found;
            }
            self.warn(
                WarningCode::EncodingMismatch,
                format!(
                    "the byte order mark says {}, the bytes after it are not",
                    codec.name()
                ),
            );
        } else if self.body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
            return self.attempt(Codec::Known(UTF_8));
        }
        let declared = [
            (content_type.and_then(charset), "the Content-Type header"),
            (declaration(self.body), "the XML declaration"),
        ];
        for (label, place) in declared {
            let Some(label) = label else { continue };
            let found = self.labelled(label, place);
            if found.is_some() {
                return found;
            }
        }
        let by_zeros = zeros(self.body).and_then(|codec| self.attempt(codec));
        by_zeros.or_else(|| self.attempt(Codec::Known(UTF_8)))
    }

    /// Tries the encoding that a label names; says so if it does not work.
    fn labelled(&mut self, label: &str, place: &str) -> Option<(Codec, Attempt<'a>)> {
        let Some(codec) = codec(label, self.body) else {
            self.warn(
                WarningCode::EncodingUnknown,
                format!("{place} names the unknown encoding {label:?}; write utf-8"),
            );
            return None;
        };
        self.is_called_utf8 |= codec == Codec::Known(UTF_8);
        let found =
            if codec.is_wide() && !looks_wide(self.body) || is_utf8_after_all(codec, self.body) {
                None
            } else {
                self.attempt(codec)
            };
        if found.is_none() {
            self.warn(
                WarningCode::EncodingMismatch,
                format!("{place} says {label:?}, the bytes are not"),
            );
        }
        found
    }

    /// Tries a codec; gives its text only if there was no error in it.
    fn attempt(&mut self, codec: Codec) -> Option<(Codec, Attempt<'a>)> {
        if self.tried.contains(&codec) {
            return None;
        }
        self.tried.push(codec);
        strictly(codec, self.body).map(|attempt| (codec, attempt))
    }

    /// For bytes that nothing explains without an error: what explains nearly all of them, else a guess.
    fn last_resort(&mut self) -> (Codec, Attempt<'a>) {
        let tried = std::mem::take(&mut self.tried);
        for &codec in tried
            .iter()
            .filter(|codec| !codec.is_wide() || looks_wide(self.body))
        {
            let attempt = leniently(codec, self.body);
            if attempt.is_mostly_right(codec, self.is_called_utf8) {
                return (codec, attempt);
            }
        }
        let guess = Codec::Known(detect(self.body));
        self.warn(
            WarningCode::EncodingMismatch,
            format!(
                "the bytes are not UTF-8 and name no other encoding; read as {}",
                guess.name()
            ),
        );
        let attempt = leniently(guess, self.body);
        if attempt.errors == 0 || attempt.is_mostly_right(guess, false) {
            return (guess, attempt);
        }
        let windows = Codec::Known(WINDOWS_1252);
        (windows, leniently(windows, self.body))
    }

    fn warn(&mut self, code: WarningCode, message: String) {
        self.warnings.push(Warning {
            code,
            message,
            position: None,
        });
    }

    fn report(mut self, codec: Codec, attempt: Attempt<'a>) -> Decoded<'a> {
        if attempt.errors > 0 {
            let message = format!(
                "{} sequences of bytes are not {}",
                attempt.errors,
                codec.name()
            );
            self.warn(WarningCode::EncodingError, message);
        } else if attempt.cut {
            self.warn(
                WarningCode::EncodingError,
                "the document ends inside a character".to_owned(),
            );
        }
        let text = match attempt.text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{FEFF}').unwrap_or(text)),
            Cow::Owned(mut text) => {
                if text.starts_with('\u{FEFF}') {
                    text.drain(..'\u{FEFF}'.len_utf8());
                }
                Cow::Owned(text)
            }
        };
        Decoded {
            text,
            encoding: codec.name(),
            repaired: !self.warnings.is_empty(),
            warnings: self.warnings,
        }
    }
}

/// A guess from the part of the body where the bytes beyond ASCII begin.
fn detect(body: &[u8]) -> &'static Encoding {
    let first = body.iter().position(|b| !b.is_ascii()).unwrap_or(0);
    let start = if body.len() <= SAMPLE {
        0
    } else {
        first.saturating_sub(64).min(body.len() - SAMPLE)
    };
    let sample = &body[start..body.len().min(start + SAMPLE)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, start + sample.len() == body.len());
    detector.guess(None, Utf8Detection::Deny)
}
