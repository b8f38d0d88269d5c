//! The presence of a process in the registry of a hub: it registers, sends heartbeats, and unregisters when it stops.

use std::{future::pending, sync::Arc};

use easytier_probe::BackendConfig;
use easytier_uptime_config::AdvertisedAddress;
use easytier_uptime_store::Store;
use tokio_util::sync::CancellationToken;

use crate::{
    backend_handle::BackendHandle,
    enrollment::{ClientError, Enrollment, Registrant},
    heartbeat::{Content, Heartbeat, Nothing},
    metrics::Metrics,
};

/// The presence of a process in a registry.
pub struct Presence<C> {
    pub enrollment: Enrollment,
    pub heartbeat: Heartbeat<C>,
}

impl<C: Content> Presence<C> {
    /// Registers, and sends heartbeats until `stop`. When the backend does not know the credentials of any request, it registers
    /// again, which may get it others. Returns whether the process is registered at the end.
    pub async fn keep(&mut self, stop: &CancellationToken) -> bool {
        loop {
            // Registering may take for ever; it must not delay the end.
            if stop.run_until_cancelled(self.enrollment.register()).await.is_none() {
                return false;
            }
            let refused = async {
                match self.enrollment.may_change() {
                    true => self.heartbeat.backend.refused().await,
                    false => pending().await,
                }
            };
            tokio::select! {
                // It waits before the first heartbeat, which may be refused too.
                biased;
                () = refused => {}
                () = self.heartbeat.run(stop.clone()) => return true,
            }
        }
    }
}

/// A hub that another hub lists: how it registers there.
#[derive(Debug, Clone)]
pub struct HubRegistration {
    /// The other hub, with the credentials, if there are any.
    pub backend: BackendConfig,
    /// The name of this hub, unique at the other one.
    pub server_id: String,
    /// The address to register, instead of that of the outbound route.
    pub advertise: Option<AdvertisedAddress>,
    /// The port at which this hub serves.
    pub port: u16,
}

impl HubRegistration {
    /// Registers a hub at another one and sends heartbeats until `stop`. It fetches no peers and reports no results.
    /// `stops_for_good` says after that how the hub ends: it unregisters unless it starts again at once.
    ///
    /// # Errors
    ///
    /// When no request can be made with this configuration, or the token of an earlier enrollment cannot be read.
    pub async fn keep(
        self,
        store: Store,
        stop: CancellationToken,
        stops_for_good: impl Future<Output = bool>,
    ) -> Result<(), ClientError> {
        let backend = BackendHandle::new(Arc::default(), Metrics::default());
        let urls: Vec<String> = self.backend.base_urls.iter().map(ToString::to_string).collect();
        let registrant = Registrant {
            store,
            config: self.backend,
            // Several hubs may share the database.
            backend_name: format!("{} as {}", urls.join(","), self.server_id),
            backend: backend.clone(),
            server_id: self.server_id.clone(),
            advertise: self.advertise,
            port: self.port,
            capabilities: &["hub"],
        };
        let enrollment = Enrollment::new(registrant).await?;
        let heartbeat = Heartbeat { backend, server_id: self.server_id, content: Nothing };
        let mut presence = Presence { enrollment, heartbeat };
        if presence.keep(&stop).await && stops_for_good.await {
            presence.heartbeat.unregister().await;
        }
        Ok(())
    }
}
