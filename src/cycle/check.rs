//! The second part of a cycle: every peer checked, so many at a time.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::mpsc::{Receiver, Sender},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::Instrument;

use super::{Schedule, report::SlowCheck};
use crate::{CheckReport, CheckResult, Checker, FailureCode, Peer, Status, result::millis};

/// How many of the slowest checks a report names.
const SLOWEST: usize = 5;

#[derive(Default)]
pub(super) struct Checked {
    pub took: Duration,
    pub online: u64,
    pub offline: u64,
    pub unknown: u64,
    /// Peers that were not checked, or not to the end, when the time was over.
    pub skipped: u64,
    pub failures: BTreeMap<FailureCode, u64>,
    /// The slowest first.
    pub slowest: Vec<SlowCheck>,
    /// Of the healthy peers, in milliseconds; four bytes a peer.
    round_trips: Vec<f32>,
}

/// Checks `peers` as they come and hands their results on, until there are no more or the time is over.
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
            // What is finished counts, even when the time is over.
            biased;
            Some(finished) = running.join_next() => match finished {
                Ok((peer, report)) => {
                    checked.count(&report);
                    on_check(&peer, &report);
                    // It cannot fail: the upload takes results for as long as there may be some.
                    let _ = results.send(report.result).await;
                }
                // A check catches its panics; what is left is a runtime that shuts down.
                Err(_) => checked.skipped += 1,
            },
            () = &mut out_of_time => break,
            peer = peers.recv(), if more && running.len() < concurrency => match peer {
                None => more = false,
                Some(peer) => {
                    let checker = checker.clone();
                    // Whoever runs the cycle in a span finds it in what the checks log.
                    let check = async move {
                        let report = checker.check(&peer).await;
                        (peer, report)
                    };
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

    /// The median of the median round trips to the peers found healthy, in milliseconds.
    pub fn median_round_trip_ms(&self) -> Option<f64> {
        let mut sorted = self.round_trips.clone();
        sorted.sort_by(f32::total_cmp);
        let middle = |index: usize| sorted.get(index).map(|value| f64::from(*value));
        let upper = middle(sorted.len() / 2)?;
        // Of an even number of them there are two in the middle.
        let lower = middle((sorted.len() - 1) / 2)?;
        // Kept in half the digits, shown in no more.
        Some(((lower + upper) * 5000.0).round() / 10_000.0)
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
        self.note_if_slow(report);
    }

    fn note_if_slow(&mut self, report: &CheckReport) {
        let took_ms = millis(report.timings.total());
        let position = self.slowest.partition_point(|slower| slower.took_ms >= took_ms);
        if position < SLOWEST {
            let slow = SlowCheck { peer_id: report.result.peer_id, url: report.url.clone(), took_ms };
            self.slowest.insert(position, slow);
            self.slowest.truncate(SLOWEST);
        }
    }
}
