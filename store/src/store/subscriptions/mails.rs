//! The mails to visitors that wait: which hub sends which, and how that ended. A mail that was sent, or that is given up, is deleted.

use std::time::Duration;

use uuid::Uuid;

use super::ADDRESS_PLACE;
use crate::{
    db::{args, sql, work},
    domain::{ClaimedMail, DeliveryEnd, Timestamp},
    error::StoreError,
    store::{Store, rows},
};

/// How many attempts at a mail hold up the mails to the same mailbox behind it.
const HOLDS_UP: i64 = 6;

#[derive(sqlx::FromRow)]
struct DueRow {
    seq: i64,
    id: String,
    message: String,
    attempts: i64,
    created_at: Timestamp,
    address: Vec<u8>,
}

impl Store {
    /// Claims at most `limit` mails that are due, at most one for each mailbox, the oldest first, and nobody's but this caller's
    /// until `lease` is over. `now` is a time of this hub's clock. A dependent gets none.
    ///
    /// # Errors
    ///
    /// When the database fails, or an address cannot be decrypted.
    pub async fn claim_mails(
        &self,
        lease: Duration,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        let due = sql!(
            "SELECT m.seq, m.id, m.message, m.attempts, m.created_at, v.address FROM subscription_mails m \
             JOIN subscribers v ON v.id = m.subscriber_id WHERE m.due_at <= $1 AND m.leased_until <= $1 \
             AND NOT EXISTS (SELECT 1 FROM subscription_mails o WHERE o.subscriber_id = m.subscriber_id \
             AND (o.leased_until > $1 OR (o.seq < m.seq AND (o.due_at <= $1 OR o.attempts < $2)))) \
             AND EXISTS (SELECT 1 FROM instance WHERE role <> 'dependent') ORDER BY m.seq LIMIT $3"
        );
        let due: Vec<DueRow> = self.db().all(due, args![now, HOLDS_UP, limit]).await?;
        let mut claimed = Vec::new();
        for row in due {
            let token = Uuid::new_v4().to_string();
            let claim = "UPDATE subscription_mails SET attempts = attempts + 1, leased_until = $3, leased_by = $4 \
                         WHERE seq = $1 AND leased_until <= $2 AND attempts = $5";
            let parameters = args![row.seq, now, now + lease, token.as_str(), row.attempts];
            if self.db().execute(claim, parameters).await? == 0 {
                continue;
            }
            claimed.push(ClaimedMail {
                id: row.id.parse().map_err(|_| StoreError::Corrupt(format!("subscription_mails.id of {}", row.seq)))?,
                address: self.shared.key.open(ADDRESS_PLACE, &row.address)?,
                message: row.message,
                attempts: rows::count(row.attempts),
                created_at: row.created_at,
                token,
            });
        }
        Ok(claimed)
    }

    /// Stores how an attempt ended. Returns false when the mail is not this caller's any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_mail(&self, mail: &ClaimedMail, end: &DeliveryEnd) -> Result<bool, StoreError> {
        let (statement, due_at) = match end {
            DeliveryEnd::Sent | DeliveryEnd::Failed(_) => {
                ("DELETE FROM subscription_mails WHERE id = $1 AND leased_by = $2", None)
            }
            DeliveryEnd::Retry(at, _) => (
                "UPDATE subscription_mails SET due_at = $3, leased_until = 0, leased_by = NULL \
                 WHERE id = $1 AND leased_by = $2",
                Some(*at),
            ),
        };
        let mut parameters = args![mail.id.to_string(), mail.token.as_str()];
        parameters.extend(due_at.map(Into::into));
        let parameters = &parameters;
        let changed = self.db().transaction(|tx| work(async move { tx.execute(statement, parameters.clone()).await }));
        Ok(changed.await? > 0)
    }
}
