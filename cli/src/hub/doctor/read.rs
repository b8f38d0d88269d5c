//! Reads what is judged. Nothing is changed.

use std::{net::SocketAddr, path::Path, time::Duration};

use easytier_probe::backend::BaseUrl;
use easytier_uptime_store::{DiskSpace, Store, StoreError, damage, disk_space, domain::Timestamp};
use reqwest::tls::TlsInfo;
use serde::Deserialize;
use tokio::net::TcpListener;

use super::readings::{DatabaseReading, HubReading, KeyReading, Opened, PortReading, PublicReading, Readings};
use crate::{
    health,
    hub::{
        config::{Database, HubConfig},
        database::{self, OpenError},
    },
};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What `/health` says, in the envelope of a hub.
#[derive(Debug, Deserialize)]
struct Health {
    success: bool,
    data: Option<Condition>,
    message: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(default)]
    warnings: Vec<String>,
}

pub async fn all(config: &HubConfig) -> Readings {
    Readings {
        now: Timestamp::now(),
        name: database::name(&config.database),
        database: database_of(config).await,
        key: database::adjacent_key_file(&config.database).map(|file| key(&file)),
        disk: disk(&config.database),
        listen: (config.listen.ip().to_string(), config.listen.port()),
        port: port(config.listen).await,
        trusts_proxies: !config.trusted_proxies.is_empty(),
        public: match &config.public_url {
            Some(url) => Some(public(url).await),
            None => None,
        },
    }
}

async fn database_of(config: &HubConfig) -> DatabaseReading {
    let file = match &config.database {
        Database::Sqlite { path, .. } => Some(path.as_path()),
        Database::Postgres { .. } => None,
    };
    if file.is_some_and(|path| !path.exists()) {
        return DatabaseReading::Missing;
    }
    let store = match database::open_to_look(config).await {
        Ok(store) => store,
        Err(OpenError::Key(error)) => return DatabaseReading::NoKey(format!("{error:#}")),
        Err(OpenError::Store(StoreError::WrongHubKey(_))) => return DatabaseReading::OtherKey,
        Err(OpenError::Store(StoreError::Refused(refusal))) => return DatabaseReading::Refused(refusal),
        Err(OpenError::Store(error)) => return DatabaseReading::Failed(error.to_string()),
    };
    let opened = examine(&store, file).await;
    store.close().await;
    opened.map_or_else(|error| DatabaseReading::Failed(error.to_string()), DatabaseReading::Opened)
}

async fn examine(store: &Store, file: Option<&Path>) -> Result<Opened, StoreError> {
    let damage = match file {
        Some(file) => Some(damage(file).await?),
        None => None,
    };
    let probes = store.probes(Timestamp::now()).await?;
    let newest = store.newest_schema();
    let others = store.hubs().await?.into_iter().filter(|hub| hub.schema != newest);
    Ok(Opened {
        size: store.size().await?,
        damage,
        clock: store.compare_clocks(Timestamp::now).await?,
        newest_check: store.newest_check().await?,
        newest_sign: probes.iter().map(|probe| probe.last_seen_at).max(),
        other_hubs: others.map(|hub| hub.to_string()).collect(),
    })
}

fn key(file: &Path) -> KeyReading {
    #[cfg(unix)]
    let is_open_to_others = {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    };
    #[cfg(not(unix))]
    let is_open_to_others = false;
    KeyReading { file: file.display().to_string(), is_open_to_others }
}

fn disk(database: &Database) -> Option<DiskSpace> {
    let Database::Sqlite { path, .. } = database else { return None };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk_space(folder)
}

async fn port(listen: SocketAddr) -> PortReading {
    if listen.port() == 0 {
        return PortReading::Any;
    }
    // Whoever can listen there finds nobody there.
    match TcpListener::bind(listen).await {
        Ok(_) => PortReading::Free,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let Ok(url) = health::url_of(listen.ip(), listen.port()) else {
                return PortReading::Foreign("its address is no URL".to_owned());
            };
            match ask(&url).await.0 {
                Ok(hub) => PortReading::Hub(hub),
                Err(why) => PortReading::Foreign(why),
            }
        }
        Err(error) => PortReading::Unusable(error.to_string()),
    }
}

async fn public(url: &BaseUrl) -> PublicReading {
    let (answer, certificate_left) = ask(url).await;
    PublicReading { url: url.to_string(), is_https: url.is_https(), answer, certificate_left }
}

/// What a hub says of itself, and how long the certificate of its URL is still valid.
async fn ask(base: &BaseUrl) -> (Result<HubReading, String>, Option<Duration>) {
    let response = async {
        let client = health::client(base, TIMEOUT)?;
        Ok::<_, anyhow::Error>(client.get(base.join("/health")).send().await.map_err(reqwest::Error::without_url)?)
    };
    let response = match response.await {
        Ok(response) => response,
        Err(error) => return (Err(format!("{error:#}")), None),
    };
    let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
    let left = certificate.and_then(certificate_left);
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    let Ok(Health { success, data, message, error }) = serde_json::from_str(&body) else {
        return (Err(format!("it answered {status} without the document of a hub")), left);
    };
    let message = error.or(message).unwrap_or_default();
    let warnings = data.map(|data| data.warnings).unwrap_or_default();
    (Ok(HubReading { works: success && status.is_success(), message, warnings }), left)
}

fn certificate_left(certificate: &[u8]) -> Option<Duration> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let end = Timestamp(parsed.validity().not_after.timestamp().saturating_mul(1000));
    Some(end.since(Timestamp::now()))
}
