//! The one test binary: what a reader or an operator can see, through real parts.

mod samples;
mod store_contract;
mod tidy;
