//! The metrics of a probe, as served at `/metrics`.

use std::{sync::atomic::AtomicU64, time::Duration};

use easytier_probe::CheckReport;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CheckLabels {
    status: &'static str,
    /// The failure code; empty when there is none.
    code: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabel {
    request: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Why a result will never be delivered.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub enum DropReason {
    /// The database could not store it, and the buffer in memory was full.
    NotStored,
    /// It waited longer than `SPOOL_MAX_AGE`, or more than `SPOOL_MAX_RESULTS` results waited.
    NotDelivered,
    /// The backend rejected it for good.
    Rejected,
}

impl DropReason {
    const ALL: [Self; 3] = [Self::NotStored, Self::NotDelivered, Self::Rejected];

    fn as_str(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::NotDelivered => "not_delivered",
            Self::Rejected => "rejected",
        }
    }
}

type Seconds = Gauge<f64, AtomicU64>;

/// A histogram of seconds, with buckets from 0.1 ms to 13 s.
#[derive(Clone)]
struct Times(Histogram);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.000_1, 2.0, 18)))
    }
}

/// Counters, gauges and histograms of one probe. Cheap to clone; clones share their values.
#[derive(Clone, Default)]
pub struct Metrics {
    checks: Family<CheckLabels, Counter>,
    missed: Counter,
    skipped: Counter,
    check_time: Times,
    latency: Times,
    lag: Times,
    peers: Family<StatusLabel, Gauge>,
    degraded: Gauge,
    spool_depth: Gauge,
    spool_age: Seconds,
    dropped: Family<ReasonLabel, Counter>,
    delivered: Counter,
    not_wanted: Counter,
    watch_panics: Counter,
    backend_errors: Family<RequestLabel, Counter>,
}

impl Metrics {
    /// A registry that exposes these metrics.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("easytier_uptime_probe");
        let checks = "Checks, by status and failure code; a check that lasts several intervals counts for each";
        registry.register("checks", checks, self.checks.clone());
        let missed = "Checks that were not made because the probe was late; the other metrics do not count them";
        registry.register("checks_missed", missed, self.missed.clone());
        let skipped = "Cycles that were not run because the previous one was still running";
        registry.register("cycles_skipped", skipped, self.skipped.clone());
        for (name, help, histogram) in [
            ("check_duration", "How long a check took", &self.check_time),
            ("latency", "Round trip to a peer", &self.latency),
            ("check_lag", "Time from when a check was due until it began", &self.lag),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.0.clone());
        }
        registry.register("peers_watched", "Peers, by the status of their last check", self.peers.clone());
        let degraded = "1 while the probe seems to be cut off, so that failures do not count against the peers";
        registry.register("degraded", degraded, self.degraded.clone());
        registry.register("spool_results", "Results that wait to be delivered", self.spool_depth.clone());
        let spool_age = "Age of the oldest result that waits to be delivered";
        registry.register_with_unit("spool_age", spool_age, Unit::Seconds, self.spool_age.clone());
        registry.register("results_lost", "Results that will never be delivered, by reason", self.dropped.clone());
        registry.register("results_delivered", "Results that the backend has stored", self.delivered.clone());
        let not_wanted = "Results that the backend has no use for, by its report style or because it is no hub";
        registry.register("results_not_wanted", not_wanted, self.not_wanted.clone());
        let watch_panics = "Panics of the watch of a peer, which is started again; each is a defect of the program";
        registry.register("watch_panics", watch_panics, self.watch_panics.clone());
        registry.register("backend_errors", "Calls to the backend that failed", self.backend_errors.clone());
        registry
    }

    /// Records a finished check; `since_due` is the time from when it was due until it finished.
    pub fn record_check(&self, report: &CheckReport, since_due: Duration) {
        let result = &report.result;
        let status = result.status.as_str();
        let code = result.error.map(|code| code.as_str()).unwrap_or_default();
        self.checks.get_or_create(&CheckLabels { status, code }).inc_by(u64::from(result.checks));
        let took = report.timings.total();
        self.check_time.0.observe(took.as_secs_f64());
        self.lag.0.observe(since_due.saturating_sub(took).as_secs_f64());
        if let Some(round_trip) = result.response_time {
            self.latency.0.observe(round_trip / 1000.0);
        }
    }

    /// Sets whether the probe seems to be cut off.
    pub fn set_degraded(&self, degraded: bool) {
        self.degraded.set(degraded.into());
    }

    /// Counts checks that were not made because the probe was late.
    pub fn add_missed_checks(&self, checks: u64) {
        self.missed.inc_by(checks);
    }

    /// Counts a cycle that was due while the previous one was running.
    pub fn add_skipped_cycle(&self) {
        self.skipped.inc();
    }

    /// Counts results that the backend has stored.
    pub fn add_delivered(&self, results: u64) {
        self.delivered.inc_by(results);
    }

    /// Counts a panic of the watch of a peer.
    pub fn add_watch_panic(&self) {
        self.watch_panics.inc();
    }

    /// How many times the watch of a peer panicked.
    #[cfg(test)]
    pub fn watch_panics(&self) -> u64 {
        self.watch_panics.get()
    }

    /// Counts results that the backend has no use for.
    pub fn add_not_wanted(&self, results: u64) {
        self.not_wanted.inc_by(results);
    }

    /// How many results the backend had no use for so far.
    pub fn not_wanted(&self) -> u64 {
        self.not_wanted.get()
    }

    /// Counts results that will never be delivered.
    pub fn add_dropped(&self, reason: DropReason, results: u64) {
        self.dropped.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc_by(results);
    }

    /// How many results were dropped so far, for any reason.
    pub fn dropped(&self) -> u64 {
        let count = |reason: DropReason| self.dropped.get_or_create(&ReasonLabel { reason: reason.as_str() }).get();
        DropReason::ALL.into_iter().map(count).sum()
    }

    /// Sets how many results wait to be delivered, and the age of the oldest.
    pub fn set_spool(&self, results: u64, age: Duration) {
        self.spool_depth.set(i64::try_from(results).unwrap_or(i64::MAX));
        self.spool_age.set(age.as_secs_f64());
    }

    /// How many results wait to be delivered.
    pub fn spool_depth(&self) -> u64 {
        u64::try_from(self.spool_depth.get()).unwrap_or_default()
    }

    /// Sets how many of the watched peers have each status.
    pub fn set_watched(&self, online: u64, offline: u64, unknown: u64) {
        for (status, count) in [("online", online), ("offline", offline), ("unknown", unknown)] {
            self.peers.get_or_create(&StatusLabel { status }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Counts a call to the backend that failed.
    pub fn add_backend_error(&self, request: &'static str) {
        self.backend_errors.get_or_create(&RequestLabel { request }).inc();
    }
}
