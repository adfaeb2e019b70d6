//! The one test binary: what a reader or an operator can see, through real parts.

mod farm;
mod fetch;
mod main_job;
mod origin;
mod poll;
mod program;
mod samples;
mod store_contract;
mod tidy;
mod town;
mod web;
//! The one test binary.
mod parse_props;
