use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use easytier_probe::{AddressPolicy, CheckOptions, CheckResult, FailureCode, Resolver, Status};
use tracing_subscriber::{Layer, layer, layer::SubscriberExt, util::SubscriberInitExt};

use super::*;
use crate::{metrics::Metrics, schedule::Schedule};

const INTERVAL: Duration = Duration::from_secs(5);

/// Rounds of peers that are not checked. No name can be looked up.
fn rounds(targets: &[&str]) -> Arc<Rounds> {
    let observer = Arc::new(Observer::new(Metrics::default()));
    let health = Arc::new(Health::new(Schedule::Every(INTERVAL), Duration::ZERO));
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &["127.0.0.1:1".parse().unwrap()]);
    let checker = Checker::with_resolver(CheckOptions::default(), resolver);
    let targets = targets.iter().map(|target| target.parse().unwrap()).collect();
    Arc::new(Rounds::new(observer, health, checker, targets, INTERVAL))
}

/// A peer that was online.
fn peer(id: i64) -> Peer {
    Peer { was_online: true, ..Peer::local(id, "tcp://11.0.0.1:11010".parse().unwrap()) }
}

/// The report of a check with this result.
async fn report(id: i64, status: Status, error: Option<FailureCode>) -> CheckReport {
    // No node can have this address: its check fails at once.
    let unusable = Peer::local(id, "tcp://0.0.0.1:11010".parse().unwrap());
    let mut report = Checker::new(CheckOptions::default()).check(&unusable).await;
    (report.result.status, report.result.error) = (status, error);
    report
}

impl Rounds {
    async fn fail(&self, id: i64) {
        let report = report(id, Status::Offline, Some(FailureCode::ConnectRefused)).await;
        self.observe(Arc::new(peer(id)), report, Instant::now(), Duration::ZERO);
    }

    fn results(&self) -> Vec<(i64, Status)> {
        self.observer.flush();
        let results = self.observer.take().into_iter();
        results.map(|CheckResult { peer_id, status, .. }| (peer_id, status)).collect()
    }
}

#[tokio::test]
async fn a_failure_that_waits_at_the_end_is_doubted_when_the_targets_do_not_answer() {
    for (targets, status) in [(&["tcp://away.test:443"][..], Status::Unknown), (&[], Status::Offline)] {
        let rounds = rounds(targets);
        (0..10).for_each(|id| rounds.expect(&peer(id)));
        rounds.fail(3).await;
        assert_eq!(rounds.results(), [], "it waits");
        let stopped = CancellationToken::new();
        stopped.cancel();
        rounds.run(stopped).await;
        assert_eq!(rounds.results(), [(3, status)], "{targets:?}");
    }
}

/// Panics once, at the first log line of the observer.
struct PanicsOnce(AtomicBool);

impl<S: tracing::Subscriber> Layer<S> for PanicsOnce {
    fn on_event(&self, event: &tracing::Event<'_>, _: layer::Context<'_, S>) {
        let is_observer = event.metadata().target().ends_with("observer");
        assert!(!is_observer || self.0.swap(true, Relaxed), "a panic in the observer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_does_not_end_the_decisions_about_failures() {
    let _panics = tracing_subscriber::registry().with(PanicsOnce(AtomicBool::new(false))).set_default();
    let rounds = rounds(&[]);
    (1..3).for_each(|id| rounds.expect(&peer(id)));
    let stop = CancellationToken::new();
    let running = {
        let (rounds, stop) = (Arc::clone(&rounds), stop.clone());
        tokio::spawn(async move { rounds.run(stop).await })
    };
    // With few peers a failure stands at the next look.
    for id in 1..3 {
        rounds.fail(id).await;
        sleep(INTERVAL).await;
    }
    assert_eq!(rounds.results(), [(2, Status::Offline)]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_repeated_answer_is_no_contact_with_the_peer() {
    let failed = Some(FailureCode::Rejected);
    for (status, error, is_repeated, finding) in [
        (Status::Online, None, false, Finding::Online),
        (Status::Online, None, true, Finding::Inconclusive),
        (Status::Offline, failed, false, Finding::Failed),
        (Status::Offline, failed, true, Finding::Failed),
    ] {
        let report = CheckReport { is_repeated, ..report(1, status, error).await };
        assert_eq!(Finding::of(&report), finding, "{status:?}, {is_repeated}");
    }
}
