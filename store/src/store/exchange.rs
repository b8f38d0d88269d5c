//! Results between instances: what one reads to send it, and what another takes in.

use super::Store;
use crate::{
    domain::{ConfigVersion, ForeignBatch, ForeignResult, Receipt, Timestamp, Verdicts},
    error::StoreError,
};

impl Store {
    /// At most `limit` results in the rows after `row`, the oldest row first, and the row to go on from. When there are none
    /// it is `row` or a later one. `with_mirrored` says whether results that came from the primary are among them.
    ///
    /// No result is skipped: a row that another transaction has not committed yet ends the read.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn results_after(
        &self,
        row: i64,
        limit: u32,
        with_mirrored: bool,
    ) -> Result<(Vec<ForeignResult>, i64), StoreError> {
        let _ = (row, limit, with_mirrored);
        Err(StoreError::Unavailable)
    }

    /// Stores results of another instance, like [`Store::ingest`]. A probe or region that is not known yet is added.
    ///
    /// # Errors
    ///
    /// [`StoreError::Behind`] when a peer is unknown and the sender holds a newer configuration: nothing is stored, and the
    /// results should be sent again after a synchronisation. Otherwise like `ingest`.
    pub async fn ingest_foreign(&self, batch: ForeignBatch) -> Result<Receipt, StoreError> {
        let _ = batch;
        Err(StoreError::Unavailable)
    }

    /// The row up to which results are at the primary; 0 when none are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forwarded_row(&self) -> Result<i64, StoreError> {
        Err(StoreError::Unavailable)
    }

    /// Notes that results up to `row` are at the primary.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_forwarded_row(&self, row: i64) -> Result<(), StoreError> {
        let _ = row;
        Err(StoreError::Unavailable)
    }

    /// The position in the results of the primary up to which they are mirrored here, as [`Store::put_mirror_position`]
    /// stored it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mirror_position(&self) -> Result<Option<String>, StoreError> {
        Err(StoreError::Unavailable)
    }

    /// Stores the position up to which results of the primary are mirrored here, in a format of the caller; `None` for a new
    /// beginning.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_mirror_position(&self, position: Option<&str>) -> Result<(), StoreError> {
        let _ = position;
        Err(StoreError::Unavailable)
    }

    /// What this instance knows about the shared peers and their probes. It belongs to the results up to the row that
    /// [`Store::results_after`] returned before the call, or to later ones.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn verdicts(&self) -> Result<Verdicts, StoreError> {
        Err(StoreError::Unavailable)
    }

    /// Adopts what another instance knows, where it is newer than what is known here. Its clock is `ahead_ms` milliseconds
    /// ahead of this hub's. Returns how many peers changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn adopt_verdicts(&self, verdicts: &Verdicts, ahead_ms: i64, now: Timestamp) -> Result<u64, StoreError> {
        let _ = (verdicts, ahead_ms, now);
        Err(StoreError::Unavailable)
    }

    /// The version of the configuration that this instance holds: what its listings name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn held_config(&self) -> Result<ConfigVersion, StoreError> {
        Err(StoreError::Unavailable)
    }

    /// Whether somebody who names this version knows a newer configuration than this instance, so that what is unknown here
    /// may be known soon. A dependent is behind a newer version, a primary behind a later epoch, and a standalone instance
    /// never.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_behind(&self, named: ConfigVersion) -> Result<bool, StoreError> {
        let _ = named;
        Err(StoreError::Unavailable)
    }
}
