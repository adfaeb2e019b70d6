//! Connections: a few threads serve those that come through the door, each from its first byte to its last.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Error;
use super::client::Peer;
use super::door::{Accepted, Door, Stream, accept};
use super::listen::Listener;
use super::registry::{Busy, Conn, Entry, IDLE, Registry, WATCH};
use super::route::{self, AtOnce, Reply, Shared};
use super::socket::{Lean, Socket, begins_http2};
use crate::nice;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;

/// Serves until `stop`, then lets requests end for at most `drain`.
pub(super) async fn run(
    listeners: Vec<Listener>,
    workers: Workers,
    shared: Arc<Shared>,
    max_connections: usize,
    stop: CancellationToken,
    drain: Duration,
) {
    let registry = Arc::clone(&workers.registry);
    let places = Arc::new(Semaphore::new(max_connections));
    let mut acceptors = JoinSet::new();
    let next = Arc::new(AtomicU64::default());
    for listener in listeners {
        let door = Door {
            inboxes: workers.inboxes.clone(),
            next: Arc::clone(&next),
            places: Arc::clone(&places),
            registry: Arc::clone(&registry),
        };
        acceptors.spawn(accept(listener, door, stop.clone()));
    }
    let mut rounds = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = rounds.tick() => registry.watch(),
        }
    }
    shared.closing.store(true, Relaxed);
    acceptors.join_all().await;
    for (conn, _) in registry.lock().values() {
        conn.end.cancel();
    }
    workers.finish(drain).await;
}

/// Threads that one of these may have for rendering: see `daemon::blocking_threads`.
const RENDERING: usize = 8;

/// The threads that serve connections. They end once nothing more will come in.
pub(super) struct Workers {
    registry: Arc<Registry>,
    inboxes: Vec<mpsc::UnboundedSender<Accepted>>,
    done: TaskTracker,
}

impl Workers {
    /// Answering from memory is so cheap that half of the cores are plenty; the others poll and render. A thread is as nice
    /// as the one that starts it.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let registry = Arc::new(Registry::default());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let done = TaskTracker::new();
        let mut inboxes = Vec::new();
        for number in 0..cores.div_ceil(2).min(16) {
            let (inbox, accepted) = mpsc::unbounded_channel();
            // This thread answers; those that its runtime starts render.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .on_thread_start(nice::behind(1))
                .max_blocking_threads(RENDERING)
                .build()
                .map_err(Error::Thread)?;
            let shared = Arc::clone(shared);
            let registry = Arc::clone(&registry);
            let token = done.token();
            std::thread::Builder::new()
                .name(format!("serve-{number}"))
                .spawn(move || {
                    runtime.block_on(work(accepted, shared, registry));
                    drop(token);
                })
                .map_err(Error::Thread)?;
            inboxes.push(inbox);
        }
        done.close();
        Ok(Self {
            registry,
            inboxes,
            done,
        })
    }

    /// Waits for the last connections, for at most `drain`.
    async fn finish(self, drain: Duration) {
        drop(self.inboxes);
        if tokio::time::timeout(drain, self.done.wait()).await.is_err() {
            for (_, abort) in self.registry.lock().values() {
                abort.abort();
            }
            self.done.wait().await;
        }
    }
}

/// One thread: serves what comes in, until nothing more will and all is served.
async fn work(
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    shared: Arc<Shared>,
    registry: Arc<Registry>,
) {
    let tasks = TaskTracker::new();
    while let Some(one) = accepted.recv().await {
        let (id, conn) = registry.newcomer();
        // Registered before it can end, so that it is never left in the registry.
        let mut conns = registry.lock();
        let task = {
            let (shared, registry, conn, tasks_inside) = (
                Arc::clone(&shared),
                Arc::clone(&registry),
                Arc::clone(&conn),
                tasks.clone(),
            );
            tasks.spawn(async move {
                let _place = one.place;
                let _entry = Entry {
                    registry: &registry,
                    id,
                };
                shared.metrics.connections.inc();
                let counted = shared.metrics.connections.clone();
                let _counted = OnDrop(move || {
                    counted.dec();
                });
                let served = match one.stream {
                    Stream::Tcp(stream) => match TcpStream::from_std(stream) {
                        Ok(stream) => {
                            serve(stream, one.peer, &shared, &registry, &conn, tasks_inside).await
                        }
                        Err(error) => Err(error.into()),
                    },
                    Stream::Unix(stream) => match UnixStream::from_std(stream) {
                        Ok(stream) => {
                            serve(stream, one.peer, &shared, &registry, &conn, tasks_inside).await
                        }
                        Err(error) => Err(error.into()),
                    },
                };
                if let Err(error) = served {
                    tracing::trace!(%error, "a connection ended early");
                }
            })
        };
        conns.insert(id, (conn, task.abort_handle()));
    }
    tasks.close();
    tasks.wait().await;
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn serve(
    stream: impl Socket,
    peer: Peer,
    shared: &Arc<Shared>,
    registry: &Arc<Registry>,
    conn: &Arc<Conn>,
    tasks: TaskTracker,
) -> Result<(), Failure> {
    let modern = begins_http2(&stream).await?;
    let desk = Desk(Arc::new(Place {
        free: shared.limit.is_free(peer),
        peer,
        shared: Arc::clone(shared),
        registry: Arc::clone(registry),
        conn: Arc::clone(conn),
    }));
    let io = TokioIo::new(Lean(stream));
    if modern {
        let served = http2::Builder::new(Spawn(tasks))
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(IDLE)
            .serve_connection(io, desk);
        let mut served = pin!(served);
        if let Some(done) = until(served.as_mut(), &conn.end).await {
            return Ok(done?);
        }
        served.as_mut().graceful_shutdown();
        Ok(served.await?)
    } else {
        let served = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(io, desk);
        let mut served = pin!(served);
        if let Some(done) = until(served.as_mut(), &conn.end).await {
            return Ok(done?);
        }
        served.as_mut().graceful_shutdown();
        Ok(served.await?)
    }
}

/// What the connection comes to, or `None` if it is to end before. The token is asked once; after that it wakes the task,
/// which is the only reason to look again: nearly every poll is for a request.
async fn until<F: Future>(mut served: Pin<&mut F>, end: &CancellationToken) -> Option<F::Output> {
    let mut ended = pin!(end.cancelled());
    let mut registered = false;
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = served.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        if registered && !end.is_cancelled() {
            return Poll::Pending;
        }
        registered = true;
        ended.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Where the requests of one connection are answered.
struct Desk(Arc<Place>);

struct Place {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    conn: Arc<Conn>,
    peer: Peer,
    /// Requests from there are not counted.
    free: bool,
}

/// An answer that is there, or one to wait for.
enum Answering {
    Ready(Option<Reply>),
    Slow(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl Future for Answering {
    type Output = Result<Reply, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(reply) => Poll::Ready(Ok(reply
                .take()
                .expect("a future is not polled after its end"))),
            Self::Slow(reply) => reply.as_mut().poll(context).map(Ok),
        }
    }
}

impl Service<http::Request<Incoming>> for Desk {
    type Response = Reply;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: http::Request<Incoming>) -> Answering {
        let place = &self.0;
        let started = Instant::now();
        place.conn.requests.fetch_add(1, Relaxed);
        let asked = match route::at_once(&place.shared, place.peer, place.free, started, &request) {
            AtOnce::Reply(reply) => {
                place.registry.answered(&place.conn);
                return Answering::Ready(Some(reply));
            }
            AtOnce::Not(asked) => asked,
        };
        let place = Arc::clone(place);
        Answering::Slow(Box::pin(async move {
            let _busy = Busy::new(&place.conn, &place.registry);
            route::answer(&place.shared, asked, started, &request).await
        }))
    }
}

/// HTTP/2 answers the requests of a connection in tasks of their own; they are waited for like all others.
#[derive(Clone)]
struct Spawn(TaskTracker);

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
