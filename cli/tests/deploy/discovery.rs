//! `scripts/verify-discovery.sh`, which starts a hub and two workers.

use std::process::Command;

use crate::{assert_contains, program::PROGRAM, root, tool};

/// The script's exit code, and what it says.
fn verify(args: &[&str]) -> (i32, String) {
    let output = tool::output(Command::new("sh").arg(root().join("scripts/verify-discovery.sh")).args(args));
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8(text).unwrap())
}

#[test]
fn a_hub_and_two_workers_find_each_other() {
    let (code, report) = verify(&[PROGRAM]);
    let expected = [
        "ok     it lists itself and two workers, all online:",
        "verify-hub  hub  online",
        "worker-1  probe  online  local",
        "worker-2  probe  online  local",
        "ok     worker-1 has stopped and unregistered: it is offline at once",
        "worker-1  probe  offline  local",
        "ok     worker-2 is still online",
        "\nall is well\n",
    ];
    assert_contains(&report, &expected);
    assert_eq!(code, 0);
}

#[test]
fn a_program_that_does_not_work_is_reported() {
    let (code, report) = verify(&["/bin/false"]);
    assert_contains(&report, &["WRONG  the hub does not start"]);
    assert_eq!(code, 1);
    for (args, words) in [
        (&["/nonexistent/easytier-uptime"][..], "there is no such program"),
        (&["--all"], "there is no option --all"),
        (&["a", "b"], "name one program"),
    ] {
        let (code, said) = verify(args);
        assert_contains(&said, &["error: ", words]);
        assert_eq!(code, 2);
    }
    let (code, help) = verify(&["--help"]);
    assert_eq!(code, 0);
    assert_contains(&help, &["Usage: ", "--kill", "Exit codes:"]);
}
