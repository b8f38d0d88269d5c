//! One invocation: the queue is drained, then one cycle runs over the peers that are due, within the time that is left.
//! While the hub is away, the peers that it gave before are checked, and their results go into the queue.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{anyhow, bail};
use chrono::Utc;
use easytier_probe::{
    Backend, BackendError, CycleOptions, CycleReport, PeerSource, ReportSink, Status,
    cycle::{BackendPeers, BoxError, ListedPeers, NoSink},
    run_cycle,
};
use easytier_uptime_config::ConfigErrors;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    event::Event,
    peers::{DuePeers, FirstPeers},
    queue::Queue,
    report::{InvocationReport, metrics},
    sandbox::Sandbox,
};

/// Assumed time of an invocation without a valid deadline.
const DEFAULT_TIME: Duration = Duration::from_secs(30);

/// Time kept for the work after the cycle: results that the hub did not accept go into the queue, and the response is
/// written.
const CLEANUP_RESERVE: Duration = Duration::from_millis(1500);

/// The part of [`CLEANUP_RESERVE`] kept for closing connections, which takes 300 ms at most, and for the response: after its
/// deadline an invocation cannot respond.
const RESPONSE_RESERVE: Duration = Duration::from_millis(500);

/// The queue is drained for at most this fraction of the time: one quarter.
const DRAIN_DIVISOR: u32 = 4;

/// A peer is due again after this fraction of the time to the next invocation. With the whole of it, the next invocation
/// would come a moment too early, and each peer would be checked only every second time.
const DUE_AFTER: f64 = 0.75;

/// Runs an invocation. An error makes the schedule retry it, and raises the alarm.
#[expect(clippy::disallowed_methods, reason = "the deadline of an invocation is a time of the wall clock")]
pub async fn run(
    sandbox: Result<&Sandbox, &ConfigErrors>,
    event: LambdaEvent<Value>,
) -> anyhow::Result<InvocationReport> {
    let started = Instant::now();
    let ends = started + time_left(event.context.deadline, SystemTime::now());
    let outcome = match sandbox {
        Ok(sandbox) => {
            let outcome = execute(sandbox, event.payload, ends).await;
            // After the response the sandbox is suspended.
            sandbox.checker.wait_closed().await;
            outcome
        }
        Err(errors) => Err(errors.clone().into()),
    };
    let region = match (&outcome, sandbox) {
        (Ok(report), _) => report.region.as_deref(),
        (Err(_), Ok(sandbox)) => sandbox.config.region.as_deref(),
        (Err(_), Err(_)) => None,
    };
    // CloudWatch finds the metrics wherever the line stands in the log. There is one for failed invocations too.
    let metrics = metrics(outcome.as_ref().ok(), region, started.elapsed(), &event.context.request_id, Utc::now());
    if let Err(error) = writeln!(io::stdout(), "{metrics}") {
        tracing::warn!("the metrics cannot be written: {error}");
    }
    let mut report = outcome?;
    match report.failure.take() {
        Some(failure) => Err(failure),
        None => Ok(report),
    }
}

async fn execute(sandbox: &Sandbox, event: Value, ends: Instant) -> anyhow::Result<InvocationReport> {
    let event = Event::read(event)?;
    let Some(mut peers) = event.peers else { return with_backend(sandbox, &event, ends).await };
    peers.truncate(event.count.unwrap_or(u32::MAX) as usize);
    let cycle = cycle(sandbox, &mut ListedPeers::new(peers), &NoSink, ends).await;
    Ok(InvocationReport { region: event.region, cycle, spooled: 0, drained: 0, failure: None })
}

/// The time until the deadline, in milliseconds since 1970. cargo-lambda's emulator sends one in the past, which counts as
/// none.
fn time_left(deadline_ms: u64, now: SystemTime) -> Duration {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    match Duration::from_millis(deadline_ms).checked_sub(now) {
        Some(left) if !left.is_zero() => left,
        _ => DEFAULT_TIME,
    }
}

async fn with_backend(sandbox: &Sandbox, event: &Event, ends: Instant) -> anyhow::Result<InvocationReport> {
    let (mut drained, mut cycle) = drain_and_check(sandbox, event, ends).await?;
    let refused = [&cycle.fetch_error, &cycle.report_error].into_iter().flatten().any(is_unauthorized);
    // Somebody may have changed the secrets. This invocation can start again only if it has checked nothing yet.
    if refused && sandbox.forget_secrets().await && cycle.checked == 0 {
        (drained, cycle) = drain_and_check(sandbox, event, ends).await?;
    }
    let (spooled, lost) = spool(sandbox, &mut cycle, ends).await;
    let nothing_checked = cycle.fetch_error.as_ref().filter(|_| cycle.checked == 0);
    let failure = lost.or_else(|| nothing_checked.map(|error| anyhow!("nothing was checked: {error}")));
    let region = event.region.clone().or_else(|| sandbox.config.region.clone());
    Ok(InvocationReport { region, cycle, spooled, drained, failure })
}

/// Drains the queue and runs the cycle.
async fn drain_and_check(sandbox: &Sandbox, event: &Event, ends: Instant) -> anyhow::Result<(u64, CycleReport)> {
    let latest = ends.checked_sub(CLEANUP_RESERVE).unwrap_or(ends);
    let Ok(backend) = timeout_at(latest, sandbox.backend(event.region.as_deref())).await else {
        bail!("reading the secrets took all of the time; can the function reach SSM or Secrets Manager?");
    };
    let backend = backend?;
    let drained = match &sandbox.queue_url {
        Some(url) => drain(&Queue { aws: &sandbox.aws, url }, &backend, ends).await,
        None => 0,
    };
    let cycle = match event.claim {
        true => cycle(sandbox, &mut due(sandbox, event, &backend, ends), &backend, ends).await,
        false => cycle(sandbox, &mut listed(sandbox, event, &backend), &backend, ends).await,
    };
    Ok((drained, cycle))
}

async fn cycle(sandbox: &Sandbox, peers: &mut impl PeerSource, sink: &impl ReportSink, ends: Instant) -> CycleReport {
    let config = &sandbox.config;
    let options = CycleOptions {
        budget: ends.saturating_duration_since(Instant::now()).saturating_sub(CLEANUP_RESERVE),
        server_id: sandbox.server_id.clone(),
        check_interval: config.health_check_interval,
        self_check: Some(config.self_check_targets.clone()),
        ..CycleOptions::default()
    };
    run_cycle(peers, &sandbox.checker, sink, &options, |_, _| ()).await
}

fn due(sandbox: &Sandbox, event: &Event, backend: &Backend, ends: Instant) -> DuePeers {
    let config = &sandbox.config;
    DuePeers {
        backend: backend.clone(),
        interval: config.health_check_interval.mul_f64(DUE_AFTER),
        batch: u32::try_from(sandbox.checker.max_checks()).unwrap_or(u32::MAX),
        check_timeout: config.health_check_timeout,
        long_check_delay: Duration::ZERO,
        claimed: 0,
        remaining: event.count.unwrap_or(u32::MAX),
        ends,
        known: sandbox.known_peers(event.region.as_deref()),
        hub_is_away: false,
    }
}

fn listed(sandbox: &Sandbox, event: &Event, backend: &Backend) -> FirstPeers {
    FirstPeers {
        listing: BackendPeers::new(backend.clone()),
        remaining: event.count.unwrap_or(u32::MAX),
        known: sandbox.known_peers(event.region.as_deref()),
        has_answered: false,
    }
}

/// Drains the queue. An error is logged only: it must not keep the function from checking.
async fn drain(queue: &Queue<'_>, backend: &Backend, ends: Instant) -> u64 {
    let now = Instant::now();
    let deadline = now + ends.saturating_duration_since(now) / DRAIN_DIVISOR;
    let (drained, error) = queue.drain(backend, deadline).await;
    if let Some(error) = error {
        tracing::error!("{error}");
    }
    drained
}

/// Puts the results that the hub did not accept into the queue. Returns how many are in the queue, and why others are lost.
async fn spool(sandbox: &Sandbox, cycle: &mut CycleReport, ends: Instant) -> (u64, Option<anyhow::Error>) {
    let mut results = std::mem::take(&mut cycle.undelivered_results);
    if sandbox.config.report_style.is_per_node() {
        // A report per node cannot express Unknown, so these results could never be delivered.
        results.retain(|result| result.status != Status::Unknown);
    }
    if results.is_empty() {
        return (0, None);
    }
    let why = cycle.report_error.as_ref().map(ToString::to_string).unwrap_or_default();
    let Some(url) = &sandbox.queue_url else {
        let lost = anyhow!("{} results are lost, because no SPOOL_QUEUE_URL is set: {why}", results.len());
        return (0, Some(lost));
    };
    tracing::warn!(results = results.len(), "results go into the queue: {why}");
    let latest = ends.checked_sub(RESPONSE_RESERVE).unwrap_or(ends);
    let (put, error) = Queue { aws: &sandbox.aws, url }.put(&results, latest).await;
    let lost = results.len() - put;
    (put as u64, error.map(|error| anyhow!("{lost} of {} results are lost: {error}", results.len())))
}

fn is_unauthorized(error: &BoxError) -> bool {
    error.downcast_ref::<BackendError>().is_some_and(BackendError::is_unauthorized)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use easytier_uptime_config::Sources;
    use lambda_runtime::Context;
    use serde_json::json;
    use tracing_subscriber::{Layer, layer, layer::SubscriberExt, util::SubscriberInitExt};

    use super::*;

    #[test]
    fn a_deadline_in_the_past_counts_as_none() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(time_left(1_000_005_000, now), Duration::from_secs(5));
        assert_eq!(time_left(1_000_000_000, now), DEFAULT_TIME);
        assert_eq!(time_left(600_000, now), DEFAULT_TIME);
    }

    /// Panics in the middle of a check, when the check logs its result.
    struct Panics;

    impl<S: tracing::Subscriber> Layer<S> for Panics {
        fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
            assert!(!event.metadata().target().starts_with("easytier_probe::check"), "a panic in a check");
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_check_is_a_failed_check_and_no_failed_invocation() {
        let environment = BTreeMap::from([("ALLOW_LOCAL_PEERS".to_owned(), "true".into())]);
        let sandbox = Sandbox::new(Sources { environment, ..Sources::default() }, None).unwrap();
        let _panics = tracing_subscriber::registry().with(Panics).set_default();
        let event = LambdaEvent::new(json!({"peers": ["tcp://127.0.0.1:1"]}), Context::default());
        let report = run(Ok(&sandbox), event).await.unwrap();
        let report = serde_json::to_value(report).unwrap();
        assert_eq!((&report["checked"], &report["unknown"]), (&json!(1), &json!(1)), "{report}");
        assert_eq!(report["failures"], json!({"internal": 1}));
    }
}
