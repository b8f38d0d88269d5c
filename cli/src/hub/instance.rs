//! How the configuration makes this database an instance of a cluster.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use easytier_probe::{Secret, backend::BaseUrl};
use easytier_uptime_config::{Reader, values};
use easytier_uptime_hub::{
    Router,
    instance::{self, ConfiguredRole, InstanceOptions},
    serve,
    service::OwnInstance,
    sync_api,
};
use easytier_uptime_scheduler::outbound_address;
use easytier_uptime_store::{Store, domain::Role};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The settings of an instance among others.
pub const INSTANCE_SETTINGS: (&str, &[&str]) = (
    "Primary and dependents",
    &[
        "ENABLE_SYNC_API",
        "PRIMARY_SYNC_URL",
        "SYNC_SECRET",
        "SYNC_API_PORT",
        "INSTANCE_NAME",
        "INSTANCE_LOCATION",
        "LATITUDE",
        "LONGITUDE",
        "FAILOVER_ORDER",
        "FAILOVER_AFTER",
        "SYNC_INTERVAL",
        "HEARTBEAT_INTERVAL",
        "CONNECTION_TIMEOUT",
    ],
);

/// The time between two looks whether this instance belongs to a cluster, and so serves the synchronisation API.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long requests of other instances may take when the hub stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the default route leads to: an address reserved for documentation. Nothing is sent there.
pub const DEFAULT_ROUTE: &str = "http://192.0.2.1";

/// The place of an instance in the order of failover.
const ORDERS: RangeInclusive<u32> = 0..=1_000_000;

/// How the configuration makes this database an instance of a cluster.
#[derive(Debug, Clone)]
pub struct InstanceConfig {
    pub options: InstanceOptions,
    /// The role that is configured. It counts when it changed since the last start; the database has the present one.
    pub role: ConfiguredRole,
    /// The port of the synchronisation API.
    pub sync_port: u16,
}

impl InstanceConfig {
    pub fn read(reader: &mut Reader<'_>, public_url: Option<&BaseUrl>) -> Self {
        let enabled = reader.value("ENABLE_SYNC_API", values::boolean);
        let primary = reader.optional("PRIMARY_SYNC_URL", values::base_url);
        let secret: Option<Secret> = reader.optional("SYNC_SECRET", values::sync_secret);
        if enabled && !reader.is_missing("PRIMARY_SYNC_URL") {
            let why = "excludes ENABLE_SYNC_API: an instance is a primary or a dependent; remove one of them";
            reader.reject("PRIMARY_SYNC_URL", why.to_owned());
        }
        refuse_role_of_a_probe(reader);
        if (enabled || primary.is_some()) && reader.is_missing("SYNC_SECRET") {
            let why = "the instances of a cluster share a secret of at least 32 characters; make one with 'openssl rand -hex 32'";
            reader.require("SYNC_SECRET", why);
        }
        let name = reader.optional("INSTANCE_NAME", values::server_id);
        let latitude = reader.optional("LATITUDE", |text| values::degrees(text, 90.0));
        let longitude = reader.optional("LONGITUDE", |text| values::degrees(text, 180.0));
        // A wrong value is one mistake, not two.
        for (given, other) in [(latitude, "LONGITUDE"), (longitude, "LATITUDE")] {
            if given.is_some() {
                reader.require(other, "a place on the map needs LATITUDE and LONGITUDE");
            }
        }
        let options = InstanceOptions {
            name: name.unwrap_or_else(|| values::host_name_as_id(reader.host_name())),
            location: reader.optional("INSTANCE_LOCATION", values::region),
            coordinates: latitude.zip(longitude),
            failover_order: reader.value("FAILOVER_ORDER", |text| values::number(text, ORDERS)).into(),
            public_endpoint: public_url.map(|url| url.join("")),
            secret,
            sync_interval: reader.value("SYNC_INTERVAL", values::whole_seconds),
            heartbeat_interval: reader.value("HEARTBEAT_INTERVAL", values::whole_seconds),
            failover_after: reader.value("FAILOVER_AFTER", values::whole_seconds),
            connection_timeout: reader.value("CONNECTION_TIMEOUT", values::interval),
        };
        let role = match primary {
            Some(url) => ConfiguredRole::Dependent { primary: url.join("") },
            None if enabled => ConfiguredRole::Primary,
            None => ConfiguredRole::Standalone,
        };
        Self { options, role, sync_port: reader.value("SYNC_API_PORT", values::port) }
    }

    /// This instance, for the hub that listens at `listen`. Its public endpoint is PUBLIC_URL, else its outbound address with the
    /// port of the synchronisation API.
    pub async fn own(&self, listen: SocketAddr) -> OwnInstance {
        let mut options = self.options.clone();
        if options.public_endpoint.is_none() {
            let toward = match &self.role {
                ConfiguredRole::Dependent { primary } => Some(primary.clone()),
                _ => DEFAULT_ROUTE.parse().ok(),
            };
            options.public_endpoint = endpoint(self.sync_address(listen), toward).await;
        }
        OwnInstance { options: Arc::new(options), ..OwnInstance::default() }
    }

    fn sync_address(&self, listen: SocketAddr) -> SocketAddr {
        SocketAddr::new(listen.ip(), self.sync_port)
    }

    /// Runs the instance in its role, and serves the synchronisation API at its own port, until `stop`. `router`: the hub's, which
    /// serves that API at the port of `listen` too.
    pub async fn run(
        &self,
        store: &Store,
        own: &OwnInstance,
        router: Router,
        listen: SocketAddr,
        stop: CancellationToken,
    ) {
        let role = async {
            if let Err(error) = instance::run(store, &own.options, &self.role, &own.status, stop.clone()).await {
                tracing::error!(%error, "this instance cannot take part in a cluster");
            }
        };
        let address = self.sync_address(listen);
        let api = async {
            if address.port() != listen.port() {
                serve_sync_api(store, address, sync_api(router), &stop).await;
            }
        };
        tokio::join!(role, api);
    }
}

/// Records a mistake if the configuration names a role for a probe of a remote hub, which has none.
pub fn refuse_role_of_a_probe(reader: &mut Reader<'_>) {
    if !reader.value("DISTRIBUTED_MODE_ENABLED", values::boolean) {
        return;
    }
    let is_primary = reader.value("ENABLE_SYNC_API", values::boolean);
    let is_dependent = reader.optional("PRIMARY_SYNC_URL", values::base_url).is_some();
    if is_primary || is_dependent {
        let name = if is_primary { "ENABLE_SYNC_API" } else { "PRIMARY_SYNC_URL" };
        let why = "excludes DISTRIBUTED_MODE_ENABLED, which makes a probe without a hub; remove one of them";
        reader.reject(name, why.to_owned());
    }
}

/// The base URL at which other instances reach `address`.
async fn endpoint(address: SocketAddr, toward: Option<Url>) -> Option<Url> {
    let ip: IpAddr = match address.ip().is_unspecified() {
        true => outbound_address(&toward?).await?,
        false => address.ip(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port())).parse().ok()
}

/// Serves the synchronisation API as soon as this instance belongs to a cluster.
async fn serve_sync_api(store: &Store, address: SocketAddr, router: Router, stop: &CancellationToken) {
    let clustered = async {
        loop {
            if store.instance().await.is_ok_and(|instance| instance.role != Role::Standalone) {
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(error) => tracing::error!(
                        "cannot serve the synchronisation API at {address}: {error}; choose another port with SYNC_API_PORT"
                    ),
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    };
    let Some(listener) = stop.run_until_cancelled(clustered).await else { return };
    tracing::info!(%address, "serving the synchronisation API");
    if let Err(error) = serve(listener, router, stop.clone().cancelled_owned(), SHUTDOWN_TIMEOUT).await {
        tracing::error!(%error, "the synchronisation API ended");
    }
}

#[cfg(test)]
mod tests;
