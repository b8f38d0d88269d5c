//! The store, one suite on both engines.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod consensus;
mod credentials;
mod history;
mod ingest;
mod leases;
mod nodes;
mod opening;
mod peers;
mod probes;
mod retention;
