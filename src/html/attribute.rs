//! Which attributes a clean fragment keeps, and what becomes of the addresses in them.
//!
//! Names and decoded values come in; values that may be written go out. A value that is refused takes its attribute with it.

use std::borrow::Cow;

use memchr::memmem;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Position, Url};

/// The attributes that are kept, on whichever element they stand.
pub(super) const KEPT: [&str; 20] = [
    "href", "src", "srcset", "alt", "title", "width", "height", "datetime", "cite", "lang", "dir",
    "colspan", "rowspan", "start", "type", "reversed", "open", "controls", "poster", "id",
];

/// The schemes an address may have.
pub(super) const SCHEMES: [&str; 6] = ["http", "https", "mailto", "tel", "ftp", "magnet"];

/// The pictures that may stand in the address itself.
const INLINE_PICTURES: [&str; 5] = ["png", "jpeg", "jpg", "gif", "webp"];

/// What is encoded in an address that has no base to be resolved against.
const UNSAFE_IN_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'\\')
    .add(b'{')
    .add(b'}');

/// How the value of a kept attribute is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address.
    Address,
    /// The address of a picture in `img src`, which may also be `data:`.
    Picture,
    /// Addresses with their descriptors.
    Candidates,
    /// A name that links in the fragment may lead to.
    Id,
    /// A length in pixels, as far as tracking pixels are concerned.
    Size,
    /// Anything else.
    Plain,
}

/// The place of an attribute in [`KEPT`], whatever the case of its name.
pub(super) fn index(name: &str) -> Option<usize> {
    if !(2..=8).contains(&name.len()) {
        return None;
    }
    let key = key(name);
    KEYS.iter().position(|kept| *kept == key)
}

/// A name of eight bytes or less as a number.
const fn key(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (mut key, mut at) = (0, 0);
    while at < bytes.len() {
        key = key << 8 | bytes[at].to_ascii_lowercase() as u64;
        at += 1;
    }
    key
}

/// The keys of [`KEPT`].
const KEYS: [u64; KEPT.len()] = {
    let mut keys = [0; KEPT.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = key(KEPT[at]);
        at += 1;
    }
    keys
};

/// How the value of [`KEPT`]`[index]` is to be read on `element`.
pub(super) fn kind(index: usize, element: &str) -> Kind {
    match KEPT[index] {
        "src" if element == "img" => Kind::Picture,
        "href" | "src" | "cite" | "poster" => Kind::Address,
        "srcset" => Kind::Candidates,
        "id" => Kind::Id,
        "width" | "height" => Kind::Size,
        _ => Kind::Plain,
    }
}

/// The address as it will be written: absolute where there is a base. `None` if its scheme is none of [`SCHEMES`] or if
/// it cannot be read.
pub(super) fn address<'a>(
    value: &'a str,
    base: Option<&Url>,
    picture: bool,
) -> Option<Cow<'a, str>> {
    let value = without_breaks(value);
    if is_plain_web(&value) {
        return Some(value);
    }
    match scheme(&value) {
        None => relative(value, base),
        Some(scheme) if SCHEMES.contains(&scheme.as_str()) => {
            Url::parse(&value).ok().map(|url| Cow::Owned(url.into()))
        }
        Some(scheme) if scheme == "data" && picture => inline_picture(&value),
        Some(_) => None,
    }
}

/// The candidates of a `srcset`, each with its address resolved; those that are refused go. Without a base, relative
/// ones stay only as long as they are among themselves.
pub(super) fn candidates(value: &str, base: Option<&Url>) -> Option<String> {
    let mut kept = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if rest.is_empty() {
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        let bare = url.trim_end_matches(',');
        let descriptors = if bare.len() < url.len() {
            rest = after;
            ""
        } else {
            let comma = after.find(',').unwrap_or(after.len());
            rest = &after[comma..];
            after[..comma].trim()
        };
        if let Some(url) = address(bare, base, false) {
            kept.push((url.into_owned(), descriptors));
        }
    }
    if kept.iter().any(|(url, _)| scheme(url).is_some()) {
        kept.retain(|(url, _)| scheme(url).is_some());
    }
    let mut written = String::with_capacity(value.len());
    for (url, descriptors) in &kept {
        let separator = if written.is_empty() { "" } else { ", " };
        written.extend([separator, url]);
        for descriptor in descriptors
            .split_whitespace()
            .filter(|descriptor| is_descriptor(descriptor))
        {
            written.extend([" ", descriptor]);
        }
    }
    (!written.is_empty()).then_some(written)
}

/// `2x`, `1.5x`, `640w`, `480h`.
fn is_descriptor(descriptor: &str) -> bool {
    descriptor
        .strip_suffix(['w', 'x', 'h'])
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
}

/// Whether a width or height is that of a tracking pixel: 0 or 1, with or without a unit.
pub(super) fn is_pixel(value: &str) -> bool {
    let number = value.trim().trim_start_matches('+');
    let whole = number.trim_start_matches('0');
    let significant = whole
        .strip_prefix('1')
        .filter(|_| !whole.starts_with("10") || whole == "1")
        .unwrap_or(whole);
    number.starts_with(|c: char| c.is_ascii_digit())
        && !significant.starts_with(|c: char| c.is_ascii_digit())
        && !significant.contains('%')
}

/// Trims, and takes out the line breaks, tabs and control characters that browsers overlook inside an address.
pub(super) fn without_breaks(value: &str) -> Cow<'_, str> {
    let value = value.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if value.bytes().any(|b| b < 0x20 || b == 0x7F) {
        Cow::Owned(value.chars().filter(|c| !c.is_control()).collect())
    } else {
        Cow::Borrowed(value)
    }
}

/// What stands before the first `:`, in lower case, if no `/`, `?` or `#` comes first. White space is overlooked, so that
/// `java script:` is what it looks like to a careless reader.
fn scheme(value: &str) -> Option<String> {
    let end = value
        .find([':', '/', '?', '#'])
        .filter(|&at| value[at..].starts_with(':'))?;
    Some(
        value[..end]
            .chars()
            .filter(|c| !c.is_whitespace())
            .flat_map(char::to_lowercase)
            .collect(),
    )
}

/// A web address that needs no work: nothing to encode, and a host that every reader understands the same way.
fn is_plain_web(value: &str) -> bool {
    let Some(rest) = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"))
    else {
        return false;
    };
    let host_end = rest
        .bytes()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    is_plain_host(&rest[..host_end])
        && rest.as_bytes()[host_end..]
            .iter()
            .all(|b| is_plain_url_byte(*b))
}

fn is_plain_host(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    last.starts_with(|c: char| c.is_ascii_alphabetic())
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        && !host.split('.').any(|label| {
            label.is_empty()
                || label
                    .get(..4)
                    .is_some_and(|p| p.eq_ignore_ascii_case("xn--"))
        })
}

const fn is_plain_url_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'/'
                | b'?'
                | b'#'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'%'
        )
}

fn relative<'a>(value: Cow<'a, str>, base: Option<&Url>) -> Option<Cow<'a, str>> {
    match base {
        // Most relative addresses are paths from the root, in which there is nothing to resolve.
        Some(base) if is_plain_path(&value) && matches!(base.scheme(), "http" | "https") => {
            let origin = &base[..Position::BeforePath];
            Some(Cow::Owned([origin, &value].concat()))
        }
        Some(base) => {
            let url = base.join(&value).ok()?;
            SCHEMES
                .contains(&url.scheme())
                .then(|| Cow::Owned(url.into()))
        }
        None if value.is_empty() => None,
        None if value.bytes().all(is_plain_url_byte) => Some(value),
        None => Some(Cow::Owned(
            utf8_percent_encode(&value, UNSAFE_IN_URL).to_string(),
        )),
    }
}

/// An absolute path without dot segments and without anything to encode.
fn is_plain_path(value: &str) -> bool {
    let dots = || {
        memmem::find(value.as_bytes(), b"/.").is_some()
            || memmem::find(value.as_bytes(), b"/%2").is_some()
    };
    value.starts_with('/')
        && !value.starts_with("//")
        && value.bytes().all(|b| is_plain_url_byte(b) && b != b'\'')
        && !dots()
}

fn inline_picture(value: &str) -> Option<Cow<'static, str>> {
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let kind = compact.get("data:".len()..)?.to_ascii_lowercase();
    let format = kind.strip_prefix("image/")?;
    let known = INLINE_PICTURES.iter().any(|known| {
        format
            .strip_prefix(known)
            .is_some_and(|rest| rest.starts_with([';', ',']))
    });
    known.then_some(Cow::Owned(compact))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, base: Option<&str>) -> Option<String> {
        let base = base.map(|base| Url::parse(base).unwrap());
        address(value, base.as_ref(), false).map(Cow::into_owned)
    }

    #[test]
    fn addresses_become_absolute_and_safe() {
        let base = Some("https://example.org/blog/post?x=1");
        for (value, expected) in [
            (
                "https://a.example/x?y=1&z#f",
                Some("https://a.example/x?y=1&z#f"),
            ),
            ("  https://a.example/x \n", Some("https://a.example/x")),
            ("HTTPS://A.example", Some("https://a.example/")),
            ("http://a.example/a b\nc", Some("http://a.example/a%20bc")),
            (
                "http://münchen.example/straße",
                Some("http://xn--mnchen-3ya.example/stra%C3%9Fe"),
            ),
            ("../up", Some("https://example.org/up")),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("#part", Some("https://example.org/blog/post?x=1#part")),
            ("", Some("https://example.org/blog/post?x=1")),
            ("?q=a:b", Some("https://example.org/blog/post?q=a:b")),
            (
                "mailto:a@b.example?subject=x y",
                Some("mailto:a@b.example?subject=x%20y"),
            ),
            ("magnet:?xt=urn:btih:abc", Some("magnet:?xt=urn:btih:abc")),
            ("tel:+491234", Some("tel:+491234")),
            ("javascript:alert(1)", None),
            ("JaVa\tscr\nipt:alert(1)", None),
            ("\u{1}javascript:alert(1)", None),
            ("java script:alert(1)", None),
            ("\u{a0}javascript:alert(1)", None),
            ("vbscript:x", None),
            ("data:text/html,<script>", None),
            ("data:image/png;base64,AAAA", None),
            ("file:///etc/passwd", None),
            ("C:\\x", None),
            ("http://[broken", None),
            ("https://", None),
        ] {
            assert_eq!(shown(value, base).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn without_a_base_relative_addresses_stay_as_written() {
        for (value, expected) in [
            ("/a b/ü", Some("/a%20b/%C3%BC")),
            (" x.png ", Some("x.png")),
            ("#n", Some("#n")),
            ("", None),
            ("a b:c", None),
        ] {
            assert_eq!(shown(value, None).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn pictures_may_stand_in_their_address() {
        let picture = |value: &'static str| address(value, None, true).map(Cow::into_owned);
        assert_eq!(
            picture("data:image/png;base64,AA\nAA").as_deref(),
            Some("data:image/png;base64,AAAA")
        );
        assert_eq!(
            picture("DATA:image/GIF,x").as_deref(),
            Some("DATA:image/GIF,x")
        );
        assert_eq!(picture("data:image/svg+xml,<svg>"), None);
        assert_eq!(picture("data:image/pngx,"), None);
    }

    #[test]
    fn every_candidate_of_a_srcset_is_resolved() {
        let base = Url::parse("https://e.example/p/").unwrap();
        for (value, expected) in [
            (
                "a.png 1x, /b.png 2x",
                Some("https://e.example/p/a.png 1x, https://e.example/b.png 2x"),
            ),
            (
                "a.png,\n b.png  100w ",
                Some("https://e.example/p/a.png, https://e.example/p/b.png 100w"),
            ),
            (
                "javascript:x 1x, a.png 2x",
                Some("https://e.example/p/a.png 2x"),
            ),
            ("data:image/png;base64,AA== 1x", None),
            (
                "a.png javascript:x 1.5x 2q",
                Some("https://e.example/p/a.png 1.5x"),
            ),
            (" , ,", None),
        ] {
            assert_eq!(
                candidates(value, Some(&base)).as_deref(),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn relative_candidates_without_a_base_stay_among_themselves() {
        assert_eq!(
            candidates("a.png 1x, b.png 2x", None).as_deref(),
            Some("a.png 1x, b.png 2x")
        );
        assert_eq!(
            candidates("a.png 1x, https://e.example/b.png 2x", None).as_deref(),
            Some("https://e.example/b.png 2x")
        );
    }

    #[test]
    fn the_short_way_to_an_absolute_path_is_the_long_one() {
        for base in [
            "https://example.org/a/b?c#d",
            "http://u:p@h.example:8080",
            "https://xn--mnchen-3ya.example/",
        ] {
            let base = Url::parse(base).unwrap();
            for path in [
                "/",
                "/x",
                "/x/y?a=1&b=2#f",
                "/a//b",
                "/[x]",
                "/%41",
                "/a:b@c",
                "/?",
                "/#",
            ] {
                assert!(is_plain_path(path), "{path}");
                assert_eq!(
                    address(path, Some(&base), false).unwrap(),
                    base.join(path).unwrap().as_str()
                );
            }
        }
        for path in ["//h", "/..", "/a/./b", "/%2E%2e/x", "/ü", "/a b", "x", ""] {
            assert!(!is_plain_path(path), "{path}");
        }
    }

    #[test]
    fn pixels() {
        for value in ["0", "1", " 1 ", "1px", "0px", "01", "1.0", "0.5"] {
            assert!(is_pixel(value), "{value}");
        }
        for value in ["", "2", "10", "100%", "1%", "auto", "11", "010"] {
            assert!(!is_pixel(value), "{value}");
        }
    }
}
