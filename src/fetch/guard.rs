//! Which addresses may be visited. Takes URLs and the answers of the resolver, lets public addresses through and
//! refuses the rest, whatever their spelling; never connects.
//!
//! Two locks, because each alone has a gap: literals in URLs never reach a resolver, and names only show their
//! addresses there. The list that passed the check is the list that is connected to, so a name cannot change its
//! mind in between.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Private, local, documentation, multicast and reserved networks.
static CLOSED: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "100::/64",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
    .iter()
    .map(|network| network.parse().expect("written as a network above"))
    .collect()
});

/// Why an address or a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    /// The name or literal stands for a private address.
    #[error(
        "{host} is a private address; `allow_private` in [fetch] opens networks that may be visited"
    )]
    Private { host: String },
    /// No such name, or no address for it.
    #[error("there is no address for {host}")]
    NoAddress { host: String },
    /// The name servers did not help.
    #[error("the name servers gave no answer for {host}: {reason}")]
    NoAnswer { host: String, reason: String },
}

/// The address check: what is closed, less what the operator opened.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    open: Arc<[IpNet]>,
}

impl Guard {
    pub(super) fn new(allow_private: &[IpNet]) -> Self {
        Self {
            open: allow_private.into(),
        }
    }

    /// Tests the host of a URL if it is a literal; names are tested when they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Closed> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.admits(address) {
            return Ok(());
        }
        Err(Closed::Private {
            host: address.to_string(),
        })
    }

    /// Whether this address may be connected to.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        if self.open.iter().any(|network| network.contains(&address)) {
            return true;
        }
        if CLOSED.iter().any(|network| network.contains(&address)) {
            return false;
        }
        match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => embedded(v6)
                .into_iter()
                .flatten()
                .all(|v4| self.admits(IpAddr::V4(v4))),
        }
    }
}

/// IPv4 addresses that an IPv6 address carries, and that a translator or tunnel would lead to.
fn embedded(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 =
        |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match v6.segments() {
        // Mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96), the old "compatible" form, and NAT64.
        // So does 6to4, further to the front.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => [v4(high, low), None],
        // Local NAT64 (RFC 8215): the prefix length is not known, so both places where the address may stand count.
        [0x64, 0xff9b, 1, first, second, third, high, low] => [
            v4(high, low),
            v4(first, ((second & 0xff) << 8) | (third >> 8)).filter(|v4| !v4.is_unspecified()),
        ],
        // Teredo: server, and client with its bits turned over.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            [v4(server_high, server_low), v4(!high, !low)]
        }
        _ => [None, None],
    }
}

/// Names to addresses: asynchronous, cached as long as the records say, and through the guard.
#[derive(Clone)]
pub(super) struct Resolver {
    names: TokioResolver,
    guard: Guard,
    /// Hosts of configured proxies: the operator chose them, wherever they stand.
    chosen: Arc<[String]>,
}

impl Resolver {
    /// Reads the system's configuration. Without one, only the hosts file answers.
    pub(super) fn new(guard: Guard) -> Result<Self, NetError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "no name servers in the system's configuration: names are not resolved");
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
                TokioRuntimeProvider::default(),
            )
        });
        let options = builder.options_mut();
        options.attempts = 2;
        options.timeout = Duration::from_secs(3);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        Ok(Self {
            names: builder.build()?,
            guard,
            chosen: Arc::new([]),
        })
    }

    /// The same, but these hosts may be anywhere.
    pub(super) fn choosing(&self, hosts: Vec<String>) -> Self {
        Self {
            chosen: hosts.into(),
            ..self.clone()
        }
    }

    async fn look_up(self, host: String) -> Result<Addrs, Box<dyn StdError + Send + Sync>> {
        let found = self.names.lookup_ip(host.as_str()).await.map_err(|error| {
            if error.is_nx_domain() || error.is_no_records_found() {
                Closed::NoAddress { host: host.clone() }
            } else {
                Closed::NoAnswer {
                    host: host.clone(),
                    reason: error.to_string(),
                }
            }
        })?;
        let all: Vec<IpAddr> = found.iter().collect();
        let free = self.chosen.contains(&host);
        let good: Vec<SocketAddr> = all
            .iter()
            .filter(|address| free || self.guard.admits(**address))
            .map(|address| SocketAddr::new(*address, 0))
            .collect();
        if good.is_empty() {
            return Err(Box::new(if all.is_empty() {
                Closed::NoAddress { host }
            } else {
                Closed::Private { host }
            }));
        }
        Ok(Box::new(good.into_iter()))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.clone().look_up(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(open: &[&str], url: &str) -> bool {
        let open: Vec<IpNet> = open
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        Guard::new(&open).check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn every_spelling_of_a_private_address_is_closed() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0.0.0.0/",
            "http://0/",
            "http://10.1.2.3/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://198.19.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b:1::10.0.0.1]/",
            "http://[64:ff9b:1:a00:0:100::]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
            "http://[fc00::1]/",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://[2001:db8::1]/",
        ] {
            assert!(!check(&[], url), "{url}");
        }
    }

    #[test]
    fn public_addresses_pass_and_opened_networks_too() {
        for url in [
            "http://1.1.1.1/",
            "http://172.32.0.1/",
            "http://[2606:4700:4700::1111]/",
            "http://[64:ff9b::1.1.1.1]/",
            "http://[::ffff:1.1.1.1]/",
            "http://names.are.tested.later.example/",
        ] {
            assert!(check(&[], url), "{url}");
        }
        assert!(check(&["127.0.0.0/8"], "http://127.0.0.1/"));
        assert!(check(&["127.0.0.0/8"], "http://[::ffff:127.0.0.1]/"));
        assert!(check(&["::1/128"], "http://[::1]/"));
        assert!(!check(&["127.0.0.1/32"], "http://127.0.0.2/"));
        assert!(!check(&["127.0.0.0/8"], "http://10.0.0.1/"));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_closed() {
        let resolver = Resolver::new(Guard::new(&[])).unwrap();
        let error = resolver.clone().look_up("localhost".to_owned()).await.err();
        let closed = error.unwrap().downcast::<Closed>().unwrap();
        assert_eq!(
            *closed,
            Closed::Private {
                host: "localhost".to_owned()
            }
        );
        let chosen = resolver.choosing(vec!["localhost".to_owned()]);
        assert!(chosen.look_up("localhost".to_owned()).await.is_ok());
    }
}
