//! The `demo` command: its output and its exit code, and that it stops its nodes.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use rustix::process::Signal;

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
fn a_demo_stays_until_ctrl_c_and_shows_real_nodes_in_three_regions_and_a_history_that_is_marked_as_simulated() {
    let mut demo = Hub::of(&mut command(&["--cycles", "3", "--interval", "1s", "--stay"]));
    let lines = demo.await_printed("until Ctrl-C");
    for simulated in ["simulated-near", "simulated-far"] {
        assert!(lines.iter().any(|line| line.contains(&format!("{simulated} "))), "{lines:?}");
    }
    let id_of = |name: &str| {
        let (_, answer) = demo.get("/api/nodes?per_page=100", &[]);
        let node = answer["data"]["items"].as_array().unwrap().iter().find(|node| node["name"] == name).cloned();
        node.and_then(|node| node["id"].as_i64()).unwrap_or_else(|| panic!("no {name} in {answer}"))
    };
    for name in ["alice", "bob", "carol"] {
        let id = id_of(name);
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

    let (_, stats) = demo.get(&format!("/api/nodes/{}/health/stats?hours=720", id_of("Helsinki")), &[]);
    let (checks, uptime) = (stats["data"]["total_checks"].as_i64(), stats["data"]["uptime_percentage"].as_f64());
    assert!(checks.is_some_and(|checks| checks > 3 * 29 * 24 * 60), "a check a minute in three regions: {stats}");
    assert!(uptime.is_some_and(|uptime| (98.0..99.5).contains(&uptime)), "five hours of 30 days: {stats}");
    let page = demo.text("/", &[]).1;
    for marked in ["This is a demonstration. Nodes with the tag", "tcp://fra.simulated.example:11010"] {
        assert!(page.contains(marked), "{marked} is not on the page");
    }
    let incidents = demo.text("/incidents", &[]).1;
    for node in ["Sydney", "Amsterdam"] {
        assert!(incidents.contains(node), "{node} has no incident: {incidents}");
    }

    demo.signal(Signal::INT);
    let (status, rest, log) = demo.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(rest.contains("stopped"), "{rest}");
    assert_no_node_is_left(&lines);
}
