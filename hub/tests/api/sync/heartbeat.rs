//! `PUT /sync/api/heartbeat`.

use easytier_probe::{CheckResult, Status};
use easytier_uptime_store::domain::{PeerId, Timestamp, Verdict};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SECRET, Sync, example, id};
use crate::{
    hub::send,
    support::{TestStore, on_both_engines, region, spec},
};

on_both_engines! {
    another_program_sends_results_as_the_contract_says,
    a_heartbeat_says_how_an_instance_is,
    a_result_that_is_not_valid_does_not_delay_the_others,
    an_instance_speaks_for_itself_only,
    results_of_unknown_peers_are_refused_for_good,
    what_is_no_heartbeat_leaves_no_trace,
}

fn example_beat() -> Value {
    serde_json::from_str(include_str!("../../fixtures/sync-heartbeat.json")).unwrap()
}

/// A heartbeat of the instance with this number, now.
fn beat(nth: u128, results: Value) -> Value {
    json!({
        "instanceId": id(nth), "timestamp": Timestamp::now(), "status": "healthy", "uptime": 1, "monitoringResults": results,
    })
}

fn result(nth: u128, peer: PeerId) -> Value {
    json!({
        "endpointId": peer, "instanceId": id(nth), "timestamp": Timestamp::now(), "isOk": true, "responseTime": 12.5,
        "status": "UP", "location": "eu", "checkType": "anything",
    })
}

async fn another_program_sends_results_as_the_contract_says(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let registered = send(primary.post("/sync/api/register", &example()).bearer_auth(SECRET)).await;
    let token = registered.body["token"].as_str().unwrap();
    let request = || primary.put("/sync/api/heartbeat", &example_beat()).bearer_auth(token);

    let unknown = send(request()).await;
    let rejected = |index| json!({ "index": index, "reason": "unknown_peer" });
    assert_eq!(unknown.body["rejected"], json!([rejected(0), rejected(1)]), "{unknown:?}");

    for nth in 1..=8 {
        primary.peer(&format!("tcp://192.0.2.{nth}:11010")).await;
    }
    let version = primary.instance().await.config.version;
    let taken = send(request()).await;
    let expected = json!({ "accepted": 2, "duplicates": 0, "rejected": [], "configVersion": version, "epoch": 1 });
    assert_eq!((taken.status, &taken.body), (200, &expected));
    for _ in 0..2 {
        let again = send(request()).await;
        assert_eq!((&again.body["accepted"], &again.body["duplicates"]), (&json!(0), &json!(2)), "{again:?}");
    }
    primary.fold().await;
    for (peer, verdict) in [(7, Verdict::Up), (8, Verdict::Down)] {
        let node = primary.store.node(PeerId(peer), Timestamp::now()).await.unwrap();
        assert_eq!(node.verdict, verdict);
        // The clock of the heartbeat is corrected.
        assert!(Timestamp::now().since(node.last_check_at.unwrap()).as_secs() < 60);
        let reports = primary.store.node_regions(PeerId(peer), Timestamp::now()).await.unwrap();
        assert_eq!(
            (reports[0].region.as_str(), reports[0].latest.server_id.as_str()),
            ("EU-West-1", "Dependent-EU-West")
        );
    }
    let reports = primary.store.node_regions(PeerId(7), Timestamp::now()).await.unwrap();
    assert_eq!((reports[0].stats.total_checks, reports[0].latest.response_us), (6, Some(38_000)));

    let list = send(primary.get("/sync/api/instances").bearer_auth(token)).await;
    let listed = &list.body["instances"][0];
    for field in ["systemMetrics", "connectionStatus"] {
        assert_eq!(listed[field], example_beat()[field], "{field}");
    }
    assert_eq!(listed["syncStatus"]["status"], "synced");
    assert_eq!(listed["syncStatus"]["lastSynced"], "2026-11-25T12:00:00Z");
}

async fn a_heartbeat_says_how_an_instance_is(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let mut sent = beat(1, json!([]));
    sent["status"] = json!("degraded");
    sent["epoch"] = json!(1);
    sent["uptime"] = json!(86400.7);
    sent["syncStatus"] = json!({
        "status": "error", "lastSynced": "2026-11-25T12:00:00Z", "configHash": "\"1-7-0123456789abcdef\"", "syncVersion": "1-7",
        "errorMessage": "x".repeat(100_000),
    });
    let listed = async |beat: &Value| {
        assert_eq!(send(primary.put("/sync/api/heartbeat", beat).bearer_auth(&token)).await.status, 200);
        send(primary.get("/sync/api/instances").bearer_auth(SECRET)).await.body["instances"][0].take()
    };
    let told = listed(&sent).await;
    let sync = &told["syncStatus"];
    assert_eq!((&told["status"], &sync["status"]), (&json!("active"), &json!("error")));
    assert_eq!((&sync["configHash"], &sync["syncVersion"]), (&json!("0123456789abcdef"), &json!("1-7")));
    assert_eq!(sync["errorMessage"].as_str().unwrap().len(), 255);
    sent["status"] = json!("failing");
    assert_eq!(listed(&sent).await["status"], "failed");

    // Two intervals without a heartbeat, then three; an answer of its endpoint is none.
    for (ago, status) in [(119, "active"), (121, "inactive"), (179, "inactive"), (181, "failed")] {
        let mut member = primary.store.member(id(1)).await.unwrap().unwrap();
        member.health = None;
        member.last_heartbeat = Some(Timestamp::now() - std::time::Duration::from_secs(ago));
        member.called_back_at = Some(Timestamp::now());
        primary.store.put_member(&member).await.unwrap();
        let list = send(primary.get("/sync/api/instances").bearer_auth(SECRET)).await;
        assert_eq!(list.body["instances"][0]["status"], status, "{ago} s");
        let order = send(primary.get("/sync/api/failover-order").bearer_auth(SECRET)).await;
        assert_eq!(order.body["order"][0]["status"], status, "{ago} s");
    }
}

async fn a_result_that_is_not_valid_does_not_delay_the_others(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    let distant =
        easytier_uptime_store::domain::PeerSpec { regions: [region("asia")].into(), ..spec("tcp://192.0.2.2:11010") };
    let distant = primary.store.add_peer(&distant, Timestamp::now()).await.unwrap();
    let changed = |field: &str, value: Value| {
        let mut result = result(1, peer);
        result[field] = value;
        result
    };
    let now = chrono::DateTime::from(Timestamp::now());
    let (future, past) = (now + chrono::TimeDelta::days(2), now - chrono::TimeDelta::days(900));
    let sent = json!([
        changed("status", json!("SIDEWAYS")),
        result(1, peer),
        changed("location", json!("a,b")),
        changed("metadata", json!({ "server_id": "../x" })),
        result(1, PeerId(peer.0 + 1000)),
        changed("endpointId", json!(i64::MIN)),
        result(1, distant),
        changed("timestamp", json!(future)),
        changed("timestamp", json!(past)),
        changed("responseTime", json!(1e300)),
        changed("metadata", json!({ "checks": 1, "healthy": 7 })),
        5,
        changed("failureReason", json!("a text of another program")),
    ]);
    let taken = send(primary.put("/sync/api/heartbeat", &beat(1, sent)).bearer_auth(&token)).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    let told: Vec<Value> =
        taken.body["rejected"].as_array().unwrap().iter().map(|one| json!([one["index"], one["reason"]])).collect();
    let expected = [
        (0, "invalid"),
        (2, "invalid"),
        (3, "invalid"),
        (4, "unknown_peer"),
        (5, "unknown_peer"),
        (6, "wrong_region"),
        (8, "too_old"),
        (9, "invalid"),
        (10, "invalid"),
        (11, "invalid"),
    ];
    assert_eq!(told, expected.map(|(index, reason)| json!([index, reason])));
    // One is from the future, by a clock that was wrong. The last is of the same instant as the second or of another one.
    let (accepted, duplicates) = (taken.body["accepted"].as_u64().unwrap(), taken.body["duplicates"].as_u64().unwrap());
    assert_eq!(accepted + duplicates, 3);
    assert_eq!(primary.records(peer).await, accepted);
}

async fn an_instance_speaks_for_itself_only(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let (one, other) = (primary.register(1).await, primary.register(2).await);
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    for token in [&one, &other] {
        assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(token)).await.status, 200);
    }
    let admin = primary.admin().await;
    let sent = beat(1, json!([result(1, peer)]));
    let request = || primary.put("/sync/api/heartbeat", &sent);
    primary.refused(request().bearer_auth(&other), 409, "other_instance").await;
    for wrong in [SECRET, &admin] {
        primary.refused(request().bearer_auth(wrong), 403, "forbidden").await;
    }
    let taken = send(primary.put("/sync/api/heartbeat", &beat(1, json!([result(2, peer)]))).bearer_auth(&one)).await;
    assert_eq!(taken.body["rejected"][0]["reason"], "invalid");
    assert!(taken.body["rejected"][0]["detail"].as_str().unwrap().starts_with("instanceId: "));
    assert_eq!(primary.records(peer).await, 0);
    assert_eq!(send(request().bearer_auth(&one)).await.body["accepted"], 1);
}

async fn results_of_unknown_peers_are_refused_for_good(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    let mut named = result(1, peer);
    named["metadata"] = json!({ "peer_uid": Uuid::from_u128(5) });
    let taken = send(primary.put("/sync/api/heartbeat", &beat(1, json!([named]))).bearer_auth(&token)).await;
    assert_eq!(taken.body["rejected"], json!([{ "index": 0, "reason": "unknown_peer" }]), "the uid counts, not the id");

    // The metadata of our own instances.
    let endpoints = send(primary.get("/sync/api/endpoints").bearer_auth(&token)).await;
    let id = Uuid::now_v7();
    let mut ours = result(1, PeerId(999));
    ours["id"] = json!(id);
    (ours["isOk"], ours["status"], ours["failureReason"]) = (json!(false), json!("DOWN"), json!("missed_window"));
    ours["metadata"] = json!({
        "peer_uid": endpoints.body["endpoints"][0]["uid"], "status": "Unknown", "region": "asia", "server_id": "p7",
        "stage": "handshake", "error": "missed_window",
    });
    let taken = send(primary.put("/sync/api/heartbeat", &beat(1, json!([ours]))).bearer_auth(&token)).await;
    assert_eq!(taken.body["accepted"], 1, "{taken:?}");
    let stored: Vec<CheckResult> =
        primary.store.results_after(0, 10, true).await.unwrap().0.into_iter().map(|one| one.result).collect();
    assert_eq!((stored[0].id, stored[0].peer_id, stored[0].status), (id, peer.0, Status::Unknown));
    primary.fold().await;
    let reports = primary.store.node_regions(peer, Timestamp::now()).await.unwrap();
    assert_eq!((reports[0].region.as_str(), reports[0].latest.server_id.as_str()), ("asia", "p7"));
}

async fn what_is_no_heartbeat_leaves_no_trace(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    assert_eq!(send(primary.get("/sync/api/instances").bearer_auth(&token)).await.status, 200);
    let many = beat(1, json!(vec![result(1, peer); 5_001]));
    primary.refused(primary.put("/sync/api/heartbeat", &many).bearer_auth(&token), 413, "too_large").await;
    let unreadable = beat(1, json!(vec![5; 5_001]));
    primary.refused(primary.put("/sync/api/heartbeat", &unreadable).bearer_auth(&token), 413, "too_large").await;
    for (field, wrong) in [
        ("status", json!("tired")),
        ("timestamp", json!("yesterday")),
        ("uptime", json!("long")),
        ("epoch", json!(9_223_372_036_854_775_807_i64)),
        ("epoch", json!(9_223_372_036_854_775_808_u64)),
        ("epoch", json!(-1)),
        ("monitoringResults", json!("none")),
        ("systemMetrics", json!(5)),
    ] {
        let mut sent = beat(1, json!([result(1, peer)]));
        sent[field] = wrong;
        let request = primary.put("/sync/api/heartbeat", &sent).bearer_auth(&token);
        let refused = primary.refused(request, 400, "bad_request").await;
        assert!(refused.body["message"].as_str().unwrap().starts_with(field), "{field}: {refused:?}");
    }
    for body in ["", "{", "[]", "no JSON", "{} tail"] {
        let request = primary.request(reqwest::Method::PUT, "/sync/api/heartbeat").bearer_auth(&token).body(body);
        primary.refused(request, 400, "bad_request").await;
    }
}
