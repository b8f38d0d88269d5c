//! The function end to end: the built binary, driven as Lambda drives it, with real nodes and a real hub.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod addresses;
mod aws;
mod deadlines;
mod emulator;
mod failover;
mod function;
mod hub;
mod invocations;
mod logs;
mod node;
mod proxy;
mod queue;
mod runtime;
mod secrets;
mod settings;
