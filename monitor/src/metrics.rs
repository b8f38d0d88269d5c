//! The metrics of a hub or a daemon about itself.

use std::{collections::BTreeMap, fmt, sync::atomic::AtomicU64, time::Duration};

use axum::http::{Method, StatusCode};
use easytier_uptime_store::{
    Backlog, HeldDuties,
    domain::{AuthFailure, ClockDifference, Presence, Receipt, Rejection, SourceId, Timestamp, Verdict},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use serde_json::json;

/// The label of requests that match no route, so that callers cannot invent labels.
pub(crate) const NO_ROUTE: &str = "none";

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Duty {
    duty: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Source {
    source: String,
    name: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Failure {
    kind: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The metrics, and the registry that names them.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_time: Family<Route, Histogram, fn() -> Histogram>,
    results: Family<Outcome, Counter>,
    batches: Counter,
    ingest_time: Histogram,
    unapplied_results: Gauge,
    unapplied_age: Seconds,
    parked_results: Gauge,
    held_duties: Family<Duty, Gauge>,
    peers: Family<State, Gauge>,
    probes: Family<State, Gauge>,
    doubted_regions: Gauge,
    database_time: Seconds,
    clock_difference: Seconds,
    partitions_postponed: Seconds,
    source_times: Family<Source, Seconds>,
    auth_failures: Family<Failure, Counter>,
}

/// From a quarter of a millisecond to eight seconds.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("easytier_uptime"),
            requests: Family::default(),
            request_time: Family::new_with_constructor(times),
            results: Family::default(),
            batches: Counter::default(),
            ingest_time: times(),
            unapplied_results: Gauge::default(),
            unapplied_age: Seconds::default(),
            parked_results: Gauge::default(),
            held_duties: Family::default(),
            peers: Family::default(),
            probes: Family::default(),
            doubted_regions: Gauge::default(),
            database_time: Seconds::default(),
            clock_difference: Seconds::default(),
            partitions_postponed: Seconds::default(),
            source_times: Family::default(),
            auth_failures: Family::default(),
        };
        let Self {
            registry,
            requests,
            request_time,
            results,
            batches,
            ingest_time,
            unapplied_results,
            unapplied_age,
            parked_results,
            held_duties,
            peers,
            probes,
            doubted_regions,
            database_time,
            clock_difference,
            partitions_postponed,
            source_times,
            auth_failures,
        } = &mut metrics;
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to the head of its response",
            Unit::Seconds,
            request_time.clone(),
        );
        registry.register("results", "Results received, by outcome", results.clone());
        registry.register("ingest_batches", "Batches of results received", batches.clone());
        registry.register_with_unit(
            "ingest_duration",
            "Time until a batch was durably stored",
            Unit::Seconds,
            ingest_time.clone(),
        );
        registry.register(
            "unapplied_results",
            "Results that are stored and not applied to verdicts and counts yet",
            unapplied_results.clone(),
        );
        registry.register_with_unit(
            "unapplied_age",
            "How long the oldest of them has been waiting",
            Unit::Seconds,
            unapplied_age.clone(),
        );
        registry.register("parked_results", "Results that could not be applied", parked_results.clone());
        registry.register(
            "held_duties",
            "Duties that this hub holds, where hubs divide the work; those of the fold are eight",
            held_duties.clone(),
        );
        registry.register("peers", "Approved peers by consensus", peers.clone());
        registry.register("probes", "Probes by presence", probes.clone());
        registry.register(
            "doubted_regions",
            "Regions in which most peers turned offline at once, which does not count yet",
            doubted_regions.clone(),
        );
        registry.register_with_unit(
            "database_round_trip",
            "Duration of a trivial database query during a recent scrape",
            Unit::Seconds,
            database_time.clone(),
        );
        registry.register_with_unit(
            "clock_difference",
            "How far the clock of the hub is ahead of the clock of the database",
            Unit::Seconds,
            clock_difference.clone(),
        );
        registry.register_with_unit(
            "partitions_postponed",
            "How long partitions of results could not be created or dropped at this hub, because of a lock",
            Unit::Seconds,
            partitions_postponed.clone(),
        );
        registry.register_with_unit(
            "source_last_success_timestamp",
            "When each list that the hub follows was last read or found unchanged; 0 for never",
            Unit::Seconds,
            source_times.clone(),
        );
        registry.register("auth_failures", "Failed authentications, by what was wrong", auth_failures.clone());
        metrics
    }
}

/// A method that requests are counted by: callers cannot invent others.
pub(crate) fn method(method: &Method) -> &'static str {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
    METHODS.into_iter().find(|name| method.as_str() == *name).unwrap_or("other")
}

impl Metrics {
    /// Counts a request that was answered. `route`: the pattern that it matched.
    pub fn answered(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let method = self::method(method);
        let route = route.unwrap_or(NO_ROUTE).to_owned();
        self.request_time.get_or_create(&Route { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Request { method, route, status: status.as_u16() }).inc();
    }

    /// Counts a batch that was stored, and its results by outcome.
    pub fn ingested(&self, receipt: &Receipt, took: Duration) {
        self.batches.inc();
        self.ingest_time.observe(took.as_secs_f64());
        self.count("accepted", receipt.accepted);
        self.count("duplicate", receipt.duplicates);
        for rejected in &receipt.rejected {
            self.rejected(rejected.reason);
        }
    }

    /// Counts a result that was rejected.
    pub fn rejected(&self, reason: Rejection) {
        self.count(json!(reason).as_str().unwrap_or("other"), 1);
    }

    fn count(&self, outcome: &str, results: usize) {
        if results > 0 {
            self.results.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc_by(results as u64);
        }
    }

    /// Counts failed authentications.
    pub fn auth_failed(&self, failure: AuthFailure, count: u64) {
        self.auth_failures.get_or_create(&Failure { kind: failure.as_str() }).inc_by(count);
    }

    /// Sets the gauges.
    pub fn observed(
        &self,
        peers: impl IntoIterator<Item = (Verdict, u64)>,
        probes: impl IntoIterator<Item = Presence>,
        doubted_regions: usize,
        database_took: Duration,
    ) {
        for (verdict, count) in peers {
            self.peers.get_or_create(&State { state: verdict.as_str() }).set(count as i64);
        }
        let mut counts = BTreeMap::from(
            [Presence::Online, Presence::Degraded, Presence::Offline].map(|presence| (presence.as_str(), 0)),
        );
        for presence in probes {
            *counts.entry(presence.as_str()).or_default() += 1;
        }
        // Each gauge is set once: two scrapes at the same time must not add up.
        for (state, count) in counts {
            self.probes.get_or_create(&State { state }).set(count);
        }
        self.doubted_regions.set(doubted_regions as i64);
        self.database_time.set(database_took.as_secs_f64());
    }

    /// Sets the gauges of the results that are not applied yet.
    pub fn waiting(&self, backlog: Backlog, now: Timestamp) {
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.unapplied_results.set(gauge(backlog.results));
        self.parked_results.set(gauge(backlog.parked));
        self.unapplied_age.set(backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)).as_secs_f64());
    }

    /// Sets the gauges of the work that hubs divide.
    pub fn holding(&self, held: HeldDuties) {
        let duties = [
            ("fold", held.fold),
            ("presence", held.presence),
            ("retention", held.retention),
            ("instance", held.instance),
            ("alerts", held.alerts),
            ("sources", held.sources),
            ("manager", held.manager),
        ];
        for (duty, count) in duties {
            self.held_duties.get_or_create(&Duty { duty }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Sets the gauges of the lists that the hub follows: id, name, when it was last read.
    pub fn following(&self, sources: impl IntoIterator<Item = (SourceId, String, Option<Timestamp>)>) {
        // Those that were removed.
        self.source_times.clear();
        for (id, name, read_at) in sources {
            let time = read_at.map_or(0.0, |at| at.0 as f64 / 1000.0);
            self.source_times.get_or_create(&Source { source: id.to_string(), name }).set(time);
        }
    }

    /// Sets the gauge of the clocks.
    pub fn clock_differs(&self, difference: ClockDifference) {
        self.clock_difference.set(difference.millis as f64 / 1000.0);
    }

    /// Sets the gauge of the partitions that could not be created or dropped, since `since`.
    pub fn partitions_postponed(&self, since: Option<Timestamp>, now: Timestamp) {
        self.partitions_postponed.set(since.map_or(Duration::ZERO, |since| now.since(since)).as_secs_f64());
    }

    /// The OpenMetrics text, with the metrics of `others`.
    ///
    /// # Errors
    ///
    /// When a metric cannot be formatted.
    pub fn text<'a>(&'a self, others: impl IntoIterator<Item = &'a Registry>) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for registry in [&self.registry].into_iter().chain(others) {
            text::encode_registry(&mut text, registry)?;
        }
        text::encode_eof(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapes_at_the_same_time_do_not_add_up() {
        let metrics = Metrics::default();
        let online = || metrics.probes.get_or_create(&State { state: "online" }).get();
        let scrape = || {
            for _ in 0..2000 {
                metrics.observed([], [Presence::Online; 3], 0, Duration::ZERO);
                assert_eq!(online(), 3);
            }
        };
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(scrape);
            }
        });
        metrics.observed([], [], 0, Duration::ZERO);
        assert_eq!(online(), 0);
    }
}
