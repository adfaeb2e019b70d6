//! Conditional requests (RFC 9110, 13) and deltas (RFC 3229): whether a client's copy is still good.

use http::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

use crate::model::time::Timestamp;

/// True if the client's copy is the one we would send. `If-None-Match` wins over `If-Modified-Since`.
pub(super) fn is_current(
    headers: &HeaderMap,
    etag: &HeaderValue,
    modified: Timestamp,
    last_modified: &HeaderValue,
) -> bool {
    let mut validators = headers.get_all(IF_NONE_MATCH).iter().peekable();
    if validators.peek().is_some() {
        // Nearly every client sends back the one that it got.
        return validators.any(|value| value == etag || matches(value.as_bytes(), etag.as_bytes()));
    }
    let Some(since) = headers.get(IF_MODIFIED_SINCE) else {
        return false;
    };
    since == last_modified || date(since).is_some_and(|since| modified <= since)
}

fn date(value: &HeaderValue) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let since_epoch = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::EPOCH + since_epoch)
}

/// Weak comparison with each validator of a list.
fn matches(list: &[u8], etag: &[u8]) -> bool {
    list.trim_ascii() == b"*" || validators(list).any(|known| known == etag)
}

/// The opaque tags of a list, quotes included, without `W/`. Commas may stand inside of quotes.
fn validators(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let open = rest.iter().position(|b| *b == b'"')?;
        let close = open + 1 + rest[open + 1..].iter().position(|b| *b == b'"')?;
        let tag = &rest[open..=close];
        rest = &rest[close + 1..];
        Some(tag)
    })
}

/// The client's validators, if it asks for a delta and says what it has.
pub(super) fn wants_delta(headers: &HeaderMap) -> Option<Vec<&[u8]>> {
    let feed = headers
        .get_all(HeaderName::from_static("a-im"))
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(is_feed);
    if !feed {
        return None;
    }
    let known: Vec<&[u8]> = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| validators(value.as_bytes()))
        .collect();
    (!known.is_empty()).then_some(known)
}

fn is_feed(manipulation: &[u8]) -> bool {
    let mut parts = manipulation.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let named = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"feed"));
    let refused = parts.any(|part| {
        part.strip_prefix(b"q=")
            .is_some_and(|quality| !quality.iter().any(|b| (b'1'..=b'9').contains(b)))
    });
    named && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Tue, 24 Nov 2026 08:00:00 GMT";

    fn check(fields: &[(HeaderName, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        let modified = Timestamp::from_civil(2026, 11, 24, 8, 0, 0).unwrap();
        is_current(
            &headers,
            &HeaderValue::from_static("\"abc\""),
            modified,
            &HeaderValue::from_static(MODIFIED),
        )
    }

    #[test]
    fn a_validator_matches_in_all_its_forms() {
        for (value, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", W/\"y\" , \"abc\"", true),
            ("\"a,b\",\"abc\"", true),
            ("*", true),
            ("\"abcd\"", false),
            ("abc", false),
            ("", false),
            ("\"abc", false),
        ] {
            assert_eq!(check(&[(IF_NONE_MATCH, value)]), expected, "{value}");
        }
        assert!(check(&[
            (IF_NONE_MATCH, "\"x\""),
            (IF_NONE_MATCH, "\"abc\"")
        ]));
    }

    #[test]
    fn a_date_counts_only_without_a_validator() {
        for (value, expected) in [
            (MODIFIED, true),
            ("Tue, 24 Nov 2026 09:00:00 GMT", true),
            ("Tuesday, 24-Nov-26 08:00:00 GMT", true),
            ("Tue, 24 Nov 2026 07:59:59 GMT", false),
            ("yesterday", false),
        ] {
            assert_eq!(check(&[(IF_MODIFIED_SINCE, value)]), expected, "{value}");
        }
        assert!(!check(&[
            (IF_NONE_MATCH, "\"old\""),
            (IF_MODIFIED_SINCE, MODIFIED)
        ]));
    }

    #[test]
    fn a_delta_is_for_those_who_say_what_they_have() {
        let a_im = HeaderName::from_static("a-im");
        for (wish, expected) in [
            ("feed", true),
            ("gzip, feed", true),
            ("feed;q=0.5", true),
            ("feed;q=0", false),
            ("vcdiff", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(&a_im, HeaderValue::from_static(wish));
            assert_eq!(wants_delta(&headers), None, "{wish}");
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("W/\"abc\""));
            assert_eq!(wants_delta(&headers).is_some(), expected, "{wish}");
        }
    }
}
