//! The probe in the backend's registry: it enrolls where it has no token, registers, sends heartbeats, and says when it
//! goes.

use std::{net::IpAddr, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use easytier_probe::{
    Backend, BackendConfig, BackendError, Secret,
    backend::{Registered, Registration, System},
};
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::store::{Store, StoreError};
use tokio::{
    net::{UdpSocket, lookup_host},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    link::LinkSetter,
    vitals::{Ask, Vitals},
};

/// How often a heartbeat is sent, as the contract says.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long one request may take, with all its attempts.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// An address that no packet is sent to, and that the default route leads to (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1:9";

/// Registers the probe.
pub struct Registrar {
    pub store: Store,
    pub config: BackendConfig,
    /// By which the backend is known in the store.
    pub backend: String,
    pub link: LinkSetter,
    pub server_id: String,
    /// The address to register, where it is not that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    /// The port of the monitoring API.
    pub port: u16,
    pub vitals: Arc<Vitals>,
}

impl Registrar {
    /// The client, with the token of an enrollment before where there was one.
    pub async fn client(&mut self) -> Result<Backend, ClientError> {
        if self.config.node_token.is_none() {
            self.config.node_token = self.store.secret(&self.token_name()).await?;
        }
        Ok(Backend::new(self.config.clone())?)
    }

    /// Registers and sends heartbeats until it is told to stop; then says so, if `farewell` is asked for.
    pub async fn run(self, backend: Backend, stop: CancellationToken, farewell: impl Future<Output = bool>) {
        let backend = tokio::select! {
            backend = self.register(backend) => backend,
            () = stop.cancelled() => return,
        };
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = async { beats.tick().await; self.beat(&backend).await } => {}
                () = stop.cancelled() => break,
            }
        }
        if farewell.await
            && let Err(error) = backend.unregister(&self.server_id, Instant::now() + FAREWELL).await
        {
            tracing::warn!("{error}; the backend will see that this probe is gone by its silence");
        }
    }

    /// Registers, however long it takes. Who has a token can work meanwhile; so can who enrolls where no registry is, if
    /// that is not the word of something in front of a hub.
    async fn register(&self, backend: Backend) -> Backend {
        let mut backoff = Backoff::default();
        let enrolls = self.config.node_token.is_none() && self.config.enrollment_key.is_some();
        let mut can_work = !enrolls;
        loop {
            if can_work {
                self.link.set(backend.clone());
            }
            let registration = self.registration().await;
            let pause = match backend.register(&registration, Instant::now() + PATIENCE).await {
                Ok(registered) => {
                    self.vitals.backend_answered(Ask::Register);
                    match registered {
                        Some(Registered { node_token: Some(token), .. }) => {
                            let backend = self.enrolled(token, backend).await;
                            self.link.set(backend.clone());
                            return backend;
                        }
                        Some(_) if !enrolls => return backend,
                        _ => {}
                    }
                    can_work = can_work || self.is_foreign(&backend).await;
                    backoff.after_nothing()
                }
                Err(error) => {
                    self.vitals.backend_failed(Ask::Register, &error);
                    backoff.after(&error)
                }
            };
            sleep(pause).await;
        }
    }

    /// Whether the backend lists peers, and is no hub.
    async fn is_foreign(&self, backend: &Backend) -> bool {
        match backend.peers_page(None, Instant::now() + PATIENCE).await {
            Ok(page) => {
                self.vitals.backend_answered(Ask::Peers);
                !page.complete_listing
            }
            Err(error) => {
                self.vitals.backend_failed(Ask::Peers, &error);
                false
            }
        }
    }

    /// Keeps the token, which is told only this once, and uses it from now on.
    async fn enrolled(&self, token: Secret, backend: Backend) -> Backend {
        tracing::info!(server_id = self.server_id, "enrolled at the backend");
        if let Err(error) = self.store.put_secret(&self.token_name(), &token).await {
            tracing::error!(%error, "the token of the enrollment cannot be kept: this probe must be enrolled again when it \
                                     restarts, under another SERVER_ID");
        }
        let config = BackendConfig { node_token: Some(token), ..self.config.clone() };
        Backend::new(config).unwrap_or(backend)
    }

    async fn beat(&self, backend: &Backend) {
        if !self.vitals.may_ask(Ask::Heartbeat) {
            return;
        }
        match backend.heartbeat(&self.server_id, &self.vitals.counters(), Instant::now() + PATIENCE).await {
            Ok(_) => self.vitals.backend_answered(Ask::Heartbeat),
            Err(error) => self.vitals.backend_failed(Ask::Heartbeat, &error),
        }
    }

    async fn registration(&self) -> Registration {
        let (host, port) = match &self.advertise {
            Some(advertised) => (Some(advertised.host.to_string()), advertised.port),
            None => (outbound_address(&self.config.base_urls[0].to_string()).await.map(|ip| ip.to_string()), None),
        };
        Registration {
            server_id: self.server_id.clone(),
            host,
            port: Some(port.unwrap_or(self.port)),
            region: self.config.region.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: ["tcp", "udp", "ws", "wss", "wg", "quic", "monitoring"].map(str::to_owned).into(),
            system: system(),
        }
    }

    fn token_name(&self) -> String {
        format!("node_token of {}", self.backend)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The address of this machine from which the backend is reached, or, when that is on this very machine, from which
/// others are.
async fn outbound_address(backend: &str) -> Option<IpAddr> {
    let url = url::Url::parse(backend).ok()?;
    let (host, port) = (url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?);
    let mut places: Vec<_> = lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default();
    places.push(ELSEWHERE.parse().expect("it is an address"));
    for place in places {
        let any = if place.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let Ok(socket) = UdpSocket::bind(any).await else { continue };
        // No packet is sent by this; the system only looks for the route.
        let Ok(address) = socket.connect(place).await.and_then(|()| socket.local_addr()) else { continue };
        if !address.ip().is_loopback() && !address.ip().is_unspecified() {
            return Some(address.ip());
        }
    }
    None
}

fn system() -> System {
    let memory = rustix::system::sysinfo();
    System {
        platform: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        cpus: available_parallelism().map_or(1, NonZero::get),
        memory: Some(memory.totalram as u64 * u64::from(memory.mem_unit)),
    }
}
