//! The daemon on a machine with faults: a full disk, a wall clock that is set, a line that loses packets, and very many
//! peers. The tests use the real program, real nodes and a real hub.

#![allow(clippy::disallowed_methods, clippy::restriction, unsafe_code, reason = "a test fails by a panic")]

mod clock;
mod cut_off;
mod full_disk;
#[path = "../support/daemon/http.rs"]
mod http;
#[path = "../support/daemon/hub.rs"]
mod hub;
mod line;
mod many;
mod namespace;
#[path = "../support/daemon/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/daemon/wait.rs"]
mod wait;
mod wire;

use easytier_uptime_store::domain::PeerId;

use crate::{
    http::all_checks,
    hub::Hub,
    program::{Folder, Running},
    wait::{eventually, until},
};

/// Stops the checks of the daemon, and waits until the hub has each check of its one peer once. `id` is the peer's id at the
/// hub. Returns the log of the daemon.
async fn assert_delivered_once(hub: &Hub, id: PeerId, folder: &Folder, daemon: Running) -> String {
    let counted = all_checks(&daemon.url).await;
    folder.set(&[("PROBE_SCHEDULE", "@yearly")]);
    daemon.reload_until("peers to watch").await;
    folder.await_history().await;
    let stored = daemon.checks(1).await;
    assert!(stored >= counted, "{counted} checks were done, and {stored} stored");
    until("all checks at the hub", async || {
        let delivered = hub.checks(id).await;
        assert!(delivered <= stored, "{stored} checks were done, and the hub has {delivered}");
        delivered == stored
    })
    .await;
    let log = daemon.stop().await;
    assert!(!log.contains("panicked"), "{log}");
    log
}
