//! The one test binary: what a reader or an operator can see, through real parts.

mod add_feed;
mod commands;
mod control;
mod farm;
mod fetch;
mod main_job;
mod origin;
mod parse;
mod parse_props;
mod poll;
mod program;
mod samples;
mod store_contract;
mod tidy;
mod town;
mod web;
