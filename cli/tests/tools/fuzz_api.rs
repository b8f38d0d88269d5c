//! The hub conforms to its /openapi.json.

use std::{path::Path, process::Command};

#[test]
fn schemathesis_finds_nothing() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/fuzz-api");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    let fuzz = Command::new("python3")
        .arg(script)
        .args(["--hub", env!("CARGO_BIN_EXE_easytier-uptime")])
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
    let [stdout, stderr] = [&fuzz.stdout, &fuzz.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(fuzz.status.success(), "{stdout}\n{stderr}");
}
