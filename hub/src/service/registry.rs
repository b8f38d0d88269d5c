//! The registry of probes: enrollment, registration, heartbeats and reports about themselves.

use easytier_probe::Secret;
use easytier_uptime_store::{
    Store, StoreError,
    domain::{EnrollmentKey, NewProbe, NodeToken, ProbeIdentity, Region, Registration, StatusReport, Timestamp},
};
use serde_json::Value;

use super::{Forbidden, ServiceError};

/// The caller that registers a probe.
#[derive(Debug)]
pub enum Registrant {
    /// The probe itself, with its node token.
    Probe(ProbeIdentity),
    /// The holder of an enrollment key.
    Enrollment(EnrollmentKey),
}

/// The outcome of a registration.
#[derive(Debug)]
pub struct Registered {
    /// The probe's own id.
    pub server_id: String,
    /// Its region.
    pub region: Region,
    /// The node token, after an enrollment: that of the probe, or a new one. It cannot be read again later.
    pub node_token: Option<Secret>,
}

/// The use cases of probes in the registry.
#[derive(Clone)]
pub struct Registry {
    store: Store,
}

impl Registry {
    /// The registry in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Registers a probe that starts. The holder of an enrollment key gets a node token for a `server_id` that is not
    /// registered yet; a probe registers again with its own token. `region`: the region in the request; `token`: the node
    /// token in it, which a probe makes so that it can repeat an enrollment whose answer it did not get.
    ///
    /// # Errors
    ///
    /// When the token or key is for another region, the key is used up, the `server_id` is another probe's, or the database
    /// fails.
    pub async fn register(
        &self,
        registrant: Registrant,
        server_id: String,
        region: Option<Region>,
        registration: &Registration,
        token: Option<&NodeToken>,
    ) -> Result<Registered, ServiceError> {
        let now = Timestamp::now();
        let region = match region {
            Some(region) => Some(self.store.present_name(&region).await?),
            None => None,
        };
        match registrant {
            Registrant::Probe(probe) => {
                check_region(&self.store, &probe, region.as_ref()).await?;
                self.store.register_probe(&probe, &server_id, registration, now).await?;
                Ok(Registered { server_id, region: probe.region, node_token: None })
            }
            Registrant::Enrollment(key) => {
                let region = match (region, &key.region) {
                    (Some(region), Some(only)) if region != *only => {
                        return Err(Forbidden::KeyRegion(only.clone()).into());
                    }
                    (Some(region), _) => region,
                    (None, only) => only.clone().unwrap_or_default(),
                };
                let new = NewProbe { server_id: &server_id, region: &region, registration, token };
                let (probe, issued) = self.store.enroll_probe(&key, &new, now).await?;
                Ok(Registered { server_id: probe.server_id, region, node_token: Some(issued.token) })
            }
        }
    }

    /// Stores a heartbeat. `counters`: any JSON, stored unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn heartbeat(&self, probe: &ProbeIdentity, counters: Option<&Value>) -> Result<(), StoreError> {
        self.store.heartbeat(probe, counters, Timestamp::now()).await
    }

    /// Stores a probe's status report. `region`: the region in the report.
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
        check_region(&self.store, probe, region).await?;
        Ok(self.store.report_status(probe, report, Timestamp::now()).await?)
    }

    /// Marks a probe that stops as offline. Its history stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unregister(&self, probe: &ProbeIdentity) -> Result<(), StoreError> {
        self.store.unregister_probe(probe, Timestamp::now()).await
    }
}

/// Checks that a request names the region of the probe's token, by its name or one that it had until lately, or no region.
///
/// # Errors
///
/// When the request names another region, or the database fails.
pub async fn check_region(store: &Store, probe: &ProbeIdentity, named: Option<&Region>) -> Result<(), ServiceError> {
    match named {
        Some(named) if *named != probe.region && store.present_name(named).await? != probe.region => {
            Err(Forbidden::TokenRegion(probe.region.clone()).into())
        }
        _ => Ok(()),
    }
}

/// Checks that a request names the `server_id` of the probe's token.
///
/// # Errors
///
/// When the request names another `server_id`.
pub fn check_server_id(probe: &ProbeIdentity, named: &str) -> Result<(), Forbidden> {
    if probe.server_id != named {
        return Err(Forbidden::ServerId);
    }
    Ok(())
}
