//! The deadline of an invocation: it claims only what it can finish, and leaves only leases behind.

use std::time::Duration;

use easytier_uptime_store::domain::{PeerSpec, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    function::{Function, LONG},
    hub::{Hub, assert_distinct},
    node,
    proxy::Way,
    runtime::{Deadline, Outcome},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_claimed_without_time_to_check_it() {
    let (hub, variables) = Hub::with_peers(node::refusing(3)).await;
    let mut function = Function::start(variables).await;
    // The timeout of one check is 5 s.
    let answer = function.answer_within(json!({}), Duration::from_secs(5)).await;
    assert_eq!([&answer["checked"], &answer["skipped"]], [0, 0], "{answer}");
    assert!(hub.claimed().is_empty());
    assert!(function.end().iter().any(|line| line.contains("HEALTH_CHECK_TIMEOUT")), "the log must say why");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_can_be_finished_is_claimed() {
    const PEERS: usize = 40;
    let (_listeners, urls) = silent(PEERS).await;
    let (hub, mut variables) = Hub::with_peers(urls).await;
    // Each check takes 1 s; all together would take 20 s.
    variables.extend([("HEALTH_CHECK_TIMEOUT", "1s".to_owned()), ("CHECK_CONCURRENCY", "2".to_owned())]);
    let mut function = Function::start(variables.clone()).await;
    let answer = function.answer_within(json!({}), Duration::from_secs(12)).await;
    let checked = answer["checked"].as_u64().unwrap() as usize;
    assert!(0 < checked && checked < PEERS, "{answer}");
    assert_eq!([&answer["skipped"], &answer["undelivered"]], [0, 0], "{answer}");
    assert_eq!(hub.claimed().len(), checked, "every claimed peer is checked");
    assert_eq!(hub.records().await.iter().sum::<u64>() as usize, checked);

    // The next invocation checks the others.
    variables.push(("CHECK_CONCURRENCY", PEERS.to_string()));
    let rest = Function::start(variables).await.answer(json!({})).await;
    assert_eq!(rest["checked"], PEERS - checked, "{rest}");
    assert_distinct(&hub.claimed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_long_timeout_gets_a_verdict_and_does_not_block_others() {
    const OTHERS: usize = 12;
    let (_listener, url) = silent(1).await;
    let (hub, mut variables) = Hub::with_peers::<String>([]).await;
    let patient = PeerSpec { timeout: Some(Duration::from_secs(60)), ..PeerSpec::new(url[0].parse().unwrap()) };
    hub.store.import_peers(&[patient], Timestamp::now()).await.unwrap();
    hub.add(node::refusing(OTHERS)).await;
    // It is in the first of four batches.
    variables.extend([("HEALTH_CHECK_TIMEOUT", "300ms".to_owned()), ("CHECK_CONCURRENCY", "4".to_owned())]);
    let mut function = Function::start(variables).await;
    // Its timeout exceeds the time of the whole invocation.
    let answer = function.answer_within(json!({}), Duration::from_secs(10)).await;
    assert_eq!([&answer["checked"], &answer["skipped"]], [OTHERS + 1, 0], "{answer}");
    assert_eq!(hub.records().await, [1; OTHERS + 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_invocation_leaves_only_leases_behind() {
    let (hub, mut variables) = Hub::with_peers(node::refusing(5)).await;
    variables.push(("HEALTH_CHECK_TIMEOUT", "300ms".to_owned()));
    let mut killed = Function::start(variables.clone()).await;
    hub.proxy.rule(|seen| if seen.path == "/results" { Way::Held } else { Way::Through });
    let outcome = killed.runtime.give("killed", "{}".to_owned(), Deadline::In(Duration::from_secs(3)));
    hub.proxy.held().await;
    killed.kill();
    drop(outcome);
    hub.proxy.let_through();
    assert_eq!(hub.claimed().len(), 5);
    assert_eq!(hub.records().await, [0; 5], "its results are lost");

    let mut other = Function::start(variables).await;
    let mut checked = 0;
    let all_checked = async {
        while checked < 5 {
            checked += other.answer(json!({})).await["checked"].as_u64().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LONG, all_checked).await.expect("the leases must end with the invocation");
    assert_eq!(hub.records().await, [1; 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_in_the_past_counts_as_none() {
    let (_hub, variables) = Hub::with_peers(node::refusing(2)).await;
    let mut function = Function::start(variables).await;
    // The value that cargo-lambda's emulator sends.
    let outcome = function.invoke_until("{}".to_owned(), Deadline::At(600_000)).await;
    let Outcome::Answer(answer) = outcome else { panic!("{outcome:?}") };
    assert!(answer.contains("\"checked\":2"), "{answer}");
}

/// Listeners that never accept or send anything, and their URLs.
async fn silent(count: usize) -> (Vec<TcpListener>, Vec<String>) {
    let mut listeners = Vec::new();
    let mut urls = Vec::new();
    for _ in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("tcp://{}", listener.local_addr().unwrap()));
        listeners.push(listener);
    }
    (listeners, urls)
}
