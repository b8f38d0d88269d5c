//! The second part of a cycle: checks the peers concurrently.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::mpsc::{Receiver, Sender},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::Instrument;

use super::{options::CycleOptions, report::SlowCheck, schedule::Schedule};
use crate::{
    CheckReport, CheckResult, Checker, FailureCode, Peer, RelayTest, Status,
    result::{median, millis},
    self_check::{self, Doubt, Finding, Judge, Judged, Reach, Scope, SelfCheckTarget},
};

/// The number of checks in [`CycleReport::slowest`](super::CycleReport::slowest).
const MAX_SLOWEST: usize = 5;

/// How long before the end of the time for checks a test has ended.
const TEST_MARGIN: Duration = Duration::from_millis(500);

/// The time that a test may need, also of a node that drops data.
const MIN_TEST: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Checked {
    pub took: Duration,
    pub online: u64,
    pub offline: u64,
    pub unknown: u64,
    /// Peers whose check had not finished, or not begun, when the time was up.
    pub skipped: u64,
    pub failures: BTreeMap<FailureCode, u64>,
    /// The slowest first.
    pub slowest: Vec<SlowCheck>,
    /// Why failures were doubted.
    pub doubt: Option<Doubt>,
    /// Round trips to the online peers, in milliseconds. `f32` halves the memory for many peers.
    round_trips: Vec<f32>,
}

/// Checks `peers` and passes on their results, until there are no more peers or the time is up.
pub(super) async fn check(
    mut peers: Receiver<Peer>,
    results: Sender<CheckResult>,
    checker: &Checker,
    options: &CycleOptions,
    schedule: Schedule,
    on_check: impl FnMut(&Peer, &CheckReport),
) -> Checked {
    let started = Instant::now();
    let mut round = Round { checked: Checked::default(), results, on_check, judge: Judge::new(Duration::MAX) };
    let mut running = JoinSet::new();
    let mut more = true;
    let out_of_time = sleep_until(schedule.check_by);
    tokio::pin!(out_of_time);
    while more || !running.is_empty() {
        tokio::select! {
            // A finished check counts even if the time is up.
            biased;
            Some(finished) = running.join_next() => match finished {
                Ok((peer, report, began)) if options.self_check.is_some() => round.observe(peer, report, began).await,
                Ok((peer, report, _)) => round.pass_on(&peer, report).await,
                // A check catches its own panics, so the runtime is shutting down.
                Err(_) => round.checked.skipped += 1,
            },
            () = &mut out_of_time => break,
            peer = peers.recv(), if more && running.len() < checker.max_checks() => match peer {
                None => more = false,
                Some(peer) => {
                    let checker = checker.clone();
                    let check = async move {
                        let began = Instant::now();
                        let mut report = checker.check(&peer).await;
                        if let Some(test) = test_of_relay(&checker, &peer, &report, schedule.check_by).await {
                            report.result.add_relay(test);
                        }
                        (peer, report, began)
                    };
                    // The log lines of a check belong to the caller's span.
                    running.spawn(check.in_current_span());
                }
            },
        }
        round.checked.took = started.elapsed();
    }
    round.checked.skipped += running.len() as u64;
    running.shutdown().await;
    peers.close();
    while peers.try_recv().is_ok() {
        round.checked.skipped += 1;
    }
    if let Some(targets) = &options.self_check {
        round.end(checker, targets, schedule.deliver_by).await;
    }
    round.checked
}

/// Tests whether the node relays, where the backend asks for that and nothing else says it. No check waits for a test: where
/// little time is left there is none.
async fn test_of_relay(checker: &Checker, peer: &Peer, report: &CheckReport, check_by: Instant) -> Option<RelayTest> {
    if !peer.test_relay || !report.result.leaves_relay_open() {
        return None;
    }
    let end = check_by.checked_sub(TEST_MARGIN)?;
    match end.saturating_duration_since(Instant::now()) >= MIN_TEST {
        true => Some(checker.test_relay_until(peer, end).await),
        false => None,
    }
}

/// The checks of a cycle. Failures of peers that were online wait until all are checked.
struct Round<F> {
    checked: Checked,
    results: Sender<CheckResult>,
    on_check: F,
    judge: Judge<(Peer, CheckReport)>,
}

impl<F: FnMut(&Peer, &CheckReport)> Round<F> {
    async fn observe(&mut self, peer: Peer, report: CheckReport, began: Instant) {
        let (peer_id, scope, finding) = (peer.id, Scope::of_url(&peer.url), Finding::of(&report));
        if peer.was_online {
            self.judge.expect_online(peer_id, scope);
        }
        let checked = self_check::Checked { peer_id, scope, finding, began };
        if let Some((peer, report)) = self.judge.observe(Instant::now(), checked, (peer, report)) {
            self.pass_on(&peer, report).await;
        }
    }

    /// Decides about the failures that wait. Half of the time until `deliver_by` is left for delivering them.
    async fn end(&mut self, checker: &Checker, targets: &[SelfCheckTarget], deliver_by: Instant) {
        let now = Instant::now();
        let mut judged = Vec::new();
        if self.judge.needs_proof() {
            let ask_by = now + deliver_by.saturating_duration_since(now) / 2;
            let reach = timeout_at(ask_by, Reach::ask(checker, targets)).await.unwrap_or_default();
            judged = self.judge.decide(now, Instant::now(), reach);
            self.checked.doubt = self.judge.doubt();
        }
        judged.extend(self.judge.release_all(Instant::now()));
        for Judged { observation: (peer, mut report), doubt } in judged {
            if let Some(doubt) = doubt {
                doubt.apply_to(&mut report);
            }
            self.pass_on(&peer, report).await;
        }
    }

    async fn pass_on(&mut self, peer: &Peer, report: CheckReport) {
        self.checked.count(&report);
        (self.on_check)(peer, &report);
        // This cannot fail: the upload receives until this sender is dropped.
        let _ = self.results.send(report.result).await;
    }
}

impl Checked {
    pub fn total(&self) -> u64 {
        self.online + self.offline + self.unknown
    }

    /// The median of the median round trips to the online peers, in milliseconds.
    pub fn median_round_trip_ms(&self) -> Option<f64> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_by(f32::total_cmp);
        // An f32 holds no more digits.
        median(&sorted).map(|ms| (ms * 10_000.0).round() / 10_000.0)
    }

    fn count(&mut self, report: &CheckReport) {
        let result = &report.result;
        match result.status {
            Status::Online => self.online += 1,
            Status::Offline => self.offline += 1,
            Status::Unknown => self.unknown += 1,
        }
        if let Some(code) = result.error {
            *self.failures.entry(code).or_default() += 1;
        }
        if let (Status::Online, Some(round_trip)) = (result.status, result.response_time) {
            self.round_trips.push(round_trip as f32);
        }
        self.add_if_slow(report);
    }

    fn add_if_slow(&mut self, report: &CheckReport) {
        let took_ms = millis(report.timings.total());
        let position = self.slowest.partition_point(|slower| slower.took_ms >= took_ms);
        if position < MAX_SLOWEST {
            let slow = SlowCheck { peer_id: report.result.peer_id, url: report.url.clone(), took_ms };
            self.slowest.insert(position, slow);
            self.slowest.truncate(MAX_SLOWEST);
        }
    }
}
