//! No subcommand: a hub and a probe in one process, on one file.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use easytier_probe::{
    ProbeConfig,
    config::{ConfigError, ConfigErrors, Reader, Sources},
};
use easytier_uptime_hub::model::{PeerSpec, Region};
use easytier_uptime_scheduler::Scheduler;
use tokio::net::TcpListener;

use crate::{
    daemon::Daemon,
    exit::Exit,
    hub::{
        config::HubConfig,
        serve::{Hub, Local},
    },
    logging::LogSettings,
    peer_list, plan,
    service::{self, Service, Told},
    settings::{Selection, SettingFlags},
};

/// The region of a probe that is in none.
const HERE: &str = "local";

/// What runs without a subcommand.
#[derive(Debug, Args)]
pub struct StandaloneArgs {
    /// Peers to watch: JSON, TOML, or URLs one a line
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    peers: Option<PathBuf>,

    #[command(flatten)]
    settings: SettingFlags<Everything>,
}

/// Every setting there is: of a hub, of a probe in its process, and of a daemon, which it is in distributed mode.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Selection for Everything {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] = &[
        ("Server", &["CONFIG_FILE", "SERVER_HOST", "SERVER_PORT", "TRUSTED_PROXIES", "ADMIN_PASSWORD"]),
        (
            "Checking",
            &[
                "PEERS_FILE",
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
                "ALLOW_PRIVATE_PEERS",
                "ALLOW_LOCAL_PEERS",
            ],
        ),
        ("Database", &["DATABASE_PATH", "DATABASE_URL", "HUB_KEY", "HUB_KEY_FILE"]),
        (
            "Results",
            &["FLAP_DAMPING", "RESULT_RETENTION", "FIVE_MINUTE_RETENTION", "HOUR_RETENTION", "EVENT_RETENTION"],
        ),
        (
            "Distributed mode, as 'easytier-uptime daemon'",
            &[
                "DISTRIBUTED_MODE_ENABLED",
                "BACKEND_BASE_URL",
                "NODE_TOKEN",
                "API_KEY",
                "ENROLLMENT_KEY",
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
    let mut flags = args.settings.into_given();
    if let Some(peers) = args.peers {
        flags.insert("PEERS_FILE".to_owned(), peers.to_string_lossy().into_owned());
    }
    service::run::<Standalone>(flags)
}

/// A hub with a probe of its own, or a daemon where the configuration says so.
enum Standalone {
    Hub(Box<Hub>),
    Daemon(Box<Daemon>),
}

impl Service for Standalone {
    fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        let sources = Sources::of_process(flags.clone());
        let mut reader = Reader::new(&sources);
        let probe = ProbeConfig::read(&mut reader);
        if probe.distributed_mode_enabled {
            return Daemon::load(flags).map(|daemon| Self::Daemon(Box::new(daemon)));
        }
        let plan = plan::read(&mut reader, &probe);
        let has_id = !reader.is_missing("SERVER_ID");
        let region = reader.optional("REGION", |text| text.parse::<Region>().map_err(|error| error.to_string()));
        let peers = reader.optional("PEERS_FILE", |path| peers_of(path.as_ref()));
        // Strangers' tests have a default of their own, so the hub reads for itself.
        let (hub, probe) = (HubConfig::of(sources.clone()), reader.finish(probe));
        let (mut config, probe) = match (hub, probe) {
            (Ok(config), Ok(probe)) => (config, probe),
            (hub, probe) => return Err(all_of(hub.err(), probe.err())),
        };
        config.intervals = plan.intervals();
        let local = Local {
            // Another one than that of a daemon on the same machine.
            server_id: match has_id {
                true => probe.server_id,
                false => format!("{}-{HERE}", probe.server_id),
            },
            region: region.unwrap_or_else(|| HERE.parse().expect("a word is a region")),
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

    fn database(&self) -> &HubConfig {
        match self {
            Self::Hub(hub) => hub.database(),
            Self::Daemon(daemon) => daemon.database(),
        }
    }

    fn has_one_heap(&self) -> bool {
        match self {
            Self::Hub(hub) => hub.has_one_heap(),
            Self::Daemon(daemon) => daemon.has_one_heap(),
        }
    }

    async fn serve(
        self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        ending: Told,
    ) -> anyhow::Result<()> {
        match self {
            Self::Hub(hub) => hub.serve(listener, scheduler, is_first, ending).await,
            Self::Daemon(daemon) => daemon.serve(listener, scheduler, is_first, ending).await,
        }
    }
}

fn peers_of(path: &Path) -> Result<Vec<PeerSpec>, String> {
    Ok(peer_list::read(path)?.iter().map(PeerSpec::from).collect())
}

/// What both readers found, each thing once.
fn all_of(first: Option<ConfigErrors>, second: Option<ConfigErrors>) -> ConfigErrors {
    let mut all: Vec<ConfigError> = first.map(|errors| errors.0).unwrap_or_default();
    for error in second.into_iter().flat_map(|errors| errors.0) {
        if !all.contains(&error) {
            all.push(error);
        }
    }
    ConfigErrors(all)
}
