//! States of sources whose last visit brought nothing: kept here by whoever visited, without a wait for the writer, and
//! given to the index when it is next written. The log need not have them; what is here is newer than the index.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Lease;
use super::schedule::Schedule;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;

/// The newest state of each.
#[derive(Debug, Default)]
pub(super) struct Light {
    states: Mutex<HashMap<SourceId, Arc<SourceState>>>,
}

impl Light {
    fn states(&self) -> MutexGuard<'_, HashMap<SourceId, Arc<SourceState>>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a state and gives the lease back; false if the lease is lost. Whoever removes a source takes it out of the
    /// schedule first and then out of here, so nothing of it can come back.
    pub(super) fn keep(
        &self,
        schedule: &Mutex<Schedule>,
        source: SourceId,
        state: Box<SourceState>,
        lease: Lease,
    ) -> bool {
        let mut states = self.states();
        let mut schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
        if !schedule.holds(&source, lease) {
            return false;
        }
        let due = state.next_due;
        states.insert(source, Arc::from(state));
        schedule.give_back(lease, Some(due));
        true
    }

    pub(super) fn get(&self, source: &SourceId) -> Option<Arc<SourceState>> {
        self.states().get(source).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.states().len()
    }

    /// The index has something newer, or the source is gone.
    pub(super) fn forget(&self, source: &SourceId) {
        self.states().remove(source);
    }

    /// Makes a source due at another time; false if nothing of it is here.
    pub(super) fn reschedule(&self, source: &SourceId, at: Timestamp) -> bool {
        let mut states = self.states();
        let Some(state) = states.get_mut(source) else {
            return false;
        };
        Arc::make_mut(state).next_due = at;
        true
    }

    /// Some of what is here; it stays until [`Self::settled`].
    pub(super) fn some(&self, most: usize) -> Vec<(SourceId, Arc<SourceState>)> {
        let states = self.states();
        let some = states.iter().take(most);
        some.map(|(source, state)| (source.clone(), Arc::clone(state)))
            .collect()
    }

    /// The index has these now. What was replaced meanwhile stays.
    pub(super) fn settled(&self, some: &[(SourceId, Arc<SourceState>)]) {
        let mut states = self.states();
        for (source, written) in some {
            let same = states
                .get(source)
                .is_some_and(|state| Arc::ptr_eq(state, written));
            if same {
                states.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stays_until_the_index_has_it_and_no_longer() {
        let id = SourceId::new("a").unwrap();
        let state = |due| {
            Box::new(SourceState {
                next_due: Timestamp::from_secs(due),
                ..SourceState::default()
            })
        };
        let schedule = Mutex::new(Schedule::default());
        let lease = |schedule: &Mutex<Schedule>| schedule.lock().unwrap().lease(&id).unwrap();
        schedule
            .lock()
            .unwrap()
            .adopt(vec![(id.clone(), Timestamp::EPOCH)]);
        let light = Light::default();
        let first = lease(&schedule);
        assert!(light.keep(&schedule, id.clone(), state(5), first));
        assert!(
            !light.keep(&schedule, id.clone(), state(9), first),
            "given back"
        );
        assert_eq!(light.get(&id).unwrap().next_due, Timestamp::from_secs(5));
        let some = light.some(10);
        let second = lease(&schedule);
        assert!(light.keep(&schedule, id.clone(), state(7), second));
        light.settled(&some);
        assert_eq!(light.len(), 1, "there is a newer one");
        assert!(light.reschedule(&id, Timestamp::from_secs(8)));
        assert_eq!(light.get(&id).unwrap().next_due, Timestamp::from_secs(8));
        light.settled(&light.some(10));
        assert!(light.get(&id).is_none());
        schedule.lock().unwrap().remove(&id);
        assert!(!light.reschedule(&id, Timestamp::EPOCH));
    }
}
