//! From a peer's URL to its targets, with a name server and web servers of the tests.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/closed_port.rs"]
mod closed_port;
#[path = "../support/dns.rs"]
mod dns;
mod literal;
mod machine;
mod names;
#[allow(dead_code, reason = "the tests of a daemon use all of it")]
#[path = "../daemon_machine/namespace.rs"]
mod namespace;
mod records;
mod support;
mod web;
mod yielded;
