//! What headers say of freshness and patience. Takes response headers, gives validators, a lifetime and a time to
//! come back. Not a cache: nothing is ever answered from here, the schedule only learns when a visit is worthwhile.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{
    AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};

use crate::model::source::{HintFrom, Validators};
use crate::model::time::Timestamp;

/// What an answer said of its own lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// Seconds for which it asks to be left alone.
    pub lifetime: Option<(u64, HintFrom)>,
    /// It spoke of the matter at all; silence on a 304 means "as before".
    pub spoken: bool,
}

/// `ETag` and `Last-Modified` of an answer, byte for byte. They are opaque: nothing here judges their form.
pub(super) fn validators(url: &str, headers: &HeaderMap) -> Validators {
    let bytes = |name: HeaderName| {
        headers
            .get(name)
            .map(|value| value.as_bytes().to_vec())
            .filter(|value| !value.is_empty())
    };
    Validators {
        url: url.to_owned(),
        etag: bytes(ETAG),
        last_modified: bytes(LAST_MODIFIED),
    }
}

/// RFC 9111, 4.2: `max-age` less `Age`, else `Expires` less `Date`. What asks not to be kept gives no lifetime.
pub(super) fn freshness(headers: &HeaderMap, now: Timestamp) -> Freshness {
    let mut spoken = false;
    let mut max_age = None;
    let mut refused = false;
    for value in headers.get_all(CACHE_CONTROL) {
        spoken = true;
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for directive in text.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim() {
                "max-age" if max_age.is_none() => {
                    max_age = Some(seconds(value.trim().trim_matches('"')).unwrap_or(0));
                }
                "no-cache" | "no-store" => refused = true,
                _ => {}
            }
        }
    }
    let lifetime = if refused {
        None
    } else if let Some(max_age) = max_age {
        let age = headers
            .get(AGE)
            .and_then(|value| seconds(value.to_str().ok()?))
            .unwrap_or(0);
        Some((max_age.saturating_sub(age), HintFrom::MaxAge))
    } else if headers.contains_key(EXPIRES) {
        spoken = true;
        // "Expires: 0" and the like mean: already over.
        date(headers, EXPIRES).map(|expires| {
            let since = date(headers, DATE).unwrap_or(now);
            (expires.since(since).as_secs(), HintFrom::Expires)
        })
    } else {
        None
    };
    Freshness {
        lifetime: lifetime.filter(|(seconds, _)| *seconds > 0),
        spoken,
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3). A date counts from the origin's own `Date`.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match seconds(text) {
        Some(wait) => Duration::from_secs(wait),
        None => date(headers, RETRY_AFTER)?.since(date(headers, DATE).unwrap_or(now)),
    };
    Some(now + wait)
}

/// A run of digits, however long; the largest number stands for all beyond it.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    let since = httpdate::parse_http_date(text.trim())
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    Some(Timestamp::EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn lifetimes() {
        const DATE: (&str, &str) = ("date", "Fri, 15 Jan 2027 08:00:00 GMT");
        type Case = (
            &'static [(&'static str, &'static str)],
            Option<(u64, HintFrom)>,
        );
        let cases: [Case; 14] = [
            (&[], None),
            (
                &[("cache-control", "public, max-age=3600")],
                Some((3600, HintFrom::MaxAge)),
            ),
            (
                &[("cache-control", "Max-Age=\"60\"")],
                Some((60, HintFrom::MaxAge)),
            ),
            (
                &[("cache-control", "max-age=3600"), ("age", "600")],
                Some((3000, HintFrom::MaxAge)),
            ),
            (
                &[("cache-control", "max-age=99999999999999999999")],
                Some((u64::MAX, HintFrom::MaxAge)),
            ),
            (&[("cache-control", "max-age=0")], None),
            (&[("cache-control", "max-age=60"), ("age", "61")], None),
            (&[("cache-control", "no-cache, max-age=3600")], None),
            (&[("cache-control", "no-store")], None),
            (
                &[DATE, ("expires", "Fri, 15 Jan 2027 09:00:00 GMT")],
                Some((3600, HintFrom::Expires)),
            ),
            (&[("expires", "0")], None),
            (&[DATE, ("expires", "Fri, 15 Jan 2027 07:00:00 GMT")], None),
            (
                &[
                    ("cache-control", "max-age=60"),
                    ("expires", "Fri, 15 Jan 2037 09:00:00 GMT"),
                ],
                Some((60, HintFrom::MaxAge)),
            ),
            (
                &[
                    ("cache-control", "max-age=0"),
                    ("expires", "Fri, 15 Jan 2037 09:00:00 GMT"),
                ],
                None,
            ),
        ];
        for (lines, expected) in cases {
            let found = freshness(&headers(lines), NOW);
            assert_eq!(found.lifetime, expected, "{lines:?}");
            assert_eq!(found.spoken, !lines.is_empty(), "{lines:?}");
        }
    }

    #[test]
    fn patience() {
        let wait = |lines: &[(&'static str, &'static str)]| {
            retry_after(&headers(lines), NOW).map(|until| until.since(NOW).as_secs())
        };
        assert_eq!(wait(&[("retry-after", "120")]), Some(120));
        assert_eq!(
            wait(&[
                ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
                ("retry-after", "Fri, 15 Jan 2027 08:10:00 GMT"),
            ]),
            Some(600)
        );
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn validators_are_bytes() {
        let mut map = headers(&[("last-modified", "yesterday, about noon")]);
        map.insert(ETAG, HeaderValue::from_bytes(b"W/\"\xe9 \\ x").unwrap());
        let found = validators("http://a.example/", &map);
        assert_eq!(found.etag.as_deref(), Some(&b"W/\"\xe9 \\ x"[..]));
        assert_eq!(
            found.last_modified.as_deref(),
            Some(&b"yesterday, about noon"[..])
        );
    }
}
