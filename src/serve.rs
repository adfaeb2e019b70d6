//! Step 8. Answers requests with what `publish` made; never reads a source, never writes the store.
//!
//! One task accepts connections and hands them in turn to a few threads, each with a runtime of its own: a connection
//! never changes its thread, so that answering from memory costs little more than the kernel's share. Limits stand at
//! the door: connections, the time and size of a request's head, requests of one client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::model::time::Timestamp;
use crate::publish::Publisher;

mod client;
mod coding;
mod conditional;
mod connection;
mod door;
mod listen;
mod registry;
mod route;
mod socket;
mod status;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// `HOST:PORT`; port 0 takes a free one.
    Tcp(std::net::SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `fd:NAME`, a socket passed by systemd under that name.
    Passed(String),
}

/// `[server]` of feeds.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// One or several.
    pub listen: Vec<Listen>,
    /// Connections at once.
    pub max_connections: usize,
    /// Requests a minute for one client; `None`: off.
    pub per_client: Option<u32>,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` name the client.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

impl Options {
    /// The TCP addresses among those to listen on.
    pub fn tcp_addresses(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        self.listen.iter().filter_map(|one| match one {
            Listen::Tcp(address) => Some(*address),
            Listen::Unix(_) | Listen::Passed(_) => None,
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(std::net::SocketAddr::from((
                [127, 0, 0, 1],
                8080,
            )))],
            max_connections: 1024,
            per_client: Some(600),
            trusted_proxies: Vec::new(),
        }
    }
}

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {place}")]
    Listen {
        /// Address, path or name.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// systemd passed no socket of that name.
    #[error("no socket named `{0}` was passed; the .socket unit must say FileDescriptorName={0}")]
    NotPassed(String),
    /// A thread could not be started.
    #[error("cannot start a server thread: {0}")]
    Thread(std::io::Error),
}

/// A server that listens, and answers once it runs.
pub struct Server {
    listeners: Vec<listen::Listener>,
    workers: connection::Workers,
    shared: Arc<route::Shared>,
    max_connections: usize,
}

impl Server {
    /// Opens the sockets; clients may connect from now on, and wait. `now` tells the time, for `/metrics` alone. The threads
    /// that answer are as nice as the caller's.
    ///
    /// # Errors
    /// [`Error::Listen`] and [`Error::NotPassed`], for the first socket that does not open; [`Error::Thread`].
    pub fn bind(
        options: &Options,
        publisher: Arc<Publisher>,
        metrics: Metrics,
        now: Now,
    ) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for place in &options.listen {
            listeners.extend(listen::open(place)?);
        }
        let shared = Arc::new(route::Shared::new(options, publisher, metrics, now));
        Ok(Self {
            listeners,
            workers: connection::Workers::start(&shared)?,
            shared,
            max_connections: options.max_connections.max(1),
        })
    }

    /// Addresses of the TCP sockets, with the ports that were taken.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(listen::Listener::address)
            .collect()
    }

    /// Answers until `stop`, then gives requests under way at most `drain` to end.
    pub async fn run(self, stop: CancellationToken, drain: Duration) {
        connection::run(
            self.listeners,
            self.workers,
            self.shared,
            self.max_connections,
            stop,
            drain,
        )
        .await;
    }
}
