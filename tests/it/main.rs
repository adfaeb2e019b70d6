//! The one test binary.

mod samples;
mod store_contract;
