//! Who waits for what: sources whose host has no place for them now, and those that must rest. Only names and leases
//! stand here, not states: a host with ten thousand sources costs little. In order of their turn, host by host.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};

use crate::fetch::HostKey;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::Lease;

/// A source on lease, waiting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    pub(super) source: SourceId,
    /// [`Lease`] has no order, and needs none.
    pub(super) lease: u64,
    /// The operator asked for it: pauses do not count.
    pub(super) insist: bool,
}

impl Waiting {
    pub(super) fn lease(&self) -> Lease {
        Lease(self.lease)
    }
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    hosts: HashMap<HostKey, VecDeque<Waiting>>,
    /// Hosts that may have a place from then on. Hosts that are full are not here: they say when a place is free.
    turns: BinaryHeap<Reverse<(Timestamp, HostKey)>>,
    /// Sources that rest, whatever their host.
    resting: BinaryHeap<Reverse<(Timestamp, Waiting)>>,
    /// All of them, for those who ask by hand.
    names: HashSet<SourceId>,
    count: usize,
}

impl Queue {
    /// Somebody waits for this host already: newcomers stand behind.
    pub(super) fn has(&self, host: &HostKey) -> bool {
        self.hosts.contains_key(host)
    }

    /// At the end of the host's line.
    pub(super) fn push(&mut self, host: &HostKey, waiting: Waiting) {
        self.count += 1;
        self.names.insert(waiting.source.clone());
        self.hosts
            .entry(host.clone())
            .or_default()
            .push_back(waiting);
    }

    /// Back to the head of the host's line: the turn came too early.
    pub(super) fn push_front(&mut self, host: &HostKey, waiting: Waiting) {
        self.count += 1;
        self.names.insert(waiting.source.clone());
        self.hosts
            .entry(host.clone())
            .or_default()
            .push_front(waiting);
    }

    /// The host may have a place from then on.
    pub(super) fn turn_at(&mut self, host: &HostKey, at: Timestamp) {
        if self.has(host) {
            self.turns.push(Reverse((at, host.clone())));
        }
    }

    /// The head of a line whose turn has come.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(HostKey, Waiting)> {
        while let Some(Reverse((at, _))) = self.turns.peek() {
            if *at > now {
                return None;
            }
            let Reverse((_, host)) = self.turns.pop()?;
            let Some(line) = self.hosts.get_mut(&host) else {
                continue;
            };
            let waiting = line.pop_front();
            if line.is_empty() {
                self.hosts.remove(&host);
            }
            if let Some(waiting) = waiting {
                self.count -= 1;
                self.names.remove(&waiting.source);
                return Some((host, waiting));
            }
        }
        None
    }

    /// Lays a source to rest.
    pub(super) fn rest(&mut self, until: Timestamp, waiting: Waiting) {
        self.names.insert(waiting.source.clone());
        self.resting.push(Reverse((until, waiting)));
    }

    /// A source that has rested enough.
    pub(super) fn wake(&mut self, now: Timestamp) -> Option<Waiting> {
        let Reverse((until, _)) = self.resting.peek()?;
        if *until > now {
            return None;
        }
        let Reverse((_, waiting)) = self.resting.pop()?;
        self.names.remove(&waiting.source);
        Some(waiting)
    }

    /// When the next turn may come.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let turn = self.turns.peek().map(|Reverse((at, _))| *at);
        let rested = self.resting.peek().map(|Reverse((at, _))| *at);
        turn.into_iter().chain(rested).min()
    }

    /// Whether this source waits here.
    pub(super) fn holds(&self, source: &SourceId) -> bool {
        self.names.contains(source)
    }

    /// Whether nobody can start before time moves on: every line knows when its turn comes, and that is later.
    pub(super) fn is_asleep(&self, now: Timestamp) -> bool {
        let known: HashSet<&HostKey> = self.turns.iter().map(|Reverse((_, host))| host).collect();
        self.next().is_none_or(|at| at > now) && self.hosts.keys().all(|host| known.contains(host))
    }

    /// How many wait for a host.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Everybody, to give their leases back.
    pub(super) fn drain(&mut self) -> Vec<Waiting> {
        self.turns.clear();
        self.names.clear();
        self.count = 0;
        let lines = std::mem::take(&mut self.hosts).into_values().flatten();
        let resting = std::mem::take(&mut self.resting)
            .into_iter()
            .map(|Reverse((_, waiting))| waiting);
        lines.chain(resting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_host_by_host_in_order() {
        let waiting = |name: &str| Waiting {
            source: SourceId::new(name).unwrap(),
            lease: 1,
            insist: false,
        };
        let at = Timestamp::from_secs;
        let (a, b) = (HostKey::from_name("a:80"), HostKey::from_name("b:80"));
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3"] {
            queue.push(&a, waiting(name));
        }
        queue.push(&b, waiting("b1"));
        assert_eq!((queue.next(), queue.len()), (None, 4));
        queue.turn_at(&a, at(5));
        queue.turn_at(&b, at(3));
        queue.rest(at(4), waiting("c1"));
        assert_eq!(queue.next(), Some(at(3)));
        assert_eq!(queue.pop(at(2)), None);
        assert_eq!(queue.pop(at(9)).unwrap().1, waiting("b1"));
        let (host, first) = queue.pop(at(9)).unwrap();
        assert_eq!((&host, &first), (&a, &waiting("a1")));
        assert_eq!(queue.pop(at(9)), None, "one turn, one place");
        queue.push_front(&host, first);
        queue.turn_at(&a, at(6));
        assert_eq!(queue.pop(at(6)).unwrap().1, waiting("a1"));
        assert_eq!(queue.wake(at(3)), None);
        assert_eq!(queue.wake(at(4)), Some(waiting("c1")));
        assert!(queue.holds(&waiting("a2").source) && !queue.holds(&waiting("a1").source));
        assert_eq!(queue.drain().len(), 2);
        assert!(!queue.holds(&waiting("a2").source));
        assert_eq!((queue.next(), queue.len()), (None, 0));
    }
}
