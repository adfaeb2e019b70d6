//! Manners towards one host: how many connections at a time, how far apart, and silence where it asked for silence.
//! Takes a host and the time, gives a permit or says when to come again; never connects, never asks a clock.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use url::{Host, Url};

use super::HostLimits;
use crate::model::time::Timestamp;

/// Hops that may wait for one host at a time; more would let a slow host hold what healthy ones need.
const MOST_WAITERS: usize = 4;
/// Hosts are swept out of the table when it has grown this much beyond what the last sweep left.
const SWEEP: usize = 1024;

/// Whose manners count: `host:port`, or a registrable domain with limits of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey(Arc<str>);

impl HostKey {
    /// The key that `as_str` gave before.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self(name.into())
    }

    /// How it is written in a source's state.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a host says to one more request.
#[derive(Debug)]
pub enum Welcome {
    /// Come in; the place is free again when the permit is dropped.
    Go(Permit),
    /// Too soon after the last one: come again then.
    At(Timestamp),
    /// All places are taken; [`Hosts::take_freed`] names the host when one is free.
    Full,
    /// It asked for silence until then.
    Paused(Timestamp),
}

/// A place at a host.
#[derive(Debug)]
pub struct Permit {
    hosts: Arc<Hosts>,
    key: HostKey,
}

impl Permit {
    /// Where.
    #[must_use]
    pub fn key(&self) -> &HostKey {
        &self.key
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.hosts.leave(&self.key);
    }
}

/// All hosts that somebody visits, waits for, or must leave alone.
#[derive(Debug)]
pub struct Hosts {
    inner: Mutex<Inner>,
    /// A place became free: for hops that wait.
    free: Notify,
    /// A place became free at a host that turned somebody away: for the queue.
    freed: Notify,
}

#[derive(Debug)]
struct Inner {
    limits: HostLimits,
    site: BTreeMap<String, HostLimits>,
    hosts: HashMap<HostKey, State>,
    swept: usize,
    freed: Vec<HostKey>,
}

#[derive(Debug, Default)]
struct State {
    active: usize,
    /// No request may start before.
    next_start: Timestamp,
    paused: Timestamp,
    waiters: usize,
    /// Somebody was turned away since the last place became free.
    wanted: bool,
}

impl Hosts {
    /// Everybody's limits, and those of some registrable domains.
    #[must_use]
    pub fn new(limits: HostLimits, site: &BTreeMap<String, HostLimits>) -> Arc<Self> {
        let hosts = Self {
            inner: Mutex::new(Inner {
                limits,
                site: BTreeMap::new(),
                hosts: HashMap::new(),
                swept: 0,
                freed: Vec::new(),
            }),
            free: Notify::new(),
            freed: Notify::new(),
        };
        hosts.set_limits(limits, site);
        Arc::new(hosts)
    }

    /// New limits from now on; pauses and places taken stay.
    pub fn set_limits(&self, limits: HostLimits, site: &BTreeMap<String, HostLimits>) {
        let mut inner = self.lock();
        inner.limits = limits;
        // Domains may be written in their own script; URLs carry the ASCII form.
        inner.site = site
            .iter()
            .map(|(domain, limits)| {
                let ascii = Url::parse(&format!("http://{domain}/"))
                    .ok()
                    .and_then(|url| url.host_str().map(str::to_owned))
                    .unwrap_or_else(|| domain.clone());
                (ascii, *limits)
            })
            .collect();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // The table is consistent between any two statements, so a panic elsewhere leaves it usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a URL's host.
    #[must_use]
    pub fn key(&self, url: &Url) -> HostKey {
        let host = url.host_str().unwrap_or_default();
        let inner = self.lock();
        if !inner.site.is_empty() {
            if inner.site.contains_key(host) {
                return HostKey(host.into());
            }
            if let Some(Host::Domain(name)) = url.host()
                && let Some(domain) = psl::domain_str(name)
                && inner.site.contains_key(domain)
            {
                return HostKey(domain.into());
            }
        }
        drop(inner);
        let port = url.port_or_known_default().unwrap_or_default();
        HostKey(format!("{host}:{port}").into())
    }

    /// Asks for a place now.
    #[must_use]
    pub fn enter(self: &Arc<Self>, key: &HostKey, now: Timestamp) -> Welcome {
        self.ask(key, now, false)
    }

    /// Asks for a place now, whatever pause the host wished for: the operator insists.
    #[must_use]
    pub fn insist(self: &Arc<Self>, key: &HostKey, now: Timestamp) -> Welcome {
        self.ask(key, now, true)
    }

    fn ask(self: &Arc<Self>, key: &HostKey, now: Timestamp, insist: bool) -> Welcome {
        let mut inner = self.lock();
        inner.sweep(now);
        let limits = inner.limits_of(key);
        let host = inner.hosts.entry(key.clone()).or_default();
        if host.paused > now && !insist {
            return Welcome::Paused(host.paused);
        }
        if host.active >= limits.at_once.max(1) {
            host.wanted = true;
            return Welcome::Full;
        }
        // A clock that was set back must not close a host for as long as it jumped.
        let start = host.next_start.min(now + limits.spacing);
        if start > now {
            return Welcome::At(start);
        }
        host.active += 1;
        host.next_start = now + limits.spacing;
        Welcome::Go(Permit {
            hosts: Arc::clone(self),
            key: key.clone(),
        })
    }

    /// Waits for a place, but not long: `Err` says when to try the whole visit again.
    /// `now` gives the time; it is asked again after each wait.
    pub(super) async fn wait(
        self: &Arc<Self>,
        key: &HostKey,
        now: impl Fn() -> Timestamp,
        patience: Duration,
    ) -> Result<Permit, Timestamp> {
        let give_up = now() + patience;
        let mut place_in_line = None;
        loop {
            let free = self.free.notified();
            let at = now();
            let until = match self.enter(key, at) {
                Welcome::Go(permit) => return Ok(permit),
                Welcome::Paused(until) => return Err(until),
                Welcome::At(until) if until > give_up => return Err(until),
                Welcome::At(until) => until,
                Welcome::Full => give_up,
            };
            if at >= give_up {
                return Err(give_up + patience);
            }
            if place_in_line.is_none() {
                let Some(line) = self.stand_in_line(key) else {
                    return Err(give_up + patience);
                };
                place_in_line = Some(line);
            }
            // Whichever comes first: the time, or a place.
            let _ = tokio::time::timeout(until.since(at), free).await;
        }
    }

    fn stand_in_line(self: &Arc<Self>, key: &HostKey) -> Option<InLine> {
        let mut inner = self.lock();
        let host = inner.hosts.entry(key.clone()).or_default();
        if host.waiters >= MOST_WAITERS {
            return None;
        }
        host.waiters += 1;
        Some(InLine {
            hosts: Arc::clone(self),
            key: key.clone(),
        })
    }

    /// The host asked for silence: nobody goes there before `until`.
    pub fn pause(&self, key: &HostKey, until: Timestamp) {
        let mut inner = self.lock();
        let host = inner.hosts.entry(key.clone()).or_default();
        host.paused = host.paused.max(until);
    }

    /// Hosts that turned somebody away and have a place now.
    #[must_use]
    pub fn take_freed(&self) -> Vec<HostKey> {
        std::mem::take(&mut self.lock().freed)
    }

    /// Returns when [`Self::take_freed`] may have something to tell.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn leave(&self, key: &HostKey) {
        let mut inner = self.lock();
        let mut wanted = false;
        if let Some(host) = inner.hosts.get_mut(key) {
            host.active = host.active.saturating_sub(1);
            wanted = std::mem::take(&mut host.wanted);
        }
        if wanted {
            inner.freed.push(key.clone());
        }
        drop(inner);
        if wanted {
            self.free.notify_waiters();
            self.freed.notify_one();
        }
    }
}

impl Inner {
    fn limits_of(&self, key: &HostKey) -> HostLimits {
        self.site.get(key.as_str()).copied().unwrap_or(self.limits)
    }

    /// Forgets hosts that nobody needs, now and then: the table follows what is visited, not what ever was.
    fn sweep(&mut self, now: Timestamp) {
        if self.hosts.len() < self.swept + SWEEP {
            return;
        }
        self.hosts.retain(|_, host| {
            host.active > 0 || host.waiters > 0 || host.next_start > now || host.paused > now
        });
        self.swept = self.hosts.len();
    }
}

struct InLine {
    hosts: Arc<Hosts>,
    key: HostKey,
}

impl Drop for InLine {
    fn drop(&mut self) {
        if let Some(host) = self.hosts.lock().hosts.get_mut(&self.key) {
            host.waiters = host.waiters.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn hosts(at_once: usize, spacing: u64) -> Arc<Hosts> {
        let limits = HostLimits {
            at_once,
            spacing: Duration::from_millis(spacing),
        };
        let own = HostLimits {
            at_once: 1,
            spacing: Duration::from_secs(65),
        };
        Hosts::new(limits, &BTreeMap::from([("reddit.com".to_owned(), own)]))
    }

    fn key(hosts: &Hosts, url: &str) -> HostKey {
        hosts.key(&Url::parse(url).unwrap())
    }

    #[test]
    fn requests_start_apart_and_only_so_many_at_a_time() {
        let hosts = hosts(2, 1000);
        let key = key(&hosts, "http://a.example/feed");
        let Welcome::Go(first) = hosts.enter(&key, at(0)) else {
            panic!("the first may go")
        };
        assert!(matches!(hosts.enter(&key, at(999)), Welcome::At(t) if t == at(1000)));
        let Welcome::Go(_second) = hosts.enter(&key, at(1000)) else {
            panic!("a second later, another one")
        };
        assert!(matches!(hosts.enter(&key, at(5000)), Welcome::Full));
        assert!(hosts.take_freed().is_empty());
        drop(first);
        assert_eq!(hosts.take_freed(), std::slice::from_ref(&key));
        assert!(matches!(hosts.enter(&key, at(5000)), Welcome::Go(_)));
    }

    #[test]
    fn a_domain_with_its_own_manners_counts_as_one_host() {
        let hosts = hosts(2, 0);
        assert_eq!(
            key(&hosts, "https://www.reddit.com/r/rust.rss").as_str(),
            "reddit.com"
        );
        assert_eq!(
            key(&hosts, "https://old.reddit.com:8443/").as_str(),
            "reddit.com"
        );
        assert_eq!(key(&hosts, "https://a.example/").as_str(), "a.example:443");
        let reddit = key(&hosts, "https://www.reddit.com/");
        let _place = hosts.enter(&reddit, at(0));
        assert!(matches!(hosts.enter(&reddit, at(1)), Welcome::Full));
    }

    #[test]
    fn a_pause_closes_the_host_until_it_is_over_or_somebody_insists() {
        let hosts = hosts(2, 0);
        let key = key(&hosts, "http://a.example/");
        hosts.pause(&key, at(9000));
        hosts.pause(&key, at(5000));
        assert!(matches!(hosts.enter(&key, at(8999)), Welcome::Paused(t) if t == at(9000)));
        assert!(matches!(hosts.insist(&key, at(0)), Welcome::Go(_)));
        assert!(matches!(hosts.enter(&key, at(9000)), Welcome::Go(_)));
    }

    #[test]
    fn a_clock_set_back_does_not_close_a_host() {
        let hosts = hosts(2, 1000);
        let key = key(&hosts, "http://a.example/");
        drop(hosts.enter(&key, at(1_000_000)));
        assert!(matches!(hosts.enter(&key, at(0)), Welcome::At(t) if t == at(1000)));
    }

    #[test]
    fn hosts_that_nobody_needs_are_forgotten() {
        let hosts = hosts(2, 1000);
        for number in 0..10_000 {
            let key = HostKey::from_name(&format!("h{number}.example:80"));
            drop(hosts.enter(&key, at(number * 10)));
        }
        assert!(hosts.lock().hosts.len() < 2 * SWEEP);
    }

    #[tokio::test]
    async fn a_hop_waits_for_a_place_and_gives_up_on_a_paused_host() {
        let hosts = hosts(1, 0);
        let key = key(&hosts, "http://a.example/");
        let Welcome::Go(place) = hosts.enter(&key, at(0)) else {
            panic!("nobody is there")
        };
        let waiting = hosts.wait(&key, || at(0), Duration::from_mins(1));
        let (got, ()) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            drop(place);
        });
        assert!(got.is_ok());
        drop(got);
        hosts.pause(&key, at(7000));
        let refused = hosts.wait(&key, || at(0), Duration::from_mins(1)).await;
        assert_eq!(refused.err(), Some(at(7000)));
    }
}
