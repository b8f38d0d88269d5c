//! What other programs may send.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Configuration, FailoverOrder, Heartbeat, Promote, Register};

/// Objects whose names are data.
const MAPS: [&str; 5] = ["globalSettings", "seen", "settingVersions", "metadata", "systemInfo"];

/// Adds fields of tomorrow to every object in a document.
pub fn add_unknown_fields(document: &mut Value) {
    match document {
        Value::Array(all) => all.iter_mut().for_each(add_unknown_fields),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if !MAPS.contains(&name.as_str()) {
                    add_unknown_fields(value);
                }
            }
            fields.insert("ofTomorrow".into(), json!({ "deep": [1, null] }));
        }
        _ => {}
    }
}

/// Numbers that no field for a whole number takes.
fn absurd() -> [Value; 5] {
    [json!(1e300), json!(-1e300), json!(1.5), json!(u64::MAX), json!("7")]
}

fn refuses<T: DeserializeOwned>(document: &Value, pointer: &str) {
    serde_json::from_value::<T>(document.clone()).unwrap_or_else(|error| panic!("{document}: {error}"));
    for number in absurd() {
        let mut wrong = document.clone();
        *wrong.pointer_mut(pointer).expect(pointer) = number.clone();
        assert!(serde_json::from_value::<T>(wrong).is_err(), "{pointer}: {number}");
    }
}

#[test]
fn absurd_numbers_are_refused() {
    let (id, at) = ("0192f0c1-7d3a-7c55-9a7e-2f6f4f1b9d10", "2026-11-25T12:00:00Z");
    let version = json!({ "epoch": 1, "counter": 2 });
    let endpoint = json!({
        "id": 7, "uid": id, "name": "n", "host": "192.0.2.1", "port": 11010, "protocol": "tcp", "url": "tcp://192.0.2.1:11010",
        "approved": true, "submitted": false, "updatedAt": at, "version": version, "timeoutMs": 9, "maxConnections": 5,
        "targetVersion": 3,
    });
    let configuration = json!({
        "endpoints": [endpoint], "notificationServices": [], "globalSettings": {}, "lastModified": at, "configVersion": 3,
        "epoch": 1, "clusterId": id, "seen": { id: 4 }, "highestPeerId": 7, "settingVersions": { "x": version },
        "deleted": [{ "kind": "peer", "uid": id, "deletedAt": at, "version": version }],
    });
    for pointer in [
        "/configVersion",
        "/epoch",
        "/highestPeerId",
        "/endpoints/0/id",
        "/endpoints/0/maxConnections",
        "/endpoints/0/port",
        "/endpoints/0/targetVersion",
        "/endpoints/0/version/counter",
        "/endpoints/0/version/epoch",
        "/deleted/0/version/epoch",
        "/settingVersions/x/counter",
    ] {
        refuses::<Configuration>(&configuration, pointer);
    }
    refuses::<Configuration>(&configuration, &format!("/seen/{id}"));
    let order = json!({
        "epoch": 1, "clusterId": id, "primary": id, "configVersion": 4,
        "order": [{ "instanceId": id, "failoverOrder": 1, "publicEndpoint": null, "status": "active" }],
    });
    for pointer in ["/epoch", "/configVersion", "/order/0/failoverOrder"] {
        refuses::<FailoverOrder>(&order, pointer);
    }
    refuses::<Promote>(&json!({ "expectedEpoch": 1, "reason": "" }), "/expectedEpoch");
    let register =
        json!({ "instanceId": id, "instanceName": "n", "version": "1", "failoverOrder": 1, "publicKey": "" });
    refuses::<Register>(&register, "/failoverOrder");
    let beat = json!({
        "instanceId": id, "timestamp": at, "status": "healthy", "uptime": 1, "epoch": 1,
        "monitoringResults": [{ "endpointId": 7, "instanceId": id, "timestamp": at, "isOk": true, "status": "UP", "location": "eu" }],
    });
    for pointer in ["/epoch", "/monitoringResults/0/endpointId"] {
        refuses::<Heartbeat>(&beat, pointer);
    }
}
