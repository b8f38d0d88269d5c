//! What the operator sees of subscriptions, and does: no list shows a mailbox.

use easytier_uptime_alerts::Mailbox;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Subscriptions, mailboxes, sender};
use crate::service::{FieldError, FieldProblem, ServiceError};

/// How many visitors subscribed, and whether others can.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SubscriptionsView {
    /// Whether visitors can subscribe here.
    pub offered: bool,
    /// The name of the channel whose server and sender mails to visitors have; null when no channel serves visitors.
    pub channel: Option<String>,
    /// How many mailboxes get mails.
    pub mailboxes: u64,
    /// How many nodes they subscribed to, each counted once for each mailbox.
    pub subscriptions: u64,
    /// How many mailboxes were named and have confirmed nothing.
    pub unconfirmed: u64,
    /// How many mails wait to be sent.
    pub waiting: u64,
}

/// A mailbox to remove.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovedMailbox {
    /// Its address.
    #[schema(
        example = "name@example.org",
        pattern = r"^[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9_+-]{1,20}){0,2}@([A-Za-z0-9]{1,30}\.){1,5}[A-Za-z]{2,20}$"
    )]
    pub address: String,
}

impl Subscriptions {
    /// How many visitors subscribed, and whether others can.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn overview(&self) -> Result<SubscriptionsView, ServiceError> {
        let sender = sender(&self.store).await?;
        let counts = self.store.subscription_counts().await?;
        Ok(SubscriptionsView {
            offered: sender.is_some() && self.public_url.is_some(),
            channel: sender.map(|sender| sender.name),
            mailboxes: counts.mailboxes,
            subscriptions: counts.subscriptions,
            unconfirmed: counts.unconfirmed,
            waiting: counts.waiting,
        })
    }

    /// Removes a mailbox with all that it asked for, and the mails to it that wait. Returns whether it was known.
    ///
    /// # Errors
    ///
    /// When the text is no address of a mailbox, or the database fails.
    pub async fn remove_mailbox(&self, address: &str) -> Result<bool, ServiceError> {
        let mailbox = Mailbox::parse(address).map_err(|_| FieldError::new("address", FieldProblem::NoMailAddress))?;
        Ok(self.store.remove_subscriber(mailboxes::mailbox(&self.store, &mailbox)).await?)
    }
}
