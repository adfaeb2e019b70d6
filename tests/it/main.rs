//! The one test binary: what a reader or an operator can see, through real parts.

mod farm;
mod fetch;
mod hostile;
mod main_job;
mod origin;
mod program;
mod publish;
mod samples;
mod serve;
mod store_contract;
mod tidy;
mod town;
mod web;
