//! `daemon`: a long-running probe that reports to a backend.

mod reset;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::Context;
use clap::Args;
use easytier_uptime_config::{ConfigErrors, ProbeConfig, Reader, Sources};
use easytier_uptime_scheduler::{
    ControlOptions, DaemonOptions, Ending, ProbeMonitor, Scheduler, SpoolLimits, run_daemon,
};
use easytier_uptime_store::domain::Region;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    check_plan,
    exit::Exit,
    hub::{
        config::{Database, HubConfig},
        database,
    },
    logging::LogSettings,
    memory, print,
    service::{self, EndRequest, Restart, Service},
    settings::{Selection, SettingFlags},
    systemd, telemetry,
};

/// The cache of the local history. It is small, because there is one writer and few readers.
const CACHE_MEBIBYTES: u32 = 4;

const EXAMPLES: &str = "\
Examples:
  BACKEND_BASE_URL=https://hub.example.com NODE_TOKEN=... easytier-uptime daemon
      checks every peer every 5 seconds, on sessions that stay open
  CONTROL_TOKEN=... easytier-uptime daemon --server-host 0.0.0.0
      waits until a hub pushes its first configuration, with the backend to report to
  easytier-uptime daemon --probe-schedule '30 8-18 * * MON-FRI' --probe-timezone Asia/Shanghai
      checks all peers at the start and at half past these hours, each on a new session

Peers and results are kept in a local database, so that they survive a restart of this process and an
outage of the backend: the daemon keeps checking the peers that it fetched last, and delivers the
results when the backend is reachable again.

GET /health, /metrics and the public API of the local history are served at SERVER_HOST:SERVER_PORT.
With CONTROL_TOKEN a hub pushes configuration to /v1/configs there, and pulls figures from /v1/stats.
The first line on standard output is this address.

SIGHUP reloads the configuration. SIGTERM and Ctrl-C stop the daemon when the running checks have ended;
a second signal stops it at once.

Exit codes:
  0  stopped by Ctrl-C or SIGTERM
  1  stopped at once by a second signal
  2  bad usage or configuration, or the database or the address could not be used";

/// Checks a backend's peers continuously and reports to it
///
/// 'easytier-uptime --distributed-mode' does the same.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DaemonArgs {
    /// Forget what a hub pushed (cluster, version, settings, enrollment), and exit; peers and results stay
    #[arg(long)]
    reset_control: bool,
    #[command(flatten)]
    settings: SettingFlags<DaemonSettings>,
}

/// The settings of a daemon.
#[derive(Debug, Clone, Copy)]
pub struct DaemonSettings;

impl Selection for DaemonSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "Backend",
            &[
                "CONFIG_FILE",
                "BACKEND_BASE_URL",
                "DISCOVERY_SERVER_URL",
                "NODE_TOKEN",
                "API_KEY",
                "REGION",
                "SERVER_ID",
                "ENROLLMENT_KEY",
                "CONTROL_TOKEN",
                "ADVERTISE_ADDR",
                "REPORT_STYLE",
            ],
        ),
        (
            "Schedule",
            &[
                "PEER_FETCH_INTERVAL",
                "STATUS_REPORT_INTERVAL",
                "HEALTH_CHECK_INTERVAL",
                "PROBE_SCHEDULE",
                "PROBE_TIMEZONE",
                "PROBE_JITTER",
                "PEER_FORGET_AFTER",
            ],
        ),
        (
            "Checking",
            &[
                "HEALTH_CHECK_TIMEOUT",
                "HEALTH_CHECK_PINGS",
                "CHECK_CONCURRENCY",
                "SELF_CHECK_TARGETS",
                "ALLOW_PRIVATE_PEERS",
                "ALLOW_LOCAL_PEERS",
            ],
        ),
        ("Monitoring API", &["SERVER_HOST", "SERVER_PORT", "METRICS_TOKEN"]),
        (
            "Local history",
            &[
                "DATABASE_PATH",
                "SPOOL_MAX_AGE",
                "SPOOL_MAX_RESULTS",
                "FLAP_DAMPING",
                "REGION_DOUBT_NODES",
                "RESULT_RETENTION",
                "FIVE_MINUTE_RETENTION",
                "HOUR_RETENTION",
                "EVENT_RETENTION",
                "HUB_KEY",
                "HUB_KEY_FILE",
            ],
        ),
        ("Log", &["RUST_LOG", "LOG_FORMAT"]),
    ];
}

pub fn run(args: DaemonArgs) -> anyhow::Result<Exit> {
    let flags = args.settings.into_map();
    match args.reset_control {
        true => reset::run(flags),
        false => service::run::<Daemon>(flags),
    }
}

/// A daemon with a validated configuration.
#[derive(Clone)]
pub struct Daemon {
    /// The local history is kept in a database like that of a hub.
    history: HubConfig,
    options: DaemonOptions,
}

impl Service for Daemon {
    fn load(mut flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        flags.insert("DISTRIBUTED_MODE_ENABLED".to_owned(), "true".to_owned());
        Self::from_sources(&Sources::from_process(flags))
    }

    fn listen(&self) -> SocketAddr {
        self.history.listen
    }

    fn log(&self) -> &LogSettings {
        &self.history.log
    }

    fn name(&self) -> &'static str {
        "easytier-uptime-probe"
    }

    fn restart(&self) -> Option<Restart<Self>> {
        Some(Restart { wanted: Arc::clone(&self.options.control.restart), service: self.clone() })
    }

    async fn try_database(&self) -> anyhow::Result<()> {
        database::try_open(&self.history).await
    }

    fn shares_one_heap(&self) -> bool {
        true
    }

    async fn serve(
        mut self,
        listener: TcpListener,
        scheduler: &Scheduler,
        is_first: bool,
        end_request: EndRequest,
    ) -> anyhow::Result<()> {
        let address = listener.local_addr().context("cannot get the address of the probe")?;
        let store = database::open_with_cache(&self.history, CACHE_MEBIBYTES).await?;
        if is_first {
            print::line(format_args!("listening on http://{address}"))?;
        }
        tracing::info!(%address, "the probe listens");
        // After a restart with another configuration no cycle is needed: the last one is at most one pause old.
        self.options.plan.cycle_at_start = is_first;
        let (ready, is_ready) = oneshot::channel::<Arc<ProbeMonitor>>();
        let on_ready = |monitor| drop(ready.send(monitor));
        let ending = async { end_request.await.unwrap_or(Ending::Stop) };
        let notify = async {
            match is_ready.await {
                Ok(monitor) => systemd::ready(|| monitor.is_alive()).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = run_daemon(store, listener, self.options, scheduler, on_ready, ending) => Ok(ended?),
            () = notify => unreachable!("the notifications never end"),
            never = memory::trim_periodically() => match never {},
        }
    }
}

impl Daemon {
    fn from_sources(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(sources);
        let probe = ProbeConfig::read(&mut reader);
        let plan = check_plan::read(&mut reader, &probe);
        let history = HubConfig::read(&mut reader);
        let region = reader.optional("REGION", |text| text.parse::<Region>().map_err(|error| error.to_string()));
        if matches!(&history, Some(HubConfig { database: Database::Postgres { .. }, .. })) {
            let why = "a daemon keeps its history in a SQLite file; remove this, and set DATABASE_PATH";
            reader.reject("DATABASE_URL", why.to_owned());
        }
        if history.as_ref().is_some_and(|history| probe.spool_max_age > history.retention.results) {
            let why = "results are not kept that long; write less, or raise RESULT_RETENTION";
            reader.reject("SPOOL_MAX_AGE", why.to_owned());
        }
        Ok(Self {
            history: reader.finish_option(history)?,
            options: DaemonOptions {
                backend: telemetry::traced(probe.backend_or_control()?),
                server_id: probe.server_id,
                region: region.unwrap_or_default(),
                advertise: probe.advertise_addr,
                plan,
                fetch_interval: probe.peer_fetch_interval,
                forget_after: probe.peer_forget_after,
                spool: SpoolLimits { max_age: probe.spool_max_age, max_results: probe.spool_max_results },
                metrics_token: probe.metrics_token,
                control: ControlOptions { token: probe.control_token, ..ControlOptions::default() },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(values: &[(&str, &str)]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let needed = [("DISTRIBUTED_MODE_ENABLED", "true"), ("BACKEND_BASE_URL", "http://h"), ("NODE_TOKEN", "t")];
        let environment = needed.iter().chain(values).map(|(name, value)| ((*name).to_owned(), value.into()));
        let sources = Sources {
            environment: environment.collect(),
            directory: directory.path().to_owned(),
            ..Sources::default()
        };
        match Daemon::from_sources(&sources) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect(),
        }
    }

    #[test]
    fn a_backend_and_a_token_are_enough() {
        assert_eq!(lines(&[]), [""; 0]);
    }

    #[test]
    fn mistakes_are_reported_together_and_once() {
        let shown = lines(&[
            ("PROBE_SCHEDULE", "0 61 * * * *"),
            ("PROBE_TIMEZONE", "Mars/Olympus"),
            ("SPOOL_MAX_AGE", "400h"),
            ("SERVER_PORT", "70000"),
            ("RUST_LOG", "easytier=loud"),
        ]);
        let expected = [
            "SERVER_PORT (environment) = '70000': ",
            "PROBE_SCHEDULE (environment) = '0 61 * * * *': at character 3: '61' is not a valid minute",
            "PROBE_TIMEZONE (environment) = 'Mars/Olympus': write the name of a time zone",
            "RUST_LOG (environment) = 'easytier=loud': ",
            "SPOOL_MAX_AGE (environment): results are not kept that long",
        ];
        assert_eq!(shown.len(), expected.len(), "{shown:#?}");
        for (line, start) in shown.iter().zip(expected) {
            assert!(line.starts_with(start), "'{line}' should start with '{start}'");
        }
    }

    #[test]
    fn the_history_of_a_daemon_cannot_be_in_postgresql() {
        let shown = lines(&[("DATABASE_URL", "postgres://u:s3cr3t@h/d"), ("HUB_KEY", &"5e".repeat(32))]);
        assert!(shown.len() == 1 && shown[0].contains("DATABASE_PATH"), "{shown:?}");
        assert!(!shown[0].contains("s3cr3t"));
    }
}
