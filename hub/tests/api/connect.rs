//! `/connect`: a good node for a client.

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_store::domain::{PeerId, PeerSpec, Timestamp};
use reqwest::redirect::Policy;
use serde_json::Value;

use crate::{
    hub::TestHub,
    support::{TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    a_client_is_redirected_to_a_node_that_fits_and_gets_the_same_again,
    members_of_a_network_get_the_same_node_wherever_they_are,
    nodes_that_do_not_fit_are_never_given_and_the_refusal_says_why,
    who_needs_relay_gets_a_node_that_was_found_relaying_before_one_that_only_says_so,
    a_node_is_given_where_the_callers_region_sees_it_and_no_change_is_about_to_come,
}

async fn get(hub: &TestHub, query: &str) -> (u16, String, String) {
    get_with(hub, query, &[]).await
}

async fn get_with(hub: &TestHub, query: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let request = client.get(format!("{}/connect{query}", hub.url));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    if response.status().as_u16() < 400 {
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default(), response.text().await.unwrap())
}

async fn a_client_is_redirected_to_a_node_that_fits_and_gets_the_same_again(store: TestStore) {
    let now = Timestamp::now();
    let mut peers = Vec::new();
    for nth in 0..8 {
        peers.push(store.add_peer(&spec(&format!("tcp://192.0.2.{nth}:11010")), now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    store.report(&probe, peers.iter().map(|peer| online(*peer, now)).collect(), now).await;
    let hub = TestHub::on(&store).await;

    let (status, first, _) = get(&hub, "").await;
    assert_eq!(status, 302);
    assert!(first.starts_with("tcp://192.0.2."), "{first}");
    for _ in 0..5 {
        assert_eq!(get(&hub, "").await.1, first, "the client gets the same node again");
    }
    let (_, _, text) = get(&hub, "?format=text&count=3").await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, first.as_str()), "{text}");
    let (_, location, _) = get(&hub, "?count=3").await;
    assert!(location.starts_with("http://nodes/?0=tcp%3A%2F%2F192.0.2."), "{location}");
    let (_, _, json) = get(&hub, "?format=json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json[0]["url"].as_str(), json.as_array().unwrap().len()), (Some(first.as_str()), 1));
    let any = hub.client.get(format!("{}/node/any?format=text", hub.url)).send().await.unwrap().text().await.unwrap();
    assert_eq!(any, format!("{first}\n"));
    for query in ["?count=0", "?count=17", "?format=xml", "?protocol=ftp", "?region=a%2Cb"] {
        assert_eq!(get(&hub, query).await.0, 400, "{query}");
    }
}

async fn members_of_a_network_get_the_same_node_wherever_they_are(store: TestStore) {
    let now = Timestamp::now();
    let mut peers = Vec::new();
    for nth in 0..30 {
        peers.push(store.add_peer(&spec(&format!("tcp://192.0.2.{nth}:11010")), now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    store.report(&probe, peers.iter().map(|peer| online(*peer, now)).collect(), now).await;
    let hub = TestHub::with(&store, |options| {
        options.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let from = async |address: &str, network: &str| {
        get_with(&hub, "", &[("x-forwarded-for", address), ("x-network-name", network)]).await.1
    };
    let mut nodes = std::collections::BTreeSet::new();
    for nth in 0..12 {
        let (network, first) = (format!("network {nth}"), format!("203.0.113.{nth}"));
        let node = from(&first, &network).await;
        assert_eq!(from("198.51.100.1", &network).await, node);
        nodes.insert(node);
    }
    assert!(nodes.len() > 3, "networks are spread: {nodes:?}");
    // Very many unrelated networks have the default name: their clients are told apart by their addresses.
    let mut nodes = std::collections::BTreeSet::new();
    for nth in 0..12 {
        let address = format!("203.0.113.{nth}");
        let node = from(&address, "default").await;
        assert_eq!(from(&address, "default").await, node);
        nodes.insert(node);
    }
    assert!(nodes.len() > 3, "{nodes:?}");
}

async fn nodes_that_do_not_fit_are_never_given_and_the_refusal_says_why(store: TestStore) {
    let now = Timestamp::now();
    let hub = TestHub::on(&store).await;
    let (status, _, text) = get(&hub, "").await;
    assert_eq!((status, text.contains("no node is listed")), (503, true), "{text}");

    let member =
        PeerSpec { network_name: Some("n".to_owned()), network_secret: Some("s".into()), ..spec("tcp://192.0.2.1:1") };
    let relays = PeerSpec { allow_relay: true, tags: [("x".parse().unwrap())].into(), ..spec("udp://192.0.2.2:2") };
    let specs = [member, spec("http://192.0.2.3/connect"), spec("tcp://192.0.2.4:4"), relays];
    let mut peers = Vec::new();
    for spec in &specs {
        peers.push(store.add_peer(spec, now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    let results = vec![online(peers[0], now), online(peers[1], now), offline(peers[2], now), online(peers[3], now)];
    store.report(&probe, results, now).await;

    for query in ["", "?tags=x", "?relay=true", "?protocol=udp", "?region=eu"] {
        let (status, location, text) = get(&hub, query).await;
        assert_eq!((status, location.as_str()), (302, "udp://192.0.2.2:2"), "{query}: {text}");
    }
    for (query, reason) in [
        ("?tags=y", "2 without any of the tags"),
        ("?protocol=wss", "2 with another protocol"),
        ("?region=us", "1 not seen online from the region"),
        ("?protocol=tcp", "1 not online"),
    ] {
        let (status, _, text) = get(&hub, query).await;
        assert!(status == 503 && text.contains(reason), "{query}: {status} {text}");
    }
}

async fn who_needs_relay_gets_a_node_that_was_found_relaying_before_one_that_only_says_so(store: TestStore) {
    let now = Timestamp::now();
    let declares = |url| PeerSpec { allow_relay: true, ..spec(url) };
    let specs = [
        declares("tcp://192.0.2.1:1"), // refuses
        declares("tcp://192.0.2.2:2"), // its last test failed
        declares("tcp://192.0.2.3:3"), // never tested
        spec("tcp://192.0.2.4:4"),     // never tested
        spec("udp://192.0.2.5:5"),     // relays
    ];
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    let mut results = Vec::new();
    for (spec, relay) in specs.iter().zip([Some(Relay::Refused), Some(Relay::Failed), None, None, Some(Relay::Ok)]) {
        let peer = store.add_peer(spec, now).await.unwrap();
        results.push(CheckResult { relay, ..online(peer, now) });
    }
    store.report(&probe, results, now).await;
    let hub = TestHub::on(&store).await;

    let all = async |query: &str| {
        let (status, _, text) = get(&hub, &format!("?format=text&count=16&relay=true{query}")).await;
        (status, text)
    };
    assert_eq!(all("").await, (200, "udp://192.0.2.5:5\n".to_owned()));
    // Of the others it is better to try the one that nobody tested than to have none.
    assert_eq!(all("&protocol=tcp").await, (200, "tcp://192.0.2.3:3\n".to_owned()));
    let (status, text) = all("&protocol=quic").await;
    assert!(status == 503 && text.contains("5 with another protocol"), "{text}");
    store.set_approved(PeerId(3), false, now).await.unwrap();
    let hub = TestHub::on(&store).await;
    let (status, _, text) = get(&hub, "?relay=true&protocol=tcp").await;
    assert!(status == 503 && text.contains("3 not known to relay"), "{text}");
}

async fn a_node_is_given_where_the_callers_region_sees_it_and_no_change_is_about_to_come(store: TestStore) {
    let now = Timestamp::now();
    let hub = TestHub::on(&store).await;
    let (in_eu, in_us) = (store.add("tcp://192.0.2.1:1").await, store.add("tcp://192.0.2.2:2").await);
    let tokens = [hub.token("p1", "eu").await, hub.token("p2", "us").await];
    for (probe, region, seen, not) in [("p1", "eu", in_eu, in_us), ("p2", "us", in_us, in_eu)] {
        let probe = store.local_probe(probe, &region.parse().unwrap(), now).await.unwrap();
        store.heartbeat(&probe, None, now).await.unwrap();
        store.report(&probe, vec![online(seen, now), offline(not, now)], now).await;
    }
    let (status, _, text) = get(&hub, "").await;
    assert!(status == 503 && text.contains("2 not online"), "neither is online for most regions: {text}");
    for (token, node) in tokens.iter().zip(["tcp://192.0.2.1:1", "tcp://192.0.2.2:2"]) {
        let (status, location, text) = get_with(&hub, "", &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!((status, location.as_str()), (302, node), "the region of the token: {text}");
    }
    let (_, location, _) = get_with(&hub, "?region=us", &[("x-node-token", &tokens[0])]).await;
    assert_eq!(location, "tcp://192.0.2.2:2", "another one by name");
    assert_eq!(get_with(&hub, "", &[("x-node-token", "wrong")]).await.0, 401);

    // One result that contradicts the verdict changes nothing yet, but nobody is sent there any more.
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    let later = now + std::time::Duration::from_secs(1);
    store.report(&probe, vec![offline(in_eu, later)], later).await;
    let (status, _, text) = get(&hub, "?region=eu").await;
    assert!(status == 503 && text.contains("1 perhaps going offline"), "{text}");
}
