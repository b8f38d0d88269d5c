//! One cycle: fetch the peers, check each, report, within a time budget.
//!
//! The three run side by side with bounded queues between them: a page is fetched while the one before is checked, and
//! results leave in batches as they come. What is in memory depends on how many checks run at once, not on how many
//! peers there are; only what could not be delivered adds to it.

mod check;
mod fetch;
mod report;
mod seams;
mod upload;

use std::time::Duration;

use chrono::Utc;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

pub use self::{
    report::{CycleReport, Durations, SlowCheck},
    seams::{BackendPeers, BoxError, ListedPeers, NoSink, Page, PeerSource, ReportSink},
};
use crate::{CheckReport, Checker, Peer, backend::StatusReport, result::millis};

/// How a cycle is run.
#[derive(Debug, Clone)]
pub struct CycleOptions {
    /// The time of the whole cycle. Fetching and checking stop early enough to report within it.
    pub budget: Duration,
    /// Checks at one time, at most.
    pub concurrency: usize,
    /// Results of one batch.
    pub batch_size: usize,
    /// This probe's id, for its status report.
    pub server_id: Option<String>,
    /// The time to the next cycle, from which a hub knows when this one's word is stale.
    pub check_interval: Duration,
}

impl Default for CycleOptions {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(300),
            concurrency: 512,
            batch_size: 500,
            server_id: None,
            check_interval: Duration::from_secs(3600),
        }
    }
}

/// When the parts of a cycle end.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    check_by: Instant,
    deliver_by: Instant,
    end_by: Instant,
}

impl Schedule {
    /// Leaves for reporting a fifth of the budget, between half a second and ten, but never more than half; and of that
    /// a fifth for the status report.
    fn new(start: Instant, budget: Duration) -> Self {
        let reporting = (budget / 5).clamp(Duration::from_millis(500), Duration::from_secs(10)).min(budget / 2);
        let end_by = start + budget;
        Self { check_by: end_by - reporting, deliver_by: end_by - reporting / 5, end_by }
    }
}

/// Runs one cycle: fetches the peers of `source`, checks each with `checker`, reports to `sink`.
///
/// It ends within the budget, and what went wrong on the way is in the report; above all the results that could not be
/// delivered, which are the caller's to keep. Every finished check is shown to `on_check` first.
///
/// The checks run as tasks of the tokio runtime that this is called in.
pub async fn run_cycle(
    source: &mut impl PeerSource,
    checker: &Checker,
    sink: &impl ReportSink,
    options: &CycleOptions,
    on_check: impl FnMut(&Peer, &CheckReport),
) -> CycleReport {
    let cycle_id = Uuid::now_v7();
    let started_at = Utc::now();
    let started = Instant::now();
    let schedule = Schedule::new(started, options.budget);
    let concurrency = options.concurrency.max(1);
    let batch_size = options.batch_size.max(1);

    let (to_check, peers) = mpsc::channel(concurrency);
    let (to_report, results) = mpsc::channel(batch_size);
    let (fetched, checked, uploaded) = tokio::join!(
        fetch::fetch(source, to_check, schedule.check_by),
        check::check(peers, to_report, checker, concurrency, schedule, on_check),
        upload::upload(results, sink, cycle_id, batch_size, schedule.deliver_by),
    );

    let status = StatusReport {
        response_time_ms: checked.median_round_trip_ms(),
        total_monitored_nodes: checked.total(),
        healthy_nodes: checked.online,
        server_id: options.server_id.clone(),
        check_interval: options.check_interval,
        holds_sessions: false,
    };
    // A backend that is away, or lets nobody in, would only cost its time and say so once more.
    let in_vain = uploaded.error.is_some() || fetched.error.is_some() && checked.total() == 0;
    let status_error = match in_vain {
        true => None,
        false => match timeout_at(schedule.end_by, sink.report_status(&status, schedule.end_by)).await {
            Ok(reported) => reported.err(),
            Err(_) => Some("the time of the cycle was over before the probe's own status was reported".into()),
        },
    };

    CycleReport {
        cycle_id,
        started_at,
        duration_ms: millis(started.elapsed()),
        durations: Durations {
            fetch_ms: millis(fetched.took),
            check_ms: millis(checked.took),
            report_ms: millis(uploaded.took),
        },
        checked: checked.total(),
        online: checked.online,
        offline: checked.offline,
        unknown: checked.unknown,
        skipped: checked.skipped + fetched.skipped,
        response_time: status.response_time_ms,
        failures: checked.failures,
        slowest: checked.slowest,
        delivered: uploaded.delivered,
        not_wanted: uploaded.not_wanted,
        rejected: uploaded.rejected,
        undelivered: uploaded.undelivered.len() as u64,
        complete: fetched.complete && checked.skipped == 0,
        fetch_error: fetched.error,
        report_error: uploaded.error.or(status_error),
        undelivered_results: uploaded.undelivered,
    }
}
