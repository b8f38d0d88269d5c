//! The public API over HTTP, as launchers and dashboards use it.

use axum::http::{Request, StatusCode};
use easytier_probe::{CheckResult, Relay};
use easytier_uptime_store::domain::{
    NodeFilter, PageRequest, PeerId, PeerOrder, PeerSpec, ProbeIdentity, QUARTER, SubmissionId, Timestamp,
};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    support::{Engine, TestStore, offline, on_both_engines, online, seconds, spec, unknown},
};

on_both_engines! {
    a_served_item_has_the_shape_of_the_contract,
    the_list_is_filtered,
    the_list_is_paged,
    masked_fields_never_leave,
    a_peer_that_is_not_approved_is_nowhere,
    rings_count_the_last_day_by_quarters_newest_first,
    usage_is_what_probes_measured_in_percent,
    records_are_shown_newest_first,
    statistics_count_checks,
    each_region_reports_its_own_status,
    a_region_in_doubt_is_unknown_and_says_why,
    events_name_each_change,
    a_submission_waits_for_approval,
    a_submission_tells_nothing_about_what_is_on_file,
    submitted_text_is_returned_as_text,
}

/// The only item of the example document, and the whole document.
fn example() -> (Json, Json) {
    let document: Json = serde_json::from_str(include_str!("../fixtures/nodes.json")).unwrap();
    (document["data"]["items"][0].clone(), document)
}

fn items(reply: &Reply) -> Vec<Json> {
    reply.data()["items"].as_array().unwrap().clone()
}

fn ids(reply: &Reply) -> Vec<i64> {
    items(reply).iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// The names and JSON types of all fields, without the values: a typed reader depends on them.
fn shape(json: &Json) -> Json {
    match json {
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Json::Array(items) => json!({ "items": items.len(), "of": items.first().map(shape) }),
        Json::Number(number) if number.is_f64() => json!("float"),
        Json::Number(_) => json!("integer"),
        Json::String(_) => json!("string"),
        Json::Bool(_) => json!("boolean"),
        Json::Null => json!("null"),
    }
}

async fn report(hub: &PublicHub, probe: &ProbeIdentity, results: Vec<CheckResult>) {
    let count = results.len();
    let receipt = hub.report(probe, results, Timestamp::now()).await;
    assert_eq!(receipt.accepted, count, "{receipt:?}");
}

/// What our items have besides, sorted.
const ADDED: [&str; 7] =
    ["isp", "latitude", "longitude", "maintenance", "relay_checked_at", "relay_measured", "usage_measured"];

/// A peer as in the example.
fn shanghai() -> PeerSpec {
    let mut peer = spec("tcp://node.example.net:11010");
    peer.name = "Shanghai 2".into();
    peer.allow_relay = true;
    peer.tags = ["国内", "MC中继"].map(|tag| tag.parse().unwrap()).into();
    peer
}

async fn a_served_item_has_the_shape_of_the_contract(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = hub.add_peer(&shanghai(), Timestamp::now()).await.unwrap();
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    let measured = CheckResult { response_time: Some(12.41), ..online(peer, now) };
    report(&hub, &probe, vec![measured]).await;

    let (example, document) = example();
    let served = hub.get("/api/nodes").await;
    let mut as_agreed = served.json();
    // What consumers of the contract do not know is more, and nothing else.
    let more = as_agreed["data"]["items"][0].as_object_mut().unwrap();
    let added = ADDED.map(|name| more.remove(name));
    let null = || Some(Json::Null);
    assert_eq!(added, [null(), null(), null(), null(), null(), null(), Some(json!(true))]);
    assert_eq!(shape(&as_agreed), shape(&document));
    let item = &items(&served)[0];
    let varying = ["id", "created_at", "updated_at", "last_check_time", "health_percentage_24h", "tags"];
    for (name, value) in example.as_object().unwrap() {
        if !varying.contains(&name.as_str()) && !name.ends_with("_ring") {
            assert_eq!(item[name], *value, "{name}");
        }
    }
    assert_eq!(item["health_percentage_24h"], 100.0);
    assert_eq!(item["tags"], json!(["MC中继", "国内"]), "sorted");
    assert_eq!(item["last_check_time"], json!(now));
    assert_eq!(hub.get(&format!("/api/nodes/{peer}")).await.data(), *item);
}

async fn the_list_is_filtered(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let now = Timestamp::now();
    let up = hub.add_peer(&shanghai(), now).await.unwrap().0;
    let mut other = spec("wss://other.example.org:443/path");
    other.tags = ["c".parse().unwrap()].into();
    let down = hub.add_peer(&other, now).await.unwrap().0;
    let silent = hub.add("txt://example.com").await.0;
    let probe = hub.live_probe("p1", "eu").await;
    let relays = CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..online(PeerId(up), now) };
    report(&hub, &probe, vec![relays, offline(PeerId(down), now)]).await;
    let item = hub.get(&format!("/api/nodes/{up}")).await.data();
    assert_eq!((&item["relay_measured"], &item["relay_checked_at"]), (&json!("ok"), &json!(now)));
    let regions = hub.get(&format!("/api/nodes/{up}/regions")).await.data();
    let found = json!({"verdict": "ok", "checked_at": now, "round_trip": 1500, "reason": null});
    assert_eq!(regions["regions"][0]["relay"], found);

    for (query, found) in [
        ("?relay_measured=ok", vec![up]),
        ("?relay_measured=refused", vec![]),
        ("?relay_measured=", vec![up, down, silent]),
        ("", vec![up, down, silent]),
        ("?is_active=true", vec![up]),
        ("?is_active=false", vec![down, silent]),
        ("?protocol=wss", vec![down]),
        ("?protocol=txt", vec![silent]),
        ("?search=shanghai", vec![up]),
        ("?search=EXAMPLE.org", vec![down]),
        ("?search=%25", vec![]),
        ("?tags=%E5%9B%BD%E5%86%85", vec![up]),
        ("?tags=%E5%9B%BD%E5%86%85&tags=c&tags=x", vec![up, down]),
        ("?tags=x", vec![]),
        ("?tags=c&is_active=true", vec![]),
        // An empty or unknown parameter counts as missing.
        ("?page=&per_page=&is_active=&protocol=&search=&tags=", vec![up, down, silent]),
        ("?sort=name&tags=&tags=c", vec![down]),
    ] {
        assert_eq!(ids(&hub.get(&format!("/api/nodes{query}")).await), found, "{query}");
    }
    let listed = items(&hub.get("/api/nodes").await);
    let places: Vec<_> = listed.iter().map(|item| (item["host"].as_str(), item["port"].as_i64())).collect();
    assert_eq!(places[1..], [(Some("other.example.org"), Some(443)), (Some("example.com"), Some(0))]);
    assert_eq!(listed[1]["address"], "wss://other.example.org:443/path");
    assert_eq!(hub.get("/api/tags").await.data(), json!(["MC中继", "c", "国内"]));
}

async fn the_list_is_paged(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let specs: Vec<_> = (0..5).map(|nth| spec(&format!("tcp://192.0.2.{nth}:11010"))).collect();
    hub.import_peers(&specs, Timestamp::now()).await.unwrap();
    let mut seen = Vec::new();
    for (page, length) in [(1, 2), (2, 2), (3, 1), (4, 0), (u32::MAX, 0)] {
        let reply = hub.get(&format!("/api/nodes?page={page}&per_page=2")).await;
        let data = reply.data();
        assert_eq!(
            [&data["total"], &data["page"], &data["per_page"], &data["total_pages"]],
            [5, page, 2, 3].map(Json::from).each_ref()
        );
        assert_eq!(ids(&reply).len(), length);
        seen.extend(ids(&reply));
    }
    assert!(seen.is_sorted() && seen.len() == 5, "{seen:?}");
    let all = hub.get("/api/nodes?per_page=1000").await.data();
    assert_eq!((&all["total_pages"], &all["per_page"]), (&json!(1), &json!(1000)));
    assert_eq!(hub.get("/api/nodes?search=nothing").await.data()["total_pages"], 0);
}

#[tokio::test]
async fn a_wrong_value_in_a_query_is_refused_by_name() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let long = "x".repeat(201);
    for (path, query, name) in [
        ("/api/nodes", "page=0", "page"),
        ("/api/nodes", "page=1&page=2", "page"),
        ("/api/nodes", "page=4294967296", "page"),
        ("/api/nodes", "per_page=1001", "per_page"),
        ("/api/nodes", "per_page=-1", "per_page"),
        ("/api/nodes", "is_active=maybe", "is_active"),
        ("/api/nodes", "protocol=ftp", "protocol"),
        ("/api/nodes", &format!("search={long}"), "search"),
        ("/api/nodes", "tags=a,b", "tags"),
        ("/api/nodes", "tags=%0A%00x", "tags"),
        (&format!("/api/nodes/{peer}/health"), "status=sick", "status"),
        (&format!("/api/nodes/{peer}/health"), "since=yesterday", "since"),
        (&format!("/api/nodes/{peer}/health"), "per_page=x", "per_page"),
        (&format!("/api/nodes/{peer}/health/stats"), "hours=0", "hours"),
        (&format!("/api/nodes/{peer}/health/stats"), "hours=87601", "hours"),
        ("/api/events", "limit=1001", "limit"),
        ("/api/events", "before=x", "before"),
        ("/api/events", "node_id=x", "node_id"),
    ] {
        let words = hub.get(&format!("{path}?{query}")).await.refusal(StatusCode::BAD_REQUEST);
        assert!(words.starts_with(name), "{path}?{query}: {words}");
    }
}

async fn masked_fields_never_leave(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let mut private = spec("tcp://node.example.net:11010");
    private.network_name = Some("masked-network".into());
    private.network_secret = Some("masked-secret".into());
    private.contacts.qq_number = Some("masked-qq".into());
    private.contacts.wechat = Some("masked-wechat".into());
    private.contacts.mail = Some("masked@example.net".into());
    let peer = hub.add_peer(&private, Timestamp::now()).await.unwrap();
    let probe = hub.live_probe("masked-probe", "eu").await;
    let now = Timestamp::now();
    report(&hub, &probe, vec![online(peer, now), offline(peer, now)]).await;
    hub.review(now).await.unwrap();
    for path in [
        "/api/nodes".to_owned(),
        "/api/nodes?search=masked".to_owned(),
        format!("/api/nodes/{peer}"),
        format!("/api/nodes/{peer}/health"),
        format!("/api/nodes/{peer}/health/stats"),
        format!("/api/nodes/{peer}/regions"),
        "/api/events".to_owned(),
        format!("/api/events?node_id={peer}"),
        "/api/tags".to_owned(),
        format!("/node/{peer}"),
    ] {
        let reply = hub.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert!(!reply.text().contains("masked"), "{path}: {}", reply.text());
    }
    let item = &items(&hub.get("/api/nodes").await)[0];
    for name in ["network_name", "network_secret", "qq_number", "wechat", "mail"] {
        assert_eq!(item.get(name), Some(&Json::Null), "{name}");
    }
    let events = hub.get("/api/events").await.data();
    assert!(events["events"].as_array().unwrap().iter().any(|event| event["kind"] == "probe"), "{events}");
}

async fn a_peer_that_is_not_approved_is_nowhere(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let now = Timestamp::now();
    hub.waiting(&shanghai(), now).await;
    let peer = hub.add_peer(&shanghai(), now).await.unwrap();
    hub.waiting(&shanghai(), now).await;
    hub.approve(peer, false).await;
    let places = [
        format!("/api/nodes/{peer}"),
        format!("/api/nodes/{peer}/health"),
        format!("/api/nodes/{peer}/health/stats"),
        format!("/api/nodes/{peer}/regions"),
        format!("/api/events?node_id={peer}"),
        format!("/node/{peer}"),
    ];
    for place in &places {
        assert_eq!(hub.get(place).await.refusal(StatusCode::NOT_FOUND), "no such node", "{place}");
    }
    assert_eq!(hub.get("/api/nodes").await.data()["total"], 0);
    assert_eq!(hub.get("/api/tags").await.data(), json!([]));

    hub.approve(peer, true).await;
    for place in &places {
        assert_eq!(hub.get(place).await.status, StatusCode::OK, "{place}");
    }
    let probe = hub.live_probe("p1", "eu").await;
    report(&hub, &probe, vec![online(peer, now)]).await;
    hub.approve(peer, false).await;
    for place in &places {
        hub.get(place).await.refusal(StatusCode::NOT_FOUND);
    }
    assert_eq!(hub.get("/api/events").await.data()["events"], json!([]));
}

#[tokio::test]
async fn an_invalid_id_finds_nothing() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    hub.add("tcp://192.0.2.1:11010").await;
    for id in [
        "0",
        "2",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "1.0",
        "1e0",
        "0x1",
        "abc",
        "%00",
        "1%00",
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "../../etc/passwd",
        "%FF",
        "1;drop",
        "1'",
        "%E4%B8%80",
        "null",
    ] {
        for path in [format!("/api/nodes/{id}"), format!("/api/nodes/{id}/health"), format!("/node/{id}")] {
            let reply = hub.get(&path).await;
            assert!([400, 404].contains(&reply.status.as_u16()), "{path}: {reply:?}");
            reply.refusal(reply.status);
        }
    }
}

/// Sends a request, and repeats it if a quarter of an hour ended meanwhile. Returns the number of the quarter.
async fn within_a_quarter(hub: &PublicHub, path: &str) -> (i64, Json) {
    loop {
        let before = Timestamp::now().bucket(QUARTER);
        let data = hub.get(path).await.data();
        if Timestamp::now().bucket(QUARTER) == before {
            return (before, data);
        }
    }
}

async fn rings_count_the_last_day_by_quarters_newest_first(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.live_probe("p1", "eu").await;
    let newest = Timestamp::now().bucket(QUARTER);
    // The age in quarters, the number of checks, the number of healthy checks.
    let counted = [(100, 7, 7), (94, 180, 180), (50, 180, 120), (1, 180, 179)];
    for (ago, checks, healthy) in counted {
        let at = Timestamp::of_bucket(newest - ago, QUARTER);
        let result = CheckResult { checks, healthy: Some(healthy), ..online(peer, at) };
        report(&hub, &probe, vec![result]).await;
    }
    let (quarter, item) = within_a_quarter(&hub, &format!("/api/nodes/{peer}")).await;
    let mut wanted = [(0, 0); 96];
    for (ago, checks, healthy) in counted {
        if let Some(slot) = wanted.get_mut((quarter - newest + ago) as usize) {
            *slot = (checks, healthy);
        }
    }
    assert_eq!(item["health_record_total_counter_ring"], json!(wanted.map(|slot| slot.0).to_vec()));
    assert_eq!(item["health_record_healthy_counter_ring"], json!(wanted.map(|slot| slot.1).to_vec()));
    assert_eq!(item["ring_granularity"], 900);
    let healthy = item["health_percentage_24h"].as_f64().unwrap();
    let expected = wanted.iter().map(|slot| f64::from(slot.1)).sum::<f64>() * 100.0
        / wanted.iter().map(|slot| f64::from(slot.0)).sum::<f64>();
    assert_eq!(healthy, (expected * 100.0).round() / 100.0, "to the hundredth");
}

async fn usage_is_what_probes_measured_in_percent(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let probe = hub.live_probe("p1", "eu").await;
    for (nth, limit, measured, usage, shown) in [
        (1, 100, None, 50.0, 50),
        (2, 200, Some(37), 18.5, 19),
        (3, 30, Some(37), 123.33, 123),
        (4, 100, Some(0), 0.01, 0),
        (5, 0, Some(37), 0.01, 0),
        (6, 200, Some(37), 18.5, 19),
        // The median of the others, in whole percent.
        (7, 100, None, 19.0, 19),
    ] {
        let mut limited = spec(&format!("tcp://192.0.2.{nth}:11010"));
        limited.max_connections = limit;
        let peer = hub.add_peer(&limited, Timestamp::now()).await.unwrap();
        let result = CheckResult { network_count: measured, ..online(peer, Timestamp::now()) };
        report(&hub, &probe, vec![result]).await;
        let item = hub.get(&format!("/api/nodes/{peer}")).await.data();
        assert_eq!((&item["usage_percentage"], &item["usage_measured"]), (&json!(usage), &json!(measured.is_some())));
        assert_eq!((&item["max_connections"], &item["current_connections"]), (&json!(100), &json!(shown)));
    }
}

async fn records_are_shown_newest_first(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    let at = |ago: u64| now - seconds(ago);
    let results = vec![online(peer, at(3000)), offline(peer, at(2000)), unknown(peer, at(1000)), online(peer, at(10))];
    report(&hub, &probe, results).await;

    let page = hub.get(&format!("/api/nodes/{peer}/health")).await.data();
    assert_eq!((&page["total"], &page["per_page"]), (&json!(4), &json!(20)));
    let statuses: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|record| record["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["healthy", "unknown", "unhealthy", "healthy"]);
    let mut failed = page["items"][2].clone();
    assert!(failed["id"].take().is_i64());
    assert_eq!(
        failed,
        json!({
            "id": null, "node_id": peer, "status": "unhealthy", "response_time": 0,
            "error_message": "connect_refused: connection refused", "checked_at": at(2000),
        })
    );
    assert_eq!(page["items"][0]["response_time"], 12_000);
    assert_eq!(page["items"][0]["error_message"], "");

    let path = |query: String| format!("/api/nodes/{peer}/health?{query}");
    let count = async |query: String| hub.get(&path(query)).await.data()["total"].clone();
    assert_eq!(count("status=healthy".into()).await, 2);
    assert_eq!(count("status=unknown&since=".into()).await, 1);
    assert_eq!(count(format!("since={}", at(2000))).await, 3);
    assert_eq!(count("since=2200-01-01T00:00:00Z".into()).await, 0);
    assert_eq!(count("since=0001-01-01T00:00:00Z".into()).await, 4);
    let second = hub.get(&path("page=2&per_page=3".into())).await.data();
    assert_eq!((second["items"].as_array().unwrap().len(), &second["total_pages"]), (1, &json!(2)));
    assert_eq!(second["items"][0]["checked_at"], json!(at(3000)));
}

async fn statistics_count_checks(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let none = hub.get(&format!("/api/nodes/{peer}/health/stats")).await.data();
    assert_eq!(
        none,
        json!({
            "total_checks": 0, "healthy_count": 0, "unhealthy_count": 0, "health_percentage": 0.0,
            "average_response_time": null, "uptime_percentage": 0.0, "uptime_percentage_with_maintenance": 0.0,
            "last_check_time": null, "last_status": null,
        })
    );
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    let many = CheckResult { checks: 6, healthy: Some(5), ..online(peer, now) };
    let long_ago = CheckResult { checks: 100, healthy: Some(0), ..offline(peer, now - seconds(30 * 3600)) };
    report(&hub, &probe, vec![long_ago, many]).await;
    let stats = hub.get(&format!("/api/nodes/{peer}/health/stats?hours=24")).await.data();
    assert_eq!(
        stats,
        json!({
            "total_checks": 6, "healthy_count": 5, "unhealthy_count": 1, "health_percentage": 83.33,
            "average_response_time": 12_000, "uptime_percentage": 100.0, "uptime_percentage_with_maintenance": 100.0,
            "last_check_time": now, "last_status": "Healthy",
        })
    );
    for (hours, checks) in [(1, 6), (47, 106), (87_600, 106)] {
        let stats = hub.get(&format!("/api/nodes/{peer}/health/stats?hours={hours}")).await.data();
        assert_eq!(stats["total_checks"], checks, "{hours}");
    }
}

async fn each_region_reports_its_own_status(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = hub.add("tcp://192.0.2.1:11010").await;
    let path = format!("/api/nodes/{peer}/regions");
    let nothing = hub.get(&path).await.data();
    assert_eq!((&nothing["regions"], &nothing["consensus"]["verdict"]), (&json!([]), &json!("unknown")));
    let (eu, us) = (hub.live_probe("p1", "eu").await, hub.live_probe("p2", "us").await);
    let now = Timestamp::now();
    report(&hub, &eu, vec![online(peer, now)]).await;
    report(&hub, &us, vec![offline(peer, now)]).await;

    let sides = hub.get(&path).await.data();
    let mut consensus = sides["consensus"].clone();
    assert!(consensus["since"].take().is_string());
    assert_eq!(
        consensus,
        json!({
            "verdict": "partial", "since": null, "status": "unhealthy", "is_active": true, "response_time": 12_000,
            "totalLocations": 2, "successfulLocations": 1, "averageResponseTime": 12.0, "minResponseTime": 12.0,
            "maxResponseTime": 12.0,
        })
    );
    assert_eq!(
        sides["regions"][0],
        json!({
            "region": "eu", "status": "healthy", "doubt": null,
            "stats": {
                "total_checks": 1, "healthy_count": 1, "health_percentage": 100.0, "average_response_time": 12_000,
                "min_response_time": 11_500, "max_response_time": 40_000,
            },
            "latest": {
                "checked_at": now, "status": "healthy", "response_time": 12_000, "min_response_time": 11_500,
                "max_response_time": 40_000, "stage": "route", "error": null, "message": null, "version": "2.4.5",
                "hostname": "edge-1", "network_count": 37, "relay": null, "relay_error": null,
            },
            "relay": null,
        })
    );
    let other = &sides["regions"][1];
    assert_eq!((&other["region"], &other["status"]), (&json!("us"), &json!("unhealthy")));
    assert_eq!((&other["latest"]["error"], &other["latest"]["stage"]), (&json!("connect_refused"), &json!("connect")));
    // The list agrees.
    let item = hub.get(&format!("/api/nodes/{peer}")).await.data();
    assert_eq!((&item["is_active"], &item["current_health_status"]), (&json!(true), &json!("unhealthy")));
}

async fn a_region_in_doubt_is_unknown_and_says_why(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let (eu, us) = (hub.live_probe("p1", "eu").await, hub.live_probe("p2", "us").await);
    let now = Timestamp::now();
    let mut peers = Vec::new();
    for nth in 1..=9 {
        peers.push(hub.add(&format!("tcp://192.0.2.{nth}:11010")).await);
    }
    report(&hub, &us, peers.iter().map(|peer| online(*peer, now)).collect()).await;
    for ago in [50, 40, 30] {
        let at = now - seconds(ago);
        let sees = |peer: &PeerId| if ago == 50 || *peer == peers[0] { online(*peer, at) } else { offline(*peer, at) };
        report(&hub, &eu, peers.iter().map(sees).collect()).await;
    }
    let sides = hub.get(&format!("/api/nodes/{}/regions", peers[1])).await.data();
    assert_eq!((&sides["consensus"]["verdict"], &sides["regions"][0]["status"]), (&json!("up"), &json!("unknown")));
    assert_eq!(sides["regions"][0]["doubt"], json!({ "turned_offline": 8, "nodes": 9 }));
    assert_eq!(sides["regions"][0]["latest"]["status"], "unhealthy");
    assert_eq!(sides["regions"][1]["doubt"], json!(null));
    let sides = hub.get(&format!("/api/nodes/{}/regions", peers[0])).await.data();
    assert_eq!((&sides["regions"][0]["status"], &sides["regions"][0]["doubt"]), (&json!("healthy"), &json!(null)));
    let metrics = hub.get("/metrics").await;
    assert!(metrics.text().contains("\neasytier_uptime_doubted_regions 1\n"), "{}", metrics.text());
}

async fn events_name_each_change(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let (peer, other) = (hub.add("tcp://192.0.2.1:11010").await, hub.add("tcp://192.0.2.2:11010").await);
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    let relaying = CheckResult { relay: Some(Relay::Ok), ..online(peer, now - seconds(20)) };
    report(&hub, &probe, vec![relaying, offline(other, now)]).await;
    let (refused, why) = (Some(Relay::Refused), Some("it drops data".to_owned()));
    let dropping = CheckResult { relay: refused, relay_error: why, ..online(peer, now - seconds(15)) };
    report(&hub, &probe, vec![dropping]).await;
    for ago in [10, 5] {
        report(&hub, &probe, vec![offline(peer, now - seconds(ago))]).await;
    }

    let of_peer = hub.get(&format!("/api/events?node_id={peer}")).await.data();
    let of_each = of_peer["events"].as_array().unwrap().iter();
    let changes: Vec<_> = of_each.map(|event| [&event["kind"], &event["was"], &event["became"]]).collect();
    let expected = [["peer", "up", "down"], ["relay", "ok", "refused"], ["peer", "unknown", "up"]];
    assert_eq!(json!(changes), json!(expected));
    let found = &of_peer["events"][1];
    assert_eq!((&found["subject_id"], &found["detail"]), (&json!(peer), &json!({ "reason": "it drops data" })));
    let newest = &of_peer["events"][0];
    assert_eq!((&newest["kind"], &newest["subject_id"]), (&json!("peer"), &json!(peer)));
    assert_eq!(newest["detail"], json!({ "online": 0, "regions": 1 }));
    assert_eq!(of_peer["next_before"], Json::Null);

    let mut seen = Vec::new();
    let mut path = "/api/events?limit=2".to_owned();
    loop {
        let page = hub.get(&path).await.data();
        seen.extend(page["events"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()));
        match page["next_before"].as_i64() {
            Some(before) => path = format!("/api/events?limit=2&before={before}"),
            None => break,
        }
    }
    let all = hub.get("/api/events").await.data()["events"].as_array().unwrap().len();
    assert!(seen.is_sorted_by(|a, b| a > b) && seen.len() == all && all >= 3, "{seen:?} of {all}");
}

/// A submission as a person fills it in.
fn form() -> Json {
    json!({
        "name": "Tokyo", "host": "tokyo.example.net", "port": 11011, "protocol": "udp", "description": "fast",
        "max_connections": 50, "allow_relay": true, "network_name": "lan", "network_secret": "s3cret",
        "qq_number": "", "wechat": null, "mail": "me@example.net", "tags": ["JP", ""], "is_approved": true,
    })
}

async fn a_submission_waits_for_approval(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let reply = hub.post("/api/nodes", &form()).await;
    let item = reply.data();
    assert!(!reply.text().contains("s3cret") && !reply.text().contains("me@example.net"), "{}", reply.text());
    let (example, _) = example();
    let (shape, example) = (item.as_object().unwrap(), example.as_object().unwrap());
    let more: Vec<&String> = shape.keys().filter(|name| !example.contains_key(*name)).collect();
    assert!(example.keys().all(|name| shape.contains_key(name)) && more == ADDED, "{shape:?}");
    assert_eq!((&item["is_approved"], &item["address"]), (&json!(false), &json!("udp://tokyo.example.net:11011")));
    assert_eq!(hub.get("/api/nodes").await.data()["total"], 0);

    // A web server has this one behind a path.
    let proxied = json!({ "name": "b", "host": "b.example.net", "protocol": "wss", "path": "/et", "qq_number": "1" });
    let proxied = hub.post("/api/nodes", &proxied).await.data();
    assert_eq!(proxied["address"], "wss://b.example.net:443/et");

    let id = SubmissionId(-item["id"].as_i64().unwrap());
    let spec = hub.submission(id).await.unwrap().spec;
    assert_eq!(spec.contacts.mail.as_deref(), Some("me@example.net"));
    assert_eq!((spec.contacts.qq_number, spec.contacts.wechat), (None, None));
    assert_eq!(spec.network_secret, Some("s3cret".into()));
    assert_eq!((spec.max_connections, spec.tags.len()), (50, 1));
    let peer = hub.approve_submission(id, Timestamp::now()).await.unwrap();
    assert!(hub.peer(peer).await.unwrap().submitted, "checks reach public addresses only");
    let listed = items(&hub.get("/api/nodes").await);
    assert_eq!((listed.len(), &listed[0]["is_approved"]), (1, &json!(true)));
}

/// What a stranger sees of a reply: everything but the id and the times.
fn answer(reply: &Reply) -> (StatusCode, Json) {
    let mut body = reply.json();
    for varying in ["id", "created_at", "updated_at"] {
        if let Some(value) = body["data"].get_mut(varying) {
            *value = Json::Null;
        }
    }
    (reply.status, body)
}

async fn a_submission_tells_nothing_about_what_is_on_file(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let fresh = answer(&hub.post("/api/nodes", &form()).await);
    let again = answer(&hub.post("/api/nodes", &form()).await);
    assert_eq!(again, fresh, "it waits already");
    // The owner's own way in is free.
    let same =
        hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap().items;
    let peer = hub.add_peer(&same[0].spec, Timestamp::now()).await.unwrap();
    assert_eq!(answer(&hub.post("/api/nodes", &form()).await), fresh, "it is listed");
    hub.approve(peer, false).await;
    assert_eq!(answer(&hub.post("/api/nodes", &form()).await), fresh, "it was taken off the list");
}

#[tokio::test]
async fn a_full_queue_asks_to_come_back_later() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    for _ in 0..1000 {
        hub.waiting(&shanghai(), Timestamp::now()).await;
    }
    let refused = hub.post("/api/nodes", &form()).await;
    let words = refused.refusal(StatusCode::SERVICE_UNAVAILABLE);
    assert!(words.contains("again later"), "{words}");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    let first = hub
        .submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default())
        .await
        .unwrap()
        .items
        .remove(0);
    hub.reject_submission(first.id).await.unwrap();
    hub.post("/api/nodes", &form()).await.data();
}

async fn submitted_text_is_returned_as_text(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let name = "<script>alert('1')</script> 🎉 \"quoted\" \u{202e}rtl";
    let description = "line 1\nline 2 <img src=x onerror=alert(1)> {{7*7}} %00 '; DROP TABLE peers; --";
    let mut form = form();
    (form["name"], form["description"]) = (json!(name), json!(format!("{description}\u{0}")));
    form["tags"] = json!(["<b>🏷</b>", "a&b"]);
    let reply = hub.post("/api/nodes", &form).await;
    let id = SubmissionId(-reply.data()["id"].as_i64().unwrap());
    let id = hub.approve_submission(id, Timestamp::now()).await.unwrap();
    let reply = hub.get(&format!("/api/nodes/{id}")).await;
    assert!(reply.header("content-type").unwrap().starts_with("application/json"));
    let item = reply.data();
    assert_eq!((&item["name"], &item["description"]), (&json!(name), &json!(description)));
    assert_eq!(item["tags"], json!(["<b>🏷</b>", "a&b"]));
    let found = hub.get("/api/nodes?tags=%3Cb%3E%F0%9F%8F%B7%3C/b%3E&search=%F0%9F%8E%89").await;
    assert_eq!(ids(&found), [id.0]);
}

#[tokio::test]
async fn a_submission_is_refused_by_the_name_of_the_field() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    for (field, value) in [
        ("name", json!(null)),
        ("name", json!("  ")),
        ("name", json!(7)),
        ("host", json!(null)),
        ("host", json!("a/b")),
        ("host", json!("../../etc/passwd")),
        ("port", json!(0)),
        ("port", json!(70000)),
        ("port", json!("11010")),
        ("protocol", json!("ftp")),
        ("max_connections", json!(0)),
        ("max_connections", json!(-1)),
        ("description", json!("x".repeat(2001))),
        ("tags", json!("JP")),
        ("tags", json!([["JP"]])),
        ("tags", json!(["a,b"])),
        ("mail", json!("nobody")),
        ("mail", json!("")),
        ("allow_relay", json!("yes")),
        ("network_secret", json!({})),
    ] {
        let mut form = form();
        form[field] = value;
        let words = hub.post("/api/nodes", &form).await.refusal(StatusCode::BAD_REQUEST);
        assert!(words.starts_with(field), "{field}: {words}");
    }
    for body in ["", "{", "[]", "null", "7", "{\"name\":\"a\"} x", "{\"name\":\"\\ud800\"}"] {
        hub.send(Request::post("/api/nodes"), body).await.refusal(StatusCode::BAD_REQUEST);
    }
    let malformed = hub.send(Request::post("/api/nodes"), &b"{\"name\":\"\xff\"}"[..]).await;
    assert_eq!(malformed.refusal(StatusCode::BAD_REQUEST), "the body is not UTF-8");
    assert_eq!(hub.get("/api/nodes").await.data()["total"], 0);
    assert_eq!(hub.export_peers().await.unwrap(), []);
}

/// Posts `body` from a caller with its own address.
async fn post_from(hub: &PublicHub, caller: &str, path: &str, body: &Json) -> Reply {
    hub.send(Request::post(path).header("x-forwarded-for", caller), body.to_string()).await
}

#[tokio::test]
async fn too_many_submissions_get_retry_after() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let submission = |nth: usize| {
        let mut form = form();
        form["host"] = json!(format!("node-{nth}.example.net"));
        form
    };
    let mut accepted = 0;
    let refused = loop {
        let reply = post_from(&hub, "198.51.100.1", "/api/nodes", &submission(accepted)).await;
        match reply.status {
            StatusCode::OK => accepted += 1,
            _ => break reply,
        }
        assert!(accepted < 100, "there is no limit");
    };
    refused.refusal(StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    let waiting =
        hub.submissions(&NodeFilter::default(), PeerOrder::OldestFirst, PageRequest::default()).await.unwrap();
    assert_eq!(waiting.total, accepted as u64);
    post_from(&hub, "198.51.100.2", "/api/nodes", &submission(accepted)).await.data();
    // An invalid submission does not count.
    post_from(&hub, "198.51.100.1", "/api/nodes", &json!({})).await.refusal(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_connection_test_reaches_public_addresses_only_whatever_peers_may() {
    // This hub's checker allows private and local addresses.
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let port = hub.address.port();
    for (nth, host) in
        ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"].iter().enumerate()
    {
        let caller = format!("198.51.100.{nth}");
        let reply = post_from(&hub, &caller, "/api/test_connection", &json!({ "host": host, "port": port })).await;
        let envelope = reply.json();
        assert_eq!((reply.status, &envelope["success"]), (StatusCode::OK, &json!(false)), "{envelope}");
        let outcome = &envelope["data"];
        assert_eq!((&outcome["error"], &outcome["stage"]), (&json!("forbidden_address"), &json!("resolve")), "{host}");
        assert_eq!((&outcome["status"], &outcome["response_time"]), (&json!("unhealthy"), &Json::Null));
        assert!(envelope["error"].as_str().unwrap().starts_with("forbidden_address: "), "{envelope}");
    }
    assert_eq!(hub.export_peers().await.unwrap(), [], "nothing is stored");
}

#[tokio::test]
async fn connection_tests_count() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let candidate = json!({ "host": "127.0.0.1" });
    let mut ran = 0;
    let refused = loop {
        let reply = post_from(&hub, "198.51.100.1", "/api/test_connection", &candidate).await;
        match reply.status {
            StatusCode::OK => ran += 1,
            _ => break reply,
        }
        assert!(ran < 100, "there is no limit");
    };
    refused.refusal(StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").is_some());
    let another = post_from(&hub, "198.51.100.2", "/api/test_connection", &candidate).await;
    assert_eq!(another.status, StatusCode::OK);
    let words = post_from(&hub, "198.51.100.3", "/api/test_connection", &json!({ "port": 1 })).await;
    assert!(words.refusal(StatusCode::BAD_REQUEST).starts_with("host: "));
}

#[tokio::test]
async fn an_easytier_client_can_follow_the_address_of_a_node() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    for (url, address) in [
        ("tcp://node.example.net", "tcp://node.example.net:11010"),
        ("udp://[2001:db8::1]:7", "udp://[2001:db8::1]:7"),
        ("srv://example.net", "srv://example.net"),
    ] {
        let peer = hub.add(url).await;
        let reply = hub.get(&format!("/node/{peer}")).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, address));
        assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
    }
}

#[tokio::test]
async fn every_route_is_documented() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let document = hub.get("/openapi.json").await.json();
    for (path, method) in [
        ("/api/nodes", "get"),
        ("/api/nodes", "post"),
        ("/api/nodes/{id}", "get"),
        ("/api/nodes/{id}/health", "get"),
        ("/api/nodes/{id}/health/stats", "get"),
        ("/api/nodes/{id}/regions", "get"),
        ("/api/tags", "get"),
        ("/api/events", "get"),
        ("/api/maintenance", "get"),
        ("/api/reports/{month}", "get"),
        ("/api/reports/{month}/nodes.csv", "get"),
        ("/api/test_connection", "post"),
        ("/node/{id}", "get"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].is_string() && operation["responses"]["200"].is_object(), "{method} {path}");
    }
    // Every reference has a target.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][reference].is_object(), "{reference}");
    }
}
