//! Durations, sizes and rates as people write them in feeds.toml, and back. Pure.

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Reads `90s`, `15m`, `24h`, `30d`, `5y` and sums such as `1h30m`; `None` if it is not one.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let word_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (word, after) = after.split_at(word_end);
        let unit = UNITS.iter().find(|(name, _)| *name == word)?.1;
        millis = millis.checked_add(number.checked_mul(unit)?)?;
        rest = after.trim_start();
    }
    // A thousand years is beyond every use, and safely within the reach of our timestamps.
    (millis <= 1000 * UNITS[0].1).then(|| Duration::from_millis(millis))
}

/// Writes a duration the way [`duration`] reads it, in the largest unit that leaves nothing over.
#[must_use]
pub fn duration_text(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    // Weeks and years read oddly for what was written in days.
    let fits = |name: &str, unit: u64| match name {
        "w" => false,
        // 24h is how people write a day's interval, 1d is what they write for keeping.
        "d" => millis.is_multiple_of(unit) && millis > unit,
        _ => millis.is_multiple_of(unit),
    };
    let (name, unit) = UNITS
        .iter()
        .find(|(name, unit)| fits(name, *unit))
        .copied()
        .unwrap_or(("ms", 1));
    format!("{}{name}", millis / unit)
}

/// Reads `64MiB`, `512 KiB`, `1GiB`, `100B`; `None` if it is not a size.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, word) = leading_number(text.trim())?;
    let unit = SIZES.iter().find(|(name, _)| *name == word.trim())?.1;
    number.checked_mul(unit)
}

/// Writes a size the way [`size`] reads it.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let (name, unit) = SIZES
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .copied()
        .unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

/// Reads `600/min`, `10/s`, `5000/h` as requests a minute; `None` if it is not a rate or below one a minute.
#[must_use]
pub fn rate(text: &str) -> Option<u32> {
    let (count, per) = text.split_once('/')?;
    let count: u64 = count.trim().parse().ok()?;
    let a_minute = match per.trim() {
        "s" | "sec" | "second" => count.checked_mul(60)?,
        "min" | "m" | "minute" => count,
        "h" | "hour" => count / 60,
        _ => return None,
    };
    u32::try_from(a_minute).ok().filter(|rate| *rate > 0)
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds, back) in [
            ("90s", 90, "90s"),
            ("15m", 900, "15m"),
            ("24h", 86_400, "24h"),
            ("1d", 86_400, "24h"),
            ("30d", 30 * 86_400, "30d"),
            ("5y", 5 * 365 * 86_400, "5y"),
            ("1h30m", 5400, "90m"),
            ("1 h 30 m", 5400, "90m"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(duration_text(Duration::from_secs(seconds)), back);
        }
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "15", "m", "15 minutes", "-5m", "1.5h", "99999y", "15mm"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("512KiB", 512 << 10),
            ("100B", 100),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(size_text(bytes), text);
        }
        for wrong in ["", "64", "64MB", "MiB", "-1KiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rates_are_counted_by_the_minute() {
        assert_eq!(rate("600/min"), Some(600));
        assert_eq!(rate("10/s"), Some(600));
        assert_eq!(rate("6000/h"), Some(100));
        for wrong in ["600", "0/min", "many/min", "600/day", "1/h"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }
}
