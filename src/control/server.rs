//! The daemon's end of the socket.

use std::convert::Infallible;
use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::stream::{self, Stream};
use super::{BACKUP, Error};
use crate::config::Control;
use crate::ops::{self, Context, Request};

/// Bytes of one request.
const MOST_BYTES: usize = 1 << 20;
/// Commands served at once; more wait.
const AT_ONCE: usize = 64;
/// Time for a command to say what it wants.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a stranger is listened to before the door is shut.
const REFUSAL: Duration = Duration::from_secs(1);

/// The body of an answer.
type Answer = BoxBody<Bytes, std::io::Error>;

/// The bound socket.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    group: u32,
    inode: u64,
}

impl Server {
    /// Makes the socket, in place of one that a dead daemon left. To be called once the store is ours.
    ///
    /// # Errors
    /// If another daemon answers there, something else is there, or the system refuses.
    pub fn bind(options: &Control) -> Result<Self, Error> {
        let path = options.socket.as_path();
        let io = |what| {
            let path = path.to_owned();
            move |source| Error::Io { what, path, source }
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io("cannot make the directory of"))?;
        }
        clear(path)?;
        // Bound under another name and renamed: nobody meets it before it has its permissions.
        let name = format!(
            ".{}.{}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        );
        let early = path.with_file_name(name);
        let _ = std::fs::remove_file(&early);
        let bound = UnixListener::bind(&early).map_err(io("cannot make the socket"))?;
        let placed = std::fs::set_permissions(&early, Permissions::from_mode(options.mode))
            .and_then(|()| std::fs::rename(&early, path))
            .and_then(|()| std::fs::symlink_metadata(path));
        let meta = placed.map_err(|source| {
            let _ = std::fs::remove_file(&early);
            io("cannot make the socket")(source)
        })?;
        Ok(Self {
            listener: bound,
            path: path.to_owned(),
            group: meta.gid(),
            inode: meta.ino(),
        })
    }

    /// Answers until `stop`, then lets what is under way come to its end and takes the socket away.
    pub async fn run(self, stop: CancellationToken, context: Arc<Context>) {
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let context = Arc::clone(&context);
                    let (stop, own) = (stop.clone(), tasks.clone());
                    let welcome = self.is_closed_to_others() || allowed(&stream, self.group);
                    tasks.spawn(async move {
                        if welcome {
                            serve(stream, context, stop, own).await;
                        } else {
                            refuse(stream).await;
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: they come back when others close.
                    tracing::warn!(%error, "the control socket cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
        let ours = std::fs::symlink_metadata(&self.path);
        if ours.is_ok_and(|meta| meta.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Server {
    /// With the usual permissions the kernel lets nobody else connect. It also knows the groups of whoever does, which
    /// a sandbox hides from us.
    fn is_closed_to_others(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.mode() & 0o002 == 0)
    }
}

/// Makes way: a socket at which nobody answers is what a killed daemon left.
fn clear(path: &Path) -> Result<(), Error> {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !meta.file_type().is_socket() {
        return Err(Error::NotASocket {
            path: path.to_owned(),
        });
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(source) => Err(Error::Io {
            what: "cannot look at",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Root, the daemon's own user, and members of the socket's group: even where `mode` is open to everybody.
fn allowed(stream: &UnixStream, group: u32) -> bool {
    let Ok(peer) = stream.peer_cred() else {
        return false;
    };
    let ours = rustix::process::geteuid().as_raw();
    let fits = peer.uid() == 0
        || peer.uid() == ours
        || peer.gid() == group
        || peer
            .pid()
            .is_some_and(|pid| groups_of(pid).contains(&group));
    if !fits {
        tracing::warn!(uid = peer.uid(), "refused on the control socket");
    }
    fits
}

/// Supplementary groups, which the socket's credentials do not carry.
fn groups_of(pid: i32) -> Vec<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Groups:"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|group| group.parse().ok())
        .collect()
}

/// Says so: a connection that only breaks off looks like a fault of ours.
async fn refuse(stream: UnixStream) {
    let text = "you may not use the control socket; join its group";
    let service = service_fn(async |_| {
        Ok::<_, Infallible>(failure(&ops::Error::NotAllowed(text.to_owned())))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever does not ask gets no answer, and holds no place.
    let _ = tokio::time::timeout(REFUSAL, connection).await;
}

async fn serve(
    stream: UnixStream,
    context: Arc<Context>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let service = service_fn(move |request| {
        let context = Arc::clone(&context);
        let tasks = tasks.clone();
        async move { Ok::<_, Infallible>(respond(&context, request, &tasks).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection on the control socket broke off");
    }
}

async fn respond(
    context: &Arc<Context>,
    request: hyper::Request<Incoming>,
    tasks: &TaskTracker,
) -> Response<Answer> {
    let name = match request.uri().path().strip_prefix("/v1/") {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let text = "the control socket answers POST /v1/NAME".to_owned();
            return failure(&ops::Error::NotFound(text));
        }
    };
    if request.method() != Method::POST {
        let text = format!("/v1/{name} answers POST");
        let mut response = failure(&ops::Error::Invalid(text));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let Ok(body) = Limited::new(request.into_body(), MOST_BYTES)
        .collect()
        .await
    else {
        return failure(&ops::Error::Invalid("the request is too long".to_owned()));
    };
    let body = body.to_bytes();
    if name == BACKUP {
        return match begin_backup(context, &body, tasks).await {
            Ok(stream) => Response::new(stream.boxed()),
            Err(error) => failure(&error),
        };
    }
    match read(&name, &body) {
        Ok(request) => match ops::answer(context, request).await {
            Ok(answer) => response(StatusCode::OK, answer),
            Err(error) => failure(&error),
        },
        Err(error) => failure(&error),
    }
}

async fn begin_backup(
    context: &Arc<Context>,
    body: &[u8],
    tasks: &TaskTracker,
) -> Result<Stream, ops::Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    let wanted = serde_json::from_slice(body)
        .map_err(|error| ops::Error::Invalid(format!("the request makes no sense: {error}")))?;
    stream::backup(Arc::clone(context), wanted, tasks).await
}

/// The path names the variant, the body is what it holds; an empty one stands for nothing but defaults.
fn read(name: &str, body: &[u8]) -> Result<Request, ops::Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    let held: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| ops::Error::Invalid(format!("the request is not JSON: {error}")))?;
    serde_json::from_value(json!({ name: held })).map_err(|error| {
        ops::Error::Invalid(format!(
            "aggd {} does not know this request /v1/{name}: {error}",
            env!("CARGO_PKG_VERSION")
        ))
    })
}

fn response(status: StatusCode, mut body: String) -> Response<Answer> {
    body.push('\n');
    let body = Full::new(Bytes::from(body));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}

fn failure(error: &ops::Error) -> Response<Answer> {
    let body = error.body();
    let status = match body.kind.as_str() {
        "not-found" => StatusCode::NOT_FOUND,
        "invalid" => StatusCode::BAD_REQUEST,
        "refused" => StatusCode::CONFLICT,
        "config" => StatusCode::UNPROCESSABLE_ENTITY,
        "not-allowed" => StatusCode::FORBIDDEN,
        "needs-daemon" | "busy" => StatusCode::SERVICE_UNAVAILABLE,
        "full" => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    response(status, json!({ "error": body }).to_string())
}
