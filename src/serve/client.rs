//! Who a request comes from, and whether they may have another one. A client's account fills with time; a document
//! costs one request of it, a 304 a tenth.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

/// Accounts at most; full ones are forgotten first.
const ACCOUNTS: usize = 65_536;
/// The limit is given for this time.
const WINDOW: Duration = Duration::from_mins(1);
/// What a request costs before its answer is known, in tenths.
const REQUEST: f64 = 10.0;
/// What is given back for a 304, in tenths.
const BACK: f64 = 9.0;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    /// An address.
    Address(IpAddr),
    /// A Unix socket: somebody on this machine, usually a proxy.
    Local,
}

/// Accounts of the clients.
#[derive(Debug)]
pub(super) struct Limit {
    /// Requests in a window; `None`: no limit.
    most: Option<u32>,
    proxies: Vec<ipnet::IpNet>,
    accounts: Mutex<HashMap<IpAddr, Account>>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    tenths: f64,
    at: Instant,
}

impl Limit {
    pub(super) fn new(most: Option<u32>, proxies: Vec<ipnet::IpNet>) -> Self {
        Self {
            most,
            proxies,
            accounts: Mutex::default(),
        }
    }

    /// True if requests over a connection from there need not be counted at all, whatever they say.
    pub(super) fn is_free(&self, peer: Peer) -> bool {
        self.most.is_none()
            || match peer {
                Peer::Address(address) => address.is_loopback() && !self.is_proxy(address),
                Peer::Local => false,
            }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.proxies
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whose account a request is on; `None` if it is on nobody's.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let trusted = match peer {
            Peer::Address(address) => self.is_proxy(address),
            Peer::Local => true,
        };
        let named = trusted.then(|| self.named(headers)).flatten();
        match (named, peer) {
            (Some(client), _) => Some(account_of(client)),
            (None, Peer::Address(address)) if !address.to_canonical().is_loopback() => {
                Some(account_of(address))
            }
            (None, _) => None,
        }
    }

    /// The client that proxies name: from the right, the first address that is not one of theirs.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let forwarded_for = HeaderName::from_static("x-forwarded-for");
        let mut chain: Vec<IpAddr> = list(headers, &forwarded_for)
            .filter_map(|item| address(item.trim()))
            .collect();
        if chain.is_empty() {
            chain = list(headers, &FORWARDED).filter_map(forwarded).collect();
        }
        chain
            .iter()
            .rev()
            .find(|address| !self.is_proxy(**address))
            .or(chain.first())
            .copied()
    }

    /// Takes a request from an account; if there is not enough, the seconds to wait.
    pub(super) fn take(&self, client: IpAddr, now: Instant) -> Result<(), u64> {
        let Some(most) = self.most else { return Ok(()) };
        let full = f64::from(most) * REQUEST;
        let per_second = full / WINDOW.as_secs_f64();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= ACCOUNTS && !accounts.contains_key(&client) {
            accounts.retain(|_, account| refilled(account, now, per_second) < full);
            if accounts.len() >= ACCOUNTS {
                // Everybody is busy: rather begin anew than refuse strangers.
                accounts.clear();
            }
        }
        let account = accounts.entry(client).or_insert(Account {
            tenths: full,
            at: now,
        });
        account.tenths = refilled(account, now, per_second).min(full);
        account.at = now;
        if account.tenths < REQUEST {
            let wait = ((REQUEST - account.tenths) / per_second).ceil().max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a wait of at least one second and at most the window"
            )]
            return Err(wait as u64);
        }
        account.tenths -= REQUEST;
        Ok(())
    }

    /// Gives back what a 304 did not cost.
    pub(super) fn give_back(&self, client: IpAddr) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&client) {
            account.tenths += BACK;
        }
    }
}

fn refilled(account: &Account, now: Instant, per_second: f64) -> f64 {
    account.tenths + now.duration_since(account.at).as_secs_f64() * per_second
}

/// An IPv6 network of 64 bits is one client: everybody at home has as many addresses as they like.
fn account_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
}

/// `for="[2001:db8::1]:4711";proto=https` (RFC 7239).
fn forwarded(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("for")
            .then(|| address(value.trim().trim_matches('"')))
            .flatten()
    })
}

/// An address with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next());
    bare.unwrap_or(text).parse().ok().or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn limit(proxies: &[&str]) -> Limit {
        Limit::new(
            Some(60),
            proxies.iter().map(|net| net.parse().unwrap()).collect(),
        )
    }

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        headers
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let limit = limit(&["10.0.0.0/8", "127.0.0.0/8"]);
        let none = HeaderMap::new();
        let xff = headers("x-forwarded-for", "1.1.1.1, 9.9.9.9, 10.0.0.2");
        for (from, headers, expected) in [
            (peer("8.8.8.8"), &none, ip("8.8.8.8")),
            (peer("8.8.8.8"), &xff, ip("8.8.8.8")),
            (peer("10.0.0.1"), &xff, ip("9.9.9.9")),
            (peer("127.0.0.1"), &xff, ip("9.9.9.9")),
            (peer("127.0.0.1"), &none, None),
            (peer("::ffff:127.0.0.1"), &none, None),
            (Peer::Local, &none, None),
            (Peer::Local, &xff, ip("9.9.9.9")),
            (Peer::Local, &headers_of_forwarded(), ip("2001:db8:1:2::")),
        ] {
            assert_eq!(
                limit.client(from, headers),
                expected,
                "{from:?} {headers:?}"
            );
        }
    }

    fn headers_of_forwarded() -> HeaderMap {
        headers(
            "forwarded",
            "proto=https;For=\"[2001:db8:1:2:3::4]:4711\", for=10.0.0.3",
        )
    }

    #[test]
    fn an_account_is_empty_after_its_requests_and_fills_again() {
        let limit = limit(&[]);
        let client = "8.8.8.8".parse().unwrap();
        let start = Instant::now();
        for _ in 0..60 {
            limit.take(client, start).unwrap();
        }
        assert_eq!(limit.take(client, start), Err(1));
        assert_eq!(limit.take("8.8.4.4".parse().unwrap(), start), Ok(()));
        assert_eq!(limit.take(client, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn what_is_unchanged_costs_a_tenth() {
        let limit = limit(&[]);
        let client = "8.8.8.8".parse().unwrap();
        let start = Instant::now();
        let served = (0..1000)
            .take_while(|_| {
                let taken = limit.take(client, start).is_ok();
                limit.give_back(client);
                taken
            })
            .count();
        assert!((590..=600).contains(&served), "{served}");
    }
}
