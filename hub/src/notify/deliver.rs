//! Sends messages that are due, those of different channels at the same time.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use easytier_probe::SPANS;
use easytier_uptime_alerts::{Message, Outcome};
use easytier_uptime_store::{
    Store, StoreError,
    domain::{ClaimedDelivery, DeliveryEnd, Timestamp},
};
use futures::FutureExt;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::Instrument;

use super::backoff;
use crate::service::alerts::{ChannelConfig, Messenger};

/// The longest time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long a message is this hub's: longer than an attempt and the storing of its end. When the hub is killed, the channel waits
/// for as long.
const LEASE: Duration = Duration::from_secs(40);

/// How many messages are being sent at a time at most.
const MAX_AT_ONCE: usize = 64;

/// How long messages that are being sent may take when the hub stops.
const STOP: Duration = Duration::from_secs(8);

/// The pauses after which the end of an attempt is stored again when the database fails.
const STORE_AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(5)];

/// The time between two deletions of old messages.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// Sends messages that are due. [`notify`](super::notify) lets it look each second.
pub struct Deliverer {
    store: Store,
    messenger: Arc<dyn Messenger>,
    running: JoinSet<()>,
    forgot: Option<Instant>,
}

impl Deliverer {
    /// Nothing is being sent yet.
    pub fn new(store: Store, messenger: Arc<dyn Messenger>) -> Self {
        Self { store, messenger, running: JoinSet::new(), forgot: None }
    }

    /// Returns when an attempt ended; the next message of its channel may be due.
    pub async fn ended(&mut self) {
        if self.running.join_next().await.is_none() {
            std::future::pending().await
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
        if self.running.len() >= MAX_AT_ONCE {
            return Ok(());
        }
        for delivery in self.store.claim_deliveries(LEASE, now).await? {
            self.running.spawn(send(self.store.clone(), Arc::clone(&self.messenger), delivery));
        }
        Ok(())
    }

    /// Waits for the attempts that run, for some seconds. Another hub takes over what is left when its time is over.
    pub async fn finish(mut self) {
        let all = async { while self.running.join_next().await.is_some() {} };
        drop(timeout(STOP, all).await);
    }
}

async fn send(store: Store, messenger: Arc<dyn Messenger>, delivery: ClaimedDelivery) {
    let kind = &delivery.channel.spec.kind;
    let sends_once = messenger.sends_at_most_once(kind);
    // It may wait for that long in a database that was restored, or in an instance that was a dependent.
    let is_late = Timestamp::now().since(delivery.created_at) > backoff::TRIED_FOR;
    let outcome = match (delivery.interrupted && sends_once, read(&delivery)) {
        _ if is_late => Outcome::Refused { why: "it could not be sent for a day".to_owned() },
        (true, _) => Outcome::Unclear { why: "an attempt was interrupted".to_owned() },
        (false, None) => Outcome::Refused { why: "the message or the channel cannot be read".to_owned() },
        (false, Some((message, config))) => {
            let span = tracing::info_span!(target: SPANS, "alert", otel.kind = "client", channel.kind = kind);
            let attempt = AssertUnwindSafe(messenger.send(kind, &config.settings, &message)).catch_unwind();
            match timeout(ATTEMPT, attempt).instrument(span).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Outcome::Unclear { why: "a defect of this program ended the attempt".to_owned() },
                Err(_) => Outcome::Unclear { why: "no answer in time".to_owned() },
            }
        }
    };
    let now = Timestamp::now();
    let end = end(outcome, &delivery, sends_once, now);
    let channel = &delivery.channel.spec.name;
    match &end {
        DeliveryEnd::Sent => tracing::debug!(channel, id = %delivery.id, "sent an alert"),
        DeliveryEnd::Retry(at, why) => {
            tracing::warn!(channel, id = %delivery.id, why, again_at = %at, "an alert was not sent")
        }
        DeliveryEnd::Failed(why) => tracing::error!(channel, id = %delivery.id, why, "an alert cannot be sent"),
    }
    for pause in STORE_AGAIN {
        match store.end_delivery(&delivery, &end, now).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "cannot store how the sending of an alert ended; trying again"),
        }
        sleep(pause).await;
    }
}

fn read(delivery: &ClaimedDelivery) -> Option<(Message, ChannelConfig)> {
    Some((serde_json::from_str(&delivery.message).ok()?, ChannelConfig::read(&delivery.channel.spec.config)?))
}

/// What follows from an outcome.
fn end(outcome: Outcome, delivery: &ClaimedDelivery, sends_once: bool, now: Timestamp) -> DeliveryEnd {
    let (asked, why) = match outcome {
        Outcome::Delivered => return DeliveryEnd::Sent,
        Outcome::Refused { why } => return DeliveryEnd::Failed(why),
        Outcome::Unclear { why } if sends_once => {
            return DeliveryEnd::Failed(format!("it may have arrived, and is not sent again: {why}"));
        }
        Outcome::Unclear { why } => (None, why),
        Outcome::Retry { after, why } => (after, why),
    };
    match backoff::next(delivery.attempts, asked, delivery.created_at, now) {
        Some(at) => DeliveryEnd::Retry(at, why),
        None => DeliveryEnd::Failed(why),
    }
}
