//! Figures about all that is kept, for the hub's own metrics.

use super::{Store, StoreError, rows};
use crate::consensus::Verdict;

impl Store {
    /// How many approved peers there are of each verdict.
    pub async fn count_peers(&self) -> Result<Vec<(Verdict, u64)>, StoreError> {
        let select = "SELECT s.verdict, count(*) FROM peers p JOIN peer_states s ON s.peer_id = p.id \
                      WHERE p.approved GROUP BY s.verdict";
        let counted: Vec<(i64, i64)> = self.db().all(select, vec![]).await?;
        let of = |verdict: Verdict| counted.iter().find(|(code, _)| *code == verdict as i64).map_or(0, |(_, n)| *n);
        Ok(Verdict::ALL.into_iter().map(|verdict| (verdict, rows::count(of(verdict)))).collect())
    }
}
