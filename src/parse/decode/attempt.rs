//! Trying one encoding on the bytes: the text, or how much of it could not be read.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};

/// An encoding that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// One of the WHATWG standard, which no longer knows UTF-32.
    Known(&'static Encoding),
    /// US-ASCII: the standard reads it as windows-1252, which bytes of UTF-8 are not meant to be.
    Ascii,
    Utf32 {
        big_endian: bool,
    },
}

/// What trying a codec gave.
pub(super) struct Attempt<'a> {
    pub(super) text: Cow<'a, str>,
    /// Sequences that could not be read; what the end of the body cuts off is not one.
    pub(super) errors: usize,
    /// The body ends inside a character.
    pub(super) cut: bool,
}

impl Codec {
    pub(super) fn name(self) -> String {
        match self {
            Self::Known(encoding) => encoding.name().to_ascii_lowercase(),
            Self::Ascii => WINDOWS_1252.name().to_ascii_lowercase(),
            Self::Utf32 { big_endian: true } => "utf-32be".to_owned(),
            Self::Utf32 { big_endian: false } => "utf-32le".to_owned(),
        }
    }

    /// More than one byte for each character of ASCII.
    pub(super) fn is_wide(self) -> bool {
        match self {
            Self::Known(encoding) => {
                encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE
            }
            Self::Ascii => false,
            Self::Utf32 { .. } => true,
        }
    }
}

impl Attempt<'_> {
    /// Whether so much was read that the errors are accidents. In the double-byte encodings of East Asia half of all pairs are
    /// valid. UTF-8 is the other way round: of text in another encoding few bytes are valid by accident (in Japanese, at worst,
    /// two characters for five errors), and it is hardly ever so short that it has but a few errors.
    pub(super) fn is_mostly_right(&self, codec: Codec, is_called_utf8: bool) -> bool {
        const FEW: usize = 8;
        let beyond_ascii = self
            .text
            .chars()
            .filter(|c| !c.is_ascii() && *c != '\u{FFFD}')
            .count();
        if codec != Codec::Known(UTF_8) {
            return beyond_ascii > self.errors.saturating_mul(10);
        }
        let doubtful = if is_called_utf8 { FEW } else { 3 };
        beyond_ascii > self.errors || self.errors <= FEW && beyond_ascii * doubtful >= self.errors
    }
}

/// The text, if the bytes are without an error in this encoding; a character cut off at the very end is none.
pub(super) fn strictly(codec: Codec, body: &[u8]) -> Option<Attempt<'_>> {
    match codec {
        Codec::Known(encoding) if encoding == UTF_8 => utf8(body),
        Codec::Ascii if body.is_ascii() || std::str::from_utf8(body).is_err() => {
            strictly(Codec::Known(WINDOWS_1252), body)
        }
        Codec::Ascii => None,
        Codec::Known(encoding) if encoding.is_ascii_compatible() && body.is_ascii() => utf8(body),
        Codec::Known(encoding) => by_encoding(encoding, body, 0),
        Codec::Utf32 { big_endian } => {
            Some(utf32(body, big_endian)).filter(|attempt| attempt.errors == 0)
        }
    }
}

fn utf8(body: &[u8]) -> Option<Attempt<'_>> {
    match simdutf8::compat::from_utf8(body) {
        Ok(text) => Some(Attempt {
            text: Cow::Borrowed(text),
            errors: 0,
            cut: false,
        }),
        Err(error) if error.error_len().is_none() => {
            let text =
                std::str::from_utf8(&body[..error.valid_up_to()]).expect("valid up to there");
            Some(Attempt {
                text: Cow::Borrowed(text),
                errors: 0,
                cut: true,
            })
        }
        Err(_) => None,
    }
}

/// The text, with U+FFFD for what cannot be read, and how often that was.
pub(super) fn leniently(codec: Codec, body: &[u8]) -> Attempt<'_> {
    let encoding = match codec {
        Codec::Known(encoding) => encoding,
        Codec::Ascii => WINDOWS_1252,
        Codec::Utf32 { big_endian } => return utf32(body, big_endian),
    };
    by_encoding(encoding, body, usize::MAX).expect("no number of errors is too many")
}

/// Reads the bytes; `None` beyond `tolerated` errors.
///
/// The text goes through a small buffer: the decoder fills all the room that it is given with zeros first, and it has to be
/// called again after each error.
fn by_encoding(
    encoding: &'static Encoding,
    body: &[u8],
    tolerated: usize,
) -> Option<Attempt<'static>> {
    const ROOM: usize = 4096;
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut room = "\0".repeat(ROOM);
    // Four fifths of all text in other encodings is ASCII; the rest may grow the text.
    let mut text = String::with_capacity(body.len() + body.len() / 2 + 16);
    let (mut rest, mut errors, mut cut) = (body, 0, false);
    loop {
        let (result, read, written) =
            decoder.decode_to_str_without_replacement(rest, room.as_mut_str(), true);
        text.push_str(&room[..written]);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => {
                return Some(Attempt {
                    text: Cow::Owned(text),
                    errors,
                    cut,
                });
            }
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) if rest.is_empty() => cut = true,
            DecoderResult::Malformed(..) => {
                errors += 1;
                if errors > tolerated {
                    return None;
                }
                text.push('\u{FFFD}');
            }
        }
    }
}

fn utf32(body: &[u8], big_endian: bool) -> Attempt<'static> {
    let (units, rest) = body.as_chunks::<4>();
    let mut errors = 0;
    let mut text = String::with_capacity(body.len() / 2);
    for unit in units {
        let code = if big_endian {
            u32::from_be_bytes(*unit)
        } else {
            u32::from_le_bytes(*unit)
        };
        text.push(char::from_u32(code).unwrap_or_else(|| {
            errors += 1;
            '\u{FFFD}'
        }));
    }
    Attempt {
        text: Cow::Owned(text),
        errors,
        cut: !rest.is_empty(),
    }
}

/// Whether the bytes are UTF-8 although their label names an older encoding, which would read them as well, but as
/// gibberish: text of no such encoding is well-formed UTF-8 by accident, unless it is very short.
pub(super) fn is_utf8_after_all(codec: Codec, body: &[u8]) -> bool {
    const NO_ACCIDENT: usize = 4;
    let Codec::Known(encoding) = codec else {
        return false;
    };
    if encoding == UTF_8 || codec.is_wide() || body.is_ascii() {
        return false;
    }
    let Some(attempt) = strictly(Codec::Known(UTF_8), body) else {
        return false;
    };
    let beyond_ascii = || attempt.text.chars().filter(|c| !c.is_ascii());
    if encoding.is_single_byte() {
        beyond_ascii().next().is_some()
    } else {
        beyond_ascii().any(|c| c.len_utf8() > 2)
            || beyond_ascii().count() >= NO_ACCIDENT
            || are_lone_letters(&attempt.text)
    }
}

/// Whether all that is beyond ASCII are signs of western languages, each alone: `café`, `£2`. In the double-byte encodings
/// each would be one character, and words of their languages are rarely that short.
fn are_lone_letters(text: &str) -> bool {
    let mut alone = true;
    text.chars().all(|c| {
        let fits = c.is_ascii() || alone && c < '\u{180}';
        alone = c.is_ascii();
        fits
    })
}
