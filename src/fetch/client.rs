//! HTTP clients: one for everybody, and one for each way out or trust setting that some sources have of their own.
//! They do only what they are told: no redirects, no referrer, no proxy from the environment unless configured, no
//! retries, no decompression, and names only through the guard.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};
use url::Url;

use super::guard::Resolver;
use super::{Error, Options};
use crate::model::source::{Proxy, Source};

/// Bytes that the head of an answer may have.
pub(super) const MAX_HEAD: u32 = 64 << 10;

/// Connections to a host that are kept for the next visit: as many as may be busy at a time, or some would be closed and
/// opened again all the while.
const IDLE: usize = 2;

/// What makes one client differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Way {
    proxy: Proxy,
    http1_only: bool,
    ca_file: Option<PathBuf>,
    accept_invalid_certs: bool,
}

/// The clients in use, each built when it is first needed.
pub(super) struct Clients {
    resolver: Resolver,
    connect_timeout: Duration,
    proxy: Proxy,
    built: Mutex<HashMap<Way, Client>>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    pub(super) fn new(resolver: Resolver, options: &Options) -> Self {
        // Somebody else in this process may have chosen a provider already; theirs is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            resolver,
            connect_timeout: options.connect_timeout,
            proxy: options.proxy.clone(),
            built: Mutex::default(),
        }
    }

    /// The client for a source.
    pub(super) fn of(&self, source: &Source) -> Result<Client, Error> {
        let manner = &source.manner;
        let way = Way {
            proxy: manner.proxy.as_ref().unwrap_or(&self.proxy).clone(),
            http1_only: manner.http1_only,
            ca_file: manner.ca_file.clone(),
            accept_invalid_certs: manner.accept_invalid_certs,
        };
        // Built under the lock: a second one of the same kind would be thrown away.
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = built.get(&way) {
            return Ok(client.clone());
        }
        let client = self.build(&way)?;
        built.insert(way, client.clone());
        Ok(client)
    }

    fn build(&self, way: &Way) -> Result<Client, Error> {
        let wrong = |source: reqwest::Error| Error::Setting {
            what: "the client could not be made".to_owned(),
            source: Some(Box::new(source)),
        };
        match self.builder(way)?.build() {
            Ok(client) => Ok(client),
            // A machine without certificates still visits http: origins; https: ones fail one by one.
            Err(error) if way.ca_file.is_none() => {
                let client = self.builder(way)?.tls_certs_only([]).build();
                if client.is_ok() {
                    tracing::warn!(%error, "no certificate authorities on this machine: https origins cannot be trusted");
                }
                client.map_err(wrong)
            }
            Err(error) => Err(wrong(error)),
        }
    }

    fn builder(&self, way: &Way) -> Result<ClientBuilder, Error> {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .no_gzip()
            .no_brotli()
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(Duration::from_secs(5))
            .http2_max_header_list_size(MAX_HEAD)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .tls_danger_accept_invalid_certs(way.accept_invalid_certs);
        if way.http1_only {
            builder = builder.http1_only();
        }
        if let Some(path) = &way.ca_file {
            builder = builder.tls_certs_merge(authorities(path)?);
        }
        Ok(match &way.proxy {
            Proxy::None => builder.no_proxy().dns_resolver(self.resolver.clone()),
            Proxy::Env => builder.dns_resolver(self.resolver.choosing(proxies_of_environment())),
            Proxy::Url(secret) => {
                let wrong = |source| Error::Setting {
                    what: "the proxy's address is wrong".to_owned(),
                    source: Some(source),
                };
                let url = Url::parse(secret.reveal()).map_err(|error| wrong(Box::new(error)))?;
                let chosen = url.host_str().map(str::to_owned).into_iter().collect();
                let proxy =
                    reqwest::Proxy::all(url.as_str()).map_err(|error| wrong(Box::new(error)))?;
                builder
                    .no_proxy()
                    .proxy(proxy)
                    .dns_resolver(self.resolver.choosing(chosen))
            }
        })
    }
}

fn authorities(path: &std::path::Path) -> Result<Vec<Certificate>, Error> {
    let wrong = |source| Error::Setting {
        what: format!("ca_file {}", path.display()),
        source: Some(source),
    };
    let pem = std::fs::read(path).map_err(|error| wrong(Box::new(error)))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(Box::new(error)))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it".into()));
    }
    Ok(found)
}

/// Hosts of the proxies that the environment names: they may stand on a private network.
fn proxies_of_environment() -> Vec<String> {
    ["http_proxy", "https_proxy", "all_proxy"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_ascii_uppercase()])
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|value| {
            let url = Url::parse(&value)
                .ok()
                .filter(Url::has_host)
                .or_else(|| Url::parse(&format!("http://{value}")).ok())?;
            url.host_str().map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::guard::Guard;
    use super::*;
    use crate::model::source::{Secret, SourceId};

    #[tokio::test]
    async fn sources_with_the_same_way_share_a_client() {
        let guard = Guard::new(&[]);
        let clients = Clients::new(Resolver::new(guard).unwrap(), &Options::default());
        let plain = Source::new(SourceId::new("a").unwrap(), "http://a.example/");
        let mut old = Source::new(SourceId::new("b").unwrap(), "http://b.example/");
        old.manner_mut().http1_only = true;
        let mut wrong = plain.clone();
        wrong.manner_mut().proxy = Some(Proxy::Url(Secret::new("not a proxy".to_owned())));
        for source in [&plain, &old, &plain, &old] {
            clients.of(source).unwrap();
        }
        assert_eq!(clients.built.lock().unwrap().len(), 2);
        assert!(matches!(clients.of(&wrong), Err(Error::Setting { .. })));
    }
}
