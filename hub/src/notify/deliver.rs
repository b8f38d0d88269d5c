//! Sends messages that are due, those of different channels at the same time.

use std::{sync::Arc, time::Duration};

use easytier_probe::SPANS;
use easytier_uptime_alerts::{Message, Outcome};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ClaimedDelivery, DeliveryEnd, Timestamp},
};
use futures::FutureExt;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::Instrument;

use super::{
    attempt::{self, LEASE},
    mails::Mails,
};
use crate::service::alerts::{ChannelConfig, Messenger};

/// How many messages are being sent at a time at most.
const MAX_AT_ONCE: usize = 64;

/// How long messages that are being sent may take when the hub stops.
const STOP: Duration = Duration::from_secs(8);

/// The time between two deletions of old messages.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// Sends messages that are due. [`notify`](super::notify) lets it look each second.
pub struct Deliverer {
    store: Store,
    messenger: Arc<dyn Messenger>,
    running: JoinSet<()>,
    mails: Mails,
    forgot: Option<Instant>,
}

impl Deliverer {
    /// Nothing is being sent yet.
    pub fn new(store: Store, messenger: Arc<dyn Messenger>) -> Self {
        let mails = Mails::new(store.clone(), Arc::clone(&messenger));
        Self { store, messenger, running: JoinSet::new(), mails, forgot: None }
    }

    /// Returns when an attempt ended; the next message of its channel, or the next mail to a visitor, may be due.
    pub async fn ended(&mut self) {
        let of_channels = async {
            if self.running.join_next().await.is_none() {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = of_channels => {}
            () = self.mails.ended() => {}
        }
    }

    /// Begins to send what is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn look(&mut self, now: Timestamp) -> Result<(), StoreError> {
        while self.running.try_join_next().is_some() {}
        if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_INTERVAL) {
            self.store.forget_deliveries(now).await?;
            self.forgot = Some(Instant::now());
        }
        if self.running.len() < MAX_AT_ONCE {
            for delivery in self.store.claim_deliveries(LEASE, now).await? {
                self.running.spawn(send(self.store.clone(), Arc::clone(&self.messenger), delivery));
            }
        }
        self.mails.look(now).await
    }

    /// Waits for the attempts that run, for some seconds. Another hub takes over what is left when its time is over.
    pub async fn finish(mut self) {
        let all = async {
            while self.running.join_next().await.is_some() {}
            self.mails.finish().await;
        };
        drop(timeout(STOP, all).await);
    }
}

async fn send(store: Store, messenger: Arc<dyn Messenger>, delivery: ClaimedDelivery) {
    let kind = &delivery.channel.spec.kind;
    let sends_once = messenger.sends_at_most_once(kind);
    let outcome = match (delivery.interrupted && sends_once, read(&delivery)) {
        _ if attempt::is_late(delivery.created_at) => attempt::too_late(),
        (true, _) => Outcome::Unclear { why: "an attempt was interrupted".to_owned() },
        (false, None) => Outcome::Refused { why: "the message or the channel cannot be read".to_owned() },
        (false, Some((message, config))) => {
            let span = tracing::info_span!(target: SPANS, "alert", otel.kind = "client", channel.kind = kind);
            attempt::within_time(messenger.send(kind, &config.settings, &message)).instrument(span).await
        }
    };
    let now = Timestamp::now();
    let end = attempt::end(outcome, delivery.attempts, delivery.created_at, sends_once, now);
    let channel = &delivery.channel.spec.name;
    match &end {
        DeliveryEnd::Sent => tracing::debug!(channel, id = %delivery.id, "sent an alert"),
        DeliveryEnd::Retry(at, why) => {
            tracing::warn!(channel, id = %delivery.id, why, again_at = %at, "an alert was not sent")
        }
        DeliveryEnd::Failed(why) => tracing::error!(channel, id = %delivery.id, why, "an alert cannot be sent"),
    }
    attempt::store(|| store.end_delivery(&delivery, &end, now).boxed()).await;
}

fn read(delivery: &ClaimedDelivery) -> Option<(Message, ChannelConfig)> {
    Some((serde_json::from_str(&delivery.message).ok()?, ChannelConfig::read(&delivery.channel.spec.config)?))
}
