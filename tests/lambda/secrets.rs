//! Secrets by reference.

use serde_json::json;

use crate::{
    aws::{self, Queue},
    function::Function,
    hub::Hub,
    node,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_is_read_once_for_all_invocations() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(1)).await);
    aws::put_parameter("/uptime/once", &format!("{}\n", hub.token("by-reference").await)).await;
    refer(&mut variables, "ssm:/uptime/once", &services.url);
    let mut function = Function::start(variables).await;
    for checked in [1, 0, 0] {
        assert_eq!(function.answer(json!({})).await["checked"], checked);
    }
    function.answer(json!({"region": "eu"})).await;
    let read = services.seen_of("GetParameter");
    assert_eq!(read.len(), 1, "{read:?}");
    assert!(read[0].body.contains("\"WithDecryption\":true"), "{read:?}");
    assert_eq!(services.seen().len(), 1, "AWS gets no other request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_parameter_is_read_again_when_the_hub_refuses_the_old_one() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(1)).await);
    aws::put_parameter("/uptime/rotated", &hub.token("old").await).await;
    refer(&mut variables, "ssm:/uptime/rotated", &services.url);
    let mut function = Function::start(variables).await;
    assert_eq!(function.answer(json!({})).await["checked"], 1);

    hub.revoke_tokens().await;
    aws::put_parameter("/uptime/rotated", &hub.token("new").await).await;
    hub.add(node::refusing(2).skip(1)).await;
    assert_eq!(function.answer(json!({})).await["checked"], 1, "in the same invocation");
    function.answer(json!({})).await;
    assert_eq!(services.seen_of("GetParameter").len(), 2);

    hub.revoke_tokens().await;
    let error = function.error(json!({})).await;
    assert!(error.contains("401"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_is_read_again_when_only_the_report_is_refused() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(1)).await);
    let queue = Queue::create("refused-report").await;
    aws::put_parameter("/uptime/refused-report", &hub.token("by-reference").await).await;
    refer(&mut variables, "ssm:/uptime/refused-report", &services.url);
    variables.push(("SPOOL_QUEUE_URL", queue.url.clone()));
    let mut function = Function::start(variables).await;
    hub.proxy.refuse("/results", 401);
    assert_eq!(function.answer(json!({})).await["spooled"], 1);
    hub.proxy.let_through();
    assert_eq!(function.answer(json!({})).await["drained"], 1);
    assert_eq!(services.seen_of("GetParameter").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_of_secrets_manager_is_read_again() {
    let (services, (hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(1)).await);
    aws::create_secret("uptime/token", &hub.token("old").await).await;
    refer(&mut variables, "secretsmanager:uptime/token", &services.url);
    let mut function = Function::start(variables).await;
    assert_eq!(function.answer(json!({})).await["checked"], 1);
    hub.revoke_tokens().await;
    aws::put_secret("uptime/token", &hub.token("new").await).await;
    assert_eq!(function.answer(json!({})).await["checked"], 0);
    assert_eq!(services.seen_of("GetSecretValue").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_an_unreadable_secret_names_the_missing_permission() {
    let services = aws::start().await;
    for (setting, reference, permission) in [
        ("NODE_TOKEN", "ssm:/uptime/not-there", "ssm:GetParameter"),
        ("API_KEY", "secretsmanager:uptime/not-there", "secretsmanager:GetSecretValue"),
    ] {
        let mut variables =
            vec![("BACKEND_BASE_URL", "http://127.0.0.1:1".to_owned()), (setting, reference.to_owned())];
        variables.extend(aws::variables(&services.url));
        let mut function = Function::start(variables).await;
        let error = function.error(json!({})).await;
        for word in [setting, "uptime/not-there", permission, "NotFound"] {
            assert!(error.contains(word), "no '{word}' in: {error}");
        }
        // What needs no backend needs no secret.
        let peers: Vec<String> = node::refusing(1).collect();
        function.answer(json!({"peers": peers})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_values_cause_no_requests_to_aws() {
    let (services, (_hub, mut variables)) = (aws::start().await, Hub::with_peers(node::refusing(1)).await);
    variables.extend(aws::variables(&services.url));
    let mut function = Function::start(variables).await;
    assert_eq!(function.answer(json!({})).await["checked"], 1);
    assert!(services.seen().is_empty(), "{:?}", services.seen());
}

fn refer(variables: &mut Vec<(&'static str, String)>, reference: &str, services: &str) {
    variables.retain(|(name, _)| *name != "NODE_TOKEN");
    variables.push(("NODE_TOKEN", reference.to_owned()));
    variables.extend(aws::variables(services));
}
