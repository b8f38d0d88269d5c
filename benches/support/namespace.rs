//! A network namespace that has only loopback.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::process::Command;

/// Set in the child that runs in the namespace.
const IN_NAMESPACE: &str = "BENCH_IN_NAMESPACE";

/// Returns whether this process runs in its own namespace. If not, runs this binary in one with these arguments; the
/// caller then has nothing left to do.
pub fn in_own_namespace(arguments: &[String]) -> bool {
    if std::env::var_os(IN_NAMESPACE).is_some() {
        return true;
    }
    let status = in_namespace().args(arguments).env(IN_NAMESPACE, "1").status();
    if !status.is_ok_and(|status| status.success()) {
        println!("not measured: no network namespace could be made (needs unshare and ip), or the measurement failed");
    }
    false
}

/// The command that runs this binary in a network namespace that has only loopback.
pub fn in_namespace() -> Command {
    let this = std::env::current_exe().expect("this binary has a path");
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(this);
    command
}
