//! What instances share.

use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use easytier_uptime_store::{
    domain::{PeerSpec, SealingKey, Timestamp},
    open_sealed,
};
use serde_json::{Value, json};

use super::{SECRET, Sync, id};
use crate::{
    hub::send,
    support::{Engine, TestStore, full, on_both_engines, online},
};

on_both_engines! {
    secrets_are_sealed_for_the_instance_that_asks,
    a_configuration_that_did_not_change_is_not_sent_again,
    one_peer_is_asked_for_by_its_id,
    results_are_mirrored_page_by_page,
    a_mirror_gets_what_the_primary_never_passed_on,
    the_configuration_is_for_instances_only,
}

/// The key of another instance.
async fn key() -> SealingKey {
    TestStore::new(Engine::Sqlite).await.sealing_key().await.unwrap()
}

/// Registers an instance with a key; returns its token.
async fn register(primary: &Sync, nth: u128, key: &SealingKey) -> String {
    let mut register = primary.registration(nth);
    register["publicKey"] = json!(BASE64.encode(&key.public));
    let reply = send(primary.post("/sync/api/register", &register).bearer_auth(SECRET)).await;
    reply.body["token"].as_str().unwrap().to_owned()
}

async fn secrets_are_sealed_for_the_instance_that_asks(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let (key, other) = (key().await, key().await);
    let token = register(&primary, 1, &key).await;
    let secretive = PeerSpec { network_secret: Some("swordfish".into()), ..full() };
    primary.store.add_peer(&secretive, Timestamp::now()).await.unwrap();
    primary.peer("tcp://192.0.2.1:11010").await;
    let node = primary.token("p1", "eu").await;

    let response = primary.get("/sync/api/endpoints").bearer_auth(&token).send().await.unwrap();
    let tag = response.headers()["etag"].to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let hash = HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, node.as_bytes()).as_ref());
    let contact = secretive.contacts.mail.as_deref().unwrap();
    for secret in ["swordfish", contact, "123", "x=1", node.as_str(), &hash, SECRET] {
        assert!(
            !text.contains(secret) || secret == "123" && !told["endpoints"][0].to_string().contains("\"123\""),
            "{secret}"
        );
    }

    let instance = primary.instance().await;
    let cluster = instance.cluster.unwrap();
    assert_eq!(told["clusterId"], json!(cluster));
    assert_eq!((&told["epoch"], &told["configVersion"]), (&json!(1), &json!(instance.config.version)));
    assert!(tag.starts_with(&format!("\"1-{}-", instance.config.version)), "{tag}");
    assert_eq!((&told["notificationServices"], &told["deleted"]), (&json!([]), &json!([])));
    assert!(told["globalSettings"].is_object() && told["lastModified"].is_string());

    let endpoints = told["endpoints"].as_array().unwrap();
    let [sealed, plain] = ["https://node.example.net:443/list", "tcp://192.0.2.1:11010"]
        .map(|url| endpoints.iter().find(|endpoint| endpoint["url"] == url).unwrap_or_else(|| panic!("{told}")));
    let uid = sealed["uid"].as_str().unwrap();
    let open = |key: &SealingKey, uid: &str, field: &Value| {
        open_sealed(key, cluster, uid, &BASE64.decode(field.as_str().unwrap().as_bytes()).unwrap())
    };
    assert_eq!(open(&key, uid, &sealed["networkSecretSealed"]).unwrap().expose(), "swordfish");
    assert_eq!(open(&key, uid, &sealed["urlSealed"]).unwrap().expose(), secretive.url.full());
    assert!(open(&key, uid, &sealed["contactsSealed"]).unwrap().expose().contains(contact));
    let credential = &told["credentials"][0];
    assert_eq!(open(&key, credential["uid"].as_str().unwrap(), &credential["hashSealed"]).unwrap().expose(), hash);
    assert!(open(&other, uid, &sealed["networkSecretSealed"]).is_err(), "another instance");
    assert!(open(&key, plain["uid"].as_str().unwrap(), &sealed["networkSecretSealed"]).is_err(), "another peer");
    for field in ["networkSecretSealed", "contactsSealed", "urlSealed"] {
        assert!(plain.get(field).is_none_or(Value::is_null), "{field}");
    }
    let shown = json!([
        sealed["name"],
        sealed["protocol"],
        sealed["host"],
        sealed["port"],
        sealed["check"],
        sealed["timeoutMs"],
        sealed["allowRelay"],
        sealed["maxConnections"],
        sealed["regions"],
        sealed["approved"],
        sealed["submitted"],
    ]);
    let expected = json!([
        "Shanghai 2",
        "https",
        "node.example.net",
        443,
        "handshake",
        3000,
        true,
        250,
        ["asia", "eu"],
        true,
        false
    ]);
    assert_eq!(shown, expected);
}

async fn a_configuration_that_did_not_change_is_not_sent_again(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    primary.peer("tcp://192.0.2.1:11010").await;
    let get = async |known: &str| {
        send(primary.get("/sync/api/endpoints").bearer_auth(&token).header("if-none-match", known)).await
    };
    let first = get("\"another\"").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let same = get(&known).await;
        assert_eq!(
            (same.status, &same.body, &same.headers["etag"]),
            (304, &json!(""), &first.headers["etag"]),
            "{known}"
        );
    }
    assert_eq!(first.headers["cache-control"], "no-store");
    primary.peer("tcp://192.0.2.2:11010").await;
    let changed = get(&tag).await;
    assert_eq!((changed.status, changed.body["endpoints"].as_array().unwrap().len()), (200, 2));
    assert_ne!(changed.headers["etag"], tag);
}

async fn one_peer_is_asked_for_by_its_id(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    primary.peer("tcp://192.0.2.2:11010").await;
    let get = async |id: &str| send(primary.get(&format!("/sync/api/endpoints/{id}")).bearer_auth(&token)).await;
    let whole = send(primary.get("/sync/api/endpoints").bearer_auth(&token)).await;
    let one = get(&peer.to_string()).await;
    assert_eq!(
        (one.status, &one.body),
        (200, &whole.body["endpoints"].as_array().unwrap().iter().find(|one| one["id"] == peer.0).unwrap().clone())
    );
    for (id, status, code) in
        [("999", 404, "not_found"), ("x", 400, "bad_request"), ("9223372036854775808", 400, "bad_request")]
    {
        let refused = get(id).await;
        assert_eq!((refused.status, &refused.body["error"]), (status, &json!(code)), "{refused:?}");
    }
    let services = send(primary.get("/sync/api/notification-services").bearer_auth(&token)).await;
    assert_eq!((services.status, services.body), (200, json!([])));
}

async fn results_are_mirrored_page_by_page(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    let now = Timestamp::now();
    let probe = primary.store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    primary.test.report(&probe, vec![online(peer, now)], now).await;
    let get =
        async |query: &str| send(primary.get(&format!("/sync/api/results{query}")).bearer_auth(&token)).await.body;
    // A peer whose results are sent has a uid.
    send(primary.get("/sync/api/endpoints").bearer_auth(&token)).await;
    let page = get("").await;
    let sent = &page["results"][0];
    assert_eq!((&sent["endpointId"], &sent["status"], &sent["isOk"]), (&json!(peer), &json!("UP"), &json!(true)));
    assert_eq!(
        (&sent["location"], &sent["checkType"], &sent["responseTime"]),
        (&json!("eu"), &json!("tcp"), &json!(12.0))
    );
    assert_eq!((&sent["metadata"]["server_id"], &sent["metadata"]["stage"]), (&json!("p1"), &json!("route")));
    assert_eq!((&page["more"], &page["openAlerts"]), (&json!(false), &json!([])));
    assert_eq!(page["verdicts"]["peers"].as_array().unwrap().len(), 1);
    let after = page["cursor"].as_str().unwrap();
    assert_eq!(get(&format!("?after={after}")).await["results"], json!([]));
    assert_eq!(get("?after=of-another-primary:1").await["results"], page["results"]);
}

/// A dependent that was cut off for hours, and then takes the primary's place, has results that nobody else has. The newest ones
/// are sent whatever their time says: the clock may have jumped since.
async fn a_mirror_gets_what_the_primary_never_passed_on(store: TestStore) {
    let primary = Sync::primary(&store).await;
    let token = primary.register(1).await;
    let peer = primary.peer("tcp://192.0.2.1:11010").await;
    let now = Timestamp::now();
    let probe = primary.store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    let mut rows = Vec::new();
    for hours in [4, 3, 2] {
        let then = now - Duration::from_secs(hours * 3600);
        primary.test.report(&probe, vec![online(peer, then)], then).await;
        rows.push(primary.store.newest_result().await.unwrap());
    }
    // A peer whose results are sent has a uid.
    send(primary.get("/sync/api/endpoints").bearer_auth(&token)).await;
    let sent = async || {
        let page = send(primary.get("/sync/api/results").bearer_auth(&token)).await.body;
        page["results"].as_array().unwrap().len()
    };
    assert_eq!(sent().await, 3, "the newest rows");
    let skip = match store.engine() {
        Engine::Sqlite => "UPDATE sqlite_sequence SET seq = seq + 20000 WHERE name = 'results'",
        Engine::Postgres => "SELECT setval('results_id', (SELECT last_value FROM results_id) + 20000)",
    };
    primary.test.run_sql(skip).await;
    assert_eq!(sent().await, 0, "those of the last hour");
    primary.store.put_forwarded_row(rows[0]).await.unwrap();
    assert_eq!(sent().await, 2, "an earlier primary has the first one");
    primary.store.note_mirrored(id(1), rows[1]).await.unwrap();
    assert_eq!(sent().await, 1, "a mirror has the first two");
    primary.store.note_mirrored(id(1), rows[2]).await.unwrap();
    assert_eq!(sent().await, 0);
    primary.test.report(&probe, vec![online(peer, now)], now).await;
    assert_eq!(sent().await, 1);
}

async fn the_configuration_is_for_instances_only(store: TestStore) {
    let primary = Sync::primary(&store).await;
    primary.peer("tcp://192.0.2.1:11010").await;
    let admin = primary.admin().await;
    let (node, key, _) =
        (primary.token("p1", "eu").await, primary.api_key().await, primary.store.shared_config(Timestamp::now()).await);
    for path in ["endpoints", "endpoints/1", "notification-services", "results"] {
        let request = || primary.get(&format!("/sync/api/{path}"));
        for wrong in [SECRET, &admin] {
            primary.refused(request().bearer_auth(wrong), 403, "forbidden").await;
        }
        primary.refused(request().bearer_auth(&node), 401, "unauthorized").await;
        primary.refused(request().header("x-api-key", &key), 401, "unauthorized").await;
    }
    let keyless = primary.register(1).await;
    let mut member = primary.store.members().await.unwrap().remove(0);
    member.public_key = None;
    primary.store.put_member(&member).await.unwrap();
    let refused = send(primary.get("/sync/api/endpoints").bearer_auth(&keyless)).await;
    assert_eq!((refused.status, &refused.body["error"]), (409, &json!("no_public_key")));
}
