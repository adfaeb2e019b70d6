//! aggd polls sources, recognises the articles it already knows, keeps the rest, and republishes them as feeds.
//!
//! An article's life is eight steps, in the order of the rooms below: `fetch` brings a document, `parse`
//! understands it, `enrich` gives each entry its keys, `dedup` decides what is new, `label` says where it belongs,
//! `store` keeps it, `publish` renders it, `serve` hands it out. Steps two to five are plain functions.
//! `ingest` and `poll` introduce the steps to each other; ARCHITECTURE.md draws the whole house.

pub mod fetch;
pub mod parse;

pub mod dedup;
pub mod enrich;
pub mod label;

pub mod publish;
pub mod serve;
pub mod store;

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod ingest;
pub mod ops;
pub mod poll;

pub mod clock;
pub mod html;
pub mod metrics;
pub mod model;
pub mod nice;
pub mod rule;
pub mod text;
