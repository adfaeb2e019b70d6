//! What text and addresses must be before they may stand in a feed. Pure; takes anything, gives only what every
//! reader understands.
//!
//! Text fields of feeds are plain, but some readers take them for HTML: where a plain text looks like markup, an
//! invisible blank breaks the spell (`disarm`), so that both kinds of reader show the same.

use std::fmt::Write as _;

use url::{Position, Url};

use crate::html;

/// Breaks what looks like a tag or a character reference; shows as nothing.
const INVISIBLE: char = '\u{200B}';

/// ISO 639-1, and the longer codes that feeds really use.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el \
     en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu \
     ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my \
     na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm \
     sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za \
     zh zu \
     arz ast ceb ckb cmn fil gsw haw hsb kok mai nds sco yue";

/// Only characters of XML 1.0, section 2.2, without control characters and those that stand for damage.
pub(super) fn clean(text: &str) -> String {
    let kept = |c: char| match c {
        '\u{FFFD}' => Some('?'),
        '\n' | '\t' => Some(c),
        '\r' => Some('\n'),
        // Noncharacters are in XML's range, but parse errors in HTML.
        '\u{FDD0}'..='\u{FDEF}' => None,
        _ if c.is_control() || (u32::from(c) & 0xFFFE) == 0xFFFE => None,
        _ => Some(c),
    };
    // Nearly every text is clean, and copying it whole costs a fraction.
    if text.chars().all(|c| kept(c) == Some(c)) {
        return text.to_owned();
    }
    text.chars().filter_map(kept).collect()
}

/// One line of clean, harmless text.
pub(super) fn line(text: &str) -> String {
    let clean = clean(text);
    disarm(&clean.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// [`line()`] where there is something to say.
pub(super) fn some_line(text: Option<&str>) -> Option<String> {
    text.map(line).filter(|text| !text.is_empty())
}

/// Breaks tags and character references in plain text.
pub(super) fn disarm(text: &str) -> String {
    if !text.contains(['<', '&']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        out.push(c);
        let rest = &text[at + c.len_utf8()..];
        let risky = match c {
            '<' => rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)),
            '&' => is_reference(rest),
            _ => false,
        };
        if risky {
            out.push(INVISIBLE);
        }
    }
    out
}

/// True if `&` before this would be taken for a character reference, with or without a semicolon.
fn is_reference(rest: &str) -> bool {
    let name = rest.strip_prefix('#').unwrap_or(rest);
    let end = name
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    let name = &name[..end];
    !name.is_empty()
        && (rest.starts_with('#')
            || !name.chars().all(char::is_alphabetic)
            || html::entity(name).is_some())
}

/// The beginning of a text, at most `most` characters with the ellipsis, cut between words where it has words.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    let whole = match cut.rfind(char::is_whitespace) {
        // Chinese and Japanese hardly ever have a blank: then between characters.
        Some(blank) if blank * 4 >= cut.len() * 3 => &cut[..blank],
        _ => &cut,
    };
    format!("{}…", whole.trim_end_matches([' ', ',', ';', '，', '、']))
}

/// Text as HTML: `&`, `<`, `>` and `"` escaped.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

/// Plain text with line ends as an HTML fragment.
pub(super) fn paragraphs(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
        let lines: Vec<String> = paragraph
            .lines()
            .map(|line| escape(line.trim_end()))
            .collect();
        let _ = write!(out, "<p>{}</p>", lines.join("<br>"));
    }
    out
}

/// A web address in plain ASCII, without user-info; `None` for anything else.
pub(super) fn url(text: &str) -> Option<String> {
    let mut url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    // Cannot fail for a URL that has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let rest = &url[Position::BeforePath..];
    let mut out = url[..Position::BeforePath].to_owned();
    let bytes = rest.as_bytes();
    let mut fragment = false;
    for (at, byte) in bytes.iter().enumerate() {
        let stands = match byte {
            b'%' => bytes
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            // A second number sign is data.
            b'#' => !std::mem::replace(&mut fragment, true),
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=".contains(byte),
        };
        if stands {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Some(out)
}

/// [`url()`] of something that may be missing.
pub(super) fn some_url(text: Option<&str>) -> Option<String> {
    text.and_then(url)
}

/// True for an address that the strictest readers of enclosures take: a host with a dot, nothing odd.
pub(super) fn has_plain_host(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.host_str().is_some_and(|host| {
            host.contains('.')
                && host.split('.').all(|label| {
                    !label.is_empty()
                        && label
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                })
        })
    })
}

/// True if an id is an address in the one form that all spellings lead to, so that readers may compare it as text.
pub(super) fn is_canonical_id(id: &str) -> bool {
    let Ok(parsed) = Url::parse(id) else {
        return false;
    };
    if parsed.as_str() != id || id.contains(['%', '#']) {
        return false;
    }
    match parsed.scheme() {
        "http" | "https" => url(id).as_deref() == Some(id),
        "urn" => id.strip_prefix("urn:uuid:").is_some_and(|uuid| {
            uuid.len() == 36
                && uuid.char_indices().all(|(at, c)| match at {
                    8 | 13 | 18 | 23 => c == '-',
                    _ => c.is_ascii_digit() || ('a'..='f').contains(&c),
                })
        }),
        "tag" => {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            id.strip_prefix("tag:")
                .and_then(|rest| rest.split_once(','))
                .is_some_and(|(authority, rest)| {
                    let (year, name) = rest.split_once(':').unwrap_or_default();
                    !authority.is_empty()
                        && authority.chars().all(plain)
                        && year.len() == 4
                        && year.bytes().all(|b| b.is_ascii_digit())
                        && name
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"-._/:".contains(&b))
                })
        }
        _ => false,
    }
}

/// A mail address of the ordinary form.
pub(super) fn mail(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let (local, domain) = text.split_once('@')?;
    let word = |part: &str, extra: &[u8]| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
    };
    let fits = word(local, b"._+-")
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| word(label, b"-") && !label.starts_with('-'));
    fits.then(|| text.to_owned())
}

/// A language tag that readers know (BCP 47), in its usual spelling; the first subtag alone if the rest is odd.
pub(super) fn language(tag: &str) -> Option<String> {
    let mut parts = tag.trim().split(['-', '_']);
    let primary = parts.next()?.to_ascii_lowercase();
    if primary.is_empty() || !LANGUAGES.split(' ').any(|known| known == primary) {
        return None;
    }
    let mut out = primary;
    let mut step = 0;
    for part in parts {
        let alphabetic = part.bytes().all(|b| b.is_ascii_alphabetic());
        let (next, spelt) = match part.len() {
            4 if alphabetic => (1, capitalised(part)),
            2 if alphabetic => (2, part.to_ascii_uppercase()),
            3 if part.bytes().all(|b| b.is_ascii_digit()) => (2, part.to_owned()),
            _ => break,
        };
        if next <= step {
            break;
        }
        step = next;
        let _ = write!(out, "-{spelt}");
    }
    Some(out)
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!(
        "{}{}",
        first.to_ascii_uppercase(),
        rest.to_ascii_lowercase()
    )
}

/// A media type without parameters, in lower case.
pub(super) fn media_type(text: &str) -> Option<String> {
    let essence = text.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, name) = essence.split_once('/')?;
    let token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    (token(kind) && token(name)).then_some(essence)
}

/// The media type that the ending of an address promises.
pub(super) fn media_type_of(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "ogg" | "oga" => "audio/ogg",
        "opus" => "audio/opus",
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "pdf" => "application/pdf",
        "epub" => "application/epub+zip",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_plain_for_readers_that_expect_html() {
        for (text, expected) in [
            ("AT&T, R&D and a < b", "AT&T, R&D and a < b"),
            (
                "<script>alert(1)</script>",
                "<\u{200B}script>alert(1)<\u{200B}/script>",
            ),
            ("Tom &amp; Jerry", "Tom &\u{200B}amp; Jerry"),
            ("I <3 &#60;", "I <3 &\u{200B}#60;"),
            ("中文&中文", "中文&中文"),
            ("a&copy", "a&\u{200B}copy"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn only_characters_of_xml_remain() {
        assert_eq!(
            clean("a\u{0}b\u{8}c\u{85}d\u{FFFE}e\u{FFFD}f\r\ng\u{1F600}"),
            "abcde?f\n\ng\u{1F600}"
        );
    }

    #[test]
    fn an_excerpt_is_cut_between_words() {
        assert_eq!(excerpt("one two three", 300), "one two three");
        assert_eq!(excerpt("one two three", 10), "one two…");
        assert_eq!(excerpt("一二三四五六七八", 5), "一二三四…");
    }

    #[test]
    fn addresses_are_ascii_and_of_the_web() {
        for (text, expected) in [
            (
                "https://example.org/ä b",
                Some("https://example.org/%C3%A4%20b"),
            ),
            (
                "https://user:secret@example.org/",
                Some("https://example.org/"),
            ),
            ("https://例え.jp/", Some("https://xn--r8jz45g.jp/")),
            (
                "https://example.org/100%?a=[1]|#x#y",
                Some("https://example.org/100%25?a=%5B1%5D%7C#x%23y"),
            ),
            ("javascript:alert(1)", None),
            ("/relative", None),
        ] {
            assert_eq!(url(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn languages_have_their_usual_spelling() {
        for (tag, expected) in [
            ("ZH-hans-cn", Some("zh-Hans-CN")),
            ("en_us", Some("en-US")),
            ("en-x-private", Some("en")),
            ("klingon", None),
            ("", None),
        ] {
            assert_eq!(language(tag).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn lines_of_plain_text_become_paragraphs() {
        assert_eq!(paragraphs("a\nb & c\n\nd"), "<p>a<br>b &amp; c</p><p>d</p>");
    }
}
