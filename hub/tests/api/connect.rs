//! `/connect`: a good node for a client.

use easytier_uptime_store::domain::{PeerSpec, Timestamp};
use reqwest::redirect::Policy;
use serde_json::Value;

use crate::{
    hub::TestHub,
    support::{TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    a_client_is_redirected_to_a_node_that_fits_and_gets_the_same_again,
    nodes_that_do_not_fit_are_never_given_and_the_refusal_says_why,
}

async fn get(hub: &TestHub, query: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let response = client.get(format!("{}/connect{query}", hub.url)).send().await.unwrap();
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

async fn nodes_that_do_not_fit_are_never_given_and_the_refusal_says_why(store: TestStore) {
    let now = Timestamp::now();
    let hub = TestHub::on(&store).await;
    let (status, _, text) = get(&hub, "").await;
    assert_eq!((status, text.contains("no node is listed")), (503, true), "{text}");

    let member = PeerSpec {
        network_name: Some("n".to_owned()),
        network_secret: Some("s".into()),
        ..spec("tcp://192.0.2.1:1")
    };
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
