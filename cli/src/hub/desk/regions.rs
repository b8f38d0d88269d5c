//! The regions of a hub.

use easytier_uptime_store::domain::{Region, RegionOverview};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, DeskError, admin};

/// A region, as the API has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListedRegion {
    pub name: String,
    pub probes: u64,
    pub node_tokens: u64,
    pub enrollment_keys: u64,
    #[serde(rename(serialize = "named_by_peers", deserialize = "nodes"))]
    pub named: u64,
    #[serde(rename(serialize = "checked_peers", deserialize = "checked_nodes"))]
    pub checked: u64,
}

#[derive(Deserialize)]
struct Regions {
    regions: Vec<ListedRegion>,
}

impl From<RegionOverview> for ListedRegion {
    fn from(overview: RegionOverview) -> Self {
        let RegionOverview { region, probes, node_tokens, enrollment_keys, peers, checked_peers } = overview;
        Self { name: region.into(), probes, node_tokens, enrollment_keys, named: peers, checked: checked_peers }
    }
}

impl Desk {
    /// All regions.
    pub async fn regions(&self) -> Result<Vec<ListedRegion>, DeskError> {
        Ok(match self {
            Self::Here(store) => admin(store).regions().await?.into_iter().map(ListedRegion::from).collect(),
            Self::There(hub) => hub.get::<Regions>(&["admin", "regions"], &[]).await?.regions,
        })
    }

    /// Gives a region another name.
    pub async fn rename_region(&self, from: &Region, to: &Region) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).rename_region(from, to).await?,
            Self::There(hub) => hub.send(Method::PUT, &path(from), Some(&json!({ "name": to }))).await?,
        }
        Ok(())
    }

    /// Removes a region.
    pub async fn remove_region(&self, region: &Region) -> Result<(), DeskError> {
        match self {
            Self::Here(store) => admin(store).remove_region(region).await?,
            Self::There(hub) => hub.send(Method::DELETE, &path(region), None).await?,
        }
        Ok(())
    }
}

fn path(region: &Region) -> [&str; 3] {
    ["admin", "regions", region.as_str()]
}
