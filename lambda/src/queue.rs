//! The SQS queue that keeps results while the hub does not accept them.

use std::collections::VecDeque;

use aws_sdk_sqs::{
    operation::send_message_batch::SendMessageBatchOutput,
    types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, Message, SendMessageBatchRequestEntry},
};
use easytier_probe::{Backend, BackendError, CheckResult, ListingVersion};
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant, timeout_at};
use uuid::Uuid;

use crate::aws::Aws;

/// The maximum size of a message, in bytes: what every queue accepts unless it is configured otherwise, less the overhead of
/// SQS.
const MAX_MESSAGE_BYTES: usize = 240 * 1024;

/// The maximum size of the messages in a batch together, in bytes. SQS accepts 1 MiB with its own overhead.
const MAX_BATCH_BYTES: usize = 4 * MAX_MESSAGE_BYTES;

/// The maximum number of messages in a batch, to send, receive or delete; set by SQS.
const MAX_BATCH_LENGTH: usize = 10;

/// The maximum number of messages that one invocation takes from the queue.
const MAX_DRAINED: usize = 20;

/// Maximum attempts to send a message that SQS fails by no fault of the message.
const MAX_SEND_ATTEMPTS: u32 = 3;

/// The time to delete delivered messages, kept out of the time to deliver others.
const DELETE_RESERVE: Duration = Duration::from_millis(500);

const NOT_ACCEPTED: &str = "does not accept results";
const NOT_DELETED: &str = "does not delete messages that were delivered";

/// A failed request to the queue, or a failed message of one.
#[derive(Debug, thiserror::Error)]
#[error("the queue of SPOOL_QUEUE_URL {problem}: {cause}")]
pub struct QueueError {
    problem: &'static str,
    cause: String,
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error("a message holds no results that this version can read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Backend(#[from] BackendError),
    #[error(
        "the backend has no use for {not_wanted} of {sent}; check that BACKEND_BASE_URL is a hub, and that REPORT_STYLE is \
         one that reports results"
    )]
    NotWanted { not_wanted: u32, sent: usize },
}

impl DeliveryError {
    /// Whether the delivery of other messages can still succeed.
    fn concerns_only_this_message(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Backend(error) => error.is_final(),
            Self::NotWanted { .. } => false,
        }
    }
}

/// The queue, for the time of an invocation.
pub struct Queue<'a> {
    pub aws: &'a Aws,
    pub url: &'a str,
}

/// The body of a message.
#[derive(Serialize, Deserialize)]
struct Body<R> {
    /// That of each result.
    #[serde(flatten)]
    listing: Option<ListingVersion>,
    results: R,
}

/// A message to send.
struct Outgoing {
    /// The number of results in it.
    results: usize,
    body: String,
    /// How many times it was sent, the present attempt included.
    attempts: u32,
}

impl Queue<'_> {
    /// Sends results to the queue. Returns the number of results that the queue accepted, and the first error. A message
    /// that the queue does not accept does not keep others from being sent.
    pub async fn put(&self, results: &[CheckResult], deadline: Instant) -> (usize, Option<QueueError>) {
        let messages = match messages(results) {
            Ok(messages) => messages,
            Err(error) => return (0, Some(QueueError { problem: NOT_ACCEPTED, cause: error.to_string() })),
        };
        let mut accepted = 0;
        let mut first_error = None;
        let mut lose = |message: &Outgoing, error: QueueError| {
            tracing::error!(results = message.results, "{error}");
            first_error.get_or_insert(error);
        };
        let mut pending: VecDeque<Vec<Outgoing>> = batches(messages).into();
        while let Some(batch) = pending.pop_front() {
            let failed = match self.send(&batch, deadline).await {
                Ok(output) => output.failed,
                Err(error) => {
                    match <[Outgoing; 1]>::try_from(batch) {
                        Ok([message]) => lose(&message, error),
                        // A single message may be the reason why SQS refused the request.
                        Err(batch) => pending.extend(batch.into_iter().map(|message| vec![message])),
                    }
                    continue;
                }
            };
            for (id, mut message) in batch.into_iter().enumerate() {
                match failure(&failed, id) {
                    None => accepted += message.results,
                    Some(failure) if !failure.sender_fault && message.attempts < MAX_SEND_ATTEMPTS => {
                        message.attempts += 1;
                        pending.push_back(vec![message]);
                    }
                    Some(failure) => lose(&message, QueueError { problem: NOT_ACCEPTED, cause: explained(failure) }),
                }
            }
        }
        (accepted, first_error)
    }

    async fn send(&self, batch: &[Outgoing], deadline: Instant) -> Result<SendMessageBatchOutput, QueueError> {
        let entries = batch.iter().enumerate().map(|(id, message)| {
            SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(&message.body).build()
        });
        let entries: Result<Vec<_>, _> = entries.collect();
        let entries = entries.map_err(|error| QueueError { problem: NOT_ACCEPTED, cause: error.to_string() })?;
        let request = self.aws.sqs().await.send_message_batch().queue_url(self.url).set_entries(Some(entries));
        within(deadline, NOT_ACCEPTED, request.send()).await
    }

    /// Delivers a limited number of messages to the backend, until `deadline`. A message leaves the queue when the backend
    /// has stored or rejected each of its results. Returns the number of results stored, and why it ended early.
    pub async fn drain(&self, backend: &Backend, deadline: Instant) -> (u64, Option<QueueError>) {
        let mut stored = 0;
        let mut received = 0;
        while received < MAX_DRAINED && Instant::now() < deadline {
            let messages = match self.receive(deadline).await {
                Ok(messages) => messages,
                Err(error) => return (stored, Some(error)),
            };
            if messages.is_empty() {
                break;
            }
            received += messages.len();
            let delivered = deliver_all(messages, backend, before(deadline)).await;
            stored += delivered.stored;
            if let Err(error) = self.delete(delivered.receipts, deadline).await {
                return (stored, Some(error));
            }
            if delivered.must_stop {
                break;
            }
        }
        (stored, None)
    }

    async fn receive(&self, deadline: Instant) -> Result<Vec<Message>, QueueError> {
        let request = self.aws.sqs().await.receive_message().queue_url(self.url);
        let request = request.max_number_of_messages(MAX_BATCH_LENGTH as i32).wait_time_seconds(0);
        Ok(within(deadline, "cannot be read", request.send()).await?.messages.unwrap_or_default())
    }

    /// Deletes delivered messages. Those that SQS keeps come back, and the hub recognizes their results by their ids.
    async fn delete(&self, receipts: Vec<String>, deadline: Instant) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let entries = receipts.into_iter().enumerate().map(|(id, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(receipt).build()
        });
        let entries: Result<Vec<_>, _> = entries.collect();
        let entries = entries.map_err(|error| QueueError { problem: NOT_DELETED, cause: error.to_string() })?;
        let request = self.aws.sqs().await.delete_message_batch().queue_url(self.url).set_entries(Some(entries));
        let output = within(deadline, NOT_DELETED, request.send()).await?;
        if let Some(first) = output.failed.first() {
            let error = QueueError { problem: NOT_DELETED, cause: explained(first) };
            tracing::warn!(messages = output.failed.len(), "{error}");
        }
        Ok(())
    }
}

/// The time until which messages are delivered, so that there is time left to delete them.
fn before(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline.checked_sub(DELETE_RESERVE.min(left / 2)).unwrap_or(deadline)
}

/// What became of received messages.
#[derive(Default)]
struct Delivered {
    /// The receipts of the messages that may be deleted.
    receipts: Vec<String>,
    /// The number of results that the backend has stored.
    stored: u64,
    /// Whether the delivery of further messages would fail too.
    must_stop: bool,
}

async fn deliver_all(messages: Vec<Message>, backend: &Backend, deadline: Instant) -> Delivered {
    let mut delivered = Delivered::default();
    for message in messages {
        match deliver(&message, backend, deadline).await {
            Ok(stored) => {
                delivered.stored += stored;
                delivered.receipts.extend(message.receipt_handle);
            }
            // Somebody should look at it. It stays until the queue's retention or redrive policy removes it.
            Err(error) if error.concerns_only_this_message() => {
                tracing::error!("results stay in the queue: {error}");
            }
            Err(error) => {
                // SQS makes the message visible again, and the rest of the batch.
                tracing::warn!("results stay in the queue: {error}");
                delivered.must_stop = true;
                break;
            }
        }
    }
    delivered
}

/// Delivers the results of a message. Returns the number of results that the backend has stored.
async fn deliver(message: &Message, backend: &Backend, deadline: Instant) -> Result<u64, DeliveryError> {
    let Body::<Vec<CheckResult>> { listing, mut results } = serde_json::from_str(message.body().unwrap_or_default())?;
    results.iter_mut().for_each(|result| result.listing = listing);
    let delivery = backend.send_results(Uuid::now_v7(), &results, deadline).await?;
    if delivery.not_wanted > 0 {
        return Err(DeliveryError::NotWanted { not_wanted: delivery.not_wanted, sent: results.len() });
    }
    if let Some(first) = delivery.rejected.first() {
        tracing::warn!(
            rejected = delivery.rejected.len(),
            "the hub has rejected results from the queue: {}",
            first.reason
        );
    }
    Ok(delivery.stored())
}

/// The messages for `results`, each within the size limit unless a single result exceeds it.
fn messages(results: &[CheckResult]) -> serde_json::Result<Vec<Outgoing>> {
    let mut all = Vec::new();
    for of_listing in results.chunk_by(|a, b| a.listing == b.listing) {
        all.extend(messages_of_listing(of_listing[0].listing, of_listing)?);
    }
    Ok(all)
}

fn messages_of_listing(listing: Option<ListingVersion>, results: &[CheckResult]) -> serde_json::Result<Vec<Outgoing>> {
    let body = serde_json::to_string(&Body { listing, results })?;
    match results.len() {
        0 => Ok(Vec::new()),
        length if length > 1 && body.len() > MAX_MESSAGE_BYTES => {
            let (first, second) = results.split_at(length / 2);
            let mut all = messages_of_listing(listing, first)?;
            all.extend(messages_of_listing(listing, second)?);
            Ok(all)
        }
        length => Ok(vec![Outgoing { results: length, body, attempts: 1 }]),
    }
}

/// Groups messages into batches within the limits. A message above the size limit is alone in its batch.
fn batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.body.len();
        match batches.last_mut().filter(|batch| batch.len() < MAX_BATCH_LENGTH && bytes <= MAX_BATCH_BYTES) {
            Some(batch) => batch.push(message),
            None => {
                bytes = message.body.len();
                batches.push(vec![message]);
            }
        }
    }
    batches
}

/// The failure of the entry with this id.
fn failure(failed: &[BatchResultErrorEntry], id: usize) -> Option<&BatchResultErrorEntry> {
    let id = id.to_string();
    failed.iter().find(|failure| failure.id == id)
}

fn explained(failure: &BatchResultErrorEntry) -> String {
    format!("{}: {}", failure.code, failure.message.as_deref().unwrap_or("no message"))
}

async fn within<T, E: std::error::Error + 'static>(
    deadline: Instant,
    problem: &'static str,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, QueueError> {
    let cause = match timeout_at(deadline, request).await {
        Ok(Ok(output)) => return Ok(output),
        Ok(Err(error)) => aws_sdk_sqs::error::DisplayErrorContext(&error).to_string(),
        Err(_) => "the time of the invocation was over".to_owned(),
    };
    Err(QueueError { problem, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_the_limits_of_sqs() {
        let of = |bytes: usize| Outgoing { results: 1, body: "x".repeat(bytes), attempts: 1 };
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            batches(sizes.iter().map(|bytes| of(*bytes)).collect()).iter().map(Vec::len).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[1; 21]), [10, 10, 1]);
        let half = MAX_BATCH_BYTES / 2;
        assert_eq!(lengths(&[half, half, 1, half]), [2, 2]);
        assert_eq!(lengths(&[1, MAX_BATCH_BYTES + 1, 1]), [1, 1, 1]);
    }

    #[test]
    fn a_message_keeps_the_version_of_the_list_of_its_results() {
        let result = |listing: Option<ListingVersion>| {
            let result = serde_json::json!({
                "id": Uuid::now_v7(), "peer_id": 1, "checked_at": "2026-01-02T03:04:05Z", "status": "Online", "stage": "ping",
            });
            CheckResult { listing, ..serde_json::from_value(result).unwrap() }
        };
        let seventh = Some(ListingVersion { epoch: 2, version: 7 });
        let messages = messages(&[result(seventh), result(seventh), result(None)]).unwrap();
        let read = |message: &Outgoing| serde_json::from_str::<Body<Vec<CheckResult>>>(&message.body).unwrap();
        let kept: Vec<_> = messages.iter().map(|one| (read(one).listing, one.results)).collect();
        assert_eq!(kept, [(seventh, 2), (None, 1)]);
    }
}
