//! Results on their way through a queue, for when the hub is away.

use aws_sdk_sqs::types::Message;
use easytier_probe::{Backend, BackendError, CheckResult};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::aws::Aws;

/// The longest message, in bytes: what SQS takes of all sizes it ever took, less its own part.
const MAX_MESSAGE: usize = 240 * 1024;

/// Messages that one invocation takes from the queue, at most.
const MAX_DRAINED: usize = 20;

/// Messages of one request, as SQS allows.
const AT_ONCE: i32 = 10;

/// What went wrong with the queue.
#[derive(Debug, thiserror::Error)]
#[error("the queue of SPOOL_QUEUE_URL {what}: {cause}")]
pub struct QueueError {
    what: &'static str,
    cause: String,
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
enum Kept {
    #[error("a message holds no results that this version can read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Undelivered(#[from] BackendError),
    #[error(
        "the backend stored {stored} and rejected {rejected} of {sent}; see whether BACKEND_BASE_URL is that of the hub, \
         and REPORT_STYLE one that reports results"
    )]
    NotStored { stored: u32, rejected: usize, sent: usize },
}

impl Kept {
    /// Whether another message may fare better.
    fn is_of_the_message(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Undelivered(error) => error.is_final(),
            Self::NotStored { .. } => false,
        }
    }
}

/// A queue of results.
pub struct Queue<'a> {
    pub aws: &'a Aws,
    pub url: &'a str,
}

#[derive(Serialize)]
struct Sent<'a> {
    results: &'a [CheckResult],
}

#[derive(Deserialize)]
struct Received {
    results: Vec<CheckResult>,
}

impl Queue<'_> {
    /// Puts results into the queue, in as few messages as hold them. One that it does not take keeps no other from it.
    /// Gives how many results are in the queue now, and what went wrong first.
    pub async fn put(&self, results: &[CheckResult], deadline: Instant) -> (usize, Option<QueueError>) {
        let mut put = 0;
        let mut first_error = None;
        for (count, body) in messages(results) {
            let request = self.aws.sqs().await.send_message().queue_url(self.url).message_body(body);
            match within(deadline, "takes no results", request.send()).await {
                Ok(_) => put += count,
                Err(error) => {
                    tracing::error!(results = count, "{error}");
                    first_error.get_or_insert(error);
                }
            }
        }
        (put, first_error)
    }

    /// Delivers what is in the queue to the backend, a bounded part of it and until `deadline`. A message leaves the
    /// queue when the backend has stored or rejected each of its results. Gives the number of results stored.
    pub async fn drain(&self, backend: &Backend, deadline: Instant) -> Result<u64, QueueError> {
        let mut delivered = 0;
        let mut taken = 0;
        while taken < MAX_DRAINED && Instant::now() < deadline {
            let received = self.receive(deadline).await?;
            if received.is_empty() {
                break;
            }
            taken += received.len();
            for message in received {
                match deliver(&message, backend, deadline).await {
                    Ok(results) => {
                        delivered += results;
                        self.delete(message, deadline).await?;
                    }
                    // It is kept for somebody to look at, until the queue gives it up.
                    Err(error) if error.is_of_the_message() => {
                        tracing::error!("results stay in the queue: {error}");
                    }
                    Err(error) => {
                        // The message comes back by itself, and so do those that were received with it.
                        tracing::warn!("results stay in the queue: {error}");
                        return Ok(delivered);
                    }
                }
            }
        }
        Ok(delivered)
    }

    async fn receive(&self, deadline: Instant) -> Result<Vec<Message>, QueueError> {
        let request = self.aws.sqs().await.receive_message().queue_url(self.url);
        let request = request.max_number_of_messages(AT_ONCE).wait_time_seconds(0);
        Ok(within(deadline, "cannot be read", request.send()).await?.messages.unwrap_or_default())
    }

    async fn delete(&self, message: Message, deadline: Instant) -> Result<(), QueueError> {
        let Some(handle) = message.receipt_handle else { return Ok(()) };
        let request = self.aws.sqs().await.delete_message().queue_url(self.url).receipt_handle(handle);
        within(deadline, "keeps what was delivered", request.send()).await?;
        Ok(())
    }
}

/// Delivers the results of a message; gives the number of those that are stored now.
async fn deliver(message: &Message, backend: &Backend, deadline: Instant) -> Result<u64, Kept> {
    let Received { results } = serde_json::from_str(message.body().unwrap_or_default())?;
    let delivery = backend.send_results(Uuid::now_v7(), &results, deadline).await?;
    let (stored, rejected) = (delivery.accepted + delivery.duplicates, delivery.rejected.len());
    if delivery.not_wanted > 0 || stored as usize + rejected != results.len() {
        return Err(Kept::NotStored { stored, rejected, sent: results.len() });
    }
    if let Some(first) = delivery.rejected.first() {
        tracing::warn!(rejected, "the hub has rejected results from the queue: {}", first.reason);
    }
    Ok(stored.into())
}

/// Messages that hold `results`, each with their number and its body, which is as long as it may be. One with a single
/// result may be longer; the queue says whether it takes it.
fn messages(results: &[CheckResult]) -> Vec<(usize, String)> {
    let body = serde_json::to_string(&Sent { results }).expect("a result can be written");
    match results.len() {
        0 => Vec::new(),
        length if length > 1 && body.len() > MAX_MESSAGE => {
            let (first, second) = results.split_at(length / 2);
            let mut all = messages(first);
            all.extend(messages(second));
            all
        }
        length => vec![(length, body)],
    }
}

async fn within<T, E: std::error::Error + 'static>(
    deadline: Instant,
    what: &'static str,
    request: impl Future<Output = Result<T, E>>,
) -> Result<T, QueueError> {
    match timeout_at(deadline, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(QueueError { what, cause: aws_sdk_sqs::error::DisplayErrorContext(&error).to_string() }),
        Err(_) => Err(QueueError { what, cause: "the time of the invocation was over".to_owned() }),
    }
}
