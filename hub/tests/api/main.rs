//! The HTTP API: real hubs over real HTTP, on both engines.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../../tests/support/closed_port.rs"]
mod closed_port;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/hub.rs"]
mod hub;
#[path = "../support/outage.rs"]
mod outage;
#[path = "../../../store/tests/support/mod.rs"]
mod support;

mod admin;
mod announcements;
mod apply;
mod audit;
mod checks;
mod client;
mod connect;
mod consumers;
mod dialects;
mod discovery;
mod document_examples;
mod incidents;
mod maintenance;
mod managed;
mod modes;
mod node_metrics;
mod nodes;
mod operations;
mod origins;
mod password;
mod peers;
mod public;
mod regions;
mod registry;
mod reports;
mod results;
mod scopes;
mod sources;
mod status;
mod strangers;
mod subscriptions;
mod sync;
