//! Use cases of the operator: regions.

use easytier_uptime_store::domain::{Region, RegionOverview, Timestamp};

use super::{Admin, ServiceError};

impl Admin {
    /// All regions, with what belongs to each.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn regions(&self) -> Result<Vec<RegionOverview>, ServiceError> {
        Ok(self.store.regions(Timestamp::now()).await?)
    }

    /// Gives a region another name; for 90 days its probes may call it by the name that it had.
    ///
    /// # Errors
    ///
    /// When there is no such region, another one has the new name, this instance belongs to a cluster, or the database fails. Then
    /// nothing is changed.
    pub async fn rename_region(&self, from: &Region, to: &Region) -> Result<(), ServiceError> {
        Ok(self.store.rename_region(from, to, Timestamp::now()).await?)
    }

    /// Removes a region with its probes, which are offline, and all their results.
    ///
    /// # Errors
    ///
    /// When there is no such region, it has probes that run, valid tokens or keys, or nodes that name it, this instance belongs to a
    /// cluster, or the database fails.
    pub async fn remove_region(&self, region: &Region) -> Result<(), ServiceError> {
        Ok(self.store.remove_region(region, Timestamp::now()).await?)
    }
}
