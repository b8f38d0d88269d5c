//! How the configuration makes this database an instance of a cluster.

use std::ops::RangeInclusive;

use easytier_probe::{Secret, backend::BaseUrl};
use easytier_uptime_config::{Reader, values};
use easytier_uptime_hub::instance::{ConfiguredRole, InstanceOptions};

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
        let distributed = reader.value("DISTRIBUTED_MODE_ENABLED", values::boolean);
        if enabled && !reader.is_missing("PRIMARY_SYNC_URL") {
            let why = "excludes ENABLE_SYNC_API: an instance is a primary or a dependent; remove one of them";
            reader.reject("PRIMARY_SYNC_URL", why.to_owned());
        }
        if distributed && (enabled || primary.is_some()) {
            let name = if enabled { "ENABLE_SYNC_API" } else { "PRIMARY_SYNC_URL" };
            let why = "excludes DISTRIBUTED_MODE_ENABLED, which makes a probe without a hub; remove one of them";
            reader.reject(name, why.to_owned());
        }
        if (enabled || primary.is_some()) && reader.is_missing("SYNC_SECRET") {
            let why = "the instances of a cluster share a secret of at least 32 characters; make one with 'openssl rand -hex 32'";
            reader.require("SYNC_SECRET", why);
        }
        let name = reader.optional("INSTANCE_NAME", values::server_id);
        let latitude = reader.optional("LATITUDE", |text| values::degrees(text, 90.0));
        let longitude = reader.optional("LONGITUDE", |text| values::degrees(text, 180.0));
        if reader.is_missing("LATITUDE") != reader.is_missing("LONGITUDE") {
            let missing = if reader.is_missing("LATITUDE") { "LATITUDE" } else { "LONGITUDE" };
            reader.require(missing, "a place on the map needs LATITUDE and LONGITUDE");
        }
        let options = InstanceOptions {
            name: name.unwrap_or_else(|| values::host_name_as_id(reader.host_name())),
            location: reader.optional("INSTANCE_LOCATION", values::text),
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
}
