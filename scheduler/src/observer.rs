//! Turns checks into metrics, log lines when a peer changes, and results to store.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use easytier_probe::{
    CheckReport, CheckResult, FailureCode, Peer, RelayTest, Status,
    result::{Traffic, median},
};

use crate::{condense::Condenser, metrics::Metrics};

/// The maximum number of results that wait in memory while the database fails; beyond it the oldest are dropped.
const MAX_PENDING: usize = 100_000;

/// Receives every check of every peer.
pub struct Observer {
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The peers by id.
    peers: HashMap<i64, Observed>,
    /// Results that are not stored yet.
    pending: Vec<CheckResult>,
    /// How many checks began or ended since the last call of [`Observer::checks_since`].
    checks: u64,
    /// That of all peers, also of those that were removed.
    traffic: Traffic,
}

/// How the checks of a peer ended since it was added, and what they took. A check that lasts several intervals counts for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub healthy: u64,
    pub unhealthy: u64,
    pub unknown: u64,
    pub traffic: Traffic,
}

impl Tally {
    fn add(&mut self, CheckReport { result, traffic, .. }: &CheckReport) {
        self.traffic += *traffic;
        let checks = u64::from(result.checks);
        match result.status {
            Status::Online => {
                let healthy = result.healthy.map_or(checks, u64::from).min(checks);
                self.healthy += healthy;
                self.unhealthy += checks - healthy;
            }
            Status::Offline => self.unhealthy += checks,
            _ => self.unknown += checks,
        }
    }
}

#[derive(Default)]
struct Observed {
    condenser: Condenser,
    tally: Tally,
    error: Option<FailureCode>,
    /// The round trip of the last successful check, in milliseconds.
    round_trip: Option<f32>,
    /// What a test found out whose result is not reported yet.
    relay: Option<RelayTest>,
}

/// The number of peers with each status, by their last checks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    pub online: u64,
    pub offline: u64,
    /// Peers without a verdict, or without any check so far.
    pub unknown: u64,
    /// The median round trip to the peers online, in milliseconds.
    pub round_trip_ms: Option<f64>,
}

impl Summary {
    /// How many peers there are.
    pub fn total(&self) -> u64 {
        self.online + self.offline + self.unknown
    }
}

impl Observer {
    /// An observer of no peers.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, state: Mutex::default() }
    }

    /// Adds a peer.
    pub fn expect(&self, id: i64) {
        self.state().peers.entry(id).or_default();
    }

    /// Records that a check began, or a cycle of checks.
    pub fn check_started(&self) {
        self.state().checks += 1;
    }

    /// Records that the watch of a peer panicked: until its next check the peer has no status.
    pub fn watch_panicked(&self, id: i64) {
        self.metrics.add_watch_panic();
        let mut state = self.state();
        if let Some(observed) = state.peers.get_mut(&id) {
            let next = Observed { tally: observed.tally, ..Observed::default() };
            let pending = std::mem::replace(observed, next).condenser.flush();
            state.pending.extend(pending);
        }
    }

    /// Records a test whether a peer relays: it becomes a part of the next result, if that finds the peer online.
    pub fn tested(&self, peer: &Peer, test: RelayTest) {
        tracing::debug!(url = %peer.url, verdict = test.verdict.name(), message = test.message, "tested whether it relays");
        if let Some(observed) = self.state().peers.get_mut(&peer.id) {
            observed.relay = Some(test);
        }
    }

    /// Records a check of a peer that was added; checks of other peers are ignored. `since_due` is the time from when the
    /// check was due until it was done.
    pub fn observe(&self, peer: &Peer, report: &CheckReport, since_due: Duration) {
        let result = &report.result;
        let mut state = self.state();
        let State { peers, pending, checks, traffic } = &mut *state;
        // The peer was removed while it was checked.
        let Some(observed) = peers.get_mut(&peer.id) else { return };
        self.metrics.record_check(report, since_due);
        observed.tally.add(report);
        *traffic += report.traffic;
        *checks += 1;
        let before = observed.condenser.status();
        if before != Some(result.status) || observed.error != result.error {
            log_change(peer, result, before);
        }
        observed.error = result.error;
        if let Some(round_trip) = result.response_time {
            observed.round_trip = Some(round_trip as f32);
        }
        // That of the list which is watched now: an unchanged peer goes on with its session.
        let mut result = CheckResult { listing: peer.listing, ..result.clone() };
        if let Some(test) = observed.relay.take().filter(|_| result.status == Status::Online) {
            result.add_relay(test);
        }
        pending.extend(observed.condenser.add(result).into_iter().flatten());
    }

    /// Counts checks that were not done because the probe was late.
    pub fn missed(&self, checks: u64) {
        self.metrics.add_missed_checks(checks);
    }

    /// Turns all condensed checks into results.
    pub fn flush(&self) {
        let mut state = self.state();
        let State { peers, pending, .. } = &mut *state;
        pending.extend(peers.values_mut().filter_map(|observed| observed.condenser.flush()));
    }

    /// Removes a peer, and turns its condensed checks into a result.
    pub fn forget(&self, id: i64) {
        let mut state = self.state();
        if let Some(mut observed) = state.peers.remove(&id) {
            state.pending.extend(observed.condenser.flush());
        }
    }

    /// Takes the results that are not stored yet.
    pub fn take(&self) -> Vec<CheckResult> {
        std::mem::take(&mut self.state().pending)
    }

    /// Takes back results that could not be stored, and returns how many had to be dropped.
    pub fn give_back(&self, mut results: Vec<CheckResult>) -> usize {
        let mut state = self.state();
        results.append(&mut state.pending);
        let excess = results.len().saturating_sub(MAX_PENDING);
        results.drain(..excess);
        state.pending = results;
        excess
    }

    /// How many checks began or ended since the last call.
    pub fn checks_since(&self) -> u64 {
        std::mem::take(&mut self.state().checks)
    }

    /// How the checks of each peer ended, by its id, and the traffic of all, also of those that were removed.
    pub fn tallies(&self) -> (Vec<(i64, Tally)>, Traffic) {
        let state = self.state();
        (state.peers.iter().map(|(id, observed)| (*id, observed.tally)).collect(), state.traffic)
    }

    /// Counts the peers by the status of their last checks.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let mut summary = Summary::default();
        let mut round_trips = Vec::new();
        for observed in state.peers.values() {
            match observed.condenser.status() {
                Some(Status::Online) => {
                    summary.online += 1;
                    round_trips.extend(observed.round_trip);
                }
                Some(Status::Offline) => summary.offline += 1,
                _ => summary.unknown += 1,
            }
        }
        round_trips.sort_unstable_by(f32::total_cmp);
        summary.round_trip_ms = median(&round_trips);
        summary
    }

    #[cfg(test)]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one log line for a change of status or of the error.
fn log_change(peer: &Peer, result: &CheckResult, before: Option<Status>) {
    let url = &peer.url;
    let name = peer.name.as_deref().filter(|name| !url.is_written_as(name));
    let was = before.map(Status::as_str);
    match (result.status, result.error) {
        (Status::Online, _) => {
            let ms = result.response_time.unwrap_or_default();
            tracing::info!(%url, name, was, version = result.version.as_deref(), "online, {ms:.1} ms");
        }
        (status, code) => {
            let code = code.map(FailureCode::as_str);
            let message = result.message.as_deref().unwrap_or_default();
            tracing::warn!(%url, name, was, code, "{}: {message}", status.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use easytier_probe::{ListingVersion, result::Timings};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    /// As a backend takes the median of a result.
    #[test]
    fn the_median_of_an_even_number_of_round_trips_is_between_the_middle_two() {
        let (observer, ninth) = (Observer::new(Metrics::default()), Some(ListingVersion { epoch: 1, version: 9 }));
        for (id, round_trip) in (1..).zip([7.0, 1.0, 3.0, 4.0]) {
            let result = json!({
                "id": Uuid::now_v7(), "peer_id": id, "checked_at": "2026-01-02T03:04:05Z", "status": "Online",
                "stage": "ping", "response_time": round_trip,
            });
            let peer = Peer { listing: ninth, ..Peer::local(id, "tcp://192.0.2.1:11010".parse().unwrap()) };
            let report = CheckReport {
                result: serde_json::from_value(result).unwrap(),
                url: peer.url.clone(),
                latency: None,
                timings: Timings::default(),
                is_public_server: None,
                is_repeated: false,
                traffic: Traffic::default(),
            };
            observer.expect(id);
            observer.observe(&peer, &report, Duration::ZERO);
        }
        assert_eq!(observer.summary().round_trip_ms, Some(3.5));
        assert!(observer.take().iter().all(|result| result.listing == ninth));
    }
}
