//! How the probe does: its figures, and whether it works.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use easytier_probe::BackendError;
use easytier_uptime_monitor::ProbeStatus;
use easytier_uptime_store::store::StoreError;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    metrics::Metrics,
    observer::{Observer, Summary},
    schedule::Schedule,
};

/// How many cycles may be due without anything good before the probe calls itself unhealthy.
const CYCLES: u32 = 3;

/// The shortest time without anything good that counts: less is a busy machine.
const SHORTEST: Duration = Duration::from_secs(10);

/// How long the backend is left alone that wants other credentials.
const SLOWLY: Duration = Duration::from_secs(30);

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

/// What is known of how the probe does, and told at `/health` and `/metrics`.
pub struct Vitals {
    pub metrics: Metrics,
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
    /// How long after each of these times.
    delay: Duration,
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
    pub fn new(metrics: Metrics) -> Arc<Self> {
        let observer = Arc::new(Observer::new(metrics.clone()));
        Arc::new(Self {
            registry: metrics.registry(),
            metrics,
            state: Mutex::default(),
            watch: Mutex::new(WatchKept {
                since: Instant::now(),
                schedule: Schedule::Every(SHORTEST),
                delay: Duration::ZERO,
                observer,
            }),
        })
    }

    /// From now on cycles are due `delay` after the times of `schedule`, and `observer` knows how the peers are.
    pub fn watch(&self, schedule: Schedule, delay: Duration, observer: Arc<Observer>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) =
            WatchKept { since: Instant::now(), schedule, delay, observer };
    }

    fn watch_kept(&self) -> WatchKept {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago the last good cycle was, when that is too long.
    fn overdue(&self) -> Option<Duration> {
        let WatchKept { since, schedule, delay, .. } = self.watch_kept();
        let last = self.known(|known| known.last_cycle.map_or(since, |last| last.max(since)));
        // By the clock that only counts, so that nothing was due while the machine slept, or in a time that was set away.
        let age = last.elapsed();
        (age > SHORTEST && schedule.were_due(CYCLES, age, Utc::now() - delay)).then_some(age)
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
        self.metrics.add_backend_error(request.as_str());
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
            spool: self.metrics.spool_depth(),
            lost: self.metrics.dropped(),
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
        let (spooled, lost) = (self.metrics.spool_depth(), self.metrics.dropped());
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

impl ProbeStatus for Vitals {
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

    fn metrics(&self) -> &Registry {
        let Summary { online, offline, unknown, .. } = self.summary();
        self.metrics.set_watched(online, offline, unknown);
        &self.registry
    }
}
