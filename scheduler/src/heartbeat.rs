//! Heartbeats, which show the backend that a registered probe is alive.

use std::{sync::Arc, time::Duration};

use easytier_probe::{Backend, backend::BackendCall};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{backend_handle::BackendHandle, health::Health, metrics::Metrics, observer::Summary, overview::Overview};

/// The time between two heartbeats, as the contract requires.
const INTERVAL: Duration = Duration::from_secs(30);

/// How long one heartbeat may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the probe tries to unregister when it stops.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends heartbeats.
pub struct Heartbeat<C> {
    pub backend: BackendHandle,
    pub server_id: String,
    /// What each of them says.
    pub content: C,
}

/// What heartbeats say.
pub trait Content {
    /// A value that serializes to a JSON object.
    fn content(&self) -> impl Serialize + Send + Sync;
}

/// A hub at another hub says nothing but that it is there.
pub struct Nothing;

impl Content for Nothing {
    fn content(&self) -> impl Serialize + Send + Sync {
        serde_json::Map::new()
    }
}

/// What a probe counts.
pub struct Figures {
    pub overview: Arc<Overview>,
    pub health: Arc<Health>,
    pub metrics: Metrics,
}

/// The body of a probe's heartbeat.
#[derive(Debug, Serialize)]
struct Counters {
    peers: u64,
    online: u64,
    offline: u64,
    unknown: u64,
    /// How many results wait to be delivered.
    spool: u64,
    /// How many results were dropped so far.
    lost: u64,
    /// Seconds since peers were checked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_cycle_age: Option<u64>,
}

impl<C: Content> Heartbeat<C> {
    /// Sends heartbeats until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut beats = interval(INTERVAL);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = async { beats.tick().await; self.beat().await } => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn beat(&self) {
        let content = self.content.content();
        let deadline = Instant::now() + CALL_TIMEOUT;
        let send = async |backend: Backend| backend.heartbeat(&self.server_id, &content, deadline).await;
        self.backend.scheduled(BackendCall::Heartbeat, send).await;
    }

    /// Reports that the process stops.
    pub async fn unregister(&self) {
        let Some(backend) = self.backend.client() else { return };
        if let Err(error) = backend.unregister(&self.server_id, Instant::now() + UNREGISTER_TIMEOUT).await {
            tracing::warn!("{error}; the backend will notice that the heartbeats end");
        }
    }
}

impl Content for Figures {
    fn content(&self) -> impl Serialize + Send + Sync {
        let summary = self.overview.summary();
        let Summary { online, offline, unknown, .. } = summary;
        Counters {
            peers: summary.total(),
            online,
            offline,
            unknown,
            spool: self.metrics.spool_depth(),
            lost: self.metrics.dropped(),
            last_cycle_age: self.health.checks_age().map(|age| age.as_secs()),
        }
    }
}
