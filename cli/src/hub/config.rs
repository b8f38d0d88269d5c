//! The configuration of a hub.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use easytier_probe::{AddressPolicy, CheckOptions, Secret, backend::BaseUrl};
use easytier_uptime_config::{ConfigErrors, Reader, Sources, values};
use easytier_uptime_hub::{
    Network,
    instance::InstanceOptions,
    manager::{ControlProxy, ControlProxyError},
    service::settings,
};
use easytier_uptime_store::{
    HubKey,
    domain::{Intervals, LiveSetting, Policy, Retention},
};
use url::Url;

use super::{
    discovery::{DISCOVERY_SETTINGS, DiscoveryConfig},
    instance::{INSTANCE_SETTINGS, InstanceConfig},
};
use crate::{
    logging::LogSettings,
    settings::{RESULT_SETTINGS, Selection},
};

/// The settings of every command of the hub.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseSettings;

impl Selection for DatabaseSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] =
        &[("Database", &["CONFIG_FILE", "DATABASE_PATH", "DATABASE_URL", "HUB_KEY", "HUB_KEY_FILE"])];
    const FOR_SUBCOMMANDS: bool = true;
}

/// The settings of the running hub only.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings;

impl Selection for ServerSettings {
    const SETTINGS: &'static [(&'static str, &'static [&'static str])] = &[
        (
            "Server",
            &[
                "SERVER_HOST",
                "SERVER_PORT",
                "TRUSTED_PROXIES",
                "PUBLIC_URL",
                "METRICS_TOKEN",
                "ADMIN_PASSWORD",
                "CONTROL_PROXY",
            ],
        ),
        ("Connection tests before a peer is submitted", &["HEALTH_CHECK_TIMEOUT", "HEALTH_CHECK_PINGS"]),
        RESULT_SETTINGS,
        INSTANCE_SETTINGS,
        DISCOVERY_SETTINGS,
        ("Log", &["RUST_LOG", "LOG_FORMAT"]),
    ];
}

/// The maximum deadline of a connection test. A longer `HEALTH_CHECK_TIMEOUT` is reduced to it.
const MAX_TEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of connection tests at the same time. A minute has no more.
const MAX_TESTS: usize = 60;

/// The length of the admin's password, in characters.
const PASSWORD_CHARS: RangeInclusive<usize> = 8..=1024;

/// The configuration of a hub.
#[derive(Debug, Clone)]
pub struct HubConfig {
    pub listen: SocketAddr,
    pub database: Database,
    pub admin_password: Option<Secret>,
    pub trusted_proxies: Vec<Network>,
    pub metrics_token: Option<Secret>,
    pub public_url: Option<BaseUrl>,
    /// The proxy for managed probes that cannot be reached directly.
    pub control_proxy: Option<ControlProxy>,
    /// The options of connection tests.
    pub checks: CheckOptions,
    pub policy: Policy,
    pub retention: Retention,
    /// The time between two tests whether a node relays.
    pub relay_interval: Duration,
    /// The intervals of the built-in probe, if there is one and it has no schedule.
    pub intervals: Option<Intervals>,
    /// The settings that the admin's pages cannot change, each with the layer that it comes from.
    pub fixed: BTreeMap<LiveSetting, String>,
    /// How this instance takes part in a cluster.
    pub instance: InstanceConfig,
    /// How this hub appears in its list of servers, and at which other hub it registers.
    pub discovery: DiscoveryConfig,
    pub log: LogSettings,
}

/// The database, and the key that encrypts its secrets.
#[derive(Debug, Clone)]
pub enum Database {
    Sqlite {
        path: PathBuf,
        /// `None` for the key in the file beside the database.
        key: Option<HubKey>,
    },
    Postgres {
        url: Secret,
        key: HubKey,
    },
}

impl HubConfig {
    /// Where the hub is, as far as its settings say.
    pub fn own_urls(&self) -> Vec<Url> {
        let public = self.public_url.as_ref().map(ToString::to_string);
        let here = format!("http://localhost:{}", self.listen.port());
        public.into_iter().chain([here]).filter_map(|url| url.parse().ok()).collect()
    }

    /// Reads the configuration of this process, with `flags` as the highest layer.
    pub fn load(flags: BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        Self::from_sources(Sources::from_process(flags))
    }

    pub fn from_sources(sources: Sources) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(&sources);
        let config = Self::read(&mut reader);
        reader.finish_option(config)
    }

    /// Reads the configuration with a reader that is used for other settings too. `None` if the configuration of the database
    /// is not valid; the reader then has an error.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let host: IpAddr = reader.value("SERVER_HOST", values::ip_address);
        let listen = SocketAddr::new(host, reader.value("SERVER_PORT", values::port));
        let admin_password = reader.optional("ADMIN_PASSWORD", admin_password);
        let trusted_proxies = reader.optional("TRUSTED_PROXIES", networks).unwrap_or_default();
        let metrics_token = reader.optional("METRICS_TOKEN", values::long_token);
        let public_url = reader.optional("PUBLIC_URL", values::base_url);
        let control_proxy =
            reader.optional("CONTROL_PROXY", |text| text.parse().map_err(|error: ControlProxyError| error.to_string()));
        let timeout = reader.value("HEALTH_CHECK_TIMEOUT", values::interval);
        let checks = CheckOptions {
            timeout: timeout.min(MAX_TEST_TIMEOUT),
            pings: reader.value("HEALTH_CHECK_PINGS", |text| values::number(text, 1..=100)),
            addresses: AddressPolicy::PUBLIC_ONLY,
            max_checks: MAX_TESTS,
            max_sockets: 2 * MAX_TESTS,
            ..CheckOptions::default()
        };
        let policy = Policy {
            confirmations: reader.value("FLAP_DAMPING", settings::flap_damping),
            doubt_nodes: reader.value("REGION_DOUBT_NODES", settings::region_doubt),
            ..Policy::default()
        };
        let retention = Retention {
            results: reader.value("RESULT_RETENTION", values::retention),
            five_minutes: reader.value("FIVE_MINUTE_RETENTION", values::retention),
            hours: reader.value("HOUR_RETENTION", values::retention),
            events: reader.value("EVENT_RETENTION", values::retention),
        };
        let place = |knob: LiveSetting| Some((knob, reader.place(knob.name())?.to_owned()));
        let fixed = LiveSetting::ALL.into_iter().filter_map(place).collect();
        let instance = InstanceConfig::read(reader, public_url.as_ref());
        let InstanceOptions { name, location, .. } = &instance.options;
        let discovery = DiscoveryConfig::read(reader, public_url.as_ref(), name, location.as_deref());
        let log = LogSettings::read(reader);
        Some(Self {
            listen,
            instance,
            discovery,
            database: database(reader)?,
            admin_password,
            trusted_proxies,
            metrics_token,
            public_url,
            control_proxy,
            checks,
            policy,
            retention,
            relay_interval: reader.value("RELAY_CHECK_INTERVAL", values::relay_interval),
            intervals: None,
            fixed,
            log,
        })
    }
}

/// `None` if the configuration of the database is not valid; the reader then has an error.
fn database(reader: &mut Reader<'_>) -> Option<Database> {
    let path: PathBuf = reader.value("DATABASE_PATH", values::path);
    let url = reader.optional("DATABASE_URL", values::database_url);
    let key = reader.optional("HUB_KEY", |text| HubKey::from_hex(text).map_err(|error| error.to_string()));
    let key_of_file =
        reader.optional("HUB_KEY_FILE", |path| HubKey::from_file(path.as_ref()).map_err(|error| error.to_string()));
    let given = |name: &str| !reader.is_missing(name);
    if given("HUB_KEY") && given("HUB_KEY_FILE") {
        reader.reject("HUB_KEY_FILE", "excludes HUB_KEY; remove one of them".to_owned());
        return None;
    }
    let has_key = given("HUB_KEY") || given("HUB_KEY_FILE");
    match (given("DATABASE_URL"), key.or(key_of_file)) {
        (true, None) if !has_key => {
            let why = "a hub on PostgreSQL needs a key, the same for all hubs on one database: 64 hexadecimal digits, \
                       generated with 'openssl rand -hex 32'; or set HUB_KEY_FILE to a file that holds them";
            reader.require("HUB_KEY", why);
            None
        }
        (true, key) => Some(Database::Postgres { url: url?, key: key? }),
        (false, None) if has_key => None,
        (false, key) => Some(Database::Sqlite { path, key }),
    }
}

/// A password of the admin, in one line. Argon2 reads all of it, so its length is limited.
pub fn admin_password(text: &str) -> Result<Secret, String> {
    match PASSWORD_CHARS.contains(&text.chars().count()) && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => Err(format!("write {} to {} characters in one line", PASSWORD_CHARS.start(), PASSWORD_CHARS.end())),
    }
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse::<Network>().map_err(|error| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use easytier_uptime_config::HUB_SETTINGS;

    use super::*;

    fn environment(values: &[(&str, &str)]) -> Result<HubConfig, ConfigErrors> {
        let directory = tempfile::tempdir().unwrap();
        HubConfig::from_sources(Sources {
            environment: values.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect(),
            directory: directory.path().to_owned(),
            ..Sources::default()
        })
    }

    fn lines(values: &[(&str, &str)]) -> Vec<String> {
        let shown = environment(values).expect_err("not valid").to_string();
        shown.lines().skip(1).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn no_setting_is_required() {
        let config = environment(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert!(matches!(config.database, Database::Sqlite { path, key: None } if path.as_os_str() == "uptime.db"));
        assert_eq!((config.policy, config.retention), (Policy::default(), Retention::default()));
    }

    #[test]
    fn connection_tests_of_strangers_reach_public_addresses_whatever_peers_may() {
        let config = environment(&[("ALLOW_PRIVATE_PEERS", "true"), ("ALLOW_LOCAL_PEERS", "true")]).unwrap();
        assert_eq!(config.checks.addresses, AddressPolicy::PUBLIC_ONLY);
    }

    #[test]
    fn every_setting_of_the_table_is_validated_and_no_secret_shown() {
        for setting in HUB_SETTINGS {
            let lines = lines(&[(setting.name, "\u{7} not a valid value")]);
            assert_eq!(lines.len(), 1, "{}: {lines:?}", setting.name);
            assert_eq!(lines[0].contains("not a valid value"), !setting.is_secret, "{}: {lines:?}", setting.name);
        }
    }

    #[test]
    fn a_shared_database_requires_a_key() {
        let url = ("DATABASE_URL", "postgres://u:s3cr3t@h/d");
        let lines = lines(&[url]);
        assert!(lines.len() == 1 && lines[0].starts_with("HUB_KEY: is not set; "), "{lines:?}");
        let key = "5e".repeat(32);
        let config = environment(&[url, ("HUB_KEY", &key)]).unwrap();
        assert!(matches!(config.database, Database::Postgres { .. }));
        let printed = format!("{config:?}");
        assert!(!printed.contains("s3cr3t") && !printed.contains("5e5e"), "{printed}");
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        let wrong = [
            ("DATABASE_URL", "mysql://h/d"),
            ("HUB_KEY", "short"),
            ("HUB_KEY_FILE", "/no/such/file"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
            ("ADMIN_PASSWORD", "1234"),
            ("RESULT_RETENTION", "1h"),
            ("RUST_LOG", "easytier=loud"),
        ];
        let lines = lines(&wrong);
        for (name, _) in wrong {
            assert!(lines.iter().any(|line| line.starts_with(name)), "{name} is missing in {lines:#?}");
        }
    }

    #[test]
    fn the_deadline_of_a_connection_test_is_limited() {
        assert_eq!(environment(&[("HEALTH_CHECK_TIMEOUT", "60s")]).unwrap().checks.timeout, MAX_TEST_TIMEOUT);
        assert_eq!(environment(&[("HEALTH_CHECK_TIMEOUT", "2s")]).unwrap().checks.timeout, Duration::from_secs(2));
    }
}
