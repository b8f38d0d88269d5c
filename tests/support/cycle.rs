//! Runs a cycle, and asserts the invariants of every cycle.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use easytier_probe::{
    CheckOptions, CheckReport, Checker, CycleOptions, CycleReport, Peer, PeerSource, PeerUrl, ReportSink, Status,
    run_cycle,
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::support::{self, LONG};

/// How much a cycle may exceed its budget on a machine that is busy with other tests.
pub const SLACK: Duration = Duration::from_millis(500);

/// How many checks run at the same time, where a test does not say otherwise.
pub const MAX_CHECKS: usize = 16;

/// A checker that runs up to `max_checks` checks at the same time.
pub fn checker(max_checks: usize) -> Checker {
    Checker::new(CheckOptions { max_checks, ..support::options(LONG) })
}

/// A finished cycle, with all its checks in order.
pub struct Ran {
    pub report: CycleReport,
    pub shown: Vec<CheckReport>,
    pub took: Duration,
}

impl Ran {
    pub fn undelivered(&self) -> HashSet<Uuid> {
        self.report.undelivered_results.iter().map(|result| result.id).collect()
    }

    pub fn shown(&self) -> HashSet<Uuid> {
        self.shown.iter().map(|report| report.result.id).collect()
    }

    /// The ids of the peers that were checked, in order.
    pub fn peer_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.shown.iter().map(|report| report.result.peer_id).collect();
        ids.sort_unstable();
        ids
    }

    pub fn fetch_error(&self) -> String {
        self.report.fetch_error.as_ref().expect("an error of the source").to_string()
    }

    pub fn report_error(&self) -> String {
        self.report.report_error.as_ref().expect("an error of the sink").to_string()
    }
}

/// Small queues and batches, which are soon full.
pub fn small(budget: Duration) -> CycleOptions {
    CycleOptions {
        budget,
        batch_size: 10,
        server_id: Some("probe-1".to_owned()),
        check_interval: Duration::from_secs(60),
        self_check: None,
    }
}

/// Runs a cycle, and asserts the invariants of every cycle.
pub async fn run(source: &mut impl PeerSource, sink: &impl ReportSink, options: &CycleOptions) -> Ran {
    run_showing(source, sink, options, |_| ()).await
}

pub async fn run_showing(
    source: &mut impl PeerSource,
    sink: &impl ReportSink,
    options: &CycleOptions,
    on_check: impl FnMut(&CheckReport),
) -> Ran {
    run_with(&checker(MAX_CHECKS), source, sink, options, on_check).await
}

pub async fn run_with(
    checker: &Checker,
    source: &mut impl PeerSource,
    sink: &impl ReportSink,
    options: &CycleOptions,
    mut on_check: impl FnMut(&CheckReport),
) -> Ran {
    let mut shown = Vec::new();
    let started = Instant::now();
    let cycle = run_cycle(source, checker, sink, options, |peer, report| {
        support::assert_consistent(peer, report);
        on_check(report);
        shown.push(report.clone());
    });
    let report = timeout(options.budget + SLACK, cycle).await.expect("a cycle ends within its budget");
    let ran = Ran { report, shown, took: started.elapsed() };
    assert_adds_up(&ran);
    ran
}

/// Asserts that no check is lost or counted twice, and that the report agrees with the checks.
pub fn assert_adds_up(ran: &Ran) {
    let Ran { report, shown, .. } = ran;
    assert_eq!(ran.shown().len(), shown.len(), "a check was shown twice");
    assert_eq!(report.checked, shown.len() as u64);
    assert_eq!(report.delivered + report.undelivered + report.rejected + report.not_wanted, report.checked);
    assert_eq!(report.undelivered, report.undelivered_results.len() as u64);
    assert_eq!(ran.undelivered().len(), report.undelivered_results.len(), "a result is undelivered twice");
    for undelivered in &report.undelivered_results {
        assert!(shown.iter().any(|shown| shown.result == *undelivered), "{undelivered:?} was never shown");
    }
    assert!(report.undelivered == 0 || report.report_error.is_some(), "{report:?}");

    let with_status = |status| shown.iter().filter(|report| report.result.status == status).count() as u64;
    assert_eq!(
        [report.online, report.offline, report.unknown],
        [Status::Online, Status::Offline, Status::Unknown].map(with_status)
    );
    let mut failures = BTreeMap::new();
    for code in shown.iter().filter_map(|report| report.result.error) {
        *failures.entry(code).or_insert(0) += 1;
    }
    assert_eq!(report.failures, failures);

    let mut times: Vec<f64> = shown.iter().map(|report| report.timings.total().as_secs_f64() * 1000.0).collect();
    times.sort_by(|a, b| b.total_cmp(a));
    times.truncate(5);
    assert_eq!(report.slowest.iter().map(|slow| slow.took_ms).collect::<Vec<_>>(), times);

    let online = shown.iter().filter(|report| report.result.status == Status::Online);
    let mut round_trips: Vec<f64> = online.filter_map(|report| report.result.response_time).collect();
    round_trips.sort_by(f64::total_cmp);
    let middle = round_trips.len() / 2;
    match (report.response_time, round_trips.len()) {
        (median, 0) => assert_eq!(median, None),
        (Some(median), odd) if odd % 2 == 1 => assert!((median - round_trips[middle]).abs() < 1e-4, "{median}"),
        (Some(median), _) => {
            let between = (round_trips[middle - 1] + round_trips[middle]) / 2.0;
            assert!((median - between).abs() < 1e-4, "{median}, not {between}");
        }
        (None, _) => panic!("no median of {round_trips:?}"),
    }
}

/// A peer whose check fails at once without a socket, because no node can have this address.
pub fn impossible(id: i64) -> Peer {
    Peer::local(id, impossible_url())
}

pub fn impossible_url() -> PeerUrl {
    "tcp://0.0.0.1:11010".parse().expect("a peer URL")
}
