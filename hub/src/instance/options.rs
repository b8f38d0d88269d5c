//! What an instance is called, where it is, and how it takes part in a cluster.

use std::time::Duration;

use easytier_probe::Secret;
use url::Url;

/// The least number of characters of `SYNC_SECRET`.
pub const MIN_SECRET_CHARS: usize = 32;

/// The settings of an instance. They are read again at each start; the role itself is in the database.
#[derive(Debug, Clone)]
pub struct InstanceOptions {
    /// `INSTANCE_NAME`.
    pub name: String,
    /// `INSTANCE_LOCATION`: where it is, in words.
    pub location: Option<String>,
    /// `LATITUDE` and `LONGITUDE`: degrees north, -90 to 90, and degrees east, -180 to 180.
    pub coordinates: Option<(f64, f64)>,
    /// `FAILOVER_ORDER`: its place in the order of failover; lower comes first.
    pub failover_order: i64,
    /// The base URL at which other instances reach the synchronisation API of this one; `None` when they cannot.
    pub public_endpoint: Option<Url>,
    /// `SYNC_SECRET`: the secret that all instances of the cluster know; `None` refuses whoever presents one.
    pub secret: Option<Secret>,
    /// `SYNC_INTERVAL`: the time between two looks at the primary's configuration.
    pub sync_interval: Duration,
    /// `HEARTBEAT_INTERVAL`: the time between two heartbeats.
    pub heartbeat_interval: Duration,
    /// `FAILOVER_AFTER`: how long the primary must be unreachable before another instance takes its place.
    pub failover_after: Duration,
    /// `CONNECTION_TIMEOUT`: the deadline of a request to another instance.
    pub connection_timeout: Duration,
}

impl InstanceOptions {
    /// The public endpoint as text.
    pub fn endpoint(&self) -> Option<&str> {
        self.public_endpoint.as_ref().map(Url::as_str)
    }

    /// The defaults, for an instance of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            location: None,
            coordinates: None,
            failover_order: 99,
            public_endpoint: None,
            secret: None,
            sync_interval: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(60),
            failover_after: Duration::from_secs(90),
            connection_timeout: Duration::from_secs(10),
        }
    }
}
