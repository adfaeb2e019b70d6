//! Connections: accepted by one task, served by a few threads, watched by a third party that ends those who only hold
//! a place.
//!
//! A slow client ("slow loris") never completes its first request. It is ended after [`HEAD`], and earlier if its place
//! is needed: when all are taken, the connection goes that waited longest without having asked for anything.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Error;
use super::client::Peer;
use super::listen::Listener;
use super::route::{self, AtOnce, Reply, Shared};

/// A connection must complete its first request within this time.
const HEAD: Duration = Duration::from_secs(10);
/// A connection may be idle for this time, or send a further request that slowly.
const IDLE: Duration = Duration::from_secs(75);
/// Nobody needs longer to take a document.
const LONGEST: Duration = Duration::from_mins(10);
/// Rounds that a connection has for ending in order when its place is needed.
const PATIENCE: u64 = 2;
/// How often the watch goes round.
const WATCH: Duration = Duration::from_secs(1);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A connection on its way to the thread that will serve it.
struct Accepted {
    stream: Stream,
    peer: Peer,
    place: OwnedSemaphorePermit,
}

enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// What is known of an open connection.
#[derive(Debug)]
struct Conn {
    /// Requests begun.
    requests: AtomicU32,
    /// Requests that are being answered.
    busy: AtomicU32,
    /// The round of the watch in which a request last ended, or the connection began.
    since: AtomicU64,
    /// Ends it once it has nothing more to do.
    end: CancellationToken,
    /// The round in which it was asked to end for the sake of others, counted from 1.
    asked_to_end: AtomicU64,
}

/// All open connections.
#[derive(Debug, Default)]
struct Registry {
    conns: Mutex<HashMap<u64, (Arc<Conn>, AbortHandle)>>,
    /// Rounds of the watch so far: a clock that costs nothing to read.
    round: AtomicU64,
    last: AtomicU64,
}

impl Registry {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (Arc<Conn>, AbortHandle)>> {
        self.conns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round of the watch.
    fn watch(&self) {
        let round = self.round.fetch_add(1, Relaxed) + 1;
        for (conn, abort) in self.lock().values() {
            if conn.busy.load(Relaxed) > 0 {
                continue;
            }
            let idle = Duration::from_secs(
                WATCH.as_secs() * round.saturating_sub(conn.since.load(Relaxed)),
            );
            if conn.requests.load(Relaxed) == 0 && idle > HEAD || idle > LONGEST {
                abort.abort();
            } else if idle > IDLE {
                conn.end.cancel();
            }
        }
    }

    /// Frees places: of those that never asked for anything, else of those that are idle, the ones that wait longest. Who
    /// does not take what was sent to it cannot end in order, and is cut off when others have waited for that.
    fn make_room(&self, most: usize) {
        let round = self.round.load(Relaxed) + 1;
        let conns = self.lock();
        for (conn, abort) in conns.values() {
            let asked = conn.asked_to_end.load(Relaxed);
            if asked > 0 && round > asked + PATIENCE && conn.busy.load(Relaxed) == 0 {
                abort.abort();
            }
        }
        // The others go on meanwhile: what orders them is read once.
        let mut idle: Vec<_> = conns
            .iter()
            .filter(|(_, (conn, abort))| {
                conn.busy.load(Relaxed) == 0 && !conn.end.is_cancelled() && !abort.is_finished()
            })
            .map(|(id, (conn, abort))| {
                let asked = conn.requests.load(Relaxed) > 0;
                ((asked, conn.since.load(Relaxed), *id), conn, abort)
            })
            .collect();
        if most < idle.len() {
            // Only whom it hits matters, not in which order.
            idle.select_nth_unstable_by_key(most - 1, |(order, ..)| *order);
        }
        for (_, conn, abort) in idle.into_iter().take(most) {
            conn.end.cancel();
            conn.asked_to_end.store(round, Relaxed);
            if conn.requests.load(Relaxed) == 0 {
                abort.abort();
            }
        }
    }
}

/// Serves until `stop`, then lets requests end for at most `drain`.
pub(super) async fn run(
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    max_connections: usize,
    stop: CancellationToken,
    drain: Duration,
) -> Result<(), Error> {
    let registry = Arc::new(Registry::default());
    let workers = Workers::start(&shared, &registry)?;
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
    workers.finish(&registry, drain).await;
    Ok(())
}

/// The threads that serve connections.
struct Workers {
    inboxes: Vec<mpsc::UnboundedSender<Accepted>>,
    done: TaskTracker,
}

impl Workers {
    /// Answering from memory is so cheap that half of the cores are plenty; the others poll and render.
    fn start(shared: &Arc<Shared>, registry: &Arc<Registry>) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let done = TaskTracker::new();
        let mut inboxes = Vec::new();
        for number in 0..cores.div_ceil(2).min(16) {
            let (inbox, accepted) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Error::Thread)?;
            let shared = Arc::clone(shared);
            let registry = Arc::clone(registry);
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
        Ok(Self { inboxes, done })
    }

    /// Waits for the last connections, for at most `drain`.
    async fn finish(self, registry: &Registry, drain: Duration) {
        drop(self.inboxes);
        if tokio::time::timeout(drain, self.done.wait()).await.is_err() {
            for (_, abort) in registry.lock().values() {
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
        let conn = Arc::new(Conn {
            requests: AtomicU32::default(),
            busy: AtomicU32::default(),
            since: AtomicU64::new(registry.round.load(Relaxed)),
            end: CancellationToken::new(),
            asked_to_end: AtomicU64::default(),
        });
        let id = registry.last.fetch_add(1, Relaxed);
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

/// Takes a connection out of the registry, however it ends.
struct Entry<'a> {
    registry: &'a Registry,
    id: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.id);
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What an acceptor needs.
struct Door {
    inboxes: Vec<mpsc::UnboundedSender<Accepted>>,
    next: Arc<AtomicU64>,
    places: Arc<Semaphore>,
    registry: Arc<Registry>,
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

async fn accept(listener: Listener, door: Door, stop: CancellationToken) {
    let ended = match &listener {
        Listener::Tcp(socket) => accept_tcp(socket, &door, &stop).await,
        Listener::Unix(socket, _) => accept_unix(socket, &door, &stop).await,
    };
    if let Err(error) = ended {
        tracing::error!(%error, "cannot accept connections");
    }
}

async fn accept_tcp(
    socket: &std::net::TcpListener,
    door: &Door,
    stop: &CancellationToken,
) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket.try_clone()?)?;
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            place = door.place() => place,
        };
        let (stream, address): (TcpStream, SocketAddr) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            },
        };
        // A head and its document should leave at once.
        let _ = stream.set_nodelay(true);
        if let Ok(stream) = stream.into_std() {
            let peer = Peer::Address(address.ip().to_canonical());
            door.hand(Accepted {
                stream: Stream::Tcp(stream),
                peer,
                place,
            });
        }
    }
}

async fn accept_unix(
    socket: &std::os::unix::net::UnixListener,
    door: &Door,
    stop: &CancellationToken,
) -> io::Result<()> {
    let socket = tokio::net::UnixListener::from_std(socket.try_clone()?)?;
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            place = door.place() => place,
        };
        let stream = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            },
        };
        if let Ok(stream) = stream.into_std() {
            door.hand(Accepted {
                stream: Stream::Unix(stream),
                peer: Peer::Local,
                place,
            });
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

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A stream that can be looked into before it is read.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
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
async fn begins_http2(stream: &impl Socket) -> io::Result<bool> {
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

/// A stream that does not gather what is one piece anyway: that spares the kernel some work.
struct Lean<S>(S);

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
                place
                    .conn
                    .since
                    .store(place.registry.round.load(Relaxed), Relaxed);
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

/// Marks a connection as busy while a request is answered.
struct Busy<'a> {
    conn: &'a Conn,
    registry: &'a Registry,
}

impl<'a> Busy<'a> {
    fn new(conn: &'a Conn, registry: &'a Registry) -> Self {
        conn.busy.fetch_add(1, Relaxed);
        Self { conn, registry }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.conn
            .since
            .store(self.registry.round.load(Relaxed), Relaxed);
        self.conn.busy.fetch_sub(1, Relaxed);
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
