//! The daemon as a process: signals in, messages to systemd out.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::{Daemon, Load};
use crate::clock::Clock;

/// Longest silence of the polling loop that is still life.
const ALIVE: Duration = Duration::from_mins(1);

/// Runs until SIGTERM or SIGINT; a second one ends it at once. SIGHUP reloads.
///
/// # Errors
/// If it cannot start, or the store cannot be closed in order.
pub async fn run(load: Load, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let daemon = Daemon::start(load, clock).await?;
    for address in daemon.addresses() {
        tracing::info!(%address, "serving");
    }
    ready(&daemon);
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            () = daemon.stop.cancelled() => break,
            _ = hangup.recv() => {
                if let Ok(now) = NotifyState::monotonic_usec_now() {
                    tell(&[NotifyState::Reloading, now]);
                }
                // A refused file was logged, and shows in status and metrics; the old one goes on.
                let _ = daemon.reload().await;
                ready(&daemon);
            }
            () = watchdog(&daemon) => {}
        }
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    tracing::info!("stopping");
    tokio::select! {
        stopped = daemon.stop() => stopped.context("closing the store")?,
        _ = term.recv() => anyhow::bail!("ended at once, by a second signal"),
        _ = int.recv() => anyhow::bail!("ended at once, by a second signal"),
    }
    Ok(())
}

/// Waits half of the watchdog's time, then tells systemd that the polling loop lives, if it does.
async fn watchdog(daemon: &Daemon) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return pending().await;
    };
    tokio::time::sleep(limit / 2).await;
    if daemon.parts.poller.beat().elapsed() < ALIVE {
        tell(&[NotifyState::Watchdog]);
    } else {
        tracing::error!("the polling loop does not answer; systemd will restart aggd");
    }
}

/// What `systemctl status` shows.
fn ready(daemon: &Daemon) {
    let failed = daemon.parts.reload_failed.load();
    let status = match failed.as_deref() {
        Some(_) => {
            "running with the configuration of before: the last reload was refused".to_owned()
        }
        None => format!("{} feeds", daemon.parts.config.load().sources.len()),
    };
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Returns at the first SIGINT or SIGTERM.
///
/// # Errors
/// If the system does not let us listen for them.
pub async fn asked_to_stop() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
