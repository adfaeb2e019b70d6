//! Which sources are due, and which are on lease. It lives in memory: whoever opens a store says when each source is due.

use std::collections::{BTreeSet, HashMap};

use super::Lease;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

#[derive(Debug, Clone, Copy)]
struct Slot {
    due: Timestamp,
    lease: Option<Lease>,
}

/// Sources by the time at which they are due.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    slots: HashMap<SourceId, Slot>,
    /// Unleased sources, soonest first.
    waiting: BTreeSet<(Timestamp, SourceId)>,
    leased: HashMap<Lease, SourceId>,
    last: u64,
}

impl Schedule {
    /// Makes these the sources there are. A lease on a source that stays goes on.
    pub(super) fn adopt(&mut self, sources: Vec<(SourceId, Timestamp)>) {
        let mut slots = HashMap::with_capacity(sources.len());
        for (id, due) in sources {
            let lease = self.slots.get(&id).and_then(|slot| slot.lease);
            slots.insert(id, Slot { due, lease });
        }
        self.leased.retain(|_, id| slots.contains_key(id));
        self.waiting = slots
            .iter()
            .filter(|(_, slot)| slot.lease.is_none())
            .map(|(id, slot)| (slot.due, id.clone()))
            .collect();
        self.slots = slots;
    }

    /// Leases what is due, longest overdue first.
    pub(super) fn due(&mut self, now: Timestamp, most: usize) -> Vec<(SourceId, Lease)> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some((due, id)) = self.waiting.first().cloned() else {
                break;
            };
            if due > now {
                break;
            }
            taken.extend(self.lease(&id).map(|lease| (id, lease)));
        }
        taken
    }

    /// When the next unleased source is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Leases one source, due or not.
    pub(super) fn lease(&mut self, id: &SourceId) -> Option<Lease> {
        let slot = self.slots.get_mut(id)?;
        if slot.lease.is_some() {
            return None;
        }
        self.last += 1;
        let lease = Lease(self.last);
        slot.lease = Some(lease);
        self.waiting.remove(&(slot.due, id.clone()));
        self.leased.insert(lease, id.clone());
        Some(lease)
    }

    /// How many sources are on lease.
    pub(super) fn leased(&self) -> usize {
        self.leased.len()
    }

    /// True while this lease on this source holds.
    pub(super) fn holds(&self, id: &SourceId, lease: Lease) -> bool {
        self.leased.get(&lease) == Some(id)
    }

    /// Ends a lease; the source is due again at `due`, or as before.
    pub(super) fn give_back(&mut self, lease: Lease, due: Option<Timestamp>) {
        let Some(id) = self.leased.remove(&lease) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.lease = None;
            slot.due = due.unwrap_or(slot.due);
            self.waiting.insert((slot.due, id));
        }
    }

    /// Makes a source due at another time.
    pub(super) fn reschedule(&mut self, id: &SourceId, at: Timestamp) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        if slot.lease.is_none() {
            self.waiting.remove(&(slot.due, id.clone()));
            self.waiting.insert((at, id.clone()));
        }
        slot.due = at;
    }

    /// Forgets a source, its lease too.
    pub(super) fn remove(&mut self, id: &SourceId) {
        if let Some(slot) = self.slots.remove(id) {
            self.waiting.remove(&(slot.due, id.clone()));
            self.leased.retain(|_, leased| leased != id);
        }
    }

    /// False for a source that is at rest. Before anybody said which sources there are, none is.
    pub(super) fn may_list(&self, id: &SourceId) -> bool {
        self.slots.is_empty() || self.slots.contains_key(id)
    }
}
