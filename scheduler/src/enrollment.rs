//! The probe in the backend's registry: it enrolls if it has no node token, and registers.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use easytier_probe::{
    Backend, BackendConfig, BackendError, Secret,
    backend::{BackendCall, Registered, Registration, System},
};
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::{Store, StoreError, domain::NodeToken};
use tokio::time::{Instant, sleep_until};

use crate::{backend_handle::BackendHandle, outbound_address::outbound_address};

/// How long one call may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Registers the probe, and gets its node token.
pub struct Enrollment {
    pub store: Store,
    pub config: BackendConfig,
    /// The name of the backend in the store.
    pub backend_name: String,
    pub backend: BackendHandle,
    pub server_id: String,
    /// The address to register, instead of that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    /// The port of the monitoring API.
    pub port: u16,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Enrollment {
    /// Makes the first client. Without a configured node token it uses the token of an earlier enrollment, if there was
    /// one.
    pub async fn client(&mut self) -> Result<Backend, ClientError> {
        if self.config.node_token.is_none() {
            self.config.node_token = self.store.secret(&token_name(&self.backend_name)).await?;
        }
        Ok(Backend::new(self.config.clone())?)
    }

    /// Registers the probe, however long that takes. The handle gets its client when the probe may use the backend: at
    /// once if it has a token, else when it is enrolled, or when the backend turns out to be a third-party one without
    /// a registry.
    pub async fn register(&self, client: Backend) {
        let enrolls = self.config.node_token.is_none() && self.config.enrollment_key.is_some();
        if !enrolls {
            self.backend.set_client(client.clone());
        }
        let own_token = if enrolls { self.own_token().await } else { None };
        loop {
            let registration = Registration { node_token: own_token.clone(), ..self.registration().await };
            let retry_at = match client.register(&registration, Instant::now() + CALL_TIMEOUT).await {
                Ok(registered) => {
                    self.backend.answered(BackendCall::Register);
                    match registered {
                        Some(Registered { node_token: Some(token), .. }) => {
                            return self.backend.set_client(self.enrolled(token, client).await);
                        }
                        Some(_) if !enrolls => return,
                        // Perhaps a reverse proxy has answered, while the hub restarts.
                        _ => {}
                    }
                    if self.backend.client().is_none() && self.is_third_party(&client).await {
                        self.backend.set_client(client.clone());
                    }
                    self.backend.availability().postpone(BackendCall::Register)
                }
                Err(error) => self.backend.failed(BackendCall::Register, &error),
            };
            sleep_until(retry_at).await;
        }
    }

    /// Whether the backend lists peers and is not a hub.
    async fn is_third_party(&self, client: &Backend) -> bool {
        let outcome = client.peers_page(None, Instant::now() + CALL_TIMEOUT).await;
        self.backend.record(BackendCall::Peers, outcome).is_some_and(|page| !page.complete_listing)
    }

    /// The token with which the probe enrolls, made once: so an enrollment whose answer is lost can be repeated, also after a
    /// restart. `None` if it cannot be stored: then the backend makes one.
    async fn own_token(&self) -> Option<Secret> {
        let name = format!("token to enroll {} at {}", self.server_id, self.backend_name);
        let stored = async {
            if let Some(token) = self.store.secret(&name).await? {
                return Ok::<_, StoreError>(token);
            }
            let token = NodeToken::generate().secret().clone();
            self.store.put_secret(&name, &token).await?;
            Ok(token)
        };
        stored
            .await
            .inspect_err(
                |error| tracing::warn!(%error, "the probe makes no node token of its own, the backend makes one"),
            )
            .ok()
    }

    /// Stores the token, and makes a client that uses it.
    async fn enrolled(&self, token: Secret, client: Backend) -> Backend {
        tracing::info!(server_id = self.server_id, "enrolled at the backend");
        if let Err(error) = self.store.put_secret(&token_name(&self.backend_name), &token).await {
            tracing::error!(%error, "the node token of the enrollment cannot be stored: after a restart this probe enrolls \
                                     again, which needs the same ENROLLMENT_KEY");
        }
        let config = BackendConfig { node_token: Some(token), ..self.config.clone() };
        Backend::new(config).unwrap_or(client)
    }

    async fn registration(&self) -> Registration {
        let (host, port) = match &self.advertise {
            Some(advertised) => (Some(advertised.host.to_string()), advertised.port),
            None => {
                let address = match self.config.base_urls.first() {
                    Some(base_url) => outbound_address(&base_url.join("/")).await,
                    None => None,
                };
                (address.map(|ip| ip.to_string()), None)
            }
        };
        Registration {
            server_id: self.server_id.clone(),
            host,
            port: Some(port.unwrap_or(self.port)),
            region: self.config.region.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: ["tcp", "udp", "ws", "wss", "wg", "quic", "monitoring"].map(str::to_owned).into(),
            system: this_machine(),
            node_token: None,
        }
    }
}

/// The name in the store of the node token of an enrollment at this backend.
pub fn token_name(backend_name: &str) -> String {
    format!("node_token of {backend_name}")
}

fn this_machine() -> System {
    System {
        platform: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpus: available_parallelism().map_or(1, NonZero::get),
        memory: memory(),
    }
}

/// The size of the memory in bytes.
#[cfg(target_os = "linux")]
fn memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    Some(info.totalram as u64 * u64::from(info.mem_unit))
}

/// Other systems have no `sysinfo`, and the field is optional.
#[cfg(not(target_os = "linux"))]
fn memory() -> Option<u64> {
    None
}
