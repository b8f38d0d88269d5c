//! A node that is checked because somebody asks for it: from a daemon, and from the hub's own probe.

use easytier_probe::Scheme;
use serde_json::{Value, json};

use crate::{NodeOptions, PROGRAM, http, program::Folder, support::closed_port::ClosedPort, until};

const PASSWORD: &str = "the password of this test";

/// What `check --from` finds, by region.
async fn found(folder: &Folder, hub: &str, session: &str, from: &str, url: &str) -> (i32, Vec<Value>) {
    let args = ["check", "--hub", hub, "--from", from, "--json", url];
    let output = folder.command(&args).env("API_KEY", session).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), rows)
}

#[tokio::test]
async fn a_daemon_and_the_probe_of_a_hub_check_a_node_that_nobody_watches_as_soon_as_somebody_asks() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let folder = Folder::new();
    folder.set(&[("ADMIN_PASSWORD", PASSWORD), ("REGION", "home")]);
    let hub = folder.start(&[]).await;
    let token = folder.run(&["hub", "token", "create", "--name", "probe-1", "--region", "eu"]).await;
    let probe = Folder::of_probe(&hub.url, token.trim());
    let daemon = probe.daemon().await;
    let login = http::client().post(format!("{}/api/admin/login", hub.url)).json(&json!({"password": PASSWORD}));
    let login: Value = serde_json::from_str(&login.send().await.unwrap().text().await.unwrap()).unwrap();
    let session = login["data"]["token"].as_str().unwrap();

    let url = node.url(Scheme::Tcp).to_string();
    let mut rows = Vec::new();
    // A probe that has just started may not have asked for orders yet.
    until("a result from both", async || {
        let (_, found) = found(&folder, &hub.url, session, "eu,home", &url).await;
        rows = found;
        rows.iter().all(|row| row["result"].is_object())
    })
    .await;
    let said = |row: &Value| (row["from"].clone(), row["region"].clone(), row["result"]["status"].clone());
    let online = |region: &str| (json!(region), json!(region), json!("Online"));
    assert_eq!(rows.iter().map(said).collect::<Vec<_>>(), [online("eu"), online("home")], "{rows:?}");
    assert_eq!(rows[0]["server_id"], "probe-1");

    // A place without a probe is no result, and a node that is down makes the exit code 1.
    let closed = ClosedPort::new();
    let (code, rows) = found(&folder, &hub.url, session, "eu,mars", &closed.url("tcp")).await;
    let errors: Vec<&Value> = rows.iter().map(|row| &row["result"]["error"]).collect();
    assert_eq!((code, errors), (1, vec![&json!("connect_refused"), &Value::Null]), "{rows:?}");
    daemon.stop().await;
    hub.stop().await;
}
