//! The HTTP API: real hubs over real HTTP, on both engines.

#[path = "../support/hub.rs"]
mod hub;
#[path = "../../../store/tests/support/mod.rs"]
mod support;

mod client;
mod document_examples;
mod operations;
mod password;
mod peers;
mod registry;
mod results;
mod status;
