//! A probe of a backend, which runs for months: what it sees goes into a local history, and from there to the backend.

use std::{io, sync::Arc, time::Duration};

use easytier_probe::BackendConfig;
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::{
    model::Region,
    store::{Store, StoreError},
    upkeep::upkeep,
};
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    checking::CheckPlan,
    jobs::{Job, Scheduler},
    link::link,
    listing::PeerList,
    probe::Probe,
    registrar::{ClientError, Registrar},
    schedule::Schedule,
    upload::{SpoolLimits, Uploader},
    vitals::{Ask, Vitals},
};

/// How long requests under way may take at the end.
const GRACE: Duration = Duration::from_secs(2);

/// All that a daemon needs to know.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    pub backend: BackendConfig,
    pub server_id: String,
    pub region: Region,
    /// The address to register, where it is not that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    pub plan: CheckPlan,
    pub fetch_interval: Duration,
    /// How long a peer is watched that a backend no longer lists, when its listing need not be complete.
    pub forget_after: Duration,
    pub spool: SpoolLimits,
}

/// Why a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is not wanted any more: the backend is told.
    Stop,
    /// It begins anew at once, with another configuration.
    Restart,
}

/// Why a daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("the local database: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Backend(easytier_probe::BackendError),
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

/// Runs a daemon until `ending`, with its jobs on `scheduler` and its monitoring API on `listener`. `on_ready` is called when it works; it is given
/// what tells how it does.
pub async fn run_daemon(
    store: Store,
    listener: TcpListener,
    options: DaemonOptions,
    scheduler: &Scheduler,
    on_ready: impl FnOnce(Arc<Vitals>),
    ending: impl Future<Output = Ending>,
) -> Result<(), DaemonError> {
    let urls: Vec<String> = options.backend.base_urls.iter().map(ToString::to_string).collect();
    let backend = store.known_backend(&urls).await?.unwrap_or_else(|| urls[0].clone());
    let probe = Probe::new(store.clone(), &options.server_id, &options.region, options.plan.clone()).await?;
    let (link_setter, link) = link();
    let vitals = Arc::clone(&probe.vitals);
    let mut registrar = Registrar {
        store: store.clone(),
        config: options.backend,
        backend: backend.clone(),
        link: link_setter,
        server_id: options.server_id,
        advertise: options.advertise,
        port: listener.local_addr()?.port(),
        vitals: Arc::clone(&vitals),
    };
    let client = registrar.client().await?;
    let uploader = Uploader {
        store: store.clone(),
        probe: probe.identity.probe,
        backend: backend.clone(),
        link: link.clone(),
        limits: options.spool,
        vitals: Arc::clone(&vitals),
        stored: Arc::clone(&probe.stored),
    };
    let spool = uploader.spool().await?;
    let peers = Arc::new(PeerList {
        store: store.clone(),
        backend,
        link: link.clone(),
        forget_after: options.forget_after,
        checking: Arc::clone(&probe.checking),
        vitals: Arc::clone(&vitals),
        applied: Default::default(),
    });
    peers.watch_known().await?;

    // A backend that does not answer holds up no end.
    let stop = CancellationToken::new();
    let fetch = {
        let (peers, stop) = (Arc::clone(&peers), stop.clone());
        Job::new("peers", Schedule::Every(options.fetch_interval), move || {
            let (peers, stop) = (Arc::clone(&peers), stop.clone());
            async move { stop.run_until_cancelled(peers.fetch()).await.unwrap_or_default() }
        })
    };
    let tell = {
        let (status, link, stop) = (Arc::clone(&probe.status), link.clone(), stop.clone());
        Job::new("status", Schedule::Every(options.plan.report_interval), move || {
            let (status, link, stop) = (Arc::clone(&status), link.clone(), stop.clone());
            async move {
                status.note().await;
                stop.run_until_cancelled(status.tell(&link)).await.unwrap_or_default();
            }
        })
    };

    let (farewell, is_farewell) = oneshot::channel();
    let at_first = {
        let (fetch, tell, mut link, vitals) = (fetch.clone(), tell.clone(), link.clone(), Arc::clone(&vitals));
        async move {
            link.ready().await;
            fetch.run().await;
            tell.run().await;
            // Without a list there may be nothing to watch, and the next fetch may be an hour away.
            let mut backoff = Backoff::default();
            while let Some(error) = vitals.backend_error(Ask::Peers) {
                let pause = backoff.after(&error);
                if pause >= options.fetch_interval {
                    return;
                }
                sleep(pause).await;
                fetch.run().await;
            }
        }
    };
    let router = easytier_uptime_monitor::router(store.clone(), Arc::clone(&vitals) as _);
    on_ready(vitals);
    let works = async {
        tokio::join!(
            probe.run(scheduler, vec![fetch, tell], stop.clone()),
            uploader.run(spool, stop.clone()),
            upkeep(store.clone(), stop.clone().cancelled_owned()),
            registrar.run(client, stop.clone(), async { is_farewell.await.unwrap_or(false) }),
            async {
                tokio::select! {
                    () = at_first => {}
                    () = stop.cancelled() => {}
                }
            },
        );
    };
    let served = easytier_uptime_monitor::serve(listener, router, stop.clone().cancelled_owned(), GRACE);
    let ended = async {
        let ending = ending.await;
        let _ = farewell.send(ending == Ending::Stop);
        stop.cancel();
    };
    let (served, (), ()) = tokio::join!(served, works, ended);
    store.close().await;
    Ok(served?)
}
