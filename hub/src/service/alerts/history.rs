//! What was sent, what waits, and what failed.

use easytier_uptime_alerts::Message;
use easytier_uptime_store::domain::{Delivery, DeliveryState, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Alerts;
use crate::service::ServiceError;

/// How many messages are listed at a time at most.
pub const MAX_LISTED: u32 = 500;

/// A message, for one channel.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Its place in the order of messages.
    pub seq: i64,
    /// The idempotency key with which it is sent.
    pub id: Uuid,
    /// The name of the channel; null when it was removed.
    pub channel: Option<String>,
    /// `waiting`, `sent`, `failed`, or `dropped` because its channel was removed.
    pub state: String,
    /// The title of the message.
    pub title: String,
    /// The message.
    #[schema(value_type = Object)]
    pub message: Option<Message>,
    /// When it was planned.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the next attempt is due, while it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// How many attempts there were.
    pub attempts: u32,
    /// When it was sent, failed or was dropped.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl DeliveryView {
    fn of(delivery: Delivery) -> Self {
        let message: Option<Message> = serde_json::from_str(&delivery.message).ok();
        Self {
            seq: delivery.seq,
            id: delivery.id,
            channel: delivery.channel_name,
            state: delivery.state.as_str().to_owned(),
            title: message.as_ref().map(|message| message.title.clone()).unwrap_or_default(),
            message,
            created_at: delivery.created_at,
            due_at: (delivery.state == DeliveryState::Waiting).then_some(delivery.due_at),
            attempts: delivery.attempts,
            done_at: delivery.done_at,
            error: delivery.error,
        }
    }
}

impl Alerts {
    /// At most `limit` messages, the newest first: all, or those in a state; only those before `before` in their order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn deliveries(
        &self,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>, ServiceError> {
        let found = self.store.deliveries(state, before, limit.min(MAX_LISTED)).await?;
        Ok(found.into_iter().map(DeliveryView::of).collect())
    }

    /// The newest message of each channel that has any.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_deliveries(&self) -> Result<Vec<DeliveryView>, ServiceError> {
        Ok(self.store.last_deliveries().await?.into_iter().map(DeliveryView::of).collect())
    }

    /// Has a message sent again that failed.
    ///
    /// # Errors
    ///
    /// When none with this id failed, or the database fails.
    pub async fn repeat(&self, id: Uuid) -> Result<(), ServiceError> {
        Ok(self.store.repeat_delivery(id, Timestamp::now()).await?)
    }
}
