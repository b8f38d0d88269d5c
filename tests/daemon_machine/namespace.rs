//! Tests in namespaces of their own, where they may mount what they like and have a network to themselves.

use std::process::Command;

/// Set in the process that runs in the namespaces.
const INSIDE: &str = "TEST_IN_NAMESPACE";

/// Whether this process has mounts and a network of its own. If it has not, the test of this name runs again in a process
/// that has, and this one is over.
pub fn has_own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("this binary has a path");
    let output = Command::new("unshare")
        .args(["--mount", "--net", "--map-root-user", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is there; tools/setup installs it");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "in namespaces of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "there is no test '{test}':\n{stdout}");
    false
}

/// Runs a command of the system.
pub fn system(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
