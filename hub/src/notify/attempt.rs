//! One attempt to send a message: its time, what follows from its outcome, and storing that.

use std::{panic::AssertUnwindSafe, time::Duration};

use easytier_uptime_alerts::Outcome;
use easytier_uptime_store::{
    StoreError,
    domain::{DeliveryEnd, Timestamp},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::time::{sleep, timeout};

use super::backoff;

/// The longest time for one attempt.
const ATTEMPT: Duration = Duration::from_secs(20);

/// How long a message is this hub's: longer than an attempt and the storing of its end. When the hub is killed, the recipient waits
/// for as long.
pub(super) const LEASE: Duration = Duration::from_secs(40);

/// The pauses after which the end of an attempt is stored again when the database fails.
const STORE_AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(5)];

/// Whether a message is not sent any more. It may wait for that long in a database that was restored, or in an instance that was a
/// dependent.
pub(super) fn is_late(created_at: Timestamp) -> bool {
    Timestamp::now().since(created_at) > backoff::TRIED_FOR
}

pub(super) fn too_late() -> Outcome {
    Outcome::Refused { why: "it could not be sent for a day".to_owned() }
}

/// The outcome of an attempt, which ends in time and does not panic.
pub(super) async fn within_time(attempt: BoxFuture<'_, Outcome>) -> Outcome {
    match timeout(ATTEMPT, AssertUnwindSafe(attempt).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Outcome::Unclear { why: "a defect of this program ended the attempt".to_owned() },
        Err(_) => Outcome::Unclear { why: "no answer in time".to_owned() },
    }
}

/// What follows from the outcome of an attempt after `attempts` others at a message that was planned at `created_at`. `sends_once`:
/// whether the recipient would show a repeat.
pub(super) fn end(
    outcome: Outcome,
    attempts: u32,
    created_at: Timestamp,
    sends_once: bool,
    now: Timestamp,
) -> DeliveryEnd {
    let (asked, why) = match outcome {
        Outcome::Delivered => return DeliveryEnd::Sent,
        Outcome::Refused { why } => return DeliveryEnd::Failed(why),
        Outcome::Unclear { why } if sends_once => {
            return DeliveryEnd::Failed(format!("it may have arrived, and is not sent again: {why}"));
        }
        Outcome::Unclear { why } => (None, why),
        Outcome::Retry { after, why } => (after, why),
    };
    match backoff::next(attempts, asked, created_at, now) {
        Some(at) => DeliveryEnd::Retry(at, why),
        None => DeliveryEnd::Failed(why),
    }
}

/// Stores how an attempt ended, again while the database fails.
pub(super) async fn store<'a>(store: impl Fn() -> BoxFuture<'a, Result<bool, StoreError>>) {
    for pause in STORE_AGAIN {
        match store().await {
            Ok(_) => return,
            Err(error) => tracing::warn!(%error, "cannot store how the sending of an alert ended; trying again"),
        }
        sleep(pause).await;
    }
}
