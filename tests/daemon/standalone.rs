//! No subcommand: hub and probe in one process.

use easytier_probe::Scheme;
use serde_json::{Value, json};

use crate::{
    NEVER, assert_delivered_once, http,
    hub::Hub,
    node,
    program::{Folder, Running},
    until,
};

/// A folder without settings, except those that every test needs, such as a free port.
fn empty() -> Folder {
    let folder = Folder::new();
    folder.set(&[
        ("ALLOW_LOCAL_PEERS", ""),
        ("HEALTH_CHECK_INTERVAL", ""),
        ("HEALTH_CHECK_TIMEOUT", ""),
        ("PEER_FETCH_INTERVAL", ""),
        ("STATUS_REPORT_INTERVAL", ""),
        ("FLAP_DAMPING", ""),
    ]);
    folder
}

pub async fn await_health(running: &Running, address: &str, health: &str) -> Value {
    crate::eventually(&format!("{address} to be {health}"), async || {
        let node = http::node(&running.url, address).await;
        node.filter(|node| node["current_health_status"] == health)
    })
    .await
}

#[tokio::test]
async fn nothing_need_be_configured() {
    let (folder, node) = (empty(), node());
    let standalone = folder.start(&[]).await;
    until("all lines that the program prints at its start", async || standalone.printed().len() > 2).await;
    let printed = standalone.printed();
    assert!(printed[1].starts_with("admin password: ") && printed[1].len() > 24, "{printed:?}");

    let address = node.url(Scheme::Tcp).to_string();
    folder.run(&["hub", "peer", "add", &address]).await;
    let listed = await_health(&standalone, &address, "healthy").await;
    let regions = http::data(&standalone.url, &format!("/api/nodes/{}/regions", listed["id"])).await;
    assert!(regions.to_string().contains("\"local\""), "{regions}");
    assert_eq!(http::get(&format!("{}/health", standalone.url)).await.0, 200);
    assert!(standalone.figure("checks_total{status=\"online\",code=\"\"}").await > 0.0);
    standalone.stop().await;

    let again = folder.start(&[]).await;
    await_health(&again, &address, "healthy").await;
    assert_eq!(again.printed().len(), 1, "{:?}", again.printed());
    let log = again.stop().await;
    let password = printed[1].trim_start_matches("admin password: ");
    assert!(!log.contains(password));
}

#[tokio::test]
async fn the_operator_changes_how_often_peers_are_checked() {
    let (folder, node) = (empty(), node());
    folder.set(&[("ADMIN_PASSWORD", "the password of the admin"), ("FLAP_DAMPING", "2")]);
    let standalone = folder.start(&[]).await;
    let address = node.url(Scheme::Tcp).to_string();
    folder.run(&["hub", "peer", "add", &address]).await;
    await_health(&standalone, &address, "healthy").await;

    let client = http::client();
    let login = client.post(format!("{}/api/admin/login", standalone.url));
    let answer = login.json(&json!({ "password": "the password of the admin" })).send().await.unwrap();
    let token = answer.json::<Value>().await.unwrap()["data"]["token"].as_str().unwrap().to_owned();
    let page = format!("{}/admin/settings", standalone.url);
    let shown = client.get(&page).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("name=\"HEALTH_CHECK_INTERVAL\" value=\"5s\""), "{shown}");
    assert!(shown.contains("name=\"FLAP_DAMPING\" value=\"2\""), "the configuration sets it at first: {shown}");

    let form = "HEALTH_CHECK_INTERVAL=200ms&STATUS_REPORT_INTERVAL=1s";
    let saved = client.post(&page).bearer_auth(&token).body(form).send().await.unwrap();
    assert!(saved.status().is_success() || saved.status().is_redirection(), "{saved:?}");
    standalone.await_log("the operator changed the intervals").await;
    let known = standalone.figure("checks_total{status=\"online\",code=\"\"}").await;
    until("checks at the new interval", async || {
        standalone.figure("checks_total{status=\"online\",code=\"\"}").await > known + 10.0
    })
    .await;
    assert_eq!(http::get(&format!("{}/health", standalone.url)).await.0, 200);
    standalone.stop().await;
}

/// The regular time of its check may be at the end of the interval.
#[tokio::test]
async fn a_peer_is_checked_as_soon_as_it_is_added_whatever_the_interval() {
    let (folder, nodes) = (Folder::new(), [node(), node(), node()]);
    folder.set(&[("HEALTH_CHECK_INTERVAL", "24h"), ("REGION", "eu")]);
    let standalone = folder.start(&[]).await;
    for node in &nodes {
        let address = node.url(Scheme::Tcp).to_string();
        folder.run(&["hub", "peer", "add", &address]).await;
        await_health(&standalone, &address, "healthy").await;
    }
    // From now on the results belong to the new region.
    folder.set(&[("REGION", "us")]);
    standalone.reload_until("peers to watch").await;
    until("a result of the new region", async || {
        http::data(&standalone.url, "/api/nodes/1/regions").await.to_string().contains("\"us\"")
    })
    .await;
    standalone.stop().await;
}

#[tokio::test]
async fn peers_come_from_a_file_of_any_form_and_are_added_once() {
    let nodes = [node(), node(), node()];
    let addresses = nodes.each_ref().map(|node| node.url(Scheme::Tcp).to_string());
    let [first, second, third] = &addresses;
    let files = [
        ("peers.txt", format!("# ours\n{first}\nfaketcp://node.example.net:11013\ntcp://****:11010\n{second}\n")),
        ("peers.json", format!(r#"[{{"url": "{first}", "name": "a"}}, {{"url": "{second}"}}]"#)),
        ("peers.toml", format!("[[peers]]\nurl = \"{first}\"\nname = \"a\"\n\n[[peers]]\nurl = \"{second}\"\n")),
    ];
    for (name, text) in files {
        let folder = empty();
        std::fs::write(folder.file(name), &text).unwrap();
        if name == "peers.txt" {
            // Nobody can check these two, so they are never watched.
            let refused = folder.refusal(&["--peers", name]).await;
            assert!(refused.contains("line 3: protocol 'faketcp'") && refused.contains("line 4: "), "{refused}");
        }
        let standalone = folder.start(&["--peers", name, "--skip-invalid"]).await;
        for address in [first, second] {
            await_health(&standalone, address, "healthy").await;
        }
        // A reload adds the new peer of the file and keeps the known ones.
        let more = match name {
            "peers.txt" => format!("{text}{third}\n"),
            "peers.json" => format!(r#"{}, {{"url": "{third}"}}]"#, text.trim_end_matches(']')),
            _ => format!("{text}\n[[peers]]\nurl = \"{third}\"\n"),
        };
        std::fs::write(folder.file(name), more).unwrap();
        let line = standalone.reload_until("added the peers of PEERS_FILE").await;
        assert!(line.contains("added=1") && line.contains("known=2"), "{line}");
        await_health(&standalone, third, "healthy").await;
        assert_eq!(http::nodes(&standalone.url).await.len(), 3);
        standalone.stop().await;
    }
}

#[tokio::test]
async fn distributed_mode_is_a_daemon() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.start(&["--distributed-mode"]).await;
    until("checks at the hub", async || hub.checks(peer).await > 2).await;
    assert_eq!(daemon.printed().len(), 1, "no password: {:?}", daemon.printed());
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
    daemon.stop().await;
    assert_eq!(hub.probe("probe-1").await.unwrap().presence, easytier_uptime_store::domain::Presence::Offline);
}

/// A standalone program becomes the probe of a hub. It keeps the history of the peers that the hub lists too.
#[tokio::test]
async fn a_standalone_database_is_kept_by_a_daemon() {
    let (hub, nodes) = (Hub::start().await, [node(), node(), node()]);
    let [own, both, hubs] = nodes.each_ref().map(|node| node.url(Scheme::Tcp).to_string());
    let folder = Folder::new();
    let standalone = folder.start(&[]).await;
    folder.run(&["hub", "peer", "add", &own]).await;
    folder.run(&["hub", "peer", "add", &both, "--region", "local"]).await;
    until("checks of both", async || standalone.checks(1).await > 3 && standalone.checks(2).await > 3).await;
    standalone.stop().await;

    // The ids at the hub differ: its first peer is unknown here, its second one has the address of our second.
    let there = hub.add(&hubs).await;
    let shared = hub.add(&both).await;
    folder.set(&[
        ("BACKEND_BASE_URL", &hub.url()),
        ("NODE_TOKEN", &hub.token("probe-1").await),
        ("SERVER_ID", "probe-1"),
    ]);
    let daemon = folder.daemon().await;
    let ours =
        crate::eventually("the peer that only the hub lists", async || http::node(&daemon.url, &hubs).await).await;
    assert_eq!(ours["id"], 3, "a new peer gets a new id");
    assert_eq!(http::node(&daemon.url, &both).await.unwrap()["id"], 2);
    assert!(http::node(&daemon.url, &own).await.is_none(), "only peers of the backend are watched");
    let before = daemon.checks(2).await;
    assert!(before > 3, "the history is kept");
    until("checks of both at the hub", async || hub.checks(shared).await > 3 && hub.checks(there).await > 3).await;
    assert!(daemon.checks(2).await > before);

    // Results from before the switch to the hub are not delivered to it.
    folder.set(&[("PROBE_SCHEDULE", NEVER)]);
    daemon.reload_until("peers to watch").await;
    until("all checks at the hub", async || hub.checks(there).await == daemon.checks(3).await).await;
    until("an empty spool", async || daemon.figure("spool_results").await == 0.0).await;
    assert!(hub.checks(shared).await < daemon.checks(2).await);
    daemon.stop().await;
    assert!(folder.run(&["hub", "peer", "list"]).await.contains(&own), "a peer that the hub does not list is kept");
}

#[tokio::test]
async fn the_page_of_probes_shows_the_peers_of_the_built_in_probe() {
    let (folder, node) = (Folder::new(), node());
    let standalone = folder.start(&[]).await;
    folder.run(&["hub", "peer", "add", &node.url(Scheme::Tcp).to_string()]).await;
    until("one watched node, which is healthy", async || {
        http::get(&format!("{}/probes", standalone.url)).await.1.contains("1 (1 healthy)")
    })
    .await;
}
