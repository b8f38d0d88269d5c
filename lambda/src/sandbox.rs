//! What lives as long as the sandbox, over many invocations.

use easytier_probe::{
    Backend, BackendConfig, Checker, ProbeConfig, Secret,
    config::{ConfigErrors, Reader, Setting, Sources, values},
};
use tokio::sync::Mutex;

use crate::{aws::Aws, secrets};

/// Defaults other than those of a machine: strangers may invoke a function, and its neighbours are others'.
const DEFAULTS: [(&str, &str); 2] = [("ALLOW_PRIVATE_PEERS", "false"), ("HEALTH_CHECK_INTERVAL", "60s")];

/// The variables that the function reads.
const VARIABLES: [&str; 15] = [
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
    "ALLOW_PRIVATE_PEERS",
    "ALLOW_LOCAL_PEERS",
    "SPOOL_QUEUE_URL",
    "RUST_LOG",
    "LOG_FORMAT",
];

/// Each variable that the function reads with its default.
pub fn variables() -> impl Iterator<Item = (&'static Setting, Option<&'static str>)> {
    VARIABLES.into_iter().map(|name| {
        let setting = Setting::named(name).expect("the table has the setting");
        let own = DEFAULTS.iter().find(|(of, _)| *of == name).map(|(_, default)| *default);
        (setting, own.or(setting.default))
    })
}

/// The configuration, and what is made of it once.
pub struct Sandbox {
    pub config: ProbeConfig,
    /// By which the hub knows this function; `None` when nothing names it.
    pub server_id: Option<String>,
    pub checker: Checker,
    pub aws: Aws,
    /// Where results go that the hub does not take.
    pub queue_url: Option<String>,
    backend: Mutex<Option<Backend>>,
}

impl Sandbox {
    /// The configuration of `sources`, validated; nothing is connected to. `function`: the function's name and place,
    /// the same for all its sandboxes.
    pub fn new(mut sources: Sources, function: Option<String>) -> Result<Self, ConfigErrors> {
        sources.defaults.extend(DEFAULTS);
        sources.environment.retain(|name, _| VARIABLES.contains(&name.as_str()));
        let mut reader = Reader::new(&sources);
        let config = ProbeConfig::read(&mut reader);
        let queue_url = reader.optional("SPOOL_QUEUE_URL", values::text);
        let server_id = match reader.is_missing("SERVER_ID") {
            true => function,
            false => Some(config.server_id.clone()),
        };
        reader.finish(())?;
        let checker = Checker::new(config.checks());
        Ok(Self { config, server_id, checker, aws: Aws::default(), queue_url, backend: Mutex::new(None) })
    }

    /// The backend, with secrets that were read at the first call. `region`: another one than the configured.
    pub async fn backend(&self, region: Option<&str>) -> anyhow::Result<Backend> {
        if region.is_some() {
            return Ok(Backend::new(self.backend_config(region).await?)?);
        }
        let mut backend = self.backend.lock().await;
        if let Some(backend) = &*backend {
            return Ok(backend.clone());
        }
        let made = Backend::new(self.backend_config(None).await?)?;
        *backend = Some(made.clone());
        Ok(made)
    }

    /// Whether other secrets may be had than those that the backend refused; the next call reads them anew.
    pub async fn forget_secrets(&self) -> bool {
        let given = [&self.config.node_token, &self.config.api_key];
        let are_references = given.into_iter().flatten().any(secrets::is_reference);
        if are_references {
            *self.backend.lock().await = None;
        }
        are_references
    }

    async fn backend_config(&self, region: Option<&str>) -> anyhow::Result<BackendConfig> {
        let mut config = self.config.backend()?;
        (config.node_token, config.api_key) = tokio::try_join!(
            self.secret("NODE_TOKEN", config.node_token.as_ref()),
            self.secret("API_KEY", config.api_key.as_ref()),
        )?;
        if let Some(region) = region {
            config.region = Some(region.to_owned());
        }
        Ok(config)
    }

    async fn secret(&self, setting: &'static str, value: Option<&Secret>) -> anyhow::Result<Option<Secret>> {
        match value {
            Some(value) => Ok(Some(secrets::resolve(&self.aws, setting, value).await?)),
            None => Ok(None),
        }
    }
}
