//! The hub is away: results wait in a queue.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
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

/// The longest message that SQS has ever taken.
const MAX_MESSAGE: usize = 256 * 1024;

struct Scene {
    services: Proxy,
    hub: Hub,
    queue: Queue,
    function: Function,
}

/// A function with a queue, and a hub with so many peers that refuse.
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
    assert_eq!(services.seen_of("DeleteMessage").len(), 0);

    hub.proxy.let_through();
    let back = function.answer(json!({})).await;
    assert_eq!([&back["drained"], &back["spooled"]], [3, 0], "{back}");
    assert_eq!((queue.length().await, hub.records().await), (0, vec![1; 3]));
    assert_eq!(services.seen_of("DeleteMessage").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_results_go_in_messages_below_the_limit() {
    const PEERS: usize = 2000;
    let Scene { services, hub, queue, mut function } = scene("many", PEERS).await;
    hub.proxy.refuse("/results", 503);
    let away = function.answer(json!({})).await;
    assert_eq!(away["spooled"], PEERS, "{away}");
    let sent = services.seen_of("SendMessage");
    let bodies: Vec<Value> = sent.iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    let lengths: Vec<usize> = bodies.iter().map(|body| body["MessageBody"].as_str().unwrap().len()).collect();
    assert!(lengths.len() > 1 && lengths.iter().all(|length| *length < MAX_MESSAGE), "{lengths:?}");
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
    assert_eq!(function.answer(json!({})).await["checked"], 1, "and checks none the less");
    assert_eq!(queue.length().await, 10);
    function.answer(json!({})).await;
    assert_eq!(queue.length().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_takes_does_not_keep_the_others() {
    let Scene { hub, queue, mut function, .. } = scene("strange", 1).await;
    hub.proxy.refuse("/results", 503);
    assert_eq!(function.answer(json!({})).await["spooled"], 1);
    queue.put("no results").await;
    // One that the hub refuses for ever, whatever the reason.
    queue.put(&json!({"results": [result_of(77)]}).to_string()).await;
    hub.proxy.rule(|seen| match seen.path == "/results" && seen.body.contains("\"peer_id\":77") {
        true => Way::Refused(400),
        false => Way::Through,
    });
    let answer = function.answer(json!({})).await;
    assert_eq!(answer["drained"], 1, "{answer}");
    assert_eq!((queue.length().await, hub.records().await), (2, vec![1]), "they stay for somebody to look at");
    let log = function.end();
    for why in ["refused the request (400", "holds no results that this version can read"] {
        assert!(log.iter().any(|line| line.contains("ERROR") && line.contains(why)), "no '{why}' in {log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_backend_has_no_use_for_stays_in_the_queue() {
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
        // It is no hub, of which nothing can be claimed.
        function.invoke(json!({})).await;
        assert_eq!(queue.length().await, 1, "REPORT_STYLE={style}: results were lost");
        let log = function.end();
        assert!(log.iter().any(|line| line.contains("WARN") && line.contains("stay in the queue")), "{log:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_report_per_node_has_no_word_for_does_not_wait() {
    let (services, queue) = (aws::start().await, Queue::create("per-node").await);
    // The second one's turn at the address comes after its deadline, which is no fault of its own: it is Unknown.
    let (hub, mut variables) = Hub::with_peers(["tcp://127.1.0.1:1", "ws://127.1.0.1:1"]).await;
    variables.extend([
        ("REPORT_STYLE", "per-node".to_owned()),
        ("HEALTH_CHECK_TIMEOUT", "300ms".to_owned()),
        ("SPOOL_QUEUE_URL", queue.url.clone()),
    ]);
    variables.extend(aws::variables(&services.url));
    hub.proxy.rule(|seen| if seen.path.starts_with("/nodes/") { Way::Refused(401) } else { Way::Through });
    let answer = Function::start(variables).await.answer(json!({})).await;
    assert_eq!([&answer["checked"], &answer["unknown"], &answer["spooled"]], [2, 1, 1], "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_hub_rejects_for_good_leaves_the_queue() {
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
async fn a_queue_that_takes_nothing_fails_the_invocation_too() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(2)).await);
    variables.push(("SPOOL_QUEUE_URL", format!("{}/123456789012/not-there", services.url)));
    variables.extend(aws::variables(&services.url));
    let mut function = Function::start(variables).await;
    assert_eq!(
        function.answer(json!({})).await["delivered"],
        2,
        "what cannot be drained keeps nothing from being checked"
    );
    hub.add(node::refusing(3).skip(2)).await;
    hub.proxy.refuse("/results", 503);
    let error = function.error(json!({})).await;
    assert!(error.contains("SPOOL_QUEUE_URL"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_queue_does_not_take_keeps_no_other_from_it() {
    const PEERS: usize = 2000;
    let Scene { services, hub, queue, mut function } = scene("refusing", PEERS).await;
    hub.proxy.refuse("/results", 503);
    let sent = AtomicUsize::new(0);
    services.rule(move |seen| match seen.target.ends_with("SendMessage") && sent.fetch_add(1, Relaxed) == 0 {
        true => Way::Refused(400),
        false => Way::Through,
    });
    let error = function.error(json!({})).await;
    let sent = services.seen_of("SendMessage");
    let (lost, kept) = sent.split_first().expect("results were sent");
    assert!(!kept.is_empty() && kept.iter().all(|seen| seen.status == 200), "{error}");
    assert_eq!(queue.length().await, kept.len() as u64);
    let body: Value = serde_json::from_str(&lost.body).unwrap();
    let message: Value = serde_json::from_str(body["MessageBody"].as_str().unwrap()).unwrap();
    let lost = message["results"].as_array().unwrap().len();
    assert!(error.contains(&format!("{lost} of {PEERS} results")), "{lost} are lost: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_does_not_answer_fails_the_invocation_in_time() {
    let Scene { services, hub, mut function, .. } = scene("stalled", 1).await;
    // So that the time of the other invocation begins when it is given.
    function.answer(json!({"count": 1, "claim": false})).await;
    hub.proxy.refuse("/results", 503);
    services.rule(|seen| if seen.target.ends_with("SendMessage") { Way::Held } else { Way::Through });
    let event = json!({"claim": false}).to_string();
    let outcome = function.invoke_until(event, Deadline::In(Duration::from_secs(8))).await;
    let Outcome::Error(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("1 of 1 results") && error.contains("the time of the invocation was over"), "{error}");
}

/// The URL of what answers like no hub, and never says no.
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
