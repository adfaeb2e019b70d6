//! The one test binary: what a reader or an operator can see, through real parts.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod add_feed;
mod commands;
mod control;
mod farm;
mod fetch;
mod hostile;
mod main_job;
mod origin;
mod parse;
mod parse_props;
mod poll;
mod program;
mod publish;
mod samples;
mod serve;
mod store_contract;
mod tidy;
mod town;
mod web;
