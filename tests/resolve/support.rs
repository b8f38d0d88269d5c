//! What the tests of this folder share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use easytier_probe::{AddressPolicy, Failure, Origin, Peer, Resolver, resolve::Resolved};
use hickory_resolver::proto::rr::RData;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::dns::name_server;

pub const PRIVATE_ALLOWED: AddressPolicy = AddressPolicy { allow_private: true, allow_local: false };

/// The targets of `url`, each as `scheme address:port`.
#[track_caller]
pub fn resolved<'a>(resolver: &'a Resolver, url: &str, origin: Origin) -> impl Future<Output = Vec<String>> + use<'a> {
    let peer = peer(url, origin);
    async move {
        let resolved = resolver.resolve(&peer, in_good_time()).await;
        let Resolved { targets, .. } = resolved.unwrap_or_else(|failure| panic!("{}: {failure}", peer.url));
        targets.iter().map(|target| format!("{} {}", target.url.protocol(), target.address)).collect()
    }
}

pub fn peer(url: &str, origin: Origin) -> Peer {
    Peer { origin, ..Peer::local(1, url.parse().unwrap()) }
}

/// A deadline that no test waits for.
pub fn in_good_time() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// The failure to resolve `url`, whose message must fit into a result.
pub async fn refused(resolver: &Resolver, url: &str, origin: Origin) -> Failure {
    refused_by(resolver, &peer(url, origin), in_good_time()).await
}

/// The failure to resolve the URL of `peer` before `deadline`.
pub async fn refused_by(resolver: &Resolver, peer: &Peer, deadline: Instant) -> Failure {
    let failure = resolver.resolve(peer, deadline).await.expect_err(&peer.url.full());
    assert!(failure.message.chars().count() < 300, "{failure}");
    assert!(!failure.message.ends_with('.'), "{failure}");
    failure
}

/// A resolver without name servers.
pub fn no_dns(policy: AddressPolicy) -> Resolver {
    Resolver::with_name_servers(policy, &[])
}

/// A resolver with a name server that has these records.
pub async fn resolver<'a>(policy: AddressPolicy, zone: impl IntoIterator<Item = (&'a str, RData)>) -> Resolver {
    Resolver::with_name_servers(policy, &[name_server(zone).await])
}

/// A web server that gives every request the same answer, and records the requests.
pub struct WebServer {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

pub async fn web_server(answer: Vec<u8>) -> WebServer {
    web_server_of(move |_| answer.clone()).await
}

/// A web server whose `answer` depends on the request.
pub async fn web_server_of(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> WebServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            let answer = answer(&request);
            kept.lock().unwrap().push(request);
            // The client may close the connection before the end.
            let _ = stream.write_all(&answer).await;
        }
    });
    WebServer { address, requests }
}

pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap() > 0 {}
    String::from_utf8(request).unwrap()
}

pub fn redirect(status: &str, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

pub fn list(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A listener that never answers, and notices connections.
pub struct Closed(std::net::TcpListener);

impl Closed {
    pub fn bind() -> Self {
        // Of both families, so that it notices every spelling of the loopback address.
        let listener = std::net::TcpListener::bind("[::]:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.0.local_addr().unwrap().port())
    }

    pub fn was_connected_to(&self) -> bool {
        self.0.accept().is_ok()
    }
}
