//! The probe in the hub's registry.

use std::net::IpAddr;

use easytier_probe::Scheme;
use easytier_uptime_store::domain::{CredentialKind, Presence, Timestamp};

use crate::{
    assert_delivered_once,
    hub::Hub,
    node,
    program::Folder,
    support::proxy::{Fault, Faulty},
    until,
};

#[tokio::test]
async fn a_daemon_registers_sends_heartbeats_and_unregisters() {
    let (hub, node) = (Hub::start().await, node());
    hub.add(node.url(Scheme::Tcp).to_string()).await;
    let token = hub.token("probe-1").await;
    let folder = Folder::of_probe(&hub.url(), &token);
    folder.set(&[("ADVERTISE_ADDR", "probe.example.net:9999")]);
    let daemon = folder.daemon().await;
    until("a heartbeat", async || {
        hub.server(&token, "probe-1").await.is_some_and(|server| server["counters"].is_object())
    })
    .await;
    let server = hub.server(&token, "probe-1").await.unwrap();
    assert_eq!((&server["status"], &server["region"]), (&"online".into(), &"default".into()), "{server}");
    assert_eq!((&server["host"], &server["port"]), (&"probe.example.net".into(), &9999.into()), "{server}");
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    assert!(server["system"]["cpus"].as_u64().is_some_and(|cpus| cpus > 0), "{server}");
    until("one healthy node in the registry", async || {
        let server = hub.server(&token, "probe-1").await.unwrap();
        server["metadata"]["healthy_nodes"] == 1
    })
    .await;

    daemon.stop().await;
    assert_eq!(hub.server(&token, "probe-1").await.unwrap()["status"], "offline", "at once");

    let daemon = folder.daemon().await;
    until("the probe to be online again", async || hub.server(&token, "probe-1").await.unwrap()["status"] == "online")
        .await;
    daemon.kill().await;
    assert_eq!(
        hub.server(&token, "probe-1").await.unwrap()["status"],
        "online",
        "the daemon was killed and could not unregister"
    );
}

/// Other machines cannot reach a probe at the loopback address from which it reaches the hub.
#[tokio::test]
async fn the_registered_address_is_not_loopback() {
    let hub = Hub::start().await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let daemon = folder.daemon().await;
    until("the registration", async || hub.probe("probe-1").await.is_some_and(|probe| probe.port.is_some())).await;
    let probe = hub.probe("probe-1").await.unwrap();
    assert!(daemon.url.ends_with(&format!(":{}", probe.port.unwrap())));
    // A machine without any route has no address to register.
    if let Some(host) = probe.host {
        let address: IpAddr = host.parse().expect("an address");
        assert!(!address.is_loopback() && !address.is_unspecified(), "{address}");
    }
}

#[tokio::test]
async fn an_enrollment_gives_a_token_that_outlives_the_daemon() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let key = hub.enrollment_key().await;
    let proxy = Faulty::to(hub.address, Fault::Refuse).await;
    let folder = Folder::of_probe(&proxy.url(), "");
    folder.set(&[("ENROLLMENT_KEY", &key)]);
    let daemon = folder.daemon().await;
    daemon.await_log("no connection").await;
    proxy.set(Fault::None);
    daemon.await_log("enrolled at the backend").await;
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    let log = daemon.stop().await;
    assert!(!log.contains(&key) && !log.contains("etn_"), "{log}");

    let keys = hub.store.credentials(CredentialKind::Enrollment).await.unwrap();
    hub.store.revoke_credential(CredentialKind::Enrollment, keys[0].id, Timestamp::now()).await.unwrap();
    let before = hub.checks(peer).await;
    let daemon = folder.daemon().await;
    until("more checks at the hub", async || hub.checks(peer).await > before).await;
    until("the probe to be registered", async || hub.probe("probe-1").await.unwrap().presence == Presence::Online)
        .await;
    let log = daemon.stop().await;
    assert!(!log.contains("enrolled at the backend") && !log.contains("refused"), "{log}");
    assert_eq!(hub.store.credentials(CredentialKind::Node).await.unwrap().len(), 1);
}

/// The hub has enrolled the probe, and the answer with the node token is lost. With a key that ended it cannot be repeated, and need
/// not be.
#[tokio::test]
async fn an_enrollment_whose_answer_was_lost_counts_after_a_restart() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let proxy = Faulty::to(hub.address, Fault::Truncate).await;
    let folder = Folder::of_probe(&proxy.url(), "");
    folder.set(&[("ENROLLMENT_KEY", &hub.enrollment_key().await)]);
    let daemon = folder.daemon().await;
    until("the enrollment at the hub", async || hub.probe("probe-1").await.is_some()).await;
    let log = daemon.stop().await;
    assert!(!log.contains("enrolled at the backend"), "{log}");

    proxy.set(Fault::None);
    let keys = hub.store.credentials(CredentialKind::Enrollment).await.unwrap();
    hub.store.revoke_credential(CredentialKind::Enrollment, keys[0].id, Timestamp::now()).await.unwrap();
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 0).await;
    let log = daemon.stop().await;
    assert!(!log.contains("enrolled at the backend") && !log.contains("refused") && !log.contains("etn_"), "{log}");
    assert_eq!(hub.store.credentials(CredentialKind::Node).await.unwrap().len(), 1);
    assert_eq!(hub.store.credentials(CredentialKind::Enrollment).await.unwrap()[0].uses, 1);
}

/// The ways in which a hub comes not to know a token any more: the operator revokes it, or restores a backup that is older.
#[tokio::test]
async fn a_refused_token_leads_to_a_new_enrollment() {
    for forget in [false, true] {
        let (hub, node) = (Hub::start().await, node());
        let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
        let folder = Folder::of_probe(&hub.url(), "");
        folder.set(&[("ENROLLMENT_KEY", &hub.enrollment_key().await)]);
        let daemon = folder.daemon().await;
        until("checks at the hub", async || hub.checks(peer).await > 0).await;

        match forget {
            true => hub.forget_probes().await,
            false => hub.revoke_all(CredentialKind::Node).await,
        }
        daemon.await_log("enrolling again").await;
        daemon.await_log_times("enrolled at the backend", 2).await;
        let before = hub.checks(peer).await;
        until("more checks at the hub", async || hub.checks(peer).await > before).await;
        let log = daemon.stop().await;
        assert!(!log.contains("etn_"), "{log}");
        // The new token outlives the daemon.
        let daemon = folder.daemon().await;
        let before = hub.checks(peer).await;
        until("still more checks at the hub", async || hub.checks(peer).await > before).await;
        let log = daemon.stop().await;
        assert!(!log.contains("enrolled at the backend") && !log.contains("refused"), "{log}");
    }
}

#[tokio::test]
async fn a_refused_token_without_a_valid_key_is_an_error_that_says_what_to_do() {
    let hub = Hub::start().await;
    let enrolled = Folder::of_probe(&hub.url(), "");
    enrolled.set(&[("ENROLLMENT_KEY", &hub.enrollment_key().await)]);
    let daemon = enrolled.daemon().await;
    daemon.await_log("enrolled at the backend").await;
    daemon.stop().await;
    for kind in [CredentialKind::Node, CredentialKind::Enrollment] {
        hub.revoke_all(kind).await;
    }
    let configured = Folder::of_probe(&hub.url(), "etn_0123456789abcdef_of-another-hub");
    for (folder, advice) in [(configured, "set NODE_TOKEN to it"), (enrolled, "set ENROLLMENT_KEY to it")] {
        let daemon = folder.daemon().await;
        let line = daemon.await_log(advice).await;
        assert!(line.contains("ERROR") && line.contains("401"), "{line}");
        daemon.stop().await;
    }
}

/// While a hub restarts, the reverse proxy in front of it may answer like this.
#[tokio::test]
async fn an_enrollment_is_repeated_while_a_reverse_proxy_answers_for_the_hub() {
    for answer in ["404 Not Found", "405 Method Not Allowed", "200 OK"] {
        let (hub, node) = (Hub::start().await, node());
        let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
        let proxy = Faulty::to(hub.address, Fault::Answer(answer)).await;
        let folder = Folder::of_probe(&proxy.url(), "");
        folder.set(&[("ENROLLMENT_KEY", &hub.enrollment_key().await)]);
        let daemon = folder.daemon().await;
        // It requests peers after it failed to register.
        until("a registration that was answered", async || {
            proxy.taken().iter().any(|(_, line)| line.starts_with("get /peers"))
        })
        .await;
        proxy.set(Fault::None);
        daemon.await_log("enrolled at the backend").await;
        until("the probe to be registered", async || hub.probe("probe-1").await.is_some()).await;
        until("checks at the hub", async || hub.checks(peer).await > 0).await;
        assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
    }
}

/// The new URL is listed before the old one, which does not answer any more.
#[tokio::test]
async fn an_enrolled_probe_keeps_its_token_and_spool_when_the_hub_moves() {
    let (hub, node) = (Hub::start().await, node());
    let peer = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let key = hub.enrollment_key().await;
    let old = Faulty::to(hub.address, Fault::None).await;
    let folder = Folder::of_probe(&old.url(), "");
    folder.set(&[("ENROLLMENT_KEY", &key)]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(peer).await > 0).await;

    old.set(Fault::Refuse);
    let known = hub.checks(peer).await;
    until("results to wait", async || daemon.figure("spool_results").await > 0.0).await;
    folder.set(&[("BACKEND_BASE_URL", &format!("{},{}", hub.url(), old.url()))]);
    daemon.reload_until("peers to watch").await;
    until("more checks at the hub", async || hub.checks(peer).await > known).await;
    assert_delivered_once(&hub, &folder, &daemon, &[(peer, 1)]).await;
    assert_eq!(hub.store.credentials(CredentialKind::Node).await.unwrap().len(), 1, "the daemon did not enroll again");
}

#[tokio::test]
async fn a_server_id_that_is_taken_is_an_error_in_the_log() {
    let hub = Hub::start().await;
    let others = hub.token("probe-1").await;
    let folder = Folder::of_probe(&hub.url(), &others);
    let registered = folder.daemon().await;
    until("the registration of the other probe", async || {
        hub.probe("probe-1").await.is_some_and(|probe| probe.port.is_some())
    })
    .await;

    let enrolling = Folder::of_probe(&hub.url(), "");
    enrolling.set(&[("ENROLLMENT_KEY", &hub.enrollment_key().await)]);
    let with_token = Folder::of_probe(&hub.url(), &hub.token("probe-2").await);
    for folder in [enrolling, with_token] {
        let daemon = folder.daemon().await;
        let line = daemon.await_log("did not register this probe").await;
        assert!(line.contains("ERROR") && line.contains("409") && line.contains("SERVER_ID"), "{line}");
        daemon.stop().await;
    }
    registered.stop().await;
}
