//! An answer that is sent while it is made: a backup is larger than the memory of a small server.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::ops;
use crate::ops::backups::{self, Wanted};

/// Pieces that wait for the receiver.
const WAITING: usize = 4;

/// A body that comes from a writer on another thread.
#[derive(Debug)]
pub(super) struct Stream {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let piece = self.pieces.poll_recv(cx);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins a backup. What keeps it from beginning is an error; what happens later breaks the body off.
pub(super) async fn backup(
    context: Arc<ops::Context>,
    wanted: Wanted,
    tasks: &TaskTracker,
) -> Result<Stream, ops::Error> {
    let (sender, mut pieces) = mpsc::channel(WAITING);
    let end = sender.clone();
    let (failed, failure) = tokio::sync::oneshot::channel();
    tasks.spawn(async move {
        match backups::write(&context, Box::new(Pieces(sender)), wanted).await {
            Ok(outline) => {
                tracing::info!(articles = outline.articles, "a backup was made");
            }
            Err(error) => {
                tracing::warn!(error = ops::with_causes(&error), "a backup broke off");
                let _ = end.send(Err(io::Error::other(error.to_string()))).await;
                let _ = failed.send(error);
            }
        }
    });
    match pieces.recv().await {
        Some(Ok(first)) => Ok(Stream {
            first: Some(first),
            pieces,
        }),
        Some(Err(error)) => Err(failure
            .await
            .unwrap_or_else(|_| ops::Error::Failed(error.to_string()))),
        None => Err(ops::Error::Failed("the backup came to nothing".to_owned())),
    }
}
