//! What instances share: capturing what changed here, and adopting what changed elsewhere.

use std::sync::Arc;

use super::Store;
use crate::{
    domain::{Adopted, LostChange, MergePartner, SharedConfig, Timestamp},
    error::StoreError,
};

impl Store {
    /// Everything that this instance shares. What changed since the last call gets its version first, whoever changed it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn shared_config(&self, _now: Timestamp) -> Result<Arc<SharedConfig>, StoreError> {
        Ok(Arc::default())
    }

    /// Merges the configuration of another instance into this one, object by object: the higher version wins. Both have the
    /// same afterwards, when each has adopted the configuration of the other.
    ///
    /// # Errors
    ///
    /// [`Conflict::OlderConfiguration`](crate::Conflict::OlderConfiguration) when it is the primary's, but older than what
    /// this instance holds: then nothing changes. Otherwise when the database fails.
    pub async fn adopt(
        &self,
        _theirs: &SharedConfig,
        _from: MergePartner,
        _now: Timestamp,
    ) -> Result<Adopted, StoreError> {
        Ok(Adopted::default())
    }

    /// What was changed here and lost to a higher version, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lost_changes(&self, _limit: u32) -> Result<Vec<LostChange>, StoreError> {
        Ok(Vec::new())
    }
}
