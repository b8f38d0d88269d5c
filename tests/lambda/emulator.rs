//! The function in cargo-lambda's emulator, on a developer's machine.

use std::{path::Path, process::Command};

use crate::node;

/// cargo-lambda builds the function, its emulator runs it, and an invocation checks two peers.
#[test]
fn cargo_lambda_builds_runs_and_invokes_it() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/lambda");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    let run = Command::new("python3")
        .arg(script)
        .args([node::url(9), node::url(10)])
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
    let [stdout, stderr] = [&run.stdout, &run.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(run.status.success(), "{stdout}\n{stderr}");
}
