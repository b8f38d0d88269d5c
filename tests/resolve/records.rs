//! TXT and SRV records.

use easytier_probe::{AddressPolicy, Blame, FailureCode, Origin};

use crate::{
    dns::{a, srv, txt},
    support::{refused, resolved, resolver},
};

/// As clients read it: they see only the first string of a record.
#[tokio::test]
async fn a_txt_record_gives_the_urls_of_its_first_string() {
    let zone = [
        ("list.test", txt(&["tcp://1.1.1.1:1 udp://1.1.1.1:2  garbage wss://node.test/x?y=1", "tcp://1.1.1.9"])),
        ("list.test", txt(&["v=spf1 include:mail.test -all"])),
        ("list.test", txt(&["quic://1.1.1.3:3 tcp://1.1.1.1:1"])),
        ("node.test", a([1, 1, 1, 4])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let mut targets = resolved(&resolver, "txt://list.test", Origin::Remote).await;
    targets.sort();
    assert_eq!(targets, ["quic 1.1.1.3:3", "tcp 1.1.1.1:1", "udp 1.1.1.1:2", "wss 1.1.1.4:443"]);
}

#[tokio::test]
async fn a_txt_record_without_node_urls_fails_with_the_reason() {
    let zone = [
        ("spf.test", txt(&["v=spf1 -all"])),
        ("split.test", txt(&["v=1", "tcp://1.1.1.1:1"])),
        ("host.test", a([1, 1, 1, 1])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;
    let failures = [
        ("txt://nowhere.test", "nowhere.test has no TXT record"),
        ("txt://host.test", "host.test has no TXT record"),
        ("txt://spf.test", "the TXT record of spf.test: no URL of a node (such as tcp://host:11010) in it"),
        ("txt://split.test", "the TXT record of split.test (clients read only the first string of a record"),
    ];
    for (url, words) in failures {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{url}");
        assert!(failure.message.starts_with(words), "{url}: {failure}");
    }
}

#[tokio::test]
async fn srv_records_of_all_protocols_give_targets_the_likeliest_choice_of_clients_first() {
    let zone = [
        ("_easytier._tcp.pool.test", srv(20, 0, 11010, "a.test")),
        ("_easytier._tcp.pool.test", srv(9, 1, 11011, "a.test")),
        ("_easytier._udp.pool.test", srv(10, 9, 11010, "b.test")),
        ("_easytier._ws.pool.test", srv(30, 0, 80, "a.test")),
        ("_easytier._wss.pool.test", srv(40, 0, 443, "a.test")),
        ("_easytier._wg.pool.test", srv(50, 0, 11011, "a.test")),
        ("_easytier._quic.pool.test", srv(60, 0, 11012, "a.test")),
        ("_easytier._http.pool.test", srv(70, 0, 80, "a.test")),
        ("a.test", a([1, 1, 1, 1])),
        ("b.test", a([1, 1, 1, 2])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let targets = resolved(&resolver, "srv://pool.test", Origin::Remote).await;
    let expected = [
        "quic 1.1.1.1:11012",
        "wg 1.1.1.1:11011",
        "wss 1.1.1.1:443",
        "ws 1.1.1.1:80",
        "tcp 1.1.1.1:11010",
        "udp 1.1.1.2:11010",
        "tcp 1.1.1.1:11011",
    ];
    assert_eq!(targets, expected);
}

#[tokio::test]
async fn srv_records_that_offer_no_service_are_skipped() {
    let zone = [
        ("_easytier._tcp.pool.test", srv(2, 0, 0, "a.test")),
        ("_easytier._tcp.pool.test", srv(1, 0, 11010, "a.test")),
        ("_easytier._udp.pool.test", srv(2, 0, 11010, ".")),
        ("_easytier._tcp.off.test", srv(1, 0, 0, ".")),
        ("a.test", a([1, 1, 1, 1])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    assert_eq!(resolved(&resolver, "srv://pool.test", Origin::Remote).await, ["tcp 1.1.1.1:11010"]);
    let failures = [("srv://off.test", "the SRV records of off.test: no URL"), ("srv://a.test", "a.test has no SRV")];
    for (url, words) in failures {
        let failure = refused(&resolver, url, Origin::Remote).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed);
        assert!(failure.message.starts_with(words), "{failure}");
    }
}

/// Clients take the priority as the weight of a random choice, and fail when the sum of all weights is 0.
#[tokio::test]
async fn srv_records_that_no_client_chooses_are_no_way_to_a_node() {
    let zone = [
        ("_easytier._tcp.zero.test", srv(0, 10, 11010, "a.test")),
        ("_easytier._udp.zero.test", srv(0, 20, 11010, "a.test")),
        ("_easytier._tcp.some.test", srv(0, 10, 11010, "a.test")),
        ("_easytier._udp.some.test", srv(1, 0, 11010, "a.test")),
        ("a.test", a([1, 1, 1, 1])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let failure = refused(&resolver, "srv://zero.test", Origin::Remote).await;
    assert_eq!((failure.code, failure.blame), (FailureCode::ResolverFailed, Blame::Peer));
    assert!(failure.message.starts_with("the SRV records of zero.test all have priority 0"), "{failure}");
    assert_eq!(resolved(&resolver, "srv://some.test", Origin::Remote).await, ["udp 1.1.1.1:11010"]);
}

#[tokio::test]
async fn records_of_a_protocol_that_this_probe_does_not_speak_say_nothing_about_the_peer() {
    let zone = [
        ("_easytier._faketcp.fake.test", srv(1, 0, 11013, "a.test")),
        ("fake.test", txt(&["faketcp://a.test:11013 unix:///run/easytier"])),
        ("mixed.test", txt(&["faketcp://a.test:11013 tcp://1.1.1.1:1"])),
        ("a.test", a([1, 1, 1, 1])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    for url in ["srv://fake.test", "txt://fake.test"] {
        let failure = refused(&resolver, url, Origin::Remote).await;
        assert_eq!((failure.code, failure.blame), (FailureCode::UnsupportedProtocol, Blame::Probe), "{failure}");
        assert!(failure.message.contains("'faketcp' of faketcp://a.test:11013"), "{failure}");
    }
    assert_eq!(resolved(&resolver, "txt://mixed.test", Origin::Remote).await, ["tcp 1.1.1.1:1"]);
}
