//! The list in the forms that other programs read: each test applies the rules of the program.

use easytier_uptime_store::domain::{PeerId, PeerSpec, Timestamp};
use serde_json::{Value, json};

use crate::{
    hub::TestHub,
    support::{TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    each_program_finds_the_nodes_in_its_own_form,
}

/// A node in China that relays, one elsewhere, and one that is offline.
async fn three_nodes(store: &TestStore) -> Vec<PeerId> {
    let now = Timestamp::now();
    let named = |url: &str, name: &str| PeerSpec { name: name.to_owned(), ..spec(url) };
    let domestic = PeerSpec {
        allow_relay: true,
        tags: ["国内".parse().unwrap(), "MC中继".parse().unwrap()].into(),
        ..named("tcp://cn.example.net:11010", "节点")
    };
    let specs = [domestic, named("udp://[2001:db8::1]:11011", "elsewhere"), spec("tcp://192.0.2.3:3")];
    let mut peers = Vec::new();
    for spec in &specs {
        peers.push(store.add_peer(spec, now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    let results = vec![online(peers[0], now), online(peers[1], now), offline(peers[2], now)];
    store.report(&probe, results, now).await;
    peers
}

async fn each_program_finds_the_nodes_in_its_own_form(store: TestStore) {
    let peers = three_nodes(&store).await;
    let hub = TestHub::on(&store).await;
    let read = async |path: &str| {
        let response = hub.client.get(format!("{}{path}", hub.url)).header("origin", "https://a.example").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["access-control-allow-origin"], "https://a.example", "{path}");
        if path != "/cache.ini" && path != "/api/link/cache.ini" {
            let known = hub.client.get(format!("{}{path}", hub.url)).header("if-none-match", &headers["etag"]);
            assert_eq!(known.send().await.unwrap().status(), 304, "{path}");
        }
        response.text().await.unwrap()
    };
    let read_json = async |path: &str| serde_json::from_str::<Value>(&read(path).await).unwrap();

    // Terracotta and HMCL: an array of URLs; `CN` or not decides which a player gets.
    assert_eq!(
        read_json("/nodes.json").await,
        json!([
            { "url": "tcp://cn.example.net:11010", "region": "CN" },
            { "url": "udp://[2001:db8::1]:11011", "region": "" },
        ])
    );

    // QtEasyTier and mods: the address in front of the full-width bracket, the state by the monitor's id.
    let page = read_json("/api/status-page/easytier").await;
    let beats = read_json("/api/status-page/heartbeat/easytier").await;
    let monitors = page["publicGroupList"][0]["monitorList"].as_array().unwrap();
    let seen: Vec<(String, i64, bool)> = monitors
        .iter()
        .map(|monitor| {
            let address = monitor["name"].as_str().unwrap().split('（').next().unwrap().to_owned();
            let id = monitor["id"].to_string();
            let beat = beats["heartbeatList"][&id].as_array().unwrap().last().unwrap();
            assert_eq!(beat["time"].as_str().unwrap().len(), "2026-11-01 12:00:00.000".len());
            let uptime = beats["uptimeList"][format!("{id}_24")].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&uptime));
            (address, beat["status"].as_i64().unwrap(), beat["ping"].is_number())
        })
        .collect();
    let expected = [("tcp://cn.example.net:11010", 1, true), ("udp://[2001:db8::1]:11011", 1, true), ("tcp://192.0.2.3:3", 0, false)];
    assert_eq!(seen, expected.map(|(address, status, has_ping)| (address.to_owned(), status, has_ping)));
    let other = hub.client.get(format!("{}/api/status-page/other", hub.url)).send().await.unwrap();
    assert_eq!(other.status(), 404);

    // PCL-CE: version 1, the first notice even when it is empty, relays with name, url and type.
    for (announcement, version) in [("/announce.json", "/cache.ini"), ("/api/link/announce.json", "/api/link/cache.ini")] {
        let lobby = read_json(announcement).await;
        assert_eq!((&lobby["version"], &lobby["available"], &lobby["requireRealname"]), (&json!(1), &json!(true), &json!(false)));
        assert_eq!(lobby["notices"], json!([{ "type": "info", "content": "" }]));
        let relays = json!([{ "name": "节点", "url": "tcp://cn.example.net:11010", "desc": "", "type": "community" }]);
        assert_eq!(lobby["relays"], relays);
        let number: i32 = read(version).await.parse().unwrap();
        assert!(number > 0);
    }

    // Clients of easytier-worker.
    let public = read_json("/api/public").await;
    let ids = |document: &Value| document["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(&public), [peers[0].0, peers[1].0]);
    let first = &public["nodes"][0];
    assert_eq!(first["connections"], json!([{ "type": "TCP", "ip": "cn.example.net", "port": 11010 }]));
    assert_eq!((&first["region_type"], &first["allow_relay"], &first["status"]), (&json!("domestic"), &json!(1), &json!("online")));
    assert!(first["recent_status"].as_str().unwrap().ends_with('2'));
    assert_eq!(ids(&read_json("/api/public?show_offline=true").await).len(), 3);
    let query = async |wish: Value| {
        let response = hub.client.post(format!("{}/api/query", hub.url)).json(&wish).send().await.unwrap();
        assert_eq!(response.status(), 200, "{wish}");
        ids(&response.json::<Value>().await.unwrap())
    };
    assert_eq!(query(json!({ "region": "domestic", "priority": "traffic", "relay_only": false })).await, [peers[0].0]);
    assert_eq!(query(json!({ "region": "overseas" })).await, [peers[1].0]);
    assert_eq!(query(json!({ "priority": "latency", "relay_only": true })).await, [peers[0].0]);
    assert_eq!(query(json!({})).await.len(), 2);
}
