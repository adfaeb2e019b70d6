//! The Unix socket through which the commands reach a running daemon: HTTP/1.1 and JSON under `/v1`.

use std::path::PathBuf;

/// `[control]` of feeds.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the socket is.
    pub socket: PathBuf,
    /// Its permissions.
    pub mode: u32,
}
