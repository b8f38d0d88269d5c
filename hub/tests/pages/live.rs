//! The events that make open pages reload their content.

use std::time::Duration;

use easytier_uptime_store::domain::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    add,
    http::PublicHub,
    hub, named, report,
    support::{Engine, TestStore, on_both_engines, online},
};

on_both_engines! {
    open_pages_get_an_event_after_a_change,
}

async fn open_pages_get_an_event_after_a_change(store: TestStore) {
    let hub = PublicHub::over(store).await;
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    let listen = async |stream: &mut TcpStream, received: &mut Vec<u8>, words: &str| {
        let heard = async {
            while !String::from_utf8_lossy(received).contains(words) {
                assert!(
                    stream.read_buf(received).await.unwrap() > 0,
                    "it ended: {}",
                    String::from_utf8_lossy(received)
                );
            }
        };
        let in_time = timeout(Duration::from_secs(60), heard).await.is_ok();
        assert!(in_time, "no {words:?} in {}", String::from_utf8_lossy(received));
    };
    listen(&mut stream, &mut received, ": listening").await;
    for header in ["content-type: text/event-stream", "x-accel-buffering: no"] {
        assert!(String::from_utf8_lossy(&received).contains(header), "{header}");
    }
    // The hub compares later polls with its first one, whose time is unknown. So the test makes changes until it gets an
    // event.
    let peer = add(&hub, &named("Shanghai 2", "tcp://node.example.net:11010")).await;
    let probe = hub.live_probe("p1", "eu").await;
    let changes = async {
        loop {
            report(&hub, &probe, vec![online(peer, Timestamp::now())]).await;
            add(&hub, &named("another", &format!("tcp://{}.example.net:1", uuid::Uuid::new_v4()))).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = listen(&mut stream, &mut received, "event: change") => {}
        () = changes => unreachable!("it goes on"),
    }
}

#[tokio::test]
async fn a_hub_that_stops_ends_the_events() {
    let test = TestStore::new(Engine::Sqlite).await;
    let mut hub = hub::TestHub::on(&test).await;
    let mut stream = TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(": listening") {
        assert!(stream.read_buf(&mut received).await.unwrap() > 0);
    }
    let stopped = hub.begin_stop();
    timeout(Duration::from_secs(60), stream.read_to_end(&mut received)).await.expect("it ends").unwrap();
    assert!(String::from_utf8_lossy(&received).ends_with("0\r\n\r\n"), "in order");
    timeout(Duration::from_secs(60), stopped).await.expect("the hub stops").unwrap().unwrap();
}
