//! A peer in an export.

use std::collections::BTreeSet;

use easytier_probe::Secret;
pub use easytier_probe::peer_list::ListedAccess as Access;
use easytier_uptime_store::domain::{PeerRecord, Region, Tag};
use serde::Serialize;

use crate::check_depth::CheckDepth;

/// A peer as an export writes it.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Its id in the hub that wrote the export.
    pub id: i64,
    /// Its name in lists.
    pub name: String,
    /// The URL at which it can be reached.
    pub url: String,
    /// A description for people.
    pub description: String,
    /// Whether it is checked as a guest or as a member of its network.
    pub access: Access,
    /// The name of its network; null for a guest.
    pub network_name: Option<String>,
    /// The secret of its network. The field is absent, not null, in an export without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_secret: Option<Secret>,
    /// How far a check goes.
    pub check: CheckDepth,
    /// The deadline of one check in milliseconds, if it differs from the probe's.
    pub timeout_ms: Option<u64>,
    /// Whether its owner offers to relay.
    pub allow_relay: bool,
    /// The maximum number of networks on it; 0 when no limit is known.
    pub max_connections: u32,
    /// Tags by which launchers filter.
    pub tags: BTreeSet<Tag>,
    /// The regions that check it; all regions if it is empty.
    pub regions: BTreeSet<Region>,
    /// A contact of the owner.
    pub qq_number: Option<String>,
    /// A contact of the owner.
    pub wechat: Option<String>,
    /// A contact of the owner.
    pub mail: Option<String>,
    /// Whether it is listed and checked.
    pub is_approved: bool,
    /// Whether a stranger submitted it.
    pub submitted: bool,
}

impl Document {
    /// The document of a record, with the network's secret if `with_secret`.
    pub fn of(record: &PeerRecord, with_secret: bool) -> Self {
        let spec = record.spec.clone();
        Self {
            id: record.id.0,
            name: spec.name,
            url: spec.url.full(),
            description: spec.description,
            access: if spec.network_secret.is_some() { Access::Member } else { Access::Guest },
            network_name: spec.network_name,
            network_secret: spec.network_secret.filter(|_| with_secret),
            check: spec.mode.into(),
            timeout_ms: spec.timeout.map(|timeout| timeout.as_millis() as u64),
            allow_relay: spec.allow_relay,
            max_connections: spec.max_connections,
            tags: spec.tags,
            regions: spec.regions,
            qq_number: spec.contacts.qq_number,
            wechat: spec.contacts.wechat,
            mail: spec.contacts.mail,
            is_approved: record.approved,
            submitted: record.submitted,
        }
    }
}
