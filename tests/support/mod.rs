//! Shared by end-to-end tests: real EasyTier nodes in separate processes, and servers that are not nodes.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod closed_port;
pub mod current_node;
pub mod dns;
pub mod fake;
pub mod node;
pub mod proxy;
pub mod scripted;

use std::time::Duration;

use easytier_probe::{
    Access, AddressPolicy, CheckOptions, CheckReport, Checker, FailureCode, Membership, Peer, Stage, Status,
    result::MAX_MESSAGE_CHARS,
};
use tokio::time::Instant;

/// The deadline of checks that are expected to end long before it.
pub const LONG: Duration = Duration::from_secs(10);
/// The deadline of checks that are expected to use all of their time.
pub const SHORT: Duration = Duration::from_secs(2);
/// How much longer than its deadline a check may take while the machine is busy with other tests.
const SLACK: Duration = Duration::from_secs(3);

/// Options without a limit on joins, and with any address allowed.
pub fn options(timeout: Duration) -> CheckOptions {
    CheckOptions { timeout, join_interval: Duration::ZERO, addresses: AddressPolicy::ANY, ..CheckOptions::default() }
}

/// The peer at `url`, checked as a guest.
pub fn guest(url: impl AsRef<str>) -> Peer {
    Peer::local(1, url.as_ref().parse().expect("a peer URL"))
}

/// The peer at `url`, checked as a member.
pub fn member(url: impl AsRef<str>, network_name: &str, network_secret: &str) -> Peer {
    let network_name = network_name.to_owned();
    Peer { access: Access::Member(Membership { network_name, network_secret: network_secret.into() }), ..guest(url) }
}

/// Checks `peer` once within `timeout`.
pub async fn check(peer: &Peer, timeout: Duration) -> CheckReport {
    check_with(&Checker::new(options(timeout)), peer, timeout).await
}

/// Checks `peer` once with `checker`, whose timeout is `timeout`, and asserts that the report is consistent.
pub async fn check_with(checker: &Checker, peer: &Peer, timeout: Duration) -> CheckReport {
    let started = Instant::now();
    let report = checker.check(peer).await;
    let took = started.elapsed();
    assert!(took < timeout + SLACK, "the check took {took:?}: {report:?}");
    assert_consistent(peer, &report);
    report
}

/// Asserts the invariants of a report of a single check of `peer`.
pub fn assert_consistent(peer: &Peer, report: &CheckReport) {
    let result = &report.result;
    let online = result.status == Status::Online;
    assert_eq!((result.peer_id, &report.url), (peer.id, &peer.url));
    assert_eq!((result.checks, result.healthy), (1, Some(u32::from(online))), "{report:?}");
    assert_eq!(result.error.is_none(), online, "{report:?}");
    assert_eq!(result.error.is_some(), result.message.is_some(), "{report:?}");
    assert!(result.message.as_ref().is_none_or(|words| words.chars().count() <= MAX_MESSAGE_CHARS), "{report:?}");
    assert_eq!(result.response_time, report.latency.map(|latency| latency.median_ms), "{report:?}");
}

/// Asserts that the check failed with `code` at `stage`, and that the message contains `words`.
#[track_caller]
pub fn assert_failed(report: &CheckReport, code: FailureCode, stage: Stage, words: &str) {
    let result = &report.result;
    assert_eq!((result.error, result.stage), (Some(code), stage), "{report:?}");
    assert!(result.message.as_ref().is_some_and(|message| message.contains(words)), "no '{words}' in {report:?}");
}

/// Asserts that a real node refused the check. A 2.0 node answers and closes at the same moment, so the answer may or
/// may not arrive: both stages are accepted.
#[track_caller]
pub fn assert_refused(report: &CheckReport, code: FailureCode, words: &str) {
    let stage = report.result.stage;
    assert!([Stage::Handshake, Stage::Admit].contains(&stage), "{report:?}");
    assert_failed(report, code, stage, words);
}

#[track_caller]
pub fn assert_online(report: &CheckReport) {
    assert_eq!(report.result.status, Status::Online, "{report:?}");
}
