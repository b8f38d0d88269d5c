//! A hub with little memory survives strangers, and serves others meanwhile.

use std::{path::Path, process::Command};

/// Seconds for each attack; `tools/soak-strangers` takes a minute.
const SECONDS: &str = "5";

/// How many seconds others may wait: the attackers run on the same machine, beside other tests.
const PATIENCE: &str = "30";

#[test]
fn a_hub_with_512_mib_survives_strangers() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/soak-strangers");
    let soak = Command::new("python3")
        .arg(script)
        .args(["--hub", env!("CARGO_BIN_EXE_easytier-uptime"), "--seconds", SECONDS, "--patience", PATIENCE])
        .output()
        .unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
    let [stdout, stderr] = [&soak.stdout, &soak.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(soak.status.success(), "{stdout}\n{stderr}");
}
