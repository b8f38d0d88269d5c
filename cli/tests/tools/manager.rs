//! A change reaches every managed probe, and an order every probe that waits, of fleets that a script plays.

use std::{path::Path, process::Command};

/// Changes and seconds without a change; `tools/soak-manager` takes more of both.
const SHORT: [&str; 6] = ["--probes", "100", "--changes", "3", "--idle", "1"];

fn soak(extra: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/soak-manager");
    let soak = Command::new("python3")
        .arg(script)
        .args(["--hub", env!("CARGO_BIN_EXE_easytier-uptime")])
        .args(SHORT)
        .args(extra)
        .output()
        .unwrap_or_else(|error| panic!("python3 does not run ({error}); tools/setup installs it"));
    let [stdout, stderr] = [&soak.stdout, &soak.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(soak.status.success() && stdout.contains("reached"), "{stdout}\n{stderr}");
}

#[test]
fn each_change_reaches_a_hundred_managed_probes() {
    soak(&[]);
}

#[test]
fn each_order_reaches_its_probes_of_a_hundred_that_wait() {
    soak(&["--reverse"]);
}
