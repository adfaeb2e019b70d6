//! A stream of bytes before it is read: which of the two protocols it speaks, and how little the kernel need do for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::registry::WATCH;

/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A stream that can be looked into before it is read.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The first bytes, once there are some; they stay where they are.
    fn first(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

impl Socket for TcpStream {
    async fn first(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.async_io(Interest::READABLE, || {
            Ok(rustix::net::recv(self, &mut *buffer, RecvFlags::PEEK)?.1)
        })
        .await
    }
}

impl Socket for UnixStream {
    async fn first(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.async_io(Interest::READABLE, || {
            Ok(rustix::net::recv(self, &mut *buffer, RecvFlags::PEEK)?.1)
        })
        .await
    }
}

/// Which of the two protocols a client begins with.
pub(super) async fn begins_http2(stream: &impl Socket) -> io::Result<bool> {
    let mut pause = Duration::from_millis(5);
    loop {
        let mut buffer = [0; 24];
        let seen = stream.first(&mut buffer).await?;
        if let Some(known) = is_http2(&buffer[..seen]) {
            return Ok(known);
        }
        // Too few to say, and they stay readable: look again soon, and less and less often.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(WATCH);
    }
}

/// Whether the first bytes are HTTP/2's; `None` if there are too few to say.
fn is_http2(seen: &[u8]) -> Option<bool> {
    if seen.is_empty() {
        // The client closed without a word; HTTP/1 finds that out by itself.
        return Some(false);
    }
    let length = seen.len().min(PREFACE.len());
    if seen[..length] != PREFACE[..length] {
        return Some(false);
    }
    (length == PREFACE.len()).then_some(true)
}

/// A stream that does not gather what is one piece anyway: that spares the kernel some work.
pub(super) struct Lean<S>(pub(super) S);

impl<S: AsyncRead + Unpin> AsyncRead for Lean<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lean<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match pieces {
            [one] => Pin::new(&mut self.0).poll_write(context, one),
            several => Pin::new(&mut self.0).poll_write_vectored(context, several),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
