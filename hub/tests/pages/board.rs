//! What visitors read from memory: versions of pages, and pages while the database does not answer.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use easytier_uptime_hub::Freshness;
use easytier_uptime_store::domain::Timestamp;
use tokio::time::timeout;

use crate::{
    add,
    http::{PublicHub, Reply},
    hub, named, page,
    public::listed,
    report,
    support::{Engine, TestStore, on_both_engines, online, seconds},
};

on_both_engines! {
    a_caller_that_has_the_newest_version_gets_no_body,
    pages_stay_up_without_the_database_and_say_so,
    visitors_see_a_change_soon_without_waiting_for_the_database,
}

async fn get_unless(hub: &PublicHub, path: &str, tag: &str) -> Reply {
    hub.send(Request::get(path).header("accept", "text/html").header("if-none-match", tag), "").await
}

async fn a_caller_that_has_the_newest_version_gets_no_body(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    for path in ["/".to_owned(), "/?search=shang".to_owned(), "/api/nodes".to_owned(), format!("/api/nodes/{peer}")] {
        let first = get_unless(&hub, &path, "\"none\"").await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!((first.status, first.header("cache-control")), (StatusCode::OK, Some("no-cache")), "{path}");
        assert!(first.header("vary").unwrap().contains("accept-encoding"), "{first:?}");
        let same = get_unless(&hub, &path, &tag).await;
        assert_eq!((same.status, same.body.len(), same.header("etag")), (StatusCode::NOT_MODIFIED, 0, Some(&*tag)));

        let other = named(&format!("Shanghai {path}"), &format!("tcp://{}.example.net:1", uuid::Uuid::new_v4()));
        let other = add(&hub, &other).await;
        let changed = get_unless(&hub, &path, &tag).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
        assert_ne!(changed.header("etag"), Some(&*tag));
        hub.delete_peer(other, Timestamp::now()).await.unwrap();
    }
    // The same address in another language or theme is another page.
    let tags: Vec<String> = [("en", ""), ("zh", ""), ("en", "uptime_theme=dark"), ("en", "uptime_theme=light")]
        .map(|(language, cookie)| {
            let request = Request::get("/").header("accept-language", language).header("cookie", cookie);
            hub.send(request, "")
        })
        .into_iter()
        .collect::<futures::future::JoinAll<_>>()
        .await
        .iter()
        .map(|reply| reply.header("etag").unwrap().to_owned())
        .collect();
    let different: std::collections::BTreeSet<&String> = tags.iter().collect();
    assert_eq!(different.len(), tags.len(), "{tags:?}");
}

async fn pages_stay_up_without_the_database_and_say_so(store: TestStore) {
    let peer = store.add_peer(&named("Shanghai 2", "tcp://node.example.net:11010"), Timestamp::now()).await.unwrap();
    let hub = hub::TestHub::on(&store).await;
    let text = async |path: &str| {
        let reply = hub.get(path).header("accept", "text/html").send().await.unwrap();
        let stale = reply.headers().get("x-uptime-stale-since").cloned();
        (reply.status().as_u16(), stale, reply.text().await.unwrap())
    };
    let paths = ["/", "/probes", "/map", "/api/nodes", "/api/tags", "/events.atom"].map(str::to_owned);
    let of_node = [format!("/api/nodes/{peer}"), format!("/node/{peer}"), format!("/badge/{peer}/status.svg")];
    let paths: Vec<String> = paths.into_iter().chain(of_node).collect();
    for path in &paths {
        let (status, stale, _) = text(path).await;
        assert_eq!((status, stale), (200, None), "{path}");
    }
    hub.store.close().await;
    for path in &paths {
        assert_eq!(text(path).await.0, 200, "{path}");
    }
    for path in ["/", "/api/nodes"] {
        let (_, stale, text) = text(path).await;
        assert!(stale.is_some() && text.contains("Shanghai 2"), "{path}: {text}");
    }
    let node = format!("/nodes/{peer}");
    assert!(text(&node).await.2.contains("The history of this node cannot be read at the moment"));
    for path in ["/", "/probes", "/map", &node] {
        assert!(text(path).await.2.contains("The hub cannot reach its database at the moment"), "{path}");
    }
    let (status, _, health) = text("/health").await;
    assert!(status == 503 && health.contains("; nodes are shown as they were at 20"), "{health}");
}

async fn visitors_see_a_change_soon_without_waiting_for_the_database(store: TestStore) {
    let peer = store.add_peer(&named("Shanghai 2", "tcp://node.example.net:11010"), Timestamp::now()).await.unwrap();
    let hub = hub::TestHub::with(&store, |options| options.freshness = Freshness::Behind).await;
    let until = async |words: &str| {
        let shown = async {
            loop {
                let page = hub.get("/").send().await.unwrap().text().await.unwrap();
                if page.contains(words) {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(seconds(60), shown).await.expect(words)
    };
    until("<b>1</b> Unknown").await;
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), Timestamp::now()).await.unwrap();
    store.heartbeat(&probe, None, Timestamp::now()).await.unwrap();
    store.report(&probe, vec![online(peer, Timestamp::now())], Timestamp::now()).await;
    // The verdict comes without the other figures, and the history after it.
    let page = until("<b>1</b> Online").await;
    assert_eq!(listed(&page), ["Shanghai 2"]);
    store.add_peer(&named("Beijing", "tcp://other.example.net:11010"), Timestamp::now()).await.unwrap();
    until("Beijing").await;
    hub.store.close().await;
    until("Shanghai 2").await;
}

#[tokio::test]
async fn a_list_has_the_history_of_its_nodes() {
    let hub = PublicHub::over(TestStore::new(Engine::Sqlite).await).await;
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let now = Timestamp::now();
    report(&hub, &probe, vec![online(peer, now - seconds(7200)), online(peer, now - seconds(3600)), online(peer, now)])
        .await;
    let list = page(&hub, "/").await;
    assert_eq!(list.matches("<dd>100%</dd>").count(), 3, "{list}");
    let line = list.split("<polyline").nth(1).expect("a line of latencies").split('>').next().unwrap();
    assert_eq!(line.matches(',').count(), 3, "a point for each hour: {line}");
}
