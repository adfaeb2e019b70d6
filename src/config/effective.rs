//! Every setting with the value in force and where it was written: `aggd config`. Secrets never show.

use std::collections::BTreeMap;

use serde::Serialize;

use super::value::{duration_text, size_text};
use super::{Config, Language, LogFormat};
use crate::dedup::{Mode, Reach};
use crate::label::{Auto, Publisher};
use crate::model::source::{Every, Proxy, Source, SourceId, SourceKind};
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

/// All settings, feeds apart, in the order of the manual.
#[must_use]
pub fn effective(config: &Config) -> Vec<Setting> {
    let plain = [
        server(config),
        store(config),
        visits(config),
        content(config),
        upkeep(config),
    ];
    let plain = plain.into_iter().flatten();
    plain
        .map(|(key, value)| (key.to_owned(), value))
        .chain(named(config))
        .map(|(key, value)| Setting {
            origin: origin(config, &key),
            key,
            value,
        })
        .collect()
}

/// The settings of one feed with what is in force for it; the place is that of its table.
#[must_use]
pub fn effective_feed(config: &Config, id: &SourceId) -> Option<Vec<Setting>> {
    let index = config.sources.iter().position(|source| source.id == *id)?;
    let (source, place) = (&config.sources[index], config.places.get(index)?);
    let settings = described(config, source)
        .into_iter()
        .chain(visited(config, source));
    let settings = settings.map(|(key, is_own, value)| Setting {
        origin: is_own.then(|| place.to_string()),
        key,
        value,
    });
    Some(settings.collect())
}

/// Key, whether the feed itself says so, and value.
type Own = (String, bool, String);

fn own(key: &str, is_own: bool, value: String) -> Own {
    (key.to_owned(), is_own, value)
}

/// What a feed is, and what becomes of its articles.
fn described(config: &Config, source: &Source) -> Vec<Own> {
    let kind = match &source.kind {
        SourceKind::Feed => "feed",
        SourceKind::File => "file",
        SourceKind::Exec(_) => "exec",
    };
    let mut all = vec![
        own("id", true, text(source.id.as_str())),
        own("url", true, text(&source.url)),
        own("kind", kind != "feed", text(kind)),
    ];
    if let SourceKind::Exec(command) = &source.kind {
        all.push(own("command", true, texts(command)));
    }
    let optional = [("title", &source.title), ("category", &source.category)];
    for (key, value) in optional {
        all.extend(value.as_deref().map(|value| own(key, true, text(value))));
    }
    let name = source.category.as_deref();
    let shelf = name.and_then(|name| config.label.categories.get(&crate::text::key(name)));
    let shelf = shelf.into_iter().flat_map(|category| &category.tags);
    let tags = texts(source.tags.iter().chain(shelf));
    all.push(own("tags", !source.tags.is_empty(), tags));
    all.push(own("private", source.private, source.private.to_string()));
    all.push(own("trust", source.trust != 0, source.trust.to_string()));
    let apart = source.never_merge;
    all.push(own("never_merge", apart, apart.to_string()));
    all
}

/// When and how a feed is visited.
fn visited(config: &Config, source: &Source) -> Vec<Own> {
    let (fetch, manner) = (&config.fetch, &source.manner);
    let mut all = vec![own(
        "every",
        source.every.is_some(),
        every(source.every.unwrap_or(config.poll.every)),
    )];
    for (name, _) in &manner.headers {
        all.push(own(&format!("headers.{name}"), true, text("***")));
    }
    let agent = manner.user_agent.as_ref();
    let proxy = manner.proxy.as_ref();
    let body = manner.max_body.unwrap_or(fetch.max_body);
    let time = manner.total_timeout.unwrap_or(fetch.total_timeout);
    all.extend([
        own(
            "user_agent",
            agent.is_some(),
            text(agent.unwrap_or(&fetch.user_agent)),
        ),
        own(
            "http1_only",
            manner.http1_only,
            manner.http1_only.to_string(),
        ),
        own(
            "proxy",
            proxy.is_some(),
            text(proxy_text(proxy.unwrap_or(&fetch.proxy))),
        ),
        own(
            "max_body",
            manner.max_body.is_some(),
            text(&size_text(body)),
        ),
        own(
            "total_timeout",
            manner.total_timeout.is_some(),
            text(&duration_text(time)),
        ),
    ]);
    if let Some(path) = &manner.ca_file {
        all.push(own("ca_file", true, text(&path.display().to_string())));
    }
    let any = manner.accept_invalid_certs;
    all.push(own("accept_invalid_certs", any, any.to_string()));
    all
}

/// What stands under names of the administrator's own.
fn named(config: &Config) -> Vec<(String, String)> {
    let (label, fetch) = (&config.label, &config.fetch);
    let sites = fetch.site.iter().map(|(domain, limits)| {
        let spacing = text(&duration_text(limits.spacing));
        (
            format!("fetch.site.{domain}.per_host"),
            format!("{{ at_once = {}, spacing = {spacing} }}", limits.at_once),
        )
    });
    let words = |table: &'static str, words: &BTreeMap<String, String>| -> Vec<(String, String)> {
        let words = words.iter();
        let lines = words.map(|(word, value)| (format!("{table}.{word}"), text(value)));
        lines.collect()
    };
    let categories = label.categories.iter().flat_map(|(key, category)| {
        let title = category.title.as_deref();
        let title = title.map(|title| (format!("category.{key}.title"), text(title)));
        let tags = (!category.tags.is_empty())
            .then(|| (format!("category.{key}.tags"), texts(&category.tags)));
        [title, tags].into_iter().flatten()
    });
    sites
        .chain(words("tags.label", &label.label))
        .chain(words("tags.alias", &label.alias))
        .chain(categories)
        .collect()
}

fn upkeep(config: &Config) -> Vec<(&'static str, String)> {
    vec![
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
    ]
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
        ("fetch.proxy", text(proxy_text(&fetch.proxy))),
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

fn proxy_text(proxy: &Proxy) -> &'static str {
    match proxy {
        Proxy::None => "none",
        Proxy::Env => "env",
        // It may carry a password.
        Proxy::Url(_) => "***",
    }
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
