//! External programs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A linter that `tools/setup` installs into the target folder.
pub fn linter(name: &str) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    let path: PathBuf = target.join("tools/bin").join(name);
    assert!(path.is_file(), "there is no {name}. Run tools/setup to install it.");
    Command::new(path)
}

/// The output of a program that `tools/setup` installs.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let name = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| panic!("{}: {error}. Run tools/setup to install it.", name.display()))
}

/// Asserts that the program succeeds without output.
#[track_caller]
pub fn assert_silent(command: &mut Command) {
    let output = output(command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

#[test]
fn every_script_is_clean() {
    let root = crate::root();
    let mut shellcheck = linter("shellcheck");
    shellcheck.current_dir(root);
    let scripts = ["protoc", "setup", "test", "check-deployment-code", "image"].map(|name| format!("tools/{name}"));
    shellcheck
        .args(["install.sh", "scripts/verify-deployment.sh", "scripts/verify-discovery.sh", ".ci/run"])
        .args(scripts);
    assert_silent(&mut shellcheck);
}
