//! Commands about the configuration itself: `config` and `schema`.

use super::access;
use super::edit::no_such_feed;
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config;
use crate::model::source::SourceId;

/// Arguments of `aggd config`.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// What is in force for this feed
    #[arg(value_name = "ID")]
    feed: Option<String>,
}

pub(super) fn show(global: &Global, args: &ShowArgs, out: &mut Out) -> Result<Exit, Failure> {
    let config = access::load(global)?;
    let settings = match &args.feed {
        None => config::effective(&config),
        Some(id) => SourceId::new(id)
            .and_then(|id| config::effective_feed(&config, &id))
            .ok_or_else(|| no_such_feed(&config, id))?,
    };
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
