//! The function reads exactly the variables that `--help` lists.

use std::{collections::BTreeSet, process::Command};

use easytier_uptime_config::Setting;
use serde_json::json;

use crate::function::Function;

/// The names of the variables in the help text.
fn listed() -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_easytier-uptime-lambda")).arg("--help").output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    let (_, variables) = text.split_once("Environment variables:").expect("a list");
    variables.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_reads_exactly_the_listed_variables() {
    let listed = listed();
    assert!(listed.len() > 10, "{listed:?}");
    // A value that is invalid for every setting, and too long for texts. RUST_LOG needs a special one.
    let wrong = format!("no value\n{}", "x".repeat(200));
    let value = |setting: &Setting| if setting.name == "RUST_LOG" { "x=y" } else { wrong.as_str() };
    let mut function = Function::start(Setting::all().map(|setting| (setting.name, value(setting)))).await;
    let error = function.error(json!({})).await;
    let named =
        error.lines().filter_map(|line| line.trim().split_once(" (environment)")).map(|(name, _)| name.to_owned());
    assert_eq!(named.collect::<BTreeSet<_>>(), listed, "{error}");
    // Every invocation reports it.
    assert_eq!(function.error(json!({"peers": ["tcp://192.0.2.1:1"]})).await, error);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_can_be_text_and_filtered() {
    let mut function =
        Function::start([("LOG_FORMAT", "text"), ("RUST_LOG", "off,easytier_uptime_lambda=error")]).await;
    function.error(json!([])).await;
    let log = function.end();
    // The line of metrics stays JSON, because CloudWatch reads it.
    let mut text_lines = log.iter().filter(|line| !line.contains("\"_aws\""));
    assert!(text_lines.all(|line| !line.starts_with('{')), "{log:?}");
}
