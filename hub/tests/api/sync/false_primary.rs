//! What a dependent does not take from the server at its primary's address.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_uptime_hub::instance::{self, ConfiguredRole, InstanceOptions, SharedStatus};
use easytier_uptime_store::{
    Store,
    domain::{ClusterId, Instance, Leader, Leadership, MAX_EPOCH, MAX_EPOCH_LEAD, Timestamp},
};
use futures::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::{SECRET, Sync, TABLES, id};
use crate::{
    hub::send,
    support::{TestStore, batch, on_both_engines, online},
};

on_both_engines! {
    an_epoch_that_cannot_be_right_leaves_no_trace,
    an_answer_of_another_cluster_leaves_no_trace,
    a_redirect_moves_no_token,
    an_endless_answer_is_cut_off,
    endless_results_do_not_keep_a_mirror_from_its_other_work,
    slow_configurations_do_not_keep_a_dependent_from_its_other_work,
    results_that_arrive_faster_than_they_are_sent_do_not_keep_a_dependent_from_its_other_work,
    results_of_a_peer_that_the_primary_does_not_know_yet_are_sent_again,
}

/// The epoch of the dependent.
const EPOCH: i64 = 3;

/// The requests of a dependent in one round of its work.
const REQUESTS: [&str; 3] = ["failover-order", "endpoints", "heartbeat"];

/// A server that answers by a closure, which gets the last part of the path.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// The ids of results in each heartbeat that had some.
    sent: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Response + Clone + Send + std::marker::Sync + 'static) -> Self {
        Self::slow("", Duration::ZERO, answer).await
    }

    /// One that takes a while to answer requests of one kind.
    async fn slow(
        slow_route: &'static str,
        delay: Duration,
        answer: impl Fn(&str) -> Response + Clone + Send + std::marker::Sync + 'static,
    ) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let sent = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let taken = Arc::clone(&sent);
        let router = Router::new().fallback(async move |request: Request| {
            let route = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            let response = answer(&route);
            if route == "heartbeat" {
                let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
                let beat: Value = serde_json::from_slice(&body).unwrap();
                let ids = beat["monitoringResults"].as_array().into_iter().flatten().map(|one| one["id"].to_string());
                taken.lock().unwrap().extend(Some(ids.collect::<Vec<_>>()).filter(|ids| !ids.is_empty()));
            }
            if route == slow_route {
                tokio::time::sleep(delay).await;
            }
            seen.lock().unwrap().push(route);
            response
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, sent }
    }

    fn asked(&self, route: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == route).count()
    }
}

/// Lets a dependent work with this server as its primary until it has digested its first answers. Fails when it took anything
/// over.
async fn assert_nothing_taken(test: &TestStore, server: &Server) {
    let store = dependent(test, &server.url).await;
    let dump = async || test.dump(&TABLES.map(|table| if table == "instance" { "tuning" } else { table })).await;
    let known = async || {
        let instance = store.instance().await.unwrap();
        // Why the synchronisation failed is for the operator.
        Instance { sync_error: None, ..instance }
    };
    let before = (known().await, dump().await);
    work_until_asked_twice(&store, server).await;
    assert_eq!((known().await, dump().await), before);
}

/// Lets a dependent work until it has sent each of its requests twice.
async fn work_until_asked_twice(store: &Store, server: &Server) {
    work_until_asked(2, &REQUESTS, store, server).await;
}

/// Lets a dependent work until it has sent each of these requests so often.
async fn work_until_asked(times: usize, requests: &[&str], store: &Store, server: &Server) {
    let short = Duration::from_millis(100);
    let options = InstanceOptions {
        secret: Some(SECRET.into()),
        sync_interval: short,
        heartbeat_interval: short,
        failover_after: Duration::from_secs(1),
        connection_timeout: Duration::from_secs(5),
        ..InstanceOptions::named("Dependent")
    };
    let (status, stop) = (SharedStatus::default(), CancellationToken::new());
    let work = instance::run(store, &options, &ConfiguredRole::Standalone, &status, stop.clone());
    let watch = async {
        while requests.iter().any(|route| server.asked(route) < times) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = timeout(Duration::from_secs(60), async { tokio::join!(work, watch) }).await.expect("it asks");
    ended.unwrap();
}

/// A dependent of the primary at `url`, of which it has a token.
async fn dependent(test: &TestStore, url: &str) -> Store {
    let store = Sync::standalone(test).await.store.clone();
    let leader = Leader { id: id(1), name: "Primary".to_owned(), url: Some(url.to_owned()) };
    let cluster = ClusterId(Uuid::from_u128(7));
    store.join(&Leadership { cluster, epoch: EPOCH, leader }, &"a token".into()).await.unwrap();
    store
}

/// What a primary of the dependent's cluster answers, with a peer and another instance in it.
async fn answers(test: &TestStore) -> Value {
    let primary = Sync::primary(&TestStore::new(test.engine()).await).await;
    primary.peer("tcp://192.0.2.1:11010").await;
    let token = primary.register(2).await;
    let get = async |path| send(primary.get(&format!("/sync/api/{path}")).bearer_auth(&token)).await.body;
    let (mut order, mut endpoints) = (get("failover-order").await, get("endpoints").await);
    assert!(order["order"].as_array().unwrap().len() == 2 && endpoints["endpoints"].as_array().unwrap().len() == 1);
    for answer in [&mut order, &mut endpoints] {
        answer["clusterId"] = json!(Uuid::from_u128(7));
        answer["epoch"] = json!(EPOCH);
    }
    let heartbeat = json!({"accepted": 0, "duplicates": 0, "rejected": [], "configVersion": 1, "epoch": EPOCH});
    json!({"failover-order": order, "endpoints": endpoints, "heartbeat": heartbeat, "instances": get("instances").await})
}

async fn serving(answers: Value) -> Server {
    Server::start(answering(answers)).await
}

/// Gives these answers by the last part of the path.
fn answering(answers: Value) -> impl Fn(&str) -> Response + Clone + Send + std::marker::Sync + 'static {
    move |route| match &answers[route] {
        Value::Null => StatusCode::NOT_FOUND.into_response(),
        answer => ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response(),
    }
}

async fn with(test: &TestStore, field: &str, value: &Value) -> Server {
    let mut answers = answers(test).await;
    for route in REQUESTS {
        answers[route][field] = value.clone();
    }
    serving(answers).await
}

async fn an_epoch_that_cannot_be_right_leaves_no_trace(test: TestStore) {
    let too_far = [EPOCH + MAX_EPOCH_LEAD + 1, MAX_EPOCH, MAX_EPOCH + 1, i64::MAX];
    let epochs = too_far.map(|epoch| json!(epoch)).into_iter();
    for epoch in epochs.chain([json!(1_u64 << 63), json!(EPOCH - 1), json!(0), json!(i64::MIN)]) {
        let server = with(&test, "epoch", &epoch).await;
        assert_nothing_taken(&TestStore::new(test.engine()).await, &server).await;
    }
}

async fn an_answer_of_another_cluster_leaves_no_trace(test: TestStore) {
    let server = with(&test, "clusterId", &json!(Uuid::from_u128(8))).await;
    assert_nothing_taken(&test, &server).await;
}

async fn a_redirect_moves_no_token(test: TestStore) {
    let target = serving(answers(&test).await).await;
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT] {
        let url: Url = target.url.parse().unwrap();
        let server = Server::start(move |route| {
            let location = url.join(&format!("/sync/api/{route}")).unwrap().to_string();
            (status, [(header::LOCATION, location)]).into_response()
        })
        .await;
        assert_nothing_taken(&TestStore::new(test.engine()).await, &server).await;
    }
    assert!(target.asked.lock().unwrap().is_empty());
}

async fn an_endless_answer_is_cut_off(test: TestStore) {
    let server = Server::start(|route| {
        if route == "endpoints" {
            // It may be so long that its end would not come within this test.
            return StatusCode::NOT_FOUND.into_response();
        }
        let part = Bytes::from(vec![b' '; 1 << 20]);
        Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(part.clone()))).into_response()
    })
    .await;
    assert_nothing_taken(&test, &server).await;
}

async fn endless_results_do_not_keep_a_mirror_from_its_other_work(test: TestStore) {
    let mut answers = answers(&test).await;
    answers["failover-order"]["primary"] = json!(id(1));
    answers["results"] = json!({
        "results": [], "cursor": format!("{}:1", id(1)), "more": true, "timestamp": "2026-11-26T12:00:00Z",
    });
    let server = serving(answers).await;
    let store = dependent(&test, &server.url).await;
    work_until_asked(2, &[&REQUESTS[..], &["results"]].concat(), &store, &server).await;
}

/// Each takes longer than the time between two synchronisations.
async fn slow_configurations_do_not_keep_a_dependent_from_its_other_work(test: TestStore) {
    let mut answers = answers(&test).await;
    answers["failover-order"]["primary"] = json!(id(1));
    let server = Server::slow("endpoints", Duration::from_millis(150), answering(answers)).await;
    let store = dependent(&test, &server.url).await;
    work_until_asked_twice(&store, &server).await;
}

/// Each request that sends some takes so long that there are more.
async fn results_that_arrive_faster_than_they_are_sent_do_not_keep_a_dependent_from_its_other_work(test: TestStore) {
    let mut answers = answers(&test).await;
    answers["failover-order"]["primary"] = json!(id(1));
    answers["results"] = json!({
        "results": [], "cursor": format!("{}:1", id(1)), "more": false, "timestamp": "2026-11-26T12:00:00Z",
    });
    let server = Server::slow("heartbeat", Duration::from_millis(100), answering(answers)).await;
    let store = dependent(&test, &server.url).await;
    let probe = test.probe("p1", "eu").await;
    let results = async {
        loop {
            let peers = store.export_peers().await.unwrap();
            for peer in &peers {
                let now = Timestamp::now();
                test.ingest(batch(&probe, vec![online(peer.id, now)], now)).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // It looks for results every second, so it would not get so far if it never stopped then.
    tokio::select! {
        () = results => {},
        () = work_until_asked(20, &["endpoints", "results"], &store, &server) => {},
    }
}

/// As when it hears later from the former primary, which the dependent followed before, what that one added.
async fn results_of_a_peer_that_the_primary_does_not_know_yet_are_sent_again(test: TestStore) {
    let mut answers = answers(&test).await;
    answers["failover-order"]["primary"] = json!(id(1));
    answers["heartbeat"]["rejected"] = json!([{"index": 0, "reason": "unknown_peer"}]);
    let server = serving(answers).await;
    let store = dependent(&test, &server.url).await;
    let probe = test.probe("p1", "eu").await;
    let results = async {
        while store.export_peers().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let now = Timestamp::now();
        let peer = store.export_peers().await.unwrap()[0].id;
        test.ingest(batch(&probe, vec![online(peer, now)], now)).await.unwrap();
        while server.sent.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = results => {},
        () = work_until_asked(usize::MAX, &["heartbeat"], &store, &server) => {},
    }
    let sent = server.sent.lock().unwrap();
    assert!(sent.iter().all(|ids| *ids == sent[0]), "{sent:?}");
}
