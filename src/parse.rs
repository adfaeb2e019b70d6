//! Parse.

pub mod date;
pub mod decode;
pub mod sniff;
