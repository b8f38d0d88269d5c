//! The configuration of a probe.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use easytier_probe::{
    AddressPolicy, BackendConfig, CheckOptions, Secret,
    backend::{BaseUrl, ReportStyle},
    self_check::SelfCheckTarget,
};

use crate::{
    AdvertisedAddress, ConfigErrors, LogFormat, Reader, Sources,
    reader::missing,
    values::{self, number},
};

/// The local UDP port of QUIC in programs that end after a few checks; see [`CheckOptions::quic_port`]. It is not among the
/// ports that nodes listen at by default, nor among those that systems give out by themselves.
///
/// A daemon takes any port: its checks share that one for months, and a program that runs beside it finds this one free.
pub const QUIC_PORT: u16 = 11044;

/// The configuration of a probe. Each field is the setting of the same name in upper case, unless its doc names another;
/// the table [`PROBE_SETTINGS`](crate::PROBE_SETTINGS) has the defaults.
#[derive(Debug, Clone)]
pub struct ProbeConfig {
    /// Whether this is a probe of a remote hub.
    pub distributed_mode_enabled: bool,
    /// The base URLs of one backend, in the order in which they are tried. Empty without a backend. In distributed mode they may
    /// be those of `DISCOVERY_SERVER_URL`.
    pub backend_base_url: Vec<BaseUrl>,
    /// The token that identifies this probe to the backend.
    pub node_token: Option<Secret>,
    /// The key with which the backend's peers are read.
    pub api_key: Option<Secret>,
    /// The region of this probe, at most 128 bytes.
    pub region: Option<String>,
    /// The id of this probe: at most 128 letters, digits, `.`, `_`, `-`. Made from the host name if not set.
    pub server_id: String,
    /// The key with which this probe registers at the hub.
    pub enrollment_key: Option<Secret>,
    /// The token with which a hub controls this probe: at least 32 characters.
    pub control_token: Option<Secret>,
    /// The address to register, if other machines reach this probe at another address than the detected one.
    pub advertise_addr: Option<AdvertisedAddress>,
    /// How results are reported to the backend.
    pub report_style: ReportStyle,
    /// The time from one fetch of the peers to the next: whole seconds, from a second to a year.
    pub peer_fetch_interval: Duration,
    /// The longest time between two results of a peer whose status does not change: whole seconds, from a second to a year.
    pub status_report_interval: Duration,
    /// The time from one check of a peer to the next: from 100 milliseconds to a year.
    pub health_check_interval: Duration,
    /// A cron expression, a name such as `@hourly`, or an interval (`@every 5m`). The scheduler validates it.
    pub probe_schedule: Option<String>,
    /// The name of a time zone. The scheduler validates it.
    pub probe_timezone: String,
    /// Each scheduled cycle is delayed by less than this: zero, which is no delay, up to a year.
    pub probe_jitter: Duration,
    /// The time after which a peer that the backend no longer lists is forgotten: up to a year.
    pub peer_forget_after: Duration,
    /// The longest time that results wait for the backend: up to a year.
    pub spool_max_age: Duration,
    /// The maximum number of results that wait for the backend: from 1,000 to 100,000,000.
    pub spool_max_results: u64,
    /// A file with peers to check.
    pub peers_file: Option<PathBuf>,
    /// Whether peers in that file that are not valid are left out.
    pub skip_invalid_peers: bool,
    /// The deadline of one check, all stages together: up to a year.
    pub health_check_timeout: Duration,
    /// The number of pings in one check: from 1 to 100.
    pub health_check_pings: u32,
    /// The maximum number of concurrent checks: from 1 to 65,535.
    pub check_concurrency: usize,
    /// The targets of the self-check; by default, the servers of the backend.
    pub self_check_targets: Vec<SelfCheckTarget>,
    /// `ALLOW_PRIVATE_PEERS` and `ALLOW_LOCAL_PEERS`.
    pub addresses: AddressPolicy,
    /// The local address at which the HTTP server listens.
    pub server_host: IpAddr,
    /// The port at which the HTTP server listens; 0 for any free port.
    pub server_port: u16,
    /// Who reads `/metrics` needs this token.
    pub metrics_token: Option<Secret>,
    /// The SQLite file.
    pub database_path: PathBuf,
    /// The URL of a PostgreSQL database to use instead of the SQLite file.
    pub database_url: Option<Secret>,
    /// A filter for [`log_filter`](crate::log_filter), not validated here: a program may add directives to it.
    pub rust_log: String,
    /// The format of log lines.
    pub log_format: LogFormat,
}

impl ProbeConfig {
    /// Reads and validates the configuration.
    ///
    /// # Errors
    ///
    /// All mistakes in the configuration.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(sources);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    /// Reads the configuration with a reader that is used for other settings too, so that all mistakes are reported
    /// together. The result is valid only if [`Reader::finish`] succeeds.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let distributed_mode_enabled = reader.value("DISTRIBUTED_MODE_ENABLED", values::boolean);
        let discovery = reader.optional("DISCOVERY_SERVER_URL", values::base_urls);
        let mut backend_base_url = reader.optional("BACKEND_BASE_URL", values::base_urls);
        if distributed_mode_enabled {
            refuse_two_backends(reader);
            backend_base_url = backend_base_url.or(discovery);
        }
        let backend_base_url = backend_base_url.unwrap_or_default();
        let backend = || backend_base_url.iter().flat_map(SelfCheckTarget::try_from).collect();
        let config = Self {
            distributed_mode_enabled,
            node_token: reader.optional("NODE_TOKEN", values::token),
            api_key: reader.optional("API_KEY", values::token),
            region: reader.optional("REGION", values::region),
            server_id: reader
                .optional("SERVER_ID", values::server_id)
                .unwrap_or_else(|| values::host_name_as_id(reader.host_name())),
            enrollment_key: reader.optional("ENROLLMENT_KEY", values::token),
            control_token: reader.optional("CONTROL_TOKEN", values::control_token),
            advertise_addr: reader.optional("ADVERTISE_ADDR", values::advertised_address),
            report_style: reader.value("REPORT_STYLE", values::report_style),
            peer_fetch_interval: reader.value("PEER_FETCH_INTERVAL", values::whole_seconds),
            status_report_interval: reader.value("STATUS_REPORT_INTERVAL", values::whole_seconds),
            health_check_interval: reader.value("HEALTH_CHECK_INTERVAL", values::check_interval),
            probe_schedule: reader.optional("PROBE_SCHEDULE", values::text),
            probe_timezone: reader.value("PROBE_TIMEZONE", values::text),
            probe_jitter: reader.value("PROBE_JITTER", values::jitter),
            peer_forget_after: reader.value("PEER_FORGET_AFTER", values::interval),
            spool_max_age: reader.value("SPOOL_MAX_AGE", values::interval),
            spool_max_results: reader.value("SPOOL_MAX_RESULTS", |text| number(text, 1000..=100_000_000)).into(),
            peers_file: reader.optional("PEERS_FILE", values::path),
            skip_invalid_peers: reader.value("SKIP_INVALID_PEERS", values::boolean),
            health_check_timeout: reader.value("HEALTH_CHECK_TIMEOUT", values::interval),
            health_check_pings: reader.value("HEALTH_CHECK_PINGS", values::pings),
            check_concurrency: reader.value("CHECK_CONCURRENCY", values::concurrency),
            self_check_targets: reader
                .optional("SELF_CHECK_TARGETS", values::self_check_targets)
                .unwrap_or_else(backend),
            backend_base_url,
            addresses: AddressPolicy {
                allow_private: reader.value("ALLOW_PRIVATE_PEERS", values::boolean),
                allow_local: reader.value("ALLOW_LOCAL_PEERS", values::boolean),
            },
            server_host: reader.value("SERVER_HOST", values::ip_address),
            server_port: reader.value("SERVER_PORT", values::port),
            metrics_token: reader.optional("METRICS_TOKEN", values::long_token),
            database_path: reader.value("DATABASE_PATH", values::path),
            database_url: reader.optional("DATABASE_URL", values::database_url),
            rust_log: reader.value("RUST_LOG", values::text),
            log_format: reader.value("LOG_FORMAT", values::log_format),
        };
        if config.distributed_mode_enabled {
            require_access_to_hub(reader);
        }
        config
    }

    /// How to talk to the backend.
    ///
    /// # Errors
    ///
    /// If no backend is configured.
    pub fn backend(&self) -> Result<BackendConfig, ConfigErrors> {
        if self.backend_base_url.is_empty() {
            return Err(ConfigErrors(vec![missing("BACKEND_BASE_URL", "name the backend to fetch the peers from")]));
        }
        Ok(BackendConfig {
            api_key: self.api_key.clone(),
            node_token: self.node_token.clone(),
            enrollment_key: self.enrollment_key.clone(),
            ..self.backend_to_come()
        })
    }

    /// How to talk to the backend, if there is one. Without base URLs it comes with the first configuration that a hub pushes, with
    /// credentials of its own.
    ///
    /// # Errors
    ///
    /// If no backend is configured, and no hub can push one.
    pub fn backend_or_control(&self) -> Result<BackendConfig, ConfigErrors> {
        match self.backend_base_url.is_empty() && self.control_token.is_some() {
            true => Ok(self.backend_to_come()),
            false => self.backend(),
        }
    }

    fn backend_to_come(&self) -> BackendConfig {
        BackendConfig {
            region: self.region.clone(),
            report_style: self.report_style,
            ..BackendConfig::new(self.backend_base_url.clone())
        }
    }

    /// How to check peers.
    pub fn checks(&self) -> CheckOptions {
        CheckOptions {
            timeout: self.health_check_timeout,
            pings: self.health_check_pings,
            addresses: self.addresses,
            max_checks: self.check_concurrency,
            ..CheckOptions::default()
        }
    }
}

/// Records a mistake if `DISCOVERY_SERVER_URL` and `BACKEND_BASE_URL` are set and name different backends.
pub fn refuse_two_backends(reader: &mut Reader<'_>) {
    let discovery = reader.optional("DISCOVERY_SERVER_URL", values::base_urls);
    let backend = reader.optional("BACKEND_BASE_URL", values::base_urls);
    if discovery.zip(backend).is_some_and(|(discovery, backend)| discovery != backend) {
        let why = "names another URL than BACKEND_BASE_URL; set one of them, or both to the same";
        reader.reject("DISCOVERY_SERVER_URL", why.to_owned());
    }
}

fn require_access_to_hub(reader: &mut Reader<'_>) {
    if reader.is_missing("DISCOVERY_SERVER_URL") {
        // The backend comes with the first configuration that is pushed.
        if reader.is_missing("BACKEND_BASE_URL") && !reader.is_missing("CONTROL_TOKEN") {
            return;
        }
        reader.require("BACKEND_BASE_URL", "a probe needs the URL of its hub");
    }
    if reader.is_missing("ENROLLMENT_KEY") {
        reader.require(
            "NODE_TOKEN",
            "a probe needs a token that identifies it to the hub; the hub's operator creates one with 'easytier-uptime hub \
             token create --name NAME --region REGION'",
        );
    }
}
