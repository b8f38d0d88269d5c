//! A large cycle within its budget. It has its own binary, so that no other test runs at the same time.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/backend.rs"]
mod backend;
#[path = "support/cycle.rs"]
mod cycle;
#[path = "support/hub.rs"]
mod hub;
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use easytier_probe::{CycleOptions, FailureCode, PeerUrl, Scheme, cycle::BackendPeers};
use serde_json::Value;

use self::{
    cycle::{checker, run_with, small},
    hub::{Hub, assert_stored_or_undelivered, listed},
    support::{
        closed_port::ClosedPort,
        fake,
        node::{Node, NodeOptions},
        scripted::{Script, ScriptedNode},
    },
};

const PEERS: i64 = 10_000;
const PAGE: usize = 500;
const MAX_CHECKS: usize = 256;

/// 1,000 real nodes and 4,000 scripted ones, which are cheaper in a debug build, are online; 4,500 ports are closed, and 500
/// accept connections without a response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_peers_half_of_them_dead_are_checked_within_the_budget() {
    let start = || NodeOptions::listening_on(&[Scheme::Tcp]).start(env!("CARGO_BIN_EXE_easytier-uptime"));
    let real: Vec<Node> = (0..4).map(|_| start()).collect();
    let scripted = ScriptedNode::start(Script::default()).await;
    let (closed, silent) = (ClosedPort::new(), fake::silent().await);
    let [closed_url, silent_url] = [closed.url(Scheme::Tcp), silent.url(Scheme::Tcp)].map(url);
    let peer = |id: i64| match id % 20 {
        0 => with(listed(id, &silent_url), "timeout_ms", 1000),
        1 | 11 => listed(id, &real[(id / 10) as usize % real.len()].url(Scheme::Tcp)),
        odd if odd % 2 == 1 => with(listed(id, &scripted.url()), "check", "handshake"),
        _ => listed(id, &closed_url),
    };
    let options = CycleOptions { batch_size: PAGE, ..small(Duration::from_secs(20)) };

    let (checked, most_open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (so_far, most) = (checked.clone(), most_open.clone());
    let hub = Hub::with_exceptions((0..PEERS).map(peer).collect(), PAGE, move |seen, pages| {
        if seen.method == "GET" {
            // The peers on the pages before this one.
            most.fetch_max(pages * PAGE - so_far.load(SeqCst), SeqCst);
        }
        None
    })
    .await;
    let client = hub.client();

    let ran = run_with(&checker(MAX_CHECKS), &mut BackendPeers::new(client.clone()), &client, &options, |_| {
        checked.fetch_add(1, SeqCst);
    })
    .await;
    let report = &ran.report;
    let failures = [(FailureCode::ConnectRefused, 4500), (FailureCode::HandshakeTimeout, 500)];
    assert_eq!(report.failures, BTreeMap::from(failures), "skipped {}", report.skipped);
    assert_eq!((report.online, report.skipped, report.delivered), (5000, 0, 10_000));
    assert!(report.complete && report.fetch_error.is_none() && report.report_error.is_none(), "{report:?}");
    assert_stored_or_undelivered(&hub, &ran);
    // Running checks and a full queue, but not another page.
    let most_open = most_open.load(SeqCst);
    assert!(most_open <= 2 * MAX_CHECKS, "{most_open} peers were in memory when a page was asked for");
}

fn url(text: String) -> PeerUrl {
    text.parse().expect("a peer URL")
}

/// The listed peer with one field more.
fn with(mut peer: Value, field: &str, value: impl Into<Value>) -> Value {
    peer[field] = value.into();
    peer
}
