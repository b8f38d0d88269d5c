//! Host names.

use std::time::Duration;

use easytier_probe::{
    AddressPolicy, Blame, FailureCode, Origin, Peer, PeerUrl, Resolver, Target, Transport,
    resolve::{MAX_TARGETS, Resolved},
};
use hickory_resolver::proto::rr::RecordType;
use tokio::{net::UdpSocket, time::Instant};

use crate::{
    dns::{Zone, a, aaaa, name_server_of, txt},
    support::{PRIVATE_ALLOWED, in_good_time, peer, refused, refused_by, resolved, resolver},
};

#[tokio::test]
async fn a_name_gives_a_target_for_each_address_with_the_families_alternating() {
    let zone = [
        ("node.test", a([1, 1, 1, 1])),
        ("node.test", a([1, 1, 1, 2])),
        ("node.test", a([1, 1, 1, 2])),
        ("node.test", aaaa("2a00::1")),
        ("node.test", aaaa("2a00::2")),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let mut targets = resolved(&resolver, "tcp://node.test:5", Origin::Remote).await;
    let families: Vec<bool> = targets.iter().map(|target| target.contains('[')).collect();
    assert_eq!(families, [false, true, false, true]);
    targets.sort();
    assert_eq!(targets, ["tcp 1.1.1.1:5", "tcp 1.1.1.2:5", "tcp [2a00::1]:5", "tcp [2a00::2]:5"]);
}

#[tokio::test]
async fn a_target_keeps_the_url_with_its_name() {
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, [("node.test", a([1, 1, 1, 1]))]).await;
    let url: PeerUrl = "ws://node.test:8080/path?x=1".parse().unwrap();
    let peer = Peer { origin: Origin::Remote, ..Peer::local(1, url.clone()) };

    let Resolved { targets, .. } = resolver.resolve(&peer, in_good_time()).await.unwrap();
    assert_eq!(targets, [Target { url, transport: Transport::Ws, address: "1.1.1.1:8080".parse().unwrap() }]);
}

/// The answer is truncated over UDP, so this also shows that the query is repeated over TCP.
#[tokio::test]
async fn a_name_with_many_addresses_gives_a_limited_number_of_both_families() {
    let v4 = (0..60).map(|n| ("many.test", a([1, 1, 1, n])));
    let v6 = (0..60).map(|n| ("many.test", aaaa(&format!("2a00::{n}"))));
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, v4.chain(v6)).await;

    let targets = resolved(&resolver, "tcp://many.test", Origin::Remote).await;
    assert_eq!(targets.len(), MAX_TARGETS);
    assert_eq!(targets.iter().filter(|target| target.contains('[')).count(), MAX_TARGETS / 2);
}

#[tokio::test]
async fn a_name_without_addresses_fails_with_the_answer_of_the_dns() {
    let zone = [("text.test", txt(&["tcp://1.1.1.1"]))];
    let resolver = resolver(AddressPolicy::ANY, zone).await;
    let failures = [
        ("tcp://nowhere.test", "nowhere.test: no such name"),
        ("tcp://text.test", "text.test: the name exists and has no address (no A or AAAA record)"),
    ];
    for (url, words) in failures {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, words));
    }
}

/// Only the answer that there is no such name, or no address, says something about the peer.
#[tokio::test]
async fn a_name_server_that_does_not_know_says_nothing_about_the_peer() {
    let resolver = resolver(AddressPolicy::ANY, []).await;
    for (name, words) in [("broken.test", "answered 'Server Failure'"), ("refused.test", "answered 'Query Refused'")] {
        for scheme in ["tcp", "http", "txt", "srv"] {
            let failure = refused(&resolver, &format!("{scheme}://{name}"), Origin::Local).await;
            assert_eq!((failure.code, failure.blame), (FailureCode::ProbeUnreachable, Blame::Probe), "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_name_server_fails_every_kind_of_url_within_the_deadline_of_a_check() {
    // Bound but never read, so that queries get no answer and are not refused.
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[dead.local_addr().unwrap()]);

    for url in ["tcp://node.test", "http://node.test", "txt://node.test", "srv://node.test"] {
        let start = Instant::now();
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ProbeUnreachable, "{url}");
        assert!(failure.message.contains("node.test: no answer from the name server"), "{url}: {failure}");
        assert!(start.elapsed() <= Duration::from_secs(8), "{url} took {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn without_any_name_server_the_failure_says_so() {
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[]);
    let failure = refused(&resolver, "tcp://node.test", Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ProbeUnreachable);
    assert_eq!(failure.message, "node.test: no name server is configured");
}

#[tokio::test]
async fn an_unreachable_name_server_says_nothing_about_the_name() {
    // No socket may send to a broadcast address by default.
    let broadcast = "255.255.255.255:53".parse().unwrap();
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[broadcast]);
    let failure = refused(&resolver, "tcp://node.test", Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ProbeUnreachable, "{failure}");
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused_from_remote_and_allowed_from_local() {
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, [("home.test", a([192, 168, 1, 5]))]).await;

    assert_eq!(resolved(&resolver, "tcp://home.test:1", Origin::Local).await, ["tcp 192.168.1.5:1"]);

    let failure = refused(&resolver, "tcp://home.test:1", Origin::Remote).await;
    assert_eq!(failure.code, FailureCode::ForbiddenAddress);
    assert!(failure.message.starts_with("home.test has the address 192.168.1.5, a private address"), "{failure}");
}

#[tokio::test]
async fn a_strangers_peer_is_checked_at_public_addresses_whatever_the_policy() {
    let zone = [
        ("home.test", a([192, 168, 1, 5])),
        ("open.test", a([1, 1, 1, 1])),
        ("list.test", txt(&["tcp://10.0.0.1:1 tcp://1.1.1.1:1"])),
    ];
    let resolver = resolver(AddressPolicy::ANY, zone).await;

    for url in ["tcp://home.test:1", "tcp://127.0.0.1:1", "http://home.test/", "http://127.0.0.1:1/"] {
        let failure = refused(&resolver, url, Origin::Submitted).await;
        assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{url}: {failure}");
    }
    assert_eq!(resolved(&resolver, "tcp://open.test:1", Origin::Submitted).await, ["tcp 1.1.1.1:1"]);
    assert_eq!(resolved(&resolver, "txt://list.test", Origin::Submitted).await, ["tcp 1.1.1.1:1"]);
}

#[tokio::test]
async fn only_permitted_addresses_are_kept() {
    let zone = [
        ("mixed.test", a([127, 0, 0, 1])),
        ("mixed.test", a([10, 0, 0, 1])),
        ("mixed.test", a([1, 1, 1, 1])),
        ("mixed.test", aaaa("::1")),
    ];
    let public_only = resolver(AddressPolicy::PUBLIC_ONLY, zone.clone()).await;
    let private_too = resolver(PRIVATE_ALLOWED, zone).await;

    assert_eq!(resolved(&public_only, "tcp://mixed.test:1", Origin::Remote).await, ["tcp 1.1.1.1:1"]);
    let mut targets = resolved(&private_too, "tcp://mixed.test:1", Origin::Remote).await;
    targets.sort();
    assert_eq!(targets, ["tcp 1.1.1.1:1", "tcp 10.0.0.1:1"]);
}

/// Its dead name servers would hold up the lookups of all other peers.
#[tokio::test]
async fn a_peer_with_many_names_has_few_lookups_at_a_time() {
    let zone = Zone::default();
    let names: String = (0..16).map(|n| format!("tcp://n{n}.silent.test ")).collect();
    let (some, others) = names.split_at(200);
    zone.set(
        60,
        [("list.test", txt(&[some])), ("list.test", txt(&[&format!("tcp{}", others.split_once("tcp").unwrap().1)]))],
    );
    let server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[server]);

    let deadline = Instant::now() + Duration::from_millis(500);
    let failure = refused_by(&resolver, &peer("txt://list.test", Origin::Local), deadline).await;
    assert_eq!(failure.blame, Blame::Probe, "{failure}");
    // None of them got an answer, so no other had a turn.
    let asked = zone.names_asked_for_in("silent.test");
    assert!((1..=4).contains(&asked), "{asked} names");
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_is_slower_than_the_check_is_not_blamed_on_the_peer() {
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[dead.local_addr().unwrap()]);
    for url in ["tcp://node.test", "http://node.test/?token=hunter2", "txt://node.test", "srv://node.test"] {
        let deadline = Instant::now() + Duration::from_secs(1);
        let failure = refused_by(&resolver, &peer(url, Origin::Local), deadline).await;
        assert!(Instant::now() < deadline + Duration::from_millis(10), "{url} went on after the deadline");
        assert_eq!((failure.code, failure.blame), (FailureCode::ProbeUnreachable, Blame::Probe), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

// --- answers that are used again --------------------------------------------------------------------------------------

#[tokio::test]
async fn an_answer_is_used_again_until_a_check_fails() {
    let zone = Zone::default();
    zone.set(86_400, [("node.test", a([1, 1, 1, 1]))]);
    let server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[server]);
    let peer = peer("tcp://node.test:1", Origin::Local);
    let resolve = async || resolver.resolve(&peer, in_good_time()).await.unwrap();
    let address = |resolved: &Resolved| resolved.targets[0].address.to_string();

    let first = resolve().await;
    zone.set(86_400, [("node.test", a([1, 1, 1, 2]))]);
    assert_eq!([address(&first), address(&resolve().await)], ["1.1.1.1:1", "1.1.1.1:1"]);
    assert_eq!(zone.asked_for("node.test", RecordType::A), 1);

    resolver.forget(&first.answers);
    assert_eq!(address(&resolve().await), "1.1.1.2:1");
}

#[tokio::test]
async fn an_answer_that_there_is_nothing_is_not_used_again() {
    let zone = Zone::default();
    zone.set(60, [("other.test", a([1, 1, 1, 1]))]);
    let server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[server]);

    assert_eq!(refused(&resolver, "tcp://node.test", Origin::Local).await.code, FailureCode::DnsFailed);
    zone.set(60, [("node.test", a([1, 1, 1, 1]))]);
    assert_eq!(resolved(&resolver, "tcp://node.test:1", Origin::Local).await, ["tcp 1.1.1.1:1"]);
}

// --- a proxy's answers -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_address_that_a_proxy_made_up_says_nothing_about_the_peer() {
    let zone = [
        ("node.example.net", a([198, 18, 0, 7])),
        ("mixed.example.net", a([198, 19, 255, 255])),
        ("mixed.example.net", a([1, 1, 1, 1])),
        ("lab.test", a([198, 18, 0, 7])),
    ];
    let resolver = resolver(AddressPolicy::ANY, zone).await;

    for origin in [Origin::Local, Origin::Remote, Origin::Submitted] {
        let failure = refused(&resolver, "tcp://node.example.net:1", origin).await;
        assert_eq!((failure.code, failure.blame), (FailureCode::ProbeUnreachable, Blame::Probe), "{failure}");
        assert!(failure.message.contains("198.18.0.7, which a proxy"), "{failure}");
    }
    assert_eq!(resolved(&resolver, "tcp://mixed.example.net:1", Origin::Local).await, ["tcp 1.1.1.1:1"]);
    // Only a public name cannot have such an address.
    assert_eq!(resolved(&resolver, "tcp://lab.test:1", Origin::Local).await, ["tcp 198.18.0.7:1"]);
}
