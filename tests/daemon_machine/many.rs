//! Ten thousand peers, half of them dead.

use std::{collections::HashMap, fs, net::Ipv4Addr, process::Stdio, time::Duration};

use easytier_probe::Scheme;
use easytier_uptime_store::domain::{PeerSpec, Timestamp};
use serde_json::Value;
use tokio::{
    net::TcpSocket,
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    http::data,
    hub::Hub,
    program::{Folder, PROGRAM, Running},
    support::{
        node::{Node, NodeOptions},
        scripted::{Script, ScriptedNode},
    },
    until,
};

const PEERS: usize = 10_000;
const ALIVE: usize = PEERS / 2;

/// How many real nodes there are, and how many peers are addresses of each. All other live peers are addresses of a
/// scripted node, which takes less time in a debug build.
const NODES: usize = 4;
const PEERS_PER_NODE: usize = 100;

const INTERVAL: Duration = Duration::from_secs(60);

/// The usual limit of file descriptors. Every session needs one.
const USUAL_DESCRIPTORS: usize = 1024;

/// The maximum number of other descriptors: checks in flight, the database, the API, the hub.
const OTHER_DESCRIPTORS: usize = 512 + 100;

/// The maximum memory of a debug build.
const MAX_MEBIBYTES: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_peers_each_has_a_verdict_within_two_intervals() {
    let nodes: Vec<Node> = (0..NODES).map(|_| node()).collect();
    let scripted = ScriptedNode::start_at(Ipv4Addr::UNSPECIFIED, Script::default()).await;
    let alive_port = |nth: usize| match nodes.get(nth / PEERS_PER_NODE) {
        Some(node) => node.url(Scheme::Tcp).port().unwrap(),
        None => scripted.fake.address().port(),
    };
    // A port that is bound without listening refuses connections and cannot be taken by another program.
    let dead = TcpSocket::new_v4().unwrap();
    dead.bind("0.0.0.0:0".parse().unwrap()).unwrap();
    let dead_port = dead.local_addr().unwrap().port();
    let url = |index: usize| {
        let port = if index.is_multiple_of(2) { alive_port(index / 2) } else { dead_port };
        format!("tcp://127.1.{}.{}:{port}", index / 250, index % 250 + 1)
    };
    let hub = Hub::start().await;
    let specs: Vec<PeerSpec> = (0..PEERS).map(|index| PeerSpec::new(url(index).parse().unwrap())).collect();
    hub.store.import_peers(&specs, Timestamp::now()).await.unwrap();
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[
        ("HEALTH_CHECK_INTERVAL", &INTERVAL.as_secs().to_string()),
        ("PEER_FETCH_INTERVAL", "10s"),
        ("STATUS_REPORT_INTERVAL", "10s"),
    ]);
    let daemon = Running::of(with_usual_descriptors(&folder)).await;
    daemon.await_log("10000 peers to watch").await;

    let started = Instant::now();
    let (mut peak_descriptors, mut peak_mebibytes) = (0, 0);
    while watched(&daemon).await != [ALIVE, PEERS - ALIVE, 0] {
        let so_far = watched(&daemon).await;
        let log = || daemon.log_with(" WARN ").into_iter().filter(|line| !line.contains("connect_refused")).take(5);
        assert!(
            started.elapsed() < INTERVAL * 2,
            "online, offline and unknown after two intervals: {so_far:?}; {:#?}",
            log().collect::<Vec<_>>()
        );
        peak_descriptors = peak_descriptors.max(descriptors(daemon.pid()));
        peak_mebibytes = peak_mebibytes.max(mebibytes(daemon.pid()));
        sleep(Duration::from_millis(500)).await;
    }
    println!("{:?}, {peak_descriptors} descriptors, {peak_mebibytes} MiB", started.elapsed());
    assert!(peak_descriptors <= ALIVE + OTHER_DESCRIPTORS, "{peak_descriptors} descriptors");
    assert!(peak_mebibytes <= MAX_MEBIBYTES, "{peak_mebibytes} MiB");

    until("a result of each peer at the hub", async || reported(&hub).await == all_reported(&url)).await;
    assert!(daemon.log_with("Too many open files").is_empty());
    assert_eq!(daemon.figure("checks_total{status=\"unknown\",code=\"internal\"}").await, 0.0);
    daemon.stop().await;
}

fn node() -> Node {
    let anywhere = vec!["tcp://0.0.0.0:0".to_owned()];
    NodeOptions { listen: anywhere, ..NodeOptions::listening_on(&[]) }.start(PROGRAM)
}

/// The daemon with the usual soft limit of descriptors, which it may raise.
fn with_usual_descriptors(folder: &Folder) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -S -n {USUAL_DESCRIPTORS} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM, "daemon"]).current_dir(folder.path()).env_clear().kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How many peers are online, offline and unknown by the metrics of the daemon.
async fn watched(daemon: &Running) -> [usize; 3] {
    let mut counts = [0; 3];
    for (count, status) in counts.iter_mut().zip(["online", "offline", "unknown"]) {
        *count = daemon.figure(&format!("peers_watched{{status=\"{status}\"}}")).await as usize;
    }
    counts
}

/// The nodes with results at the hub: their addresses, and whether they are up.
async fn reported(hub: &Hub) -> HashMap<String, bool> {
    let mut reported = HashMap::new();
    for page in 1.. {
        let nodes = data(&hub.url(), &format!("/api/nodes?per_page=1000&page={page}")).await;
        let nodes = nodes["items"].as_array().expect("a list").clone();
        if nodes.is_empty() {
            break;
        }
        let known = nodes.iter().filter(|node| node["last_check_time"] != Value::Null);
        reported.extend(known.map(|node| (node["address"].as_str().unwrap().to_owned(), node["is_active"] == true)));
    }
    reported
}

/// The expected result of [`reported`] in the end.
fn all_reported(url: &impl Fn(usize) -> String) -> HashMap<String, bool> {
    (0..PEERS).map(|index| (url(index), index.is_multiple_of(2))).collect()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the daemon runs").count()
}

fn mebibytes(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel shows it");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
}
