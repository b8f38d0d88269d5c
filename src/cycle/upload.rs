//! The third part of a cycle: delivers the results.

use std::time::Duration;

use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, timeout, timeout_at},
};
use tracing::Instrument;
use uuid::Uuid;

use super::traits::{BoxError, ReportSink};
use crate::{CheckResult, SPANS, backend::Delivery};

/// How long a batch that is not full waits for more results.
const BATCH_WAIT: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Uploaded {
    pub took: Duration,
    pub delivered: u64,
    pub not_wanted: u64,
    pub rejected: u64,
    pub undelivered: Vec<CheckResult>,
    /// Why results are undelivered.
    pub error: Option<BoxError>,
}

/// Sends `results` to `sink` in batches, until there are no more.
///
/// After an error the sink is not called again in this cycle: it has its own retries, and the caller keeps the undelivered
/// results.
pub(super) async fn upload(
    mut results: Receiver<CheckResult>,
    sink: &impl ReportSink,
    cycle_id: Uuid,
    batch_size: usize,
    deliver_by: Instant,
) -> Uploaded {
    let mut uploaded = Uploaded::default();
    while let Some(batch) = next_batch(&mut results, batch_size).await {
        if uploaded.error.is_some() {
            uploaded.undelivered.extend(batch);
            continue;
        }
        let sending = Instant::now();
        let span = tracing::info_span!(target: SPANS, "report", results = batch.len());
        match timeout_at(deliver_by, sink.send(cycle_id, &batch, deliver_by)).instrument(span).await {
            Ok(Ok(delivery)) => uploaded.count(batch, &delivery),
            Ok(Err(error)) => uploaded.give_up(batch, error),
            Err(_) => uploaded.give_up(batch, "the time of the cycle was up before the results were delivered".into()),
        }
        uploaded.took += sending.elapsed();
    }
    uploaded
}

/// The next batch: it ends when it is full, or [`BATCH_WAIT`] after its first result. `None` if there are no more results.
async fn next_batch(results: &mut Receiver<CheckResult>, batch_size: usize) -> Option<Vec<CheckResult>> {
    let mut batch = vec![results.recv().await?];
    let fill = async {
        while batch.len() < batch_size {
            let room = batch_size - batch.len();
            if results.recv_many(&mut batch, room).await == 0 {
                break;
            }
        }
    };
    let _ = timeout(BATCH_WAIT, fill).await;
    Some(batch)
}

impl Uploaded {
    fn count(&mut self, batch: Vec<CheckResult>, delivery: &Delivery) {
        // Not every sink is a backend, which returns no other delivery.
        if let Err(incomplete) = delivery.check(batch.len()) {
            return self.give_up(batch, incomplete.into());
        }
        self.delivered += delivery.stored();
        self.not_wanted += u64::from(delivery.not_wanted);
        self.rejected += delivery.rejected.len() as u64;
    }

    fn give_up(&mut self, batch: Vec<CheckResult>, error: BoxError) {
        self.undelivered.extend(batch);
        self.error = Some(error);
    }
}
