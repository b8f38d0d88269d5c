//! The connect stage of checks: what each transport sends to open a connection, and whose fault a failure is.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod cut_off;
mod datagrams;
#[path = "../daemon_machine/namespace.rs"]
mod namespace;
#[path = "../support/mod.rs"]
mod support;
mod web_socket;

use easytier_probe::Scheme;

const TRANSPORTS: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];
