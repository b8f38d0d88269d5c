//! What the function logs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    aws::{self, Queue},
    function::Function,
    hub::Hub,
    node,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_lines_are_json_with_a_request_id_and_without_secrets() {
    let services = aws::start().await;
    let queue = Queue::create("logged").await;
    let (hub, mut variables) = Hub::with_peers([node::url(7)].into_iter().chain(node::refusing(2))).await;
    let (token, key) = (hub.token("logged").await, "the-api-key-71d0".to_owned());
    aws::put_parameter("/uptime/logged", &token).await;
    variables.retain(|(name, _)| *name != "NODE_TOKEN");
    variables.extend([
        ("NODE_TOKEN", "ssm:/uptime/logged".to_owned()),
        ("API_KEY", key.clone()),
        ("SPOOL_QUEUE_URL", queue.url),
        ("RUST_LOG", "trace".to_owned()),
    ]);
    variables.extend(aws::variables(&services.url));
    let mut function = Function::start(variables).await;
    hub.proxy.refuse("/results", 503);
    function.answer(json!({})).await;
    hub.proxy.let_through();
    function.answer(json!({})).await;
    hub.revoke_tokens().await;
    function.error(json!({})).await;
    function.error(json!({"count": 0})).await;

    let log = function.end();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let requests: BTreeSet<&str> =
        lines.iter().map(|line| request_of(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert_eq!(requests.len(), 4, "{requests:?}");
    let levels: BTreeSet<&str> = lines.iter().filter_map(|line| line["level"].as_str()).collect();
    assert!(levels.is_superset(&["DEBUG", "WARN", "ERROR"].into()), "{levels:?}");
    let secrets = [token.as_str(), &key, "the-secret-access-key-3f1c", "the-session-token-91ab"];
    for line in &log {
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_invocation_logs_one_line_of_metrics() {
    let (hub, mut variables) = Hub::with_peers([node::url(8)].into_iter().chain(node::refusing(1))).await;
    variables.push(("REGION", "eu".to_owned()));
    let mut function = Function::start(variables).await;
    function.answer(json!({})).await;
    function.answer(json!({})).await;
    // Invocations that fail at the start, ...
    function.error(json!({"count": 0})).await;
    hub.proxy.refuse("/peers", 503);
    function.error(json!({})).await;
    // ... and one that fails at the end, because there is no queue for the results.
    hub.proxy.refuse("/results", 503);
    function.error(json!({"claim": false})).await;
    let all = metrics_of(&function.end());
    let values = |line: &Value| {
        assert_eq!(line["region"], "eu", "{line}");
        ["checked", "online", "offline", "unknown", "spooled"].map(|name| line[name].as_u64().unwrap())
    };
    let done = [2, 1, 1, 0, 0];
    assert_eq!(all.iter().map(values).collect::<Vec<_>>(), [done, [0; 5], [0; 5], [0; 5], done]);
    for line in &all {
        assert_embedded(line);
    }

    let mut misconfigured = Function::start([("HEALTH_CHECK_TIMEOUT", "never")]).await;
    misconfigured.error(json!({})).await;
    assert_eq!(metrics_of(&misconfigured.end()).len(), 1);
}

fn metrics_of(log: &[String]) -> Vec<Value> {
    let lines = log.iter().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

/// Asserts that the line has CloudWatch's embedded metric format.
fn assert_embedded(line: &Value) {
    let aws = &line["_aws"];
    assert!(aws["Timestamp"].as_u64().is_some_and(|millis| millis > 1_700_000_000_000), "{line}");
    let [directive] = aws["CloudWatchMetrics"].as_array().unwrap().as_slice() else { panic!("{line}") };
    assert!(!directive["Namespace"].as_str().unwrap().is_empty());
    for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
        assert!(line[dimension.as_str().unwrap()].as_str().is_some_and(|value| !value.is_empty()), "{line}");
    }
    let metrics = directive["Metrics"].as_array().unwrap();
    let names: BTreeSet<&str> = metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
    assert_eq!(names, ["checked", "online", "offline", "unknown", "spooled", "duration"].into());
    for metric in metrics {
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{line}");
        assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
    }
}

/// The id of the request that a line belongs to.
fn request_of(line: &Value) -> Option<&str> {
    let of_spans = || line["spans"].as_array()?.iter().find_map(|span| span["requestId"].as_str());
    line["requestId"].as_str().or_else(of_spans)
}
