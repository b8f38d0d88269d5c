//! Figures about this hub: counts of peers, use of the disk.

use super::{Store, rows, watched::is_watched};
use crate::{
    db::{disk, sql},
    domain::Verdict,
    error::StoreError,
};

impl Store {
    /// How many approved peers have each verdict; every verdict is listed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_peers(&self) -> Result<Vec<(Verdict, u64)>, StoreError> {
        let select = sql!(
            "SELECT s.verdict, count(*) FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
            (is_watched),
            " GROUP BY s.verdict"
        );
        let counts: Vec<(i64, i64)> = self.db().all(select, vec![]).await?;
        let of = |verdict: Verdict| counts.iter().find(|(code, _)| *code == verdict as i64).map_or(0, |(_, n)| *n);
        Ok(Verdict::ALL.into_iter().map(|verdict| (verdict, rows::count(of(verdict)))).collect())
    }

    /// How many peers are checked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn watched_peers(&self) -> Result<u64, StoreError> {
        let select = "SELECT count(*) FROM peers WHERE approved AND NOT set_aside";
        self.db().one::<(i64,)>(select, vec![]).await.map(|(count,)| rows::count(count))
    }

    /// Percentage of the disk with the database's file that is in use; `None` when it cannot be told, and on PostgreSQL.
    pub async fn disk_usage(&self) -> Option<f64> {
        let file = self.shared.file.clone()?;
        tokio::task::spawn_blocking(move || disk::usage(&file)).await.ok().flatten()
    }
}
