//! The deployment code of the function, checked without a cloud by `tools/check-deployment-code`, and the variables that
//! it sets beside those that the function reads.
//!
//! It has no harness of libtest's, because that knows no test that is skipped while it runs: Terraform's part is, and says
//! so, where there is no `terraform`.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, ExitCode},
};

/// By this exit code the script says that nothing failed and something was skipped.
const SKIPPED: i32 = 77;

enum Outcome {
    Passed,
    Failed,
    Ignored,
}

type Test = (&'static str, fn() -> Outcome);

fn main() -> ExitCode {
    let tests: [Test; 2] = [
        ("the_deployment_code_is_sound", the_deployment_code_is_sound),
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
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Outcome::Passed,
        Some(SKIPPED) => {
            println!("{said}");
            Outcome::Ignored
        }
        _ => {
            println!("{said}{}", String::from_utf8_lossy(&output.stderr));
            Outcome::Failed
        }
    }
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
