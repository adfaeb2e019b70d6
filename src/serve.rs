//! Step 8. Answers requests with what `publish` made; never reads a source, never writes the store.

use std::path::PathBuf;

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
