//! Cold and warm invocations, and their responses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    function::Function,
    hub::{Hub, REGION, assert_distinct},
    node,
    runtime::{Deadline, Outcome},
};

/// The maximum size of a response in bytes, which event destinations accept.
const MAX_ANSWER: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_checks_what_is_due_and_warm_invocations_reuse_its_clients() {
    let (hub, variables) = Hub::with_peers([node::url(1)].into_iter().chain(node::refusing(1))).await;
    let mut function = Function::start(variables).await;

    let first = function.answer(json!({})).await;
    assert_eq!([&first["checked"], &first["online"], &first["offline"], &first["unknown"]], [2, 1, 1, 0], "{first}");
    assert_eq!(first["failures"], json!({"connect_refused": 1}));
    assert_eq!([&first["delivered"], &first["spooled"], &first["drained"]], [2, 0, 0]);
    assert_eq!(first["slowest"].as_array().unwrap().len(), 2);
    assert!(first["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(hub.records().await, [1, 1]);

    let second = function.answer(json!({})).await;
    assert_eq!(second["checked"], 0, "nothing is due: {second}");
    hub.add([node::url(2)]).await;
    let third = function.answer(json!({})).await;
    assert_eq!([&third["checked"], &third["online"]], [1, 1], "{third}");
    assert_eq!(hub.records().await, [1, 1, 1]);

    let hub_probes = hub.proxy.seen().iter().filter(|seen| seen.method == "HEAD").count();
    assert_eq!(hub_probes, 1, "the client of the hub was created again");
    assert_eq!(hub.proxy.connections(), 1, "another connection was opened");
    let status: Value = serde_json::from_str(&hub.proxy.seen_of("/nodes/status")[0].body).unwrap();
    assert_eq!(status["metadata"]["server_id"], "uptime-us-east-1");
    assert_eq!(status["metadata"]["check_interval"], 60, "the time to the next invocation");
    assert!(hub.proxy.seen_of("/peers").iter().any(|seen| seen.query.contains("interval=45")), "due a little earlier");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_of_an_event_need_no_backend() {
    let mut function = Function::start([("ALLOW_LOCAL_PEERS", "true")]).await;
    let peers: Vec<String> = [node::url(3), node::url(4)].into_iter().chain(node::refusing(1)).collect();
    let answer = function.answer(json!({"peers": peers})).await;
    assert_eq!([&answer["checked"], &answer["online"], &answer["offline"]], [3, 2, 1], "{answer}");
    assert_eq!([&answer["delivered"], &answer["undelivered"]], [0, 0]);

    let one = function.answer(json!({"peers": peers, "count": 1})).await;
    assert_eq!(one["checked"], 1, "{one}");

    let without_peers = function.error(json!({})).await;
    assert!(without_peers.contains("BACKEND_BASE_URL"), "{without_peers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn count_limits_the_checks() {
    let (hub, variables) = Hub::with_peers(node::refusing(9)).await;
    let mut function = Function::start(variables).await;
    assert_eq!(function.answer(json!({"count": 4})).await["checked"], 4);
    assert_eq!(hub.claimed().len(), 4, "only checked peers are claimed");
    assert_eq!(function.answer(json!({"count": 3, "claim": false})).await["checked"], 3);
    assert_eq!(function.answer(json!({"count": 100})).await["checked"], 5, "the peers that are still due");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_claims_the_whole_listing_is_checked() {
    let (hub, variables) = Hub::with_peers(node::refusing(3)).await;
    let mut function = Function::start(variables).await;
    for round in 1..=2 {
        assert_eq!(function.answer(json!({"claim": false})).await["checked"], 3);
        assert_eq!(hub.records().await, [round; 3]);
    }
    assert!(hub.claimed().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_region_of_an_event_replaces_the_configured_one() {
    let (hub, variables) = Hub::with_peers(node::refusing(1)).await;
    let mut function = Function::start(variables).await;
    let here = function.answer(json!({"region": REGION})).await;
    assert_eq!((&here["region"], &here["checked"]), (&json!(REGION), &json!(1)), "{here}");
    assert!(hub.proxy.seen_of("/peers").iter().any(|seen| seen.query.contains(&format!("region={REGION}"))));
    let elsewhere = function.error(json!({"region": "elsewhere"})).await;
    assert!(elsewhere.contains("403"), "the token is for one region: {elsewhere}");
    assert_eq!(function.answer(json!({})).await["region"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_an_invalid_event_names_the_field_and_the_next_event_works() {
    let mut function = Function::start([("ALLOW_LOCAL_PEERS", "true")]).await;
    for (event, word) in [
        (json!([]), "not a JSON object"),
        (json!({"count": "many"}), "count"),
        (json!({"peers": []}), "peers"),
        (json!({"peers": ["nonsense"]}), "nonsense"),
    ] {
        let error = function.error(event.clone()).await;
        assert!(error.contains(word), "{event}: {error}");
    }
    let Outcome::Error(error) = function.invoke_until("{no JSON".to_owned(), Deadline::In(crate::function::LONG)).await
    else {
        panic!("an event that is not JSON was accepted");
    };
    assert!(error.contains("column"), "{error}");
    let peers: Vec<String> = node::refusing(1).collect();
    assert_eq!(function.answer(json!({"peers": peers})).await["checked"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_invocations_never_check_the_same_peer() {
    const PEERS: usize = 60;
    let (hub, mut variables) = Hub::with_peers(node::refusing(PEERS)).await;
    // A small batch, so that both claim many times.
    variables.push(("CHECK_CONCURRENCY", "3".to_owned()));
    let mut one = Function::start(variables.clone()).await;
    let mut other = Function::start(variables).await;
    let (first, second) = tokio::join!(one.answer(json!({})), other.answer(json!({})));
    let checked = [&first, &second].map(|answer| answer["checked"].as_u64().unwrap());
    assert_eq!(checked.iter().sum::<u64>(), PEERS as u64, "{first}\n{second}");
    assert_distinct(&hub.claimed());
    assert_eq!(hub.records().await, [1; PEERS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_about_5000_peers_is_small() {
    const PEERS: usize = 5000;
    let (hub, variables) = Hub::with_peers(node::refusing(PEERS)).await;
    let mut function = Function::start(variables).await;
    let Outcome::Answer(answer) = function.invoke(json!({})).await else { panic!("the invocation failed") };
    assert!(answer.len() < MAX_ANSWER, "{} bytes", answer.len());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!([&answer["checked"], &answer["delivered"]], [PEERS; 2], "{answer}");
    assert_eq!(hub.claimed().into_iter().collect::<BTreeSet<_>>().len(), PEERS);
}
