//! The second part of a cycle: checks the peers concurrently.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::mpsc::{Receiver, Sender},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::Instrument;

use super::{report::SlowCheck, schedule::Schedule};
use crate::{
    CheckReport, CheckResult, Checker, FailureCode, Peer, Status,
    result::{median, millis},
};

/// The number of checks in [`CycleReport::slowest`](super::CycleReport::slowest).
const MAX_SLOWEST: usize = 5;

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
    /// Round trips to the online peers, in milliseconds. `f32` halves the memory for many peers.
    round_trips: Vec<f32>,
}

/// Checks `peers` and passes on their results, until there are no more peers or the time is up.
pub(super) async fn check(
    mut peers: Receiver<Peer>,
    results: Sender<CheckResult>,
    checker: &Checker,
    concurrency: usize,
    schedule: Schedule,
    mut on_check: impl FnMut(&Peer, &CheckReport),
) -> Checked {
    let started = Instant::now();
    let mut checked = Checked::default();
    let mut running = JoinSet::new();
    let mut more = true;
    let out_of_time = sleep_until(schedule.check_by);
    tokio::pin!(out_of_time);
    while more || !running.is_empty() {
        tokio::select! {
            // A finished check counts even if the time is up.
            biased;
            Some(finished) = running.join_next() => match finished {
                Ok((peer, report)) => {
                    checked.count(&report);
                    on_check(&peer, &report);
                    // This cannot fail: the upload receives until this sender is dropped.
                    let _ = results.send(report.result).await;
                }
                // A check catches its own panics, so the runtime is shutting down.
                Err(_) => checked.skipped += 1,
            },
            () = &mut out_of_time => break,
            peer = peers.recv(), if more && running.len() < concurrency => match peer {
                None => more = false,
                Some(peer) => {
                    let checker = checker.clone();
                    let check = async move {
                        let report = checker.check(&peer).await;
                        (peer, report)
                    };
                    // The log lines of a check belong to the caller's span.
                    running.spawn(check.in_current_span());
                }
            },
        }
        checked.took = started.elapsed();
    }
    checked.skipped += running.len() as u64;
    running.shutdown().await;
    peers.close();
    while peers.try_recv().is_ok() {
        checked.skipped += 1;
    }
    checked
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
