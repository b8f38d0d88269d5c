//! A node as the public API shows it.

use easytier_probe::{Relay, Status};
use easytier_uptime_store::domain::{
    Count, Node, NodeMaintenance, PeerId, PeerSpec, QUARTER, Timestamp, UsualUsage, Verdict,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A node. Launchers and dashboards depend on every name and type in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeItem {
    #[schema(value_type = i64)]
    id: PeerId,
    name: String,
    host: String,
    /// 0 for a `txt` or `srv` node, which has none.
    port: u16,
    #[schema(example = "tcp")]
    protocol: String,
    /// The EasyTier version as last seen, without what follows its first `-`; empty if unknown.
    #[schema(example = "2.6.4")]
    version: String,
    description: String,
    max_connections: u32,
    current_connections: u32,
    /// Online now, in any region.
    is_active: bool,
    is_approved: bool,
    /// Its owner offers to relay.
    allow_relay: bool,
    /// What tests found, whether it relays data between two guests: `ok`, `refused` or `failed`; null without a test.
    #[schema(value_type = Option<String>, example = "ok")]
    relay_measured: Option<Relay>,
    /// When that was found last.
    #[schema(value_type = Option<String>, format = DateTime)]
    relay_checked_at: Option<Timestamp>,
    network_name: Option<String>,
    /// Always null.
    #[schema(value_type = Option<String>)]
    network_secret: (),
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// `protocol://host:port`
    address: String,
    /// Networks on the node in percent of its maximum, never 0: 0.01 for a node that is idle or has no limit; for one whose load
    /// was never measured the median of the others, or 50 when there is none.
    usage_percentage: f64,
    /// Whether the load was measured.
    usage_measured: bool,
    current_health_status: HealthStatus,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_check_time: Option<Timestamp>,
    /// Microseconds: the median over fresh regions.
    last_response_time: Option<i64>,
    health_percentage_24h: f64,
    /// Checks in each of the last 96 quarters of an hour, newest first.
    #[schema(min_items = 96, max_items = 96)]
    health_record_total_counter_ring: Vec<u32>,
    /// How many of these checks found the node healthy.
    #[schema(min_items = 96, max_items = 96)]
    health_record_healthy_counter_ring: Vec<u32>,
    /// The time that each counter spans, in seconds.
    #[schema(example = 900)]
    ring_granularity: u64,
    qq_number: Option<String>,
    wechat: Option<String>,
    mail: Option<String>,
    tags: Vec<String>,
    /// Always null: where nodes are is not known.
    #[schema(value_type = Option<f64>)]
    latitude: (),
    /// Always null.
    #[schema(value_type = Option<f64>)]
    longitude: (),
    /// Always null: whose network nodes are in is not known.
    #[schema(value_type = Option<String>)]
    isp: (),
    /// The maintenance that the node is in: its status is what it is, but counts for nothing; null when it is in none.
    maintenance: Option<Maintenance>,
}

/// The maintenance of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Maintenance {
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// What it is for, in the operator's words.
    title: String,
    /// The same in Chinese, if there is a text.
    title_zh: Option<String>,
}

impl From<NodeMaintenance> for Maintenance {
    fn from(maintenance: NodeMaintenance) -> Self {
        let NodeMaintenance { until, title, title_zh, .. } = maintenance;
        Self { until, title, title_zh }
    }
}

/// The health of a node or of one result, in the terms of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Online.
    Healthy,
    /// Offline, or online in at most half of the regions.
    Unhealthy,
    /// Without recent results, or the probe failed.
    Unknown,
}

impl HealthStatus {
    /// Each name in the API, and its status.
    pub const ALL: [(&'static str, Status); 3] =
        [("healthy", Status::Online), ("unhealthy", Status::Offline), ("unknown", Status::Unknown)];
}

impl From<Verdict> for HealthStatus {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up => Self::Healthy,
            Verdict::Partial | Verdict::Down => Self::Unhealthy,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl From<Status> for HealthStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Online => Self::Healthy,
            Status::Offline => Self::Unhealthy,
            _ => Self::Unknown,
        }
    }
}

/// `max_connections` in the public list, whose counts are percentages, as its consumers expect.
const FULL: u32 = 100;

impl NodeItem {
    /// The node as anybody may see it: counts of connections scaled to percent, contacts and network masked. `usual`: the load of
    /// nodes whose load was never measured.
    pub fn public(node: Node, usual: UsualUsage) -> Self {
        let usage = usual.shown(node.usage_percentage());
        Self { max_connections: FULL, current_connections: usage.round() as u32, ..Self::unmasked(node, usual) }
    }

    /// The node as the operator sees it.
    pub fn full(node: Node, spec: &PeerSpec, is_approved: bool, usual: UsualUsage) -> Self {
        let contacts = spec.contacts.clone();
        Self {
            is_approved,
            network_name: spec.network_name.clone(),
            qq_number: contacts.qq_number,
            wechat: contacts.wechat,
            mail: contacts.mail,
            ..Self::unmasked(node, usual)
        }
    }

    /// A node that waits for approval, as its submitter sees it.
    pub fn pending(node: Node) -> Self {
        Self { is_approved: false, ..Self::public(node, UsualUsage::default()) }
    }

    /// A [`Node`] holds no secret; the masked fields are in the operator's records only.
    fn unmasked(node: Node, usual: UsualUsage) -> Self {
        let (usage, health) = (node.usage_percentage(), node.health_percentage_24h());
        let counters = |count: fn(&Count) -> u32| node.ring.iter().map(count).collect::<Vec<u32>>();
        Self {
            id: node.id,
            host: node.url.host().map(ToString::to_string).unwrap_or_default(),
            port: node.url.port().unwrap_or(0),
            protocol: node.url.protocol().to_owned(),
            address: node.url.full(),
            version: node.version.as_deref().map(release).unwrap_or_default().to_owned(),
            max_connections: node.max_connections,
            current_connections: node.current_connections.unwrap_or_default(),
            is_active: matches!(node.verdict, Verdict::Up | Verdict::Partial),
            is_approved: true,
            allow_relay: node.allow_relay,
            relay_measured: node.relay.as_ref().map(|relay| relay.verdict),
            relay_checked_at: node.relay.as_ref().map(|relay| relay.checked_at),
            network_name: None,
            network_secret: (),
            created_at: node.created_at,
            updated_at: node.updated_at,
            usage_percentage: hundredths(usual.shown(usage)),
            usage_measured: usage.is_some(),
            current_health_status: node.verdict.into(),
            last_check_time: node.last_check_at,
            last_response_time: node.response_us,
            health_percentage_24h: hundredths(health),
            health_record_total_counter_ring: counters(|count| count.checks),
            health_record_healthy_counter_ring: counters(|count| count.healthy),
            ring_granularity: QUARTER.as_secs(),
            qq_number: None,
            wechat: None,
            mail: None,
            tags: node.tags.into_iter().map(Into::into).collect(),
            latitude: (),
            longitude: (),
            isp: (),
            maintenance: node.maintenance.map(Into::into),
            name: node.name,
            description: node.description,
        }
    }
}

/// The version without the commit: `2.6.4` of `2.6.4-8428a89d`.
fn release(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}

/// A percentage rounded to the hundredth.
pub fn hundredths(percentage: f64) -> f64 {
    (percentage * 100.0).round() / 100.0
}
