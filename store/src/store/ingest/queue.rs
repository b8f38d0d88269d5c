//! The queue of batches. One task writes results: batches that arrive during a transaction are stored together in the next
//! one.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::append::append;
use crate::{
    domain::{Batch, Receipt},
    error::StoreError,
    store::shared::Shared,
};

/// The capacity of the queue, in batches; further callers wait.
const CAPACITY: usize = 256;

/// How many results make a full transaction. Batches are added to a transaction until it has so many.
const GROUP_SIZE: usize = 10_000;

/// The maximum time for one transaction; by then every caller has stopped waiting.
const TIMEOUT: Duration = Duration::from_secs(30);

type Reply = oneshot::Sender<Result<Receipt, StoreError>>;

/// A handle to the queue.
#[derive(Clone)]
pub(in crate::store) struct Queue {
    sender: mpsc::Sender<Message>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Batch(Box<(Batch, Reply)>),
    Close,
}

impl Queue {
    /// Starts the task that writes results.
    pub(in crate::store) fn start(shared: Arc<Shared>) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let writer = tokio::spawn(write(shared, receiver));
        Self { sender, writer: Arc::new(Mutex::new(Some(writer))) }
    }

    /// Sends a batch and waits for its receipt.
    pub(in crate::store) async fn send(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let (reply, receipt) = oneshot::channel();
        let message = Message::Batch(Box::new((batch, reply)));
        self.sender.send(message).await.map_err(|_| StoreError::Closed)?;
        // Without a receipt the writer panicked.
        receipt.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Waits until the batches that were sent before are stored; later ones are refused.
    pub(in crate::store) async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // Both fail only when the task has ended already.
            drop(self.sender.send(Message::Close).await);
            drop(writer.await);
        }
    }
}

async fn write(shared: Arc<Shared>, mut receiver: mpsc::Receiver<Message>) {
    let mut open = true;
    while open {
        let Some(Message::Batch(first)) = receiver.recv().await else { break };
        let (batch, reply) = *first;
        let mut size = batch.results.len();
        let (mut batches, mut replies) = (vec![batch], vec![reply]);
        while size < GROUP_SIZE {
            match receiver.try_recv() {
                Ok(Message::Batch(next)) => {
                    let (batch, reply) = *next;
                    size += batch.results.len();
                    batches.push(batch);
                    replies.push(reply);
                }
                Ok(Message::Close) => {
                    open = false;
                    break;
                }
                Err(_) => break,
            }
        }
        // A panic is a defect, but it must not end the task: every later batch would be refused.
        if AssertUnwindSafe(store(&shared, &batches, replies)).catch_unwind().await.is_err() {
            tracing::error!(batches = batches.len(), "storing a group panicked; its batches are not acknowledged");
        }
        shared.pulses.writer.rest();
    }
}

/// Stores a group of batches and replies to each. A caller may have stopped waiting for its reply.
async fn store(shared: &Shared, batches: &[Batch], replies: Vec<Reply>) {
    match store_in_time(shared, batches).await {
        Ok(receipts) => {
            shared.appended.notify_one();
            tracing::debug!(batches = batches.len(), "stored a group in one transaction");
            for (reply, receipt) in replies.into_iter().zip(receipts) {
                drop(reply.send(Ok(receipt)));
            }
        }
        Err(error) if batches.len() == 1 => {
            if let Some(reply) = replies.into_iter().next() {
                drop(reply.send(Err(error)));
            }
        }
        Err(error) if error.is_unavailable() && !error.is_transient() => {
            tracing::warn!(%error, batches = batches.len(), "storing a group failed");
            for reply in replies {
                drop(reply.send(Err(StoreError::Unavailable)));
            }
        }
        Err(error) => {
            // One batch must not make the others fail.
            tracing::warn!(%error, batches = batches.len(), "storing a group failed; storing its batches one by one");
            for (reply, batch) in replies.into_iter().zip(batches) {
                let stored = store_in_time(shared, std::slice::from_ref(batch)).await;
                let receipt = stored.and_then(|receipts| receipts.into_iter().next().ok_or(StoreError::Unavailable));
                drop(reply.send(receipt));
            }
        }
    }
}

/// Gives up after a timeout, so that a connection that was lost without a close does not block results for ever.
async fn store_in_time(shared: &Shared, batches: &[Batch]) -> Result<Vec<Receipt>, StoreError> {
    shared.pulses.writer.beat();
    timeout(TIMEOUT, append(shared, batches)).await.unwrap_or(Err(StoreError::Unavailable))
}
