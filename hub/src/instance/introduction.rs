//! How an instance introduces itself, and what it tells about its machine.

use std::{num::NonZero, thread::available_parallelism, time::Duration};

use data_encoding::BASE64;
use easytier_probe::Scheme;
use easytier_uptime_store::{Store, StoreError, domain::Instance};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    load::Load,
    options::InstanceOptions,
    wire::{Register, SystemMetrics},
};

/// What an instance can do: the protocols that this program checks.
pub(crate) fn capabilities() -> Vec<String> {
    Scheme::all().filter(|scheme| scheme.transport().is_some()).map(|scheme| scheme.to_string()).collect()
}

/// The machine of an instance.
#[derive(Debug)]
pub struct Machine {
    started: Instant,
    load: Load,
}

impl Default for Machine {
    fn default() -> Self {
        Self { started: Instant::now(), load: Load::default() }
    }
}

impl Machine {
    /// How long this process runs.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The load now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn metrics(&self, store: &Store) -> Result<SystemMetrics, StoreError> {
        let (cpu_usage, memory_usage) = self.load.measure();
        Ok(SystemMetrics {
            cpu_usage,
            memory_usage,
            disk_usage: store.disk_usage().await,
            active_endpoints: store.watched_peers().await?,
        })
    }
}

/// Facts about the machine.
pub(crate) fn system_info() -> Value {
    json!({
        "platform": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": available_parallelism().map_or(1, NonZero::get),
    })
}

/// What this instance says about itself when it registers.
///
/// # Errors
///
/// When the database fails.
pub async fn of(store: &Store, options: &InstanceOptions, instance: &Instance) -> Result<Register, StoreError> {
    let (latitude, longitude) = options.coordinates.unzip();
    Ok(Register {
        instance_id: instance.id,
        instance_name: options.name.clone(),
        location: options.location.clone(),
        latitude,
        longitude,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: capabilities(),
        failover_order: options.failover_order,
        public_endpoint: options.endpoint().map(str::to_owned),
        public_key: BASE64.encode(&store.sealing_key().await?.public),
        system_info: system_info(),
        cluster_id: instance.cluster,
    })
}
