//! Measures the daemon for the figures in docs/performance.md.
//!
//! `cargo bench -p easytier-uptime --bench daemon-soak [-- --minutes N] [NAME…]` measures all scenes, or the named
//! ones, for N minutes each (default: 2). The daemon is the real program: it keeps its history in a file, and the bench
//! calls its API throughout. The nodes and the hub run in separate processes. Needs Linux and permission to create a
//! network namespace.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a bench fails by a panic, and prints")]

mod api;
mod backend;
mod daemon;
#[path = "../support/instances.rs"]
mod instances;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../support/nodes.rs"]
mod nodes;
#[path = "../support/role.rs"]
mod role;
mod scene;
#[path = "../support/usage.rs"]
mod usage;
mod watch;

use std::time::Duration;

use self::scene::Scene;

const SCENES: [Scene; 2] = [
    Scene {
        name: "few",
        peers: 1_000,
        interval: Duration::from_secs(5),
        max_mebibytes: 48.0,
        max_core_percent: 5.0,
        with_instances: true,
    },
    Scene {
        name: "many",
        peers: 10_000,
        interval: Duration::from_secs(30),
        max_mebibytes: 200.0,
        max_core_percent: 20.0,
        with_instances: false,
    },
];

/// The roles of this binary in child processes.
const ROLES: [nodes::Role; 1] = [("hold-instances", instances::hold)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, role, rest @ ..] = arguments.as_slice()
        && flag == "--role"
    {
        let (_, play) = ROLES.iter().find(|(name, _)| name == role).expect("a known role");
        return play(rest);
    }
    if !namespace::in_own_namespace(&arguments) {
        return;
    }
    let (mut minutes, mut wanted) = (2.0, Vec::new());
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        match argument.as_str() {
            "--minutes" => minutes = left.next().and_then(|number| number.parse().ok()).expect("--minutes N"),
            // cargo passes --bench.
            flag if flag.starts_with("--") => {}
            name => wanted.push(name),
        }
    }
    for scene in SCENES {
        if wanted.is_empty() || wanted.contains(&scene.name) {
            scene.measure(Duration::from_secs_f64(minutes * 60.0));
        }
    }
}
