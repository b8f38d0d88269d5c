//! A daemon that a hub controls: configuration is pushed to it, and figures are pulled from it.

use std::time::Duration;

use axum::response::IntoResponse;
use easytier_probe::Scheme;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    assert_delivered_once, await_checks,
    backend::{TestBackend, envelope, hub as of_hub, listing},
    eventually, http,
    hub::Hub,
    node,
    program::{Folder, Running},
    support::closed_port::ClosedPort,
    until,
};

const TOKEN: &str = "the-token-with-which-a-hub-controls-this-probe";

/// A daemon that a hub may control, and that has no backend yet.
fn without_backend() -> Folder {
    let folder = Folder::new();
    folder.set(&[("CONTROL_TOKEN", TOKEN), ("SERVER_ID", "probe-7"), ("REGION", "eu")]);
    folder
}

fn metadata(cluster: &str, epoch: i64, version: i64) -> Value {
    json!({
        "updated_at": "2026-11-27T12:00:00Z", "updated_by": "admin", "cluster_id": cluster, "epoch": epoch,
        "config_version": version,
    })
}

fn config(version: i64, peers: Value, settings: Value) -> Value {
    json!({"peers": peers, "settings": settings, "metadata": metadata("a", 0, version)})
}

async fn push(daemon: &Running, config: &Value) -> (u16, Value) {
    push_with(daemon, TOKEN, config.to_string()).await
}

async fn push_with(daemon: &Running, token: &str, body: String) -> (u16, Value) {
    let request = http::client().post(format!("{}/v1/configs", daemon.url)).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// The answer to `GET /v1/stats`: the headers, and the values by name.
async fn stats(daemon: &Running) -> (Value, Value) {
    let request = http::client().get(format!("{}/v1/stats", daemon.url)).bearer_auth(TOKEN);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let headers = json!([header("x-uptime-server-id"), header("x-uptime-region"), header("x-uptime-enrolled")]);
    let figures: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let figures = figures.as_array().unwrap().iter();
    (headers, figures.map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].clone())).collect())
}

async fn held_version(daemon: &Running) -> u64 {
    stats(daemon).await.1["probe>>>config>>>version"].as_u64().unwrap()
}

/// What the daemon answers to `POST /v1/configs` with these headers and a body that never ends.
async fn endless(daemon: &Running, headers: &str) -> String {
    let connection = TcpStream::connect(daemon.url.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut reader, mut writer) = connection.into_split();
    let head = format!("POST /v1/configs HTTP/1.1\r\nhost: probe\r\ntransfer-encoding: chunked\r\n{headers}\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let sending = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await.unwrap();
        while writer.write_all(chunk.as_bytes()).await.is_ok() {}
    });
    let mut answer = vec![0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    sending.abort();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn without_the_token_nothing_is_read_and_with_it_only_a_whole_configuration_of_bounded_length() {
    let folder = without_backend();
    let daemon = folder.daemon().await;
    let whole = config(1, json!([]), json!({}));
    assert_eq!(endless(&daemon, "").await, "HTTP/1.1 401");
    let (status, refusal) = push_with(&daemon, "wrong", whole.to_string()).await;
    assert_eq!((status, &refusal["code"]), (401, &json!(401)), "{refusal}");
    until("the limit of wrong tokens", async || push_with(&daemon, "wrong", whole.to_string()).await.0 == 429).await;
    let (_, stats_refused) = http::get(&format!("{}/v1/stats", daemon.url)).await;
    assert!(stats_refused.contains("429"), "{stats_refused}");

    // Right ones are taken from the same address.
    let authorized = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(endless(&daemon, &authorized).await, "HTTP/1.1 413");
    let text = whole.to_string();
    let (status, refusal) = push_with(&daemon, TOKEN, text[..text.len() / 2].to_owned()).await;
    assert_eq!((status, &refusal["code"]), (400, &json!(400)), "{refusal}");
    for (wrong, named) in [
        (config(1, json!([]), json!({"probe_schedule": "@hourly"})), "settings.probe_schedule"),
        (config(1, json!([5]), json!({})), "peers[0]"),
        (whole, "enrollment"),
    ] {
        let (status, refusal) = push(&daemon, &wrong).await;
        assert!(status == 400 && refusal["message"].as_str().unwrap().starts_with(named), "{refusal}");
    }

    // A caller that goes away in the middle.
    let mut connection = TcpStream::connect(daemon.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head =
        format!("POST /v1/configs HTTP/1.1\r\nhost: probe\r\ncontent-length: 9999\r\n{authorized}\r\n{{\"peers\"");
    connection.write_all(head.as_bytes()).await.unwrap();
    drop(connection);

    let (who, figures) = stats(&daemon).await;
    assert_eq!(who, json!(["probe-7", "eu", "false"]));
    assert_eq!(figures["probe>>>config>>>version"], 0, "nothing was taken");
    let (status, health) = http::get(&format!("{}/health", daemon.url)).await;
    assert!(status == 200 && health.contains("waits for its first configuration"), "{health}");
    let document = http::get(&format!("{}/openapi.json", daemon.url)).await.1;
    assert!(document.contains("/v1/configs") && document.contains("/v1/stats"), "{document}");
    let log = daemon.stop().await;
    assert!(!log.contains(TOKEN), "{log}");

    let closed = ClosedPort::new();
    let folder = Folder::of_probe(&closed.url("http"), "token");
    let daemon = folder.daemon().await;
    assert_eq!(push(&daemon, &config(1, json!([]), json!({}))).await.0, 404, "without CONTROL_TOKEN");
}

#[tokio::test]
async fn a_daemon_without_a_backend_is_enrolled_by_a_push_and_then_reports_as_any_until_that_is_forgotten() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = without_backend();
    let daemon = folder.daemon().await;
    daemon.await_log("waits for its first configuration").await;
    let token = hub.token("probe-1").await;
    let mut first =
        config(1, json!([{"id": peer.0, "url": node.url(Scheme::Tcp).to_string()}]), json!({"health_check_pings": 2}));
    first["enrollment"] =
        json!({"backend_base_url": hub.url(), "node_token": token, "region": "default", "server_id": "probe-1"});
    assert_eq!(push(&daemon, &first).await, (200, json!({"success": true})));
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    until("the registration", async || hub.probe("probe-1").await.is_some_and(|probe| probe.port.is_some())).await;
    let (who, figures) = stats(&daemon).await;
    assert_eq!(who, json!(["probe-1", "default", "true"]));
    assert_eq!(figures["probe>>>config>>>version"], 1);
    until("checks and their bytes in the figures", async || {
        let (_, figures) = stats(&daemon).await;
        let of_peer = ["checks>>>healthy", "traffic>>>downlink", "traffic>>>uplink"];
        let of_peer = of_peer.iter().all(|name| figures[format!("peer>>>{}>>>{name}", peer.0)].as_u64() > Some(0));
        of_peer && figures["inbound>>>remote>>>traffic>>>downlink"].as_u64() > Some(0)
    })
    .await;

    // It outlives the process.
    daemon.kill().await;
    let before = hub.checks(peer).await;
    let daemon = folder.daemon().await;
    let followed = daemon.await_log("following the configuration 0-1 of the cluster a").await;
    assert!(followed.contains("health_check_pings=2"), "{followed}");
    until("more checks at the hub", async || hub.checks(peer).await > before).await;
    let log = daemon.stop().await;
    assert!(!log.contains(&token), "{log}");

    // With another CONTROL_TOKEN it cannot be read, and counts as nothing.
    folder.set(&[("CONTROL_TOKEN", "another-token-with-which-a-hub-controls-it")]);
    let daemon = folder.daemon().await;
    daemon.await_log("it was sealed with another CONTROL_TOKEN").await;
    daemon.await_log("waits for its first configuration").await;
    daemon.stop().await;

    folder.set(&[("CONTROL_TOKEN", TOKEN)]);
    let said = folder.run(&["daemon", "--reset-control"]).await;
    let expected = format!(
        "forgot the configuration 0-1 of the cluster a\nforgot health_check_pings=2\nforgot the enrollment as probe-1 at {}\n",
        hub.url()
    );
    assert_eq!(said, expected);
    assert_eq!(folder.run(&["daemon", "--reset-control"]).await, "nothing was pushed to this probe\n");
    let daemon = folder.daemon().await;
    daemon.await_log("waits for its first configuration").await;
    assert!(http::nodes(&daemon.url).await.iter().any(|node| node["id"] == 1), "the history stays");
}

#[tokio::test]
async fn a_push_changes_the_interval_of_a_running_daemon_in_order_and_no_result_is_lost() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    // Lists come by pushes alone, apart from the first after each start.
    folder.set(&[("CONTROL_TOKEN", TOKEN), ("HEALTH_CHECK_INTERVAL", "1h"), ("PEER_FETCH_INTERVAL", "1h")]);
    let daemon = folder.daemon().await;
    until("the first check", async || daemon.checks(1).await > 0).await;

    let next_version = async || {
        let name = (hub.store.config_version().await.unwrap() + 1).to_string();
        hub.edit(peer, |spec| spec.name = name.clone()).await;
        hub.store.config_version().await.unwrap()
    };
    let peers = json!([{"id": peer.0, "url": node.url(Scheme::Tcp).to_string()}]);
    let version = next_version().await;
    let mut faster =
        config(version, peers.clone(), json!({"health_check_interval": "200ms", "health_check_timeout": 4}));
    // A daemon with a backend of its own ignores the enrollment.
    faster["enrollment"] = json!({"backend_base_url": "http://127.0.0.1:1", "node_token": "t", "server_id": "other"});
    assert_eq!(push(&daemon, &faster).await.0, 200);
    await_checks(&daemon, 1, 10).await;
    assert_eq!(stats(&daemon).await.0, json!(["probe-1", null, "true"]));

    let mut foreign = faster.clone();
    foreign["metadata"] = metadata("b", 0, version + 1);
    let mut absurd = faster.clone();
    absurd["metadata"] = metadata("a", 1001, 1);
    let slow = json!({"health_check_interval": "1h"});
    for (wrong, said) in [
        (foreign, "another cluster"),
        (absurd, "more than 1000 ahead"),
        (config(version - 1, json!([]), slow), "the newer configuration 0-"),
    ] {
        let (status, refusal) = push(&daemon, &wrong).await;
        assert!(status == 409 && refusal["message"].as_str().unwrap().contains(said), "{refusal}");
    }
    assert_eq!(push(&daemon, &faster).await.0, 200, "the same again");
    await_checks(&daemon, 1, 10).await;

    // A list alone needs no new start.
    let (without, with) = (next_version().await, next_version().await);
    let starts = daemon.log_with("restarting with the new configuration").len();
    let same = faster["settings"].clone();
    assert_eq!(push(&daemon, &config(without, json!([]), same.clone())).await.0, 200);
    until("the node to be gone", async || daemon.figure("peers_watched{status=\"online\"}").await == 0.0).await;
    assert_eq!(push(&daemon, &config(with, peers, same)).await.0, 200);
    await_checks(&daemon, 1, 5).await;
    assert_eq!(daemon.log_with("restarting with the new configuration").len(), starts);
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
}

/// Each configuration has a number, which its version, its settings and its only peer show.
#[tokio::test]
async fn a_daemon_that_is_killed_while_it_is_pushed_to_holds_one_whole_configuration() {
    let numbered = |number: i64| {
        let peer = json!({"id": number, "name": format!("n{number}"), "url": format!("tcp://192.0.2.1:{number}")});
        config(number, json!([peer]), json!({"health_check_pings": number}))
    };
    // It lists nothing.
    let backend = TestBackend::start(|seen| match seen.path.as_str() {
        "/peers" => of_hub(200, envelope(listing([], false, None))),
        _ => of_hub(404, Value::Null),
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    folder.set(&[("CONTROL_TOKEN", TOKEN), ("HEALTH_CHECK_INTERVAL", "1h")]);
    let (mut number, mut acknowledged) = (0, 0);
    for delay in [0, 7, 29] {
        let daemon = folder.daemon().await;
        let pushing = async {
            loop {
                number += 1;
                let request = http::client().post(format!("{}/v1/configs", daemon.url)).bearer_auth(TOKEN);
                match request.json(&numbered(number)).send().await {
                    Ok(answer) if answer.status() == 200 => acknowledged = number,
                    Ok(_) | Err(_) => continue,
                }
            }
        };
        tokio::select! {
            () = pushing => unreachable!("it never ends"),
            () = sleep(Duration::from_millis(500 + delay)) => {}
        }
        daemon.kill().await;

        let daemon = folder.daemon().await;
        let held = held_version(&daemon).await as i64;
        assert!(held > 0, "some were taken");
        assert!((acknowledged..=number).contains(&held), "{held}: {acknowledged} was taken, {number} sent");
        let followed = daemon.await_log(&format!("following the configuration 0-{held} ")).await;
        assert!(followed.contains(&format!("health_check_pings={held}")), "{followed}");
        let active = eventually("the node", async || {
            let nodes = http::nodes(&daemon.url).await;
            (!nodes.is_empty()).then(|| nodes.iter().map(|node| node["name"].clone()).collect::<Vec<_>>())
        })
        .await;
        assert_eq!(active, [json!(format!("n{held}"))]);
        (number, acknowledged) = (held, held);
        daemon.stop().await;
    }
}

/// The backend sends the same over the connection on which the probe waits, and no CONTROL_TOKEN is needed.
#[tokio::test]
async fn a_backend_configures_a_probe_over_its_own_connection() {
    let sent = [
        config(5, json!([{"id": 7, "url": "tcp://0.0.0.1:11010"}]), json!({"health_check_interval": "300ms"})),
        config(4, json!([]), json!({})),
    ];
    let backend = TestBackend::start(move |seen| {
        let messages = json!([
            {"number": 1, "kind": "config", "config": sent[0]},
            {"number": 2, "kind": "something new"},
            {"number": 3, "kind": "config", "config": sent[1]},
            {"number": 4, "kind": "stats"},
        ]);
        match (seen.path.as_str(), seen.query.as_str()) {
            ("/v1/reverse", "since=0") => of_hub(200, envelope(json!({"messages": messages}))).into(),
            ("/v1/reverse", _) => crate::backend::Reply::Silence,
            ("/peers", _) => of_hub(200, envelope(listing([], false, None))).into(),
            _ => of_hub(200, envelope(Value::Null)).into_response().into(),
        }
    })
    .await;
    let folder = Folder::of_probe(&backend.url.to_string(), "token");
    folder.set(&[("HEALTH_CHECK_INTERVAL", "1h")]);
    let daemon = folder.daemon().await;
    await_checks(&daemon, 1, 5).await;
    let answers = |number: i64| {
        let posted = backend.requests().into_iter().filter(|seen| seen.path == format!("/v1/reverse/{number}"));
        posted.map(|seen| seen.body).collect::<Vec<_>>()
    };
    assert_eq!(answers(1)[0], json!({"status": 200}));
    until("an answer to the older one", async || answers(3).iter().any(|answer| answer["status"] == 409)).await;
    until("figures with the version", async || {
        let figure = json!({"name": "probe>>>config>>>version", "value": 5});
        answers(4).iter().any(|answer| answer["stats"].as_array().is_some_and(|figures| figures.contains(&figure)))
    })
    .await;

    daemon.stop().await;
    let daemon = folder.daemon().await;
    daemon.await_log("following the configuration 0-5 of the cluster a").await;
}
