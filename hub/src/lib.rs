//! The hub: probes report to it, and it shows the nodes to people and programs.
//!
//! Layers, bottom up: [`service`] holds the use cases, `board` the nodes that visitors see, `web` connects them to HTTP, `api` and `pages` are independent front
//! ends, and only [`router()`] uses both. [`notify`] plans and sends alerts, [`incidents`]
//! joins changes to incidents, [`sources`] follows lists of nodes. [`peer_file`] writes lists of nodes, and imports those that the library reads.

#![warn(missing_docs)]

mod api;
mod board;
mod check_depth;
mod connect;
pub mod incidents;
pub mod instance;
mod jitter;
mod listed_peer;
pub mod manager;
pub mod notify;
mod pages;
pub mod peer_file;
mod router;
mod server_id;
pub mod service;
pub mod sources;
mod web;

pub use axum::Router;
pub use easytier_uptime_monitor::{ProbeStatus, serve};

pub use self::{
    board::Freshness,
    check_depth::CheckDepth,
    router::{router, sync_api},
    web::{Network, NetworkError, WebOptions},
};
