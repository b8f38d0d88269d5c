//! The address policy: strangers may choose the peers, and the function's private network belongs to others.

use std::net::SocketAddr;

use axum::{Router, http::header::LOCATION, response::IntoResponse};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{function::Function, hub::Hub, node};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_local_and_metadata_addresses_are_refused() {
    let peers = [
        node::url(5),
        "tcp://10.0.0.1:11010".to_owned(),
        "udp://192.168.1.1:11010".to_owned(),
        "tcp://[fd00:ec2::254]:80".to_owned(),
        "tcp://[::1]:11010".to_owned(),
        "tcp://localhost:11010".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "ws://[::ffff:169.254.169.254]:80".to_owned(),
    ];
    let mut function = Function::start::<&str>([]).await;
    let answer = function.answer(json!({"peers": peers})).await;
    assert_eq!(answer["failures"], json!({"forbidden_address": peers.len()}), "{answer}");

    let (_hub, mut variables) = Hub::with_peers(&peers).await;
    variables.retain(|(name, _)| *name != "ALLOW_LOCAL_PEERS");
    let answer = Function::start(variables).await.answer(json!({})).await;
    assert_eq!(answer["failures"], json!({"forbidden_address": peers.len()}), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_behind_an_http_peer_are_refused_too() {
    let private = redirecting_to("tcp://10.0.0.1:11010").await;
    let node = redirecting_to(&node::url(6)).await;
    let mut function = Function::start([("ALLOW_LOCAL_PEERS", "true")]).await;
    let answer = function.answer(json!({"peers": [format!("http://{private}"), format!("http://{node}")]})).await;
    assert_eq!((&answer["failures"], &answer["online"]), (&json!({"forbidden_address": 1}), &json!(1)), "{answer}");
}

/// An http peer that redirects to `peer`.
async fn redirecting_to(peer: &str) -> SocketAddr {
    let location = peer.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move || async move { (axum::http::StatusCode::FOUND, [(LOCATION, location)]).into_response() };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
