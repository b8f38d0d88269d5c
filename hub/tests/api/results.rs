//! `POST /results`.

use std::time::{Duration, Instant};

use easytier_probe::{CheckResult, Relay};
use easytier_uptime_store::domain::{PeerId, PeerSpec, Timestamp, Verdict};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    hub::{TestHub, bad, batch_of, good, send, send_unchecked},
    support::{TestStore, id_at, on_both_engines, online, region, spec},
};

on_both_engines! {
    results_are_stored_and_move_the_consensus,
    a_batch_sent_again_changes_nothing,
    rejected_results_are_named_and_not_stored,
    a_clock_two_days_ahead_is_corrected_by_what_the_batch_says,
    a_batch_says_under_which_list_the_peers_were_checked,
    one_unreadable_result_does_not_delay_the_others,
    only_a_node_token_may_report,
    a_refusal_reaches_a_caller_that_is_still_sending,
    a_probe_reports_for_its_own_region_only,
    too_many_results_or_too_long_a_body_are_refused,
    a_body_that_is_no_batch_is_refused_by_field,
    batches_that_arrive_together_are_all_stored,
    a_dependent_that_is_behind_refuses_no_result_for_good,
    a_probe_that_tests_whether_nodes_relay_is_asked_to,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn results_are_stored_and_move_the_consensus(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peers = [hub.peer("tcp://192.0.2.1:11010").await, hub.peer("tcp://192.0.2.2:11010").await];
    let token = hub.token("probe-1", "eu").await;
    let batch = batch_of(&[good(peers[0]), bad(peers[1])]);
    let taken = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    assert_eq!(*taken.data(), json!({ "accepted": 2, "duplicates": 0, "rejected": [] }));
    hub.fold().await;
    for (peer, verdict) in peers.into_iter().zip([Verdict::Up, Verdict::Down]) {
        let node = hub.store.node(peer, Timestamp::now()).await.unwrap();
        assert_eq!((node.verdict, hub.records(peer).await), (verdict, 1));
    }
    let listing = send(hub.get("/peers")).await;
    assert_eq!(listing.data()["peers"][0]["status"], "Online");
    assert_eq!(listing.data()["peers"][0]["response_time"], 12);
    assert_eq!(listing.data()["peers"][1]["status"], "Offline");
}

async fn a_batch_sent_again_changes_nothing(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let batch = batch_of(&[good(peer), bad(peer)]);
    send(hub.post("/results", &batch).header("x-node-token", &token)).await.data();
    let kept = hub.kept().await;
    for _ in 0..3 {
        let again = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
        assert_eq!(*again.data(), json!({ "accepted": 0, "duplicates": 2, "rejected": [] }));
    }
    assert_eq!(hub.kept().await, kept);
}

async fn rejected_results_are_named_and_not_stored(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let mut of_asia = spec("tcp://192.0.2.2:11010");
    of_asia.regions = [region("asia")].into();
    let distant = hub.store.add_peer(&of_asia, Timestamp::now()).await.unwrap();
    let token = hub.token("probe-1", "eu").await;
    let empty = batch_of(&[]);
    send(hub.post("/results", &empty).header("x-node-token", &token)).await.data();
    let kept = hub.kept().await;

    let now = Timestamp::now();
    let mut impossible = good(peer);
    impossible.healthy = Some(7);
    let batch = batch_of(&[
        good(PeerId(peer.0 + 1000)),
        good(PeerId(i64::MIN)),
        good(distant),
        online(peer, now + 2 * DAY),
        online(peer, now - 8 * DAY),
        impossible,
    ]);
    let refused = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    let reasons = ["unknown_peer", "unknown_peer", "wrong_region", "in_future", "too_old", "invalid"];
    let rejected: Vec<Value> =
        reasons.iter().enumerate().map(|(index, reason)| json!({ "index": index, "reason": reason })).collect();
    assert_eq!(*refused.data(), json!({ "accepted": 0, "duplicates": 0, "rejected": rejected }));
    assert_eq!(hub.kept().await, kept);
}

async fn a_clock_two_days_ahead_is_corrected_by_what_the_batch_says(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let wrong = Timestamp::now() + 2 * DAY;
    let mut batch = batch_of(&[online(peer, wrong)]);
    batch["sent_at"] = json!(wrong);
    let taken = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    assert_eq!(taken.data()["accepted"], 1);
    hub.fold().await;
    let seen = hub.store.node(peer, Timestamp::now()).await.unwrap().last_check_at.unwrap();
    assert!(seen <= Timestamp::now(), "{seen}");
}

async fn a_batch_says_under_which_list_the_peers_were_checked(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.store.add_peer(&spec("tcp://192.0.2.1:11010"), Timestamp::now()).await.unwrap();
    let token = hub.token("probe-1", "eu").await;
    let listing =
        async || send(hub.get("/peers").header("x-node-token", &token)).await.data()["config_version"].clone();
    let before = listing().await;
    let another = |spec: &mut PeerSpec| spec.url = "tcp://192.0.2.2:11010".parse().unwrap();
    hub.store.edit_peer(peer, another, Timestamp::now()).await.unwrap();
    let after = listing().await;
    for (version, rejected) in [(Some(&before), 1), (Some(&after), 0), (None, 0)] {
        // One result that cannot be read: both ways of reading a batch know the version.
        for unreadable in [0, 1] {
            let mut batch = batch_of(&[good(peer)]);
            batch["results"].as_array_mut().unwrap().extend(vec![Value::Null; unreadable]);
            batch["config_version"] = json!(version);
            let taken = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
            let data = taken.data();
            assert_eq!(data["accepted"], 1 - rejected, "{version:?}: {data}");
            assert_eq!(data["rejected"].as_array().unwrap().len(), rejected + unreadable, "{version:?}: {data}");
            let changed = json!({ "index": 0, "reason": "peer_changed" });
            assert_eq!(data["rejected"][0] == changed, rejected == 1, "{version:?}: {data}");
        }
    }
    let mut batch = batch_of(&[good(peer)]);
    batch["config_version"] = "new".into();
    let refused = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    assert!(refused.refusal(400).starts_with("config_version: "), "{refused:?}");
}

async fn one_unreadable_result_does_not_delay_the_others(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let mut batch = batch_of(&[good(peer), good(PeerId(peer.0 + 1)), good(peer), bad(peer), good(peer)]);
    batch["results"][0]["status"] = "Perhaps".into();
    batch["results"][3]["error"] = "struck_by_lightning".into();
    batch["results"][4]["checked_at"] = "yesterday".into();
    let taken = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    let data = taken.data();
    assert_eq!((&data["accepted"], hub.records(peer).await), (&2.into(), 2));
    let rejected: Vec<_> =
        data["rejected"].as_array().unwrap().iter().map(|one| json!([one["index"], one["reason"]])).collect();
    assert_eq!(rejected, [json!([0, "invalid"]), json!([1, "unknown_peer"]), json!([4, "invalid"])]);
    assert!(data["rejected"][0]["detail"].as_str().unwrap().starts_with("status: "), "{data}");
    let again = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
    assert_eq!((&again.data()["accepted"], &again.data()["duplicates"]), (&0.into(), &2.into()));
}

async fn only_a_node_token_may_report(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let (key, enrollment) = (hub.api_key().await, hub.enrollment_key(None).await);
    let batch = batch_of(&[good(peer)]);
    let kept = hub.kept().await;
    for path in ["/results", "/api/results"] {
        send(hub.post(path, &batch)).await.refusal(401);
        for wrong in [key.as_str(), &enrollment, "nonsense"] {
            send(hub.post(path, &batch).header("x-node-token", wrong)).await.refusal(401);
            send(hub.post(path, &batch).bearer_auth(wrong)).await.refusal(401);
        }
    }
    assert_eq!(hub.kept().await, kept);
    let token = hub.token("probe-1", "eu").await;
    send(hub.post("/api/results", &batch).bearer_auth(&token)).await.data();
}

async fn a_refusal_reaches_a_caller_that_is_still_sending(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let batch = json!({ "results": [], "more": "x".repeat(4_000_000) });
    for _ in 0..20 {
        send(hub.post("/results", &batch).header("x-node-token", "nonsense")).await.refusal(401);
        assert_eq!(send(hub.post("/no/such/path", &batch)).await.status, 404);
    }
}

async fn a_probe_reports_for_its_own_region_only(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let tokens = [hub.token("probe-1", "eu").await, hub.token("probe-2", "asia").await];
    let result = good(peer);
    for (token, accepted) in tokens.iter().zip([1, 0]) {
        // A result with the same id is a duplicate even if another probe sends it.
        let taken =
            send(hub.post("/results", &batch_of(std::slice::from_ref(&result))).header("x-node-token", token)).await;
        assert_eq!(taken.data()["accepted"], accepted);
    }
    hub.fold().await;
    let regions = hub.store.node_regions(peer, Timestamp::now()).await.unwrap();
    assert_eq!(regions.iter().map(|report| report.region.as_str()).collect::<Vec<_>>(), ["eu"]);
}

async fn too_many_results_or_too_long_a_body_are_refused(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let now = Timestamp::now();
    let many = |count: usize, short: bool| {
        let result = |nth: u64| {
            let id = id_at(now - Duration::from_millis(nth));
            match short {
                true => json!({ "id": id, "peer_id": peer, "checked_at": now, "status": "Online", "stage": "ping" }),
                false => serde_json::to_value(online(peer, now)).unwrap(),
            }
        };
        json!({ "results": (0..count as u64).map(result).collect::<Vec<_>>() })
    };
    let kept = hub.kept().await;
    for (batch, said_so) in [
        (many(5001, true), "results: a batch has at most 5000"),
        (many(100_000, false), "longer than 4 MiB"),
        (json!({ "results": [], "more": "x".repeat(4 << 20) }), "longer than 4 MiB"),
    ] {
        let refused = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
        assert!(refused.refusal(413).contains(said_so), "{refused:?}");
    }
    assert_eq!(hub.kept().await, kept);
    let most = send(hub.post("/results", &many(5000, true)).header("x-node-token", &token)).await;
    assert_eq!(most.data()["accepted"], 5000);
}

async fn a_body_that_is_no_batch_is_refused_by_field(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let token = hub.token("probe-1", "eu").await;
    let kept = hub.kept().await;
    for (body, said_so) in [
        (&b""[..], "the body: EOF"),
        (b"{", "the body: EOF"),
        (b"[]", "the body: "),
        (b"{}", "missing field `results`"),
        (b"{\"results\": 5}", "results: invalid type"),
        (b"{\"results\": [], \"cycle_id\": \"x\"}", "cycle_id: "),
        (b"{\"results\": [], \"sent_at\": 5}", "sent_at: "),
        (b"{\"results\": []} tail", "the body: trailing"),
        (b"{\"results\": [], \"more\": \"\xc3\x28\"}", "not UTF-8"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (&[b'['; 100_000], "invalid type"),
    ] {
        let request = hub.request(reqwest::Method::POST, "/results").header("x-node-token", &token).body(body.to_vec());
        let refused = send(request).await;
        assert!(refused.refusal(400).contains(said_so), "{said_so}: {refused:?}");
    }
    assert_eq!(hub.kept().await, kept);
}

async fn batches_that_arrive_together_are_all_stored(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    let deliveries = (0..64).map(|nth| {
        let batch = batch_of(&[online(peer, Timestamp::now() - Duration::from_secs(nth))]);
        send(hub.post("/results", &batch).header("x-node-token", &token))
    });
    assert!(join_all(deliveries).await.iter().all(|taken| taken.data()["accepted"] == 1));
    assert_eq!(hub.records(peer).await, 64);
}

async fn a_dependent_that_is_behind_refuses_no_result_for_good(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let token = hub.token("probe-1", "eu").await;
    hub.test
        .run_sql(
            "UPDATE instance SET role = 'dependent', epoch = 3, synced_epoch = 3; \
             UPDATE settings SET value = '7' WHERE key = 'config_version'",
        )
        .await;
    let report = async |peer, epoch: i64, version: i64| {
        let mut batch = batch_of(&[good(peer)]);
        (batch["epoch"], batch["config_version"]) = (epoch.into(), version.into());
        send_unchecked(hub.post("/results", &batch).header("x-node-token", &token)).await
    };
    let unknown = PeerId(99);
    for (epoch, version) in [(3, 8), (4, 1)] {
        for peer in [peer, unknown] {
            let reply = report(peer, epoch, version).await;
            assert!(reply.headers.contains_key("retry-after"));
            reply.refusal(503);
        }
    }
    assert_eq!(hub.records(peer).await, 0);
    assert_eq!(report(peer, 3, 7).await.data()["accepted"], 1);
    assert_eq!(report(unknown, 3, 7).await.data()["rejected"][0]["reason"], "unknown_peer");
}

async fn a_probe_that_tests_whether_nodes_relay_is_asked_to(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let [one, other] = [hub.peer("tcp://192.0.2.1:11010").await, hub.peer("tcp://192.0.2.2:11010").await];
    let token = hub.token("probe-1", "eu").await;
    let report = async |tests_relay: bool, results: Vec<CheckResult>| {
        let mut batch = batch_of(&results);
        batch["tests_relay"] = tests_relay.into();
        let answer = send(hub.post("/results", &batch).header("x-node-token", &token)).await;
        hub.fold().await;
        answer.data()["test_relay"].clone()
    };
    // Whether it is online is not known yet.
    assert_eq!(report(false, vec![good(one), good(other)]).await, Value::Null);
    assert_eq!(report(false, vec![good(one)]).await, Value::Null);
    assert_eq!(
        report(true, vec![bad(other), good(PeerId(one.0 + 1000))]).await,
        Value::Null,
        "not one that it reports online"
    );
    assert_eq!(report(true, vec![good(one)]).await, json!([one]));
    assert_eq!(report(true, vec![good(one)]).await, Value::Null, "until it is answered");
    let tested = CheckResult { relay: Some(Relay::Ok), relay_ms: Some(1.5), ..good(one) };
    assert_eq!(report(true, vec![tested]).await, Value::Null);
    let relay = hub.store.node(one, Timestamp::now()).await.unwrap().relay.unwrap();
    assert_eq!((relay.verdict, relay.round_trip_us), (Relay::Ok, Some(1500)));

    // A claim marks what is to be tested.
    report(false, vec![good(other)]).await;
    let claim = async |query: &str| {
        let path = format!("/peers?claim=true&interval=0&lease=1{query}");
        send(hub.get(&path).header("x-node-token", &token)).await.data()["peers"].clone()
    };
    let marked = |peers: &Value| {
        peers.as_array().unwrap().iter().map(|peer| peer.get("test_relay").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(marked(&claim("").await), [None, None]);
    report(false, vec![good(one), good(other)]).await;
    // What is due is read again after a second or more.
    let begun = Instant::now();
    let asked = loop {
        let peers = claim("&tests_relay=true").await;
        report(false, vec![good(one), good(other)]).await;
        if let Some(peer) = peers.as_array().unwrap().iter().find(|peer| peer.get("test_relay").is_some()) {
            break peer.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no test is handed out");
    };
    assert_eq!((&asked["id"], &asked["test_relay"]), (&json!(other), &json!(true)));
}
