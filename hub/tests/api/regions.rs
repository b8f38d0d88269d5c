//! `/api/admin/regions`, and probes that call their region by the name that it had.

use axum::http::{Request, StatusCode};
use easytier_uptime_store::domain::{Scope, Timestamp};
use serde_json::{Value as Json, json};

use crate::{
    http::{PublicHub, Reply},
    hub::send,
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    a_key_with_the_scope_manages_regions,
    a_probe_may_call_its_region_by_the_name_that_it_had,
}

async fn a_key_with_the_scope_manages_regions(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let scopes = [Scope::Nodes].into();
    let key = hub.create_scoped_api_key("robot", &scopes, None, Timestamp::now()).await.unwrap();
    let call = async |method: &str, path: &str, body: Json| -> Reply {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", key.token.expose()));
        hub.send(request, if body.is_null() { String::new() } else { body.to_string() }).await
    };
    let probe = hub.live_probe("p", "eu / west").await;
    let of = |name: &str| json!({ "name": name, "probes": 1, "node_tokens": 0, "enrollment_keys": 0, "nodes": 0, "checked_nodes": 0 });
    assert_eq!(call("GET", "/api/admin/regions", Json::Null).await.data(), json!({ "regions": [of("eu / west")] }));
    let path = "/api/admin/regions/eu%20%2F%20west";
    call("PUT", path, json!({ "name": "a,b" })).await.refusal(StatusCode::BAD_REQUEST);
    call("PUT", "/api/admin/regions/mars", json!({ "name": "moon" })).await.refusal(StatusCode::NOT_FOUND);
    assert_eq!(call("PUT", path, json!({ "name": "europe" })).await.status, StatusCode::OK);
    assert_eq!(call("GET", "/api/admin/regions", Json::Null).await.data(), json!({ "regions": [of("europe")] }));
    let refused = call("DELETE", "/api/admin/regions/europe", Json::Null).await.refusal(StatusCode::CONFLICT);
    assert!(refused.contains("is not offline"), "{refused}");
    hub.unregister_probe(&probe, Timestamp::now()).await.unwrap();
    assert_eq!(call("DELETE", "/api/admin/regions/europe", Json::Null).await.status, StatusCode::OK);
    assert_eq!(call("GET", "/api/admin/regions", Json::Null).await.data(), json!({ "regions": [] }));
}

async fn a_probe_may_call_its_region_by_the_name_that_it_had(store: TestStore) {
    let public = PublicHub::over(store).await;
    let hub = public.serving();
    let (token, key) = (hub.token("p", "eu").await, hub.enrollment_key(Some("eu")).await);
    let (eu, europe) = ("eu".parse().unwrap(), "europe".parse().unwrap());
    hub.store.rename_region(&eu, &europe, Timestamp::now()).await.unwrap();
    for (name, status) in [("eu", 200), ("europe", 200), ("asia", 403)] {
        let listed = send(hub.get(&format!("/peers?region={name}")).header("x-node-token", &token)).await;
        assert_eq!(listed.status, status, "{name}: {listed:?}");
        let report = json!({ "status": "Online", "metadata": { "region": name } });
        assert_eq!(
            send(hub.put("/nodes/status", &report).header("x-node-token", &token)).await.status,
            status,
            "{name}"
        );
        let new = json!({ "server_id": format!("new in {name}"), "region": name });
        let enrolled = send(hub.post("/api/discovery/register", &new).bearer_auth(&key)).await;
        assert_eq!(enrolled.status < 300, status == 200, "{name}: {enrolled:?}");
    }
    let regions = hub.store.regions(Timestamp::now()).await.unwrap();
    assert_eq!(regions.iter().map(|one| (one.region.as_str(), one.probes)).collect::<Vec<_>>(), [("europe", 3)]);
}
