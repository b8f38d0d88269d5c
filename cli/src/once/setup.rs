//! The source, the sink and the options of the cycle, from the command line and the configuration.

use std::path::Path;

use easytier_probe::{
    Backend, CheckOptions, CheckResult,
    backend::{Delivery, StatusReport},
    cycle::{BackendPeers, BoxError, ListedPeers, NoSink, PeerSource, ReportSink, SourcePage},
    self_check::SelfCheckTarget,
};
use easytier_uptime_config::{ConfigError, ConfigErrors, ProbeConfig, QUIC_PORT, Reader};
use tokio::time::Instant;
use uuid::Uuid;

use super::Reporting;
use crate::{descriptors, logging::LogSettings, peer_list, settings::SettingFlags, telemetry};

pub struct Setup {
    pub source: Source,
    pub sink: Sink,
    pub reporting: Reporting,
    pub checks: CheckOptions,
    pub self_check: Vec<SelfCheckTarget>,
    /// `None` unless one is configured: the host name of a CI runner or a container differs in each run, and a token
    /// belongs to one id.
    pub server_id: Option<String>,
    pub log: LogSettings,
}

/// The source of the peers.
pub enum Source {
    Backend(BackendPeers),
    List(ListedPeers),
}

/// The sink of the results.
pub enum Sink {
    Backend(Backend),
    Discard,
}

impl Setup {
    /// Validates the configuration and the list of peers. All mistakes are reported together.
    pub fn new(settings: SettingFlags, list: Option<&Path>, report: bool, dry_run: bool) -> anyhow::Result<Self> {
        let mut errors = Vec::new();
        let listed = list.map(|path| match peer_list::read(path) {
            Ok(peers) => {
                if peers.is_empty() {
                    errors.push(problem("--peers", "there is nothing to check: the list names no peer".to_owned()));
                }
                peers
            }
            Err(error) => {
                errors.push(problem("--peers", error));
                Vec::new()
            }
        });
        let sources = settings.sources();
        let mut reader = Reader::new(&sources);
        let config = ProbeConfig::read(&mut reader);
        let server_id = (!reader.is_missing("SERVER_ID")).then(|| config.server_id.clone());
        let log = LogSettings::read(&mut reader);
        if let Err(mut more) = reader.finish(()) {
            more.0.append(&mut errors);
            return Err(more.into());
        }
        // With a list, a backend is required only for reporting.
        let backend = if listed.is_none() || report {
            let backend = config.backend().map_err(|mut more| errors.append(&mut more.0)).ok();
            if let (None, None, Some(error)) = (&backend, &listed, errors.last_mut()) {
                error.problem += ", or a list of peers with --peers";
            }
            backend
        } else {
            None
        };
        if !errors.is_empty() {
            return Err(ConfigErrors(errors).into());
        }

        let backend = backend.map(telemetry::traced).map(Backend::new).transpose()?;
        let reporting = match (&backend, dry_run) {
            (_, true) => Reporting::DryRun,
            (Some(_), false) => Reporting::ToBackend,
            (None, false) => Reporting::ListOnly,
        };
        let sink = match &backend {
            Some(backend) if reporting == Reporting::ToBackend => Sink::Backend(backend.clone()),
            _ => Sink::Discard,
        };
        let source = match (listed, backend) {
            (Some(peers), _) => Source::List(ListedPeers::new(peers)),
            (None, Some(backend)) => Source::Backend(BackendPeers::new(backend)),
            (None, None) => unreachable!("without a list and a backend there is an error"),
        };
        Ok(Self {
            source,
            sink,
            reporting,
            checks: CheckOptions {
                max_sockets: descriptors::for_checks(),
                quic_port: Some(QUIC_PORT),
                ..config.checks()
            },
            self_check: config.self_check_targets,
            server_id,
            log,
        })
    }
}

fn problem(place: &str, problem: String) -> ConfigError {
    ConfigError { place: place.to_owned(), value: None, problem }
}

impl PeerSource for Source {
    async fn next_page(&mut self, deadline: Instant) -> Result<Option<SourcePage>, BoxError> {
        match self {
            Self::Backend(peers) => peers.next_page(deadline).await,
            Self::List(peers) => peers.next_page(deadline).await,
        }
    }
}

impl ReportSink for Sink {
    async fn send(&self, cycle_id: Uuid, results: &[CheckResult], deadline: Instant) -> Result<Delivery, BoxError> {
        match self {
            Self::Backend(backend) => backend.send(cycle_id, results, deadline).await,
            Self::Discard => NoSink.send(cycle_id, results, deadline).await,
        }
    }

    async fn report_status(&self, status: &StatusReport, deadline: Instant) -> Result<(), BoxError> {
        match self {
            Self::Backend(backend) => ReportSink::report_status(backend, status, deadline).await,
            Self::Discard => NoSink.report_status(status, deadline).await,
        }
    }
}
