//! The GitHub action, the workflows, and the crontab example.

use std::{collections::BTreeSet, path::Path, process::Command};

use easytier_uptime_config::Setting;
use serde_json::Value;

use crate::{
    program::{assert_command, assert_setting, flags_of},
    read, root, tool,
};

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn the_action_runs_an_existing_command() {
    let action = yaml("action.yml");
    let step = action["runs"]["steps"].as_array().unwrap().iter().rfind(|step| step["env"].is_object()).unwrap();
    let script = step["run"].as_str().unwrap();
    let usage = assert_command(&["once"]);
    let flags: Vec<String> = script.lines().flat_map(flags_of).collect();
    assert!(flags.len() > 5, "{flags:?}");
    assert_command(&["once"].into_iter().chain(flags.iter().map(String::as_str)).collect::<Vec<_>>());
    for name in keys(&step["env"]).iter().filter(|name| !name.starts_with("INPUT_")) {
        assert_setting(&usage, name);
    }
    // The used inputs are exactly the declared ones.
    let text = read("action.yml");
    let used = text.split("${{ inputs.").skip(1).map(|rest| rest.split(' ').next().unwrap());
    assert_eq!(keys(&action["inputs"]), used.collect());
}

/// The linter knows the syntax of workflows, the contexts of expressions, and which of them strangers can write.
#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    tool::assert_silent(Command::new(root().join("tools/check-workflows")).env("CARGO_TARGET_DIR", target));
}

#[test]
fn the_ci_workflow_pins_its_actions_and_has_read_permission_only() {
    let workflow = yaml(".github/workflows/ci.yml");
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps: Vec<&Value> = jobs.values().flat_map(|job| job["steps"].as_array().unwrap()).collect();
    for action in steps.iter().filter_map(|step| step["uses"].as_str()) {
        let (_, version) = action.split_once('@').unwrap();
        assert!(version.len() == 40 && version.chars().all(|c| c.is_ascii_hexdigit()), "{action} is not pinned");
    }
    assert!(steps.iter().any(|step| step["run"].as_str().is_some_and(|run| run.ends_with(" .ci/run"))));
}

#[test]
fn the_example_workflow_uses_existing_inputs() {
    let (action, workflow) = (yaml("action.yml"), yaml("deploy/github-workflow.example.yml"));
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
    let ours = steps.filter(|step| step["uses"].as_str().unwrap().starts_with("easytier-uptime/"));
    let given: Vec<&str> = ours.flat_map(|step| keys(&step["with"])).collect();
    assert!(given.len() > 5, "{given:?}");
    for input in given {
        assert!(keys(&action["inputs"]).contains(input), "the action has no input {input}");
    }
}

#[test]
fn the_line_for_cron_runs_an_existing_command() {
    let text = read("deploy/crontab.example");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 1);
    let (_, command) = lines[0].split_once(" easytier-uptime ").unwrap();
    assert_command(&command.split_whitespace().take_while(|word| !word.starts_with('>')).collect::<Vec<_>>());
    // The configuration file in its comments.
    for line in text.lines().filter_map(|line| line.strip_prefix("#   ")) {
        let (key, _) = line.split_once(" = ").unwrap();
        assert!(Setting::all().any(|setting| setting.key() == key), "there is no setting {key}");
    }
}
