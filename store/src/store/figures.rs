//! Counts of peers, for the hub's own metrics.

use super::{Store, rows, watched::is_watched};
use crate::{db::sql, domain::Verdict, error::StoreError};

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
}
