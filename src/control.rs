//! The Unix socket through which the commands reach a running daemon: HTTP/1.1 and JSON under `/v1`.
//!
//! [`server`] answers requests of root, of its own user and of the socket's group; [`client`] asks them. What is asked and
//! answered belongs to `ops`; this room only carries it.

pub mod client;
pub mod server;
mod stream;

use std::path::PathBuf;

pub use client::Client;
pub use server::Server;

/// The one request whose answer is no JSON: `POST /v1/backup`.
const BACKUP: &str = "backup";

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody answers there already.
    #[error("another daemon answers at {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there, and we do not remove what is not ours.
    #[error("{} is there and is not a socket; remove it, or set [control] socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
