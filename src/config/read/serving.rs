//! What readers meet: `[server]` and `[publish]`.

use toml::de::DeValue;

use super::{Reading, Settings};
use crate::config::Language;
use crate::config::problem::Lines;
use crate::config::typed;
use crate::publish::Extent;
use crate::serve::Listen;
use crate::{publish, serve};

impl Reading<'_> {
    pub(super) fn server(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
    ) -> serve::Options {
        if let Some((leaf, file)) = settings.leaves.get("server.listen")
            && leaf.value.as_array().is_some_and(|list| list.is_empty())
        {
            self.error(
                &lines[*file],
                leaf.at,
                "`listen` names no address; leave it out for 127.0.0.1:8080",
            );
        }
        server(settings)
    }

    pub(super) fn site(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        server: &serve::Options,
    ) -> publish::Site {
        let written = settings
            .value("server.public_url")
            .and_then(DeValue::as_str)
            .and_then(typed::http);
        if let (Some(url), Some((leaf, file))) =
            (&written, settings.leaves.get("server.public_url"))
        {
            let extra = [
                (url.query().is_some(), "a query"),
                (url.fragment().is_some(), "a fragment"),
                (
                    !url.username().is_empty() || url.password().is_some(),
                    "a name or password",
                ),
            ];
            for (_, what) in extra.iter().filter(|(there, _)| *there) {
                self.error(
                    &lines[*file],
                    leaf.at,
                    format!("`public_url` cannot have {what}"),
                );
            }
        }
        let mut public_url = written.unwrap_or_else(|| default_url(&server.listen));
        if !public_url.path().ends_with('/') {
            let path = format!("{}/", public_url.path());
            public_url.set_path(&path);
        }
        publish::Site {
            public_url,
            title: settings
                .text("server.title")
                .unwrap_or_else(|| "aggd".to_owned()),
        }
    }
}

fn server(settings: &Settings<'_>) -> serve::Options {
    let default = serve::Options::default();
    let listen: Vec<Listen> = match settings.value("server.listen") {
        Some(DeValue::String(one)) => typed::listen(one).into_iter().collect(),
        Some(list) => typed::texts(list)
            .iter()
            .filter_map(|one| typed::listen(one))
            .collect(),
        None => default.listen,
    };
    serve::Options {
        listen,
        max_connections: settings.whole("server.max_connections", default.max_connections),
        per_client: settings
            .value("server.per_client")
            .and_then(DeValue::as_str)
            .and_then(typed::rate)
            .unwrap_or(default.per_client),
        trusted_proxies: settings
            .value("server.trusted_proxies")
            .map_or_else(Vec::new, typed::networks),
    }
}

/// `[server] language`.
pub(super) fn language(settings: &Settings<'_>) -> Language {
    settings.word(
        "server.language",
        &[
            ("auto", Language::Auto),
            ("en", Language::En),
            ("zh", Language::Zh),
        ],
        Language::Auto,
    )
}

pub(super) fn publish(settings: &Settings<'_>) -> publish::Options {
    let default = publish::Options::default();
    publish::Options {
        items: settings.whole("publish.items", default.items),
        max_bytes: usize::try_from(settings.size("publish.max_bytes", 0))
            .ok()
            .filter(|bytes| *bytes > 0)
            .unwrap_or(default.max_bytes),
        content: settings.word(
            "publish.content",
            &[
                ("full", Extent::Full),
                ("summary", Extent::Summary),
                ("title", Extent::Title),
            ],
            default.content,
        ),
        cache: default.cache,
    }
}

/// The address readers on this machine can use when nothing else is said.
fn default_url(listen: &[Listen]) -> url::Url {
    let address = listen.iter().find_map(|one| match one {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) | Listen::Passed(_) => None,
    });
    let text = match address {
        Some(address) if address.ip().is_unspecified() => {
            format!("http://localhost:{}/", address.port())
        }
        Some(address) => format!("http://{address}/"),
        None => "http://localhost/".to_owned(),
    };
    url::Url::parse(&text).expect("a socket address makes a URL")
}

/// The host under which ids are published: a DNS name or an IPv4 address (RFC 4151), else `localhost`.
pub(super) fn tag_host(url: &url::Url) -> String {
    match url.host() {
        Some(url::Host::Domain(name)) => name.to_owned(),
        Some(url::Host::Ipv4(address)) => address.to_string(),
        Some(url::Host::Ipv6(_)) | None => "localhost".to_owned(),
    }
}
