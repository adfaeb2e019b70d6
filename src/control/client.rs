//! The commands' end of the socket.

use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::BACKUP;
use crate::ops::backups::Wanted;
use crate::ops::{self, ErrorBody, Hello, Request};

/// A daemon that answered.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
    hello: Hello,
}

#[derive(Deserialize)]
struct Failure {
    error: ErrorBody,
}

impl Client {
    /// Asks who is there. `None` if nobody answers.
    ///
    /// # Errors
    /// If somebody answers but is no aggd that we understand, or we may not ask.
    pub async fn connect(path: &Path) -> Result<Option<Self>, ops::Error> {
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(ops::Error::NotAllowed(format!(
                    "you may not use the control socket {}; join its group",
                    path.display()
                )));
            }
            // Not there, or left by a daemon that is gone.
            Err(_) => return Ok(None),
        };
        let answer = ask(stream, &Request::Hello {}).await?;
        let hello: Hello = serde_json::from_str(&answer).map_err(|_| {
            ops::Error::Failed(format!(
                "what answers at {} is not aggd, or another version of it",
                path.display()
            ))
        })?;
        if hello.protocol != ops::PROTOCOL {
            return Err(ops::Error::Failed(format!(
                "this is aggd {}, the running daemon (process {}) is {} and does not understand it; restart the daemon",
                env!("CARGO_PKG_VERSION"),
                hello.pid,
                hello.version
            )));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            hello,
        }))
    }

    /// What the daemon said of itself.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Asks; the answer is the text of a JSON document.
    ///
    /// # Errors
    /// What the daemon says, or [`ops::Error::NeedsDaemon`] if it is gone.
    pub async fn ask(&self, request: &Request) -> Result<String, ops::Error> {
        ask(self.stream().await?, request).await
    }

    /// Has a backup made and writes it as it comes.
    ///
    /// # Errors
    /// What the daemon says, [`ops::Error::NeedsDaemon`] if it is gone, or what `into` says.
    pub async fn backup(
        &self,
        wanted: Wanted,
        mut into: Box<dyn Write + Send>,
    ) -> Result<(), ops::Error> {
        let body = serde_json::to_string(&wanted)
            .map_err(|error| ops::Error::Failed(format!("no request: {error}")))?;
        let path = format!("/v1/{BACKUP}");
        exchange(self.stream().await?, path, body, async |mut answer| {
            while let Some(frame) = answer.frame().await {
                let frame = frame.map_err(|error| broken(&error))?;
                if let Ok(bytes) = frame.into_data() {
                    into.write_all(&bytes).map_err(|error| unwritten(&error))?;
                }
            }
            into.flush().map_err(|error| unwritten(&error))
        })
        .await
    }

    async fn stream(&self) -> Result<UnixStream, ops::Error> {
        let connected = UnixStream::connect(&self.path).await;
        connected.map_err(|_| ops::Error::NeedsDaemon)
    }
}

fn unwritten(error: &std::io::Error) -> ops::Error {
    ops::Error::Failed(format!("the backup cannot be written: {error}"))
}

fn broken(error: &dyn std::error::Error) -> ops::Error {
    ops::Error::Failed(format!("the daemon broke off: {}", ops::with_causes(error)))
}

async fn ask(stream: UnixStream, request: &Request) -> Result<String, ops::Error> {
    let (path, body) = spell(request)?;
    exchange(stream, path, body, async |answer| {
        let body = answer.collect().await.map_err(|error| broken(&error))?;
        String::from_utf8(body.to_bytes().into()).map_err(|error| broken(&error))
    })
    .await
}

/// Sends a request and has a good answer read.
async fn exchange<T>(
    stream: UnixStream,
    path: String,
    body: String,
    read: impl AsyncFnOnce(Incoming) -> Result<T, ops::Error>,
) -> Result<T, ops::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let request = http::Request::post(path)
        .header(header::HOST, "aggd")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| broken(&error))?;
    let answer = async move {
        let sent = sender.send_request(request).await;
        let response = sent.map_err(|error| broken(&error))?;
        if response.status().is_success() {
            return read(response.into_body()).await;
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        let failure: Failure = serde_json::from_slice(&body).map_err(|error| broken(&error))?;
        Err(back(failure.error))
    };
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

/// The variant is the path, what it holds is the body.
fn spell(request: &Request) -> Result<(String, String), ops::Error> {
    let value = serde_json::to_value(request)
        .map_err(|error| ops::Error::Failed(format!("no request: {error}")))?;
    value
        .as_object()
        .and_then(|object| object.iter().next())
        .map(|(name, held)| (format!("/v1/{name}"), held.to_string()))
        .ok_or_else(|| ops::Error::Failed("no request".to_owned()))
}

fn back(body: ErrorBody) -> ops::Error {
    match body.kind.as_str() {
        "not-found" => ops::Error::NotFound(body.text),
        "invalid" => ops::Error::Invalid(body.text),
        "refused" => ops::Error::Refused(body.text),
        "needs-daemon" => ops::Error::NeedsDaemon,
        "config" => ops::Error::Config(body.text),
        _ => ops::Error::Told(body),
    }
}
