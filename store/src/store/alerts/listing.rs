//! Messages, as the operator sees them.

use uuid::Uuid;

use crate::{
    db::{args, sql},
    domain::{ChannelId, Delivery, DeliveryState, Timestamp},
    error::StoreError,
    store::{Store, rows},
};

/// The columns of a [`DeliveryRow`], and where they come from.
macro_rules! deliveries {
    ($engine:ident) => {
        "d.seq, d.id, d.channel_id, c.name AS channel_name, d.message, d.created_at, d.due_at, d.attempts, d.state, d.done_at, \
         d.error FROM alert_deliveries d LEFT JOIN channels c ON c.id = d.channel_id"
    };
}

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    seq: i64,
    id: String,
    channel_id: ChannelId,
    channel_name: Option<String>,
    message: String,
    created_at: Timestamp,
    due_at: Timestamp,
    attempts: i64,
    state: String,
    done_at: Option<Timestamp>,
    error: Option<String>,
}

impl DeliveryRow {
    fn into_delivery(self) -> Result<Delivery, StoreError> {
        let corrupt = |column: &str| StoreError::Corrupt(format!("alert_deliveries.{column} of {}", self.seq));
        Ok(Delivery {
            id: self.id.parse().map_err(|_| corrupt("id"))?,
            state: DeliveryState::from_name(&self.state).ok_or_else(|| corrupt("state"))?,
            seq: self.seq,
            channel: self.channel_id,
            channel_name: self.channel_name,
            message: self.message,
            created_at: self.created_at,
            due_at: self.due_at,
            attempts: rows::count(self.attempts),
            done_at: self.done_at,
            error: self.error,
        })
    }
}

impl Store {
    /// At most `limit` messages, the newest first: all, or those in a state; and only those before `before` in their order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let select = sql!(
            "SELECT ",
            (deliveries),
            " WHERE ($1 IS NULL OR d.state = $1) AND d.seq < $2 ORDER BY d.seq DESC LIMIT $3"
        );
        let parameters = args![state.map(DeliveryState::as_str), before.unwrap_or(i64::MAX), i64::from(limit.max(1))];
        let rows: Vec<DeliveryRow> = self.db().all(select, parameters).await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }

    /// The message with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delivery(&self, id: Uuid) -> Result<Option<Delivery>, StoreError> {
        let select = sql!("SELECT ", (deliveries), " WHERE d.id = $1");
        let rows: Vec<DeliveryRow> = self.db().all(select, args![id.to_string()]).await?;
        rows.into_iter().next().map(DeliveryRow::into_delivery).transpose()
    }

    /// The newest message of each channel that has any.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_deliveries(&self) -> Result<Vec<Delivery>, StoreError> {
        let select = sql!(
            "SELECT ",
            (deliveries),
            " WHERE d.seq IN (SELECT max(seq) FROM alert_deliveries GROUP BY channel_id)"
        );
        let rows: Vec<DeliveryRow> = self.db().all(select, vec![]).await?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }
}
