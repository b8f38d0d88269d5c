//! Measures the check engine for the figures in docs/performance.md.
//!
//! `cargo bench -p easytier-uptime --bench engine [-- NAME…]` measures all figures, or the named ones. Nodes run in
//! separate processes, so that the CPU time of the client is measured alone. A figure and its baseline are measured in
//! the same run. Needs Linux, permission to create a network namespace, and for one figure the package
//! prometheus-blackbox-exporter.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

mod check_cost;
mod connect_baseline;
mod counted;
mod exporter;
mod held;
mod hostile;
mod hostile_servers;
mod in_flight;
#[path = "../support/instances.rs"]
mod instances;
mod interleaved;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../support/nodes.rs"]
mod nodes;
#[path = "../support/role.rs"]
mod role;
#[path = "../support/usage.rs"]
mod usage;
mod verdict;

/// The figures: the name on the command line, and the function that measures it.
const FIGURES: [(&str, fn()); 7] = [
    ("counted", counted::run),
    ("check-cost", check_cost::run),
    ("exporter", exporter::run),
    ("hostile", hostile::run),
    ("verdict", verdict::run),
    ("in-flight", in_flight::run),
    ("held", held::run),
];

/// The roles of this binary in child processes.
const ROLES: [nodes::Role; 9] = [
    ("echo", connect_baseline::serve),
    ("count-checks", counted::check_nodes),
    ("count-connects", counted::connect),
    ("hostile-server", hostile_servers::serve),
    ("hostile-probe", hostile::probe),
    ("in-flight", in_flight::client),
    ("hold-sessions", held::hold_sessions),
    ("hold-instances", instances::hold),
    ("time-instance", held::time_instance),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if role::play(&ROLES, &arguments) {
        return;
    }
    // cargo passes --bench.
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    for (name, measure) in FIGURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            println!("\n## {name}");
            measure();
        }
    }
}
