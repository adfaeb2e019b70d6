//! What is counted, for `/metrics`. Rooms add to it; `serve` shows it.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Label of [`Metrics::visits`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `fresh`, `unchanged`, `not-modified`, or the kind of fault.
    pub outcome: String,
}

/// What kind of thing was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// A feed.
    Feed,
    /// A page for people.
    Page,
    /// OPML.
    Opml,
    /// `/healthz` and `/readyz`.
    Health,
    /// `/metrics`.
    Metrics,
    /// Anything else: redirects, errors.
    Other,
}

impl Route {
    const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Page => "page",
            Self::Opml => "opml",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Other => "other",
        }
    }
}

/// Labels of [`Metrics::requests`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    /// `feed`, `page`, `opml`, `health`, `metrics`, `other`.
    pub route: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Figures that are looked up when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Articles: stories, each told once.
    pub articles: Gauge,
    /// Places where articles were seen.
    pub sightings: Gauge,
    /// Sources with a state.
    pub sources: Gauge,
    /// Remembered ids of purged articles.
    pub tombstones: Gauge,
    /// Articles that were met and could not be read.
    pub unreadable: Gauge,
    /// Bytes of the article log.
    pub log_bytes: Gauge,
    /// Of these, what still lives.
    pub live_bytes: Gauge,
    /// Bytes of the index.
    pub index_bytes: Gauge,
    /// Items in the index.
    pub index_items: Gauge,
    /// The store's revision.
    pub revision: Gauge,
    /// The revision that the published documents show.
    pub followed: Gauge,
    /// 1 while writing is stopped for lack of space.
    pub store_full: Gauge,
    /// When the index was last given to sled, seconds since 1970; 0: not yet.
    pub flushed: Gauge,
    /// When the last backup was made, seconds since 1970; 0: never.
    pub backed_up: Gauge,
    /// Bytes of rendered documents.
    pub cache_bytes: Gauge,
    /// Resident memory.
    pub resident_bytes: Gauge,
    /// How long the longest waiting source is overdue.
    pub overdue_seconds: Gauge,
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
    /// Open connections of readers.
    pub connections: Gauge,
    /// What is looked up for each scrape.
    pub gauges: Gauges,
    /// The counters of nearly every request, found without a search.
    usual: Arc<[[Counter; 2]; 3]>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds =
            || Histogram::new([0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]);
        let requests: Family<Answer, Counter> = Family::default();
        let usual = [Route::Feed, Route::Page, Route::Opml].map(|route| {
            [200, 304].map(|status| {
                let answer = Answer {
                    route: route.name(),
                    status,
                };
                requests.get_or_create(&answer).clone()
            })
        });
        Self {
            visits: Family::default(),
            fetched_bytes: Counter::default(),
            articles_new: Counter::default(),
            articles_updated: Counter::default(),
            requests,
            request_seconds: seconds(),
            render_seconds: seconds(),
            reload_failed: Gauge::default(),
            connections: Gauge::default(),
            gauges: Gauges::default(),
            usual: Arc::new(usual),
        }
    }
}

impl Metrics {
    /// Counts an answer and how long it took.
    pub fn answered(&self, route: Route, status: u16, took: Duration) {
        match (self.usual.get(route as usize), status) {
            (Some([ok, _]), 200) => ok.inc(),
            (Some([_, unchanged]), 304) => unchanged.inc(),
            _ => self
                .requests
                .get_or_create(&Answer {
                    route: route.name(),
                    status,
                })
                .inc(),
        };
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// Registers everything under the prefix `aggd`.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut all = Registry::with_prefix("aggd");
        all.register(
            "visits",
            "Visits to sources by outcome",
            self.visits.clone(),
        );
        all.register_with_unit(
            "fetched",
            "Body bytes received from sources",
            Unit::Bytes,
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
        all.register(
            "connections",
            "Open connections of readers",
            self.connections.clone(),
        );
        self.gauges.register(&mut all);
        all
    }
}

impl Gauges {
    fn register(&self, all: &mut Registry) {
        for (name, help, gauge) in [
            ("articles", "Articles in the store", &self.articles),
            (
                "sightings",
                "Places where articles were seen",
                &self.sightings,
            ),
            ("sources", "Sources with a state", &self.sources),
            (
                "tombstones",
                "Remembered ids of purged articles",
                &self.tombstones,
            ),
            (
                "store_unreadable_articles",
                "Articles met since the start that damage of the log has made unreadable",
                &self.unreadable,
            ),
            (
                "store_log_bytes",
                "Size of the article log",
                &self.log_bytes,
            ),
            (
                "store_live_bytes",
                "What still lives of the article log",
                &self.live_bytes,
            ),
            ("store_index_bytes", "Size of the index", &self.index_bytes),
            ("store_index_items", "Items in the index", &self.index_items),
            ("store_revision", "Revision of the store", &self.revision),
            (
                "published_revision",
                "Revision that the published documents show",
                &self.followed,
            ),
            (
                "store_full",
                "1 while writing is stopped for lack of space",
                &self.store_full,
            ),
            (
                "store_flush_timestamp_seconds",
                "When the index was last written, seconds since 1970",
                &self.flushed,
            ),
            (
                "store_backup_timestamp_seconds",
                "When the last backup was made, seconds since 1970; 0 if never",
                &self.backed_up,
            ),
            (
                "cache_bytes",
                "Rendered documents in memory",
                &self.cache_bytes,
            ),
            ("resident_bytes", "Resident memory", &self.resident_bytes),
            (
                "overdue_seconds",
                "How long the longest waiting source is overdue",
                &self.overdue_seconds,
            ),
        ] {
            all.register(name, help, gauge.clone());
        }
    }
}

/// Resident memory of this process in bytes, where the system tells.
#[must_use]
pub fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_and_unusual_answers_are_counted_alike() {
        let metrics = Metrics::default();
        metrics.answered(Route::Feed, 200, Duration::ZERO);
        metrics.answered(Route::Opml, 304, Duration::ZERO);
        metrics.answered(Route::Other, 404, Duration::ZERO);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &metrics.registry()).unwrap();
        for line in [
            "aggd_requests_total{route=\"feed\",status=\"200\"} 1",
            "aggd_requests_total{route=\"opml\",status=\"304\"} 1",
            "aggd_requests_total{route=\"other\",status=\"404\"} 1",
            "aggd_request_seconds_count 3",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
