//! Checks `deploy/`, `scripts/` and `docs/` against the program: each command, flag, variable, port, path and log message in
//! them must exist, and linters must find nothing.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod action;
mod chart;
mod ci;
#[path = "../../../tests/support/closed_port.rs"]
mod closed_port;
mod compose;
mod discovery;
mod docs;
mod image;
mod install;
mod kubernetes;
mod notify;
mod program;
mod prometheus;
mod releases;
mod runner;
mod services;
mod systemd;
mod tool;
mod verify;

use std::{fs, path::PathBuf};

/// The repository's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of it").to_owned()
}

/// Reads a file of the repository.
#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}
