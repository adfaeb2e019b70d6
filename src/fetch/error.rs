//! Why a visit failed, in words for machines and for people.

use std::error::Error as StdError;
use std::io;

use super::guard::Closed;
use crate::model::source::Fault;
use crate::model::time::Timestamp;

/// What went wrong on the way to a document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address, or one that it redirects to, may not be visited.
    #[error("{what}")]
    Refused {
        /// Which and why.
        what: String,
    },
    /// Not an address at all.
    #[error("{url:?} is not an address that can be visited")]
    BadUrl {
        /// As written.
        url: String,
    },
    /// No address for the name.
    #[error("{what}")]
    Dns {
        /// Which name and why.
        what: String,
        /// Nobody answered: the fault may be on our side.
        silent: bool,
    },
    /// No connection.
    #[error("{what}")]
    Connect {
        /// What the system said.
        what: String,
        /// Nothing was reached: the fault may be on our side.
        silent: bool,
    },
    /// No trust.
    #[error("no trusted connection: {what}")]
    Tls {
        /// What the library said.
        what: String,
    },
    /// Too slow.
    #[error("too slow: {what}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
    },
    /// An answer, but not a document.
    #[error("it answered {status}{}", reason(*status))]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// More bytes than allowed.
    #[error("it is larger than {}", size(*limit))]
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// The end is missing.
    #[error("it was cut off before its end")]
    Truncated,
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// A content coding that cannot be undone.
    #[error("{what}")]
    Encoding {
        /// What is wrong with it.
        what: String,
    },
    /// A redirect that leads nowhere.
    #[error("{what}")]
    Redirect {
        /// What is wrong with it.
        what: String,
    },
    /// Not HTTP as anybody knows it.
    #[error("its answer is not HTTP: {what}")]
    Protocol {
        /// What the library said.
        what: String,
    },
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{what}")]
    Exec {
        /// Which and how.
        what: String,
    },
    /// A setting of ours cannot be used.
    #[error("{what}{}", .source.as_ref().map(|source| format!(": {source}")).unwrap_or_default())]
    Setting {
        /// Which.
        what: String,
        /// Why.
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
}

fn reason(status: u16) -> String {
    reqwest::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .map(|reason| format!(" {reason}"))
        .unwrap_or_default()
}

fn size(bytes: u64) -> String {
    match bytes {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

impl Error {
    /// A word for machines, as in [`Fault::kind`].
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::BadUrl { .. } => "bad-url",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::TooLarge { .. } => "too-large",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::Encoding { .. } => "encoding",
            Self::Redirect { .. } => "redirect",
            Self::Protocol { .. } => "protocol",
            Self::File { .. } => "file",
            Self::Exec { .. } => "exec",
            Self::Setting { .. } => "setting",
        }
    }

    /// Nothing at all was reached, so it may be our own line that is down.
    #[must_use]
    pub fn silent(&self) -> bool {
        matches!(
            self,
            Self::Dns { silent: true, .. } | Self::Connect { silent: true, .. }
        )
    }

    /// The same for a source's state; `url` is the hop that failed.
    #[must_use]
    pub fn fault(&self, url: &str, at: Timestamp) -> Fault {
        Fault {
            kind: self.kind().to_owned(),
            text: self.to_string(),
            status: match self {
                Self::Status { status } => Some(*status),
                _ => None,
            },
            url: Some(url.to_owned()),
            at,
        }
    }

    /// Reads the chain of causes of a request that brought no answer.
    pub(super) fn from_request(error: &reqwest::Error) -> Self {
        for cause in chain(error) {
            if let Some(closed) = cause.downcast_ref::<Closed>() {
                let what = closed.to_string();
                return match closed {
                    Closed::Private { .. } => Self::Refused { what },
                    Closed::NoAddress { .. } => Self::Dns {
                        what,
                        silent: false,
                    },
                    Closed::NoAnswer { .. } => Self::Dns { what, silent: true },
                };
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return Self::Tls {
                    what: tls.to_string(),
                };
            }
            if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
                if hyper.is_parse_too_large() {
                    return Self::TooLarge {
                        limit: u64::from(super::client::MAX_HEAD),
                    };
                }
                if hyper.is_parse() {
                    return Self::Protocol {
                        what: hyper.to_string(),
                    };
                }
                if hyper.is_incomplete_message() {
                    return Self::Connect {
                        what: "the connection was closed before an answer came".to_owned(),
                        silent: false,
                    };
                }
            }
        }
        if error.is_timeout() {
            return if error.is_connect() {
                Self::Connect {
                    what: "no connection in time".to_owned(),
                    silent: true,
                }
            } else {
                Self::Timeout {
                    what: "no answer came",
                }
            };
        }
        Self::from_io(error)
    }

    /// Reads the chain of causes of a body that broke off.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it stands in `map_err`, which gives it away"
    )]
    pub(super) fn from_body(error: reqwest::Error) -> Self {
        let cut = chain(&error).any(|cause| {
            cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(|hyper| hyper.is_incomplete_message() || hyper.is_body_write_aborted())
                || cause.downcast_ref::<io::Error>().is_some_and(|io| {
                    matches!(
                        io.kind(),
                        io::ErrorKind::UnexpectedEof
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::ConnectionAborted
                    )
                })
        });
        if cut {
            return Self::Truncated;
        }
        Self::Protocol { what: last(&error) }
    }

    fn from_io(error: &reqwest::Error) -> Self {
        let io = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>());
        let silent = io.is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkDown
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::AddrNotAvailable
                    // A gate of our own may say so in everybody's name.
                    | io::ErrorKind::ConnectionRefused
            )
        });
        Self::Connect {
            what: match io.map(io::Error::kind) {
                Some(io::ErrorKind::ConnectionRefused) => "the connection was refused".to_owned(),
                Some(io::ErrorKind::ConnectionReset) => "the connection was reset".to_owned(),
                _ => last(error),
            },
            silent,
        }
    }
}

fn last(error: &reqwest::Error) -> String {
    chain(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The causes, outermost first. An `io::Error` hides the error that it carries; here it comes after it.
fn chain<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = match this
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => this.source(),
        };
        Some(this)
    })
}
