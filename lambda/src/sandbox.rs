//! What lives as long as the sandbox, over many invocations.

use easytier_probe::{Backend, BackendConfig, Checker, Secret};
use easytier_uptime_config::{ConfigErrors, ProbeConfig, Reader, Setting, Sources};
use tokio::sync::Mutex;
use tracing_subscriber::EnvFilter;

use crate::{aws::Aws, logging, secrets};

/// Defaults other than those of a machine: strangers may invoke a function, and its neighbours are others'.
/// The log is CloudWatch's to read. There is an invocation every minute.
const DEFAULTS: [(&str, &str); 3] =
    [("ALLOW_PRIVATE_PEERS", "false"), ("HEALTH_CHECK_INTERVAL", "60s"), ("LOG_FORMAT", "json")];

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
    known: Mutex<Known>,
}

/// What holds until the hub refuses the secrets.
#[derive(Default)]
struct Known {
    secrets: Option<Secrets>,
    backend: Option<Backend>,
}

/// What the references, if that is what was given, refer to.
#[derive(Clone)]
struct Secrets {
    node_token: Option<Secret>,
    api_key: Option<Secret>,
}

impl Sandbox {
    /// The configuration of `sources`, validated; nothing is connected to. `function`: the function's name and place,
    /// the same for all its sandboxes.
    pub fn new(mut sources: Sources, function: Option<String>) -> Result<Self, ConfigErrors> {
        sources.defaults.extend(DEFAULTS);
        sources.environment.retain(|name, _| VARIABLES.contains(&name.as_str()));
        let mut reader = Reader::new(&sources);
        let config = ProbeConfig::read(&mut reader);
        reader.value("RUST_LOG", |text| logging::filter(text).map(drop));
        let queue_url = reader.optional("SPOOL_QUEUE_URL", queue_url);
        let server_id = match reader.is_missing("SERVER_ID") {
            true => function,
            false => Some(config.server_id.clone()),
        };
        reader.finish(())?;
        let checker = Checker::new(config.checks());
        Ok(Self { config, server_id, checker, aws: Aws::default(), queue_url, known: Mutex::default() })
    }

    /// What `RUST_LOG` asks for.
    pub fn log_filter(&self) -> EnvFilter {
        logging::filter(&self.config.rust_log).expect("it was read as one")
    }

    /// The backend, with secrets that were read at the first call. `region`: another one than the configured.
    pub async fn backend(&self, region: Option<&str>) -> anyhow::Result<Backend> {
        let mut known = self.known.lock().await;
        if let (Some(backend), None) = (&known.backend, region) {
            return Ok(backend.clone());
        }
        let mut config = self.config.backend()?;
        let secrets = match &known.secrets {
            Some(secrets) => secrets.clone(),
            None => known.secrets.insert(self.secrets(&config).await?).clone(),
        };
        (config.node_token, config.api_key) = (secrets.node_token, secrets.api_key);
        match region {
            Some(region) => {
                config.region = Some(region.to_owned());
                Ok(Backend::new(config)?)
            }
            None => Ok(known.backend.insert(Backend::new(config)?).clone()),
        }
    }

    /// Whether other secrets may be had than those that the backend refused; the next call reads them anew.
    pub async fn forget_secrets(&self) -> bool {
        let given = [&self.config.node_token, &self.config.api_key];
        let are_references = given.into_iter().flatten().any(secrets::is_reference);
        if are_references {
            *self.known.lock().await = Known::default();
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
