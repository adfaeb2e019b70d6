//! Log events to the systemd journal: one readable line, and each field apart for `journalctl AGGD_SOURCE=rust-blog`.
//!
//! Events come in, datagrams of the journal's native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>) go out. What cannot be
//! sent is lost: nothing waits for the log.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const SOCKET: &str = "/run/systemd/journal/socket";
/// A datagram may have more, but not on every system; nobody reads longer lines.
const MOST_BYTES: usize = 48 << 10;

/// The way to the journal.
#[derive(Debug)]
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// Finds it.
    ///
    /// # Errors
    /// If there is no journal.
    pub(super) fn connect() -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        Ok(Self(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let datagram = datagram(level, event.metadata().target(), &fields);
        // The journal may be restarting, or full.
        let _ = self.0.send(&datagram);
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn keep(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            // Of the libraries that log in the older way: where in their source.
            name if name.starts_with("log.") => {}
            name => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.keep(field, format!("{value:?}"));
    }
}

fn datagram(level: Level, target: &str, fields: &Fields) -> Vec<u8> {
    let mut line = fields.message.clone();
    for (name, value) in &fields.others {
        // Writing to a string cannot fail.
        let _ = if value.is_empty() || value.contains(char::is_whitespace) {
            write!(line, " {name}={value:?}")
        } else {
            write!(line, " {name}={value}")
        };
    }
    let mut datagram = Vec::new();
    put(&mut datagram, "MESSAGE", &line);
    put(&mut datagram, "PRIORITY", priority(level));
    put(&mut datagram, "SYSLOG_IDENTIFIER", "aggd");
    put(&mut datagram, "AGGD_TARGET", target);
    for (name, value) in &fields.others {
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        if datagram.len() + value.len() < MOST_BYTES {
            put(&mut datagram, &format!("AGGD_{name}"), value);
        }
    }
    datagram
}

fn put(datagram: &mut Vec<u8>, name: &str, value: &str) {
    let mut end = value.len().min(MOST_BYTES / 2);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let value = &value[..end];
    datagram.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

/// As in syslog.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_all_and_each_field_stands_apart() {
        let fields = Fields {
            message: "visited".to_owned(),
            others: vec![("source", "a".to_owned()), ("error", "one\ntwo".to_owned())],
        };
        let sent = datagram(Level::WARN, "rooms", &fields);
        let start = b"MESSAGE=visited source=a error=\"one\\ntwo\"\nPRIORITY=4\nSYSLOG_IDENTIFIER=aggd\nAGGD_TARGET=rooms\nAGGD_SOURCE=a\nAGGD_ERROR\n\x07\0\0\0\0\0\0\0one\ntwo\n";
        assert_eq!(
            String::from_utf8_lossy(&sent),
            String::from_utf8_lossy(start)
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut sent = Vec::new();
        put(&mut sent, "MESSAGE", &"新".repeat(100_000));
        assert!(sent.len() < MOST_BYTES && String::from_utf8(sent).is_ok());
    }
}
