//! Lists of nodes that a hub follows: fetched from a web server, and managed by the API.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use easytier_probe::peer_list::ListProblem;
use easytier_uptime_hub::{
    service::password,
    sources::{self, Try},
};
use easytier_uptime_store::domain::{DAY, ListFault, Source, SourceId, SourceProblem, SourceSpec, Timestamp};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    hub::{TestHub, send},
    support::{Engine, NOW, TestStore, on_both_engines, seconds},
};

on_both_engines! {
    a_list_on_a_web_server_is_followed,
    a_node_of_a_trusted_source_is_listed_for_probes_as_soon_as_the_source_is_added,
}

const HOUR: Duration = seconds(3600);

/// What a web server says, and how often it said the whole of it.
struct Says {
    status: StatusCode,
    text: String,
    times: usize,
}

/// A web server with a list.
struct Site {
    url: String,
    says: Arc<Mutex<Says>>,
}

impl Site {
    async fn start(list: &[&str]) -> Self {
        let says = Arc::new(Mutex::new(Says { status: StatusCode::OK, text: list.join("\n"), times: 0 }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/nodes.txt?key=s3cr3t", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&says));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, says }
    }

    fn says(&self, status: u16, list: &[&str]) {
        let mut says = self.says.lock().unwrap();
        says.status = StatusCode::from_u16(status).unwrap();
        says.text = list.join("\n");
    }

    fn times(&self) -> usize {
        self.says.lock().unwrap().times
    }
}

/// The list, with its text as its version.
async fn answer(State(says): State<Arc<Mutex<Says>>>, headers: HeaderMap) -> Response {
    let mut says = says.lock().unwrap();
    let version = format!("\"{}\"", says.text.replace(|c: char| !c.is_ascii_graphic() || c == '"', "-"));
    if says.status == StatusCode::OK && headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *version) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    says.times += 1;
    (says.status, [(header::ETAG, version)], says.text.clone()).into_response()
}

async fn try_at(store: &TestStore, id: SourceId, now: Timestamp) -> Try {
    let source = store.source(id).await.unwrap();
    sources::try_now(store, &source, now).await.unwrap()
}

async fn approved(store: &TestStore) -> usize {
    store.export_peers().await.unwrap().iter().filter(|peer| peer.approved).count()
}

const NODES: [&str; 4] =
    ["tcp://192.0.2.1:11010", "tcp://192.0.2.2:11010", "tcp://192.0.2.3:11010", "tcp://192.0.2.4:11010"];

async fn a_list_on_a_web_server_is_followed(store: TestStore) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let site = Site::start(&[&NODES[..], &["tcp://****:11010", "tcp://192.0.2.1:11010"]].concat()).await;
    let spec = SourceSpec { name: "site".into(), url: site.url.as_str().into(), every: HOUR, trusted: true };
    let id = store.add_source(&spec, NOW).await.unwrap();
    let first = try_at(&store, id, NOW).await;
    assert_eq!((first.changes.added, first.refused), (4, 1));
    assert!(first.refusals[0].starts_with("line 5: ") && first.refusals[0].contains("masked"), "{first:?}");
    let pause = async || {
        let source = store.source(id).await.unwrap();
        source.due_at.since(source.tried_at.unwrap())
    };
    assert!((HOUR * 9 / 10..=HOUR * 11 / 10).contains(&pause().await));

    // The version is asked for, and a list that has not changed is not sent again.
    let again = try_at(&store, id, NOW + seconds(1)).await;
    assert!(again.problem.is_none() && again.changes.is_none() && site.times() == 1, "{again:?}");

    let unreadable = |found: Try| match found.problem {
        Some(SourceProblem::Unreadable { cause, fault }) => (cause, fault),
        other => panic!("{other:?}"),
    };
    site.says(503, &NODES);
    let (cause, fault) = unreadable(try_at(&store, id, NOW + seconds(2)).await);
    assert!(cause.contains("503") && !cause.contains("s3cr3t"), "{cause}");
    assert_eq!(fault, ListFault::Answered { status: 503 });
    assert!((seconds(540)..=seconds(660)).contains(&pause().await), "it is tried again earlier");
    site.says(200, &["<html>"]);
    let (cause, fault) = unreadable(try_at(&store, id, NOW + seconds(3)).await);
    assert!(cause.contains("web page") && fault == ListFault::NotAList(ListProblem::WebPage), "{cause}");
    for (list, problem) in [
        (&[][..], SourceProblem::Empty),
        (&["tcp://****:1"], SourceProblem::Empty),
        (&NODES[..1], SourceProblem::Short { listed: 1, before: 4 }),
    ] {
        site.says(200, list);
        assert_eq!(try_at(&store, id, NOW + seconds(4)).await.problem, Some(problem));
    }
    assert_eq!(approved(&store).await, 4);

    // Half of it is not less than half. What is gone is watched for a day.
    site.says(200, &NODES[..2]);
    assert_eq!(try_at(&store, id, NOW + seconds(5)).await.problem, None);
    assert_eq!(try_at(&store, id, NOW + DAY).await.changes.dropped, 0);
    assert_eq!(try_at(&store, id, NOW + seconds(5) + DAY).await.changes.dropped, 2);
    assert_eq!(approved(&store).await, 2);
    site.says(200, &NODES);
    assert_eq!(try_at(&store, id, NOW + DAY * 2).await.changes.restored, 2);

    // The operator may take a list that is much shorter.
    site.says(200, &NODES[..1]);
    assert!(try_at(&store, id, NOW + DAY * 2).await.problem.is_some());
    let asked = Source { takes_short: true, ..store.source(id).await.unwrap() };
    assert_eq!(sources::try_now(&store, &asked, NOW + DAY * 2).await.unwrap().problem, None);
    assert_eq!(store.source(id).await.unwrap().listed, 1);
}

async fn log_in(hub: &TestHub) -> String {
    password::set(&hub.store, &"a password".into(), Timestamp::now()).await.unwrap();
    let login = send(hub.post("/api/admin/login", &json!({ "password": "a password" }))).await;
    login.body["data"]["token"].as_str().unwrap().to_owned()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(120), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

/// Well within a minute.
async fn a_node_of_a_trusted_source_is_listed_for_probes_as_soon_as_the_source_is_added(store: TestStore) {
    let hub = TestHub::on(&store).await;
    let (admin, stop) = (log_in(&hub).await, CancellationToken::new());
    let (followed, stopped) = (hub.store.clone(), stop.clone());
    let following = tokio::spawn(async move { sources::follow(&followed, &stopped).await });
    let site = Site::start(&NODES).await;
    let body = json!({ "url": site.url, "trusted": true });
    let added = send(hub.post("/api/admin/sources", &body).bearer_auth(&admin)).await;
    assert_eq!(added.status, 200, "{added:?}");
    let listed = async || send(hub.get("/peers")).await.data()["peers"].as_array().unwrap().len();
    until("the nodes are listed", async || listed().await == 4).await;

    let list = async || send(hub.get("/api/admin/sources").bearer_auth(&admin)).await.body["data"][0].clone();
    until("the source is read", async || list().await["read_at"].is_string()).await;
    // The operator asks for it; otherwise it is fetched in ten minutes.
    site.says(200, &NODES[..3]);
    let ask = send(hub.post("/api/admin/sources/1/fetch", &json!({})).bearer_auth(&admin)).await;
    assert_eq!(ask.status, 200, "{ask:?}");
    until("it is fetched again", async || list().await["listed"] == 3).await;
    stop.cancel();
    following.await.unwrap();
    assert_eq!(hub.store.held_duties().sources, 1);
}

#[tokio::test]
async fn sources_are_added_listed_and_removed_without_secrets() {
    let store = TestStore::new(Engine::Sqlite).await;
    let own = "https://status.example/uptime/";
    let hub = TestHub::with(&store, |options| options.public_url = Some(own.parse().unwrap())).await;
    let admin = log_in(&hub).await;
    let add = async |body: Value| send(hub.post("/api/admin/sources", &body).bearer_auth(&admin)).await;
    let url = "https://reader:s3cr3t@site.example/nodes?key=s3cr3t";
    let added = add(json!({ "url": url, "every": "1h" })).await;
    assert_eq!(added.status, 200, "{added:?}");
    let source = &added.body["data"];
    assert_eq!(
        (&source["name"], &source["url"], &source["every"], &source["trusted"], &source["read_at"]),
        (&json!("site.example"), &json!("https://site.example/nodes"), &json!("1h"), &json!(false), &Value::Null)
    );
    assert!(!added.body.to_string().contains("s3cr3t"));
    for (body, status, said) in [
        (json!({ "url": url }), 409, "followed already"),
        (json!({ "url": "" }), 400, "url: it is missing"),
        (json!({ "url": "ftp://site.example/" }), 400, "http or https"),
        (json!({ "url": "nodes.txt" }), 400, "http or https"),
        (json!({ "url": "https://x.example", "every": "5s" }), 400, "every: "),
        (json!({ "url": "https://x.example", "every": "often" }), 400, "every: "),
        (json!({ "url": "https://x.example", "name": "\u{7}" }), 400, "name: "),
        (json!({ "url": "https://x.example", "trust": true }), 400, "trust"),
        // It need not follow itself; a list beside it is another one.
        (json!({ "url": "https://status.example/uptime/api/nodes?page=1" }), 400, "this hub itself"),
        (json!({ "url": "https://STATUS.example:443/uptime" }), 400, "this hub itself"),
        (json!({ "url": "https://status.example/nodes.txt", "name": "beside" }), 200, "beside"),
    ] {
        let reply = add(body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.body.to_string().contains(said), "{body}: {reply:?}");
    }
    let list = async || send(hub.get("/api/admin/sources").bearer_auth(&admin)).await;
    assert_eq!(list().await.body["data"].as_array().unwrap().len(), 2);
    assert_eq!(send(hub.get("/api/admin/sources")).await.status, 401);
    let remove = async |id: i64| {
        let path = format!("/api/admin/sources/{id}");
        send(hub.request(reqwest::Method::DELETE, &path).bearer_auth(&admin)).await.status
    };
    assert_eq!((remove(1).await, remove(1).await), (200, 404));
    let nothing = send(hub.post("/api/admin/sources/1/fetch", &json!({})).bearer_auth(&admin)).await;
    assert_eq!(nothing.status, 404);
    let metrics = send(hub.get("/metrics")).await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(
        metrics.contains(r#"easytier_uptime_source_last_success_timestamp_seconds{source="2",name="beside"} 0"#),
        "{metrics}"
    );
}
