//! The deployment code of the function, checked without a cloud by `tools/check-deployment-code`. The variables that it
//! sets must be those that the function reads.
//!
//! This test does not use libtest's harness, which cannot report a running test as ignored. Terraform's part is ignored
//! on a machine without `terraform`; in `.ci/run` it fails there instead.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

use std::{
    collections::BTreeSet,
    env,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, ExitCode},
};

/// The exit code of the script if nothing failed and something was skipped.
const SKIPPED: i32 = 77;

enum Outcome {
    Passed,
    Failed,
    Ignored,
}

type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    let tests: [Test; 3] = [
        ("the_deployment_code_is_sound", the_deployment_code_is_sound),
        ("a_missing_terraform_fails_where_it_is_required", a_missing_terraform_fails_where_it_is_required),
        ("the_function_reads_what_it_is_given_and_nothing_else", the_function_reads_what_it_is_given_and_nothing_else),
    ];
    println!("\nrunning {} tests", tests.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for (name, test) in tests {
        let (word, count) = match test() {
            Outcome::Passed => ("ok", &mut passed),
            Outcome::Failed => ("FAILED", &mut failed),
            Outcome::Ignored => ("ignored", &mut ignored),
        };
        *count += 1;
        println!("test {name} ... {word}");
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/check-deployment-code"))
}

fn the_deployment_code_is_sound() -> Outcome {
    let output = script().output().expect("the script can be started");
    let printed = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Outcome::Passed,
        Some(SKIPPED) => {
            println!("{printed}");
            Outcome::Ignored
        }
        _ => {
            println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
            Outcome::Failed
        }
    }
}

fn a_missing_terraform_fails_where_it_is_required() -> Outcome {
    // A PATH with only the program that the script needs before it looks for Terraform.
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = env::var_os("PATH").expect("there is a PATH");
    let dirname = env::split_paths(&path).map(|place| place.join("dirname")).find(|file| file.is_file());
    symlink(dirname.expect("dirname is on PATH"), folder.path().join("dirname")).expect("a link can be made");
    let output = script().env("PATH", folder.path()).env("REQUIRE_TERRAFORM", "true").output();
    let output = output.expect("the script can be started");
    let printed = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(1) && printed.contains("there is no terraform") {
        return Outcome::Passed;
    }
    println!("{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Outcome::Failed
}

fn the_function_reads_what_it_is_given_and_nothing_else() -> Outcome {
    let listed = script().arg("--list-environment").output().expect("the script can be started");
    let given: BTreeSet<String> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
    let help = Command::new(env!("CARGO_BIN_EXE_easytier-uptime-lambda")).arg("--help").output().expect("it starts");
    let help = String::from_utf8_lossy(&help.stdout);
    let (_, table) = help.split_once("Environment variables:").expect("the help lists them");
    let read: BTreeSet<String> =
        table.lines().filter_map(|line| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned())).collect();
    if given == read && !read.is_empty() {
        return Outcome::Passed;
    }
    println!("given: {given:?}\nread:  {read:?}");
    Outcome::Failed
}
