//! The one test binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where it cannot go on"
)]

mod parse;
mod parse_props;
