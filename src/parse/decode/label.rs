//! What a document says of its encoding: byte order mark, zero bytes, labels and their many spellings.

use encoding_rs::Encoding;
use memchr::memmem;

use super::attempt::Codec;

/// How much of the body is searched for its XML declaration: servers write warnings in front of it.
const DECLARATION_WITHIN: usize = 16 * 1024;

pub(super) fn byte_order_mark(body: &[u8]) -> Option<(Codec, usize)> {
    match body {
        [0, 0, 0xFE, 0xFF, ..] => Some((Codec::Utf32 { big_endian: true }, 4)),
        [0xFF, 0xFE, 0, 0, ..] => Some((Codec::Utf32 { big_endian: false }, 4)),
        _ => Encoding::for_bom(body).map(|(encoding, length)| (Codec::Known(encoding), length)),
    }
}

/// UTF-16 or UTF-32 by the zero bytes around the first `<`.
pub(super) fn zeros(body: &[u8]) -> Option<Codec> {
    const WHITE: [u8; 4] = *b" \t\r\n";
    let is_mark = |b: u8| b == b'<' || WHITE.contains(&b);
    if !looks_wide(body) {
        return None;
    }
    match *body {
        [0, 0, 0, b, ..] if is_mark(b) => Some(Codec::Utf32 { big_endian: true }),
        [b, 0, 0, 0, ..] if is_mark(b) => Some(Codec::Utf32 { big_endian: false }),
        [0, b, ..] if is_mark(b) => Some(Codec::Known(encoding_rs::UTF_16BE)),
        [b, 0, ..] if is_mark(b) => Some(Codec::Known(encoding_rs::UTF_16LE)),
        _ => None,
    }
}

/// Whether there are as many zero bytes as the markup of a document in a wide encoding has: a stray one is damage.
pub(super) fn looks_wide(body: &[u8]) -> bool {
    let head = &body[..body.len().min(512)];
    memchr::memchr_iter(0, head).count() * 8 >= head.len()
}

/// The codec that a label names: the labels of the WHATWG standard, and those of other registries.
pub(super) fn codec(label: &str, body: &[u8]) -> Option<Codec> {
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
        "iso2022-jp" | "iso2022jp" | "csiso2022jp2" => "iso-2022-jp".to_owned(),
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
pub(super) fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// The encoding that the XML declaration names.
pub(super) fn declaration(body: &[u8]) -> Option<&str> {
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
    // Word processors have quotation marks of their own.
    let value = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    (!value.is_empty()).then_some(value)
}
