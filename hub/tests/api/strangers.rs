//! What strangers can take from others: nothing.

use std::{net::SocketAddr, time::Duration};

use easytier_uptime_hub::service::password;
use easytier_uptime_store::domain::Timestamp;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    hub::{TestHub, batch_of, good, send},
    support::{Engine, TestStore, spec},
};

const SOON: Duration = Duration::from_secs(15);

/// A hub behind a proxy, so that a test can act as several callers.
async fn behind_a_proxy() -> TestHub {
    let store = TestStore::new(Engine::Sqlite).await;
    TestHub::with(&store, |options| options.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await
}

fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request.header("x-forwarded-for", address)
}

/// A login that costs the hub no hash, because its body has no password.
async fn empty_login(hub: &TestHub, address: &str) -> u16 {
    send(from(hub.post("/api/admin/login", &json!({})), address)).await.status
}

#[tokio::test]
async fn strangers_with_many_addresses_do_not_keep_the_admin_out() {
    let hub = behind_a_proxy().await;
    password::set(&hub.store, &"right".into(), Timestamp::now()).await.unwrap();
    let login = |address: &str| from(hub.post("/api/admin/login", &json!({ "password": "right" })), address);
    assert_eq!(send(login("203.0.113.7")).await.status, 200);
    use_up_logins(&hub).await;
    for nth in 0..5 {
        // Time gives strangers a login every half second.
        for other in 0..10 {
            empty_login(&hub, &format!("10.{nth}.{other}.1")).await;
        }
        assert_eq!(send(login("203.0.113.7")).await.status, 200);
    }
}

/// Logs in from one address after the other until the limit of all is reached.
async fn use_up_logins(hub: &TestHub) {
    for nth in 0..255 {
        if empty_login(hub, &format!("192.0.{nth}.1")).await == 429 {
            return;
        }
        for _ in 0..9 {
            empty_login(hub, &format!("192.0.{nth}.1")).await;
        }
    }
    panic!("there is no limit");
}

#[tokio::test]
async fn an_address_with_a_session_is_not_kept_out_either() {
    let hub = behind_a_proxy().await;
    password::set(&hub.store, &"right".into(), Timestamp::now()).await.unwrap();
    let login = |address: &str| from(hub.post("/api/admin/login", &json!({ "password": "right" })), address);
    let token = send(login("203.0.113.7")).await.body["data"]["token"].as_str().unwrap().to_owned();
    // As after a restart, or at another hub on the same database.
    let elsewhere =
        TestHub::with(&hub.test, |options| options.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let verify = from(elsewhere.get("/api/admin/verify"), "203.0.113.7").bearer_auth(token);
    assert_eq!(send(verify).await.status, 200);
    use_up_logins(&elsewhere).await;
    let login = elsewhere.post("/api/admin/login", &json!({ "password": "right" }));
    assert_eq!(send(from(login, "203.0.113.7")).await.status, 200);
}

#[tokio::test]
async fn one_ipv6_site_is_one_stranger() {
    let hub = behind_a_proxy().await;
    let mut allowed = 0;
    for nth in 0..60 {
        for _ in 0..4 {
            allowed += usize::from(empty_login(&hub, &format!("[2001:db8:7:{nth:x}::1]:4711")).await == 400);
        }
    }
    // A busy machine makes so few requests a second that some are permitted again.
    assert!((40..120).contains(&allowed), "{allowed}: four times the limit of one network");
    assert_eq!(empty_login(&hub, "2001:db8:8::1").await, 400);
}

#[tokio::test]
async fn the_body_of_a_stranger_is_short() {
    let hub = behind_a_proxy().await;
    let long = "x".repeat(64 << 10);
    let body = json!({ "password": long, "host": long });
    for path in ["/api/admin/login", "/api/nodes", "/api/test_connection"] {
        let refused = send(hub.post(path, &body)).await;
        assert_eq!(refused.status, 413, "{path}: {refused:?}");
        assert!(refused.body["error"].as_str().unwrap().ends_with("longer than 64 KiB"), "{refused:?}");
    }
    for path in ["/submit", "/admin/login"] {
        let form = hub.request(reqwest::Method::POST, path).header("origin", &hub.url).body(format!("password={long}"));
        assert_eq!(send(form).await.status, 413, "{path}");
    }
}

/// The status of the response to a request whose body never comes.
async fn without_body(hub: &TestHub, path: &str) -> String {
    let address: SocketAddr = hub.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A caller that waits for permission is told at once.
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\ncontent-length: 1000\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = vec![0; "HTTP/1.1 429".len()];
    timeout(SOON, stream.read_exact(&mut line)).await.expect("a response").unwrap();
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn the_limit_is_asked_before_the_body_is_read() {
    for (path, permitted) in [
        ("/api/admin/login", 10),
        ("/admin/login", 10),
        ("/api/nodes", 60),
        ("/api/test_connection", 60),
        ("/submit", 60),
    ] {
        let hub = behind_a_proxy().await;
        let mut statuses = Vec::new();
        // A busy machine makes so few requests a second that some are permitted again.
        while statuses.last().is_none_or(|status| status == "HTTP/1.1 100") && statuses.len() < 10 * permitted {
            statuses.push(without_body(&hub, path).await);
        }
        assert!(statuses.len() > permitted, "{path}: {statuses:?}");
        assert_eq!(statuses.last().unwrap(), "HTTP/1.1 429", "{path}: {statuses:?}");
    }
}

#[tokio::test]
async fn a_probe_that_sends_slowly_keeps_no_other_waiting() {
    let hub = behind_a_proxy().await;
    let address: SocketAddr = hub.url.strip_prefix("http://").unwrap().parse().unwrap();
    let (slow, quick) = (hub.token("slow", "eu").await, hub.token("quick", "eu").await);
    let peer = hub.peer("tcp://192.0.2.1:11010").await;
    let mut trickling = Vec::new();
    for nth in 0..64 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /results HTTP/1.1\r\nhost: {address}\r\nx-node-token: {slow}\r\nexpect: 100-continue\r\n\
             content-length: 4000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        if nth == 0 {
            // The hub waits for the rest of it.
            timeout(SOON, stream.read_exact(&mut [0; 12])).await.expect("a response").unwrap();
        }
        trickling.push(stream);
    }
    let batch = hub.post("/results", &batch_of(&[good(peer)])).header("x-node-token", quick);
    let reply = timeout(SOON, send(batch)).await.expect("it does not wait for the others");
    assert_eq!(reply.data()["accepted"], 1);
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_told_of() {
    let store = TestStore::new(Engine::Sqlite).await;
    let direct = TestHub::on(&store).await;
    assert_eq!(send(direct.get("/health")).await.body["data"], Value::Null);
    send(from(direct.get("/api/tags"), "192.0.2.1")).await;
    let health = send(direct.get("/health")).await;
    let warnings = health.body["data"]["warnings"].as_array().unwrap_or_else(|| panic!("{health:?}"));
    assert_eq!((health.status, &health.body["success"], warnings.len()), (200, &true.into(), 1));
    assert!(warnings[0].as_str().unwrap().contains("TRUSTED_PROXIES"), "{warnings:?}");

    let hub = behind_a_proxy().await;
    send(from(hub.get("/api/tags"), "192.0.2.1")).await;
    assert_eq!(send(hub.get("/health")).await.body["data"], Value::Null);
}

#[tokio::test]
async fn a_stranger_gets_short_pages_of_peers() {
    let hub = behind_a_proxy().await;
    let specs: Vec<_> = (0..501).map(|nth| spec(&format!("tcp://192.0.2.1:{}", 2000 + nth))).collect();
    hub.store.import_peers(&specs, Timestamp::now()).await.unwrap();
    let count = async |request: RequestBuilder| send(request).await.data()["peers"].as_array().unwrap().len();
    assert_eq!(count(hub.get("/peers?count=5000")).await, 500);
    let key = hub.api_key().await;
    assert_eq!(count(hub.get("/peers?count=5000").header("x-api-key", key)).await, 501);
    let rest = send(hub.get("/peers?count=5000&cursor=500")).await;
    assert_eq!((rest.data()["peers"].as_array().unwrap().len(), &rest.data()["next_cursor"]), (1, &Value::Null));
}
