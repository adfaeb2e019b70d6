//! `aggd doctor`: looks for what could keep the daemon from its work, with the mend for each.

use std::net::TcpListener;
use std::path::Path;

use serde::Serialize;

use super::access::{self, Access, Need};
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Secrets};
use crate::control::Client;
use crate::model::time::Timestamp;
use crate::ops::status::Status;
use crate::ops::{self, Request};

/// Where systems keep the certificates of those who vouch for https origins.
const AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];
/// No clock that is right shows an earlier time: 2025-01-01.
const BEFORE_US: Timestamp = Timestamp::from_secs(1_735_689_600);

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    good: bool,
    what: &'static str,
    found: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, good: bool, what: &'static str, found: impl Into<String>) {
        let found = found.into();
        self.0.push(Finding { good, what, found });
    }
}

pub(super) fn run(global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let config = configuration(global, &mut findings);
    let runs = daemon(global, config.as_ref(), &mut findings)?;
    if let Some(config) = &config {
        if !runs {
            addresses(config, &mut findings);
        }
        machine(config, &mut findings);
    }
    let healthy = findings.0.iter().all(|finding| finding.good);
    out.list(&["", "WHAT", "FOUND"], &findings.0, |finding| {
        let mark = if finding.good { "ok" } else { "!!" };
        vec![
            mark.to_owned(),
            finding.what.to_owned(),
            finding.found.clone(),
        ]
    })?;
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}

fn configuration(global: &Global, findings: &mut Findings) -> Option<Config> {
    const WHAT: &str = "configuration";
    let path = match config::locate(global.config.as_deref()) {
        Ok(path) => path,
        Err(error) => {
            findings.note(false, WHAT, error.to_string());
            return None;
        }
    };
    match config::load_with(Some(&path), Secrets::Optional) {
        Err(error) if error.problems().is_empty() => {
            findings.note(false, WHAT, error.to_string());
            None
        }
        Err(error) => {
            for problem in error.problems() {
                findings.note(false, WHAT, problem.to_string());
            }
            None
        }
        Ok(config) => {
            let feeds = config.sources.len();
            findings.note(true, WHAT, format!("{}, {feeds} feeds", path.display()));
            for warning in &config.warnings {
                findings.note(false, WHAT, warning.to_string());
            }
            Some(config)
        }
    }
}

/// True if one runs.
fn daemon(
    global: &Global,
    config: Option<&Config>,
    findings: &mut Findings,
) -> Result<bool, Failure> {
    const WHAT: &str = "daemon";
    let found: Result<Option<Client>, Failure> =
        access::runtime()?.block_on(access::daemon(global, config));
    let client = match found {
        Ok(Some(client)) => client,
        Ok(None) => {
            findings.note(true, WHAT, "none is running");
            return Ok(false);
        }
        Err(failure) => {
            findings.note(false, WHAT, failure.text);
            return Ok(true);
        }
    };
    let hello = client.hello();
    findings.note(
        hello.version == env!("CARGO_PKG_VERSION"),
        WHAT,
        format!("aggd {}, process {}", hello.version, hello.pid),
    );
    let status: Status = match Access::open(global, Need::Maybe)?.ask(Request::Status {}) {
        Ok(status) => status,
        Err(failure) => {
            findings.note(false, WHAT, failure.text);
            return Ok(true);
        }
    };
    if let Some(why) = status.reload_failed {
        let text =
            format!("the last reload was refused, the configuration of before is in force: {why}");
        findings.note(false, WHAT, text);
    }
    if status.disk_full {
        findings.note(
            false,
            WHAT,
            "the disk is full: nothing is written until there is space",
        );
    }
    let failing = ["failing", "gone"]
        .iter()
        .filter_map(|state| status.states.get(*state))
        .sum::<usize>();
    findings.note(
        failing == 0,
        "feeds",
        match failing {
            0 => "none fails".to_owned(),
            _ => format!(
                "{failing} of {} fail; `aggd status --failing` says why",
                status.feeds
            ),
        },
    );
    Ok(true)
}

/// Whether a daemon could listen where it should.
fn addresses(config: &Config, findings: &mut Findings) {
    for address in config.server.tcp_addresses() {
        match TcpListener::bind(address) {
            Ok(_) => findings.note(true, "listen", format!("{address} is free")),
            Err(error) => findings.note(
                false,
                "listen",
                format!("{address} cannot be had: {error}; set [server] listen to another"),
            ),
        }
    }
    let socket = &config.control.socket;
    let directory = socket.parent().unwrap_or(Path::new("/"));
    match ops::local::usable(directory) {
        Ok(_) => findings.note(true, "control", format!("{} can be made", socket.display())),
        Err(words) => findings.note(false, "control", format!("{}: {words}", socket.display())),
    }
}

fn machine(config: &Config, findings: &mut Findings) {
    let path = config.store.path.display();
    match ops::local::look(&config.store.path) {
        Ok(words) => findings.note(true, "store", format!("{path}: {words}")),
        Err(words) => findings.note(false, "store", format!("{path}: {words}")),
    }
    let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = resolver
        .lines()
        .filter(|line| line.trim_start().starts_with("nameserver"))
        .count();
    findings.note(
        servers > 0,
        "names",
        if servers > 0 {
            format!("{servers} name servers in /etc/resolv.conf")
        } else {
            "no name server in /etc/resolv.conf: no source can be found by its name".to_owned()
        },
    );
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let known = AUTHORITIES.iter().map(std::path::PathBuf::from);
    match named.into_iter().chain(known).find(|path| path.exists()) {
        Some(path) => findings.note(true, "certificates", path.display().to_string()),
        None => findings.note(
            false,
            "certificates",
            "no certificate authorities found: https origins cannot be trusted; install ca-certificates",
        ),
    }
    let now = SystemClock.now();
    if now < BEFORE_US {
        findings.note(
            false,
            "clock",
            format!("{now}: dates of articles will be wrong"),
        );
    }
    let (soft, wanted) = (
        ops::local::open_files(),
        config.server.max_connections + config.fetch.in_flight,
    );
    findings.note(
        soft.is_none_or(|soft| soft > wanted as u64),
        "open files",
        match soft {
            Some(soft) => format!("{soft} allowed, up to {wanted} needed at once"),
            None => "no limit".to_owned(),
        },
    );
}
