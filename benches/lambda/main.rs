//! Measures the function for the figures in docs/performance.md: its cold start, and 1,000 peers in one invocation.
//!
//! `cargo bench -p easytier-uptime-lambda`. The function and the nodes run in separate processes, so that
//! the function's memory is measured alone. Needs Linux, and permission to create a network namespace, where traffic is counted.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

#[path = "../../tests/lambda/hub.rs"]
mod hub;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../../tests/lambda/node.rs"]
mod node;
#[path = "../../tests/lambda/proxy.rs"]
mod proxy;
#[path = "../../tests/lambda/runtime.rs"]
mod runtime;
mod sandbox;
#[path = "../support/usage.rs"]
mod usage;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};

use self::{
    hub::Hub,
    sandbox::Sandbox,
    usage::{mebibytes, median},
};

/// The number of nodes, so that none gets too many joins: old versions crash then.
const NODES: usize = 16;
const STARTS: usize = 30;
const RUNS: usize = 5;

type Variables = Vec<(&'static str, String)>;

/// The measured invocations, each the first of its sandbox.
const SCENES: [Scene; 4] = [
    Scene { what: "1,000 peers of the event", peers: 1_000, silent: 0, claimed: false },
    Scene { what: "1,000 claimed at a hub", peers: 1_000, silent: 0, claimed: true },
    Scene { what: "100 claimed at a hub", peers: 100, silent: 0, claimed: true },
    Scene { what: "... and one that is silent", peers: 100, silent: 1, claimed: true },
];

struct Scene {
    what: &'static str,
    /// The number of peers that answer.
    peers: usize,
    /// The number of peers that accept the connection and send nothing.
    silent: usize,
    /// Whether the peers are claimed at a hub; otherwise they are in the event.
    claimed: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("node") => play_node(),
        Some("bare") => play_bare_function(),
        _ if namespace::in_own_namespace(&arguments) => {
            tokio::runtime::Runtime::new().expect("a runtime").block_on(measure());
        }
        _ => {}
    }
}

async fn measure() {
    println!("\nfrom exec to the first request for an invocation, medians of {STARTS} (best and worst)\n");
    let this = std::env::current_exe().expect("this binary has a path");
    let plain = vec![
        ("BACKEND_BASE_URL", "https://hub.example.com".to_owned()),
        ("NODE_TOKEN", "a-token".to_owned()),
        ("REGION", "eu".to_owned()),
    ];
    let mut referring = plain.clone();
    referring[1].1 = "ssm:/uptime/token".to_owned();
    referring.push(("SPOOL_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/spool".to_owned()));
    cold_starts("the function", || Sandbox::command(&plain)).await;
    cold_starts("with a secret by reference and a queue", || Sandbox::command(&referring)).await;
    cold_starts("a function that does nothing", || {
        let mut command = Command::new(&this);
        command.arg("bare");
        command
    })
    .await;

    println!("\none invocation, the first of its sandbox, at {NODES} nodes, medians of {RUNS}\n");
    println!(
        "                            wall time (best and worst)     CPU   peak resident memory   bytes per peer logged"
    );
    for scene in SCENES {
        scene.measure().await;
    }
}

async fn cold_starts(what: &str, command: impl Fn() -> Command) {
    let mut millis = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..STARTS {
        let (sandbox, took) = Sandbox::start(command()).await;
        millis.push(took.as_secs_f64() * 1000.0);
        resident.push(mebibytes(usage::resident_peak(sandbox.pid())));
    }
    let (best, worst) = range(&millis);
    let (middle, resident) = (median(millis), median(resident));
    println!("{what:40} {middle:6.1} ms ({best:.1}, {worst:.1}), resident {resident:.1} MiB");
}

/// The cost of an invocation.
struct Run {
    wall: Duration,
    cpu: Duration,
    /// The function's peak resident memory in bytes.
    peak: u64,
    /// Bytes of traffic per peer, in both directions.
    moved: f64,
    /// Bytes.
    logged: u64,
}

impl Scene {
    async fn measure(&self) {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(self.run().await);
        }
        let all = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<_>>();
        let walls = all(|run| run.wall.as_secs_f64());
        let (best, worst) = range(&walls);
        println!(
            "{:26} {:6.2} s ({best:5.2}, {worst:5.2}) {:9.2} s {:15.1} MiB {:18.0} {:8.0}",
            self.what,
            median(walls),
            median(all(|run| run.cpu.as_secs_f64())),
            median(all(|run| mebibytes(run.peak))),
            median(all(|run| run.moved)),
            median(all(|run| run.logged as f64)),
        );
    }

    /// One invocation over new nodes: old versions crash after too many joins.
    async fn run(&self) -> Run {
        let (_nodes, ports): (Vec<Node>, Vec<u16>) = (0..NODES).map(|_| Node::start()).unzip();
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let silent_port = silent.local_addr().expect("bound").port();
        // Each peer has its own address, so that no join waits for another: the limit is one per second and address.
        let mut urls: Vec<String> = (0..self.peers)
            .map(|nth| {
                let (node, address) = (nth % NODES, nth / NODES);
                format!("tcp://127.2.{}.{}:{}", address / 250, address % 250 + 1, ports[node])
            })
            .collect();
        urls.extend((0..self.silent).map(|_| format!("tcp://127.0.0.1:{silent_port}")));
        let (_hub, mut variables, event) = match self.claimed {
            true => {
                let hub = Hub::start().await;
                hub.add(&urls).await;
                let token = hub.token("bench").await;
                let variables = vec![("BACKEND_BASE_URL", hub.url.clone()), ("NODE_TOKEN", token)];
                (Some(hub), variables, json!({}))
            }
            false => (None, Variables::new(), json!({"peers": urls})),
        };
        variables.push(("ALLOW_LOCAL_PEERS", "true".to_owned()));
        let (sandbox, _) = Sandbox::start(Sandbox::command(&variables)).await;
        let (started, sent, logged) = (Instant::now(), usage::sent_octets(), sandbox.logged());
        let answer = sandbox.invoke(event).await;
        let (wall, sent) = (started.elapsed(), usage::sent_octets() - sent);
        assert_eq!([&answer["checked"], &answer["online"]], [urls.len(), self.peers], "{answer}");
        Run {
            wall,
            cpu: usage::cpu_of(sandbox.pid()),
            peak: usage::resident_peak(sandbox.pid()),
            moved: sent as f64 / urls.len() as f64,
            logged: sandbox.logged() - logged,
        }
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max))
}

/// A node in a separate process; killed when dropped.
struct Node(Child);

impl Node {
    fn start() -> (Self, u16) {
        let mut command = Command::new(std::env::current_exe().expect("this binary has a path"));
        // An instance looks up servers on the internet; with this, the lookups fail at once.
        command.arg("node").env("RES_OPTIONS", "attempts:0");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the node prints its port");
        (Self(child), line.trim().parse().expect("a port"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The role of a node, until the end of its standard input.
fn play_node() {
    println!("{}", node::start());
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::exit(0);
}

/// The role of a function that does nothing, for comparison.
fn play_bare_function() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let handler = service_fn(|event: LambdaEvent<Value>| async { Ok::<_, lambda_runtime::Error>(event.payload) });
    runtime.block_on(lambda_runtime::run(handler)).expect("it serves");
}
