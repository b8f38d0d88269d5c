//! Runs the hub.

use std::{collections::BTreeMap, io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use easytier_probe::{Checker, Secret, backend::BaseUrl};
use easytier_uptime_config::ConfigErrors;
use easytier_uptime_hub::{
    ProbeStatus, Router, WebOptions, incidents,
    manager::{self, ControlClient},
    notify::{messenger, notify},
    serve,
    service::{OwnInstance, password},
    sources,
};
use easytier_uptime_scheduler::{CheckPlan, Ending, LocalProbe, Scheduler};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{PeerSpec, Region, Timestamp},
    upkeep,
};
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    config::{Database, HubConfig},
    database,
};
use crate::{
    logging::LogSettings,
    service::{EndRequest, Service},
    systemd,
};

/// The longest time that running requests may take when the hub stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// A hub, optionally with a built-in probe.
pub struct Hub {
    pub config: HubConfig,
    pub local: Option<Local>,
}

/// The configuration of the built-in probe.
pub struct Local {
    pub server_id: String,
    pub region: Region,
    pub plan: CheckPlan,
    /// The peers of `PEERS_FILE`.
    pub peers: Vec<PeerSpec>,
}

impl Service for Hub {
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        Ok(Self { config: HubConfig::load(flags)?, local: None })
    }

    fn listen(&self) -> SocketAddr {
        self.config.listen
    }

    fn log(&self) -> &LogSettings {
        &self.config.log
    }

    fn name(&self) -> &'static str {
        "easytier-uptime-hub"
    }

    async fn try_database(&self) -> anyhow::Result<()> {
        database::try_open(&self.config).await
    }

    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        end_request: EndRequest,
    ) -> anyhow::Result<()> {
        let Self { config, local } = self;
        let address = listener.local_addr().context("cannot get the address of the hub")?;
        let is_new = matches!(&config.database, Database::Sqlite { path, .. } if !path.exists());
        let store = database::open(&config).await?;
        let password = admin_password(&store, config.admin_password.as_ref()).await?;
        let local = match local {
            Some(local) => Some(local.prepare(&store, is_first).await?),
            None => None,
        };

        let first_address = is_first.then_some(address);
        let greeting = greeting(first_address, &config.database, is_new, password.as_ref(), local.is_some());
        std::io::stdout().write_all(greeting.as_bytes())?;
        tracing::info!(%address, database = %database::name(&config.database), "the hub listens");

        let own = config.instance.own(address).await;
        let control = ControlClient::new(config.control_proxy.as_ref());
        let options = WebOptions {
            instance: own.clone(),
            trusted_proxies: config.trusted_proxies,
            metrics_token: config.metrics_token,
            public_url: config.public_url.clone(),
            control: control.clone(),
            discovery: config.discovery.options(address).await,
            ..WebOptions::default()
        };
        let own_url = own_url(config.public_url.as_ref(), &own, address)?;
        let checker = Checker::new(config.checks);
        let status = local.as_ref().map(|probe| probe.monitor() as Arc<dyn ProbeStatus>);
        let stop = CancellationToken::new();
        let (tell_ending, ending) = oneshot::channel();
        let work = async {
            let checks = async {
                if let Some(probe) = local {
                    probe.run(scheduler, stop.clone()).await;
                }
            };
            let router = easytier_uptime_hub::router(store.clone(), checker, options, status);
            let serving = run(listener, router.clone(), store.clone(), stop.clone(), SHUTDOWN_TIMEOUT);
            let cluster = config.instance.run(&store, &own, router, address, stop.clone());
            let alerts = notify(&store, messenger(), config.public_url, stop.clone());
            let incidents = incidents::record(&store, &stop);
            let sources = sources::follow(&store, &stop);
            let managed = manager::manage(&store, control, &own_url, &stop);
            let registered = config.discovery.register(store.clone(), address, stop.clone(), ending);
            let (served, ..) = tokio::join!(serving, checks, cluster, alerts, incidents, sources, managed, registered);
            served?;
            store.close().await;
            anyhow::Ok(())
        };
        let stop_on_request = async {
            // The sender is dropped only when the process ends.
            let _ = tell_ending.send(end_request.await.unwrap_or(Ending::Stop));
            stop.cancel();
        };
        tokio::select! {
            (outcome, ()) = async { tokio::join!(work, stop_on_request) } => outcome,
            () = systemd::ready(|| store.is_alive()) => unreachable!("the notifications never end"),
        }
    }
}

/// Serves the hub and does the upkeep of `store` until `stop`. Running requests then have `shutdown_timeout` to end.
pub async fn run(
    listener: TcpListener,
    router: Router,
    store: Store,
    stop: CancellationToken,
    shutdown_timeout: Duration,
) -> anyhow::Result<()> {
    let serving = serve(listener, router, stop.clone().cancelled_owned(), shutdown_timeout);
    let (served, ()) = tokio::join!(serving, upkeep(store, stop.cancelled_owned()));
    served.context("the hub cannot serve")
}

impl Local {
    /// Adds the peers of the file that are not listed yet. A dependent has the peers of its primary.
    async fn add_peers(&self, store: &Store) -> anyhow::Result<()> {
        if self.peers.is_empty() {
            return Ok(());
        }
        match store.import_peers(&self.peers, Timestamp::now()).await {
            Ok(imported) => {
                tracing::info!(added = imported.added, known = imported.known, "added the peers of PEERS_FILE");
                Ok(())
            }
            Err(error @ (StoreError::NotPrimary(_) | StoreError::HandingOver)) => {
                tracing::warn!("the peers of PEERS_FILE are not added. {error}");
                Ok(())
            }
            Err(error) => Err(error).context("cannot add the peers of PEERS_FILE"),
        }
    }

    /// Adds the peers of the file that are not listed yet, and makes the probe. `is_first` is false after a restart in the
    /// same process.
    async fn prepare(self, store: &Store, is_first: bool) -> anyhow::Result<LocalProbe> {
        self.add_peers(store).await?;
        let plan = CheckPlan { cycle_at_start: is_first, ..self.plan };
        LocalProbe::new(store.clone(), &self.server_id, self.region, plan)
            .await
            .context("cannot start the built-in probe")
    }
}

/// Where probes that are to report to this hub find it: at `PUBLIC_URL`, or else at its own address.
fn own_url(public: Option<&BaseUrl>, own: &OwnInstance, address: SocketAddr) -> anyhow::Result<Url> {
    let host = own.options.public_endpoint.as_ref().and_then(|url| url.host_str().map(str::to_owned));
    let here = host.map_or_else(|| format!("http://{address}"), |host| format!("http://{host}:{}", address.port()));
    public.map_or(here, ToString::to_string).parse().context("cannot tell the URL of this hub")
}

/// Sets the configured password, or generates one at the first start. Returns a generated password, to be printed.
async fn admin_password(store: &Store, configured: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
    let outcome = match configured {
        Some(password) => password::set(store, password, Timestamp::now()).await.map(|()| None),
        None => password::first(store, Timestamp::now()).await,
    };
    outcome.context("cannot set the admin's password")
}

/// The text that is printed when the hub is ready. The first line is the address, for programs; the rest is for people. After a
/// restart in the same process there is no address, and only new facts are printed, such as the password of a new database.
fn greeting(
    first_address: Option<SocketAddr>,
    database: &Database,
    is_new: bool,
    password: Option<&Secret>,
    has_built_in_probe: bool,
) -> String {
    let mut text = first_address.map(|address| format!("listening on http://{address}\n")).unwrap_or_default();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    if let Some(password) = password {
        add(format!("admin password: {}", password.expose()));
        add("  it is not shown again; 'easytier-uptime hub password' generates a new one".to_owned());
    }
    if is_new {
        add(format!("created the database {}", database::name(database)));
        if let Some(file) = database::adjacent_key_file(database) {
            let file = file.display();
            add(format!("  and its key '{file}': keep a copy of the key apart from the database"));
        }
        add(match has_built_in_probe {
            true => "next: easytier-uptime hub peer add URL".to_owned(),
            false => {
                "next: easytier-uptime hub peer add URL, and easytier-uptime hub token create --name NAME".to_owned()
            }
        });
    }
    text
}
