//! Code that the API and the pages share: the identity of the caller, its session, and the response to a refusal of a use
//! case. Reading of requests and the envelopes of responses are in the crate `easytier_uptime_monitor`, for daemons too.

mod bearer;
mod client;
mod cookie;
mod credentials;
mod error;
mod proxies;
mod session;

use std::sync::Arc;

use axum::extract::FromRef;
use easytier_probe::Checker;
use easytier_uptime_monitor::Metrics;
pub(crate) use easytier_uptime_monitor::{Closing, Refusal, input, parameter};
use easytier_uptime_store::Store;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

pub use self::proxies::{Network, NetworkError, WebOptions};
pub(crate) use self::{
    client::Client,
    cookie::cookie,
    credentials::{Insider, Lister, NO_TOKEN, ProbeCaller, RegistrantCaller},
    session::{AdminSession, COOKIE, clear_cookie, own_page, set_cookie},
};
use crate::service::{Admin, ConnectionTests, Registry, Sessions, Submissions};

/// The state that handlers share.
#[derive(Clone, FromRef)]
pub(crate) struct App {
    store: Store,
    pub admin: Admin,
    pub sessions: Sessions,
    pub submissions: Submissions,
    pub connection_tests: ConnectionTests,
    registry: Registry,
    metrics: Arc<Metrics>,
    pub options: Arc<WebOptions>,
    ingest_slots: IngestSlots,
}

impl App {
    /// `checker`: runs the connection tests that strangers request.
    pub fn new(store: Store, checker: Checker, options: WebOptions, metrics: Arc<Metrics>) -> Self {
        Self {
            admin: Admin::new(store.clone()),
            sessions: Sessions::new(store.clone()),
            submissions: Submissions::new(store.clone()),
            connection_tests: ConnectionTests::new(checker),
            registry: Registry::new(store.clone()),
            store,
            metrics,
            options: Arc::new(options),
            ingest_slots: IngestSlots::default(),
        }
    }
}

/// Permits to receive a batch of results. Further batches wait in their connections, not in memory.
#[derive(Clone)]
pub(crate) struct IngestSlots(Arc<Semaphore>);

/// The maximum number of batches that are received at the same time; each may be 4 MiB.
const MAX_INGESTS: usize = 32;

impl Default for IngestSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_INGESTS)))
    }
}

impl IngestSlots {
    /// Waits for a permit. It never fails, because the semaphore is never closed.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.0.acquire().await
    }
}
