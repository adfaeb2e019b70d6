//! Dates as feeds write them, in whatever form and language, and durations.
//!
//! RFC 3339 and RFC 822 are read at once; anything else is cut into words, numbers and signs, and the roles of the numbers
//! follow from what stands around them. A date without a zone is UTC. Nothing here knows what time it is.

use crate::model::time::Timestamp;

mod common;
mod duration;
mod loose;
mod names;
mod normal;
mod pieces;
mod roles;
mod zone;

pub use duration::duration;

/// Longer texts are no dates.
const LONGEST: usize = 160;

/// Reads a date; `None` if it cannot be read, does not exist, or lies before 1900 or after 2199.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    common::rfc3339(text)
        .or_else(|| common::rfc822(text))
        .or_else(|| loose::parse(&normal::normalised(text)))
}

/// A date and time of day with its zone, before anybody asked whether it exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Civil {
    year: i32,
    month: u32,
    day: u32,
    time: Time,
    /// Seconds east of Greenwich.
    offset: i32,
}

/// A time of day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Time {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

impl Time {
    /// Seconds since midnight; 24:00:00 and leap seconds roll over. `None` if there is no such time.
    fn seconds(self) -> Option<i64> {
        let midnight = self.hour == 24 && self.minute == 0 && self.second == 0 && self.micros == 0;
        let exists = (self.hour < 24 || midnight) && self.minute < 60 && self.second <= 60;
        exists.then(|| {
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
        })
    }
}

impl Civil {
    fn timestamp(self) -> Option<Timestamp> {
        if !(1900..=2199).contains(&self.year) {
            return None;
        }
        let midnight = Timestamp::from_civil(self.year, self.month, self.day, 0, 0, 0)?.as_secs();
        let seconds = midnight + self.time.seconds()? - i64::from(self.offset);
        Some(Timestamp::from_micros(
            seconds * 1_000_000 + i64::from(self.time.micros),
        ))
    }
}

/// The year that two or three digits mean: 69 to 99 are of the last century, and 103 is what a program writes that
/// counts from 1900.
fn full_year(number: u32, digits: usize) -> i32 {
    let year = i32::try_from(number).unwrap_or(0);
    match digits {
        1 | 2 if year < 69 => 2000 + year,
        1 | 2 => 1900 + year,
        3 if (100..200).contains(&year) => 1900 + year,
        _ => year,
    }
}

/// Millionths of a second from the digits behind the point.
fn fraction(digits: &[u8]) -> u32 {
    (0..6).fold(0, |micros, place| {
        micros * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests;
