//! What probes answered lately, when checks of a peer were requested.

use super::Store;
use crate::{
    db::args,
    domain::{MAX_VANTAGES, PeerId, RequestedAnswer, Timestamp},
    error::StoreError,
};

/// The maximum number of answers that are read: those to ten requests from everywhere.
const MAX_ANSWERS: i64 = 10 * MAX_VANTAGES as i64;

#[derive(sqlx::FromRow)]
struct AnswerRow {
    server_id: String,
    region: String,
    requested_at: Timestamp,
    result: String,
}

impl Store {
    /// What probes answered to requests of an approved peer, the newest request first; since the peer was changed, if it was
    /// another one before. Requests are kept for an hour.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no approved peer with this id; otherwise when the database fails.
    pub async fn requested_answers(&self, id: PeerId) -> Result<Vec<RequestedAnswer>, StoreError> {
        let since = self.target_since(id).await?;
        let select = "SELECT r.server_id, r.region, c.requested_at, r.result FROM requested_checks c \
                      JOIN requested_runs r ON r.check_id = c.id WHERE c.peer_id = $1 AND c.requested_at >= $2 \
                      AND r.result IS NOT NULL ORDER BY c.requested_at DESC, r.nth LIMIT $3";
        let rows: Vec<AnswerRow> = self.db().all(select, args![id, since, MAX_ANSWERS]).await?;
        rows.into_iter().map(AnswerRow::into_answer).collect()
    }
}

impl AnswerRow {
    fn into_answer(self) -> Result<RequestedAnswer, StoreError> {
        let corrupt = |column| StoreError::Corrupt(format!("requested_runs.{column}"));
        Ok(RequestedAnswer {
            server_id: self.server_id,
            region: self.region.parse().map_err(|_| corrupt("region"))?,
            requested_at: self.requested_at,
            result: serde_json::from_str(&self.result).map_err(|_| corrupt("result"))?,
        })
    }
}
