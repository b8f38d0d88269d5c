//! The messages that wait: which hub sends which, and how that ended.
//!
//! A message is claimed for a while by one hub. When the hub ends within that time, another one claims it afterwards and knows
//! that an attempt was interrupted. The messages of a channel are sent one after another, in order; after some failed attempts a
//! message does not hold up those behind it any more.

use std::time::Duration;

use uuid::Uuid;

use super::channels::{ChannelRow, channel_columns};
use crate::{
    db::{args, sql, work},
    domain::{AuditObject, AuditVerb, ClaimedDelivery, DeliveryEnd, Timestamp},
    error::StoreError,
    store::{
        Store,
        audit::{self, Change},
        rows,
    },
};

/// How many attempts at a message hold up the messages behind it.
const HOLDS_UP: i64 = 6;

/// How long messages are kept that were sent or failed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(sqlx::FromRow)]
struct DueRow {
    seq: i64,
    delivery: String,
    message: String,
    attempts: i64,
    interrupted: bool,
    planned_at: Timestamp,
    #[sqlx(flatten)]
    channel: ChannelRow,
}

impl Store {
    /// Claims messages that are due, at most one for each enabled channel, and nobody's but this caller's until `lease` is over.
    /// `now` is a time of this hub's clock, which is to differ little from that of the others. A dependent gets none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_deliveries(&self, lease: Duration, now: Timestamp) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let due = sql!(
            "SELECT d.seq, d.id AS delivery, d.message, d.attempts, d.leased_by IS NOT NULL AS interrupted, \
             d.created_at AS planned_at, ",
            (channel_columns),
            " FROM alert_deliveries d JOIN channels c ON c.id = d.channel_id WHERE d.seq IN (\
             SELECT min(w.seq) FROM alert_deliveries w WHERE w.state = 'waiting' AND w.due_at <= $1 AND w.leased_until <= $1 \
             AND NOT EXISTS (SELECT 1 FROM alert_deliveries o WHERE o.channel_id = w.channel_id AND o.state = 'waiting' \
             AND (o.leased_until > $1 OR (o.seq < w.seq AND o.due_at > $1 AND o.attempts < $2))) GROUP BY w.channel_id) \
             AND c.enabled AND EXISTS (SELECT 1 FROM instance WHERE role <> 'dependent') ORDER BY d.seq"
        );
        let due: Vec<DueRow> = self.db().all(due, args![now, HOLDS_UP]).await?;
        let mut claimed = Vec::new();
        for row in due {
            let token = Uuid::new_v4().to_string();
            let claim = "UPDATE alert_deliveries SET attempts = attempts + 1, leased_until = $3, leased_by = $4 \
                         WHERE seq = $1 AND state = 'waiting' AND leased_until <= $2 AND attempts = $5";
            let parameters = args![row.seq, now, now + lease, token.as_str(), row.attempts];
            if self.db().execute(claim, parameters).await? == 0 {
                continue;
            }
            let corrupt = || StoreError::Corrupt(format!("alert_deliveries.id of {}", row.seq));
            claimed.push(ClaimedDelivery {
                id: row.delivery.parse().map_err(|_| corrupt())?,
                channel: row.channel.into_channel(&self.shared.key)?,
                message: row.message,
                attempts: rows::count(row.attempts),
                interrupted: row.interrupted,
                created_at: row.planned_at,
                token,
            });
        }
        Ok(claimed)
    }

    /// Stores how an attempt ended. Returns false when the message is not this caller's any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_delivery(
        &self,
        delivery: &ClaimedDelivery,
        end: &DeliveryEnd,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = "UPDATE alert_deliveries SET state = $3, due_at = coalesce($4, due_at), error = $5, done_at = $6, \
                      leased_until = 0, leased_by = NULL WHERE id = $1 AND leased_by = $2 AND state = 'waiting'";
        let (state, due_at, error, done_at) = match end {
            DeliveryEnd::Sent => ("sent", None, None, Some(now)),
            DeliveryEnd::Retry(at, why) => ("waiting", Some(*at), Some(why.as_str()), None),
            DeliveryEnd::Failed(why) => ("failed", None, Some(why.as_str()), Some(now)),
        };
        let error = error.map(rows::without_nul);
        let parameters = &args![delivery.id.to_string(), delivery.token.as_str(), state, due_at, error, done_at];
        let changed = self.db().transaction(|tx| work(async move { tx.execute(update, parameters.clone()).await }));
        Ok(changed.await? > 0)
    }

    /// Has a message sent again that failed.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when none with this id failed; otherwise when the database fails.
    pub async fn repeat_delivery(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE alert_deliveries SET state = 'waiting', due_at = $2, created_at = $2, attempts = 0, done_at = NULL \
                      WHERE id = $1 AND state = 'failed'";
        let change = Change::of(AuditObject::Message, AuditVerb::Repeat).id(id);
        audit::change_one(self.db(), update, args![id.to_string(), now], "failed message", change).await
    }

    /// Deletes messages that ended long ago, and mutes that are over.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_deliveries(&self, now: Timestamp) -> Result<u64, StoreError> {
        let old = "DELETE FROM alert_deliveries WHERE state <> 'waiting' AND done_at < $1";
        let deleted = self.db().execute(old, args![now - KEPT]).await?;
        self.db().execute("DELETE FROM alert_mutes WHERE until < $1", args![now - KEPT]).await?;
        Ok(deleted)
    }
}
