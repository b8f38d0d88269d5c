//! From a peer's URL to its targets, with a name server and web servers of the tests.

#![allow(clippy::disallowed_methods, clippy::restriction, reason = "a test fails by a panic")]

#[path = "support/dns.rs"]
mod dns;

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use dns::{a, aaaa, name_server, srv, txt};
use easytier_probe::{
    AddressPolicy, Failure, FailureCode, Origin, PeerUrl, Resolver, Scheme, Target, Transport,
    resolve::{MAX_TARGETS, MAX_YIELDED_URLS},
};
use hickory_resolver::proto::rr::RData;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Instant,
};

const PRIVATE_ALLOWED: AddressPolicy = AddressPolicy { allow_private: true, allow_local: false };

// --- addresses in the URL itself -------------------------------------------------------------------------------------

#[tokio::test]
async fn a_literal_address_needs_no_name_server() {
    let resolver = Resolver::with_name_servers(AddressPolicy::PUBLIC_ONLY, &[]);

    assert_eq!(resolved(&resolver, "tcp://127.0.0.1", Origin::Local).await, ["tcp 127.0.0.1:11010"]);
    assert_eq!(resolved(&resolver, "udp://[::1]:1", Origin::Local).await, ["udp [::1]:1"]);
    assert_eq!(resolved(&resolver, "wss://8.8.8.8/x", Origin::Remote).await, ["wss 8.8.8.8:443"]);
}

#[tokio::test]
async fn a_remote_address_is_refused_with_the_setting_that_would_allow_it() {
    let resolver = Resolver::with_name_servers(AddressPolicy::PUBLIC_ONLY, &[]);
    let refusals = [
        ("tcp://192.168.1.5", "private address; ALLOW_PRIVATE_PEERS=true"),
        ("tcp://[fd00::1]", "private address; ALLOW_PRIVATE_PEERS=true"),
        ("tcp://127.0.0.1", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://169.254.169.254", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://[::ffff:127.0.0.1]", "loopback, link-local or metadata address; ALLOW_LOCAL_PEERS=true"),
        ("tcp://255.255.255.255", "unusable address"),
    ];
    for (url, words) in refusals {
        let failure = refused(&resolver, url, Origin::Remote).await;
        assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{url}");
        assert!(failure.message.contains(words), "{url}: {failure}");
    }
}

#[tokio::test]
async fn an_unusable_address_is_refused_whoever_typed_it() {
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[]);
    for url in ["tcp://0.0.0.0:11010", "udp://[::]:11010", "tcp://224.0.0.1:11010"] {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{url}");
        assert!(failure.message.contains("no node can be there"), "{failure}");
    }
}

#[tokio::test]
async fn localhost_is_known_to_every_system() {
    let resolver = Resolver::system(AddressPolicy::PUBLIC_ONLY);

    let targets = resolved(&resolver, "tcp://localhost:1", Origin::Local).await;
    assert!(targets.contains(&"tcp 127.0.0.1:1".to_owned()), "{targets:?}");

    let failure = refused(&resolver, "tcp://localhost:1", Origin::Remote).await;
    assert_eq!(failure.code, FailureCode::ForbiddenAddress);
}

// --- names -----------------------------------------------------------------------------------------------------------

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

    let targets = resolver.resolve(&url, Origin::Remote).await.unwrap();
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
    let zone = [("text.test", txt(&["tcp://1.1.1.1"])), ("broken.test", a([1, 1, 1, 1]))];
    let resolver = resolver(AddressPolicy::ANY, zone).await;
    let failures = [
        ("tcp://nowhere.test", "nowhere.test: no such name"),
        ("tcp://text.test", "text.test: the name exists and has no address (no A or AAAA record)"),
        ("tcp://broken.test", "broken.test: the name server answered 'Server Failure'"),
    ];
    for (url, words) in failures {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, words));
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
        assert_eq!(failure.code, FailureCode::DnsFailed, "{url}");
        assert!(failure.message.contains("node.test: no answer from the name server"), "{url}: {failure}");
        assert!(start.elapsed() <= Duration::from_secs(4), "{url} took {:?}", start.elapsed());
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

// --- txt -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_txt_record_gives_its_urls_however_it_is_split_into_strings() {
    let zone = [
        ("list.test", txt(&["tcp://1.1.1.1:1 udp://1.1", ".1.1:2  garbage wss://node.test/x?y=1"])),
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
        ("chain.test", txt(&["txt://other.test"])),
        ("other.test", txt(&["tcp://1.1.1.1:1"])),
        ("host.test", a([1, 1, 1, 1])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;
    let failures = [
        ("txt://nowhere.test", "nowhere.test has no TXT record"),
        ("txt://host.test", "host.test has no TXT record"),
        ("txt://spf.test", "the TXT record of spf.test: no URL of a node (such as tcp://host:11010) in it"),
        ("txt://chain.test", "the TXT record of chain.test: txt://other.test would have to be resolved in turn"),
    ];
    for (url, words) in failures {
        let failure = refused(&resolver, url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{url}");
        assert!(failure.message.starts_with(words), "{url}: {failure}");
    }
}

// --- srv -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn srv_records_of_all_protocols_give_targets_by_priority_and_weight() {
    let zone = [
        ("_easytier._tcp.pool.test", srv(20, 0, 11010, "a.test")),
        ("_easytier._tcp.pool.test", srv(10, 1, 11011, "a.test")),
        ("_easytier._udp.pool.test", srv(10, 9, 11010, "b.test")),
        ("_easytier._ws.pool.test", srv(30, 0, 80, "a.test")),
        ("_easytier._wss.pool.test", srv(40, 0, 443, "a.test")),
        ("_easytier._wg.pool.test", srv(50, 0, 11011, "a.test")),
        ("_easytier._quic.pool.test", srv(60, 0, 11012, "a.test")),
        ("_easytier._http.pool.test", srv(0, 0, 80, "a.test")),
        ("a.test", a([1, 1, 1, 1])),
        ("b.test", a([1, 1, 1, 2])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let targets = resolved(&resolver, "srv://pool.test", Origin::Remote).await;
    let expected = [
        "udp 1.1.1.2:11010",
        "tcp 1.1.1.1:11011",
        "tcp 1.1.1.1:11010",
        "ws 1.1.1.1:80",
        "wss 1.1.1.1:443",
        "wg 1.1.1.1:11011",
        "quic 1.1.1.1:11012",
    ];
    assert_eq!(targets, expected);
}

#[tokio::test]
async fn srv_records_that_offer_no_service_are_skipped() {
    let zone = [
        ("_easytier._tcp.pool.test", srv(0, 0, 0, "a.test")),
        ("_easytier._tcp.pool.test", srv(1, 0, 11010, "a.test")),
        ("_easytier._udp.pool.test", srv(0, 0, 11010, ".")),
        ("_easytier._tcp.off.test", srv(0, 0, 0, ".")),
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

// --- yielded URLs ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_policy_applies_to_yielded_urls_even_when_a_person_named_the_source() {
    let web = web_server(list("tcp://127.0.0.1:1")).await;
    let zone = [
        ("list.test", txt(&["tcp://127.0.0.1:1"])),
        ("_easytier._tcp.list.test", srv(0, 0, 1, "loop.test")),
        ("loop.test", a([127, 0, 0, 1])),
    ];
    let urls = ["txt://list.test".to_owned(), "srv://list.test".to_owned(), web.url("/")];
    let strict = resolver(PRIVATE_ALLOWED, zone.clone()).await;
    let lenient = resolver(AddressPolicy::ANY, zone).await;

    for url in &urls {
        assert_eq!(refused(&strict, url, Origin::Local).await.code, FailureCode::ForbiddenAddress, "{url}");
        assert_eq!(resolved(&lenient, url, Origin::Local).await, ["tcp 127.0.0.1:1"], "{url}");
    }
}

#[tokio::test]
async fn yielded_urls_without_a_target_do_not_affect_the_others() {
    let zone = [("list.test", txt(&["tcp://nowhere.test tcp://127.0.0.1:1 http://1.1.1.1 tcp://1.1.1.1:1"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    assert_eq!(resolved(&resolver, "txt://list.test", Origin::Remote).await, ["tcp 1.1.1.1:1"]);
}

#[tokio::test]
async fn when_no_yielded_url_has_a_target_the_first_failure_is_reported() {
    let zone = [("list.test", txt(&["tcp://nowhere.test tcp://127.0.0.1:1"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let failure = refused(&resolver, "txt://list.test", Origin::Remote).await;
    assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, "nowhere.test: no such name"));
}

#[tokio::test]
async fn every_yielded_url_keeps_a_target_when_one_has_many() {
    let many = (0..60).map(|n| ("many.test", a([1, 1, 1, n])));
    let list = [("list.test", txt(&["tcp://many.test tcp://2.2.2.2"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, many.chain(list)).await;

    let targets = resolved(&resolver, "txt://list.test", Origin::Remote).await;
    assert_eq!(targets.len(), MAX_TARGETS);
    assert!(targets.contains(&"tcp 2.2.2.2:11010".to_owned()), "{targets:?}");
}

#[tokio::test]
async fn a_limited_number_of_yielded_urls_is_looked_up() {
    let unknown: String = (0..MAX_YIELDED_URLS).map(|n| format!("tcp://n{n}.nowhere.test ")).collect();
    let zone = [
        ("long.test", txt(&[&unknown[..200], &unknown[200..], "tcp://1.1.1.1:1"])),
        ("short.test", txt(&["tcp://n0.nowhere.test tcp://1.1.1.1:1"])),
    ];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    assert_eq!(resolved(&resolver, "txt://short.test", Origin::Remote).await, ["tcp 1.1.1.1:1"]);
    let failure = refused(&resolver, "txt://long.test", Origin::Remote).await;
    assert_eq!(failure.message, "n0.nowhere.test: no such name");
}

// --- http and https --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_redirect_is_read_in_each_of_its_forms() {
    let forms: [(&str, &[&str]); 9] = [
        ("tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("wss://1.1.1.1/x?y=tcp://2.2.2.2:2", &["wss 1.1.1.1:443"]),
        ("http://tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("https://udp://1.1.1.1:1", &["udp 1.1.1.1:1"]),
        ("http://any.test/?url=tcp://1.1.1.1:1", &["tcp 1.1.1.1:1"]),
        ("https://any.test/path?x=tcp%3A%2F%2F1.1.1.1%3A1", &["tcp 1.1.1.1:1"]),
        ("http://any.test?a=tcp://1.1.1.1:1&b=nonsense&c=udp://1.1.1.2:2", &["tcp 1.1.1.1:1", "udp 1.1.1.2:2"]),
        ("http://any.test/?a=http://any.test&b=wg://1.1.1.1", &["wg 1.1.1.1:11011"]),
        ("http://any.test/?a=tcp://1.1.1.1:1#fragment", &["tcp 1.1.1.1:1"]),
    ];
    for (location, expected) in forms {
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
            let web = web_server(redirect(status, location)).await;
            let targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
            assert_eq!(targets, expected, "{status} {location}");
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_web_page_is_not_followed() {
    let other = web_server(list("tcp://1.1.1.1:1")).await;
    for location in [other.url("/list?token=hunter2"), format!("{}?x=y", other.url("/")), "/relative".to_owned()] {
        let web = web_server(redirect("302 Found", &location)).await;

        let failure = refused(&no_dns(AddressPolicy::ANY), &web.url("/"), Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{location}");
        assert!(failure.message.contains("which is not followed"), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
    assert_eq!(other.requests(), [""; 0]);
}

#[tokio::test]
async fn a_list_gives_the_lines_that_are_peer_urls() {
    let web =
        web_server(list("\r\n  tcp://1.1.1.1:1\r\n\n# nodes\nnot a url\nudp://1.1.1.2:2 \nftp://1.1.1.3\n")).await;

    let mut targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
    targets.sort();
    assert_eq!(targets, ["tcp 1.1.1.1:1", "udp 1.1.1.2:2"]);
}

#[tokio::test]
async fn a_list_is_tried_in_random_order() {
    let lines: String = (1..=8).map(|n| format!("tcp://1.1.1.{n}:1\n")).collect();
    let web = web_server(list(&lines)).await;
    let resolver = no_dns(AddressPolicy::PUBLIC_ONLY);

    let mut orders = HashSet::new();
    for _ in 0..20 {
        orders.insert(resolved(&resolver, &web.url("/"), Origin::Local).await);
    }
    // There are 40,320 orders, so twenty equal ones are practically impossible.
    assert!(orders.len() > 1);
}

#[tokio::test]
async fn a_long_list_is_sampled() {
    let lines: String = (0..200).map(|n| format!("tcp://1.1.1.{n}:1\n")).collect();
    let web = web_server(list(&lines)).await;

    let targets = resolved(&no_dns(AddressPolicy::PUBLIC_ONLY), &web.url("/"), Origin::Local).await;
    assert_eq!(targets.len(), MAX_YIELDED_URLS);
}

#[tokio::test]
async fn a_list_is_read_up_to_64_kib_and_no_further() {
    let line = "tcp://1.1.1.1:1\n";
    let padded = |size: usize| list(&(line.to_owned() + &" ".repeat(size - line.len())));
    let resolver = no_dns(AddressPolicy::PUBLIC_ONLY);

    let web = web_server(padded(64 * 1024)).await;
    assert_eq!(resolved(&resolver, &web.url("/"), Origin::Local).await, ["tcp 1.1.1.1:1"]);

    let web = web_server(padded(64 * 1024 + 1)).await;
    let failure = refused(&resolver, &web.url("/"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.ends_with("is longer than 64 KiB"), "{failure}");
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(b"tcp://1.1.1.1:1\n").await.is_ok() {}
    });

    let failure = refused(&no_dns(AddressPolicy::PUBLIC_ONLY), &url, Origin::Local).await;
    assert!(failure.message.ends_with("is longer than 64 KiB"), "{failure}");
    // The server's loop ends when the client closes the connection.
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_without_node_urls_fails_with_the_reason() {
    let answers: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops", "answered 500 Internal Server Error"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 15\r\n\r\ntcp://1.1.1.1:1", "answered 404 Not Found"),
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "answered 302 Found without a Location"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "no URL of a node"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n<html></html>\n", "no URL of a node"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ntcp://1.1.1.1:1", "gives no answer: "),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "gives no answer: "),
        (b"", "gives no answer: "),
    ];
    for (answer, words) in answers {
        let web = web_server(answer.to_vec()).await;
        let url = web.url("/list?token=hunter2");

        let failure = refused(&no_dns(AddressPolicy::ANY), &url, Origin::Local).await;
        assert_eq!(failure.code, FailureCode::ResolverFailed, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

#[tokio::test]
async fn a_refused_connection_differs_from_a_silent_web_server() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let failure = refused(&no_dns(AddressPolicy::ANY), &format!("http://{gone}/?token=hunter2"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.to_lowercase().contains("connection refused"), "{failure}");
    assert!(!failure.message.contains("hunter2"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_web_server_times_out() {
    let silent = Closed::bind();
    let start = Instant::now();

    let failure = refused(&no_dns(AddressPolicy::ANY), &silent.url("http", "127.0.0.1"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.ends_with("gives no answer: no answer within 5 s"), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_web_server_with_an_unknown_name_is_a_dns_failure() {
    let resolver = resolver(AddressPolicy::ANY, []).await;
    let failure = refused(&resolver, "http://nowhere.test/", Origin::Local).await;
    assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, "nowhere.test: no such name"));
}

#[tokio::test]
async fn a_web_server_gets_one_request_like_that_of_an_easytier_client() {
    let web = web_server(list("tcp://1.1.1.1:1")).await;
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, [("web.test", a([127, 0, 0, 1]))]).await;
    let port = web.address.port();

    let url = format!("http://web.test:{port}/list?x=1");
    assert_eq!(resolved(&resolver, &url, Origin::Local).await, ["tcp 1.1.1.1:1"]);

    let [request] = web.requests().try_into().unwrap();
    assert!(request.starts_with("GET /list?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: web.test:{port}\r\n")), "{request}");
    assert!(request.contains(&format!("user-agent: easytier/{}", easytier_probe::EASYTIER_VERSION)), "{request}");
}

/// A URL with an address is refused before the request, one with a name when the client resolves it.
#[tokio::test]
async fn a_remote_url_never_connects_to_a_web_server_at_a_forbidden_address() {
    let web = Closed::bind();
    let zone = [("loop.test", a([127, 0, 0, 1])), ("loop.test", aaaa("::1"))];
    let resolver = resolver(PRIVATE_ALLOWED, zone).await;

    for host in ["127.0.0.1", "127.1", "loop.test", "localhost", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let failure = refused(&resolver, &web.url(scheme, host), Origin::Remote).await;
            assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{scheme} {host}: {failure}");
            assert!(failure.message.contains("ALLOW_LOCAL_PEERS"), "{failure}");
        }
    }
    assert!(!web.was_connected_to());
}

/// The test above relies on this: the listener notices a connection when there is one.
#[tokio::test(start_paused = true)]
async fn a_remote_url_connects_to_a_web_server_at_a_permitted_address() {
    let web = Closed::bind();
    refused(&no_dns(AddressPolicy::ANY), &web.url("http", "127.0.0.1"), Origin::Remote).await;
    assert!(web.was_connected_to());
}

#[tokio::test]
async fn a_web_server_with_permitted_and_forbidden_addresses_is_asked_at_the_permitted_one() {
    let web = web_server(list("tcp://1.1.1.1:1")).await;
    let zone = [("web.test", a([0, 0, 0, 0])), ("web.test", a([127, 0, 0, 1]))];
    let resolver = resolver(AddressPolicy::ANY, zone).await;

    let url = format!("http://web.test:{}/", web.address.port());
    assert_eq!(resolved(&resolver, &url, Origin::Remote).await, ["tcp 1.1.1.1:1"]);
}

#[tokio::test]
async fn a_list_of_indirect_urls_is_not_resolved_in_turn() {
    let inner = web_server(list("tcp://1.1.1.1:1")).await;
    let outer = web_server(list(&inner.url("/"))).await;

    let failure = refused(&no_dns(AddressPolicy::ANY), &outer.url("/"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.contains("would have to be resolved in turn"), "{failure}");
    assert_eq!(inner.requests(), [""; 0]);
}

#[tokio::test]
async fn a_web_server_whose_certificate_nobody_signed_is_refused() {
    let (certificates, key) = easytier::tunnel::insecure_tls::get_insecure_tls_cert();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/?token=hunter2", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await?;
        stream.write_all(&list("tcp://1.1.1.1:1")).await
    });

    let failure = refused(&no_dns(AddressPolicy::ANY), &url, Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.contains("certificate"), "{failure}");
    assert!(!failure.message.contains("hunter2"), "{failure}");
    assert!(server.await.unwrap().is_err(), "the client took the certificate");
}

#[tokio::test]
async fn a_message_stays_short_whatever_strangers_write_into_it() {
    let long = "a".repeat(60);
    let name = format!("{long}.{long}.{long}.{long}.test");
    let locations = [format!("http://x.test/{}", "y".repeat(4000)), format!("http://{name}")];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, []).await;

    // `refused` asserts the length.
    for scheme in Scheme::all() {
        refused(&resolver, &format!("{scheme}://{name}"), Origin::Remote).await;
    }
    for location in locations {
        let web = web_server(redirect("302 Found", &location)).await;
        refused(&resolver, &web.url(&format!("/{}", "z".repeat(4000))), Origin::Local).await;
    }
}

// --- helpers ---------------------------------------------------------------------------------------------------------

/// The targets of `url`, each as `scheme address:port`.
#[track_caller]
fn resolved<'a>(resolver: &'a Resolver, url: &str, origin: Origin) -> impl Future<Output = Vec<String>> + use<'a> {
    let url: PeerUrl = url.parse().unwrap();
    async move {
        let targets = resolver.resolve(&url, origin).await.unwrap_or_else(|failure| panic!("{url}: {failure}"));
        targets.iter().map(|target| format!("{} {}", target.url.scheme(), target.address)).collect()
    }
}

/// The failure to resolve `url`, whose message must fit into a result.
async fn refused(resolver: &Resolver, url: &str, origin: Origin) -> Failure {
    let url: PeerUrl = url.parse().unwrap();
    let resolving = tokio::time::timeout(Duration::from_secs(30), resolver.resolve(&url, origin));
    let failure = resolving.await.expect("no end").expect_err(&url.to_string());
    assert!(failure.message.chars().count() < 300, "{failure}");
    assert!(!failure.message.ends_with('.'), "{failure}");
    failure
}

/// A resolver without name servers.
fn no_dns(policy: AddressPolicy) -> Resolver {
    Resolver::with_name_servers(policy, &[])
}

/// A resolver with a name server that has these records.
async fn resolver<'a>(policy: AddressPolicy, zone: impl IntoIterator<Item = (&'a str, RData)>) -> Resolver {
    Resolver::with_name_servers(policy, &[name_server(zone).await])
}

/// A web server that gives every request the same answer, and records the requests.
struct WebServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn web_server(answer: Vec<u8>) -> WebServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            kept.lock().unwrap().push(request);
            // The client may close the connection before the end.
            let _ = stream.write_all(&answer).await;
        }
    });
    WebServer { address, requests }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
    String::from_utf8(request).unwrap()
}

fn redirect(status: &str, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn list(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A listener that never answers, and notices connections.
struct Closed(std::net::TcpListener);

impl Closed {
    fn bind() -> Self {
        // Of both families, so that it notices every spelling of the loopback address.
        let listener = std::net::TcpListener::bind("[::]:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.0.local_addr().unwrap().port())
    }

    fn was_connected_to(&self) -> bool {
        self.0.accept().is_ok()
    }
}
