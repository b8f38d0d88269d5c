//! Instances that share one configuration, as processes: one leads, and another takes its place when it is lost.
//!
//! Between the instances is a network of the tests' own, which can be cut, split and stalled. Senders post results to any instance
//! meanwhile. At the end all instances have one configuration and the same results, every acknowledged one of them exactly once.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/hub.rs"]
mod support;

// The function in a sandbox, as in its own tests.
#[path = "../../../tests/lambda/function.rs"]
mod function;
#[path = "../../../tests/lambda/runtime.rs"]
mod runtime;

mod changed_role;
mod cluster;
mod fresh;
mod instance;
mod killed;
mod network;
mod records;
mod replaced;
mod restored;
mod sender;
mod soak;
mod split;
mod stalled;
mod visitors;
