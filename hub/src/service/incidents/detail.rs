//! What the store keeps of incidents as text.

use std::collections::BTreeMap;

use easytier_uptime_alerts::Cause;
use easytier_uptime_store::domain::{Incident, RegionStatus, Sight};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many regions an entry lists.
const MAX_REGIONS: usize = 20;

/// What an entry of a timeline says, besides its kind, its nodes and the operator's words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The verdict that nodes came to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// How many nodes it is about.
    pub nodes: u64,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the regions saw.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionSight>,
}

impl Detail {
    /// The detail of an entry; an empty one if a newer hub wrote it.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// What a region saw of the nodes of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionSight {
    /// The region.
    pub region: String,
    /// How many of them it saw online.
    pub online: u64,
    /// How many of them it saw offline.
    pub offline: u64,
    /// The stage at which most of its checks failed.
    #[schema(example = "connect")]
    pub stage: Option<String>,
    /// Why most of its checks failed.
    #[schema(example = "connect_timeout")]
    pub code: Option<String>,
}

/// What one region sees.
#[derive(Default)]
struct View<'a> {
    online: u64,
    offline: u64,
    /// Failed checks, one of each kind, and how many there are.
    failures: Vec<(&'a Sight, u64)>,
}

impl<'a> View<'a> {
    fn add(&mut self, sight: &'a Sight) {
        if sight.status == RegionStatus::Online {
            self.online += 1;
            return;
        }
        self.offline += 1;
        match self.failures.iter_mut().find(|(one, _)| (one.stage, one.code) == (sight.stage, sight.code)) {
            Some((_, count)) => *count += 1,
            None => self.failures.push((sight, 1)),
        }
    }

    fn into_sight(self, region: String) -> RegionSight {
        let most = self.failures.iter().max_by_key(|(_, count)| *count).map(|(sight, _)| *sight);
        RegionSight {
            region,
            online: self.online,
            offline: self.offline,
            stage: most.and_then(|sight| sight.stage).map(|stage| stage.as_str().to_owned()),
            code: most.and_then(|sight| sight.code).map(|code| code.as_str().to_owned()),
        }
    }
}

/// What each region sees of some nodes.
pub fn seen_by_regions<'a>(sights: impl Iterator<Item = &'a Sight>) -> Vec<RegionSight> {
    let mut regions: BTreeMap<String, View<'a>> = BTreeMap::new();
    for sight in sights {
        regions.entry(sight.region.to_string()).or_default().add(sight);
    }
    regions.into_iter().take(MAX_REGIONS).map(|(region, view)| view.into_sight(region)).collect()
}

/// What the nodes of an incident have in common; `None` without, and for what only a newer hub knows.
pub fn cause(incident: &Incident) -> Option<Cause> {
    serde_json::from_str(incident.cause.as_deref()?).ok()
}

/// How far an incident is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Some of its nodes are not well.
    Open,
    /// All its nodes are well, but not yet for long enough.
    Recovering,
    /// It is over.
    Closed,
}

/// How far an incident is.
pub fn state(incident: &Incident) -> IncidentState {
    match (incident.closed_at, incident.well_at) {
        (Some(_), _) => IncidentState::Closed,
        (None, Some(_)) => IncidentState::Recovering,
        (None, None) => IncidentState::Open,
    }
}
