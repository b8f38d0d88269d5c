//! The third part of a cycle: results to where they are kept.

use std::time::Duration;

use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use super::seams::{BoxError, ReportSink};
use crate::{CheckResult, backend::Delivery};

/// How long a batch that is not full waits for more.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Uploaded {
    pub took: Duration,
    pub delivered: u64,
    pub not_wanted: u64,
    pub rejected: u64,
    pub undelivered: Vec<CheckResult>,
    /// Why they are undelivered.
    pub error: Option<BoxError>,
}

/// Sends `results` to `sink` in batches as they come, until there are no more.
///
/// A sink that fails is left alone for the rest of the cycle: it has tried again by itself, and what is undelivered is
/// kept by the caller anyway.
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
        match timeout_at(deliver_by, sink.send(cycle_id, &batch, deliver_by)).await {
            Ok(Ok(delivery)) => uploaded.count(batch, &delivery),
            Ok(Err(error)) => uploaded.give_up(batch, error),
            Err(_) => {
                uploaded.give_up(batch, "the time of the cycle was over before the results were delivered".into())
            }
        }
        uploaded.took += sending.elapsed();
    }
    uploaded
}

/// The next results, as many as make a batch or come within [`LINGER`]; `None` when there are no more.
async fn next_batch(results: &mut Receiver<CheckResult>, batch_size: usize) -> Option<Vec<CheckResult>> {
    let mut batch = vec![results.recv().await?];
    let full_or_late = async {
        while batch.len() < batch_size {
            let room = batch_size - batch.len();
            if results.recv_many(&mut batch, room).await == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER, full_or_late).await;
    Some(batch)
}

impl Uploaded {
    fn count(&mut self, batch: Vec<CheckResult>, delivery: &Delivery) {
        let delivered = u64::from(delivery.accepted) + u64::from(delivery.duplicates);
        let not_wanted = u64::from(delivery.not_wanted);
        let rejected = delivery.rejected.len() as u64;
        let (told, sent) = (delivered + not_wanted + rejected, batch.len());
        if told != sent as u64 {
            // Which of them it does not have is unknown; what it has it knows again by its id.
            return self.give_up(
                batch,
                format!("the backend says of {told} results what became of them; {sent} were sent").into(),
            );
        }
        self.delivered += delivered;
        self.not_wanted += not_wanted;
        self.rejected += rejected;
    }

    fn give_up(&mut self, batch: Vec<CheckResult>, error: BoxError) {
        self.undelivered.extend(batch);
        self.error = Some(error);
    }
}
