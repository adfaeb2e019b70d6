//! Points in time, as feeds and headers write them. chrono stays behind [`Timestamp`].

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// Later than any date that a feed may carry; used for "never".
    pub const FAR_FUTURE: Self = Self(i64::MAX / 4);

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The same instant without its fraction of a second: what HTTP dates and RFC 822 can carry.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self::from_secs(self.as_secs())
    }

    /// A civil UTC date and time; `None` for a date that does not exist or lies outside years 1 to 9999.
    #[must_use]
    pub fn from_civil(
        year: i32,
        month: u32,
        day: u32,
        hour: u32,
        minute: u32,
        second: u32,
    ) -> Option<Self> {
        let date =
            NaiveDate::from_ymd_opt(year, month, day).filter(|_| (1..=9999).contains(&year))?;
        Some(Self::from_secs(
            date.and_hms_opt(hour, minute, second)?
                .and_utc()
                .timestamp(),
        ))
    }

    /// Reads RFC 3339 (`2026-11-24T08:00:00Z`, `…+08:00`), as it stands in queries and in our own files.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|date| Self(date.timestamp_micros()))
    }

    /// RFC 3339 in UTC with `Z`; a fraction of a second only if it is not zero.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        self.civil().to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// RFC 822 with a four-digit year (RSS 2.0 `pubDate`), in GMT.
    #[must_use]
    pub fn to_rfc822(self) -> String {
        self.civil()
            .format("%a, %d %b %Y %H:%M:%S +0000")
            .to_string()
    }

    /// IMF-fixdate of RFC 9110, section 5.6.7 (`Last-Modified`).
    #[must_use]
    pub fn to_http_date(self) -> String {
        self.civil().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// Year and month (1 to 12) in UTC.
    #[must_use]
    pub fn year_month(self) -> (i32, u32) {
        let civil = self.civil();
        (civil.year(), civil.month())
    }

    /// Time since `earlier`; zero if `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant as chrono sees it, for the crates that write the output.
    #[must_use]
    pub fn civil(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
                .min(Self::FAR_FUTURE.0),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_shows_only_when_there_is_one() {
        let whole = Timestamp::from_civil(2026, 11, 24, 8, 0, 0).unwrap();
        assert_eq!(whole.to_rfc3339(), "2026-11-24T08:00:00Z");
        assert_eq!(
            (whole + Duration::from_millis(250)).to_rfc3339(),
            "2026-11-24T08:00:00.250Z"
        );
        assert_eq!(whole.to_http_date(), "Tue, 24 Nov 2026 08:00:00 GMT");
        assert_eq!(whole.to_rfc822(), "Tue, 24 Nov 2026 08:00:00 +0000");
    }

    #[test]
    fn rfc3339_with_an_offset_is_the_same_instant() {
        assert_eq!(
            Timestamp::parse_rfc3339("2026-11-24T16:00:00+08:00"),
            Timestamp::from_civil(2026, 11, 24, 8, 0, 0)
        );
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
