//! The `demo` command: its output and its exit code, and that it stops its nodes.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::hub::{self, Hub};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(hub::PROGRAM);
    // The caller's settings must not affect the demo.
    command.arg("demo").args(args).env("NODE_TOKEN", "another").env("NETWORK_SECRET", "another").env_remove("RUST_LOG");
    command
}

fn start(args: &[&str]) -> Child {
    command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The addresses of the nodes in the demo's first lines are free again.
#[track_caller]
fn assert_no_node_is_left(lines: &[String]) {
    let nodes: Vec<&str> = lines.iter().filter_map(|line| line.split_once("  tcp://")).map(|(_, at)| at).collect();
    assert_eq!(nodes.len(), 2, "{lines:?}");
    for address in nodes {
        TcpListener::bind(address).unwrap_or_else(|error| panic!("a node still listens at {address}: {error}"));
    }
}

#[test]
fn a_node_is_seen_to_go_down_and_to_come_back() {
    let output = start(&["--cycles", "3", "--interval", "1s"]).wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.starts_with("listening on http://127.0.0.1:"), "{stdout}");
    let mut rest = stdout.as_str();
    for expected in [
        "cycle 1: 3 online, 0 offline",
        "carol  online",
        "carol stops",
        "cycle 2: 2 online, 1 offline",
        "carol  offline  connect: ",
        "[connect_refused]",
        "carol is back",
        "cycle 3: 3 online, 0 offline",
        "carol  online",
        "All results were as expected",
    ] {
        let (_, after) = rest.split_once(expected).unwrap_or_else(|| panic!("no '{expected}' in\n{rest}\n{stderr}"));
        rest = after;
    }
    assert_eq!(stderr, "");
    assert_no_node_is_left(&stdout.lines().map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn ctrl_c_stops_the_nodes() {
    let mut demo = start(&["--cycles", "1000", "--interval", "1h"]);
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen: Vec<String> = lines.by_ref().take_while(|line| !line.contains("cycle 1: ")).collect();
    kill_process(Pid::from_child(&demo), Signal::INT).unwrap();
    seen.extend(lines);
    let output = demo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{seen:?} {output:?}");
    assert!(seen.last().unwrap().ends_with("stopped"), "{seen:?}");
    assert_no_node_is_left(&seen);
}

#[test]
fn the_pages_show_three_regions_after_the_first_cycle() {
    let mut demo = Hub::of(&mut command(&["--cycles", "1000", "--interval", "1h"]));
    let lines = demo.await_printed("carol  online");
    for simulated in ["simulated-near", "simulated-far"] {
        assert!(lines.iter().any(|line| line.contains(&format!("{simulated} "))), "{lines:?}");
    }
    for id in 1..=3 {
        let (status, answer) = demo.get(&format!("/api/nodes/{id}/regions"), &[]);
        assert_eq!(status, 200, "{answer}");
        let regions = answer["data"]["regions"].as_array().unwrap();
        let round_trip = |name: &str| {
            let region = regions.iter().find(|region| region["region"] == name);
            region
                .and_then(|region| region["latest"]["response_time"].as_f64())
                .unwrap_or_else(|| panic!("{name}: {answer}"))
        };
        assert!(round_trip("simulated-near") > round_trip("this-machine"), "{answer}");
        assert!(round_trip("simulated-far") > round_trip("simulated-near"), "{answer}");
        let node = || demo.get(&format!("/api/nodes/{id}"), &[]).1;
        let node = hub::eventually(node, |node| node["data"]["current_health_status"] == "healthy");
        assert_eq!(node["data"]["current_health_status"], "healthy", "{node}");
    }
    let page = hub::eventually(|| demo.text("/", &[]).1, |page| page.contains("simulated-far"));
    for name in ["alice", "bob", "carol", "simulated-far"] {
        assert!(page.contains(name), "{name} is not on the page");
    }
    demo.stop();
}
