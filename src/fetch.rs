//! Step 1. Brings a document from a source, politely and within limits; never parses, never keeps anything.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::source::Proxy;

/// `[fetch]` of feeds.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `User-Agent`, already expanded (`aggd/VERSION (+URL)`).
    pub user_agent: String,
    /// Visits under way at once.
    pub in_flight: usize,
    /// Manners towards one host.
    pub per_host: HostLimits,
    /// Manners of their own, by registrable domain.
    pub site: BTreeMap<String, HostLimits>,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for the whole exchange, redirects included.
    pub total_timeout: Duration,
    /// Bytes after decompression; half of it before.
    pub max_body: u64,
    /// Private networks that may be visited, as CIDR.
    pub allow_private: Vec<ipnet::IpNet>,
    /// Way out.
    pub proxy: Proxy,
}

/// `{ at_once, spacing }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// Connections at a time.
    pub at_once: usize,
    /// Time between the starts of two requests.
    pub spacing: Duration,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            at_once: 2,
            spacing: Duration::from_secs(1),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("aggd/", env!("CARGO_PKG_VERSION")).to_owned(),
            in_flight: 256,
            per_host: HostLimits::default(),
            site: BTreeMap::new(),
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
            max_body: 32 << 20,
            allow_private: Vec::new(),
            proxy: Proxy::None,
        }
    }
}
