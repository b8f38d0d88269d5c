//! The store: peers, probes and results in SQLite or PostgreSQL, and what the regions together say about a peer.

pub mod consensus;
pub mod crypto;
pub mod model;
pub mod ring;
pub mod store;
pub mod time;
pub mod token;
pub mod tuning;
pub mod upkeep;
