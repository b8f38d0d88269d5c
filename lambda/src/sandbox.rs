//! What the sandbox keeps between invocations.

use std::{
    collections::BTreeMap,
    sync::{self, Arc, PoisonError},
};

use easytier_probe::{Backend, BackendConfig, CheckOptions, Checker, Secret};
use easytier_uptime_config::{ConfigErrors, ProbeConfig, QUIC_PORT, Reader, Setting, Sources, descriptors};
use rlimit::Resource;
use tokio::sync::Mutex;

use crate::{aws::Aws, known::KnownPeers, logging, secrets};

/// Defaults that differ from those of a daemon: callers of the function must not reach its private network, the
/// schedule invokes it every minute, and CloudWatch reads the log.
const DEFAULTS: [(&str, &str); 3] =
    [("ALLOW_PRIVATE_PEERS", "false"), ("HEALTH_CHECK_INTERVAL", "60s"), ("LOG_FORMAT", "json")];

/// The variables that the function reads.
const VARIABLES: [&str; 16] = [
    "BACKEND_BASE_URL",
    "NODE_TOKEN",
    "API_KEY",
    "REGION",
    "SERVER_ID",
    "REPORT_STYLE",
    "HEALTH_CHECK_INTERVAL",
    "HEALTH_CHECK_TIMEOUT",
    "HEALTH_CHECK_PINGS",
    "CHECK_CONCURRENCY",
    "SELF_CHECK_TARGETS",
    "ALLOW_PRIVATE_PEERS",
    "ALLOW_LOCAL_PEERS",
    "SPOOL_QUEUE_URL",
    "RUST_LOG",
    "LOG_FORMAT",
];

/// The variables that the function reads, each with its default.
pub fn variables() -> impl Iterator<Item = (&'static Setting, Option<&'static str>)> {
    VARIABLES.into_iter().filter_map(Setting::named).map(|setting| {
        let own = DEFAULTS.iter().find(|(name, _)| *name == setting.name).map(|(_, default)| *default);
        (setting, own.or(setting.default))
    })
}

/// The configuration, and the clients that are created from it once.
pub struct Sandbox {
    pub config: ProbeConfig,
    /// The id under which the hub knows this function; `None` if it has no name.
    pub server_id: Option<String>,
    pub checker: Checker,
    pub aws: Aws,
    /// The queue for results that the hub does not accept.
    pub queue_url: Option<String>,
    /// The peers that the hub gave before, by the region of the event.
    known: sync::Mutex<BTreeMap<Option<String>, Arc<KnownPeers>>>,
    cache: Mutex<Cache>,
}

/// The values that stay valid until the hub refuses the secrets.
#[derive(Default)]
struct Cache {
    secrets: Option<Secrets>,
    backend: Option<Backend>,
}

/// The values of the secrets, with references resolved.
#[derive(Clone)]
struct Secrets {
    node_token: Option<Secret>,
    api_key: Option<Secret>,
}

impl Sandbox {
    /// Validates the configuration; opens no connection. `function_id` is the default of `SERVER_ID`.
    pub fn new(mut sources: Sources, function_id: Option<String>) -> Result<Self, ConfigErrors> {
        sources.defaults.extend(DEFAULTS);
        sources.environment.retain(|name, _| VARIABLES.contains(&name.as_str()));
        let mut reader = Reader::new(&sources);
        let config = ProbeConfig::read(&mut reader);
        reader.value("RUST_LOG", |text| logging::filter(text).map(drop));
        let queue_url = reader.optional("SPOOL_QUEUE_URL", queue_url);
        let server_id = match reader.is_missing("SERVER_ID") {
            true => function_id,
            false => Some(config.server_id.clone()),
        };
        reader.finish(())?;
        let options = CheckOptions { max_sockets: max_sockets(), quic_port: Some(QUIC_PORT), ..config.checks() };
        let (known, cache) = Default::default();
        Ok(Self { config, server_id, checker: Checker::new(options), aws: Aws::default(), queue_url, known, cache })
    }

    /// The peers that the hub gave before for this region of an event.
    pub fn known_peers(&self, region: Option<&str>) -> Arc<KnownPeers> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(region.map(str::to_owned)).or_default())
    }

    /// The client of the backend, with secrets that are read at the first call. `region` replaces the configured region.
    pub async fn backend(&self, region: Option<&str>) -> anyhow::Result<Backend> {
        let mut cache = self.cache.lock().await;
        if let (Some(backend), None) = (&cache.backend, region) {
            return Ok(backend.clone());
        }
        let mut config = self.config.backend()?;
        let secrets = match &cache.secrets {
            Some(secrets) => secrets.clone(),
            None => cache.secrets.insert(self.secrets(&config).await?).clone(),
        };
        (config.node_token, config.api_key) = (secrets.node_token, secrets.api_key);
        match region {
            Some(region) => {
                config.region = Some(region.to_owned());
                Ok(Backend::new(config)?)
            }
            None => Ok(cache.backend.insert(Backend::new(config)?).clone()),
        }
    }

    /// Forgets secrets that the backend refused, so that the next call reads them again. Returns whether that can help:
    /// only references can have changed.
    pub async fn forget_secrets(&self) -> bool {
        let given = [&self.config.node_token, &self.config.api_key];
        let are_references = given.into_iter().flatten().any(secrets::is_reference);
        if are_references {
            *self.cache.lock().await = Cache::default();
        }
        are_references
    }

    async fn secrets(&self, config: &BackendConfig) -> anyhow::Result<Secrets> {
        let (node_token, api_key) = tokio::try_join!(
            self.secret("NODE_TOKEN", config.node_token.as_ref()),
            self.secret("API_KEY", config.api_key.as_ref()),
        )?;
        Ok(Secrets { node_token, api_key })
    }

    async fn secret(&self, setting: &'static str, value: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
        match value {
            Some(value) => Ok(Some(secrets::resolve(&self.aws, setting, value).await?)),
            None => Ok(None),
        }
    }
}

fn queue_url(text: &str) -> Result<String, String> {
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => {
            Err("write the queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/spool".to_owned())
        }
    }
}

/// The sockets for checks within the limit of the system. Lambda allows 1,024 descriptors.
fn max_sockets() -> usize {
    const LAMBDAS_LIMIT: u64 = 1024;
    let limit = Resource::NOFILE.get_soft().unwrap_or(LAMBDAS_LIMIT);
    descriptors::sockets_for_checks(usize::try_from(limit).unwrap_or(usize::MAX))
}
