//! Sizes and points in time, in words that people and programs read.

use super::out::Out;
use crate::clock::{Clock, SystemClock};
use crate::model::time::Timestamp;

/// A size for people.
pub(super) fn bytes(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB"] {
        if count < unit * 1024 || name == "GiB" {
            let tenths = count.saturating_mul(10) / unit;
            return if unit == 1 || tenths >= 1000 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
        unit *= 1024;
    }
    format!("{count} B")
}

/// Points in time: how long ago on a terminal, exact elsewhere.
pub(super) struct Times {
    now: Option<Timestamp>,
}

impl Times {
    pub(super) fn of(out: &Out) -> Self {
        Self {
            now: (out.is_terminal() && !out.is_json()).then(|| SystemClock.now()),
        }
    }

    pub(super) fn show(&self, time: Option<&str>) -> String {
        let Some(time) = time else {
            return String::new();
        };
        match (self.now, Timestamp::parse_rfc3339(time)) {
            (Some(now), Some(at)) if at > now => format!("in {}", span(at.since(now).as_secs())),
            (Some(now), Some(at)) => format!("{} ago", span(now.since(at).as_secs())),
            _ => time.to_owned(),
        }
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(150 << 20), "150 MiB");
        assert_eq!(span(90), "90 s");
        assert_eq!(span(3 * 86_400), "3 days");
    }
}
