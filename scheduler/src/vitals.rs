//! How the probe does: its figures, and whether it works.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use chrono::Utc;
use chrono_tz::Tz;
use easytier_probe::{BackendError, CheckReport};
use easytier_uptime_hub::{api, store::StoreError};
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
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    observer::{Observer, Summary},
    schedule::Schedule,
};

/// How many cycles may be due without anything good before the probe calls itself unhealthy.
const CYCLES: u32 = 3;

/// The shortest time without anything good that counts: less is a busy machine.
const SHORTEST: Duration = Duration::from_secs(10);

/// How long the backend is left alone that wants other credentials.
const SLOWLY: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Verdict {
    status: &'static str,
    /// The failure code; empty when there is none.
    code: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    status: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Error {
    /// What the backend was asked.
    request: &'static str,
}

/// Why results are lost.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub enum Loss {
    /// The database took none, and memory is bounded.
    NotStored,
    /// Waited longer than `SPOOL_MAX_AGE`, or more waited than `SPOOL_MAX_RESULTS`.
    NotDelivered,
    /// The backend never takes them.
    Rejected,
}

impl Loss {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::NotDelivered => "not_delivered",
            Self::Rejected => "rejected",
        }
    }
}

/// What a backend is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    Register,
    Heartbeat,
    Peers,
    Results,
    Status,
}

impl Ask {
    fn as_str(self) -> &'static str {
        ["register", "heartbeat", "peers", "results", "status"][self as usize]
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The figures. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct Figures {
    checks: Family<Verdict, Counter>,
    missed: Counter,
    skipped: Counter,
    check_time: Times,
    latency: Times,
    lag: Times,
    peers: Family<State, Gauge>,
    spool_depth: Gauge,
    spool_age: Seconds,
    lost: Family<Reason, Counter>,
    delivered: Counter,
    backend_errors: Family<Error, Counter>,
}

/// From a tenth of a millisecond to thirteen seconds.
#[derive(Clone)]
struct Times(Histogram);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.000_1, 2.0, 18)))
    }
}

impl Figures {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("easytier_uptime_probe");
        let checks = "Checks, by verdict and failure code; one that lasts over several intervals counts for each";
        registry.register("checks", checks, self.checks.clone());
        let missed = "Checks not done because the probe was late; no other counts for them";
        registry.register("checks_missed", missed, self.missed.clone());
        registry.register("cycles_skipped", "Cycles not run because the one before was not over", self.skipped.clone());
        for (name, help, histogram) in [
            ("check_duration", "Time that a check took", &self.check_time),
            ("latency", "Round trip to a peer", &self.latency),
            ("check_lag", "Time from when a check was due until it began", &self.lag),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.0.clone());
        }
        registry.register("peers_watched", "Peers, by the status of their last check", self.peers.clone());
        registry.register("spool_results", "Results that wait to be delivered", self.spool_depth.clone());
        registry.register_with_unit("spool_age", "Age of the oldest of them", Unit::Seconds, self.spool_age.clone());
        registry.register("results_lost", "Results that will never be delivered, by reason", self.lost.clone());
        registry.register("results_delivered", "Results that the backend has", self.delivered.clone());
        registry.register("backend_errors", "Requests that the backend did not do", self.backend_errors.clone());
        registry
    }

    /// A check was done, so long after it was due.
    pub fn checked(&self, report: &CheckReport, since_due: Duration) {
        let result = &report.result;
        let status = result.status.as_str();
        let code = result.error.map(|code| code.as_str()).unwrap_or_default();
        self.checks.get_or_create(&Verdict { status, code }).inc_by(u64::from(result.checks));
        let took = report.timings.total();
        self.check_time.0.observe(took.as_secs_f64());
        self.lag.0.observe(since_due.saturating_sub(took).as_secs_f64());
        if let Some(round_trip) = result.response_time {
            self.latency.0.observe(round_trip / 1000.0);
        }
    }

    pub fn missed(&self, checks: u64) {
        self.missed.inc_by(checks);
    }

    /// A cycle was due while the one before ran.
    pub fn skipped_cycle(&self) {
        self.skipped.inc();
    }

    pub fn delivered(&self, results: u64) {
        self.delivered.inc_by(results);
    }

    pub fn lost(&self, why: Loss, results: u64) {
        self.lost.get_or_create(&Reason { reason: why.as_str() }).inc_by(results);
    }

    /// Results lost so far, for whatever reason.
    pub fn lost_so_far(&self) -> u64 {
        let reasons = [Loss::NotStored, Loss::NotDelivered, Loss::Rejected];
        reasons.iter().map(|why| self.lost.get_or_create(&Reason { reason: why.as_str() }).get()).sum()
    }

    /// What waits to be delivered.
    pub fn spooled(&self, results: u64, age: Duration) {
        self.spool_depth.set(results as i64);
        self.spool_age.set(age.as_secs_f64());
    }

    pub fn spool_depth(&self) -> u64 {
        self.spool_depth.get() as u64
    }

    fn watched(&self, summary: Summary) {
        let Summary { online, offline, unknown, .. } = summary;
        for (status, count) in [("online", online), ("offline", offline), ("unknown", unknown)] {
            self.peers.get_or_create(&State { status }).set(count as i64);
        }
    }
}

/// What is known of how the probe does, and told at `/health` and `/metrics`.
pub struct Vitals {
    pub figures: Figures,
    registry: Registry,
    state: Mutex<Known>,
    watch: Mutex<WatchKept>,
}

/// How peers are watched, which may change.
#[derive(Clone)]
struct WatchKept {
    since: Instant,
    /// When a cycle is due.
    schedule: Schedule,
    /// The clocks that the schedule goes by.
    zone: Tz,
    observer: Arc<Observer>,
}

/// Something that the backend does not do.
struct Trouble {
    since: Instant,
    /// When it may be asked again.
    again_at: Instant,
    error: BackendError,
}

#[derive(Default)]
struct Known {
    last_cycle: Option<Instant>,
    storage: Option<String>,
    /// What the backend does not do.
    backend: BTreeMap<Ask, Trouble>,
}

/// What a heartbeat tells.
#[derive(Debug, Serialize)]
pub struct Counters {
    peers: u64,
    online: u64,
    offline: u64,
    unknown: u64,
    spool: u64,
    lost: u64,
    /// Seconds since results were stored last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_cycle_age: Option<u64>,
}

impl Vitals {
    /// Of a probe that watches nothing yet.
    pub fn new(figures: Figures) -> Arc<Self> {
        let observer = Arc::new(Observer::new(figures.clone()));
        Arc::new(Self {
            registry: figures.registry(),
            figures,
            state: Mutex::default(),
            watch: Mutex::new(WatchKept {
                since: Instant::now(),
                schedule: Schedule::Every(SHORTEST),
                zone: Tz::UTC,
                observer,
            }),
        })
    }

    /// From now on cycles are due at these times, on the clocks of `zone`, and `observer` knows how the peers are.
    pub fn watch(&self, schedule: Schedule, zone: Tz, observer: Arc<Observer>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) =
            WatchKept { since: Instant::now(), schedule, zone, observer };
    }

    fn watch_kept(&self) -> WatchKept {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago the last good cycle was, when that is too long.
    fn overdue(&self) -> Option<Duration> {
        let WatchKept { since, schedule, zone, .. } = self.watch_kept();
        let last = self.known(|known| known.last_cycle.map_or(since, |last| last.max(since)));
        // By the clock that only counts, so that nothing was due while the machine slept, or in a time that was set away.
        let age = last.elapsed();
        (age > SHORTEST && schedule.were_due(CYCLES, age, Utc::now(), zone)).then_some(age)
    }

    /// Checks were done.
    pub fn good_cycle(&self) {
        self.known(|known| known.last_cycle = Some(Instant::now()));
    }

    /// The database took what it was given.
    pub fn stored(&self) {
        if self.known(|known| known.storage.take()).is_some() {
            tracing::info!("results are stored again");
        }
    }

    /// The database took nothing. Said once, until it does.
    pub fn not_stored(&self, error: &StoreError) {
        let problem = error.to_string();
        if self.known(|known| known.storage.replace(problem)).is_none() {
            tracing::error!(%error, "results cannot be stored; they are kept in memory and tried again every second");
        }
    }

    /// The backend did what it was asked.
    pub fn backend_answered(&self, request: Ask) {
        let over = self.known(|known| {
            let trouble = known.backend.remove(&request)?;
            known.backend.is_empty().then(|| trouble.since.elapsed())
        });
        if let Some(lasted) = over {
            tracing::info!("the backend does what it is asked again, after {} s", lasted.as_secs());
        }
    }

    /// The backend did not do what it was asked. Said once until it does; but always when it wants other credentials,
    /// because somebody has to do something about that.
    pub fn backend_failed(&self, request: Ask, error: &BackendError) {
        self.figures.backend_errors.get_or_create(&Error { request: request.as_str() }).inc();
        let is_known = self.known(|known| {
            let is_away = |trouble: &Trouble| error.is_unreachable() && trouble.error.is_unreachable();
            let is_known = known.backend.contains_key(&request) || known.backend.values().any(is_away);
            let now = Instant::now();
            let since = known.backend.get(&request).map_or(now, |trouble| trouble.since);
            let slowly = if error.is_unauthorized() { SLOWLY } else { Duration::ZERO };
            let again_at = now + error.retry_after().unwrap_or_default().max(slowly);
            known.backend.insert(request, Trouble { since, again_at, error: error.clone() });
            is_known
        });
        match error {
            error if error.is_unauthorized() => tracing::error!("{error}"),
            error if is_known => tracing::debug!("{error}"),
            error if error.is_unreachable() => {
                tracing::warn!("{error}; the checks go on, and results wait until it answers");
            }
            error => tracing::error!("{error}"),
        }
    }

    /// Whether the backend may be asked this by now: it may have asked for a pause, or want other credentials. For what is
    /// asked at regular times; what has a backoff of its own keeps to that.
    pub fn may_ask(&self, request: Ask) -> bool {
        self.known(|known| known.backend.get(&request).is_none_or(|trouble| trouble.again_at <= Instant::now()))
    }

    /// Why the backend does not do this, if it did not the last time.
    pub fn backend_error(&self, request: Ask) -> Option<BackendError> {
        self.known(|known| known.backend.get(&request).map(|trouble| trouble.error.clone()))
    }

    /// Whether peers are checked, whatever becomes of the results.
    pub fn is_alive(&self) -> bool {
        self.overdue().is_none()
    }

    pub fn summary(&self) -> Summary {
        self.watch_kept().observer.summary()
    }

    pub fn counters(&self) -> Counters {
        let summary = self.summary();
        let last_cycle = self.known(|known| known.last_cycle);
        Counters {
            peers: summary.total(),
            online: summary.online,
            offline: summary.offline,
            unknown: summary.unknown,
            spool: self.figures.spool_depth(),
            lost: self.figures.lost_so_far(),
            last_cycle_age: last_cycle.map(|at| at.elapsed().as_secs()),
        }
    }

    /// One line for the log.
    pub fn line(&self) -> String {
        let Summary { online, offline, unknown, round_trip_ms } = self.summary();
        let mut line = format!("{online} online, {offline} offline, {unknown} unknown");
        let mut say = |words: std::fmt::Arguments| line.write_fmt(words).expect("a String takes any text");
        if let Some(ms) = round_trip_ms {
            say(format_args!("; median round trip {ms:.1} ms"));
        }
        let (spooled, lost) = (self.figures.spool_depth(), self.figures.lost_so_far());
        if spooled > 0 {
            say(format_args!("; {spooled} results wait for the backend"));
        }
        if lost > 0 {
            say(format_args!("; {lost} results lost so far"));
        }
        line
    }

    fn known<T>(&self, ask: impl FnOnce(&mut Known) -> T) -> T {
        ask(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl api::Vitals for Vitals {
    /// A backend that is away is no reason to be unhealthy: the checks go on, and nobody is helped by a restart.
    fn health(&self) -> Result<String, String> {
        let overdue = self.overdue();
        self.known(|known| {
            if let Some(problem) = &known.storage {
                return Err(format!("results cannot be stored: {problem}"));
            }
            if let Some(age) = overdue {
                return Err(match known.last_cycle {
                    Some(_) => format!("no peer was checked for {} s", age.as_secs()),
                    None => format!("no peer was checked since the start, {} s ago", age.as_secs()),
                });
            }
            Ok(match known.backend.values().next() {
                Some(Trouble { since, error, .. }) => {
                    format!("peers are checked; for {} s now: {error}", since.elapsed().as_secs())
                }
                None => "peers are checked".to_owned(),
            })
        })
    }

    fn figures(&self) -> &Registry {
        self.figures.watched(self.summary());
        &self.registry
    }
}
