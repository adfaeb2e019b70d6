//! Every setting with the value in force and where it was written: `aggd config`. Secrets never show.

use serde::Serialize;

use super::value::{duration_text, size_text};
use super::{Config, Language, LogFormat};
use crate::dedup::{Mode, Reach};
use crate::label::{Auto, Publisher};
use crate::model::source::{Every, Proxy};
use crate::publish::Extent;
use crate::serve::Listen;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Dotted path, as in `store.keep.age`.
    pub key: String,
    /// The value in force, as TOML would have it.
    pub value: String,
    /// `file:line:column`; absent: the default.
    pub origin: Option<String>,
}

/// All settings, feeds and categories apart, in the order of the manual.
#[must_use]
pub fn effective(config: &Config) -> Vec<Setting> {
    let mut all: Vec<(&str, String)> = Vec::new();
    all.extend(server(config));
    all.extend(store(config));
    all.extend(visits(config));
    all.extend(content(config));
    all.extend([
        (
            "control.socket",
            text(&config.control.socket.display().to_string()),
        ),
        (
            "control.mode",
            text(&format!("{:04o}", config.control.mode)),
        ),
        (
            "log.format",
            text(match config.log.format {
                LogFormat::Auto => "auto",
                LogFormat::Text => "text",
                LogFormat::Journal => "journal",
                LogFormat::Json => "json",
            }),
        ),
        ("log.level", text(&config.log.level)),
    ]);
    all.into_iter()
        .map(|(key, value)| Setting {
            key: key.to_owned(),
            value,
            origin: origin(config, key),
        })
        .collect()
}

/// A table that was written whole, such as `every = "1h"`, is the origin of its parts.
fn origin(config: &Config, key: &str) -> Option<String> {
    let mut key = key;
    loop {
        if let Some(place) = config.origins.get(key) {
            return Some(place.to_string());
        }
        key = key.rsplit_once('.')?.0;
    }
}

fn server(config: &Config) -> Vec<(&'static str, String)> {
    let listen: Vec<String> = config
        .server
        .listen
        .iter()
        .map(|one| match one {
            Listen::Tcp(address) => address.to_string(),
            Listen::Unix(path) => format!("unix:{}", path.display()),
            Listen::Passed(name) => format!("fd:{name}"),
        })
        .collect();
    vec![
        ("server.listen", texts(&listen)),
        ("server.public_url", text(config.site.public_url.as_str())),
        ("server.title", text(&config.site.title)),
        (
            "server.language",
            text(match config.language {
                Language::Auto => "auto",
                Language::En => "en",
                Language::Zh => "zh",
            }),
        ),
        (
            "server.trusted_proxies",
            texts(&config.server.trusted_proxies),
        ),
        (
            "server.max_connections",
            config.server.max_connections.to_string(),
        ),
        (
            "server.per_client",
            text(
                &config
                    .server
                    .per_client
                    .map_or_else(|| "off".to_owned(), |rate| format!("{rate}/min")),
            ),
        ),
    ]
}

fn store(config: &Config) -> Vec<(&'static str, String)> {
    let keep = config.store.keep;
    vec![
        ("store.path", text(&config.store.path.display().to_string())),
        ("store.cache", text(&size_text(config.store.cache))),
        ("store.keep.age", text(&duration_text(keep.age))),
        ("store.keep.min_per_feed", keep.min_per_feed.to_string()),
        ("store.keep.max_per_feed", keep.max_per_feed.to_string()),
        (
            "store.tombstones",
            text(&duration_text(config.store.tombstones)),
        ),
    ]
}

fn visits(config: &Config) -> Vec<(&'static str, String)> {
    let (poll, fetch) = (&config.poll, &config.fetch);
    vec![
        ("poll.every", every(poll.every)),
        ("poll.hint_cap", text(&duration_text(poll.hint_cap))),
        ("poll.silent_after", text(&duration_text(poll.silent_after))),
        ("poll.move_after", text(&duration_text(poll.move_after))),
        ("fetch.user_agent", text(&fetch.user_agent)),
        ("fetch.in_flight", fetch.in_flight.to_string()),
        ("fetch.per_host.at_once", fetch.per_host.at_once.to_string()),
        (
            "fetch.per_host.spacing",
            text(&duration_text(fetch.per_host.spacing)),
        ),
        (
            "fetch.connect_timeout",
            text(&duration_text(fetch.connect_timeout)),
        ),
        (
            "fetch.total_timeout",
            text(&duration_text(fetch.total_timeout)),
        ),
        ("fetch.max_body", text(&size_text(fetch.max_body))),
        ("fetch.allow_private", texts(&fetch.allow_private)),
        (
            "fetch.proxy",
            text(match &fetch.proxy {
                Proxy::None => "none",
                Proxy::Env => "env",
                // It may carry a password.
                Proxy::Url(_) => "***",
            }),
        ),
    ]
}

fn content(config: &Config) -> Vec<(&'static str, String)> {
    let (dedup, label, publish) = (&config.dedup, &config.label, &config.publish);
    vec![
        (
            "dedup.mode",
            text(match dedup.mode {
                Mode::Off => "off",
                Mode::Strict => "strict",
                Mode::Cluster => "cluster",
            }),
        ),
        (
            "dedup.scope",
            text(match dedup.scope {
                Reach::Feed => "feed",
                Reach::Category => "category",
                Reach::All => "all",
            }),
        ),
        ("dedup.window", text(&duration_text(dedup.window))),
        (
            "dedup.bump_on_new_source",
            dedup.bump_on_new_source.to_string(),
        ),
        (
            "tags.auto",
            text(match label.auto {
                Auto::Off => "off",
                Auto::Suggest => "suggest",
                Auto::Publish => "publish",
            }),
        ),
        ("tags.publish_min", label.publish_min.to_string()),
        (
            "tags.publisher",
            text(match label.publisher {
                Publisher::Keep => "keep",
                Publisher::Known => "known",
                Publisher::Drop => "drop",
            }),
        ),
        ("tags.drop", texts(&label.drop)),
        ("publish.items", publish.items.to_string()),
        (
            "publish.max_bytes",
            text(&size_text(publish.max_bytes as u64)),
        ),
        (
            "publish.content",
            text(match publish.content {
                Extent::Full => "full",
                Extent::Summary => "summary",
                Extent::Title => "title",
            }),
        ),
    ]
}

fn every(every: Every) -> String {
    if every.min == every.max {
        return text(&duration_text(every.min));
    }
    format!(
        "{{ min = {}, max = {} }}",
        text(&duration_text(every.min)),
        text(&duration_text(every.max))
    )
}

fn text(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

fn texts<T: ToString>(list: impl IntoIterator<Item = T>) -> String {
    let list: Vec<String> = list.into_iter().map(|one| one.to_string()).collect();
    toml_edit::Value::from_iter(list).to_string()
}
