//! The standalone mode, without a subcommand: a hub and a probe in one process.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use easytier_probe::peer_list::UnknownSchemes;
use easytier_uptime_config::{ConfigErrors, ProbeConfig, Reader, Sources};
use easytier_uptime_scheduler::Scheduler;
use easytier_uptime_store::domain::{PeerSpec, Region, Role};
use tokio::net::TcpListener;

use crate::{
    check_plan,
    daemon::Daemon,
    exit::Exit,
    hub::{
        config::HubConfig,
        instance::{INSTANCE_SETTINGS, refuse_role_of_a_probe},
        serve::{Hub, Local},
    },
    logging::LogSettings,
    peer_list::{self, InvalidPeers},
    service::{self, EndRequest, Restart, Service},
    settings::{RESULT_SETTINGS, Selection, SettingFlags},
};

/// The default region of the built-in probe, and the suffix of its id.
const LOCAL: &str = "local";

/// The options of the standalone mode.
#[derive(Debug, Args)]
pub struct StandaloneArgs {
    /// File with peers to check, in any form that 'check --file' reads
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    peers: Option<PathBuf>,
    #[command(flatten)]
    invalid: InvalidPeers,

    #[command(flatten)]
    settings: SettingFlags<StandaloneSettings>,
}

/// The settings of a hub, of its built-in probe, and of a daemon, which runs in distributed mode.
#[derive(Debug, Clone, Copy)]
pub struct StandaloneSettings;

impl Selection for StandaloneSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "Server",
            &[
                "CONFIG_FILE",
                "SERVER_HOST",
                "SERVER_PORT",
                "TRUSTED_PROXIES",
                "PUBLIC_URL",
                "METRICS_TOKEN",
                "ADMIN_PASSWORD",
            ],
        ),
        (
            "Checking",
            &[
                "PEERS_FILE",
                "SKIP_INVALID_PEERS",
                "REGION",
                "SERVER_ID",
                "HEALTH_CHECK_INTERVAL",
                "STATUS_REPORT_INTERVAL",
                "PROBE_SCHEDULE",
                "PROBE_TIMEZONE",
                "PROBE_JITTER",
                "HEALTH_CHECK_TIMEOUT",
                "HEALTH_CHECK_PINGS",
                "CHECK_CONCURRENCY",
                "SELF_CHECK_TARGETS",
                "ALLOW_PRIVATE_PEERS",
                "ALLOW_LOCAL_PEERS",
            ],
        ),
        ("Database", &["DATABASE_PATH", "DATABASE_URL", "HUB_KEY", "HUB_KEY_FILE"]),
        RESULT_SETTINGS,
        INSTANCE_SETTINGS,
        ("Discovery", &["OPEN_DISCOVERY", "DISCOVERY_SERVER_URL"]),
        (
            "Distributed mode, like 'easytier-uptime daemon'",
            &[
                "DISTRIBUTED_MODE_ENABLED",
                "BACKEND_BASE_URL",
                "NODE_TOKEN",
                "API_KEY",
                "ENROLLMENT_KEY",
                "CONTROL_TOKEN",
                "ADVERTISE_ADDR",
                "REPORT_STYLE",
                "PEER_FETCH_INTERVAL",
                "PEER_FORGET_AFTER",
                "SPOOL_MAX_AGE",
                "SPOOL_MAX_RESULTS",
            ],
        ),
        ("Log", &["RUST_LOG", "LOG_FORMAT"]),
    ];
    const IN_SHORT_HELP: bool = false;
}

pub fn run(args: StandaloneArgs) -> anyhow::Result<Exit> {
    let mut flags = args.settings.into_map();
    if let Some(peers) = args.peers {
        flags.insert("PEERS_FILE".to_owned(), peers.to_string_lossy().into_owned());
    }
    if args.invalid.skip_invalid {
        flags.insert("SKIP_INVALID_PEERS".to_owned(), true.to_string());
    }
    service::run::<Standalone>(flags)
}

/// A hub with a built-in probe, or a daemon in distributed mode.
enum Standalone {
    Hub(Box<Hub>),
    Daemon(Box<Daemon>),
}

impl Service for Standalone {
    #[expect(clippy::expect_used, reason = "the default region is a constant")]
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let sources = Sources::from_process(flags.clone());
        let mut reader = Reader::new(&sources);
        let probe = ProbeConfig::read(&mut reader);
        if probe.distributed_mode_enabled {
            refuse_role_of_a_probe(&mut reader);
            reader.finish(())?;
            return Daemon::load(flags).map(|daemon| Self::Daemon(Box::new(daemon)));
        }
        let plan = check_plan::read(&mut reader, &probe);
        let has_id = !reader.is_missing("SERVER_ID");
        let region = reader.optional("REGION", |text| text.parse::<Region>().map_err(|error| error.to_string()));
        let invalid = InvalidPeers { skip_invalid: probe.skip_invalid_peers };
        let peers = reader.optional("PEERS_FILE", |path| peers_of(path.as_ref(), invalid));
        let hub = HubConfig::read(&mut reader);
        let (mut config, probe) = reader.finish_option(hub.map(|hub| (hub, probe)))?;
        config.intervals = plan.intervals();
        let instance = &config.instance;
        let clustered = (instance.role.role() != Role::Standalone).then(|| instance.options.name.clone());
        let place = clustered.as_ref().map(|name| instance.options.location.as_ref().unwrap_or(name));
        let place = place.and_then(|place| place.parse().ok());
        let local = Local {
            // The default id differs from that of a daemon on the same machine.
            server_id: match (has_id, clustered) {
                (true, _) => probe.server_id,
                (false, Some(name)) => name,
                (false, None) => format!("{}-{LOCAL}", probe.server_id),
            },
            region: region.or(place).unwrap_or_else(|| LOCAL.parse().expect("the default is a valid region")),
            plan,
            peers: peers.unwrap_or_default(),
        };
        Ok(Self::Hub(Box::new(Hub { config, local: Some(local) })))
    }

    fn listen(&self) -> SocketAddr {
        match self {
            Self::Hub(hub) => hub.listen(),
            Self::Daemon(daemon) => daemon.listen(),
        }
    }

    fn log(&self) -> &LogSettings {
        match self {
            Self::Hub(hub) => hub.log(),
            Self::Daemon(daemon) => daemon.log(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Hub(hub) => hub.name(),
            Self::Daemon(daemon) => daemon.name(),
        }
    }

    fn restart(&self) -> Option<Restart<Self>> {
        match self {
            Self::Hub(_) => None,
            Self::Daemon(daemon) => {
                let Restart { wanted, service } = daemon.restart()?;
                Some(Restart { wanted, service: Self::Daemon(Box::new(service)) })
            }
        }
    }

    async fn try_database(&self) -> anyhow::Result<()> {
        match self {
            Self::Hub(hub) => hub.try_database().await,
            Self::Daemon(daemon) => daemon.try_database().await,
        }
    }

    fn shares_one_heap(&self) -> bool {
        match self {
            Self::Hub(hub) => hub.shares_one_heap(),
            Self::Daemon(daemon) => daemon.shares_one_heap(),
        }
    }

    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        end_request: EndRequest,
    ) -> anyhow::Result<()> {
        match self {
            Self::Hub(hub) => hub.serve(listener, scheduler, is_first, end_request).await,
            Self::Daemon(daemon) => daemon.serve(listener, scheduler, is_first, end_request).await,
        }
    }
}

/// The peers that the hub watches from now on, so none that no probe can check.
fn peers_of(path: &Path, invalid: InvalidPeers) -> Result<Vec<PeerSpec>, String> {
    if peer_list::url_in(path).is_some() {
        return Err("names a file; have the hub follow a list at a URL with 'hub source add URL'".to_owned());
    }
    Ok(peer_list::read(path, UnknownSchemes::Refused, invalid)?.iter().map(PeerSpec::from).collect())
}
