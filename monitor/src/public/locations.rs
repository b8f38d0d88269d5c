//! A node as each location sees it, in the form in which instances of a cluster are compared. Its names are in camelCase, and its
//! times in milliseconds.

use std::collections::BTreeMap;

use easytier_uptime_store::{
    Store, StoreError,
    domain::{Instance, InstanceId, Member, RegionReport, RegionStatus, Timestamp, Verdict},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::item::hundredths;

/// The locations that a node is seen from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Locations {
    /// By the verdict `up`, `down` or `partial`; null when it is unknown.
    pub aggregated_status: Option<Aggregated>,
    /// Healthy checks of all regions in the last 24 hours, in percent; null without any check.
    pub aggregated_uptime: Option<f64>,
    /// By the id of the instance whose own probe last checked, or by the name of the region when that was another probe.
    pub location_data: BTreeMap<String, Location>,
}

/// The status of a node over all locations.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Aggregated {
    /// Most locations see it online.
    Up,
    /// No location sees it online.
    Down,
    /// Some locations see it online.
    Partial,
}

/// The status of a node at one location.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum UpDown {
    /// Online.
    Up,
    /// Offline.
    Down,
}

/// A node as one location sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The region.
    pub location: String,
    /// Null without a recent result, and while there is a `doubt`.
    pub status: Option<UpDown>,
    /// Milliseconds: the median round trip of the last check.
    pub response_time: Option<f64>,
    /// When it was last checked from there.
    #[schema(value_type = String, format = DateTime)]
    pub last_checked: Timestamp,
    /// Null when no instance's own probe checked.
    pub instance_name: Option<String>,
}

/// How many locations see the node, and how fast it answers them; round trips in milliseconds.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationFigures {
    /// Locations with a recent result.
    pub total_locations: usize,
    /// Those of them that see the node online.
    pub successful_locations: usize,
    /// Of the last checks of those that see it online.
    pub average_response_time: Option<f64>,
    /// The shortest of them.
    pub min_response_time: Option<f64>,
    /// The longest of them.
    pub max_response_time: Option<f64>,
}

/// The instances of the cluster by the names of their own probes.
pub struct Names(BTreeMap<String, InstanceId>);

impl Names {
    /// Reads them. `own`: the name of this instance.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn read(store: &Store, own: Option<&str>) -> Result<Self, StoreError> {
        Ok(Self::of(&store.instance().await?, own, &store.members().await?))
    }

    /// The instance of which this is the own probe, and its name.
    pub fn of_probe(&self, server_id: &str) -> Option<(&str, InstanceId)> {
        self.0.get_key_value(server_id).map(|(name, id)| (name.as_str(), *id))
    }

    fn of(instance: &Instance, own: Option<&str>, members: &[Member]) -> Self {
        let others = members.iter().map(|member| (member.name.clone(), member.id));
        let own = own.map(|name| (name.to_owned(), instance.id));
        // Names may be there twice; then this instance's own counts.
        Self(others.chain(own).collect())
    }
}

impl Locations {
    /// The locations in the reports of the regions.
    pub fn of(verdict: Verdict, reports: &[RegionReport], names: &Names) -> Self {
        let total: u64 = reports.iter().map(|report| report.stats.total_checks).sum();
        let healthy: u64 = reports.iter().map(|report| report.stats.healthy_count).sum();
        Self {
            aggregated_status: match verdict {
                Verdict::Unknown => None,
                Verdict::Down => Some(Aggregated::Down),
                Verdict::Partial => Some(Aggregated::Partial),
                Verdict::Up => Some(Aggregated::Up),
            },
            aggregated_uptime: (total > 0).then(|| hundredths(healthy as f64 * 100.0 / total as f64)),
            location_data: reports.iter().map(|report| location(report, names)).collect(),
        }
    }
}

/// A probe that is no instance's own is not named: only the operator may know which probe is in which region.
fn location(report: &RegionReport, names: &Names) -> (String, Location) {
    let region = report.region.to_string();
    let instance = names.of_probe(&report.latest.server_id);
    let key = instance.map_or_else(|| region.clone(), |(_, id)| id.to_string());
    let location = Location {
        location: region,
        status: report.status.map(|status| match status {
            RegionStatus::Online => UpDown::Up,
            RegionStatus::Offline => UpDown::Down,
        }),
        response_time: report.latest.response_us.map(millis),
        last_checked: report.latest.checked_at,
        instance_name: instance.map(|(name, _)| name.to_owned()),
    };
    (key, location)
}

impl LocationFigures {
    /// The figures of the regions with a recent result.
    pub fn of(reports: &[RegionReport]) -> Self {
        let online = |report: &&RegionReport| report.status == Some(RegionStatus::Online);
        let times: Vec<f64> =
            reports.iter().filter(online).filter_map(|report| report.latest.response_us).map(millis).collect();
        Self {
            total_locations: reports.iter().filter(|report| report.status.is_some()).count(),
            successful_locations: reports.iter().filter(online).count(),
            average_response_time: (!times.is_empty())
                .then(|| (times.iter().sum::<f64>() / times.len() as f64 * 1000.0).round() / 1000.0),
            min_response_time: times.iter().copied().reduce(f64::min),
            max_response_time: times.iter().copied().reduce(f64::max),
        }
    }
}

fn millis(micros: i64) -> f64 {
    micros as f64 / 1000.0
}
