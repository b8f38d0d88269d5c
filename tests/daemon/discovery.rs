//! A hub in the list of another one.

use serde_json::Value;

use crate::{
    http,
    program::{Folder, Running},
    until,
};

/// The servers of a hub that anybody may list, after the hub itself.
async fn others(hub: &Running) -> Vec<Value> {
    let (status, body) = http::get(&format!("{}/api/discovery/servers", hub.url)).await;
    assert_eq!(status, 200, "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    list["servers"].as_array().unwrap()[1..].to_vec()
}

async fn status(hub: &Running, server_id: &str) -> Option<Value> {
    let servers = others(hub).await;
    servers.into_iter().find(|server| server["server_id"] == server_id).map(|mut server| server["status"].take())
}

/// The settings of a hub that registers at another one.
fn registering(at: &Running) -> Folder {
    let folder = Folder::new();
    folder.set(&[("DISCOVERY_SERVER_URL", &at.url), ("INSTANCE_NAME", "second"), ("ADVERTISE_ADDR", "192.0.2.7")]);
    folder
}

#[tokio::test]
async fn a_hub_registers_at_another_one_with_and_without_a_credential() {
    let first = Folder::new();
    first.set(&[("OPEN_DISCOVERY", "true"), ("INSTANCE_NAME", "first")]);
    let hub = first.start(&["hub"]).await;
    let folder = registering(&hub);
    let second = folder.start(&["hub"]).await;
    until("the second hub to be listed", async || !others(&hub).await.is_empty()).await;
    let listed = others(&hub).await.remove(0);
    let port: u16 = second.url.rsplit(':').next().unwrap().parse().unwrap();
    for (field, value) in [
        ("server_id", Value::from("second-hub")),
        ("role", "hub".into()),
        ("open", true.into()),
        ("status", "online".into()),
        ("host", "192.0.2.7".into()),
        ("port", port.into()),
    ] {
        assert_eq!(listed[field], value, "{field}");
    }
    second.stop().await;
    assert_eq!(others(&hub).await, [Value::Null; 0], "it unregistered");

    let key = first.run(&["hub", "enroll", "create", "--name", "hubs", "--region", "eu"]).await;
    folder.set(&[("ENROLLMENT_KEY", key.trim())]);
    let second = folder.start(&["hub"]).await;
    second.await_log("enrolled at the backend").await;
    let listed = others(&hub).await.remove(0);
    assert_eq!((&listed["open"], &listed["role"], &listed["region"]), (&false.into(), &"hub".into(), &"eu".into()));
    second.stop().await;
    until("the hub that stopped to be offline", async || status(&hub, "second-hub").await.unwrap() == "offline").await;

    // It enrolled once, and needs no key any more, until its token is revoked.
    folder.set(&[("ENROLLMENT_KEY", "")]);
    let second = folder.start(&["hub"]).await;
    until("the hub to be back", async || status(&hub, "second-hub").await.unwrap() == "online").await;
    second.stop().await;
    first.run(&["hub", "token", "revoke", "2"]).await;
    let second = folder.start(&["hub"]).await;
    let line = second.await_log("no ENROLLMENT_KEY to enroll again").await;
    assert!(line.contains("ERROR") && line.contains("hub enroll create"), "{line}");
    second.stop().await;
}

#[tokio::test]
async fn two_urls_for_one_backend_are_refused() {
    let folder = Folder::new();
    folder.set(&[("DISCOVERY_SERVER_URL", "http://127.0.0.1:1"), ("BACKEND_BASE_URL", "http://127.0.0.1:2")]);
    for command in [&["hub"][..], &["daemon", "--node-token", "t"], &[]] {
        let said = folder.refusal(command).await;
        assert!(said.contains("DISCOVERY_SERVER_URL (.env): names another URL than BACKEND_BASE_URL"), "{said}");
        assert_eq!(said.matches("names another URL").count(), 1, "{said}");
    }
}
