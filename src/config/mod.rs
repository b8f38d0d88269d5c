//! The configuration of a probe. This is the only place of the library that reads the environment.
//!
//! Flags win over the environment, that over a `.env` file in the working directory, that over a TOML file. Every
//! value is validated, and everything that is wrong is told together. What settings there are is a table,
//! [`SETTINGS`], from which a command line can make its flags.
//!
//! The hub's settings come from the same places and are in a table beside it, [`HUB_SETTINGS`]. What their values mean is
//! for the hub to know: it reads them by a [`Reader`] of its own.

mod error;
mod layers;
mod settings;
pub mod values;

use std::{fmt::Display, net::IpAddr, path::PathBuf, time::Duration};

use self::layers::{Given, Layers};
pub use self::{
    error::{ConfigError, ConfigErrors},
    layers::Sources,
    settings::{FUNCTION_SETTINGS, HUB_SETTINGS, SETTINGS, Setting},
    values::{Advertised, LogFormat},
};
use crate::{
    AddressPolicy, BackendConfig, CheckOptions, Secret,
    backend::{BaseUrl, ReportStyle},
};

/// Everything that can be configured; each field is the setting of its name.
#[derive(Debug, Clone)]
pub struct ProbeConfig {
    pub distributed_mode_enabled: bool,
    /// Empty when there is no backend.
    pub backend_base_url: Vec<BaseUrl>,
    pub node_token: Option<Secret>,
    pub api_key: Option<Secret>,
    pub region: Option<String>,
    pub server_id: String,
    pub enrollment_key: Option<Secret>,
    pub advertise_addr: Option<Advertised>,
    pub report_style: ReportStyle,
    pub peer_fetch_interval: Duration,
    pub status_report_interval: Duration,
    pub health_check_interval: Duration,
    /// A cron expression, not validated here.
    pub probe_schedule: Option<String>,
    /// The name of a time zone, not validated here.
    pub probe_timezone: String,
    /// Each run of the schedule is delayed by less than this; zero for no delay.
    pub probe_jitter: Duration,
    pub peer_forget_after: Duration,
    pub spool_max_age: Duration,
    pub spool_max_results: u64,
    pub peers_file: Option<PathBuf>,
    pub health_check_timeout: Duration,
    pub health_check_pings: u32,
    pub check_concurrency: usize,
    /// `ALLOW_PRIVATE_PEERS` and `ALLOW_LOCAL_PEERS`.
    pub addresses: AddressPolicy,
    pub server_host: IpAddr,
    pub server_port: u16,
    pub database_path: PathBuf,
    pub database_url: Option<Secret>,
    /// A filter of the log, which the program that logs validates: it knows what filters there are.
    pub rust_log: String,
    pub log_format: LogFormat,
}

impl ProbeConfig {
    /// Reads and validates the configuration.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(sources);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    /// The same with a reader that others read by too, so that all that is wrong is told together. What was read means
    /// nothing unless the reader is finished without an error.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let config = Self {
            distributed_mode_enabled: reader.value("DISTRIBUTED_MODE_ENABLED", values::switch),
            backend_base_url: reader.optional("BACKEND_BASE_URL", values::base_urls).unwrap_or_default(),
            node_token: reader.optional("NODE_TOKEN", values::token),
            api_key: reader.optional("API_KEY", values::token),
            region: reader.optional("REGION", values::region),
            server_id: reader
                .optional("SERVER_ID", values::server_id)
                .unwrap_or_else(|| values::host_name_as_id(&gethostname::gethostname().to_string_lossy())),
            enrollment_key: reader.optional("ENROLLMENT_KEY", values::token),
            advertise_addr: reader.optional("ADVERTISE_ADDR", values::advertised),
            report_style: reader.value("REPORT_STYLE", values::report_style),
            peer_fetch_interval: reader.value("PEER_FETCH_INTERVAL", values::whole_seconds),
            status_report_interval: reader.value("STATUS_REPORT_INTERVAL", values::whole_seconds),
            health_check_interval: reader.value("HEALTH_CHECK_INTERVAL", values::check_interval),
            probe_schedule: reader.optional("PROBE_SCHEDULE", values::text),
            probe_timezone: reader.value("PROBE_TIMEZONE", values::text),
            probe_jitter: reader.value("PROBE_JITTER", values::jitter),
            peer_forget_after: reader.value("PEER_FORGET_AFTER", values::interval),
            spool_max_age: reader.value("SPOOL_MAX_AGE", values::interval),
            spool_max_results: reader
                .value("SPOOL_MAX_RESULTS", |text| values::number(text, 1000..=100_000_000))
                .into(),
            peers_file: reader.optional("PEERS_FILE", |path| Ok(path.into())),
            health_check_timeout: reader.value("HEALTH_CHECK_TIMEOUT", values::interval),
            health_check_pings: reader.value("HEALTH_CHECK_PINGS", |text| values::number(text, 1..=100)),
            check_concurrency: reader.value("CHECK_CONCURRENCY", |text| values::number(text, 1..=65535)) as usize,
            addresses: AddressPolicy {
                allow_private: reader.value("ALLOW_PRIVATE_PEERS", values::switch),
                allow_local: reader.value("ALLOW_LOCAL_PEERS", values::switch),
            },
            server_host: reader.value("SERVER_HOST", values::address),
            server_port: reader.value("SERVER_PORT", values::port),
            database_path: reader.value("DATABASE_PATH", |path| Ok(path.into())),
            database_url: reader.optional("DATABASE_URL", values::database_url),
            rust_log: reader.value("RUST_LOG", values::text),
            log_format: reader.value("LOG_FORMAT", values::log_format),
        };
        if config.distributed_mode_enabled {
            reader.require("BACKEND_BASE_URL", "a probe needs the URL of its hub");
            if reader.is_missing("ENROLLMENT_KEY") {
                reader.require(
                    "NODE_TOKEN",
                    "a probe needs the token that the hub knows it by; the hub's operator creates one with \
                     'easytier-uptime hub token create --name NAME --region REGION'",
                );
            }
        }
        config
    }

    /// How to talk to the backend; an error when none is configured.
    pub fn backend(&self) -> Result<BackendConfig, ConfigErrors> {
        if self.backend_base_url.is_empty() {
            return Err(ConfigErrors(vec![missing("BACKEND_BASE_URL", "name the backend to fetch the peers from")]));
        }
        Ok(BackendConfig {
            api_key: self.api_key.clone(),
            node_token: self.node_token.clone(),
            enrollment_key: self.enrollment_key.clone(),
            region: self.region.clone(),
            report_style: self.report_style,
            ..BackendConfig::new(self.backend_base_url.clone())
        })
    }

    /// How to check peers.
    pub fn checks(&self) -> CheckOptions {
        CheckOptions {
            timeout: self.health_check_timeout,
            pings: self.health_check_pings,
            addresses: self.addresses,
            ..CheckOptions::default()
        }
    }
}

/// Takes the settings one by one, and collects what is wrong.
///
/// It is public for configurations that are not a probe's; a setting is read with a function of [`values`], or of the
/// caller's own.
pub struct Reader<'a> {
    sources: &'a Sources,
    layers: Layers,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub fn new(sources: &'a Sources) -> Self {
        let mut errors = Vec::new();
        let layers = Layers::read(sources, &mut errors);
        Self { sources, layers, errors }
    }

    /// The setting's value; its default when none is given, and in place of a wrong one, which is told.
    pub fn value<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        self.optional(name, &parse).unwrap_or_else(|| {
            let default = self.sources.defaults.get(name).copied().or_else(|| Setting::named(name)?.default);
            parse(default.expect("the setting has a default")).expect("the default is valid")
        })
    }

    /// The setting's value; `None` when none is given, and in place of a wrong one, which is told.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Given { value, place } = self.layers.get(name)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(problem) => {
                let error = ConfigError { place: place.clone(), value: shown(name, value), problem };
                // Two that read by the same reader may both want this setting.
                if !self.errors.contains(&error) {
                    self.errors.push(error);
                }
                None
            }
        }
    }

    /// Where the setting's value was given, such as `FLAP_DAMPING (environment)`; `None` when none was.
    pub fn place(&self, name: &str) -> Option<&str> {
        self.layers.get(name).map(|given| given.place.as_str())
    }

    /// Whether no value was given.
    pub fn is_missing(&self, name: &str) -> bool {
        self.layers.get(name).is_none()
    }

    /// Makes it an error when no value was given.
    pub fn require(&mut self, name: &str, why: &str) {
        if self.is_missing(name) {
            self.errors.push(missing(name, why));
        }
    }

    /// Adds something that is wrong with the setting, although its value alone is not.
    pub fn refuse(&mut self, name: &str, problem: String) {
        let place = self.layers.get(name).map_or_else(|| name.to_owned(), |given| given.place.clone());
        self.errors.push(ConfigError { place, value: None, problem });
    }

    /// The configuration, if nothing was wrong.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigErrors> {
        if self.errors.is_empty() { Ok(config) } else { Err(ConfigErrors(self.errors)) }
    }
}

fn missing(name: &str, why: impl Display) -> ConfigError {
    ConfigError { place: name.to_owned(), value: None, problem: format!("is not set; {why}") }
}

/// A wrong value as a message may show it. A URL is cut to what is no secret even when it is malformed.
fn shown(name: &str, value: &str) -> Option<String> {
    if Setting::named(name).is_none_or(|setting| setting.is_secret) {
        return None;
    }
    if name != "BACKEND_BASE_URL" {
        return Some(value.to_owned());
    }
    let urls = value.split(',').map(|url| {
        let url = url.split(['?', '#']).next().unwrap_or_default();
        match url.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => url.to_owned(),
        }
    });
    Some(urls.collect::<Vec<_>>().join(","))
}
