//! The program in the hands of others: a browser, a fuzzer, attackers, `tools/setup`, and somebody who tries the demonstration. They wait
//! most of the time, so they share a test program, in which they run at the same time.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/hub.rs"]
mod hub;

mod browser;
mod demo;
mod fuzz_api;
mod manager;
mod setup;
mod strangers;
