//! The one test binary: what a reader or an operator can see, through real parts.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
#![allow(
    clippy::too_many_lines,
    clippy::assigning_clones,
    clippy::format_push_string,
    clippy::unnecessary_wraps,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "tests are read from top to bottom, and nobody waits for them"
)]

mod add_feed;
mod all_at_once;
mod backup;
mod commands;
mod control;
mod dates;
mod dedup;
mod farm;
mod fetch;
mod furnished;
mod hostile;
mod main_job;
mod origin;
mod parse;
mod parse_props;
mod poll;
mod program;
mod publish;
mod reload;
mod reprints;
mod rules;
mod samples;
mod secrets;
mod serve;
mod service;
mod store_contract;
mod store_lists;
mod store_near;
mod store_open;
mod store_props;
mod stories;
mod tags;
mod tidy;
mod town;
mod visits;
mod web;
