//! `/readyz` and `/metrics`: how we are, for programs that watch.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use super::route::{Shared, is_closing, plain, typed};
use crate::model::source::Health;
use crate::model::time::Timestamp;

/// Whether requests should be sent here.
pub(super) async fn readiness(shared: &Shared) -> (StatusCode, &'static str) {
    if is_closing(shared) {
        (StatusCode::SERVICE_UNAVAILABLE, "closing\n")
    } else if shared.publisher.is_ready().await {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        )
    }
}

/// Everything that is counted; with `?sources` each public source too.
pub(super) async fn metrics(
    shared: &Shared,
    query: &str,
    headers: &HeaderMap,
    head: bool,
) -> Response<Full<Bytes>> {
    let figures = match shared.publisher.figures().await {
        Ok(figures) => figures,
        Err(error) => {
            let sentence = format!("{error}\n");
            return plain(StatusCode::SERVICE_UNAVAILABLE, &sentence, head);
        }
    };
    let now = (shared.now)();
    let gauges = &shared.metrics.gauges;
    let store = &figures.store;
    for (gauge, value) in [
        (&gauges.articles, store.articles),
        (&gauges.sightings, store.sightings),
        (&gauges.sources, store.sources),
        (&gauges.tombstones, store.tombstones),
        (&gauges.unreadable, store.unreadable),
        (&gauges.log_bytes, store.log_bytes),
        (&gauges.live_bytes, store.live_bytes),
        (&gauges.index_bytes, store.index_bytes),
        (&gauges.index_items, store.index_items),
        (&gauges.revision, store.revision.number),
        (&gauges.followed, figures.followed.number),
        (&gauges.store_full, u64::from(store.full)),
        (&gauges.flushed, seconds(store.flushed)),
        (&gauges.backed_up, seconds(store.backed_up)),
        (&gauges.cache_bytes, figures.cache_bytes as u64),
        (
            &gauges.resident_bytes,
            crate::metrics::resident().unwrap_or(0),
        ),
        (
            &gauges.overdue_seconds,
            figures.next_due.map_or(0, |due| now.since(due).as_secs()),
        ),
    ] {
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    let mut text = String::with_capacity(8 << 10);
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &shared.registry);
    if query
        .split('&')
        .any(|pair| pair.split('=').next() == Some("sources"))
    {
        sources(shared, &mut text).await;
    }
    let open = headers.get(ACCEPT).is_some_and(|accept| {
        accept
            .as_bytes()
            .windows(11)
            .any(|word| word == b"openmetrics")
    });
    let media_type = if open {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    typed(StatusCode::OK, text.into(), media_type, head)
}

fn seconds(at: Option<Timestamp>) -> u64 {
    at.and_then(|at| u64::try_from(at.as_secs()).ok())
        .unwrap_or(0)
}

/// Gauges of each public source, before the end mark.
async fn sources(shared: &Shared, text: &mut String) {
    const END: &str = "# EOF\n";
    let Ok(states) = shared.publisher.states().await else {
        return;
    };
    if text.ends_with(END) {
        text.truncate(text.len() - END.len());
    }
    let seconds = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_secs);
    for (name, help) in [
        ("up", "1 if the last visit to the source went well"),
        ("failures", "Failed visits to the source in a row"),
        (
            "last_success_timestamp_seconds",
            "Last visit that went well",
        ),
        ("last_new_timestamp_seconds", "When something new last came"),
        (
            "next_visit_timestamp_seconds",
            "When the source is next visited",
        ),
    ] {
        let _ = writeln!(
            text,
            "# HELP aggd_source_{name} {help}.\n# TYPE aggd_source_{name} gauge"
        );
        for (id, state) in &states {
            let value = match name {
                "up" => i64::from(state.health == Health::Ok),
                "failures" => i64::from(state.fails),
                "last_success_timestamp_seconds" => seconds(state.last_ok),
                "last_new_timestamp_seconds" => seconds(state.last_new),
                _ => seconds(Some(state.next_due)),
            };
            let _ = writeln!(text, "aggd_source_{name}{{source=\"{id}\"}} {value}");
        }
    }
    text.push_str(END);
}
