//! How a command ends: the one list of exit codes, and failures in words.

use std::fmt;
use std::process::ExitCode;

use crate::config;
use crate::ops;

/// Exit codes; those from 69 on are the ones of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Called wrongly.
    Usage = 2,
    /// Nothing found.
    NotFound = 3,
    /// Some feeds failed.
    SomeFailed = 4,
    /// Refused: a conflict, or somebody said no.
    Refused = 5,
    /// A daemon is needed and there is none.
    NoDaemon = 69,
    /// Cannot write.
    CannotWrite = 73,
    /// The store is busy.
    Busy = 75,
    /// Not allowed.
    NotAllowed = 77,
    /// The configuration is invalid.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do it: for stderr, and for the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// In words; empty if everything has been said.
    pub text: String,
    /// Lines that stand before it as they are, such as the mistakes of feeds.toml.
    pub lines: Vec<String>,
}

impl Failure {
    /// With a code and words.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
            lines: Vec::new(),
        }
    }

    /// Something went wrong that no other code names.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }

    /// The command was called wrongly.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// Says it on stderr and gives the code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        self.say();
        self.exit.into()
    }

    /// Says it on stderr.
    pub fn say(&self) {
        for line in &self.lines {
            eprintln!("{line}");
        }
        if !self.text.is_empty() {
            eprintln!("aggd: {}", self.text);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Whoever reads our output has had enough of it: `aggd articles | head` is no failure.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::new(
            Exit::CannotWrite,
            format!("cannot write the output: {error}"),
        )
    }
}

impl From<config::Errors> for Failure {
    fn from(errors: config::Errors) -> Self {
        let problems = errors.problems();
        if problems.is_empty() {
            return Self::new(Exit::Config, errors.to_string());
        }
        let count = problems.len();
        let file = problems[0].place.file.display();
        let text = if count == 1 {
            format!("{file} has a mistake; nothing was done")
        } else {
            format!("{file} has {count} mistakes; nothing was done")
        };
        Self {
            lines: problems.iter().map(ToString::to_string).collect(),
            ..Self::new(Exit::Config, text)
        }
    }
}

impl From<config::edit::Error> for Failure {
    fn from(error: config::edit::Error) -> Self {
        use config::edit::Error;

        let exit = match &error {
            Error::Changed { .. } | Error::Locked { .. } | Error::Inline { .. } => Exit::Refused,
            Error::NotWritable { .. } => Exit::NotAllowed,
            Error::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Exit::NotAllowed,
                std::io::ErrorKind::NotFound => Exit::Config,
                _ => Exit::CannotWrite,
            },
            Error::Broken { .. } => Exit::Config,
            Error::NoSuchFeed { .. } => Exit::NotFound,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ops::Error> for Failure {
    fn from(error: ops::Error) -> Self {
        let body = error.body();
        Self::new(exit_of(&body.kind), body.text)
    }
}

/// The exit code for a kind of [`ops::ErrorBody`].
pub(super) fn exit_of(kind: &str) -> Exit {
    match kind {
        "not-found" => Exit::NotFound,
        "invalid" => Exit::Usage,
        "refused" => Exit::Refused,
        "needs-daemon" => Exit::NoDaemon,
        "config" => Exit::Config,
        "full" => Exit::CannotWrite,
        "busy" => Exit::Busy,
        "not-allowed" => Exit::NotAllowed,
        _ => Exit::Failed,
    }
}

/// A chain of errors: the code is that of the first cause that has one.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<config::Errors>() {
            Ok(errors) => return errors.into(),
            Err(error) => error,
        };
        let exit = error.chain().find_map(|cause| {
            let known = ops::kind_of(cause).map(exit_of);
            let io = cause.downcast_ref::<std::io::Error>();
            let denied = io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied);
            known.or(denied.then_some(Exit::NotAllowed))
        });
        Self::new(exit.unwrap_or(Exit::Failed), format!("{error:#}"))
    }
}
