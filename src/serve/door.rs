//! The door: accepts connections, one place for each, and hands them in turn to the threads that serve.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::client::Peer;
use super::listen::Listener;
use super::registry::{Registry, WATCH};

/// A connection on its way to the thread that will serve it.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) place: OwnedSemaphorePermit,
}

pub(super) enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// What an acceptor needs.
pub(super) struct Door {
    pub(super) inboxes: Vec<mpsc::UnboundedSender<Accepted>>,
    pub(super) next: Arc<AtomicU64>,
    pub(super) places: Arc<Semaphore>,
    pub(super) registry: Arc<Registry>,
}

impl Door {
    /// A place for one more connection; others make room for it.
    async fn place(&self) -> OwnedSemaphorePermit {
        let mut most = 1;
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return place;
            }
            self.registry.make_room(most);
            // Those who were asked may take their time: ask more of them.
            most *= 2;
            let freed = tokio::time::timeout(WATCH, Arc::clone(&self.places).acquire_owned()).await;
            if let Ok(Ok(place)) = freed {
                return place;
            }
        }
    }

    fn hand(&self, accepted: Accepted) {
        let number = self.next.fetch_add(1, Relaxed);
        let inbox = usize::try_from(number).unwrap_or_default() % self.inboxes.len();
        // The threads end only after the acceptors.
        let _ = self.inboxes[inbox].send(accepted);
    }
}

/// A listening socket of either kind.
enum Socket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Socket {
    fn of(listener: &Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(socket) => {
                Self::Tcp(tokio::net::TcpListener::from_std(socket.try_clone()?)?)
            }
            Listener::Unix(socket, _) => {
                Self::Unix(tokio::net::UnixListener::from_std(socket.try_clone()?)?)
            }
        })
    }

    /// The next connection, free to be taken to another thread.
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                // A head and its document should leave at once.
                let _ = stream.set_nodelay(true);
                let peer = Peer::Address(address.ip().to_canonical());
                Ok((Stream::Tcp(stream.into_std()?), peer))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream.into_std()?), Peer::Local))
            }
        }
    }
}

/// Accepts connections until `stop`.
pub(super) async fn accept(listener: Listener, door: Door, stop: CancellationToken) {
    let socket = match Socket::of(&listener) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "cannot accept connections");
            return;
        }
    };
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return,
            place = door.place() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => door.hand(Accepted {
                stream,
                peer,
                place,
            }),
            Err(error) => pause(&error).await,
        }
    }
}

/// Without file descriptors accepting fails at once and for ever: then wait for one to be closed.
async fn pause(error: &io::Error) {
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    ) {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
