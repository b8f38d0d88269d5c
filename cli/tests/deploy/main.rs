//! That what is in `deploy/`, `scripts/` and `docs/` is fit for the program: every command, flag, variable, port, path and
//! log message that it names is the program's own, and whatever can check it has nothing to say.

mod ci;
mod compose;
mod docs;
mod image;
mod kubernetes;
mod notify;
mod program;
mod services;
mod systemd;
mod tool;
mod verify;

use std::{fs, path::PathBuf};

/// The repository's folder.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of it").to_owned()
}

/// The text of a file of the repository.
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
