//! The hub over HTTP: the API, the pages that show the store to people, and the files in which peers come and go.

pub mod api;
mod pages;
pub mod password;
pub mod peer_file;

pub use easytier_uptime_store::{consensus, crypto, model, ring, store, time, token, tuning, upkeep};
