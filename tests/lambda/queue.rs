//! While the hub does not accept results, they wait in a queue.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    aws::{self, Queue},
    function::Function,
    hub::Hub,
    node,
    proxy::{Proxy, Way},
    runtime::{Deadline, Outcome},
};

/// The maximum size of a message in any region at any time, in bytes.
const MAX_MESSAGE: usize = 256 * 1024;

/// The maximum size of the messages of a batch, in bytes.
const MAX_BATCH: usize = 1024 * 1024;

struct Scene {
    services: Proxy,
    hub: Hub,
    queue: Queue,
    function: Function,
}

/// A function with a queue, and a hub with `peers` peers that refuse connections.
async fn scene(queue: &str, peers: usize) -> Scene {
    let (services, queue) = (aws::start().await, Queue::create(queue).await);
    let (hub, mut variables) = Hub::with_peers(node::refusing(peers)).await;
    variables.push(("SPOOL_QUEUE_URL", queue.url.clone()));
    variables.extend(aws::variables(&services.url));
    Scene { services, hub, queue, function: Function::start(variables).await }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_wait_in_the_queue_until_the_hub_has_stored_them() {
    let Scene { services, hub, queue, mut function } = scene("waiting", 3).await;
    hub.proxy.refuse("/results", 503);
    let away = function.answer(json!({})).await;
    assert_eq!([&away["checked"], &away["spooled"], &away["delivered"]], [3, 3, 0], "{away}");
    assert_eq!(queue.length().await, 1);

    let still_away = function.answer(json!({})).await;
    assert_eq!([&still_away["checked"], &still_away["drained"]], [0, 0], "{still_away}");
    assert_eq!((queue.length().await, hub.records().await), (1, vec![0; 3]), "nothing leaves the queue unstored");
    assert_eq!(services.seen_of("DeleteMessageBatch").len(), 0);

    hub.proxy.let_through();
    let back = function.answer(json!({})).await;
    assert_eq!([&back["drained"], &back["spooled"]], [3, 0], "{back}");
    assert_eq!((queue.length().await, hub.records().await), (0, vec![1; 3]));
    assert_eq!(services.seen_of("DeleteMessageBatch").len(), 1);
}

/// The time of an invocation while the hub is away. The retries use up most of it.
const TIME: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_checked_again_and_again_while_the_hub_is_away() {
    let (services, queue) = (aws::start().await, Queue::create("outage").await);
    let (hub, mut variables) = Hub::with_peers(node::refusing(3)).await;
    variables.push(("SPOOL_QUEUE_URL", queue.url.clone()));
    // The peers are due again in each of these invocations.
    variables.extend([("HEALTH_CHECK_INTERVAL", "1s".to_owned()), ("HEALTH_CHECK_TIMEOUT", "300ms".to_owned())]);
    variables.extend(aws::variables(&services.url));
    let mut function = Function::start(variables.clone()).await;
    let first = function.answer(json!({})).await;
    assert_eq!([&first["checked"], &first["delivered"]], [3, 3], "{first}");

    hub.proxy.rule(|_| Way::Refused(503));
    for event in [json!({}), json!({"claim": false}), json!({})] {
        let away = function.answer_within(event, TIME).await;
        assert_eq!([&away["checked"], &away["spooled"], &away["delivered"]], [3, 3, 0], "{away}");
    }
    // A sandbox that the hub never gave peers has nothing to check.
    let error = Function::start(variables).await.invoke_until("{}".to_owned(), Deadline::In(TIME)).await;
    assert!(matches!(&error, Outcome::Error(error) if error.contains("nothing was checked")), "{error:?}");

    hub.proxy.let_through();
    let back = function.answer(json!({"count": 1})).await;
    assert_eq!(back["drained"], 9, "{back}");
    assert_eq!(hub.records().await.iter().sum::<u64>(), 3 + 9 + back["checked"].as_u64().unwrap());
    assert_eq!(queue.length().await, 0);
    assert!(function.end().iter().any(|line| line.contains("gave this function before are checked")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_results_go_in_messages_below_the_limit() {
    const PEERS: usize = 2000;
    let Scene { services, hub, queue, mut function } = scene("many", PEERS).await;
    hub.proxy.refuse("/results", 503);
    let away = function.answer(json!({})).await;
    assert_eq!(away["spooled"], PEERS, "{away}");
    let batches: Vec<Vec<String>> =
        services.seen_of("SendMessageBatch").iter().map(|seen| messages(&seen.body)).collect();
    assert!(batches.iter().all(|batch| batch.iter().map(String::len).sum::<usize>() < MAX_BATCH), "{batches:?}");
    let lengths: Vec<usize> = batches.iter().flatten().map(String::len).collect();
    assert!(lengths.len() > batches.len() && lengths.iter().all(|length| *length < MAX_MESSAGE), "{lengths:?}");
    assert_eq!(queue.length().await, lengths.len() as u64);

    hub.proxy.let_through();
    assert_eq!(function.answer(json!({})).await["drained"], PEERS);
    assert_eq!(hub.records().await, vec![1; PEERS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_invocation_drains_a_bounded_part_of_the_queue() {
    let Scene { hub: _hub, queue, mut function, .. } = scene("bounded", 1).await;
    for _ in 0..30 {
        queue.put("{\"results\": []}").await;
    }
    assert_eq!(function.answer(json!({})).await["checked"], 1, "the peers are checked too");
    assert_eq!(queue.length().await, 10);
    function.answer(json!({})).await;
    assert_eq!(queue.length().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undeliverable_message_does_not_block_the_others() {
    let Scene { hub, queue, mut function, .. } = scene("strange", 1).await;
    hub.proxy.refuse("/results", 503);
    assert_eq!(function.answer(json!({})).await["spooled"], 1);
    queue.put("no results").await;
    // A message that the hub always refuses.
    queue.put(&json!({"results": [result_of(77)]}).to_string()).await;
    hub.proxy.rule(|seen| match seen.path == "/results" && seen.body.contains("\"peer_id\":77") {
        true => Way::Refused(400),
        false => Way::Through,
    });
    let answer = function.answer(json!({})).await;
    assert_eq!(answer["drained"], 1, "{answer}");
    assert_eq!((queue.length().await, hub.records().await), (2, vec![1]), "they stay for inspection");
    let log = function.end();
    for why in ["refused the request (400", "holds no results that this version can read"] {
        assert!(log.iter().any(|line| line.contains("ERROR") && line.contains(why)), "no '{why}' in {log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_the_backend_does_not_store_stay_in_the_queue() {
    let services = aws::start().await;
    for (style, queue) in [("auto", "unwanted-foreign"), ("status", "unwanted-status")] {
        let queue = Queue::create(queue).await;
        queue.put(&json!({"results": [result_of(1)]}).to_string()).await;
        let mut variables = vec![
            ("BACKEND_BASE_URL", answers_200_to_everything().await),
            ("NODE_TOKEN", "a-token".to_owned()),
            ("REPORT_STYLE", style.to_owned()),
            ("SPOOL_QUEUE_URL", queue.url.clone()),
        ];
        variables.extend(aws::variables(&services.url));
        let mut function = Function::start(variables).await;
        // The backend is not a hub, so nothing can be claimed.
        function.invoke(json!({})).await;
        assert_eq!(queue.length().await, 1, "REPORT_STYLE={style}: results were lost");
        let log = function.end();
        assert!(log.iter().any(|line| line.contains("WARN") && line.contains("stay in the queue")), "{log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_results_are_not_spooled_for_reports_per_node() {
    let (services, queue) = (aws::start().await, Queue::create("per-node").await);
    // Over wg only a member can be checked, so for a guest the second peer is Unknown.
    let (hub, mut variables) = Hub::with_peers(["tcp://127.1.0.1:1", "wg://127.1.0.1:1"]).await;
    variables.extend([("REPORT_STYLE", "per-node".to_owned()), ("SPOOL_QUEUE_URL", queue.url.clone())]);
    variables.extend(aws::variables(&services.url));
    hub.proxy.rule(|seen| if seen.path.starts_with("/nodes/") { Way::Refused(401) } else { Way::Through });
    let answer = Function::start(variables).await.answer(json!({})).await;
    assert_eq!([&answer["checked"], &answer["unknown"], &answer["spooled"]], [2, 1, 1], "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_results_leave_the_queue() {
    let Scene { hub, queue, mut function, .. } = scene("rejected", 1).await;
    queue.put(&json!({"results": [result_of(77)]}).to_string()).await;
    let answer = function.answer(json!({})).await;
    assert_eq!((queue.length().await, &answer["drained"]), (0, &json!(0)), "{answer}");
    assert_eq!(hub.records().await, [1]);
    let log = function.end();
    assert!(log.iter().any(|line| line.contains("WARN") && line.contains("rejected")), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_queue_the_invocation_fails() {
    let (hub, variables) = Hub::with_peers(node::refusing(2)).await;
    let mut function = Function::start(variables).await;
    hub.proxy.refuse("/results", 503);
    let error = function.error(json!({})).await;
    assert!(error.contains("2 results") && error.contains("SPOOL_QUEUE_URL") && error.contains("503"), "{error}");
    hub.proxy.refuse("/peers", 503);
    let error = function.error(json!({})).await;
    assert!(error.contains("nothing was checked"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_accepts_nothing_fails_the_invocation() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(2)).await);
    variables.push(("SPOOL_QUEUE_URL", format!("{}/123456789012/not-there", services.url)));
    variables.extend(aws::variables(&services.url));
    let mut function = Function::start(variables).await;
    assert_eq!(function.answer(json!({})).await["delivered"], 2, "a failed drain does not prevent checks");
    hub.add(node::refusing(3).skip(2)).await;
    hub.proxy.refuse("/results", 503);
    let error = function.error(json!({})).await;
    assert!(error.contains("SPOOL_QUEUE_URL"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_queue_refuses_keeps_no_other_from_it() {
    const PEERS: usize = 2000;
    let Scene { services, hub, queue, mut function } = scene("refusing", PEERS).await;
    hub.proxy.refuse("/results", 503);
    // As SQS does with a message that is too long: it refuses every request with it.
    let refused = Arc::<OnceLock<String>>::default();
    let bad = refused.clone();
    services.rule(move |seen| match seen.target.ends_with("SendMessageBatch") {
        true if seen.body.contains(bad.get_or_init(|| first_result(&seen.body))) => Way::Refused(400),
        _ => Way::Through,
    });
    let error = function.error(json!({})).await;
    let sent = services.seen_of("SendMessageBatch").into_iter().filter(|seen| seen.status == 200);
    let kept: Vec<String> = sent.flat_map(|seen| messages(&seen.body)).collect();
    assert!(!kept.is_empty(), "{error}");
    assert_eq!(queue.length().await, kept.len() as u64);
    let lost = PEERS - kept.iter().map(|message| results_in(message)).sum::<usize>();
    assert!(lost > 0 && error.contains(&format!("{lost} of {PEERS} results")), "{lost} are lost: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_batch_that_fails_is_lost_alone() {
    const PEERS: usize = 2000;
    let Scene { services, hub, queue, mut function } = scene("partly-failed", PEERS).await;
    hub.proxy.refuse("/results", 503);
    fail_first_entry(&services, true);
    let error = function.error(json!({})).await;
    let batches = services.seen_of("SendMessageBatch");
    let first = messages(&batches[0].body);
    assert!(first.len() > 1, "it is a batch");
    assert_eq!(queue.length().await + 1, batches.iter().map(|seen| messages(&seen.body).len() as u64).sum::<u64>());
    let lost = results_in(&first[0]);
    assert!(error.contains(&format!("{lost} of {PEERS} results")), "{lost} are lost: {error}");
    assert!(error.contains("Refused: by the proxy"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_sqs_fails_by_its_own_fault_is_sent_again() {
    let Scene { services, hub, queue, mut function } = scene("sent-again", 2000).await;
    hub.proxy.refuse("/results", 503);
    fail_first_entry(&services, false);
    assert_eq!(function.answer(json!({})).await["spooled"], 2000);
    let batches = services.seen_of("SendMessageBatch");
    let first = messages(&batches[0].body);
    assert_eq!(messages(&batches.last().unwrap().body), first[..1]);
    hub.proxy.let_through();
    assert_eq!(function.answer(json!({})).await["drained"], 2000);
    assert_eq!((queue.length().await, hub.records().await), (0, vec![1; 2000]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivered_message_that_is_not_deleted_is_deleted_later() {
    let Scene { services, hub, queue, mut function } = scene("kept", 1).await;
    hub.proxy.refuse("/results", 503);
    function.answer(json!({})).await;
    queue.put("{\"results\": []}").await;
    hub.proxy.let_through();
    services.rule(|seen| match seen.target.ends_with("DeleteMessageBatch") {
        true => Way::FirstEntryFails { sender_fault: false },
        false => Way::Through,
    });
    function.answer(json!({})).await;
    assert_eq!((queue.length().await, hub.records().await), (1, vec![1]));
    services.let_through();
    function.answer(json!({})).await;
    assert_eq!((queue.length().await, hub.records().await), (0, vec![1]), "the hub stores a result once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_results_are_counted_although_their_messages_cannot_be_deleted() {
    let Scene { services, hub, queue, mut function } = scene("undeletable", 1).await;
    hub.proxy.refuse("/results", 503);
    function.answer(json!({})).await;
    hub.proxy.let_through();
    services.rule(|seen| match seen.target.ends_with("DeleteMessageBatch") {
        true => Way::Refused(400),
        false => Way::Through,
    });
    let answer = function.answer(json!({})).await;
    assert_eq!((&answer["drained"], hub.records().await), (&json!(1), vec![1]), "{answer}");
    assert_eq!(queue.length().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_does_not_answer_fails_the_invocation_in_time() {
    let Scene { services, hub, mut function, .. } = scene("stalled", 1).await;
    // Warms up the sandbox, so that the next invocation has its whole time.
    function.answer(json!({"count": 1, "claim": false})).await;
    hub.proxy.refuse("/results", 503);
    services.rule(|seen| if seen.target.ends_with("SendMessageBatch") { Way::Held } else { Way::Through });
    let event = json!({"claim": false}).to_string();
    let outcome = function.invoke_until(event, Deadline::In(Duration::from_secs(8))).await;
    let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("1 of 1 results") && error.contains("the time of the invocation was over"), "{error}");
}

/// The first entry of the first batch fails.
fn fail_first_entry(services: &Proxy, sender_fault: bool) {
    let sent = AtomicUsize::new(0);
    services.rule(move |seen| match seen.target.ends_with("SendMessageBatch") && sent.fetch_add(1, Relaxed) == 0 {
        true => Way::FirstEntryFails { sender_fault },
        false => Way::Through,
    });
}

/// The bodies of the messages in a batch.
fn messages(batch: &str) -> Vec<String> {
    let batch: Value = serde_json::from_str(batch).unwrap();
    let entries = batch["Entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()).collect()
}

/// The id of the first result in a batch, which is in one of its messages alone.
fn first_result(batch: &str) -> String {
    let message: Value = serde_json::from_str(&messages(batch)[0]).unwrap();
    message["results"][0]["id"].as_str().unwrap().to_owned()
}

fn results_in(message: &str) -> usize {
    let message: Value = serde_json::from_str(message).unwrap();
    message["results"].as_array().unwrap().len()
}

/// The URL of a third-party backend that accepts everything.
async fn answers_200_to_everything() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(|| async { "{\"data\": {\"peers\": []}}" });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn result_of(peer: i64) -> Value {
    json!({"id": "0190d2a4-7c1e-7b7e-9a55-2f3c8a6f1b20", "peer_id": peer, "checked_at": "2026-01-01T00:00:00Z",
        "checks": 1, "healthy": 1, "status": "Online", "response_time": 1.0, "stage": "ping"})
}
