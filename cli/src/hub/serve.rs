//! The running hub.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use easytier_probe::{AddressPolicy, Checker, Secret, config::ConfigErrors};
use easytier_uptime_hub::{
    api::{self, ApiOptions},
    crypto::HubKey,
    model::{PeerSpec, Region},
    store::Store,
    time::Timestamp,
    upkeep::upkeep,
};
use easytier_uptime_scheduler::{CheckPlan, LocalProbe, Scheduler};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    config::{Database, HubConfig},
    database::{self, Opened},
};
use crate::{
    logging::LogSettings,
    service::{Service, Told},
    systemd,
};

/// How long requests under way may take when the hub is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// A hub, and perhaps a probe in its own process.
pub struct Hub {
    pub config: HubConfig,
    pub local: Option<Local>,
}

/// The probe in the hub's process.
pub struct Local {
    pub server_id: String,
    pub region: Region,
    pub plan: CheckPlan,
    /// Peers that a file names.
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

    fn database(&self) -> &HubConfig {
        &self.config
    }

    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        ending: Told,
    ) -> anyhow::Result<()> {
        let Self { config, local } = self;
        let address = listener.local_addr().context("cannot tell where the hub listens")?;
        let is_new = matches!(&config.database, Database::Sqlite { path, .. } if !path.exists());
        let Opened { store, key } = database::open(&config).await?;
        let password = admin_password(&store, config.admin_password.as_ref()).await?;
        let local = match local {
            Some(local) => Some(local.prepare(&store, is_first).await?),
            None => None,
        };

        let first_address = is_first.then_some(address);
        let greeting = greeting(first_address, &config.database, is_new, password.as_ref(), local.is_some());
        std::io::stdout().write_all(greeting.as_bytes())?;
        warn_of_open_tests(config.checks.addresses, address.ip());
        tracing::info!(%address, database = %database::name(&config.database), "the hub listens");

        let options = ApiOptions { trusted_proxies: config.trusted_proxies, session_key: session_key(&key) };
        let checker = Checker::new(config.checks);
        let router = match &local {
            Some(probe) => api::standalone_router(store.clone(), checker, options, probe.vitals()),
            None => api::router(store.clone(), checker, options),
        };
        let stop = CancellationToken::new();
        let stopped = || stop.clone().cancelled_owned();
        let works = async {
            let served = api::serve(listener, router, stopped(), GRACE);
            let checks = async {
                if let Some(probe) = local {
                    probe.run(scheduler, stop.clone()).await;
                }
            };
            let (served, (), ()) = tokio::join!(served, upkeep(store.clone(), stopped()), checks);
            served.context("the hub cannot serve")?;
            store.close().await;
            anyhow::Ok(())
        };
        let told = async {
            // Nobody is left to tell it when the process ends.
            let _ = ending.await;
            stop.cancel();
        };
        tokio::select! {
            (served, ()) = async { tokio::join!(works, told) } => served,
            () = systemd::ready(|| true) => unreachable!("it lasts as long as it is asked"),
        }
    }
}

impl Local {
    /// Adds the peers of the file that are not there yet; those that are stay as they are. `is_first`: whether the process
    /// has just started.
    async fn prepare(self, store: &Store, is_first: bool) -> anyhow::Result<LocalProbe> {
        let imported = store.import_peers(&self.peers, Timestamp::now()).await.context("cannot add the peers")?;
        if !self.peers.is_empty() {
            tracing::info!(added = imported.added, known = imported.known, "peers of the file");
        }
        let plan = CheckPlan { cycle_at_start: is_first, ..self.plan };
        LocalProbe::new(store.clone(), &self.server_id, self.region, plan).await.context("no local probe")
    }
}

/// Sets the password that is configured, or makes one at the first start, which is given to be shown.
async fn admin_password(store: &Store, configured: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
    let outcome = match configured {
        Some(password) => store.set_admin_password(password, Timestamp::now()).await.map(|()| None),
        None => store.first_admin_password(Timestamp::now()).await,
    };
    outcome.context("cannot set the admin's password")
}

/// What is printed when the hub is ready: the address in the first line, for programs; the rest is for people. When the
/// hub begins anew it is only what is new, such as the password of another database.
fn greeting(
    first_address: Option<SocketAddr>,
    database: &Database,
    is_new: bool,
    password: Option<&Secret>,
    checks_by_itself: bool,
) -> String {
    let mut text = first_address.map(|address| format!("listening on http://{address}\n")).unwrap_or_default();
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes any text");
    if let Some(password) = password {
        say(format!("admin password: {}", password.expose()));
        say("  shown this once; 'easytier-uptime hub password' makes another".to_owned());
    }
    if is_new {
        say(format!("made the database {}", database::name(database)));
        if let Some(file) = database::own_key_file(database) {
            let file = file.display();
            say(format!("  and its key '{file}': keep a copy of it in another place than the database's"));
        }
        say(match checks_by_itself {
            true => "next: easytier-uptime hub peer add URL".to_owned(),
            false => {
                "next: easytier-uptime hub peer add URL, and easytier-uptime hub token create --name NAME".to_owned()
            }
        });
    }
    text
}

/// An operator who opens the tests to private addresses at a place that strangers reach should know.
fn warn_of_open_tests(addresses: AddressPolicy, listening: IpAddr) {
    if addresses != AddressPolicy::PUBLIC_ONLY && !listening.is_loopback() {
        tracing::warn!(
            "everybody who reaches this hub may have addresses checked that are not public, because ALLOW_PRIVATE_PEERS or \
             ALLOW_LOCAL_PEERS is true"
        );
    }
}

/// The key that signs sessions: the same for all hubs with the same hub key.
fn session_key(key: &HubKey) -> Secret {
    key.derive("admin sessions").iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
