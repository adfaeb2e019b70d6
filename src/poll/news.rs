//! What the log hears of visits.

use super::{Report, schedule};
use crate::model::source::{Health, SourceId, SourceState};

/// How a source stood before a visit.
pub(super) struct Before {
    pub(super) address: String,
    pub(super) health: Health,
}

impl Report {
    /// One line a visit; for most, which bring nothing, only where somebody looks closely.
    pub(super) fn log(&self, source: &SourceId) {
        macro_rules! visited {
            ($level:ident) => {
                tracing::$level!(
                    %source,
                    outcome = self.outcome,
                    new = self.new,
                    updated = self.updated,
                    known = self.known,
                    ms = self.millis,
                    "visited"
                )
            };
        }
        if self.new > 0 || self.updated > 0 || self.fault.is_some() {
            visited!(info);
        } else {
            visited!(debug);
        }
    }
}

/// What an operator wants to read once, when it happens.
pub(super) struct News {
    mood: Option<Health>,
    pub(super) moved: Option<(String, String)>,
}

impl News {
    pub(super) fn between(before: &Before, after: &SourceState) -> Self {
        let moved = after
            .moves
            .first()
            .filter(|_| before.address != after.url_current);
        Self {
            mood: schedule::mood_changed(before.health, after.health).then_some(after.health),
            moved: moved.map(|moved| (moved.from.clone(), moved.to.clone())),
        }
    }

    pub(super) fn tell(&self, source: &SourceId, report: &Report) {
        if let Some((from, to)) = &self.moved {
            tracing::info!(%source, from, to, "moved; `aggd edit-feed {source} --accept-move` writes it down");
        }
        let error = report.fault.as_ref().map(|fault| fault.text.as_str());
        let url = report.fault.as_ref().and_then(|fault| fault.url.as_deref());
        let next = report.next_due;
        match self.mood {
            Some(Health::Failing) => tracing::warn!(%source, error, url, %next, "failing"),
            Some(Health::Gone) => tracing::warn!(%source, error, url, "gone for good"),
            Some(Health::Paused) => tracing::info!(%source, error, url, %next, "asked to wait"),
            Some(Health::Ok | Health::New) => tracing::info!(%source, "well again"),
            None => {}
        }
    }
}
