//! From the bytes of a body to text: which encoding, and what could not be read.
//!
//! The candidates are tried in a fixed order: byte order mark, `charset` of the content type, XML declaration, the zero
//! bytes of UTF-16 and UTF-32, UTF-8, a detector, windows-1252. The first that is known and decodes the bytes without
//! an error is taken; after them all, one that decodes nearly everything. Valid UTF-8 is not copied.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};
use memchr::memmem;

use crate::model::entry::{Warning, WarningCode};

/// How much of the body is searched for its XML declaration: servers write warnings in front of it.
const DECLARATION_WITHIN: usize = 16 * 1024;
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

/// An encoding that can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    /// One of the WHATWG standard, which no longer knows UTF-32.
    Known(&'static Encoding),
    /// US-ASCII: the standard reads it as windows-1252, which bytes of UTF-8 are not meant to be.
    Ascii,
    Utf32 {
        big_endian: bool,
    },
}

/// What trying a codec gave.
struct Attempt<'a> {
    text: Cow<'a, str>,
    /// Sequences that could not be read; what the end of the body cuts off is not one.
    errors: usize,
    /// The body ends inside a character.
    cut: bool,
}

/// Decodes a body. JSON without a byte order mark is UTF-8 whatever its label says.
#[must_use]
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    let mut search = Search {
        body,
        warnings: Vec::new(),
        tried: Vec::new(),
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
}

impl<'a> Search<'a> {
    fn run(&mut self, content_type: Option<&str>) -> Option<(Codec, Attempt<'a>)> {
        if let Some((codec, length)) = byte_order_mark(self.body) {
            self.body = &self.body[length..];
            let found = self.attempt(codec);
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
        let found = if codec.is_wide() && !looks_wide(self.body) {
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
            if attempt.is_mostly_right(codec) {
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
        if attempt.errors == 0 || attempt.is_mostly_right(guess) {
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

impl Codec {
    fn name(self) -> String {
        match self {
            Self::Known(encoding) => encoding.name().to_ascii_lowercase(),
            Self::Ascii => WINDOWS_1252.name().to_ascii_lowercase(),
            Self::Utf32 { big_endian: true } => "utf-32be".to_owned(),
            Self::Utf32 { big_endian: false } => "utf-32le".to_owned(),
        }
    }

    /// More than one byte for each character of ASCII.
    fn is_wide(self) -> bool {
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
    /// Whether so much was read that the errors are accidents. In UTF-8 a single valid sequence is hardly an accident,
    /// in the double-byte encodings of East Asia half of all pairs are valid.
    fn is_mostly_right(&self, codec: Codec) -> bool {
        let beyond_ascii = self
            .text
            .chars()
            .filter(|c| !c.is_ascii() && *c != '\u{FFFD}')
            .count();
        let bar = if codec == Codec::Known(UTF_8) { 1 } else { 10 };
        beyond_ascii > self.errors.saturating_mul(bar)
    }
}

/// The text, if the bytes are without an error in this encoding; a character cut off at the very end is none.
fn strictly(codec: Codec, body: &[u8]) -> Option<Attempt<'_>> {
    match codec {
        Codec::Known(encoding) if encoding == UTF_8 => utf8(body),
        Codec::Ascii if body.is_ascii() || std::str::from_utf8(body).is_err() => {
            strictly(Codec::Known(WINDOWS_1252), body)
        }
        Codec::Ascii => None,
        Codec::Known(encoding) if encoding.is_ascii_compatible() && body.is_ascii() => utf8(body),
        _ => Some(leniently(codec, body)).filter(|attempt| attempt.errors == 0),
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
fn leniently(codec: Codec, body: &[u8]) -> Attempt<'_> {
    match codec {
        Codec::Known(encoding) => by_encoding(encoding, body),
        Codec::Ascii => by_encoding(WINDOWS_1252, body),
        Codec::Utf32 { big_endian } => utf32(body, big_endian),
    }
}

fn by_encoding(encoding: &'static Encoding, body: &[u8]) -> Attempt<'static> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let needed = decoder
        .max_utf8_buffer_length(body.len())
        .unwrap_or(body.len());
    // Four fifths of all text in other encodings is ASCII; the rest may grow the buffer.
    let mut text = String::with_capacity(needed.min(body.len() + body.len() / 2 + 16));
    let (mut rest, mut errors, mut cut) = (body, 0, false);
    loop {
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, true);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => {
                return Attempt {
                    text: Cow::Owned(text),
                    errors,
                    cut,
                };
            }
            DecoderResult::OutputFull => text.reserve(rest.len() + 16),
            DecoderResult::Malformed(..) => {
                if rest.is_empty() {
                    cut = true;
                    continue;
                }
                errors += 1;
                if text.capacity() - text.len() < 3 {
                    text.reserve(rest.len() + 16);
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

fn byte_order_mark(body: &[u8]) -> Option<(Codec, usize)> {
    match body {
        [0, 0, 0xFE, 0xFF, ..] => Some((Codec::Utf32 { big_endian: true }, 4)),
        [0xFF, 0xFE, 0, 0, ..] => Some((Codec::Utf32 { big_endian: false }, 4)),
        _ => Encoding::for_bom(body).map(|(encoding, length)| (Codec::Known(encoding), length)),
    }
}

/// UTF-16 or UTF-32 by the zero bytes around the first `<`.
fn zeros(body: &[u8]) -> Option<Codec> {
    const WHITE: [u8; 4] = *b" \t\r\n";
    let is_mark = |b: u8| b == b'<' || WHITE.contains(&b);
    match *body {
        [0, 0, 0, b, ..] if is_mark(b) => Some(Codec::Utf32 { big_endian: true }),
        [b, 0, 0, 0, ..] if is_mark(b) => Some(Codec::Utf32 { big_endian: false }),
        [0, b, ..] if is_mark(b) => Some(Codec::Known(encoding_rs::UTF_16BE)),
        [b, 0, ..] if is_mark(b) => Some(Codec::Known(encoding_rs::UTF_16LE)),
        _ => None,
    }
}

/// Whether there are zero bytes where an XML document in a wide encoding must have some.
fn looks_wide(body: &[u8]) -> bool {
    body[..body.len().min(512)].contains(&0)
}

/// The codec that a label names: the labels of the WHATWG standard, and those of other registries.
fn codec(label: &str, body: &[u8]) -> Option<Codec> {
    let label = label.trim().to_ascii_lowercase().replace('_', "-");
    match label.as_str() {
        "ascii" | "us-ascii" | "ansi-x3.4-1968" | "iso646-us" | "646" => return Some(Codec::Ascii),
        "utf-32le" | "utf-32-le" => return Some(Codec::Utf32 { big_endian: false }),
        "utf-32be" | "utf-32-be" => return Some(Codec::Utf32 { big_endian: true }),
        "utf-32" | "utf32" | "u32" | "ucs-4" | "ucs4" | "iso-10646-ucs-4" | "csucs4" => {
            return Some(zeros(body).unwrap_or(Codec::Utf32 { big_endian: true }));
        }
        "utf-16" | "utf16" | "u16" | "ucs-2" | "ucs2" | "iso-10646-ucs-2" | "csunicode"
        | "unicode" => {
            return Some(zeros(body).unwrap_or(Codec::Known(encoding_rs::UTF_16LE)));
        }
        _ => {}
    }
    let known = Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(alias(&label)?.as_bytes()))?;
    (known != encoding_rs::REPLACEMENT && known != encoding_rs::X_USER_DEFINED)
        .then_some(Codec::Known(known))
}

/// Names that other libraries use for encodings of the standard.
fn alias(label: &str) -> Option<String> {
    let number = |prefix: &str| {
        label
            .strip_prefix(prefix)
            .filter(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    };
    Some(match label {
        "utf-8-sig" | "utf8-sig" | "u8" | "utf" | "utf-8n" | "utf8mb4" | "cp65001" => {
            "utf-8".to_owned()
        }
        "cp936" | "ms936" | "936" | "euc-cn" | "euccn" | "windows-936" => "gbk".to_owned(),
        "gb18030-2000" => "gb18030".to_owned(),
        "cp949" | "ms949" | "949" | "uhc" | "johab" => "euc-kr".to_owned(),
        "cp932" | "932" | "mskanji" | "sjis-win" | "shiftjis" => "shift_jis".to_owned(),
        "cp950" | "950" | "big5-tw" | "windows-950" => "big5".to_owned(),
        "eucjp" | "ujis" | "u-jis" | "eucjp-win" => "euc-jp".to_owned(),
        "euckr" | "korean" | "ksc5601" => "euc-kr".to_owned(),
        "tis620" | "cp874" | "iso-8859-11" => "windows-874".to_owned(),
        "mac-roman" | "macroman" | "x-mac-roman" => "macintosh".to_owned(),
        "mac-cyrillic" | "maccyrillic" => "x-mac-cyrillic".to_owned(),
        "latin-1" | "latin" | "8859-1" | "iso8859" | "ansi" | "western" => {
            "windows-1252".to_owned()
        }
        _ => match number("cp")
            .or_else(|| number("win-"))
            .or_else(|| number("win"))
            .or_else(|| number("windows"))
        {
            Some(page) => format!("windows-{page}"),
            None => format!("iso-8859-{}", number("latin-").or_else(|| number("8859-"))?),
        },
    })
}

/// The `charset` parameter of a content type.
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// The encoding that the XML declaration names.
fn declaration(body: &[u8]) -> Option<&str> {
    let head = &body[..body.len().min(DECLARATION_WITHIN)];
    let start = memmem::find(head, b"<?xml")?;
    let head = &head[start..];
    let end = memmem::find(head, b">").unwrap_or(head.len().min(256));
    let text = std::str::from_utf8(&head[..end]).ok()?;
    let value = text[text.find("encoding")? + "encoding".len()..]
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value
            .split(|c: char| c.is_whitespace() || c == '?')
            .next()?,
    };
    let value = value.trim();
    (!value.is_empty()).then_some(value)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| {
                if big_endian {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    fn utf32(text: &str, big_endian: bool) -> Vec<u8> {
        text.chars()
            .flat_map(|c| {
                if big_endian {
                    u32::from(c).to_be_bytes()
                } else {
                    u32::from(c).to_le_bytes()
                }
            })
            .collect()
    }

    fn in_encoding(label: &str, text: &str) -> Vec<u8> {
        Encoding::for_label(label.as_bytes())
            .unwrap()
            .encode(text)
            .0
            .into_owned()
    }

    fn codes(decoded: &Decoded<'_>) -> String {
        decoded
            .warnings
            .iter()
            .map(|warning| warning.code.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[track_caller]
    fn check(body: &[u8], content_type: Option<&str>, text: &str, encoding: &str, warnings: &str) {
        let decoded = decode(body, content_type);
        assert_eq!(decoded.encoding, encoding);
        assert_eq!(decoded.text, text);
        assert_eq!(codes(&decoded), warnings);
        assert_eq!(decoded.repaired, !warnings.is_empty());
    }

    #[test]
    fn the_first_label_that_works_counts() {
        let declared = |label: &str, text: &str| {
            format!("<?xml version=\"1.0\" encoding='{label}'?><t>{text}</t>")
        };
        let chinese = declared("gb2312", "中文");
        check(&in_encoding("gbk", &chinese), None, &chinese, "gbk", "");
        check(
            &in_encoding("gbk", "<t>中文</t>"),
            Some("text/xml; charset=\"GB2312\""),
            "<t>中文</t>",
            "gbk",
            "",
        );
        let latin = declared("iso-8859-1", "é’");
        check(
            &in_encoding("windows-1252", &latin),
            None,
            &latin,
            "windows-1252",
            "",
        );
        let wrong = declared("gb2312", "naïve — ünïcödé text…");
        check(
            wrong.as_bytes(),
            Some("text/xml;charset=nonsense"),
            &wrong,
            "utf-8",
            "encoding-unknown encoding-mismatch",
        );
        let wide = declared("utf-16", "ü");
        check(
            wide.as_bytes(),
            Some("text/xml; charset=utf-32"),
            &wide,
            "utf-8",
            "encoding-mismatch encoding-mismatch",
        );
        let ascii = declared("us-ascii", "ü");
        check(ascii.as_bytes(), None, &ascii, "utf-8", "encoding-mismatch");
        check(
            &in_encoding("latin1", &ascii),
            None,
            &ascii,
            "windows-1252",
            "",
        );
        let plain = declared("euc-jp", "plain");
        check(plain.as_bytes(), None, &plain, "euc-jp", "");
        check(
            b"<t>plain</t>",
            Some("text/xml;charset=us-ascii"),
            "<t>plain</t>",
            "windows-1252",
            "",
        );
    }

    #[test]
    fn labels_of_other_libraries() {
        for (label, encoding) in [
            ("CP1251", "windows-1251"),
            ("utf_8", "utf-8"),
            ("latin-2", "iso-8859-2"),
            ("ms936", "gbk"),
            ("TIS620", "windows-874"),
        ] {
            let text = format!("<?xml version='1.0' encoding=\"{label}\"?><t/>");
            check(text.as_bytes(), None, &text, encoding, "");
        }
    }

    #[test]
    fn wide_encodings_with_and_without_a_mark() {
        let text = "<?xml version='1.0' encoding='utf-16'?><t>ü中🦀</t>";
        for big_endian in [false, true] {
            let (short, long) = if big_endian {
                ("utf-16be", "utf-32be")
            } else {
                ("utf-16le", "utf-32le")
            };
            let marked = format!("\u{FEFF}{text}");
            check(&utf16(text, big_endian), None, text, short, "");
            check(
                &utf16(&marked, big_endian),
                Some("text/xml; charset=iso-8859-1"),
                text,
                short,
                "",
            );
            check(
                &utf16(text, big_endian),
                Some("text/xml; charset=utf-16"),
                text,
                short,
                "",
            );
            check(&utf32(text, big_endian), None, text, long, "");
            check(&utf32(&marked, big_endian), None, text, long, "");
            check(
                &utf32(text, big_endian),
                Some("text/xml; charset=ucs-4"),
                text,
                long,
                "",
            );
        }
    }

    #[test]
    fn utf8_is_borrowed() {
        let body = "\u{FEFF}<t>ü</t>".as_bytes();
        let decoded = decode(body, None);
        assert!(matches!(decoded.text, Cow::Borrowed("<t>ü</t>")));
        assert!(!decoded.repaired);
        check(
            "{\"ü\":1}".as_bytes(),
            Some("application/json; charset=latin1"),
            "{\"ü\":1}",
            "utf-8",
            "",
        );
        check(b"", None, "", "utf-8", "");
    }

    #[test]
    fn accidents_do_not_change_the_encoding() {
        let text = "<t>übergroße Menge, ünïcödé</t>";
        check(&text.as_bytes()[..5], None, "<t>ü", "utf-8", "");
        check(
            &text.as_bytes()[..4],
            None,
            "<t>",
            "utf-8",
            "encoding-error",
        );
        let mut broken = text.as_bytes().to_vec();
        broken.insert(6, 0xFF);
        check(
            &broken,
            None,
            &text.replacen("üb", "üb\u{FFFD}", 1),
            "utf-8",
            "encoding-error",
        );
        let mut marked = b"\xEF\xBB\xBF".to_vec();
        marked.extend(&broken);
        check(
            &marked,
            None,
            &text.replacen("üb", "üb\u{FFFD}", 1),
            "utf-8",
            "encoding-mismatch encoding-error",
        );
        let chinese = "<?xml version='1.0' encoding='gbk'?><t>这是一个很长的中文句子，其中只有一个坏字节，其余都可以正常阅读。</t>";
        let mut gbk = in_encoding("gbk", chinese);
        let at = gbk.len() - 4;
        gbk.insert(at, 0xFF);
        let decoded = decode(&gbk, None);
        assert_eq!(
            (decoded.encoding.as_str(), codes(&decoded).as_str()),
            ("gbk", "encoding-mismatch encoding-error")
        );
    }

    #[test]
    fn without_any_label_a_guess_is_made() {
        let russian = "<t>Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний</t>";
        check(
            &in_encoding("koi8-r", russian),
            None,
            russian,
            "koi8-u",
            "encoding-mismatch",
        );
        check(
            &in_encoding("windows-1251", russian),
            None,
            russian,
            "windows-1251",
            "encoding-mismatch",
        );
        check(
            b"<t>caf\xE9 \x96 na\xEFve</t>",
            None,
            "<t>café – naïve</t>",
            "windows-1252",
            "encoding-mismatch",
        );
    }

    #[test]
    fn declarations_are_found_where_they_stand() {
        for (head, label) in [
            ("<?xml version='1.0' encoding='x'?>", Some("x")),
            ("<?xml version='1.0' encoding = \"x\" ?>", Some("x")),
            ("<?xml encoding=x?>", Some("x")),
            (
                "<br /><b>Warning</b><?xml version='1.0' encoding='x'?>",
                Some("x"),
            ),
            ("<?xml version='1.0'?><a encoding='x'/>", None),
            ("<?xml version='1.0' encoding=''?>", None),
        ] {
            assert_eq!(declaration(head.as_bytes()), label, "{head}");
        }
    }
}
