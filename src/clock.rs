//! What time it is. Tests own time through this trait; nothing else asks the system.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::time::Timestamp;

/// A clock that can be waited on.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Returns once `until` has come.
    async fn sleep_until(&self, until: Timestamp);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that asks the machine"
        )]
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::EPOCH + since
    }

    async fn sleep_until(&self, until: Timestamp) {
        // Looks again every minute: the machine's time may jump (suspend, NTP), and a timer does not follow it.
        loop {
            let left = until.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_mins(1))).await;
        }
    }
}
