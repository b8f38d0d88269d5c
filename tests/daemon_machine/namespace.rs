//! Runs tests in mount and network namespaces of their own.

use std::process::Command;

/// This variable is set in the process inside the namespaces.
const INSIDE: &str = "TEST_IN_NAMESPACE";

/// Returns whether this process runs in namespaces of its own. If not, first runs the test of this name in such a
/// process, and the caller must return.
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

/// Runs a command, which has to succeed.
pub fn system(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
