//! The systemd units.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    program::{PROGRAM, assert_command, assert_refused, assert_setting},
    read, root,
    tool::{assert_silent, output},
};

const INSTALLED: &str = "/usr/local/bin/easytier-uptime";
const SERVICES: [&str; 3] =
    ["easytier-uptime-hub.service", "easytier-uptime-once.service", "easytier-uptime-probe.service"];
/// The maximum exposure that `systemd-analyze security` may report, of 100.
const EXPOSURE: &str = "15";

/// Copies of all units that run the program of this build.
fn units() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for unit in fs::read_dir(root().join("deploy/systemd")).unwrap() {
        let unit = unit.unwrap().path();
        if unit.extension().is_some_and(|extension| extension != "example") {
            let text = fs::read_to_string(&unit).unwrap().replace(INSTALLED, PROGRAM);
            fs::write(folder.path().join(unit.file_name().unwrap()), text).unwrap();
        }
    }
    folder
}

fn paths(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn systemd_analyze_accepts_the_units() {
    let folder = units();
    let units = paths(folder.path());
    assert_eq!(units.len(), SERVICES.len() + 1, "{units:?}");
    assert_silent(Command::new("systemd-analyze").arg("verify").args(units));
}

#[test]
fn the_exposure_of_the_services_is_low() {
    let folder = units();
    for service in SERVICES {
        let mut analyze = Command::new("systemd-analyze");
        analyze
            .args(["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE])
            .arg(folder.path().join(service));
        let output = output(&mut analyze);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("Overall exposure level"), "{service}: {said}");
    }
}

/// The values of a key in a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_services_run_existing_commands() {
    for service in SERVICES {
        let unit = read(&format!("deploy/systemd/{service}"));
        let start = values(&unit, "ExecStart");
        let words: Vec<&str> = start[0].split(' ').collect();
        assert_eq!((start.len(), words[0]), (1, INSTALLED));
        assert_command(&words[1..]);
    }
}

/// Asserts that the command reads the variables in a file, and refuses the placeholders.
fn assert_example(file: &str, command: &str) {
    let text = read(file);
    let usage = assert_command(&[command]);
    // Lines that are commented out count too.
    let variables: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(variables.len() > 3, "{variables:?}");
    for (name, _) in &variables {
        assert_setting(&usage, name);
    }
    let placeholders = variables.iter().filter(|(_, value)| value.starts_with('<')).map(|(name, _)| name.as_str());
    assert_refused(&[command], &variables, &placeholders.collect::<Vec<_>>());
}

#[test]
fn the_example_files_name_settings_and_contain_no_secrets() {
    assert_example("deploy/systemd/probe.env.example", "daemon");
    assert_example("deploy/systemd/hub.env.example", "hub");
}

#[test]
fn units_name_their_examples_and_folders() {
    for (command, service) in [("probe", SERVICES[2]), ("hub", SERVICES[0])] {
        let unit = read(&format!("deploy/systemd/{service}"));
        let state = format!("easytier-uptime-{command}");
        assert_eq!(values(&unit, "StateDirectory"), [state.as_str()]);
        // The database has its default path, in the working directory.
        assert_eq!(values(&unit, "WorkingDirectory"), [format!("%S/{state}")]);
        let file = values(&unit, "EnvironmentFile")[0].trim_start_matches('-').to_owned();
        assert!(read(&format!("deploy/systemd/{command}.env.example")).contains(&file));
    }
}
