//! Which sources there are, and when each is due: at the start, and after a reload. Reads what the store remembers of
//! them, plans the first visits, tells the store; never visits.

use std::collections::HashMap;

use super::company::Company;
use super::schedule::{self, Plan};
use super::{Floor, lock};
use crate::fetch::HostKey;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store;

impl Floor {
    pub(super) async fn adopt_once(&self, spread: bool) -> Result<(), store::Error> {
        self.adopted.get_or_try_init(|| self.adopt(spread)).await?;
        Ok(())
    }

    /// Tells the store which sources there are and when each is due, and remembers which hosts asked for silence.
    async fn adopt(&self, spread: bool) -> Result<(), store::Error> {
        let now = self.clock.now();
        let sources = self.sources.load_full();
        let settings = self.settings.load_full();
        // Never visited until a state says otherwise.
        let mut due: HashMap<SourceId, Option<Timestamp>> =
            sources.keys().map(|id| (id.clone(), None)).collect();
        let mut company = Company::with_capacity(sources.len());
        store::each_state(&*self.store, |id, state| {
            let (Some(source), Some(at)) = (sources.get(&id), due.get_mut(&id)) else {
                return;
            };
            if let Some(pause) = &state.host_pause
                && pause.until > now
            {
                let host = HostKey::from_name(&pause.host);
                settings.fetcher.hosts().pause(&host, pause.until);
            }
            let plan = Plan::of(&settings.options, source);
            let mut rng = lock(&self.rng);
            let chance = spread.then_some(&mut *rng);
            *at = Some(schedule::first_due(&state, source, &plan, now, chance));
            company.join(schedule::polled_at(&state, source), &id);
        })
        .await?;
        for (id, _) in due.iter().filter(|(_, at)| at.is_none()) {
            company.join(&sources[id].url, id);
        }
        *lock(&self.company) = company;
        let due = due.into_iter().map(|(id, at)| (id, at.unwrap_or(now)));
        self.store.adopt(due.collect()).await
    }

    /// Adopts while visits are under way. None starts meanwhile, and those that were kept in between get their own time
    /// back: the times adopted here were read before.
    pub(super) async fn readopt(&self) -> Result<(), store::Error> {
        {
            let mut desk = self.desk();
            desk.holding = true;
            desk.epoch += 1;
            // Hosts may be counted otherwise from now on.
            desk.known.clear();
        }
        let adopted = self.adopt(false).await;
        let late = {
            let mut desk = self.desk();
            desk.holding = false;
            desk.epoch += 1;
            std::mem::take(&mut desk.late)
        };
        for (id, at) in late {
            self.store.reschedule(&id, at).await?;
        }
        self.wake.notify_one();
        adopted
    }

    /// After a commit that began in `epoch`: if sources were adopted meanwhile, the source gets its own time back.
    pub(super) async fn hold_to(&self, epoch: u64, id: &SourceId, at: Timestamp) {
        {
            let mut desk = self.desk();
            if desk.holding {
                desk.late.push((id.clone(), at));
                return;
            }
            if desk.epoch == epoch {
                return;
            }
        }
        // A fault of the store here costs one visit too early.
        let _ = self.store.reschedule(id, at).await;
    }
}
