//! Where the log goes: the journal under systemd, lines for people on a terminal, JSON anywhere else.

mod journal;

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat};
use journal::Journal;

/// Starts logging for the daemon. `AGGD_LOG` goes before `[log] level`, and each `-v` or `-q` before both.
pub fn start(log: &Log, verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "warn".to_owned(),
        (false, 0) => std::env::var("AGGD_LOG").unwrap_or_else(|_| ours(&log.level)),
        (false, 1) => "info,aggd=debug".to_owned(),
        (false, _) => "debug,aggd=trace".to_owned(),
    };
    let filter = EnvFilter::try_new(&level).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match chosen(log.format) {
        LogFormat::Journal => match Journal::connect() {
            Ok(journal) => Box::new(journal),
            // Without a journal after all: what systemd collects from stderr ends up there too.
            Err(_) => Box::new(fmt::layer().with_writer(std::io::stderr).without_time()),
        },
        LogFormat::Json => Box::new(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(std::io::stderr),
        ),
        LogFormat::Text | LogFormat::Auto => Box::new(
            fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .with_writer(std::io::stderr),
        ),
    };
    // A second start in one process (in tests) leaves the first one in place.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
}

/// `debug` means our own steps: what the libraries beneath us do at that level is noise, and can be named apart.
fn ours(level: &str) -> String {
    match level.to_ascii_lowercase().as_str() {
        "debug" => "info,aggd=debug".to_owned(),
        "trace" => "info,aggd=trace".to_owned(),
        _ => level.to_owned(),
    }
}

fn chosen(format: LogFormat) -> LogFormat {
    match format {
        LogFormat::Auto if under_journal() => LogFormat::Journal,
        LogFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        other => other,
    }
}

/// systemd names device and inode of the stream it connected us to; a shell that we were started from may have
/// redirected it since.
fn under_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else {
        return false;
    };
    let Ok(file) = std::io::stderr().as_fd().try_clone_to_owned() else {
        return false;
    };
    std::fs::File::from(file)
        .metadata()
        .is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
}
