//! The words that everybody shares: what a source is, what a document said, what we keep.
//!
//! This is the ground floor. It imports nothing of ours, above all not the configuration, and it
//! does nothing: no clock, no disk, no network. Everything else may import it.

pub mod article;
pub mod boilerplate;
pub(crate) mod bytes;
pub mod candidate;
pub mod document;
pub mod entry;
pub mod label;
pub mod signature;
pub mod source;
pub mod time;
pub mod warning;
