//! A node as each region sees it, and the consensus of all.

use axum::extract::State;
use easytier_probe::Relay;
use easytier_uptime_store::{
    Store,
    domain::{CheckStats, Doubt, LatestResult, Node, RegionRelay, RegionReport, RegionStatus, Timestamp, Verdict},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    TAG,
    item::{HealthStatus, hundredths},
    locations::{LocationFigures, Locations, Names},
    modes::Modes,
};
use crate::{
    InstanceName, OwnProbe,
    envelope::{Answer, PublicEnvelope, PublicRefusal},
    input::Path,
    parameter::NodePath,
};

/// A node as all regions see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sides)]
pub(super) struct NodeRegions {
    consensus: Consensus,
    /// In the order of their names.
    regions: Vec<RegionView>,
    modes: Modes,
    #[serde(flatten)]
    locations: Locations,
}

/// The consensus of the regions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Consensus {
    /// Counts the regions with a recent result: `up` when more than half of them see the node online, `partial` when
    /// fewer do, `down` when none does, `unknown` when there are none.
    #[schema(value_type = String, example = "up")]
    verdict: Verdict,
    /// Since when the verdict holds.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    status: HealthStatus,
    is_active: bool,
    /// Microseconds: the median over fresh regions.
    response_time: Option<i64>,
    #[serde(flatten)]
    locations: LocationFigures,
}

impl Consensus {
    fn of(node: &Node, reports: &[RegionReport]) -> Self {
        Self {
            verdict: node.verdict,
            since: node.since,
            status: node.verdict.into(),
            is_active: matches!(node.verdict, Verdict::Up | Verdict::Partial),
            response_time: node.response_us,
            locations: LocationFigures::of(reports),
        }
    }
}

/// A node as one region sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Side)]
pub(super) struct RegionView {
    region: String,
    /// The region's current status; `unknown` without a recent result, and while there is a `doubt`.
    status: HealthStatus,
    /// Why the region does not count here; null when it does.
    doubt: Option<RegionDoubt>,
    /// Over the last 24 hours.
    stats: RegionChecks,
    latest: Latest,
    /// Whether the region found that the node relays data between two guests; null when it never tested that.
    relay: Option<RegionRelaying>,
}

/// What a region found, whether the node relays data between two guests. A test that failed replaces another verdict after a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegionRelaying {
    #[schema(value_type = String, example = "ok")]
    verdict: Relay,
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    /// Microseconds: from one guest to the other and back.
    round_trip: Option<i64>,
    /// Why it is not `ok`.
    reason: Option<String>,
}

impl From<RegionRelay> for RegionRelaying {
    fn from(relay: RegionRelay) -> Self {
        let RegionRelay { verdict, measured_at, round_trip_us, reason, .. } = relay;
        Self { verdict, checked_at: measured_at, round_trip: round_trip_us, reason }
    }
}

/// Most nodes of the region turned offline at once while other regions saw them, this node among them. The next result of
/// the region confirms or removes that.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegionDoubt {
    /// Nodes that turned offline, which does not count yet.
    turned_offline: usize,
    /// Nodes that the region has recent results for, these included.
    nodes: usize,
}

impl From<Doubt> for RegionDoubt {
    fn from(Doubt { turned, nodes }: Doubt) -> Self {
        Self { turned_offline: turned, nodes }
    }
}

/// Checks of one region; latencies in microseconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SideStats)]
pub(super) struct RegionChecks {
    total_checks: u64,
    healthy_count: u64,
    health_percentage: f64,
    average_response_time: Option<i64>,
    min_response_time: Option<i64>,
    max_response_time: Option<i64>,
}

/// The newest result of a region; latencies in microseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Latest {
    #[schema(value_type = String, format = DateTime)]
    checked_at: Timestamp,
    status: HealthStatus,
    response_time: Option<i64>,
    min_response_time: Option<i64>,
    max_response_time: Option<i64>,
    /// The last stage of the check that was reached.
    #[schema(example = "route")]
    stage: Option<&'static str>,
    #[schema(example = "connect_refused")]
    error: Option<&'static str>,
    message: Option<String>,
    version: Option<String>,
    hostname: Option<String>,
    /// Networks on the node, sessions of probes included.
    network_count: Option<u32>,
    #[schema(value_type = Option<String>, example = "ok")]
    relay: Option<Relay>,
    relay_error: Option<String>,
}

impl From<RegionReport> for RegionView {
    fn from(report: RegionReport) -> Self {
        let status = match report.status {
            Some(RegionStatus::Online) => HealthStatus::Healthy,
            Some(RegionStatus::Offline) => HealthStatus::Unhealthy,
            None => HealthStatus::Unknown,
        };
        Self {
            region: report.region.into(),
            status,
            doubt: report.doubt.map(RegionDoubt::from),
            stats: report.stats.into(),
            latest: report.latest.into(),
            relay: report.relay.map(RegionRelaying::from),
        }
    }
}

impl From<CheckStats> for RegionChecks {
    fn from(stats: CheckStats) -> Self {
        Self {
            total_checks: stats.total_checks,
            healthy_count: stats.healthy_count,
            health_percentage: hundredths(stats.health_percentage()),
            average_response_time: stats.average_response_us,
            min_response_time: stats.min_response_us,
            max_response_time: stats.max_response_us,
        }
    }
}

/// Leaves out the probe: only the operator may know which probe is in which region.
impl From<LatestResult> for Latest {
    fn from(latest: LatestResult) -> Self {
        Self {
            checked_at: latest.checked_at,
            status: latest.status.into(),
            response_time: latest.response_us,
            min_response_time: latest.min_us,
            max_response_time: latest.max_us,
            stage: latest.stage.map(|stage| stage.as_str()),
            error: latest.error.map(|code| code.as_str()),
            message: latest.message,
            version: latest.version,
            hostname: latest.hostname,
            network_count: latest.network_count,
            relay: latest.relay,
            relay_error: latest.relay_error,
        }
    }
}

/// The last result and the last day of each region, the consensus of all, and what each mode of checking last said.
#[utoipa::path(
    get, path = "/api/nodes/{id}/regions", tag = TAG, operation_id = "node_regions",
    params(NodePath),
    responses(
        (status = OK, body = PublicEnvelope<NodeRegions>),
        (status = BAD_REQUEST, body = PublicRefusal),
        (status = NOT_FOUND, body = PublicRefusal),
    ),
)]
pub(super) async fn regions(
    State(store): State<Store>,
    State(InstanceName(own)): State<InstanceName>,
    State(own_probe): State<OwnProbe>,
    Path(NodePath { id }): Path<NodePath>,
) -> Answer<PublicEnvelope<NodeRegions>> {
    let now = Timestamp::now();
    let node = store.node(id, now).await?;
    let reports = store.node_regions(id, now).await?;
    let names = Names::read(&store, own.as_deref()).await?;
    let requested = store.requested_answers(id).await?;
    Ok(PublicEnvelope::of(NodeRegions {
        modes: Modes::of(own_probe.name(), &reports, node.relay.as_ref(), &requested),
        consensus: Consensus::of(&node, &reports),
        locations: Locations::of(node.verdict, &reports, &names),
        regions: reports.into_iter().map(RegionView::from).collect(),
    }))
}
