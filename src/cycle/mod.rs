//! One cycle: fetch the peers, check each, report, within a time budget.
//!
//! The three parts run concurrently with bounded queues between them: a page is fetched while the previous one is checked,
//! and results are sent in batches. The memory depends on the maximum number of concurrent checks, not on the number of
//! peers; only undelivered results add to it.

mod check;
mod fetch;
mod options;
mod report;
mod schedule;
mod traits;
mod upload;

use chrono::Utc;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tracing::Instrument;
use uuid::Uuid;

use self::schedule::Schedule;
pub use self::{
    options::CycleOptions,
    report::{CycleReport, Durations, SlowCheck},
    traits::{BackendPeers, BoxError, ListedPeers, NoSink, PeerSource, ReportSink, SourcePage},
};
use crate::{CheckReport, Checker, Peer, SPANS, backend::StatusReport, result::millis};

/// Runs one cycle: fetches the peers of `source`, checks each with `checker`, reports to `sink`.
///
/// The cycle ends within the budget. Errors are part of the report, as are the results that could not be delivered; the
/// caller may send them again. `on_check` is called after each check.
///
/// The checks run as tasks of the current tokio runtime.
///
/// # Panics
///
/// Outside a tokio runtime with time and I/O enabled.
pub async fn run_cycle(
    source: &mut impl PeerSource,
    checker: &Checker,
    sink: &impl ReportSink,
    options: &CycleOptions,
    on_check: impl FnMut(&Peer, &CheckReport),
) -> CycleReport {
    let cycle_id = Uuid::now_v7();
    #[expect(clippy::disallowed_methods, reason = "the report says when the cycle started")]
    let started_at = Utc::now();
    let started = Instant::now();
    let schedule = Schedule::new(started, options.budget);
    let batch_size = options.batch_size.max(1);

    let (to_check, peers) = mpsc::channel(checker.max_checks());
    let (to_report, results) = mpsc::channel(batch_size);
    let span = tracing::info_span!(target: SPANS, "cycle", cycle.id = %cycle_id);
    let fetch_span = tracing::info_span!(target: SPANS, parent: &span, "fetch");
    let (fetched, checked, uploaded) = tokio::join!(
        fetch::fetch(source, to_check, schedule.check_by).instrument(fetch_span),
        check::check(peers, to_report, checker, options, schedule, on_check).instrument(span.clone()),
        upload::upload(results, sink, cycle_id, batch_size, schedule.deliver_by).instrument(span.clone()),
    );

    let status = StatusReport {
        response_time_ms: checked.median_round_trip_ms(),
        total_monitored_nodes: checked.total(),
        healthy_nodes: checked.online,
        server_id: options.server_id.clone(),
        check_interval: options.check_interval,
        degraded: checked.doubt.is_some(),
        holds_sessions: false,
    };
    // A backend that is unreachable or refuses the credentials would only fail once more.
    let will_fail = uploaded.error.is_some() || fetched.error.is_some() && checked.total() == 0;
    let status_error = match will_fail {
        true => None,
        false => match timeout_at(schedule.end_by, sink.report_status(&status, schedule.end_by)).instrument(span).await
        {
            Ok(reported) => reported.err(),
            Err(_) => Some("the time of the cycle was up before the probe's own status was reported".into()),
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
        doubt: checked.doubt.map(|doubt| doubt.to_string()),
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
