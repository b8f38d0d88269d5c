//! `GET /peers`.

use std::{collections::BTreeSet, time::Duration};

use easytier_uptime_store::domain::Timestamp;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    hub::{ApiReply, TestHub, batch_of, good, send, send_unchecked},
    support::{TestStore, on_both_engines, region, spec},
};

on_both_engines! {
    anybody_sees_approved_peers_without_secrets,
    an_api_key_shows_networks_and_no_secrets,
    a_node_token_shows_the_peers_of_its_region_with_secrets,
    a_wrong_token_or_key_is_refused_where_none_is_needed_too,
    the_node_token_decides_where_there_is_one,
    pages_follow_each_other_to_the_end,
    invalid_parameters_are_refused_by_name,
    every_form_of_peer_url_is_listed,
    the_version_of_the_last_fetched_listing_is_stored,
    a_claim_needs_a_node_token,
    a_dependent_that_is_behind_sends_nothing_older,
    a_dependent_leases_no_peers,
    a_dependent_calls_no_token_wrong_that_its_primary_may_have_made,
    a_claimed_peer_is_the_callers_until_it_reports_or_the_lease_ends,
    sixteen_claimers_at_two_hubs_never_get_the_same_peer,
}

fn ids(reply: &ApiReply) -> Vec<i64> {
    reply.data()["peers"].as_array().unwrap().iter().map(|peer| peer["id"].as_i64().unwrap()).collect()
}

/// Adds a guest peer of all regions, a member peer of eu, a peer of asia, and a peer that waits for approval.
async fn some_peers(hub: &TestHub) -> [i64; 4] {
    let guest = hub.peer("tcp://192.0.2.1:11010").await;
    let mut member = spec("udp://[2001:db8::2]:11011");
    member.network_name = Some("office".into());
    member.network_secret = Some("".into());
    member.regions = [region("eu")].into();
    let member = hub.store.add_peer(&member, Timestamp::now()).await.unwrap();
    let mut distant = spec("wss://node.example.net");
    distant.network_name = Some("far".into());
    distant.network_secret = Some("s3cret".into());
    distant.regions = [region("asia")].into();
    let distant = hub.store.add_peer(&distant, Timestamp::now()).await.unwrap();
    let waiting = hub.test.add("tcp://192.0.2.4:11010").await;
    hub.store.set_approved(waiting, false, Timestamp::now()).await.unwrap();
    hub.test.waiting(&spec("tcp://192.0.2.5:11010"), Timestamp::now()).await;
    [guest.0, member.0, distant.0, waiting.0]
}

async fn anybody_sees_approved_peers_without_secrets(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let [guest, member, distant, _] = some_peers(&hub).await;
    for path in ["/peers", "/api/peers"] {
        let all = send(hub.get(path)).await;
        assert_eq!(ids(&all), [guest, member, distant]);
        assert_eq!(all.headers["cache-control"], "no-store");
        let text = all.body.to_string();
        for secret in ["network_secret", "s3cret", "office", "far"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!((&all.data()["total_available"], &all.data()["next_batch_available"]), (&3.into(), &false.into()));
        assert_eq!(all.data()["next_cursor"], Value::Null);
        let second = &all.data()["peers"][1];
        assert_eq!(
            [&second["host"], &second["port"], &second["protocol"], &second["status"], &second["response_time"]],
            [&json!("2001:db8::2"), &json!(11011), &json!("udp"), &json!("Offline"), &Value::Null]
        );
    }
    assert_eq!(ids(&send(hub.get("/peers?region=eu")).await), [guest, member]);
    assert_eq!(ids(&send(hub.get("/peers?region=nowhere")).await), [guest]);
}

async fn an_api_key_shows_networks_and_no_secrets(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let [guest, member, distant, _] = some_peers(&hub).await;
    let key = hub.api_key().await;
    for request in [hub.get("/peers").header("x-api-key", &key), hub.get("/peers").bearer_auth(&key)] {
        let all = send(request).await;
        assert_eq!(ids(&all), [guest, member, distant]);
        assert_eq!(all.data()["peers"][1]["network_name"], "office");
        assert!(!all.body.to_string().contains("network_secret"));
    }
}

async fn a_node_token_shows_the_peers_of_its_region_with_secrets(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let [guest, member, _, _] = some_peers(&hub).await;
    let token = hub.token("probe-1", "eu").await;
    for request in [
        hub.get("/peers").header("x-node-token", &token),
        hub.get("/peers").bearer_auth(&token),
        hub.get("/peers?region=eu").header("x-node-token", &token),
    ] {
        let own = send(request).await;
        assert_eq!(ids(&own), [guest, member]);
        assert!(own.data()["peers"][0].get("network_secret").is_none());
        assert_eq!(own.data()["peers"][1]["network_secret"], "");
        assert!(!own.body.to_string().contains("s3cret"));
    }
    let other = send(hub.get("/peers?region=asia").header("x-node-token", &token)).await;
    assert!(other.refusal(403).contains("'eu'"), "{other:?}");
}

async fn a_wrong_token_or_key_is_refused_where_none_is_needed_too(store: TestStore) {
    let hub = TestHub::on(&store).await;
    some_peers(&hub).await;
    let token = hub.token("probe-1", "eu").await;
    let enrollment = hub.enrollment_key(None).await;
    let kept = hub.kept().await;
    let tampered = format!("{}x", &token[..token.len() - 1]);
    for wrong in ["nonsense", "etn_", &tampered, "' OR 1=1 --", &"x".repeat(4000)] {
        for request in [
            hub.get("/peers").header("x-node-token", wrong),
            hub.get("/peers").header("x-api-key", wrong),
            hub.get("/peers").bearer_auth(wrong),
        ] {
            let reply = send(request).await;
            reply.refusal(401);
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
        }
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    send(hub.get("/peers").header("x-node-token", bytes)).await.refusal(401);
    send(hub.get("/peers").bearer_auth(&enrollment)).await.refusal(403);
    for empty in [hub.get("/peers").header("x-api-key", ""), hub.get("/peers").header("authorization", "Basic eDp5")] {
        send(empty).await.data();
    }
    assert_eq!(hub.kept().await, kept);
}

async fn the_node_token_decides_where_there_is_one(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let [guest, member, ..] = some_peers(&hub).await;
    let (token, key) = (hub.token("probe-1", "eu").await, hub.api_key().await);
    let both = hub.get("/peers").bearer_auth(&key).header("x-api-key", &key).header("x-node-token", &token);
    assert_eq!(ids(&send(both).await), [guest, member]);
    let wrong_key = hub.get("/peers").bearer_auth("wrong").header("x-node-token", &token);
    assert_eq!(ids(&send(wrong_key).await), [guest, member]);
    let wrong_token = hub.get("/peers").bearer_auth(&key).header("x-node-token", "wrong");
    send(wrong_token).await.refusal(401);
}

async fn pages_follow_each_other_to_the_end(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let mut expected = Vec::new();
    for nth in 1..=7 {
        expected.push(hub.peer(&format!("tcp://192.0.2.{nth}:11010")).await.0);
    }
    let (mut found, mut path) = (Vec::new(), "/peers?count=3".to_owned());
    let sizes = loop {
        let page = send(hub.get(&path)).await;
        found.push(ids(&page));
        assert_eq!(page.data()["total_available"], 7);
        let Some(cursor) = page.data()["next_cursor"].as_str() else {
            assert_eq!(page.data()["next_batch_available"], false);
            break found.iter().map(Vec::len).collect::<Vec<_>>();
        };
        assert_eq!(page.data()["next_batch_available"], true);
        path = format!("/peers?count=3&cursor={cursor}");
    };
    assert_eq!((sizes, found.concat()), (vec![3, 3, 1], expected));
}

async fn invalid_parameters_are_refused_by_name(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    let long = "x".repeat(65);
    for (name, values) in [
        ("count", &["0", "5001", "-1", "x", "1.5", "99999999999999999999"][..]),
        ("cursor", &["x", "-1", "..%2F..%2Fetc%2Fpasswd", "%00", "9999999999999999999", "%FF"]),
        ("claim", &["maybe", "2"]),
        ("interval", &["-1", "x", "2592001"]),
        ("lease", &["0", "901", "x"]),
        ("region", &["a,b", "a%0Ab", "%00", &long]),
    ] {
        for value in values {
            let reply = send(hub.get(&format!("/peers?{name}={value}")).header("x-node-token", &token)).await;
            let message = reply.refusal(400);
            assert!(message.starts_with(&format!("{name}: ")), "{name}={value}: {message}");
        }
    }
    let usual = hub.get("/peers?count=&cursor=&claim=&region=&interval=&unknown=1").header("x-node-token", &token);
    send(usual).await.data();
}

async fn every_form_of_peer_url_is_listed(store: TestStore) {
    let hub = TestHub::on(&store).await;
    for url in ["http://list.example.net:8080/nodes?x=1", "txt://nodes.example.net", "wg://192.0.2.9"] {
        hub.peer(url).await;
    }
    let listing = send(hub.get("/peers")).await;
    let shown: Vec<_> = listing.data()["peers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|peer| json!([peer["protocol"], peer["host"], peer["port"], peer["url"]]))
        .collect();
    assert_eq!(
        shown,
        [
            json!(["http", "list.example.net", 8080, "http://list.example.net:8080/nodes?x=1"]),
            json!(["txt", "nodes.example.net", 0, "txt://nodes.example.net"]),
            json!(["wg", "192.0.2.9", 11011, "wg://192.0.2.9:11011"]),
        ]
    );
}

async fn the_version_of_the_last_fetched_listing_is_stored(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    let status = json!({ "status": "Online", "metadata": {} });
    send(hub.put("/nodes/status", &status).header("x-node-token", &token)).await.data();
    for nth in 1..=2 {
        hub.peer(&format!("tcp://192.0.2.{nth}:11010")).await;
        let listing = send(hub.get("/peers").header("x-node-token", &token)).await;
        let servers = send(hub.get("/api/discovery/servers").header("x-node-token", &token)).await;
        assert_eq!(servers.server("probe-1")["config_version"], listing.data()["config_version"]);
        assert!(listing.data()["config_version"].is_i64());
    }
}

/// Makes the instance a dependent that holds the configuration 3-7.
async fn make_dependent(hub: &TestHub) {
    hub.test
        .run_sql(
            "UPDATE instance SET role = 'dependent', epoch = 4, synced_epoch = 3, synced_version = 7; \
             UPDATE settings SET value = '7' WHERE key = 'config_version'",
        )
        .await;
}

async fn a_dependent_that_is_behind_sends_nothing_older(store: TestStore) {
    let hub = TestHub::on(&store).await;
    hub.peer("tcp://192.0.2.1:11010").await;
    assert_eq!(send(hub.get("/peers")).await.data()["epoch"], 0);
    send(hub.get("/peers?epoch=9&config_version=99")).await.data();
    let token = hub.token("probe-1", "eu").await;
    make_dependent(&hub).await;
    let list = |query: &str| hub.get(&format!("/peers?{query}")).header("x-node-token", &token);
    for newer in ["epoch=3&config_version=8", "epoch=4&config_version=1"] {
        let reply = send_unchecked(list(newer)).await;
        assert!(reply.headers.contains_key("retry-after"));
        assert_eq!(reply.headers["x-uptime-behind"], "1");
        reply.refusal(503);
    }
    for known in ["", "epoch=3&config_version=7", "epoch=2&config_version=99", "config_version=99"] {
        let reply = send(list(known)).await;
        assert_eq!((&reply.data()["epoch"], &reply.data()["config_version"]), (&json!(3), &json!(7)), "{known}");
    }
}

async fn a_dependent_calls_no_token_wrong_that_its_primary_may_have_made(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let status = json!({ "status": "Online", "metadata": {} });
    let ask = async |expected: u16| {
        for request in [hub.get("/peers"), hub.put("/nodes/status", &status)] {
            let reply = send_unchecked(request.header("x-node-token", "of the cluster")).await;
            reply.refusal(expected);
            assert_eq!(reply.headers.contains_key("retry-after"), expected == 503);
        }
    };
    ask(401).await;
    make_dependent(&hub).await;
    hub.test.run_sql("UPDATE instance SET synced_epoch = 0, synced_version = 0, synced_at = NULL").await;
    ask(503).await;
    let synchronised = async |at| {
        let config = hub.store.instance().await.unwrap().config;
        hub.store.note_synced(config, at).await.unwrap();
    };
    let now = Timestamp::now();
    synchronised(now).await;
    // The token may be younger than the answer of the primary.
    ask(503).await;
    synchronised(now + Duration::from_secs(60)).await;
    ask(401).await;
}

async fn a_dependent_leases_no_peers(store: TestStore) {
    let hub = TestHub::on(&store).await;
    hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let claim = || hub.get("/peers?claim=true").header("x-node-token", &token);
    make_dependent(&hub).await;
    let reply = send_unchecked(claim()).await;
    assert!(reply.headers.contains_key("retry-after"));
    reply.refusal(503);
    hub.test.run_sql("UPDATE instance SET role = 'primary'").await;
    let claimed = send(claim()).await;
    assert_eq!((ids(&claimed).len(), &claimed.data()["epoch"]), (1, &json!(4)));
}

async fn a_claim_needs_a_node_token(store: TestStore) {
    let hub = TestHub::on(&store).await;
    hub.peer("tcp://192.0.2.1:11010").await;
    let key = hub.api_key().await;
    send(hub.get("/peers?claim=true")).await.refusal(401);
    send(hub.get("/peers?claim=true").header("x-api-key", &key)).await.refusal(401);
    let token = hub.token("probe-1", "eu").await;
    send(hub.get("/peers?claim=true&region=us").header("x-node-token", &token)).await.refusal(403);
}

async fn a_claimed_peer_is_the_callers_until_it_reports_or_the_lease_ends(store: TestStore) {
    let hub = TestHub::on(&store).await;
    for nth in 1..=3 {
        hub.peer(&format!("tcp://192.0.2.{nth}:11010")).await;
    }
    let token = hub.token("probe-1", "eu").await;
    let claim = || hub.get("/api/peers?claim=true&count=2&interval=0&lease=900").header("x-node-token", &token);
    let before = Timestamp::now();
    let first = send(claim()).await;
    assert_eq!(ids(&first).len(), 2);
    assert_eq!((&first.data()["total_available"], &first.data()["next_batch_available"]), (&3.into(), &true.into()));
    let expires: Timestamp = serde_json::from_value(first.data()["lease_expires_at"].clone()).unwrap();
    assert!((899..=910).contains(&expires.since(before).as_secs()), "{expires}");

    let second = send(claim()).await;
    assert_eq!((ids(&second).len(), &second.data()["next_batch_available"]), (1, &false.into()));
    assert!(ids(&send(claim()).await).is_empty());

    let reported = ids(&first)[0];
    let results = batch_of(&[good(easytier_uptime_store::domain::PeerId(reported))]);
    let taken = send(hub.post("/api/results", &results).header("x-node-token", &token)).await;
    assert_eq!(taken.data()["accepted"], 1);
    assert_eq!(ids(&send(claim()).await), [reported], "due again at once with an interval of 0");
}

async fn sixteen_claimers_at_two_hubs_never_get_the_same_peer(store: TestStore) {
    const PEERS: usize = 120;
    let hubs = [TestHub::on(&store).await, TestHub::on(&store).await];
    let specs: Vec<_> = (0..PEERS).map(|nth| spec(&format!("tcp://198.51.100.{nth}:11010"))).collect();
    store.import_peers(&specs, Timestamp::now()).await.unwrap();
    let mut claimers = Vec::new();
    for nth in 0..16 {
        let hub = &hubs[nth % 2];
        let token = hub.token(&format!("function-{nth}"), "eu").await;
        claimers.push(async move {
            let mut mine = Vec::new();
            // A claim may return no peers although more are due, while other claims have locked their rows.
            loop {
                let claim = hub.get("/peers?claim=true&count=5&lease=900").header("x-node-token", &token);
                let claimed = send(claim).await;
                mine.extend(ids(&claimed));
                if claimed.data()["next_batch_available"] == false {
                    return mine;
                }
            }
        });
    }
    let claimed = join_all(claimers).await.concat();
    assert_eq!(claimed.len(), PEERS);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), PEERS, "nobody got another's peer");
}
