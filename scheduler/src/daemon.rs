//! The daemon: a probe of a backend, with a local history from which its results are delivered.

use std::{io, sync::Arc, time::Duration};

use easytier_probe::{
    BackendConfig, BackendError, Secret,
    backend::{Availability, BackendCall},
};
use easytier_uptime_store::{Store, StoreError, upkeep};
use tokio::{net::TcpListener, sync::Mutex as AsyncMutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    backend_handle::BackendHandle,
    control::{RemoteControl, Watching},
    enrollment::{ClientError, Enrollment, OF_PROBE, Registrant},
    expiry::Expiry,
    heartbeat::{Figures, Heartbeat},
    jobs::{Job, Scheduler},
    listing::{PeerList, backend_name},
    monitoring::ProbeMonitor,
    options::DaemonOptions,
    orders::{self, BackendDesk, Worker},
    presence::Presence,
    probe::{Probe, ProbeState},
    pushed::Pushed,
    schedule::Schedule,
    serving::serve,
    spool::Spool,
    upload::Uploader,
    waiting::wait,
};

/// Why a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It stops for good, and unregisters at the backend.
    Stop,
    /// It starts again at once, with another configuration.
    Restart,
}

/// Why a daemon cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The local history cannot be read or written.
    #[error("the local database: {0}")]
    Store(#[from] StoreError),
    /// The configuration of the backend is unusable.
    #[error(transparent)]
    Backend(BackendError),
    /// The monitoring API cannot be served.
    #[error("the monitoring API cannot be served: {0}")]
    Serve(#[from] io::Error),
}

impl From<ClientError> for DaemonError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Backend(error) => Self::Backend(error),
            ClientError::Store(error) => Self::Store(error),
        }
    }
}

/// Runs a daemon until `ending`, with its jobs on `scheduler` and its monitoring API on `listener`. Calls `on_ready` when
/// it is about to check peers, or to wait for a backend.
///
/// # Errors
/// A [`DaemonError`] if it cannot start, or if the monitoring API fails later. A backend that is away is not an error.
pub async fn run_daemon(
    store: Store,
    listener: TcpListener,
    options: DaemonOptions,
    scheduler: &Scheduler,
    on_ready: impl FnOnce(Arc<ProbeMonitor>),
    ending: impl Future<Output = Ending>,
) -> Result<(), DaemonError> {
    let (options, pushed) = Pushed::load(&store, options).await?;
    if !options.has_backend() {
        let control = pushed.control(&store, &options, None);
        let monitor = Arc::new(ProbeMonitor::waiting(options.server_id.clone()));
        on_ready(Arc::clone(&monitor));
        wait(store.clone(), listener, options, (monitor, control.routes()), ending).await?;
        store.close().await;
        return Ok(());
    }
    let daemon = Daemon::new(store, listener.local_addr()?.port(), options, pushed).await?;
    daemon.peers.watch_stored().await?;
    on_ready(Arc::clone(&daemon.monitor));
    daemon.run(listener, scheduler, ending).await
}

/// The parts of a daemon.
struct Daemon {
    store: Store,
    backend: BackendHandle,
    probe: Probe,
    monitor: Arc<ProbeMonitor>,
    presence: Presence<Figures>,
    peers: Arc<PeerList>,
    fetch_interval: Duration,
    uploader: Uploader,
    spool: Spool,
    metrics_token: Option<Secret>,
    control: Arc<RemoteControl>,
    stop: CancellationToken,
}

impl Daemon {
    /// `port` is the port of the monitoring API.
    async fn new(store: Store, port: u16, options: DaemonOptions, pushed: Pushed) -> Result<Self, DaemonError> {
        let backend_name = backend_name(&store, &options.backend.base_urls).await?;
        let mut plan = options.plan.clone();
        // One that has waited for its backend until now has not checked anything yet.
        plan.cycle_at_start |= store.newest_result().await? == 0;
        let probe = Probe::new(store.clone(), &options.server_id, &options.region, plan).await?;
        let ProbeState { identity, metrics, health, overview } = probe.state.clone();
        let availability = Arc::<Availability>::default();
        let backend = BackendHandle::new(Arc::clone(&availability), metrics.clone());
        let registrant = Registrant {
            store: store.clone(),
            config: BackendConfig { tests_relay: true, ..options.backend.clone() },
            backend_name: backend_name.clone(),
            backend: backend.clone(),
            server_id: options.server_id.clone(),
            advertise: options.advertise.clone(),
            port,
            capabilities: OF_PROBE,
        };
        let enrollment = Enrollment::new(registrant).await?;
        let content = Figures { overview: Arc::clone(&overview), health, metrics: metrics.clone() };
        let heartbeat = Heartbeat { backend: backend.clone(), server_id: options.server_id.clone(), content };
        let uploader = Uploader {
            store: store.clone(),
            probe: identity.probe,
            backend_name: backend_name.clone(),
            backend: backend.clone(),
            limits: options.spool,
            expiry: Expiry::new(options.spool.max_age),
            metrics: metrics.clone(),
            stored: Arc::clone(&probe.stored),
            checking: Arc::clone(&probe.checking),
        };
        let spool = uploader.load_spool().await?;
        let peers = PeerList {
            store: store.clone(),
            backend_name,
            backend: backend.clone(),
            forget_after: options.forget_after,
            checking: Arc::clone(&probe.checking),
            version: Default::default(),
            pushed: AsyncMutex::new(pushed.listing()),
        };
        let peers = Arc::new(peers);
        let watching = Watching { backend: backend.clone(), peers: Arc::clone(&peers), overview, metrics };
        Ok(Self {
            control: pushed.control(&store, &options, Some(watching)),
            store,
            backend,
            monitor: probe.monitor(availability),
            probe,
            presence: Presence { enrollment, heartbeat },
            peers,
            fetch_interval: options.fetch_interval,
            uploader,
            spool,
            metrics_token: options.metrics_token,
            stop: CancellationToken::new(),
        })
    }

    async fn run(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        ending: impl Future<Output = Ending>,
    ) -> Result<(), DaemonError> {
        let (fetch, report) = (self.fetch_job(), self.report_job());
        let Self { store, backend, probe, monitor, mut presence, .. } = self;
        let Self { uploader, spool, metrics_token, control, stop, .. } = self;
        let jobs = vec![fetch.clone(), report.clone()];
        let fetches = fetch_with_each_client(&backend, fetch, report, self.fetch_interval);
        let stop_when_ended = async {
            let ending = ending.await;
            stop.cancel();
            ending
        };
        let presence = async {
            let (ending, registered) = tokio::join!(stop_when_ended, presence.keep(&stop));
            if registered && ending == Ending::Stop {
                presence.heartbeat.unregister().await;
            }
        };
        let worker = Worker { checking: Arc::clone(&probe.checking), control: Some(Arc::clone(&control)) };
        let orders = orders::follow(BackendDesk(backend.clone()), worker, stop.clone());
        let (served, ..) = tokio::join!(
            serve(&store, listener, monitor, metrics_token, control.routes(), &stop),
            presence,
            probe.run(scheduler, jobs, stop.clone()),
            uploader.run(spool, stop.clone()),
            upkeep(store.clone(), stop.clone().cancelled_owned()),
            orders,
            stop.run_until_cancelled(fetches),
        );
        store.close().await;
        Ok(served?)
    }

    /// The job that fetches the listing. It ends with the daemon, however long the backend takes.
    fn fetch_job(&self) -> Job {
        let (peers, stop) = (Arc::clone(&self.peers), self.stop.clone());
        Job::new("peers", Schedule::Every(self.fetch_interval), move || {
            let (peers, stop) = (Arc::clone(&peers), stop.clone());
            async move { stop.run_until_cancelled(peers.fetch()).await.unwrap_or_default() }
        })
    }

    /// The job that reports the probe's own status. It ends with the daemon, however long the backend takes.
    fn report_job(&self) -> Job {
        let (status, backend, stop) = (Arc::clone(&self.probe.status), self.backend.clone(), self.stop.clone());
        Job::new("status", Schedule::Every(self.probe.plan.report_interval), move || {
            let (status, backend, stop) = (Arc::clone(&status), backend.clone(), stop.clone());
            async move {
                status.store().await;
                stop.run_until_cancelled(status.report_to(&backend)).await.unwrap_or_default();
            }
        })
    }
}

/// Fetches the listing and reports the status as soon as there is a client, and again when it is replaced: with another token the
/// probe may be in another region. A failed fetch is repeated with backoff, as there may be nothing to watch without it, and the
/// next scheduled one may be an hour away.
async fn fetch_with_each_client(backend: &BackendHandle, fetch: Job, report: Job, fetch_interval: Duration) {
    let mut replacements = backend.replacements();
    loop {
        backend.ready().await;
        replacements.mark_unchanged();
        fetch.run().await;
        report.run().await;
        while let Some(retry_at) = backend.availability().retry_at(BackendCall::Peers) {
            if retry_at >= Instant::now() + fetch_interval {
                break;
            }
            backend.rest_until(retry_at).await;
            fetch.run().await;
        }
        if replacements.changed().await.is_err() {
            return;
        }
    }
}
