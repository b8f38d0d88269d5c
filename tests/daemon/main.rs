//! The daemon and the standalone mode, end to end: the real program, real nodes, a real hub, and faults in between.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod away;
#[path = "../support/backend.rs"]
mod backend;
mod connect;
mod control;
mod discovery;
#[path = "../support/daemon/http.rs"]
mod http;
#[path = "../support/daemon/hub.rs"]
mod hub;
mod life;
mod managed;
mod monitoring;
mod orders;
mod peers;
#[path = "../support/daemon/program.rs"]
mod program;
mod registration;
mod relay;
mod schedule;
mod spool;
mod standalone;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/daemon/wait.rs"]
mod wait;

use easytier_probe::Scheme;
use easytier_uptime_store::domain::PeerId;

use crate::{
    hub::Hub,
    program::{Folder, PROGRAM, Running},
    support::{
        node::{Node, NodeOptions},
        proxy::{Fault, Faulty},
    },
    wait::{eventually, until},
};

/// A schedule of once a year: during a test it runs no cycle except the one at the start of the program.
const NEVER: &str = "@yearly";

/// A node that listens on TCP.
fn node() -> Node {
    NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM)
}

/// A hub with one good node, a proxy with this fault in front of the hub, and the folder of a probe with a token.
async fn behind_a_proxy(fault: Fault) -> (Hub, Node, PeerId, Faulty, Folder) {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let proxy = Faulty::to(hub.address, fault).await;
    let folder = Folder::of_probe(&proxy.url(), &hub.token("probe-1").await);
    (hub, node, peer, proxy, folder)
}

/// Waits until the daemon's own history shows the node at `address` with this health.
async fn await_health(daemon: &Running, address: &str, health: &str) {
    until(&format!("{address} to be {health}"), async || {
        let node = http::node(&daemon.url, address).await;
        node.is_some_and(|node| node["current_health_status"] == health)
    })
    .await;
}

/// Waits until the daemon's own history has `more` new checks of a node.
async fn await_checks(daemon: &Running, id: i64, more: u64) {
    let before = daemon.checks(id).await;
    until(&format!("{more} checks of node {id} beyond {before}"), async || daemon.checks(id).await >= before + more)
        .await;
}

/// Stops the checks of the daemon, and waits until the hub has each check exactly once. `ids`: the ids of each peer at
/// the hub and at the daemon.
async fn assert_delivered_once(hub: &Hub, folder: &Folder, daemon: &Running, ids: &[(PeerId, i64)]) {
    folder.set(&[("PROBE_SCHEDULE", NEVER)]);
    daemon.reload_until("peers to watch").await;
    folder.await_history().await;
    for (there, here) in ids {
        let seen = daemon.checks(*here).await;
        assert!(seen > 0, "peer {here} was checked");
        until(&format!("{seen} checks of peer {there} at the hub"), async || {
            let delivered = hub.checks(*there).await;
            assert!(delivered <= seen, "peer {here} was checked {seen} times, and the hub has {delivered}");
            delivered == seen
        })
        .await;
    }
    until("an empty spool", async || daemon.figure("spool_results").await == 0.0).await;
    for (there, here) in ids {
        assert_eq!(hub.checks(*there).await, daemon.checks(*here).await);
    }
}
