//! `GET /api/nodes/{id}/regions`: what each instance and region sees.

use easytier_uptime_store::domain::Timestamp;
use serde_json::json;

use super::{Sync, id};
use crate::{
    hub::send,
    support::{TestStore, offline, on_both_engines, online, region},
};

on_both_engines! {
    a_location_is_an_instance_or_a_region,
}

async fn a_location_is_an_instance_or_a_region(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    let path = format!("/api/nodes/{peer}/regions");
    let nothing = send(primary.get(&path)).await.body["data"].take();
    assert_eq!((&nothing["aggregatedStatus"], &nothing["aggregatedUptime"]), (&json!(null), &json!(null)));
    assert_eq!(nothing["locationData"], json!({}));

    let now = Timestamp::now();
    let own = primary.store.local_probe("Primary", &region("here"), now).await.unwrap();
    let daemon = primary.store.local_probe("secret-host-7", &region("asia"), now).await.unwrap();
    for (probe, result) in [(&own, online(peer, now)), (&daemon, offline(peer, now))] {
        primary.store.heartbeat(probe, None, now).await.unwrap();
        primary.test.report(probe, vec![result], now).await;
    }
    let beat = json!({
        "instanceId": id(1), "timestamp": now, "status": "healthy", "uptime": 1,
        "monitoringResults": [{
            "endpointId": peer, "instanceId": id(1), "timestamp": now, "isOk": true, "responseTime": 37, "status": "UP",
            "location": "EU-West-1", "checkType": "tcp",
        }],
    });
    let taken = send(primary.put("/sync/api/heartbeat", &beat).bearer_auth(&token)).await;
    assert_eq!(taken.body["accepted"], 1, "{taken:?}");
    primary.fold().await;

    let reply = send(primary.get(&path)).await;
    assert!(!reply.body.to_string().contains("secret-host-7"), "a probe is for the operator only: {reply:?}");
    let told = &reply.body["data"];
    assert_eq!((&told["aggregatedStatus"], &told["aggregatedUptime"]), (&json!("UP"), &json!(66.67)));
    let figures =
        ["totalLocations", "successfulLocations", "averageResponseTime", "minResponseTime", "maxResponseTime"];
    assert_eq!(
        figures.map(|figure| &told["consensus"][figure]),
        [&json!(3), &json!(2), &json!(24.5), &json!(12.0), &json!(37.0)]
    );
    let seen = |location: &str, status: &str, time: serde_json::Value, name: serde_json::Value| json!({ "location": location, "status": status, "responseTime": time, "lastChecked": now, "instanceName": name });
    let mut locations = told["locationData"].clone();
    // The heartbeat was corrected by the time on its way.
    let remote = &mut locations[id(1).to_string()]["lastChecked"];
    assert!(remote.is_string());
    *remote = json!(now);
    assert_eq!(
        locations,
        json!({
            primary.instance().await.id.to_string(): seen("here", "UP", json!(12.0), json!("Primary")),
            id(1).to_string(): seen("EU-West-1", "UP", json!(37.0), json!("Instance-1")),
            "asia": seen("asia", "DOWN", json!(null), json!(null)),
        })
    );
}
