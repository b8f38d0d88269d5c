//! The nodes from memory: they are what a daemon reads from its database.

use std::{sync::Arc, time::Duration};

use easytier_uptime_hub::serve;
use easytier_uptime_monitor::ProbeStatus;
use easytier_uptime_store::domain::{PeerSpec, Timestamp};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::{
    hub::TestHub,
    support::{TestStore, offline, on_both_engines, online, spec},
};

on_both_engines! {
    a_hub_lists_from_memory_what_a_daemon_reads_from_its_database,
    a_list_is_compressed_for_whoever_reads_that,
}

struct Working(Registry);

impl ProbeStatus for Working {
    fn server_id(&self) -> &str {
        "own"
    }

    fn health(&self) -> Result<String, String> {
        Ok("it works".to_owned())
    }

    fn metrics(&self) -> &Registry {
        &self.0
    }
}

async fn a_hub_lists_from_memory_what_a_daemon_reads_from_its_database(store: TestStore) {
    let now = Timestamp::now();
    let names = ["Shanghai 100%", "ÄRGER_node", "ärger", "ПРИВЕТ \\ 中文", "plain", "İstanbul"];
    let urls = [
        "tcp://a.example.net:1",
        "udp://B.example.net:2",
        "wss://c.example.net/P%41th",
        "txt://d.example.net",
        "quic://[2001:db8::1]:5",
        "tcp://192.0.2.1:6",
    ];
    let mut peers = Vec::new();
    for (nth, (name, url)) in names.into_iter().zip(urls).enumerate() {
        let tags = [["x", "y"], ["y", "z"], ["国内", "x"]][nth % 3].map(|tag| tag.parse().unwrap()).into();
        let peer = PeerSpec { name: name.into(), description: format!("Node_{nth} of SIX"), tags, ..spec(url) };
        peers.push(store.add_peer(&peer, now).await.unwrap());
    }
    let probe = store.local_probe("p1", &"eu".parse().unwrap(), now).await.unwrap();
    store.heartbeat(&probe, None, now).await.unwrap();
    store.report(&probe, vec![online(peers[0], now), online(peers[1], now), offline(peers[2], now)], now).await;
    store.submit(&spec("tcp://waiting.example.net:1"), 1, now).await.unwrap().unwrap();

    let hub = TestHub::on(&store).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let daemon = format!("http://{}", listener.local_addr().unwrap());
    let router =
        easytier_uptime_monitor::router(store.store.clone(), Arc::new(Working(Registry::default())), None, None);
    let server = tokio::spawn(serve(listener, router, std::future::pending(), Duration::ZERO));
    let read = async |base: &str, path: &str| {
        let reply = hub.client.get(format!("{base}{path}")).send().await.unwrap();
        (reply.status(), reply.headers()["content-type"].clone(), reply.text().await.unwrap())
    };
    let mut paths: Vec<String> = [
        "",
        "per_page=2",
        "per_page=2&page=2",
        "page=99",
        "is_active=true",
        "is_active=false",
        "protocol=udp",
        "protocol=txt",
        "search=100%25",
        "search=_",
        "search=%5C",
        "search=ärger",
        "search=ÄRGER",
        "search=NODE_",
        "search=of%20six",
        "search=b.EXAMPLE",
        "search=example.net:2",
        "search=p%2541th",
        "search=привет",
        "search=中文",
        "search=%20",
        "search=%00a",
        "search=istanbul",
        "tags=x",
        "tags=X",
        "tags=x&tags=z",
        "tags=国内&is_active=true&search=a",
        "search=of&protocol=tcp&per_page=1&page=2",
    ]
    .iter()
    .map(|query| format!("/api/nodes?{query}"))
    .collect();
    paths.extend(peers.iter().flat_map(|peer| [format!("/api/nodes/{peer}"), format!("/node/{peer}")]));
    paths.extend(["/api/nodes/9999", "/node/9999", "/api/tags"].map(str::to_owned));
    for path in paths {
        assert_eq!(read(&hub.url, &path).await, read(&daemon, &path).await, "{path}");
    }
    server.abort();
}

async fn a_list_is_compressed_for_whoever_reads_that(store: TestStore) {
    for nth in 0..50 {
        store.add(&format!("tcp://192.0.2.{nth}:11010")).await;
    }
    let hub = TestHub::on(&store).await;
    let plain = hub.get("/api/nodes?per_page=50").header("accept-encoding", "identity").send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    let zipped = hub.get("/api/nodes?per_page=50").send().await.unwrap();
    // reqwest asks for gzip, and removes the header when it has decoded the body.
    assert!(!zipped.headers().contains_key("content-length"), "{zipped:?}");
    assert_eq!(plain.text().await.unwrap(), zipped.text().await.unwrap());
}
