//! Asking for mails about a node.

use std::{net::IpAddr, time::Duration};

use easytier_probe::backend::BaseUrl;
use easytier_uptime_alerts::{Language, Mailbox};
use easytier_uptime_store::{
    StoreError,
    domain::{DAY, PeerId, SubscriptionLimits, SubscriptionRequest, Timestamp},
};
use uuid::Uuid;

use super::{Subscriptions, mailboxes, message::confirmation};
use crate::service::{FieldError, FieldProblem, ServiceError, submission::without_address};

/// How much visitors may ask for.
const LIMITS: SubscriptionLimits =
    SubscriptionLimits { owners_per_network: 5, mailboxes: 10_000, nodes: 200, quiet: DAY };

/// For how long who never confirmed anything and unsubscribed is not asked again.
pub(super) const SILENCE: Duration = Duration::from_secs(30 * DAY.as_secs());

impl Subscriptions {
    /// Has who reads the mailbox `address` asked whether they want mails about a node, unless a limit is reached. The outcome is the
    /// same for each mailbox. `from`: the caller's address.
    ///
    /// # Errors
    ///
    /// When there are no subscriptions, the text is no address of a mailbox, the caller asked too often, the node is not listed, this
    /// instance takes no edits, or the database fails.
    pub async fn ask(&self, from: IpAddr, node: PeerId, address: &str, language: Language) -> Result<(), ServiceError> {
        let public_url = self.offered().await?;
        let mailbox = match address.trim() {
            "" => return Err(FieldError::new("address", FieldProblem::Missing).into()),
            text => Mailbox::parse(text).map_err(|_| FieldError::new("address", FieldProblem::NoMailAddress))?,
        };
        self.limit.check(from)?;
        let names = self.store.alert_nodes(vec![node.0]).await?;
        let name = &names.first().ok_or(StoreError::NotFound("node"))?.name;
        let (hash, mail) = (mailboxes::mailbox(&self.store, &mailbox), Uuid::now_v7());
        let message = confirmation(&self.store, public_url, hash, mail, name, language);
        let request = SubscriptionRequest {
            mailbox: hash,
            owner: mailboxes::owner(&self.store, &mailbox),
            network: mailboxes::network(&self.store, from),
            address: mailbox.address().into(),
            language: language.name().to_owned(),
            peer: node,
            mail,
            message: serde_json::to_string(&message).unwrap_or_default(),
        };
        let asked = self.store.ask_for_subscription(&request, &LIMITS, Timestamp::now()).await;
        asked.map(drop).map_err(|error| without_address(error).into())
    }

    /// The public URL, where visitors can subscribe.
    async fn offered(&self) -> Result<&BaseUrl, ServiceError> {
        let is_offered = self.are_offered().await?;
        Ok(self.public_url.as_ref().filter(|_| is_offered).ok_or(StoreError::NotFound("page"))?)
    }
}
