//! Figures about this hub: counts of peers, use of the disk.

use super::{Store, rows, watched::is_watched};
use crate::{
    db::{args, disk, sql},
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

    /// How many peers are checked by these regions only, and about how many of them nothing current is known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_peers_only_of(&self, regions: &[String]) -> Result<(u64, u64), StoreError> {
        let select = sql!(
            "SELECT count(*), count(CASE WHEN s.verdict = $2 THEN 1 END) FROM peers p JOIN peer_states s ON s.peer_id = p.id WHERE ",
            (is_watched),
            " AND EXISTS (SELECT 1 FROM peer_regions pr WHERE pr.peer_id = p.id) AND NOT EXISTS (SELECT 1 FROM peer_regions pr \
             JOIN regions r ON r.id = pr.region_id WHERE pr.peer_id = p.id AND NOT r.name ",
            (in 1),
            ")"
        );
        let parameters = args![regions.to_vec(), Verdict::Unknown as i64];
        let (all, unknown): (i64, i64) = self.db().one(select, parameters).await?;
        Ok((rows::count(all), rows::count(unknown)))
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
