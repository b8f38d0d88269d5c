//! The hub: the store of peers, probes and results, and what the regions together say about a peer.
//!
//! Arrows run one way: `store` uses `consensus`, `ring`, `token`, `crypto` and `password`, which know no database;
//! `model` is what goes in and out of the store. `api` serves it over HTTP, `pages` show it to
//! people, `upkeep` looks after it.

pub mod api;
pub mod consensus;
pub mod crypto;
pub mod model;
mod pages;
pub mod password;
pub mod peer_file;
pub mod ring;
pub mod service;
pub mod store;
pub mod time;
pub mod token;
pub mod tuning;
pub mod upkeep;
