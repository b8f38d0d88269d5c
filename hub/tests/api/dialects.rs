//! The list in the forms that other programs read: each program's own rules find the nodes in it.

use std::collections::HashSet;

use easytier_probe::CheckResult;
use easytier_uptime_hub::Freshness;
use easytier_uptime_store::domain::{PeerId, PeerSpec, Timestamp};
use serde_json::{Value, json};

use crate::{
    consumers,
    hub::TestHub,
    support::{TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    each_program_finds_the_nodes_in_its_own_form,
    each_form_has_a_version_may_be_read_by_other_sites_and_is_compressed,
}

const CHINA: &str = "tcp://cn.example.net:11010";
const ABROAD: &str = "udp://[2001:db8::1]:11011";
const LIST: &str = "http://lists.example.net:80/connect";

/// A node in China that relays and whose load was never measured, one elsewhere, a URL that leads to others, a node that is offline, and
/// one for members only.
async fn nodes(store: &TestStore) -> Vec<PeerId> {
    let now = Timestamp::now();
    let named = |url: &str, name: &str| PeerSpec { name: name.to_owned(), ..spec(url) };
    let tags = |tags: &[&str]| tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let specs = [
        PeerSpec { allow_relay: true, tags: tags(&["国内", "MC中继"]), ..named(CHINA, "节点") },
        PeerSpec { tags: tags(&["海外"]), ..named(ABROAD, "elsewhere") },
        spec(LIST),
        spec("tcp://192.0.2.3:3"),
        PeerSpec { network_name: Some("n".into()), network_secret: Some("s".into()), ..spec("tcp://192.0.2.4:4") },
    ];
    let mut peers = Vec::new();
    for spec in &specs {
        peers.push(store.add_peer(spec, now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    let guest = |peer| CheckResult { network_count: None, ..online(peer, now) };
    let idle = CheckResult { network_count: Some(0), ..online(peers[1], now) };
    let results = vec![guest(peers[0]), idle, guest(peers[2]), offline(peers[3], now), guest(peers[4])];
    store.report(&probe, results, now).await;
    peers
}

async fn text(hub: &TestHub, path: &str) -> String {
    let response = hub.get(path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

async fn document(hub: &TestHub, path: &str) -> Value {
    serde_json::from_str(&text(hub, path).await).unwrap()
}

async fn each_program_finds_the_nodes_in_its_own_form(store: TestStore) {
    let peers = nodes(&store).await;
    let hub = TestHub::on(&store).await;

    let list = document(&hub, "/api/nodes?page=1&per_page=1000").await;
    assert_eq!(consumers::newer_pcl(&list), [CHINA]);
    assert_eq!(consumers::older_pcl(&document(&hub, "/api/nodes?page=1&per_page=200").await), [CHINA]);
    let tagged = "/api/nodes?is_active=true&page=1&per_page=500&&tags=MC%E4%B8%AD%E7%BB%A7";
    assert_eq!(consumers::older_terracotta(&document(&hub, tagged).await), [CHINA]);
    assert_eq!(consumers::astral(&list).len(), 5);

    let array = document(&hub, "/nodes.json").await;
    assert_eq!(consumers::newer_terracotta(&array, true), [CHINA, ABROAD, LIST]);
    assert_eq!(consumers::newer_terracotta(&array, false), [ABROAD, LIST]);

    let page = document(&hub, "/api/status-page/easytier").await;
    let beats = document(&hub, "/api/status-page/heartbeat/easytier").await;
    let found = consumers::qt_easytier(&page, &beats);
    let expected = [(CHINA, false, true), (LIST, false, false), (ABROAD, true, false)];
    assert_eq!(found, expected.map(|(address, is_abroad, relays)| (address.to_owned(), is_abroad, relays)));
    assert_eq!(hub.get("/api/status-page/other").send().await.unwrap().status(), 404);

    for (announcement, version) in
        [("/announce.json", "/cache.ini"), ("/api/link/announce.json", "/api/link/cache.ini")]
    {
        assert_eq!(consumers::pcl_ce(&document(&hub, announcement).await), [CHINA]);
        assert!(text(&hub, version).await.parse::<i32>().unwrap() > 0);
    }

    let public = document(&hub, "/api/public").await;
    assert_eq!(consumers::worker(&public), [CHINA, ABROAD, "http://lists.example.net:80"]);
    let first = &public["nodes"][0];
    assert_eq!((&first["id"], &first["region_type"]), (&json!(peers[0]), &json!("domestic")));
    // A quarter of an hour without a check may have begun since.
    assert!(first["recent_status"].as_str().unwrap().trim_end_matches('0').ends_with('2'));
    assert_eq!(document(&hub, "/api/public?show_offline=true").await["nodes"].as_array().unwrap().len(), 4);
    let query = async |wish: Value| {
        let response = hub.post("/api/query", &wish).send().await.unwrap();
        assert_eq!(response.status(), 200, "{wish}");
        consumers::worker(&response.json().await.unwrap())
    };
    let asked = document(&hub, "/api/query?region=overseas&priority=bandwidth&relay_only=false").await;
    assert_eq!(consumers::worker(&asked)[0], ABROAD);
    assert_eq!(query(json!({ "region": "domestic", "priority": "traffic", "relay_only": false })).await, [CHINA]);
    assert_eq!(query(json!({ "region": "overseas" })).await[0], ABROAD, "it is idle");
    assert_eq!(query(json!({ "priority": "latency", "relay_only": true })).await, [CHINA]);

    let lines = consumers::easytier(&text(&hub, "/nodes.txt").await);
    assert_eq!(lines, HashSet::from([CHINA, ABROAD].map(str::to_owned)), "no URL that may lead back here");

    let zone = text(&hub, "/nodes.zone?name=Nodes.example.org").await;
    let id = peers[1];
    for line in [
        format!("nodes.example.org. 60 IN TXT \"{ABROAD} {CHINA}\""),
        "_easytier._tcp.nodes.example.org. 60 IN SRV 50 0 11010 cn.example.net.".to_owned(),
        format!("n{id}.nodes.example.org. 60 IN AAAA 2001:db8::1"),
        format!("_easytier._udp.nodes.example.org. 60 IN SRV 100 0 11011 n{id}.nodes.example.org."),
    ] {
        assert!(zone.lines().any(|found| found == line), "{line} in\n{zone}");
    }
    assert_eq!(zone.lines().count(), 4);
    for name in ["", "a..b", "a%20b", "a%0Ab", "%22"] {
        assert_eq!(hub.get(&format!("/nodes.zone?name={name}")).send().await.unwrap().status(), 400, "{name}");
    }
}

async fn each_form_has_a_version_may_be_read_by_other_sites_and_is_compressed(store: TestStore) {
    let now = Timestamp::now();
    let mut peers = Vec::new();
    for nth in 0..40 {
        let node = PeerSpec { allow_relay: true, ..spec(&format!("tcp://192.0.2.{nth}:11010")) };
        peers.push(store.add_peer(&node, now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    store.report(&probe, peers.iter().map(|peer| online(*peer, now)).collect(), now).await;
    let hub = TestHub::with(&store, |options| options.freshness = Freshness::Behind).await;
    for path in [
        "/api/nodes?per_page=1000",
        "/nodes.json",
        "/nodes.txt",
        "/nodes.zone?name=a.example.org",
        "/api/status-page/easytier",
        "/api/status-page/heartbeat/easytier",
        "/announce.json",
        "/api/public",
    ] {
        // A client that decodes nothing itself.
        let client = reqwest::Client::builder().no_gzip().no_proxy().build().unwrap();
        let read = || client.get(format!("{}{path}", hub.url)).header("origin", "https://a.example");
        assert!(!read().send().await.unwrap().headers().contains_key("content-encoding"), "{path}");
        let zipped = read().header("accept-encoding", "gzip").send().await.unwrap();
        let headers = zipped.headers();
        assert_eq!(headers["content-encoding"], "gzip", "{path}");
        assert_eq!(headers["access-control-allow-origin"], "https://a.example", "{path}");
        assert_eq!(headers["cache-control"], "no-cache", "{path}");
        let mut tag = headers["etag"].clone();
        // A new snapshot may come between two requests, but not always.
        for tries in 0.. {
            let known = read().header("if-none-match", &tag).send().await.unwrap();
            if known.status() == 304 {
                break;
            }
            assert!(tries < 20, "{path}");
            tag = known.headers()["etag"].clone();
        }
    }
}
