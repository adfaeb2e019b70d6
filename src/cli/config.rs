//! Commands about the configuration itself: `config`, `schema`, `doctor`.

use serde::Serialize;

use super::access;
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config::{self, Secrets};
use crate::control::Client;
use crate::ops;

pub(super) fn show(global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let config = access::load(global)?;
    let settings = config::effective(&config);
    out.list(&["KEY", "VALUE", "WRITTEN"], &settings, |setting| {
        vec![
            setting.key.clone(),
            setting.value.clone(),
            setting.origin.clone().unwrap_or_default(),
        ]
    })?;
    Ok(Exit::Done)
}

pub(super) fn schema(out: &mut Out) -> Result<Exit, Failure> {
    let text = format!("{:#}", config::json_schema());
    out.line(&text)?;
    Ok(Exit::Done)
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    good: bool,
    what: &'static str,
    found: String,
}

pub(super) fn doctor(global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let mut findings = Vec::new();
    let mut note = |good: bool, what: &'static str, found: String| {
        findings.push(Finding { good, what, found });
    };
    let config = match config::locate(global.config.as_deref()) {
        Err(error) => {
            note(false, "configuration", error.to_string());
            None
        }
        Ok(path) => match config::load_with(Some(&path), Secrets::Optional) {
            Err(error) => {
                note(false, "configuration", error.to_string());
                None
            }
            Ok(config) => {
                note(
                    true,
                    "configuration",
                    format!("{}, {} feeds", path.display(), config.sources.len()),
                );
                for warning in &config.warnings {
                    note(false, "configuration", warning.to_string());
                }
                Some(config)
            }
        },
    };
    let runtime = access::runtime()?;
    let daemon: Result<Option<Client>, Failure> =
        runtime.block_on(access::daemon(global, config.as_ref()));
    match &daemon {
        Ok(Some(client)) => note(
            client.hello().version == env!("CARGO_PKG_VERSION"),
            "daemon",
            format!(
                "aggd {}, process {}",
                client.hello().version,
                client.hello().pid
            ),
        ),
        Ok(None) => note(true, "daemon", "none is running".to_owned()),
        Err(failure) => note(false, "daemon", failure.text.clone()),
    }
    if let Some(config) = &config {
        let path = config.store.path.display();
        match ops::local::look(&config.store.path) {
            Ok(words) => note(true, "store", format!("{path}: {words}")),
            Err(words) => note(false, "store", format!("{path}: {words}")),
        }
        let resolver = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers = resolver
            .lines()
            .filter(|line| line.trim_start().starts_with("nameserver"))
            .count();
        note(
            servers > 0,
            "names",
            if servers > 0 {
                format!("{servers} name servers in /etc/resolv.conf")
            } else {
                "no name server in /etc/resolv.conf: no source can be found by its name".to_owned()
            },
        );
        let (soft, wanted) = (
            ops::local::open_files(),
            config.server.max_connections + config.fetch.in_flight,
        );
        note(
            soft.is_none_or(|soft| soft > wanted as u64),
            "open files",
            match soft {
                Some(soft) => format!("{soft} allowed, up to {wanted} needed at once"),
                None => "no limit".to_owned(),
            },
        );
    }
    let healthy = findings.iter().all(|finding| finding.good);
    out.list(&["", "WHAT", "FOUND"], &findings, |finding| {
        let mark = if finding.good { "ok" } else { "!!" };
        vec![
            mark.to_owned(),
            finding.what.to_owned(),
            finding.found.clone(),
        ]
    })?;
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}
