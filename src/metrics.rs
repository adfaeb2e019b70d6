//! What is counted, for `/metrics`. Rooms add to it; `serve` shows it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Label of [`Metrics::visits`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `fresh`, `unchanged`, `not-modified`, or the kind of fault.
    pub outcome: String,
}

/// Labels of [`Metrics::requests`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    /// `feed`, `page`, `opml`, `health`, `metrics`, `other`.
    pub route: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Every counter of the daemon. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Visits to sources by outcome.
    pub visits: Family<Outcome, Counter>,
    /// Body bytes that sources sent.
    pub fetched_bytes: Counter,
    /// New articles.
    pub articles_new: Counter,
    /// Revised articles.
    pub articles_updated: Counter,
    /// Requests answered.
    pub requests: Family<Answer, Counter>,
    /// Seconds to answer a request.
    pub request_seconds: Histogram,
    /// Seconds to render a document.
    pub render_seconds: Histogram,
    /// 1 while the last reload failed.
    pub reload_failed: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds =
            || Histogram::new([0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]);
        Self {
            visits: Family::default(),
            fetched_bytes: Counter::default(),
            articles_new: Counter::default(),
            articles_updated: Counter::default(),
            requests: Family::default(),
            request_seconds: seconds(),
            render_seconds: seconds(),
            reload_failed: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Registers everything under the prefix `aggd`.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("aggd");
        all.register(
            "visits",
            "Visits to sources by outcome",
            self.visits.clone(),
        );
        all.register(
            "fetched_bytes",
            "Body bytes received from sources",
            self.fetched_bytes.clone(),
        );
        all.register(
            "articles_new",
            "Articles stored for the first time",
            self.articles_new.clone(),
        );
        all.register(
            "articles_updated",
            "Articles stored again because they changed",
            self.articles_updated.clone(),
        );
        all.register("requests", "Requests answered", self.requests.clone());
        all.register(
            "request_seconds",
            "Time to answer a request",
            self.request_seconds.clone(),
        );
        all.register(
            "render_seconds",
            "Time to render a document",
            self.render_seconds.clone(),
        );
        all.register(
            "reload_failed",
            "1 while the last reload failed",
            self.reload_failed.clone(),
        );
        all
    }
}
