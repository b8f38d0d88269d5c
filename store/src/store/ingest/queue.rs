//! One writer of results a hub: what arrives while a transaction is under way is stored together in the next one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::commit;
use crate::{
    model::{Batch, Receipt},
    store::{Shared, Store, StoreError},
};

/// Batches that wait; who comes later waits at the door.
const WAITING: usize = 256;

/// Results in one transaction, as long as more than one batch makes them up.
const GROUP: usize = 10_000;

/// The longest time for one group: after so long no caller waits for its answer any more.
const LONGEST: Duration = Duration::from_secs(30);

/// A batch and where its receipt goes.
type Delivery = (Batch, oneshot::Sender<Result<Receipt, StoreError>>);

/// The door to the writer.
#[derive(Clone)]
pub(in crate::store) struct Queue {
    deliveries: mpsc::Sender<Message>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Message {
    Batch(Box<Delivery>),
    Close,
}

impl Queue {
    pub(in crate::store) fn start(shared: Arc<Shared>) -> Self {
        let (deliveries, inbox) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write(shared, inbox));
        Self { deliveries, writer: Arc::new(Mutex::new(Some(writer))) }
    }

    async fn deliver(&self, batch: Batch) -> Result<Receipt, StoreError> {
        let (reply, receipt) = oneshot::channel();
        let message = Message::Batch(Box::new((batch, reply)));
        self.deliveries.send(message).await.map_err(|_| StoreError::Closed)?;
        receipt.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until what was delivered before is stored.
    pub(in crate::store) async fn close(&self) {
        let writer = self.writer.lock().expect("nobody panics with the lock").take();
        if let Some(writer) = writer {
            // An error means that the writer is gone already.
            drop(self.deliveries.send(Message::Close).await);
            drop(writer.await);
        }
    }
}

impl Store {
    /// Stores results, counts them, and moves the consensus on, in one transaction with what arrives at the same
    /// time. Returns after the commit: what the receipt does not reject is durably stored. The same batch may be
    /// delivered any number of times; a caller that goes away does not take its batch back.
    pub async fn ingest(&self, batch: Batch) -> Result<Receipt, StoreError> {
        self.queue.deliver(batch).await
    }
}

async fn write(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Message>) {
    let mut open = true;
    while open {
        let Some(Message::Batch(first)) = inbox.recv().await else { break };
        let mut size = first.0.results.len();
        let mut group = vec![*first];
        while size < GROUP {
            match inbox.try_recv() {
                Ok(Message::Batch(next)) => {
                    size += next.0.results.len();
                    group.push(*next);
                }
                Ok(Message::Close) => {
                    open = false;
                    break;
                }
                Err(_) => break,
            }
        }
        store(&shared, group).await;
    }
}

async fn store(shared: &Shared, group: Vec<Delivery>) {
    let (batches, replies): (Vec<Batch>, Vec<_>) = group.into_iter().unzip();
    // Nobody may be left to hear an answer; that changes nothing.
    match store_in_time(shared, &batches).await {
        Ok(receipts) => {
            tracing::debug!(batches = batches.len(), "stored a group in one transaction");
            for (reply, receipt) in replies.into_iter().zip(receipts) {
                drop(reply.send(Ok(receipt)));
            }
        }
        Err(error) if batches.len() == 1 => {
            let reply = replies.into_iter().next().expect("as many replies as batches");
            drop(reply.send(Err(error)));
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
            for (reply, batch) in replies.into_iter().zip(&batches) {
                let stored = store_in_time(shared, std::slice::from_ref(batch)).await;
                drop(reply.send(stored.map(|mut receipts| receipts.remove(0))));
            }
        }
    }
}

/// Gives up what gets no answer, so that a connection that died silently does not hold up results for ever.
async fn store_in_time(shared: &Shared, batches: &[Batch]) -> Result<Vec<Receipt>, StoreError> {
    timeout(LONGEST, commit::store(shared, batches)).await.unwrap_or(Err(StoreError::Unavailable))
}
