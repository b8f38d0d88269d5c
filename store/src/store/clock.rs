//! The comparison of the hub's clock with the database's.

use super::Store;
use crate::{
    db::Db,
    domain::{ClockDifference, Timestamp},
    error::StoreError,
};

impl Store {
    /// Compares `clock`, that of the hub, with the clock of the database. A SQLite database has none of its own.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn compare_clocks(&self, clock: impl Fn() -> Timestamp) -> Result<ClockDifference, StoreError> {
        let Db::Postgres(..) = self.db() else { return Ok(ClockDifference::default()) };
        let before = clock();
        let select = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        let (reading,): (Timestamp,) = self.db().one(select, vec![]).await?;
        let difference = ClockDifference::of(reading, before, clock());
        self.shared.clock.send_replace(difference);
        Ok(difference)
    }

    /// The result of the last comparison.
    pub fn clock_difference(&self) -> ClockDifference {
        *self.shared.clock.borrow()
    }
}
