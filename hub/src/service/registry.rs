//! The registry of probes: enrollment, registration, heartbeats and reports about themselves.

use easytier_probe::Secret;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ProbeIdentity, Region, Registration, StatusReport, Timestamp},
};
use serde_json::Value;

use super::{Forbidden, ServiceError};

/// Who registers a probe.
#[derive(Debug)]
pub enum Registrant {
    /// The probe itself, with its node token.
    Probe(ProbeIdentity),
    /// The holder of an enrollment key, which may be for one region only.
    Enrollment {
        /// The only region of the key.
        region: Option<Region>,
    },
}

/// How the probe is registered.
#[derive(Debug)]
pub struct Registered {
    /// The probe's own id.
    pub server_id: String,
    /// Its region.
    pub region: Region,
    /// The new node token of an enrollment, shown this once.
    pub node_token: Option<Secret>,
}

/// What probes do in the registry.
#[derive(Clone)]
pub struct Registry {
    store: Store,
}

impl Registry {
    /// The registry in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A probe starts. An enrollment key gets a node token for a `server_id` that is not registered yet; a probe
    /// registers itself again with its own token. `region`: the one that the probe names.
    ///
    /// # Errors
    ///
    /// When the token or key is for another region, the `server_id` is another probe's, or the database fails.
    pub async fn register(
        &self,
        registrant: Registrant,
        server_id: String,
        region: Option<Region>,
        registration: &Registration,
    ) -> Result<Registered, ServiceError> {
        let now = Timestamp::now();
        match registrant {
            Registrant::Probe(probe) => {
                check_region(&probe, region.as_ref())?;
                self.store.register_probe(&probe, &server_id, registration, now).await?;
                Ok(Registered { server_id, region: probe.region, node_token: None })
            }
            Registrant::Enrollment { region: only } => {
                let region = match (region, &only) {
                    (Some(region), Some(only)) if region != *only => {
                        return Err(Forbidden::KeyRegion(only.clone()).into());
                    }
                    (Some(region), _) => region,
                    (None, only) => only.clone().unwrap_or_default(),
                };
                let (probe, issued) =
                    self.store.enroll_probe(only.as_ref(), &server_id, &region, registration, now).await?;
                Ok(Registered { server_id: probe.server_id, region, node_token: Some(issued.token) })
            }
        }
    }

    /// A probe is there. `counters`: any JSON, kept as it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn heartbeat(&self, probe: &ProbeIdentity, counters: Option<&Value>) -> Result<(), StoreError> {
        self.store.heartbeat(probe, counters, Timestamp::now()).await
    }

    /// A probe reports about itself. `region`: the one that the report names.
    ///
    /// # Errors
    ///
    /// When the token is for another region or another `server_id`, or the database fails.
    pub async fn report_status(
        &self,
        probe: &ProbeIdentity,
        region: Option<&Region>,
        report: &StatusReport,
    ) -> Result<(), ServiceError> {
        check_region(probe, region)?;
        Ok(self.store.report_status(probe, report, Timestamp::now()).await?)
    }

    /// A probe stops. Its history stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unregister(&self, probe: &ProbeIdentity) -> Result<(), StoreError> {
        self.store.unregister_probe(probe, Timestamp::now()).await
    }
}

/// Refuses a region that is not the one of the probe's token.
///
/// # Errors
///
/// When it is another region.
pub fn check_region(probe: &ProbeIdentity, named: Option<&Region>) -> Result<(), Forbidden> {
    match named {
        Some(named) if *named != probe.region => Err(Forbidden::TokenRegion(probe.region.clone())),
        _ => Ok(()),
    }
}

/// Refuses a `server_id` that is not the one of the probe's token.
///
/// # Errors
///
/// When it is another one.
pub fn check_server_id(probe: &ProbeIdentity, named: &str) -> Result<(), Forbidden> {
    if probe.server_id != named {
        return Err(Forbidden::ServerId);
    }
    Ok(())
}
