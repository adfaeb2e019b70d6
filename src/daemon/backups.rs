//! Backups by schedule: `[store] backup`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Parts;
use crate::model::time::Timestamp;
use crate::ops::{self, backups};

/// How often a reload is noticed, and how long a failed backup waits.
const LOOK: Duration = Duration::from_hours(1);

impl Parts {
    /// Makes backups when they are due.
    pub(super) async fn back_up(&self, stop: CancellationToken) {
        let work = async {
            loop {
                let next = self.back_up_if_due().await;
                self.clock.sleep_until(next).await;
            }
        };
        // A backup under way ends with the store, and leaves nothing behind.
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    /// Gives the time to look again.
    async fn back_up_if_due(&self) -> Timestamp {
        let now = self.clock.now();
        let options = self.config.load().store.clone();
        let Some(plan) = options.backup else {
            return now + LOOK;
        };
        let due = backups::due(&options.path, plan, now);
        if due > now {
            return due.min(now + LOOK);
        }
        match backups::by_schedule(&self.store, &options.path, plan, now).await {
            Ok((file, outline)) => {
                let articles = outline.articles;
                tracing::info!(file = %file.display(), articles, "a backup was made");
            }
            Err(error) => {
                let error = ops::with_causes(&error);
                tracing::error!(
                    error,
                    "the scheduled backup failed; it is tried again in an hour"
                );
            }
        }
        now + LOOK.min(plan.every)
    }
}
