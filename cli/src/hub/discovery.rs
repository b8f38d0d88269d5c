//! How a hub appears in its list of servers, and at which other hub it registers.

use std::net::{IpAddr, SocketAddr};

use easytier_probe::{BackendConfig, backend::BaseUrl};
use easytier_uptime_config::{AdvertisedAddress, Reader, refuse_two_backends, values};
use easytier_uptime_hub::service::DiscoveryOptions;
use easytier_uptime_scheduler::{Ending, HubRegistration, outbound_address};
use easytier_uptime_store::Store;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::instance::DEFAULT_ROUTE;

/// The settings of the list of servers.
pub const DISCOVERY_SETTINGS: (&str, &[&str]) = (
    "Discovery",
    &["OPEN_DISCOVERY", "DISCOVERY_SERVER_URL", "NODE_TOKEN", "ENROLLMENT_KEY", "REGION", "ADVERTISE_ADDR"],
);

/// How a hub appears in its list of servers, and at which other hub it registers.
#[derive(Debug, Clone)]
pub struct DiscoveryConfig {
    open: bool,
    /// The name of this hub among servers. It differs from that of a probe on the same machine.
    server_id: String,
    /// `ADVERTISE_ADDR`, else what `PUBLIC_URL` says.
    advertise: Option<AdvertisedAddress>,
    /// `INSTANCE_LOCATION`.
    location: Option<String>,
    /// The other hub.
    at: Option<BackendConfig>,
}

impl DiscoveryConfig {
    /// `name` and `location` are those of the instance.
    pub fn read(reader: &mut Reader<'_>, public_url: Option<&BaseUrl>, name: &str, location: Option<&str>) -> Self {
        // A daemon does it for itself.
        if !reader.value("DISTRIBUTED_MODE_ENABLED", values::boolean) {
            refuse_two_backends(reader);
        }
        let urls = reader.optional("DISCOVERY_SERVER_URL", values::base_urls);
        Self {
            at: urls.map(|urls| BackendConfig {
                node_token: reader.optional("NODE_TOKEN", values::token),
                enrollment_key: reader.optional("ENROLLMENT_KEY", values::token),
                region: reader.optional("REGION", values::region),
                ..BackendConfig::new(urls)
            }),
            open: reader.value("OPEN_DISCOVERY", values::boolean),
            server_id: format!("{name}-hub"),
            advertise: reader
                .optional("ADVERTISE_ADDR", values::advertised_address)
                .or_else(|| public_url.and_then(advertised_by)),
            location: location.map(str::to_owned),
        }
    }

    /// How the hub that listens at `listen` appears in its own list. It knows no address if only this machine reaches it.
    pub async fn options(&self, listen: SocketAddr) -> DiscoveryOptions {
        let (host, port) = match &self.advertise {
            Some(AdvertisedAddress { host, port }) => (Some(host.to_string()), *port),
            None => (reachable(listen.ip()).await.map(|ip| ip.to_string()), None),
        };
        DiscoveryOptions {
            open: self.open,
            server_id: self.server_id.clone(),
            port: host.is_some().then(|| port.unwrap_or(listen.port())),
            host,
            region: self.location.clone(),
        }
    }

    /// Keeps this hub registered at the other one, if there is one, until `stop`. `ending` says how the hub ends.
    pub async fn register(
        self,
        store: Store,
        listen: SocketAddr,
        stop: CancellationToken,
        ending: oneshot::Receiver<Ending>,
    ) {
        let Some(backend) = self.at else { return };
        let (server_id, advertise, port) = (self.server_id, self.advertise, listen.port());
        let registration = HubRegistration { backend, server_id, advertise, port };
        let stops_for_good = async { ending.await == Ok(Ending::Stop) };
        if let Err(error) = registration.keep(store, stop, stops_for_good).await {
            tracing::error!(%error, "this hub cannot register at the hub of DISCOVERY_SERVER_URL");
        }
    }
}

/// What a URL says about how others reach this hub; nothing when it is for this machine alone.
fn advertised_by(url: &BaseUrl) -> Option<AdvertisedAddress> {
    let url = url.join("");
    values::advertised_address(&format!("{}:{}", url.host()?, url.port_or_known_default()?)).ok()
}

/// The address at which others reach this machine, for a server that listens at `ip`.
async fn reachable(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        ip if ip.is_loopback() => None,
        ip if ip.is_unspecified() => outbound_address(&DEFAULT_ROUTE.parse().ok()?).await,
        ip => Some(ip),
    }
}

#[cfg(test)]
mod tests {
    use easytier_uptime_config::Sources;

    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<DiscoveryConfig, String> {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources {
            environment: values.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect(),
            directory: directory.path().to_owned(),
            ..Sources::default()
        };
        let mut reader = Reader::new(&sources);
        let public_url = reader.optional("PUBLIC_URL", values::base_url);
        let config = DiscoveryConfig::read(&mut reader, public_url.as_ref(), "eu-1", None);
        reader.finish(config).map_err(|error| error.to_string())
    }

    async fn address(values: &[(&str, &str)], listen: &str) -> (Option<String>, Option<u16>) {
        let options = read(values).unwrap().options(listen.parse().unwrap()).await;
        assert_eq!(options.server_id, "eu-1-hub");
        (options.host, options.port)
    }

    #[tokio::test]
    async fn the_address_of_a_hub_is_one_that_others_reach() {
        let at = |host: &str, port| (Some(host.to_owned()), Some(port));
        let public = ("PUBLIC_URL", "https://hub.example.com/uptime");
        assert_eq!(address(&[public], "0.0.0.0:8080").await, at("hub.example.com", 443));
        assert_eq!(address(&[public, ("ADVERTISE_ADDR", "192.0.2.7")], "127.0.0.1:8080").await, at("192.0.2.7", 8080));
        assert_eq!(address(&[], "192.0.2.9:8080").await, at("192.0.2.9", 8080));
        assert_eq!(address(&[], "127.0.0.1:8080").await, (None, None));
        assert_eq!(address(&[("PUBLIC_URL", "http://localhost:8080")], "[::1]:8080").await, (None, None));
    }

    #[test]
    fn a_hub_has_one_other_hub() {
        let discovery = ("DISCOVERY_SERVER_URL", "http://h");
        let config = read(&[discovery, ("ENROLLMENT_KEY", "k"), ("REGION", "eu")]).unwrap();
        let at = config.at.unwrap();
        assert_eq!((at.base_urls.len(), at.region.as_deref(), at.enrollment_key.is_some()), (1, Some("eu"), true));
        assert!(read(&[("ENROLLMENT_KEY", "k"), ("BACKEND_BASE_URL", "http://h")]).unwrap().at.is_none());
        let refused = read(&[discovery, ("BACKEND_BASE_URL", "http://other")]).unwrap_err();
        assert!(
            refused.contains("DISCOVERY_SERVER_URL (environment): names another URL than BACKEND_BASE_URL"),
            "{refused}"
        );
    }
}
