//! `Accept-Encoding` (RFC 9110, 12.5.3): which of our codings a client wants most.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use crate::publish::document::Coding;

/// The coding to send; `None` if the client refuses all of them, the plain one included.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Coding> {
    let mut values = headers.get_all(ACCEPT_ENCODING).iter();
    let Some(first) = values.next() else {
        return Some(Coding::Identity);
    };
    // What programs that know one coding send.
    match first.as_bytes() {
        b"gzip" => return Some(Coding::Gzip),
        b"identity" => return Some(Coding::Identity),
        _ => {}
    }
    let mut wishes = Wishes::default();
    for value in std::iter::once(first).chain(values) {
        for item in value.as_bytes().split(|b| *b == b',') {
            wishes.note(item);
        }
    }
    wishes.best()
}

/// Quality in thousandths for each coding that was named.
#[derive(Default)]
struct Wishes {
    named: [Option<u16>; 4],
    others: Option<u16>,
}

impl Wishes {
    fn note(&mut self, item: &[u8]) {
        let mut parts = item.split(|b| *b == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let quality = parts
            .find_map(|part| {
                let part = part.trim_ascii();
                let value = part
                    .strip_prefix(b"q=")
                    .or_else(|| part.strip_prefix(b"Q="))?;
                Some(quality(value))
            })
            .unwrap_or(1000);
        if name == b"*" {
            self.others = Some(quality);
            return;
        }
        let name = match name {
            name if name.eq_ignore_ascii_case(b"x-gzip") => b"gzip",
            name => name,
        };
        let known = Coding::ALL
            .iter()
            .find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()));
        if let Some(coding) = known {
            self.named[*coding as usize] = Some(quality);
        }
    }

    /// The highest quality wins, ties go by our own order. The plain text is acceptable unless it is refused, but only
    /// as the last choice.
    fn best(&self) -> Option<Coding> {
        let mut best: Option<(u16, Coding)> = None;
        for coding in Coding::ALL {
            let named = self.named[coding as usize].or(self.others);
            let quality = match (named, coding) {
                (Some(0), _) | (None, Coding::Brotli | Coding::Zstd | Coding::Gzip) => continue,
                (Some(quality), _) => quality,
                (None, Coding::Identity) => 0,
            };
            if best.is_none_or(|(so_far, _)| quality > so_far) {
                best = Some((quality, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }
}

/// `0.5` as 500; what is no quality counts as none.
fn quality(value: &[u8]) -> u16 {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    let number: f32 = text.parse().unwrap_or(0.0);
    let thousandths = (number.clamp(0.0, 1.0) * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1000 on the line above"
    )]
    let quality = thousandths as u16;
    quality
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_wish_with_the_highest_quality_wins() {
        use Coding::{Brotli, Gzip, Identity, Zstd};
        for (wish, expected) in [
            ("", Some(Identity)),
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip, deflate, zstd", Some(Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
            ("br;q=0.001, gzip;q=0", Some(Brotli)),
            ("*", Some(Brotli)),
            ("*;q=0.5, gzip;q=0.9", Some(Gzip)),
            ("br;q=0, *", Some(Zstd)),
            ("deflate", Some(Identity)),
            ("identity;q=0.5, gzip;q=0.4", Some(Identity)),
            ("gzip;q=0", Some(Identity)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("identity;q=0, gzip", Some(Gzip)),
            ("gzip ; q = 1", Some(Gzip)),
            (",, gzip ,", Some(Gzip)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(wish));
            assert_eq!(negotiate(&headers), expected, "{wish}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Some(Identity));
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0.5"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("zstd"));
        assert_eq!(negotiate(&headers), Some(Coding::Zstd));
    }
}
