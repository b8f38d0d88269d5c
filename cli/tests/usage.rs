//! The command line before anything is checked: help, version, and bad usage.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../../tests/support/closed_port.rs"]
mod closed_port;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use closed_port::ClosedPort;

fn run(args: &[&str]) -> Output {
    run_with_stdin(args, "")
}

fn run_with_stdin(args: &[&str], stdin: &str) -> Output {
    let mut child = command(args).spawn().unwrap();
    // The command may end before it reads its input.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
    command.args(args).env_remove("NETWORK_SECRET");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The error text of a command that was refused with exit code 2 and printed nothing to standard output.
#[track_caller]
fn refusal(output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stdout(output), "");
    stderr
}

#[track_caller]
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn the_version_names_the_version_of_the_protocol() {
    let output = run(&["--version"]);
    let expected = format!(
        "easytier-uptime {} (speaks EasyTier {})\n",
        env!("CARGO_PKG_VERSION"),
        easytier_probe::EASYTIER_VERSION
    );
    assert_eq!(stdout(&output), expected);
    assert!(output.status.success());
}

#[test]
fn help_lists_the_commands_with_examples() {
    let help = stdout(&run(&["--help"]));
    assert_contains(
        &help,
        &[
            "check",
            "once",
            "daemon",
            "hub",
            "health",
            "demo",
            "node",
            "completions",
            "man",
            "Examples:",
            "easytier-uptime check tcp://",
        ],
    );
}

#[test]
fn help_of_check_has_exit_codes_and_defaults() {
    let help = stdout(&run(&["check", "--help"]));
    assert_contains(&help, &["Exit codes:", "[default: 5s]", "[default: 512]", "[env: NETWORK_SECRET]", "Examples:"]);
}

#[test]
fn help_of_once_has_exit_codes_and_settings_with_their_variables() {
    let help = stdout(&run(&["once", "--help"]));
    let expected =
        ["Exit codes:", "3  the backend is unreachable", "[env: NODE_TOKEN]", "--config <PATH>", "[default: 300s]"];
    assert_contains(&help, &expected);
}

#[test]
fn help_of_demo_says_that_it_stays_on_this_machine() {
    assert_contains(&stdout(&run(&["demo", "--help"])), &["127.0.0.1", "Exit codes:", "[default: 9]"]);
}

#[test]
fn a_demo_has_at_least_three_cycles() {
    assert_contains(&refusal(&run(&["demo", "--cycles", "2"])), &["--cycles", "3..="]);
}

#[test]
fn help_of_node_explains_the_whitelist() {
    let help = stdout(&run(&["node", "--help"]));
    assert_contains(&help, &["rejected", "wildcards", "listening on tcp://", "--exit-with-stdin"]);
}

#[test]
fn help_does_not_show_a_secret_of_the_environment() {
    for name in ["check", "once"] {
        let mut command = command(&[name, "--help"]);
        let output = command.env("NETWORK_SECRET", "hunter2").env("NODE_TOKEN", "hunter2").output().unwrap();
        assert!(output.status.success());
        assert!(!stdout(&output).contains("hunter2"));
    }
}

/// The settings are not valid, so that the hub does not start.
#[test]
fn no_command_is_the_standalone_mode() {
    let refused = refusal(&run(&["--server-port", "70000", "--health-check-interval", "soon"]));
    assert_contains(&refused, &["--server-port = '70000'", "--health-check-interval = 'soon'"]);
}

/// A probe of a remote hub is no instance: whoever configures both learns it, instead of running without the role.
#[test]
fn a_probe_has_no_role_in_a_cluster() {
    for role in [["ENABLE_SYNC_API", "true"], ["PRIMARY_SYNC_URL", "http://hub-1:3002"]] {
        let settings = [("DISTRIBUTED_MODE_ENABLED", "true"), ("BACKEND_BASE_URL", "http://h"), ("NODE_TOKEN", "t")];
        let output = command(&[]).envs(settings).env(role[0], role[1]).output().unwrap();
        assert_contains(&refusal(&output), &[role[0], "excludes DISTRIBUTED_MODE_ENABLED"]);
    }
}

#[test]
fn health_names_the_url_and_the_problem() {
    let closed = ClosedPort::new();
    let output = run(&["health", &closed.url("http")]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert_contains(&String::from_utf8(output.stderr).unwrap(), &[&closed.address().to_string(), "refused"]);
    assert_contains(&refusal(&run(&["health", "--server-port", "0"])), &["--server-port: ", "name the URL"]);
}

#[test]
fn completions_print_a_script_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        assert_contains(&stdout(&output), &["easytier-uptime", "handshake-only"]);
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert!(run(&["man", path]).status.success());
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_contains(&page("easytier-uptime.1"), &["easytier\\-uptime\\-check(1)"]);
    assert_contains(&page("easytier-uptime-hub-peer-add.1"), &["network\\-name"]);
    let refused = run(&["man", &format!("{path}/nowhere")]);
    assert_contains(&String::from_utf8(refused.stderr).unwrap(), &["nowhere", "cannot be written"]);
}

#[test]
fn check_without_peers_is_refused() {
    assert_contains(&refusal(&run(&["check"])), &["<URL>", "--help"]);
    assert_contains(&refusal(&run_with_stdin(&["check", "-"], "# nobody\n")), &["nothing to check"]);
}

#[test]
fn all_bad_peers_are_reported_together() {
    let output = run_with_stdin(
        &["check", "tcp://192.0.2.7", "node.example", "tcp://192.0.2.7:0", "-", "--file", "/nonexistent/nodes.txt"],
        "tcp://192.0.2.8\ntcp://192.0.2.8:0\n",
    );
    assert_contains(
        &refusal(&output),
        &[
            "nothing was checked",
            "URL 2: 'node.example' has no scheme",
            "URL 3: port 0",
            "standard input:",
            "line 2",
            "cannot read '/nonexistent/nodes.txt'",
        ],
    );
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    let url = "tcp://192.0.2.7";
    let refused = |args: &[&str]| refusal(&run(&[&["check", url], args].concat()));
    assert_contains(&refused(&["--timeout", "5x"]), &["--timeout", "500ms, 30s, 5m, 24h"]);
    assert_contains(&refused(&["--timeout", "0"]), &["--timeout", "longer than zero"]);
    assert_contains(&refused(&["--interval", "0s"]), &["--interval", "longer than zero"]);
    assert_contains(&refused(&["--count", "0"]), &["--count", "1..=100"]);
    assert_contains(&refused(&["--count", "101"]), &["--count", "1..=100"]);
    assert_contains(&refused(&["--concurrency", "0"]), &["--concurrency", "1..="]);
    assert_contains(&refused(&["--fail-on", "some"]), &["--fail-on", "any, all, never"]);
    assert_contains(&refused(&["--allow-local-peers=perhaps"]), &["--allow-local-peers"]);
}

#[test]
fn a_network_name_requires_a_secret() {
    let error = refusal(&run(&["check", "tcp://192.0.2.7", "--network-name", "home"]));
    assert_contains(&error, &["--network-name home", "--network-secret-file"]);
}

#[test]
fn two_secrets_exclude_each_other() {
    let error =
        refusal(&run(&["check", "tcp://192.0.2.7", "--network-secret", "hunter2", "--network-secret-file", "x"]));
    assert_contains(&error, &["--network-secret ", "--network-secret-file"]);
    assert!(!error.contains("hunter2"), "{error}");
}

/// The error is about the file, so the file was read.
#[test]
fn a_secret_file_overrides_the_environment() {
    let output = command(&["check", "tcp://192.0.2.7", "--network-secret-file", "/nonexistent/secret"])
        .env("NETWORK_SECRET", "hunter2")
        .output()
        .unwrap();
    assert_contains(&refusal(&output), &["cannot read the network secret from '/nonexistent/secret'"]);
}

#[test]
fn node_listens_at_addresses_of_this_machine_only() {
    let refused = |url: &str| refusal(&run(&["node", "--exit-with-stdin", "--listen", url]));
    assert_contains(&refused("127.0.0.1:11010"), &["write it like tcp://127.0.0.1:11010"]);
    assert_contains(&refused("tcp://localhost:0"), &["'localhost' is not an IP address"]);
    assert_contains(&refused("http://127.0.0.1:0"), &["cannot listen on http"]);
    // The prefix is reserved for documentation, so no machine has this address.
    assert_contains(&refused("tcp://[2001:db8::1]:0"), &["cannot listen at tcp://[2001:db8::1]:0"]);
    assert_contains(&refusal(&run(&["node"])), &["--listen"]);
}
