//! Sockets: our own ones, and those that systemd passes. Opening fails with a sentence; accepting never ends.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::{Error, Listen};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// An open socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(std::net::TcpListener),
    /// With the path to remove when we end, if we made it.
    Unix(std::os::unix::net::UnixListener, Option<PathBuf>),
}

impl Listener {
    /// The address of a TCP socket.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            // Whoever removed it before us did what we wanted.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens a place to listen: one socket, or all that were passed under a name.
pub(super) fn open(listen: &Listen) -> Result<Vec<Listener>, Error> {
    let refused = |place: String| move |source| Error::Listen { place, source };
    match listen {
        Listen::Tcp(address) => tcp(*address)
            .map(|one| vec![one])
            .map_err(refused(address.to_string())),
        Listen::Unix(path) => unix(path)
            .map(|one| vec![one])
            .map_err(refused(path.display().to_string())),
        Listen::Passed(name) => passed(name),
    }
}

fn tcp(address: SocketAddr) -> io::Result<Listener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A restart must not wait for connections that linger.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(Listener::Tcp(socket.into()))
}

fn unix(path: &Path) -> io::Result<Listener> {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|entry| entry.file_type().is_socket());
    // A socket that nobody answers was left by a process that died.
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // What is served is public; the directory decides who may come this way.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(Listener::Unix(listener, Some(path.to_owned())))
}

/// The sockets from the service manager: a unit with several addresses passes them under one name. `sd-notify` knows the
/// names, `listenfd` takes the descriptor of a number.
fn passed(name: &str) -> Result<Vec<Listener>, Error> {
    let refused = |source| Error::Listen {
        place: format!("the passed socket `{name}`"),
        source,
    };
    let numbers: Vec<usize> = sd_notify::listen_fds_with_names()
        .map_err(refused)?
        .enumerate()
        .filter(|(_, (_, known))| known == name)
        .map(|(number, _)| number)
        .collect();
    if numbers.is_empty() {
        return Err(Error::NotPassed(name.to_owned()));
    }
    let mut sockets = listenfd::ListenFd::from_env();
    let mut take = |number| -> io::Result<Option<Listener>> {
        if let Ok(Some(listener)) = sockets.take_tcp_listener(number) {
            listener.set_nonblocking(true)?;
            return Ok(Some(Listener::Tcp(listener)));
        }
        let Some(listener) = sockets.take_unix_listener(number)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true)?;
        Ok(Some(Listener::Unix(listener, None)))
    };
    numbers
        .into_iter()
        .map(|number| {
            take(number)
                .map_err(refused)?
                .ok_or_else(|| Error::NotPassed(name.to_owned()))
        })
        .collect()
}
