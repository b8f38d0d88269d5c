//! The discovery endpoints.

use easytier_uptime_store::domain::{CredentialKind, EnrollmentLimits, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, batch_of, send, send_unchecked},
    support::{TestStore, on_both_engines},
};

on_both_engines! {
    an_enrollment_key_gets_a_token_that_works,
    a_registered_server_id_cannot_be_enrolled_again,
    a_probe_registers_again_with_its_own_token_only,
    an_enrollment_key_for_one_region_enrolls_for_no_other,
    a_key_that_ended_says_so_to_its_holder_alone,
    an_enrollment_can_be_repeated_with_the_probes_own_token,
    a_heartbeat_is_for_the_tokens_own_server_id,
    listing_the_probes_needs_credentials,
    a_probe_that_unregisters_is_offline_and_comes_back,
    invalid_fields_are_refused_by_name,
    a_dependent_tells_a_probe_to_try_again_later,
}

fn registration(server_id: &str) -> Value {
    json!({
        "server_id": server_id, "host": "192.0.2.77", "port": 8080, "version": "0.1.0",
        "capabilities": ["tcp", "udp"], "system": { "platform": "linux", "cpus": 2 },
    })
}

const REGISTER: &str = "/api/discovery/register";

async fn an_enrollment_key_gets_a_token_that_works(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let key = hub.enrollment_key(None).await;
    let mut sent = registration("probe-1");
    sent["region"] = "eu".into();
    let registered = send(hub.post(REGISTER, &sent).bearer_auth(&key)).await;
    let data = registered.data();
    assert_eq!((&data["server_id"], &data["region"]), (&"probe-1".into(), &"eu".into()));
    let token = data["node_token"].as_str().unwrap();

    let servers = send(hub.get("/api/discovery/servers").header("x-node-token", token)).await;
    let server = servers.server("probe-1");
    for field in ["server_id", "region", "host", "port", "version", "capabilities", "system"] {
        assert_eq!(server[field], sent[field], "{field}");
    }
    assert_eq!(server["status"], "online");
    assert!(!servers.body.to_string().contains(token));
    send(hub.post("/results", &batch_of(&[])).header("x-node-token", token)).await.data();

    let without_region = send(hub.post(REGISTER, &registration("probe-2")).bearer_auth(&key)).await;
    assert_eq!(without_region.data()["region"], "default");
}

async fn a_registered_server_id_cannot_be_enrolled_again(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let key = hub.enrollment_key(None).await;
    let first = send(hub.post(REGISTER, &registration("probe-1")).bearer_auth(&key)).await;
    let token = first.data()["node_token"].as_str().unwrap().to_owned();
    let kept = hub.kept().await;
    let mut evil = registration("probe-1");
    evil["host"] = "203.0.113.66".into();
    send(hub.post(REGISTER, &evil).bearer_auth(&key)).await.refusal(409);
    send(hub.post(REGISTER, &evil)).await.refusal(401);
    send(hub.post(REGISTER, &evil).bearer_auth("nonsense")).await.refusal(401);
    send(hub.post(REGISTER, &evil).bearer_auth(format!("{key}x"))).await.refusal(401);
    assert_eq!(hub.kept().await, kept);
    send(hub.post("/results", &batch_of(&[])).header("x-node-token", &token)).await.data();
}

async fn a_probe_registers_again_with_its_own_token_only(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let (token, other) = (hub.token("probe-1", "eu").await, hub.token("probe-2", "eu").await);
    let key = hub.api_key().await;
    let registered = send(hub.post(REGISTER, &registration("probe-1")).header("x-node-token", &token)).await;
    assert_eq!(*registered.data(), json!({ "server_id": "probe-1", "region": "eu" }));
    let kept = hub.kept().await;
    send(hub.post(REGISTER, &registration("probe-1")).header("x-node-token", &other)).await.refusal(409);
    send(hub.post(REGISTER, &registration("probe-3")).header("x-node-token", &other)).await.refusal(409);
    send(hub.post(REGISTER, &registration("probe-1")).bearer_auth(&key)).await.refusal(403);
    let mut moved = registration("probe-1");
    moved["region"] = "asia".into();
    send(hub.post(REGISTER, &moved).header("x-node-token", &token)).await.refusal(403);
    assert_eq!(hub.kept().await, kept);
}

async fn an_enrollment_key_for_one_region_enrolls_for_no_other(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let key = hub.enrollment_key(Some("eu")).await;
    let kept = hub.kept().await;
    let mut sent = registration("probe-1");
    sent["region"] = "asia".into();
    let refused = send(hub.post(REGISTER, &sent).bearer_auth(&key)).await;
    assert!(refused.refusal(403).contains("'eu'"));
    assert_eq!(hub.kept().await, kept);
    let registered = send(hub.post(REGISTER, &registration("probe-1")).bearer_auth(&key)).await;
    assert_eq!(registered.data()["region"], "eu");
}

async fn a_key_that_ended_says_so_to_its_holder_alone(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let now = Timestamp::now();
    let create = async |limits: EnrollmentLimits| {
        hub.store.create_enrollment_key("k", &limits, now).await.unwrap().token.expose().to_owned()
    };
    let expired = create(EnrollmentLimits { expires_at: Some(now), ..EnrollmentLimits::default() }).await;
    let once = create(EnrollmentLimits { max_uses: Some(1), ..EnrollmentLimits::default() }).await;
    let revoked = hub.store.create_enrollment_key("k", &EnrollmentLimits::default(), now).await.unwrap();
    hub.store.revoke_credential(CredentialKind::Enrollment, revoked.id, now).await.unwrap();
    send(hub.post(REGISTER, &registration("probe-1")).bearer_auth(&once)).await.data();
    for (key, words) in
        [(expired.as_str(), "expired at"), (once.as_str(), "1 of 1 probes"), (revoked.token.expose(), "revoked at")]
    {
        let told = send(hub.post(REGISTER, &registration("probe-2")).bearer_auth(key)).await;
        assert!(told.refusal(401).contains(words), "{told:?}");
        assert_eq!(told.headers["www-authenticate"], "Bearer");
        // Who has only a part of the key learns nothing from the answer.
        let guessed = format!("{}A", &key[..key.len() - 1]);
        let other = format!("{}B", &key[..key.len() - 1]);
        for guess in [guessed, other].iter().filter(|guess| *guess != key) {
            let told = send(hub.post(REGISTER, &registration("probe-2")).bearer_auth(guess)).await;
            assert_eq!(told.refusal(401), "the token or key is unknown");
        }
    }
    assert_eq!(hub.store.probes(now).await.unwrap().len(), 1);
}

async fn an_enrollment_can_be_repeated_with_the_probes_own_token(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let limits = EnrollmentLimits { max_uses: Some(1), ..EnrollmentLimits::default() };
    let key = hub.store.create_enrollment_key("k", &limits, Timestamp::now()).await.unwrap().token;
    let token = format!("etn_0123456789abcdef_{}", "x".repeat(43));
    let mut sent = registration("probe-1");
    sent["node_token"] = token.as_str().into();
    for _ in 0..2 {
        let registered = send(hub.post(REGISTER, &sent).bearer_auth(key.expose())).await;
        assert_eq!(registered.data()["node_token"], *token);
    }
    send(hub.post("/results", &batch_of(&[])).header("x-node-token", &token)).await.data();
    sent["node_token"] = format!("etn_0123456789abcdef_{}", "y".repeat(43)).into();
    send(hub.post(REGISTER, &sent).bearer_auth(key.expose())).await.refusal(409);
    for wrong in ["", "etn_", &token[1..], &token.to_uppercase()] {
        sent["node_token"] = (*wrong).into();
        let refused = send(hub.post(REGISTER, &sent).bearer_auth(key.expose())).await;
        assert!(refused.refusal(400).starts_with("node_token: "), "{refused:?}");
    }
}

async fn a_heartbeat_is_for_the_tokens_own_server_id(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    hub.token("probe-2", "eu").await;
    let counters = json!({ "peers": 12, "spool": 0, "last_cycle": { "took_ms": 800 } });
    let beat = |id: &str| hub.post(&format!("/api/discovery/heartbeat/{id}"), &counters);
    send(beat("probe-1").header("x-node-token", &token)).await.data();
    let servers = send(hub.get("/api/discovery/servers").header("x-node-token", &token)).await;
    assert_eq!(servers.server("probe-1")["counters"], counters);

    let kept = hub.kept().await;
    send(beat("probe-1")).await.refusal(401);
    for other in ["probe-2", "probe-3", "..%2F..%2Fetc%2Fpasswd", "%00", "%FF", "probe-1%00", "a/b/../../.."] {
        let refused = send(beat(other).header("x-node-token", &token)).await;
        assert!([400, 403, 404].contains(&refused.status), "{other}: {refused:?}");
        refused.refusal(refused.status);
    }
    let path = "/api/discovery/heartbeat/probe-1";
    let wrong = hub.request(Method::POST, path).header("x-node-token", &token).body("\u{0}\u{1}");
    send(wrong).await.refusal(400);
    let long = json!({ "more": "x".repeat(17 * 1024) });
    send(hub.post(path, &long).header("x-node-token", &token)).await.refusal(400);
    assert_eq!(hub.kept().await, kept);
    send(hub.request(Method::POST, path).header("x-node-token", &token)).await.data();
    assert_eq!(hub.kept().await, kept, "a heartbeat without counters leaves the last ones");
}

async fn listing_the_probes_needs_credentials(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let (token, key) = (hub.token("probe-1", "eu").await, hub.api_key().await);
    let enrollment = hub.enrollment_key(None).await;
    let list = || hub.get("/api/discovery/servers");
    send(list()).await.refusal(401);
    send(list().bearer_auth("nonsense")).await.refusal(401);
    send(list().bearer_auth(&enrollment)).await.refusal(403);
    for known in [list().header("x-node-token", &token), list().header("x-api-key", &key), list().bearer_auth(&key)] {
        let listed = send(known).await;
        assert_eq!(
            (&listed.data()["count"], &listed.server("hub")["role"]),
            (&1.into(), &"hub".into()),
            "a probe that never came is none"
        );
    }
}

async fn a_probe_that_unregisters_is_offline_and_comes_back(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let (token, other) = (hub.token("probe-1", "eu").await, hub.token("probe-2", "eu").await);
    send(hub.post(REGISTER, &registration("probe-1")).header("x-node-token", &token)).await.data();
    let status = async || {
        let servers = send(hub.get("/api/discovery/servers").header("x-node-token", &token)).await;
        servers.server("probe-1")["status"].clone()
    };
    let path = "/api/discovery/unregister/probe-1";
    send(hub.request(Method::DELETE, path)).await.refusal(401);
    send(hub.request(Method::DELETE, path).header("x-node-token", &other)).await.refusal(403);
    assert_eq!(status().await, "online");
    send(hub.request(Method::DELETE, path).header("x-node-token", &token)).await.data();
    assert_eq!(status().await, "offline");
    send(hub.post(REGISTER, &registration("probe-1")).header("x-node-token", &token)).await.data();
    assert_eq!(status().await, "online");
}

async fn invalid_fields_are_refused_by_name(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let key = hub.enrollment_key(None).await;
    let kept = hub.kept().await;
    for (field, value) in [
        ("server_id", json!("")),
        ("server_id", json!("../../etc/passwd")),
        ("server_id", json!("a\nb")),
        ("server_id", json!("x".repeat(256))),
        ("server_id", json!(5)),
        ("host", json!("x".repeat(256))),
        ("version", json!("x".repeat(65))),
        ("port", json!(70_000)),
        ("region", json!("a,b")),
        ("system", json!("x".repeat(17 * 1024))),
    ] {
        let mut sent = registration("probe-1");
        sent[field] = value;
        let refused = send(hub.post(REGISTER, &sent).bearer_auth(&key)).await;
        assert!(refused.refusal(400).starts_with(&format!("{field}: ")), "{field}: {refused:?}");
    }
    let missing = send(hub.post(REGISTER, &json!({})).bearer_auth(&key)).await;
    assert!(missing.refusal(400).contains("server_id"), "{missing:?}");
    assert_eq!(hub.kept().await, kept);
}

async fn a_dependent_tells_a_probe_to_try_again_later(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let (key, token) = (hub.enrollment_key(None).await, hub.token("probe-1", "eu").await);
    store.dependent().await;
    let kept = hub.kept().await;
    for request in [
        hub.post(REGISTER, &registration("probe-2")).bearer_auth(&key),
        hub.post(REGISTER, &registration("probe-1")).header("x-node-token", &token),
    ] {
        let refused = send_unchecked(request).await;
        assert!(refused.refusal(503).starts_with("This instance is a dependent of hub 1,"), "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(hub.kept().await, kept);
    // Its results are taken.
    send(hub.post("/results", &batch_of(&[])).header("x-node-token", &token)).await.data();
}
