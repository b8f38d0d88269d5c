//! Checks of real nodes of the oldest and of the newest EasyTier.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use easytier_probe::{Checker, Scheme};
use support::{LONG, assert_online, current_node::CurrentNodeOptions, options};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn a_current_node_lists_a_guest_until_the_session_ends() {
    let node = CurrentNodeOptions::listening_on(&[Scheme::Tcp]).start();
    assert_eq!(node.foreign_networks(), Vec::<String>::new());

    let mut held = Checker::new(options(LONG)).hold(node.as_guest(Scheme::Tcp));
    let report = held.next(Instant::now()).await;
    assert_online(&report);
    let version = report.result.version.as_deref().expect("the node says its version");
    assert!(version.starts_with("2.6.4"), "{version}");
    assert_eq!(node.foreign_networks().len(), 1, "{}", node.ask("foreign_networks"));
    assert!(node.peers().is_empty(), "a guest is not in the node's own network");

    drop(held);
    let forgotten = async {
        while !node.foreign_networks().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, forgotten).await.expect("the node forgets a guest that has left");
}
