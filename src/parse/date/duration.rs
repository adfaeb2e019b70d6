//! Playing times: `SS`, `MM:SS`, `HH:MM:SS`, and the words that some write instead.

/// Whole seconds of a duration; fractions are dropped. `None` if it is none, or longer than anything plays.
#[must_use]
pub fn duration(text: &str) -> Option<u64> {
    const LONGEST: u64 = 10 * 365 * 86_400;
    let text = text.trim();
    let seconds = if text.contains(':') {
        by_colons(text)
    } else {
        number(text).or_else(|| by_units(text))
    };
    seconds.filter(|seconds| *seconds <= LONGEST)
}

fn by_colons(text: &str) -> Option<u64> {
    let mut fields = text.split(':');
    let last = number(fields.next_back()?)?;
    let (mut seconds, mut weight) = (last, 60_u64);
    for field in fields.rev() {
        if weight > 3600 {
            return None;
        }
        // ":30" and "1::30" leave out zeros.
        let value = if field.trim().is_empty() {
            0
        } else {
            whole(field.trim())?
        };
        seconds = seconds.checked_add(value.checked_mul(weight)?)?;
        weight *= 60;
    }
    Some(seconds)
}

/// Digits, and a fraction that is dropped.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.split_once(['.', ',']) {
        None => whole(text),
        Some((digits, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => whole(digits),
        Some(_) => None,
    }
}

fn whole(digits: &str) -> Option<u64> {
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// `1h 2m 3s`, `90 min`, `PT1H2M3S`.
fn by_units(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let mut rest = lower.strip_prefix("pt").unwrap_or(&lower).trim_start();
    let mut seconds = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value = number(&rest[..digits])?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let weight = match &rest[..letters] {
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(value.checked_mul(weight)?)?;
        rest = rest[letters..].trim_start_matches([' ', ',', '.']);
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90", Some(90)),
            (" 01:30 ", Some(90)),
            ("1:02:03", Some(3723)),
            ("00:90:00", Some(5400)),
            ("59.9", Some(59)),
            ("1:02.5", Some(62)),
            (":30", Some(30)),
            ("0", Some(0)),
            ("1h 2m 3s", Some(3723)),
            ("90 min", Some(5400)),
            ("PT1H2M3S", Some(3723)),
            ("1:2:3:4", None),
            ("5:", None),
            ("-5", None),
            ("", None),
            ("abc", None),
            ("PT", None),
            ("99999999999999999999", None),
            ("1:xx", None),
        ] {
            assert_eq!(duration(text), seconds, "{text}");
        }
    }
}
