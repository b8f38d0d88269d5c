//! The probe in the backend's registry: it enrolls if it has no node token, or one that is refused, and registers.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use easytier_probe::{
    Backend, BackendConfig, BackendError, Secret,
    backend::{BackendCall, Registration, System},
};
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::{Store, StoreError, domain::NodeToken};
use tokio::time::{Instant, sleep_until};

use crate::{backend_handle::BackendHandle, outbound_address::outbound_address};

/// How long one call may take, with all its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Who registers, where, and as what.
pub struct Registrant {
    pub store: Store,
    pub config: BackendConfig,
    /// The name of the backend in the store.
    pub backend_name: String,
    pub backend: BackendHandle,
    pub server_id: String,
    /// The address to register, instead of that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    /// The port at which this process serves.
    pub port: u16,
    /// What the backend is told that this process can do.
    pub capabilities: &'static [&'static str],
}

/// What a probe can do.
pub const OF_PROBE: &[&str] = &["tcp", "udp", "ws", "wss", "wg", "quic", "monitoring"];

/// Registers the probe, and gets its node token. Each client is made once, because it learns what the backend can do.
pub struct Enrollment {
    registrant: Registrant,
    /// The client with the configured credentials alone.
    configured: Backend,
    /// The token of an enrollment, and the client with it.
    enrolled: Option<(Secret, Backend)>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No request can be made with this configuration.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The token of an earlier enrollment cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Enrollment {
    /// Makes the first clients. Without a configured node token the probe uses the token of an earlier enrollment, if there was
    /// one.
    pub async fn new(registrant: Registrant) -> Result<Self, ClientError> {
        let enrolled = match registrant.config.node_token {
            None => registrant.earlier_token().await?,
            Some(_) => None,
        };
        let enrolled = match enrolled {
            Some(token) => Some((token.clone(), registrant.client_with(token)?)),
            None => None,
        };
        Ok(Self { configured: Backend::new(registrant.config.clone())?, enrolled, registrant })
    }

    /// Whether the probe may enroll: it has a key, and no token was configured.
    fn has_key(&self) -> bool {
        self.may_change() && self.registrant.config.enrollment_key.is_some()
    }

    /// Whether registering again may help when the backend does not know the probe any more.
    pub fn may_change(&self) -> bool {
        self.registrant.config.node_token.is_none()
    }

    /// Registers the probe, however long that takes. The handle gets its client when the probe may use the backend: at
    /// once if it has a token, else when it is enrolled, or when the backend turns out to be a third-party one without
    /// a registry.
    pub async fn register(&mut self) {
        while let Some(retry_at) = self.attempt().await {
            sleep_until(retry_at).await;
        }
    }

    /// Tries to register. Returns when to try again; `None` when the probe is registered.
    async fn attempt(&mut self) -> Option<Instant> {
        let (client, is_enrolled) = match &self.enrolled {
            Some((_, client)) => (client.clone(), true),
            None if self.has_key() => return self.enroll().await,
            None => (self.configured.clone(), false),
        };
        let backend = &self.registrant.backend;
        if backend.client().is_none() {
            backend.set_client(client.clone());
        }
        let registration = self.registrant.registration().await;
        match client.register(&registration, Instant::now() + CALL_TIMEOUT).await {
            Ok(registered) => {
                backend.answered(BackendCall::Register);
                // Without an answer of the registry, perhaps a reverse proxy has answered, while the hub restarts.
                registered.is_none().then(|| backend.availability().postpone(BackendCall::Register))
            }
            Err(error) if is_enrolled && error.is_unauthenticated() => self.refused(&error).await,
            Err(error) => Some(backend.failed(BackendCall::Register, &error)),
        }
    }

    /// The backend does not accept the token of the enrollment any more: it was revoked, or the backend's database is another
    /// one. With a key the probe enrolls again. The token is kept until that has succeeded, because the backend may know it again.
    async fn refused(&mut self, error: &BackendError) -> Option<Instant> {
        let Registrant { backend, server_id, .. } = &self.registrant;
        if self.has_key() {
            tracing::warn!(server_id, "the backend refuses the node token of the enrollment: enrolling again");
            return self.enroll().await;
        }
        let retry_at = backend.failed(BackendCall::Register, error);
        tracing::error!(
            server_id,
            "the backend refuses the node token of the enrollment, and there is no ENROLLMENT_KEY to enroll again: set it to a key \
             that 'easytier-uptime hub enroll create' makes at the hub"
        );
        Some(retry_at)
    }

    /// Tries to enroll. Returns when to try again; `None` when the probe is enrolled.
    async fn enroll(&mut self) -> Option<Instant> {
        let node_token = self.own_token().await;
        let Registrant { backend, .. } = &self.registrant;
        let registration = Registration { node_token, ..self.registrant.registration().await };
        let token = match self.configured.register(&registration, Instant::now() + CALL_TIMEOUT).await {
            Ok(registered) => {
                backend.answered(BackendCall::Register);
                registered.and_then(|registered| registered.node_token)
            }
            Err(error) => return Some(backend.failed(BackendCall::Register, &error)),
        };
        if let Some(token) = token {
            self.keep(token).await;
            return None;
        }
        // Perhaps a reverse proxy has answered, while the hub restarts.
        if backend.client().is_none() && self.is_third_party().await {
            backend.set_client(self.configured.clone());
        }
        Some(backend.availability().postpone(BackendCall::Register))
    }

    /// Whether the backend lists peers and is not a hub.
    async fn is_third_party(&self) -> bool {
        let outcome = self.configured.peers_page(None, Instant::now() + CALL_TIMEOUT).await;
        self.registrant.backend.record(BackendCall::Peers, outcome).is_some_and(|page| !page.complete_listing)
    }

    /// The token with which the probe enrolls, made once for each enrollment: so one whose answer is lost can be repeated, also
    /// after a restart. `None` if it cannot be stored: then the backend makes one.
    async fn own_token(&self) -> Option<Secret> {
        let Registrant { store, .. } = &self.registrant;
        let name = self.registrant.own_token_name();
        let refused = self.enrolled.as_ref().map(|(token, _)| token);
        let stored = async {
            if let Some(token) = store.secret(&name).await?.filter(|token| Some(token) != refused) {
                return Ok::<_, StoreError>(token);
            }
            let token = NodeToken::generate().secret().clone();
            store.put_secret(&name, &token).await?;
            Ok(token)
        };
        stored
            .await
            .inspect_err(
                |error| tracing::warn!(%error, "the probe makes no node token of its own, the backend makes one"),
            )
            .ok()
    }

    /// Stores the token of an enrollment, and uses it from now on.
    async fn keep(&mut self, token: Secret) {
        let Registrant { store, server_id, backend, .. } = &self.registrant;
        if let Err(error) = store.put_secret(&token_name(&self.registrant.backend_name), &token).await {
            tracing::error!(%error, "the node token of the enrollment cannot be stored: after a restart this probe enrolls \
                                     again, which needs the same ENROLLMENT_KEY");
        }
        tracing::info!(server_id, "enrolled at the backend");
        let client = self.registrant.client_with(token.clone()).unwrap_or_else(|_| self.configured.clone());
        backend.set_client(client.clone());
        self.enrolled = Some((token, client));
    }
}

impl Registrant {
    /// The node token of an earlier enrollment. One that was interrupted may have succeeded, so the token that was made for it is
    /// tried too: the key may not be valid any more.
    async fn earlier_token(&self) -> Result<Option<Secret>, StoreError> {
        match self.store.secret(&token_name(&self.backend_name)).await? {
            None => self.store.secret(&self.own_token_name()).await,
            enrolled => Ok(enrolled),
        }
    }

    fn own_token_name(&self) -> String {
        format!("token to enroll {} at {}", self.server_id, self.backend_name)
    }

    fn client_with(&self, token: Secret) -> Result<Backend, BackendError> {
        Backend::new(BackendConfig { node_token: Some(token), ..self.config.clone() })
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
            capabilities: self.capabilities.iter().map(|name| (*name).to_owned()).collect(),
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
