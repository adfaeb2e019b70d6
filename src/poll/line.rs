//! Whether it is our own line that is down. Takes what each visit reached, says yes when most of them, at many
//! different hosts, reached nothing at all: then a failure says nothing about the source.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::fetch::HostKey;
use crate::model::time::Timestamp;

/// Visits that are looked at.
const LAST: usize = 50;
/// Hosts that must be silent: one that is down, however many sources it has, is not our line.
const HOSTS: usize = 10;

/// The last visits.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: VecDeque<(Timestamp, HostKey, bool)>,
    /// How many of them were met by silence: usually none, and then there is nothing to look at.
    silent: usize,
}

impl Line {
    /// Notes a visit; `silent` if nothing at all was reached.
    pub(super) fn note(&mut self, now: Timestamp, host: HostKey, silent: bool) {
        if self.last.len() >= LAST
            && let Some((.., was)) = self.last.pop_back()
        {
            self.silent -= usize::from(was);
        }
        self.last.push_front((now, host, silent));
        self.silent += usize::from(silent);
    }

    /// Whether most visits of late, within `span`, were met by silence from many sides.
    pub(super) fn down(&self, now: Timestamp, span: Duration) -> bool {
        if self.silent < HOSTS {
            return false;
        }
        let late = || {
            self.last
                .iter()
                .take_while(|(at, ..)| now.since(*at) <= span)
        };
        let silent = late().filter(|(.., silent)| *silent);
        if silent.clone().count() * 2 <= late().count() {
            return false;
        }
        let hosts: HashSet<&HostKey> = silent.map(|(_, host, _)| host).collect();
        hosts.len() >= HOSTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_from_many_sides_at_once_is_our_own() {
        let now = Timestamp::from_secs(10_000);
        let span = Duration::from_mins(15);
        let host = |n: i64| HostKey::from_name(&format!("h{n}:80"));
        let mut line = Line::default();
        for n in 0..40 {
            line.note(now, host(n), false);
        }
        for n in 0..9 {
            line.note(now, host(n), true);
        }
        assert!(!line.down(now, span), "most still answer");
        for n in 0..18 {
            line.note(now, host(n), true);
        }
        assert!(line.down(now, span));
        assert!(
            !line.down(now + Duration::from_hours(1), span),
            "that was long ago"
        );
        let mut one = Line::default();
        for _ in 0..50 {
            one.note(now, host(1), true);
        }
        assert!(!one.down(now, span), "a single host is not the line");
        for n in 0..26 {
            line.note(now, host(n), false);
        }
        assert!(!line.down(now, span), "it is back");
    }
}
