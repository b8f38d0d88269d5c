//! Sends mails to visitors that are due, by the server and the sender of the channel that serves them: few at a time, and apart from
//! the messages of channels, which wait for none of them. No log shows a mailbox.

use std::sync::Arc;

use easytier_uptime_alerts::{Message, Outcome};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ClaimedMail, DeliveryEnd, Timestamp},
};
use futures::FutureExt;
use tokio::task::JoinSet;

use super::attempt::{self, LEASE};
use crate::service::{
    alerts::Messenger,
    subscriptions::{Sender, sender},
};

/// How many mails are being sent at a time at most: a server counts connections of one sender.
const MAX_AT_ONCE: usize = 4;

/// Sends mails to visitors that are due.
pub(super) struct Mails {
    store: Store,
    messenger: Arc<dyn Messenger>,
    running: JoinSet<()>,
}

impl Mails {
    pub(super) fn new(store: Store, messenger: Arc<dyn Messenger>) -> Self {
        Self { store, messenger, running: JoinSet::new() }
    }

    /// Returns when an attempt ended; another mail may be due.
    pub(super) async fn ended(&mut self) {
        if self.running.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Begins to send what is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn look(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while self.running.try_join_next().is_some() {}
        let room = MAX_AT_ONCE.saturating_sub(self.running.len());
        if room == 0 {
            return Ok(());
        }
        let mails = self.store.claim_mails(LEASE, room as u32, now).await?;
        if mails.is_empty() {
            return Ok(());
        }
        let sender = Arc::new(sender(&self.store).await?);
        for mail in mails {
            self.running.spawn(send(self.store.clone(), Arc::clone(&self.messenger), Arc::clone(&sender), mail));
        }
        Ok(())
    }

    /// Returns when no attempt runs any more.
    pub(super) async fn finish(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}

async fn send(store: Store, messenger: Arc<dyn Messenger>, sender: Arc<Option<Sender>>, mail: ClaimedMail) {
    let message: Option<Message> = serde_json::from_str(&mail.message).ok();
    let outcome = match (attempt::is_late(mail.created_at), &*sender, message) {
        (true, ..) => attempt::too_late(),
        (_, None, _) => Outcome::Retry { after: None, why: "no channel serves visitors".to_owned() },
        (_, _, None) => Outcome::Refused { why: "the mail cannot be read".to_owned() },
        (_, Some(sender), Some(message)) => {
            attempt::within_time(messenger.send_to_visitor(&sender.settings, &mail.address, &message)).await
        }
    };
    // A mail with a known id is shown once.
    let end = attempt::end(outcome, mail.attempts, mail.created_at, false, Timestamp::now());
    match &end {
        DeliveryEnd::Sent => tracing::debug!(id = %mail.id, "sent a mail to a visitor"),
        DeliveryEnd::Retry(at, why) => {
            tracing::warn!(id = %mail.id, why, again_at = %at, "a mail to a visitor was not sent");
        }
        DeliveryEnd::Failed(why) => tracing::warn!(id = %mail.id, why, "a mail to a visitor cannot be sent"),
    }
    attempt::store(|| store.end_mail(&mail, &end).boxed()).await;
}
