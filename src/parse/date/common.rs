//! The two forms that nearly every feed uses, read without a detour. Whatever is odd is left to the loose reader.

use super::zone;
use super::{Civil, Time, fraction, full_year};
use crate::model::time::Timestamp;
use crate::text::calendar;

/// RFC 3339: `2026-11-24T08:00:00.5Z`, `2026-11-24 08:00:00+01:00`.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if bytes.len() < 20
        || marks.iter().any(|&(at, mark)| bytes[at] != mark)
        || !matches!(bytes[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let mut after = &bytes[19..];
    let mut micros = 0;
    if after[0] == b'.' {
        let digits = after[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        micros = fraction(&after[1..=digits]);
        after = &after[1 + digits..];
    }
    let offset = match after {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h @ .., b':', m1, m2] if h.len() == 2 => {
            let seconds = i32::try_from(number(h)? * 3600 + number(&[*m1, *m2])? * 60).ok()?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    if offset.abs() > zone::LARGEST {
        return None;
    }
    let time = Time {
        hour: number(&bytes[11..13])?,
        minute: number(&bytes[14..16])?,
        second: number(&bytes[17..19])?,
        micros,
    };
    let year = i32::try_from(number(&bytes[..4])?).ok()?;
    Civil {
        year,
        month: number(&bytes[5..7])?,
        day: number(&bytes[8..10])?,
        time,
        offset,
    }
    .timestamp()
}

/// RFC 822 and 2822 in English: `Tue, 24 Nov 2026 08:00:00 +0100`.
pub(super) fn rfc822(text: &str) -> Option<Timestamp> {
    let mut words = text.split_ascii_whitespace();
    let mut word = words.next()?;
    if let Some(weekday) = word.strip_suffix(',') {
        if !weekday.bytes().all(|b| b.is_ascii_alphabetic()) {
            return None;
        }
        word = words.next()?;
    }
    let day = number(word.as_bytes()).filter(|_| word.len() <= 2)?;
    let month = calendar::month(words.next()?)?;
    let year = words.next()?;
    let year = full_year(
        number(year.as_bytes())?,
        if year.len() == 3 { 0 } else { year.len() },
    );
    let [h1, h2, b':', m1, m2, seconds @ ..] = words.next()?.as_bytes() else {
        return None;
    };
    let second = match seconds {
        [] => 0,
        [b':', s1, s2] => number(&[*s1, *s2])?,
        _ => return None,
    };
    let offset = match words.next() {
        None => 0,
        Some(name) => zone::numeric(name).or_else(|| zone::named(&name.to_ascii_lowercase()))?,
    };
    if words.next().is_some() {
        return None;
    }
    let time = Time {
        hour: number(&[*h1, *h2])?,
        minute: number(&[*m1, *m2])?,
        second,
        micros: 0,
    };
    Civil {
        year,
        month,
        day,
        time,
        offset,
    }
    .timestamp()
}

/// One to four digits.
fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
    })
}
