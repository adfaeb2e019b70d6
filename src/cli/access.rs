//! The way to the articles: through the socket of a running daemon, or else to the store itself.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::{Exit, Failure, Global};
use crate::config::{self, Config, Secrets};
use crate::control::Client;
use crate::ops::{self, Context, Request, backups};

/// Where the packaged service has its socket.
const SERVICE_SOCKET: &str = "/run/aggd/control.sock";
/// Where a daemon without a runtime directory has it, in its store.
const STORE_SOCKET: &str = "control.sock";
/// How long a store that somebody holds without answering is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);
/// How often a person who waits is told how far it has come.
const REFRESH: Duration = Duration::from_millis(500);

/// What a command needs of the store when there is no daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It can say something without one.
    Maybe,
    /// It reads one.
    Store,
    /// It makes one.
    Create,
}

enum Door {
    Daemon(Client),
    Here(Box<Context>),
}

impl Door {
    async fn ask(&self, request: Request) -> Result<String, ops::Error> {
        match self {
            Self::Daemon(client) => client.ask(&request).await,
            Self::Here(context) => ops::answer(context, request).await,
        }
    }
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, Failure> {
    serde_json::from_str(answer).map_err(|error| {
        Failure::failed(format!(
            "the daemon's answer cannot be read ({error}); daemon and command are of different versions, restart the daemon"
        ))
    })
}

/// An open door, with the runtime that carries the questions through it.
pub(super) struct Access {
    runtime: Runtime,
    door: Door,
}

impl Access {
    /// Finds the daemon or opens the store.
    pub(super) fn open(global: &Global, need: Need) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let door = runtime.block_on(door(global, need))?;
        Ok(Self { runtime, door })
    }

    /// Finds the daemon; there is nothing to do without one.
    pub(super) fn open_daemon(global: &Global) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let config = load(global);
        let client = runtime.block_on(daemon(global, config.as_ref().ok()))?;
        match (client, config) {
            (Some(client), _) => Ok(Self {
                runtime,
                door: Door::Daemon(client),
            }),
            (None, Err(failure)) => Err(failure),
            (None, Ok(_)) => Err(ops::Error::NeedsDaemon.into()),
        }
    }

    /// Asks, and reads the answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, Failure> {
        read(&self.runtime.block_on(self.door.ask(request))?)
    }

    /// Asks what takes long; meanwhile a person at a terminal sees how far it has come, on stderr.
    pub(super) fn ask_showing<T: DeserializeOwned, P: DeserializeOwned>(
        &self,
        request: Request,
        how_far: &Request,
        words: impl Fn(&P) -> String,
        global: &Global,
    ) -> Result<T, Failure> {
        if global.quiet || !std::io::stderr().is_terminal() {
            return self.ask(request);
        }
        let answer = self.runtime.block_on(async {
            let mut answer = std::pin::pin!(self.door.ask(request));
            let answer = loop {
                tokio::select! {
                    answer = answer.as_mut() => break answer,
                    () = tokio::time::sleep(REFRESH) => {}
                }
                // Not knowing how far it has come is no reason to stop.
                if let Ok(answer) = self.door.ask(how_far.clone()).await
                    && let Ok(progress) = serde_json::from_str(&answer)
                {
                    eprint!("\r\x1b[K{}", words(&progress));
                }
            };
            eprint!("\r\x1b[K");
            answer
        })?;
        read(&answer)
    }

    /// Has a backup written.
    pub(super) fn backup(
        &self,
        into: Box<dyn Write + Send>,
        wanted: backups::Wanted,
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            match &self.door {
                Door::Daemon(client) => client.backup(wanted, into).await,
                Door::Here(context) => backups::write(context, into, wanted).await.map(|_| ()),
            }
        })?;
        Ok(())
    }

    /// Closes the store, if it was opened here.
    pub(super) fn close(self) -> Result<(), Failure> {
        if let Door::Here(context) = &self.door
            && let Some(store) = &context.store
        {
            self.runtime
                .block_on(store.close())
                .map_err(ops::Error::Store)?;
        }
        Ok(())
    }
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))
}

/// The configuration as a command needs it: without the secrets of visits.
pub(super) fn load(global: &Global) -> Result<Config, Failure> {
    Ok(config::load_with(
        global.config.as_deref(),
        Secrets::Optional,
    )?)
}

/// The configuration with the secrets that a visit may need.
fn load_for_visits(global: &Global) -> Result<Config, Failure> {
    Ok(config::load_with(
        global.config.as_deref(),
        Secrets::Required,
    )?)
}

/// The daemon that belongs to this configuration, if one runs.
///
/// Without a configuration, because it has mistakes, its socket is asked all the same: the daemon may be running with
/// the file of before.
pub(super) async fn daemon(
    global: &Global,
    config: Option<&Config>,
) -> Result<Option<Client>, Failure> {
    if let Some(path) = &global.socket {
        let client = Client::connect(path).await?;
        return match client {
            Some(client) => Ok(Some(greeted(client))),
            None => Err(Failure::new(
                Exit::NoDaemon,
                format!("no daemon answers at {}", path.display()),
            )),
        };
    }
    let written = match config {
        Some(config) => Some(config.control.socket.clone()),
        None => config::socket(global.config.as_deref()),
    };
    if let Some(path) = &written
        && let Some(client) = Client::connect(path).await?
    {
        return Ok(Some(greeted(client)));
    }
    // The service, or a daemon that was started without a runtime directory: each may run with another feeds.toml than the
    // one that is meant here.
    let service = Some(PathBuf::from(SERVICE_SOCKET));
    let beside = config.map(|config| config.store.path.join(STORE_SOCKET));
    for path in [service, beside].into_iter().flatten() {
        if written.as_ref() == Some(&path) {
            continue;
        }
        // A socket that is not ours to use belongs to another configuration too.
        if let Ok(Some(client)) = Client::connect(&path).await
            && belongs(&client, global, config)
        {
            return Ok(Some(greeted(client)));
        }
    }
    Ok(None)
}

fn belongs(client: &Client, global: &Global, config: Option<&Config>) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    let store = config.and_then(|config| real(&config.store.path));
    if store.is_some() && store == real(&client.hello().store) {
        return true;
    }
    let ours = match config {
        Some(config) => config.files.first().and_then(|path| real(path)),
        None => match config::locate(global.config.as_deref()) {
            Ok(path) => real(&path),
            // There is none here at all, so the service's is meant.
            Err(_) => return true,
        },
    };
    ours.is_some() && ours == real(&client.hello().config)
}

fn greeted(client: Client) -> Client {
    let hello = client.hello();
    if hello.version != env!("CARGO_PKG_VERSION") {
        eprintln!(
            "aggd: note: this is aggd {}, the running daemon (process {}) is {}; restart it to use the new one",
            env!("CARGO_PKG_VERSION"),
            hello.pid,
            hello.version
        );
    }
    client
}

async fn door(global: &Global, need: Need) -> Result<Door, Failure> {
    let config = match load(global) {
        Ok(config) => config,
        Err(failure) => {
            return match daemon(global, None).await? {
                Some(client) => Ok(Door::Daemon(client)),
                None => Err(failure),
            };
        }
    };
    let config = Arc::new(config);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(client) = daemon(global, Some(&config)).await? {
            return Ok(Door::Daemon(client));
        }
        let config = match need {
            Need::Create => Arc::new(load_for_visits(global)?),
            Need::Maybe | Need::Store => Arc::clone(&config),
        };
        match ops::local::open(&config, need == Need::Create).await {
            Ok(context) => return Ok(Door::Here(Box::new(context))),
            Err(error) if ops::local::is_missing(&error) && need == Need::Maybe => {
                let context = ops::local::without_store(&config);
                return Ok(Door::Here(Box::new(context)));
            }
            // Whoever holds it may be about to open its socket, or to end.
            Err(error) if ops::local::is_busy(&error) && waited < PATIENCE => {
                tokio::time::sleep(STEP).await;
                waited += STEP;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
