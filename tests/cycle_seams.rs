//! The probe cycle with sources and sinks that a test controls, mostly with a paused clock.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/cycle.rs"]
mod cycle;
#[path = "support/seams.rs"]
mod seams;
mod support;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use easytier_probe::{
    AddressPolicy, CheckMode, CheckOptions, CheckResult, Checker, CycleOptions, FailureCode, Peer, ReportSink,
    Resolver, Scheme, Status,
    backend::{Delivery, Rejected, StatusReport},
    cycle::{BoxError, ListedPeers, NoSink, SourcePage},
};
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use self::{
    cycle::{MAX_CHECKS, checker, impossible, run, run_showing, run_with, small},
    seams::{Sink, Source, page, taken},
    support::{
        LONG,
        closed_port::ClosedPort,
        fake::{self, Fake},
        scripted::{Script, ScriptedNode},
    },
};

// --- whole cycles ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_dry_run_delivers_nothing_and_leaves_nothing_undelivered() {
    let mut peers = ListedPeers::new((1..=25).map(impossible).collect());

    let ran = run(&mut peers, &NoSink, &small(LONG)).await;
    assert_eq!((ran.report.checked, ran.report.not_wanted, ran.report.complete), (25, 25, true));
}

#[tokio::test]
async fn the_slowest_checks_are_listed_slowest_first() {
    let silent = fake::silent().await;
    let slow = |id: i64, millis| Peer {
        timeout: Some(Duration::from_millis(millis)),
        ..Peer::local(id, silent.url(Scheme::Tcp).parse().unwrap())
    };
    let mut peers: Vec<Peer> = (1..=50).map(impossible).collect();
    peers.extend([slow(103, 300), slow(107, 700), slow(101, 100), slow(105, 500), slow(109, 900), slow(111, 1100)]);

    let ran = run_with(&checker(64), &mut ListedPeers::new(peers), &NoSink, &small(LONG), |_| ()).await;
    let slowest = &ran.report.slowest;
    assert_eq!(slowest.iter().map(|slow| slow.peer_id).collect::<Vec<_>>(), [111, 109, 107, 105, 103]);
    assert!(slowest.iter().all(|slow| slow.url == silent.url(Scheme::Tcp).parse().unwrap()));
    assert!(slowest[0].took_ms >= 1100.0, "{slowest:?}");
}

#[tokio::test]
async fn a_serialised_report_has_no_undelivered_results() {
    let mut source = Source::new(async |number| match number {
        0 => page((1..=3).map(impossible)),
        _ => Err("the source broke".into()),
    });
    let sink = Sink::new(async |_, _: &[_]| Err("the sink broke".into()));

    let ran = run(&mut source, &sink, &small(LONG)).await;
    let document = serde_json::to_value(&ran.report).unwrap();
    assert_eq!(document["fetch_error"], "the source broke");
    assert_eq!(document["report_error"], "the sink broke");
    assert_eq!(document["failures"], json!({"forbidden_address": 3}));
    assert_eq!(document["undelivered"], 3);
    assert_eq!(document.get("undelivered_results"), None);
}

// --- the self-check --------------------------------------------------------------------------------------------------

/// A checker whose name server knows only `hub.test`, a server on this machine.
async fn checker_without_names() -> Checker {
    let name_server = support::dns::name_server([("hub.test", support::dns::a([127, 0, 0, 1]))]).await;
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[name_server]);
    Checker::with_resolver(support::options(LONG), resolver)
}

/// Peers that fail, because the name server does not know them.
fn nameless(ids: impl IntoIterator<Item = i64>, was_online: bool) -> Vec<Peer> {
    let peer = |id| Peer { was_online, ..Peer::local(id, format!("tcp://n{id}.test:11010").parse().unwrap()) };
    ids.into_iter().map(peer).collect()
}

#[tokio::test]
async fn failures_of_nearly_all_peers_are_unknown_unless_a_target_answers() {
    let listener = support::fake::silent().await;
    let here = format!("tcp://127.0.0.1:{}", listener.address().port());
    let few = nameless(1..=4, true);
    let many = nameless(1..=10, true);
    let not_online_before = nameless(1..=10, false);
    let cases = [
        (&many, Some("tcp://gone.test:443"), Status::Unknown, "the targets of the self-check do not answer either"),
        // A server on this machine is no proof of an uplink.
        (&many, Some(here.as_str()), Status::Unknown, "no target of the self-check can tell"),
        (&many, None, Status::Offline, "no such name"),
        (&few, Some("tcp://gone.test:443"), Status::Offline, "no such name"),
        (&not_online_before, Some("tcp://gone.test:443"), Status::Offline, "no such name"),
    ];
    for (peers, target, status, words) in cases {
        let self_check = target.map(|target| vec![target.parse().unwrap()]);
        let options = CycleOptions { self_check, ..small(LONG) };
        let sink = Sink::new(async |_, results: &[_]| Ok(taken(results)));
        let checker = checker_without_names().await;
        let ran = run_with(&checker, &mut ListedPeers::new(peers.clone()), &sink, &options, |_| ()).await;

        let results: Vec<CheckResult> = sink.batches().concat();
        assert_eq!(results.len(), peers.len(), "{target:?}");
        for result in results {
            assert_eq!(result.status, status, "{target:?}: {result:?}");
            assert!(result.message.as_ref().is_some_and(|message| message.contains(words)), "{target:?}: {result:?}");
        }
        assert_eq!(sink.statuses()[0].degraded, status == Status::Unknown, "{target:?}");
        assert_eq!(ran.report.doubt.is_some(), status == Status::Unknown, "{target:?}");
    }
}

#[tokio::test]
async fn failures_beside_peers_that_are_online_stand() {
    let node = support::scripted::ScriptedNode::start(support::scripted::Script::default()).await;
    let mut peers = nameless(1..=7, true);
    let online = format!("tcp://hub.test:{}", node.fake.address().port());
    peers.extend((8..=10).map(|id| Peer { was_online: true, ..Peer::local(id, online.parse().unwrap()) }));
    let options = CycleOptions { self_check: Some(vec!["tcp://gone.test:443".parse().unwrap()]), ..small(LONG) };
    let checker = checker_without_names().await;
    let ran = run_with(&checker, &mut ListedPeers::new(peers), &NoSink, &options, |_| ()).await;
    assert_eq!((ran.report.online, ran.report.offline, ran.report.unknown), (3, 7, 0));
}

// --- overlap, pages, memory ------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn results_arrive_before_the_last_page_is_fetched() {
    let arrived = Notify::new();
    let mut source = Source::new(async |number| match number {
        0 => page((1..=10).map(impossible)),
        1 => {
            // The second page waits until the results of the first are delivered.
            arrived.notified().await;
            page((11..=20).map(impossible))
        }
        _ => Ok(None),
    });
    let sink = Sink::new(async |_, results| {
        arrived.notify_one();
        Ok(taken(results))
    });

    let ran = run(&mut source, &sink, &small(LONG)).await;
    assert_eq!((ran.report.delivered, ran.report.complete), (20, true));
    assert!(ran.took < Duration::from_secs(2), "{:?}", ran.took);
    assert_eq!(sink.cycles(), HashSet::from([ran.report.cycle_id]));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_is_sent_after_a_wait() {
    let arrived = Notify::new();
    let mut source = Source::new(async |number| match number {
        0 => page((1..=3).map(impossible)),
        1 => {
            arrived.notified().await;
            Ok(None)
        }
        _ => unreachable!("the source is at its end"),
    });
    let sink = Sink::new(async |_, results| {
        arrived.notify_one();
        Ok(taken(results))
    });

    let ran = run(&mut source, &sink, &small(LONG)).await;
    assert_eq!((ran.report.delivered, ran.report.complete), (3, true));
    assert!(ran.took < Duration::from_secs(2), "{:?}", ran.took);
}

/// For any number of peers and any slow sink.
#[tokio::test(start_paused = true)]
async fn memory_depends_only_on_concurrency_and_batch_size() {
    const PAGES: usize = 200;
    const PAGE: usize = 50;
    const PAUSE: Duration = Duration::from_millis(100);
    let options = small(Duration::from_secs(300));
    let (given, checked, reported) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let (most_unchecked, most_unreported) = (Cell::new(0), Cell::new(0));
    let mut source = Source::new(async |number| {
        most_unchecked.set(most_unchecked.get().max(given.get() - checked.get()));
        if number == PAGES {
            return Ok(None);
        }
        given.set(given.get() + PAGE);
        page((0..PAGE).map(|index| impossible((number * PAGE + index) as i64)))
    });
    let sink = Sink::new(async |_, results| {
        sleep(PAUSE).await;
        most_unreported.set(most_unreported.get().max(checked.get() - reported.get()));
        reported.set(reported.get() + results.len());
        Ok(taken(results))
    });

    let ran = run_showing(&mut source, &sink, &options, |_| checked.set(checked.get() + 1)).await;
    assert_eq!((ran.report.delivered, ran.report.complete), ((PAGES * PAGE) as u64, true));
    let most_unchecked = most_unchecked.get();
    assert!(most_unchecked <= 2 * MAX_CHECKS, "{most_unchecked} were taken and not checked");
    // A batch that is being sent, a full queue, and a result that waits for space in the queue.
    let most_unreported = most_unreported.get();
    assert!(most_unreported <= 2 * options.batch_size + 1, "{most_unreported} were checked and not sent");
    // The sink slowed down the whole cycle.
    let batches = sink.batches();
    assert_eq!(batches.len(), PAGES * PAGE / options.batch_size, "not every batch was full");
    assert!(ran.took >= PAUSE * batches.len() as u32, "{:?}", ran.took);
}

/// A check that waited for a socket as long as a check may take would not be done.
#[tokio::test]
async fn the_number_of_concurrent_checks_is_limited() {
    assert_limited(CheckOptions { max_checks: 4, ..support::options(LONG) }, 4).await;
    // Of twelve sockets, eight are for the first addresses of peers.
    assert_limited(CheckOptions { max_sockets: 12, ..support::options(LONG) }, 8).await;
}

async fn assert_limited(options: CheckOptions, limit: usize) {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_open, most_open) = (open.clone(), most.clone());
    let silent = Fake::tcp(move |stream| {
        most_open.fetch_max(now_open.fetch_add(1, SeqCst) + 1, SeqCst);
        let now_open = now_open.clone();
        async move {
            fake::listen_only(stream).await;
            now_open.fetch_sub(1, SeqCst);
        }
    })
    .await;
    let peer = |id| Peer {
        timeout: Some(Duration::from_millis(200)),
        ..Peer::local(id, silent.url(Scheme::Tcp).parse().unwrap())
    };
    let checker = Checker::new(options);

    let ran =
        run_with(&checker, &mut ListedPeers::new((1..=20).map(peer).collect()), &NoSink, &small(LONG), |_| ()).await;
    assert_eq!(ran.report.failures, BTreeMap::from([(FailureCode::HandshakeTimeout, 20)]));
    assert_eq!(silent.arrived(), 20);
    // The test sees the end of a connection some time after the check has ended.
    let most = most.load(SeqCst);
    assert!((limit..=2 * limit).contains(&most), "{most} connections at a time");
    let rounds = 20_u32.div_ceil(limit as u32);
    assert!(ran.took >= Duration::from_millis(200) * rounds, "{:?}", ran.took);
}

// --- the time budget -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn peers_are_skipped_when_the_time_is_up() {
    let silent = fake::silent().await;
    let peers = (1..=1000).map(|id| Peer::local(id, silent.url(Scheme::Tcp).parse().unwrap())).collect();
    let sink = Sink::new(async |_, results| Ok(taken(results)));

    let ran = run(&mut ListedPeers::new(peers), &sink, &small(Duration::from_secs(1))).await;
    assert_eq!((ran.report.checked, ran.report.skipped, ran.report.complete), (0, 1000, false));
    assert!(ran.report.fetch_error.is_none() && ran.report.report_error.is_none(), "{:?}", ran.report);
    assert!(sink.batches().is_empty());
    assert_eq!(sink.statuses().len(), 1);
    // It passed on as many peers as the queue holds.
    assert!(ran.report.durations.fetch_ms >= 400.0, "{:?}", ran.report.durations);
}

#[tokio::test(start_paused = true)]
async fn an_endless_source_is_stopped_when_the_time_is_up() {
    let budget = Duration::from_secs(30);
    let mut source = Source::new(async |_| {
        sleep(Duration::from_millis(10)).await;
        page((1..=5).map(impossible))
    });
    let sink = Sink::new(async |_, results| Ok(taken(results)));

    let ran = run(&mut source, &sink, &small(budget)).await;
    assert!(ran.took < budget && ran.took > budget / 2, "{:?}", ran.took);
    assert!(!ran.report.complete && ran.report.delivered > 1000, "{:?}", ran.report);
    assert_eq!(ran.report.undelivered, 0);
    assert!(ran.fetch_error().contains("time"), "{}", ran.fetch_error());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_does_not_delay_the_results() {
    let budget = Duration::from_secs(30);
    let mut source = Source::new(async |number| match number {
        0 => page((1..=5).map(impossible)),
        _ => future::pending().await,
    });
    let first_at = Cell::new(None);
    let sink = Sink::new(async |_, results| {
        first_at.set(Some(Instant::now()));
        Ok(taken(results))
    });
    let started = Instant::now();

    let ran = run(&mut source, &sink, &small(budget)).await;
    assert!(ran.took < budget, "{:?}", ran.took);
    assert!(first_at.get().unwrap() - started < Duration::from_secs(2));
    assert_eq!((ran.report.delivered, ran.report.complete), (5, false));
    assert!(ran.fetch_error().contains("time"), "{}", ran.fetch_error());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_leaves_results_undelivered_within_the_budget() {
    let budget = Duration::from_secs(30);
    let sink = Sink::new(async |number, results| match number {
        0 => Ok(taken(results)),
        _ => future::pending().await,
    });

    let ran = run(&mut ListedPeers::new((1..=200).map(impossible).collect()), &sink, &small(budget)).await;
    let report = &ran.report;
    assert!(ran.took <= budget, "{:?}", ran.took);
    assert_eq!(report.delivered, 10);
    assert!(report.undelivered > 0 && report.checked + report.skipped == 200, "{report:?}");
    assert!(ran.report_error().contains("time"), "{}", ran.report_error());
    assert!(sink.statuses().is_empty(), "the sink was called again");
}

/// All checks run at once, and end long before the time is up.
#[tokio::test(start_paused = true)]
async fn results_that_wait_for_the_sink_are_reported_after_the_time_for_checking() {
    let until = Instant::now() + Duration::from_secs(26);
    let sink = Sink::new(async |_, results| {
        sleep_until(until).await;
        Ok(taken(results))
    });

    let mut peers = ListedPeers::new((1..=60).map(impossible).collect());
    let ran = run_with(&checker(64), &mut peers, &sink, &small(Duration::from_secs(30)), |_| ()).await;
    assert_eq!(ran.peer_ids(), (1..=60).collect::<Vec<_>>());
    assert_eq!((ran.report.delivered, ran.report.skipped, ran.report.complete), (60, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_status_report_that_hangs_does_not_exceed_the_budget() {
    struct Hanging;
    impl ReportSink for Hanging {
        async fn send(&self, _: Uuid, results: &[CheckResult], _: Instant) -> Result<Delivery, BoxError> {
            Ok(taken(results))
        }

        async fn report_status(&self, _: &StatusReport, _: Instant) -> Result<(), BoxError> {
            future::pending().await
        }
    }
    let budget = Duration::from_secs(30);

    let ran = run(&mut ListedPeers::new(vec![impossible(1)]), &Hanging, &small(budget)).await;
    assert!(ran.took <= budget, "{:?}", ran.took);
    assert_eq!(ran.report.delivered, 1);
    assert!(ran.report_error().contains("status"), "{}", ran.report_error());
}

// --- failures of a source --------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn empty_pages_and_skipped_peers_are_accepted() {
    let mut source = Source::new(async |number| match number {
        0 | 2 => Ok(Some(SourcePage { peers: Vec::new(), skipped: 2 })),
        1 => page([impossible(1)]),
        _ => Ok(None),
    });

    let ran = run(&mut source, &NoSink, &small(LONG)).await;
    assert_eq!((ran.report.checked, ran.report.skipped, ran.report.complete), (1, 4, true));
}

// --- failures of a sink ----------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_sink_is_not_called_again_after_an_error() {
    let sink = Sink::new(async |number, results| match number {
        3 => Err("the sink broke".into()),
        _ => Ok(taken(results)),
    });

    let ran = run(&mut ListedPeers::new((1..=100).map(impossible).collect()), &sink, &small(LONG)).await;
    let report = &ran.report;
    assert_eq!((report.checked, report.delivered, report.undelivered), (100, 30, 70));
    assert_eq!((sink.batches().len(), sink.statuses().len(), report.complete), (4, 0, true));
    assert_eq!(ran.report_error(), "the sink broke");
    let sent: HashSet<Uuid> = sink.batches()[..3].iter().flatten().map(|result| result.id).collect();
    assert_eq!(&sent | &ran.undelivered(), ran.shown());
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_the_delivery_are_counted() {
    let sink = Sink::new(async |_, results: &[_]| {
        let count = results.len() as u32;
        let rejected = vec![Rejected { index: 1, reason: "too_old".to_owned() }];
        Ok(Delivery { accepted: count - 6, duplicates: 2, rejected, not_wanted: 3, ..Delivery::default() })
    });

    let ran = run(&mut ListedPeers::new((1..=30).map(impossible).collect()), &sink, &small(LONG)).await;
    let report = &ran.report;
    assert_eq!((report.delivered, report.rejected, report.not_wanted, report.undelivered), (18, 3, 9, 0));
    assert!(report.report_error.is_none(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn results_that_a_sink_does_not_account_for_are_undelivered() {
    for accepted in [0, 9, 11] {
        let sink = Sink::new(async |_, _: &[_]| Ok(Delivery { accepted, ..Delivery::default() }));

        let ran = run(&mut ListedPeers::new((1..=10).map(impossible).collect()), &sink, &small(LONG)).await;
        assert_eq!((ran.report.delivered, ran.report.undelivered), (0, 10));
        assert!(ran.report_error().contains("10 were sent"), "{}", ran.report_error());
    }
}

#[tokio::test]
async fn on_check_is_called_once_and_before_the_result_is_sent() {
    let (closed, script) = (ClosedPort::new(), ScriptedNode::start(Script::default()).await);
    let peers = (1..=100).map(|id| match id % 2 {
        0 => Peer::local(id, closed.url(Scheme::Tcp).parse().unwrap()),
        _ => Peer { mode: CheckMode::Handshake, ..Peer::local(id, script.url()) },
    });
    let shown = RefCell::new(HashSet::new());
    let sink = Sink::new(async |_, results: &[CheckResult]| {
        let shown = shown.borrow();
        assert!(results.iter().all(|result| shown.contains(&result.id)), "reported before it was shown");
        Ok(taken(results))
    });

    let ran = run_showing(&mut ListedPeers::new(peers.collect()), &sink, &small(LONG), |report| {
        shown.borrow_mut().insert(report.result.id);
    })
    .await;
    assert_eq!(ran.peer_ids(), (1..=100).collect::<Vec<_>>());
    assert_eq!((ran.report.online, ran.report.offline, ran.report.delivered), (50, 50, 100));
}
