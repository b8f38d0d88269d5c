//! The URLs that other URLs yield.

use easytier_probe::{
    AddressPolicy, Blame, FailureCode, Origin, Resolver,
    resolve::{MAX_FOLLOWED, MAX_TARGETS, MAX_YIELDED_URLS},
};

use crate::{
    dns::{Zone, a, name_server_of, srv, txt},
    support::{
        Closed, PRIVATE_ALLOWED, WebServer, list, no_dns, redirect, refused, resolved, resolver, web_server,
        web_server_of,
    },
};

#[tokio::test]
async fn the_policy_applies_to_yielded_urls_even_when_a_person_named_the_source() {
    let web = web_server(list("tcp://127.0.0.1:1")).await;
    let zone = [
        ("list.test", txt(&["tcp://127.0.0.1:1"])),
        ("_easytier._tcp.list.test", srv(1, 0, 1, "loop.test")),
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
    let zone = [("list.test", txt(&["tcp://nowhere.test tcp://127.0.0.1:1 http://127.0.0.1:1 tcp://1.1.1.1:1"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    assert_eq!(resolved(&resolver, "txt://list.test", Origin::Remote).await, ["tcp 1.1.1.1:1"]);
}

#[tokio::test]
async fn when_no_yielded_url_has_a_target_the_first_failure_is_reported() {
    let zone = [("list.test", txt(&["tcp://nowhere.test tcp://elsewhere.test"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let failure = refused(&resolver, "txt://list.test", Origin::Remote).await;
    assert_eq!((failure.code, failure.message.as_str()), (FailureCode::DnsFailed, "nowhere.test: no such name"));
}

/// Behind the name that could not be looked up there may be a node.
#[tokio::test]
async fn a_failure_that_is_not_the_peers_counts_more_than_one_that_is() {
    let zone = [("list.test", txt(&["tcp://nowhere.test tcp://broken.test"]))];
    let resolver = resolver(AddressPolicy::PUBLIC_ONLY, zone).await;

    let failure = refused(&resolver, "txt://list.test", Origin::Remote).await;
    assert_eq!(failure.code, FailureCode::ProbeUnreachable, "{failure}");
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

// --- chains -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_chain_of_all_kinds_is_followed_to_the_node() {
    let zone = Zone::default();
    let server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let last = web_server(redirect("302 Found", "wss://node.test/x")).await;
    zone.set(
        60,
        [
            ("list.test", txt(&["srv://pool.test"])),
            ("_easytier._tcp.pool.test", srv(1, 0, 1, "dead.test")),
            ("again.test", txt(&[&last.url("/")])),
            ("node.test", a([1, 1, 1, 1])),
        ],
    );
    let first = web_server(list("txt://list.test\ntxt://again.test\n")).await;
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[server]);

    // The way through the SRV record ends at a name that does not exist.
    assert_eq!(resolved(&resolver, &first.url("/"), Origin::Remote).await, ["wss 1.1.1.1:443"]);
}

/// A server whose page `/n` leads to the page `/n+1`, and the page `/last` to a node.
async fn steps(last: usize) -> WebServer {
    web_server_of(move |request| {
        let host = request.split("host: ").nth(1).unwrap().lines().next().unwrap();
        let page: usize = request.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        match page == last {
            true => list("tcp://1.1.1.1:1"),
            false => list(&format!("http://{host}/{}", page + 1)),
        }
    })
    .await
}

#[tokio::test]
async fn a_chain_is_followed_as_far_as_clients_follow_it_and_no_further() {
    let web = steps(MAX_FOLLOWED).await;
    assert_eq!(resolved(&no_dns(AddressPolicy::ANY), &web.url("/0"), Origin::Local).await, ["tcp 1.1.1.1:1"]);

    let web = steps(MAX_FOLLOWED + 1).await;
    let failure = refused(&no_dns(AddressPolicy::ANY), &web.url("/0"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed);
    assert!(failure.message.ends_with("which is not followed: 16 URLs were followed before it"), "{failure}");
    assert_eq!(web.requests().len(), 1 + MAX_FOLLOWED);
}

/// However many URLs each of them yields.
#[tokio::test]
async fn the_number_of_urls_that_are_followed_is_limited() {
    let web = web_server_of(|request| {
        let host = request.split("host: ").nth(1).unwrap().lines().next().unwrap();
        let page = request.split(' ').nth(1).unwrap();
        let urls: Vec<String> = (0..MAX_YIELDED_URLS).map(|n| format!("http://{host}{page}/{n}")).collect();
        list(&urls.join("\n"))
    })
    .await;

    let failure = refused(&no_dns(AddressPolicy::ANY), &web.url("/x"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ResolverFailed, "{failure}");
    assert_eq!(web.requests().len(), 1 + MAX_FOLLOWED);
}

#[tokio::test]
async fn a_loop_is_named() {
    let zone = Zone::default();
    let server = name_server_of("127.0.0.1:0", zone.clone()).await;
    let web = web_server(list("txt://loop.test")).await;
    zone.set(60, [("loop.test", txt(&[&web.url("/?token=hunter2")])), ("self.test", txt(&["txt://self.test"]))]);
    let resolver = Resolver::with_name_servers(AddressPolicy::ANY, &[server]);

    for url in [web.url("/?token=hunter2"), "txt://loop.test".to_owned(), "txt://self.test".to_owned()] {
        let failure = refused(&resolver, &url, Origin::Local).await;
        assert_eq!((failure.code, failure.blame), (FailureCode::ResolverFailed, Blame::Peer), "{failure}");
        assert!(failure.message.contains("which was followed before: a loop"), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

/// A stranger's list must not lead the probe to web servers of its own network.
#[tokio::test]
async fn the_policy_applies_to_every_web_server_of_a_chain() {
    let inner = Closed::bind();
    let outer = web_server(list(&inner.url("http", "127.0.0.1"))).await;
    let strict = no_dns(PRIVATE_ALLOWED);

    let failure = refused(&strict, &outer.url("/"), Origin::Local).await;
    assert_eq!(failure.code, FailureCode::ForbiddenAddress, "{failure}");
    assert!(!inner.was_connected_to());
}
