//! `PUT /nodes/status`.

use serde_json::json;

use crate::{
    hub::{TestHub, send},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_report_is_stored_and_counts_as_a_sign_of_life,
    a_probe_that_says_it_is_degraded_is_listed_as_degraded,
    a_wrong_or_missing_token_stores_nothing,
    a_report_of_another_region_or_probe_stores_nothing,
    a_token_without_a_server_id_takes_the_first_it_uses,
    invalid_fields_are_refused_by_name,
}

async fn a_report_is_stored_and_counts_as_a_sign_of_life(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "us-west").await;
    let report = json!({
        "status": "Online", "response_time": 50,
        "metadata": {
            "version": "0.1.0", "total_monitored_nodes": 10, "healthy_nodes": 8, "region": "us-west",
            "server_id": "probe-1", "check_interval": 3600, "colour": ["green"],
        },
    });
    for path in ["/nodes/status", "/api/nodes/status"] {
        let done =
            send(hub.put(path, &report).header("x-node-token", &token).bearer_auth("a key of another kind")).await;
        assert_eq!(done.body, json!({ "code": 200, "message": "ok", "data": null }));
    }
    let servers = send(hub.get("/api/discovery/servers").header("x-node-token", &token)).await;
    let server = servers.server("probe-1");
    assert_eq!(
        json!([server["server_id"], server["region"], server["status"], server["version"], server["response_time"]]),
        json!(["probe-1", "us-west", "online", "0.1.0", 50.0])
    );
    assert_eq!((&server["check_interval"], &server["metadata"]), (&3600.into(), &report["metadata"]));
    for least in [json!({ "status": "Online", "response_time": null }), json!({ "status": "Online", "metadata": null })]
    {
        send(hub.put("/nodes/status", &least).header("x-node-token", &token)).await.data();
    }
}

async fn a_probe_that_says_it_is_degraded_is_listed_as_degraded(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    for (said, listed) in [
        (json!("Degraded"), "degraded"),
        (json!("Online"), "online"),
        (json!("degraded"), "degraded"),
        (json!(null), "online"),
        // A probe that can report is not offline, whatever it says.
        (json!("Offline"), "online"),
    ] {
        let report = json!({ "status": said, "response_time": null });
        send(hub.put("/nodes/status", &report).header("x-node-token", &token)).await.data();
        let servers = send(hub.get("/api/discovery/servers").header("x-node-token", &token)).await;
        assert_eq!(servers.server("probe-1")["status"], listed, "{said}");
    }
}

async fn a_wrong_or_missing_token_stores_nothing(store: TestStore) {
    let hub = TestHub::on(&store).await;
    hub.token("probe-1", "eu").await;
    let key = hub.api_key().await;
    let report = json!({ "status": "Online", "response_time": 1, "metadata": { "server_id": "probe-1" } });
    let kept = hub.kept().await;
    send(hub.put("/nodes/status", &report)).await.refusal(401);
    for wrong in ["nonsense", key.as_str()] {
        send(hub.put("/nodes/status", &report).header("x-node-token", wrong)).await.refusal(401);
    }
    assert_eq!(hub.kept().await, kept);
}

async fn a_report_of_another_region_or_probe_stores_nothing(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    hub.token("probe-2", "eu").await;
    let kept = hub.kept().await;
    for (metadata, status) in [
        (json!({ "region": "asia", "version": "9" }), 403),
        (json!({ "server_id": "probe-2", "version": "9" }), 409),
        (json!({ "server_id": "probe-3", "version": "9" }), 409),
    ] {
        let report = json!({ "status": "Online", "metadata": metadata });
        send(hub.put("/nodes/status", &report).header("x-node-token", &token)).await.refusal(status);
    }
    assert_eq!(hub.kept().await, kept);
}

async fn a_token_without_a_server_id_takes_the_first_it_uses(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let now = easytier_uptime_store::domain::Timestamp::now();
    let token = hub.store.create_node_token("for ci", None, &"eu".parse().unwrap(), now).await.unwrap().token;
    let report = |id: &str| json!({ "status": "Online", "metadata": { "server_id": id } });
    let put = |id: &str| hub.put("/nodes/status", &report(id)).header("x-node-token", token.expose());
    send(put("runner-1")).await.data();
    send(put("runner-2")).await.refusal(409);
    send(put("runner-1")).await.data();
}

async fn invalid_fields_are_refused_by_name(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    let kept = hub.kept().await;
    for (report, field) in [
        (json!({ "response_time": "fast" }), "response_time: "),
        (json!({ "response_time": -1 }), "response_time: "),
        (json!({ "status": 5 }), "status: "),
        (json!({ "metadata": [] }), "metadata: "),
        (json!({ "metadata": { "version": 5 } }), "metadata.version: "),
        (json!({ "metadata": { "check_interval": 0 } }), "metadata.check_interval: "),
        (json!({ "metadata": { "check_interval": u64::MAX } }), "metadata.check_interval: "),
        (json!({ "metadata": { "region": "a,b" } }), "metadata.region: "),
        (json!({ "metadata": { "server_id": "../../etc" } }), "metadata.server_id: "),
        (json!({ "metadata": { "more": "x".repeat(17 * 1024) } }), "metadata: longer than"),
    ] {
        let refused = send(hub.put("/nodes/status", &report).header("x-node-token", &token)).await;
        assert!(refused.refusal(400).starts_with(field), "{field}: {refused:?}");
    }
    assert_eq!(hub.kept().await, kept);
}
