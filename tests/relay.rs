//! Whether real nodes of both generations relay data between their guests, by their own words and by trying it.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

mod support;

use std::{
    env,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use easytier_probe::{
    CheckOptions, CheckReport, Checker, CycleOptions, Peer, Relay, RelayTest, Scheme, Stage, Status,
    cycle::{ListedPeers, NoSink},
    result::REFUSAL_FLAG,
    run_cycle,
};
use futures::{StreamExt, stream};
use support::{
    LONG, SHORT, assert_online,
    current_node::{CurrentNode, CurrentNodeOptions},
    fake::Fake,
    guest, member,
    node::{Node, NodeOptions},
    options,
};

/// Guests cannot use wg.
const TRANSPORTS: [Scheme; 5] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Quic];

/// A node of either generation.
enum AnyNode {
    Old(Node),
    Current(Box<CurrentNode>),
}

impl Deref for AnyNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        match self {
            Self::Old(node) => node,
            Self::Current(node) => node,
        }
    }
}

fn old(configure: impl FnOnce(&mut NodeOptions)) -> AnyNode {
    let mut options = NodeOptions::listening_on(&TRANSPORTS);
    configure(&mut options);
    AnyNode::Old(options.start(env!("CARGO_BIN_EXE_easytier-uptime")))
}

fn current(configure: impl FnOnce(CurrentNodeOptions) -> CurrentNodeOptions) -> AnyNode {
    AnyNode::Current(configure(CurrentNodeOptions::listening_on(&TRANSPORTS)).start().into())
}

fn whitelist(options: &mut NodeOptions, names: &str) {
    options.relay_whitelist = Some(names.to_owned());
}

/// The guests of other networks find each other through it, and send no data.
fn calls_only(options: &mut NodeOptions) {
    whitelist(options, "friends-*");
    options.relay_all_peer_rpc = true;
}

/// A kind of node, and what a test must find out.
struct Kind {
    name: &'static str,
    start: fn() -> AnyNode,
    verdict: Relay,
    /// What the reason contains.
    words: &'static str,
}

const KINDS: [Kind; 10] = [
    Kind { name: "2.0.3", start: || old(|_| ()), verdict: Relay::Ok, words: "" },
    Kind { name: "2.6.4", start: || current(|it| it), verdict: Relay::Ok, words: "" },
    Kind {
        name: "2.0.3, the whitelist has the guests",
        start: || old(|options| whitelist(options, "friends-* *")),
        verdict: Relay::Ok,
        words: "",
    },
    Kind {
        name: "2.6.4, the whitelist has the guests",
        start: || {
            current(|mut it| {
                whitelist(&mut it.node, "friends-* *");
                it
            })
        },
        verdict: Relay::Ok,
        words: "",
    },
    Kind {
        name: "2.6.4, the data of guests is limited",
        start: || current(|it| it.flag("foreign_relay_bps_limit", 20_000)),
        verdict: Relay::Ok,
        words: "",
    },
    Kind {
        name: "2.0.3, calls only",
        start: || old(calls_only),
        verdict: Relay::Refused,
        words: "drops data between two guests",
    },
    Kind {
        name: "2.6.4, calls only",
        start: || {
            current(|mut it| {
                calls_only(&mut it.node);
                it
            })
        },
        verdict: Relay::Refused,
        words: REFUSAL_FLAG,
    },
    Kind {
        name: "2.6.4, no data",
        start: || current(|it| it.flag("disable_relay_data", true)),
        verdict: Relay::Refused,
        words: REFUSAL_FLAG,
    },
    Kind {
        name: "2.0.3, nothing",
        start: || old(|options| whitelist(options, "friends-*")),
        verdict: Relay::Failed,
        words: "",
    },
    Kind {
        name: "2.6.4, nothing",
        start: || {
            current(|mut it| {
                whitelist(&mut it.node, "friends-*");
                it
            })
        },
        verdict: Relay::Failed,
        words: "",
    },
];

impl Kind {
    /// Tests a node of this kind over every transport, `rounds` times; returns what is wrong.
    async fn wrong(&self, rounds: usize) -> Vec<(Scheme, RelayTest)> {
        let node = (self.start)();
        let checker = Checker::new(options(if self.verdict == Relay::Failed { SHORT } else { LONG }));
        let mut wrong = Vec::new();
        for _ in 0..rounds {
            let test = async |scheme: Scheme| (scheme, checker.test_relay(&node.as_guest(scheme)).await);
            let tests: Vec<_> = stream::iter(TRANSPORTS).map(test).buffer_unordered(TRANSPORTS.len()).collect().await;
            wrong.extend(tests.into_iter().filter(|(_, test)| !self.is_right(test)));
        }
        assert_eq!(node.panics(), 0, "{}: a node of EasyTier's own program would have ended", self.name);
        wrong
    }

    fn is_right(&self, test: &RelayTest) -> bool {
        let relays = self.verdict == Relay::Ok;
        test.verdict == self.verdict
            && test.round_trip.is_some() == relays
            && test.message.is_some() != relays
            && test.message.as_ref().is_none_or(|message| message.contains(self.words))
    }
}

#[tokio::test]
async fn a_test_finds_out_what_nodes_of_each_kind_relay() {
    for kind in &KINDS {
        let wrong = kind.wrong(1).await;
        assert!(wrong.is_empty(), "{}: {wrong:?}", kind.name);
    }
}

/// The long form, for `tools/soak-relay`.
#[tokio::test]
#[ignore = "it takes some minutes"]
async fn soak_relay() {
    let runs: usize = env::var("RUNS").map_or(200, |text| text.parse().expect("a number"));
    let rounds = runs.div_ceil(TRANSPORTS.len());
    let mut all_wrong = 0;
    for kind in &KINDS {
        let wrong = kind.wrong(rounds).await;
        eprintln!("{}: {} wrong of {}", kind.name, wrong.len(), rounds * TRANSPORTS.len());
        wrong.iter().for_each(|(scheme, test)| eprintln!("  over {scheme}: {test:?}"));
        all_wrong += wrong.len();
    }
    assert_eq!(all_wrong, 0);
}

/// One session is enough.
#[tokio::test]
async fn a_check_of_a_node_of_2_6_reads_that_it_refuses() {
    let node = current(|it| it.flag("disable_relay_data", true));
    let report = support::check(&node.as_guest(Scheme::Tcp), LONG).await;
    assert_online(&report);
    assert_eq!((report.result.relay, report.result.stage), (Some(Relay::Refused), Stage::Route), "{report:?}");
    assert!(report.result.relay_error.as_ref().is_some_and(|words| words.contains(REFUSAL_FLAG)), "{report:?}");
    // To its members it relays.
    let report = support::check(&node.as_member(Scheme::Tcp), LONG).await;
    assert_eq!((report.result.status, report.result.relay), (Status::Online, None), "{report:?}");
    // A node that relays says nothing.
    let report = support::check(&current(|it| it).as_guest(Scheme::Tcp), LONG).await;
    assert_eq!((report.result.status, report.result.relay), (Status::Online, None), "{report:?}");
}

#[tokio::test]
async fn what_cannot_be_tested_is_told() {
    let private = current(|it| it.flag("private_mode", true));
    let cases = [
        (private.as_guest(Scheme::Tcp), ""),
        (guest("tcp://127.0.0.1:1"), "127.0.0.1:1"),
        (guest("wg://127.0.0.1:1"), "members of its own network only"),
        (guest("tcp://name.invalid:1"), "name.invalid"),
        (member("tcp://127.0.0.1:1", "net", "secret"), "only nodes for guests"),
    ];
    let checker = Checker::new(options(SHORT));
    for (peer, words) in cases {
        let test = checker.test_relay(&peer).await;
        assert_eq!((test.verdict, test.round_trip), (Relay::Failed, None), "{test:?}");
        assert!(test.message.as_ref().is_some_and(|message| message.contains(words)), "no '{words}' in {test:?}");
    }
}

#[tokio::test]
async fn a_peer_stays_online_whatever_a_test_finds_out() {
    let node = old(calls_only);
    let checker = Checker::new(options(LONG));
    let peer: Peer = node.as_guest(Scheme::Tcp);
    let mut report = checker.check(&peer).await;
    report.result.add_relay(checker.test_relay(&guest("tcp://127.0.0.1:1")).await);
    assert_eq!((report.result.stage, report.result.relay), (Stage::Route, Some(Relay::Failed)), "{report:?}");
    report.result.add_relay(checker.test_relay(&peer).await);
    assert_eq!((report.result.stage, report.result.relay), (Stage::Relay, Some(Relay::Refused)), "{report:?}");
    support::assert_consistent(&peer, &report);
    assert_online(&report);
    // Nor does it become so.
    let mut report = checker.check(&guest("tcp://127.0.0.1:1")).await;
    let without = report.result.stage;
    report.result.add_relay(checker.test_relay(&peer).await);
    assert_eq!((report.result.status, report.result.stage), (Status::Offline, without), "{report:?}");
}

#[tokio::test]
async fn tests_of_one_address_keep_their_distance() {
    let node = old(|_| ());
    let interval = Duration::from_millis(300);
    let checker = Checker::new(CheckOptions { join_interval: interval, ..options(LONG) });
    let started = Instant::now();
    let peer = node.as_guest(Scheme::Tcp);
    let tests = stream::iter(0..4).map(|_| checker.test_relay(&peer)).buffer_unordered(4).collect::<Vec<_>>().await;
    assert!(tests.iter().all(|test| test.verdict == Relay::Ok), "{tests:#?}");
    assert!(started.elapsed() >= interval * 3, "{:?}", started.elapsed());
}

/// A cycle over these peers.
async fn cycle(peers: Vec<Peer>, budget: Duration) -> Vec<CheckReport> {
    let (options, mut reports) = (CycleOptions { budget, ..CycleOptions::default() }, Vec::new());
    let note = |_: &Peer, report: &CheckReport| reports.push(report.clone());
    let report =
        run_cycle(&mut ListedPeers::new(peers), &Checker::new(options_for_checks()), &NoSink, &options, note).await;
    assert!(report.complete, "{report:?}");
    reports.sort_by_key(|report| report.result.peer_id);
    reports
}

fn options_for_checks() -> CheckOptions {
    options(LONG)
}

#[tokio::test]
async fn a_cycle_tests_the_nodes_that_the_backend_asks_for() {
    let (relays, refuses) = (old(|_| ()), old(calls_only));
    let asked = |id, node: &Node| Peer { id, test_relay: true, ..node.as_guest(Scheme::Tcp) };
    let peers = vec![asked(1, &relays), Peer { test_relay: false, ..asked(2, &relays) }, asked(3, &refuses)];
    let found: Vec<_> = cycle(peers, LONG).await.iter().map(|report| report.result.relay).collect();
    assert_eq!(found, [Some(Relay::Ok), None, Some(Relay::Refused)]);

    // Where too little time is left for a test, the check is reported without one.
    let reports = cycle(vec![asked(1, &refuses)], Duration::from_secs(5)).await;
    assert_eq!((reports[0].result.status, reports[0].result.relay), (Status::Online, None), "{reports:?}");
}

/// Every quarter of an hour, that makes less than 500 KiB a day.
#[tokio::test]
async fn a_test_takes_less_than_five_kibibytes() {
    for node in [old(|_| ()), current(|it| it), old(calls_only), current(|it| it.flag("disable_relay_data", true))] {
        let bytes = Arc::new(AtomicU64::new(0));
        let (address, counted) = (node.url(Scheme::Tcp).to_string().replace("tcp://", ""), bytes.clone());
        let proxy = Fake::tcp(move |mut probe| {
            let (address, counted) = (address.clone(), counted.clone());
            async move {
                let mut node = tokio::net::TcpStream::connect(address).await.expect("the node listens");
                let copied = tokio::io::copy_bidirectional(&mut probe, &mut node).await.expect("both end");
                counted.fetch_add(copied.0 + copied.1, SeqCst);
            }
        })
        .await;
        let test = Checker::new(options(LONG)).test_relay(&guest(proxy.url(Scheme::Tcp))).await;
        let started = Instant::now();
        while bytes.load(SeqCst) == 0 && started.elapsed() < LONG {
            tokio::task::yield_now().await;
        }
        // The second session may not be counted yet, and is like the first one.
        let both = 2 * bytes.load(SeqCst);
        eprintln!("{:?}: at most {both} bytes", test.verdict);
        assert!((1..5 * 1024).contains(&both), "{test:?} took {both} bytes");
    }
}
