//! Which number of a date is its year, month and day, told by their digits, their order and the signs between them.

use super::full_year;
use crate::model::time::Timestamp;

/// Year, month, day.
pub(super) type Date = (i32, u32, u32);

/// A number, how many digits it has, and the sign before it.
pub(super) type Numeral = (u32, usize, char);

/// Day and year around a month that is a word.
pub(super) fn with_month(numbers: &[Numeral], month: u32) -> Option<Date> {
    let is_year = |value: u32, digits: usize| digits > 2 || value > 31;
    match *numbers {
        [(year, digits, _)] if is_year(year, digits) => Some((full_year(year, digits), month, 1)),
        [(year, digits, _), (day, few, _)] if is_year(year, digits) && few <= 2 => {
            Some((full_year(year, digits), month, day))
        }
        [(day, few, _), (year, digits, _)] if few <= 2 => {
            Some((full_year(year, digits), month, day))
        }
        _ => None,
    }
}

/// A date in nothing but numbers.
pub(super) fn numeric(numbers: &[Numeral]) -> Option<Date> {
    match *numbers {
        [(number, digits, _)] => compact(number, digits),
        [(year, 4, _), (day, 3, _)] => ordinal(year, day),
        [(year, 4, _), (month, 1 | 2, _)] | [(month, 1 | 2, _), (year, 4, _)] => {
            Some((full_year(year, 4), month, 1))
        }
        [(year, 4, _), (month, 1 | 2, _), (day, 1 | 2, _)] => {
            Some((full_year(year, 4), month, day))
        }
        [(a, 1 | 2, _), (b, 1 | 2, sign), (year, digits @ 4, _)] => {
            Some(ordered(a, b, sign, full_year(year, digits)))
        }
        [
            (year, digits @ 1..=2, _),
            (month, 1 | 2, '-'),
            (day, 1 | 2, '-'),
        ] => Some((full_year(year, digits), month, day)),
        [(a, 1 | 2, _), (b, 1 | 2, sign), (year, digits @ 2, _)] => {
            Some(ordered(a, b, sign, full_year(year, digits)))
        }
        _ => None,
    }
}

/// Day and month in the order of the sign between them: slashes are American unless that is impossible.
fn ordered(a: u32, b: u32, sign: char, year: i32) -> Date {
    let month_first = if matches!(sign, '/' | ' ') {
        a <= 12
    } else {
        b > 12
    };
    if month_first {
        (year, a, b)
    } else {
        (year, b, a)
    }
}

/// `2026`, `261124`, `2026328`, `20261124`.
fn compact(number: u32, digits: usize) -> Option<Date> {
    match digits {
        4 => Some((full_year(number, 4), 1, 1)),
        6 => Some((
            full_year(number / 10_000, 2),
            number / 100 % 100,
            number % 100,
        )),
        7 => ordinal(number / 1000, number % 1000),
        8 => Some((
            full_year(number / 10_000, 4),
            number / 100 % 100,
            number % 100,
        )),
        _ => None,
    }
}

/// The day of the year, 1 to 366.
fn ordinal(year: u32, day: u32) -> Option<Date> {
    let year = i32::try_from(year).ok()?;
    let first = Timestamp::from_civil(year, 1, 1, 0, 0, 0)?;
    let days_of_year = if Timestamp::from_civil(year, 2, 29, 0, 0, 0).is_some() {
        366
    } else {
        365
    };
    if !(1..=days_of_year).contains(&day) {
        return None;
    }
    civil_day(first.as_secs() / DAY + i64::from(day) - 1)
}

const DAY: i64 = 86_400;

/// Year and week, and perhaps the day of the week, 1 for Monday (ISO 8601).
pub(super) fn with_week(numbers: &[Numeral], week: u32) -> Option<Date> {
    let (year, weekday) = match *numbers {
        [(year, 4, _)] => (year, 1),
        [(year, 4, _), (weekday @ 1..=7, 1, _)] => (year, weekday),
        _ => return None,
    };
    if !(1..=53).contains(&week) {
        return None;
    }
    // The week of January 4th is the first; 1970 began on a Thursday.
    let fourth = Timestamp::from_civil(i32::try_from(year).ok()?, 1, 4, 0, 0, 0)?.as_secs() / DAY;
    let monday = fourth - (fourth + 3).rem_euclid(7);
    civil_day(monday + i64::from(week - 1) * 7 + i64::from(weekday - 1))
}

fn civil_day(days: i64) -> Option<Date> {
    let at = Timestamp::from_secs(days * DAY);
    let (year, month) = at.year_month();
    let first = Timestamp::from_civil(year, month, 1, 0, 0, 0)?.as_secs() / DAY;
    Some((year, month, u32::try_from(days - first).ok()? + 1))
}
