//! WebSockets: TLS, and the upgrade from HTTP.

use std::{net::SocketAddr, sync::LazyLock, time::Duration};

use easytier_probe::{Checker, FailureCode, Resolver, Scheme, Stage, Status};
use rcgen::CertificateParams;
use rustls::{
    pki_types::PrivatePkcs8KeyDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use crate::support::{
    self, LONG, SHORT, assert_failed, assert_online,
    dns::{a, name_server},
    fake::{self, Fake, OnlyFor},
    guest,
    node::{Node, NodeOptions},
    options,
};

/// A node that admits guests.
static NODE: LazyLock<Node> =
    LazyLock::new(|| NodeOptions::listening_on(&[Scheme::Ws]).start(env!("CARGO_BIN_EXE_easytier-uptime")));

/// The address of [`NODE`].
fn node() -> SocketAddr {
    let url = NODE.url(Scheme::Ws);
    SocketAddr::new(url.ip().unwrap(), url.port().unwrap())
}

async fn forward(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    let mut node = TcpStream::connect(node()).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut node).await;
}

#[tokio::test]
async fn a_proxy_that_routes_by_the_server_name_finds_the_node() {
    let zone = ["node.test", "other.test"].map(|name| (name, a([127, 0, 0, 1])));
    let options = options(LONG);
    let resolver = Resolver::with_name_servers(options.addresses, &[name_server(zone).await]);
    let checker = Checker::with_resolver(options, resolver);

    // Clients send this name for an IP address.
    for (name, host) in [("node.test", "node.test"), ("localhost", "127.0.0.1")] {
        let front = fake::tls_with(OnlyFor::name(name), forward).await;
        let peer = |host: &str| guest(format!("wss://{host}:{}", front.address().port()));
        assert_online(&checker.check(&peer(host)).await);
        let other = checker.check(&peer("other.test")).await;
        assert_failed(
            &other,
            FailureCode::TlsFailed,
            Stage::Connect,
            "port open, but TLS failed: received fatal alert",
        );
        assert_eq!(other.result.status, Status::Offline);
    }
}

/// Clients accept it too.
#[tokio::test]
async fn a_node_with_an_expired_certificate_is_online_and_the_output_says_it() {
    let mut parameters = CertificateParams::new(["node.test".to_owned()]);
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let certificate = rcgen::Certificate::from_params(parameters).unwrap();
    let key = PrivatePkcs8KeyDer::from(certificate.serialize_private_key_der()).into();
    let certificates = vec![certificate.serialize_der().unwrap().into()];
    let key = CertifiedKey::from_der(certificates, key, &rustls::crypto::ring::default_provider()).unwrap();
    let front = fake::tls_with(SingleCertAndKey::from(key), forward).await;

    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_easytier-uptime"));
    let output = command.args(["check", &front.url(Scheme::Wss)]).output().await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(stdout.contains("the certificate expired on 2020-01-02"), "{stdout}");
}

/// The connection is reset by the system, and not ended by TLS.
#[tokio::test]
async fn a_connection_that_is_reset_during_the_tls_handshake_is_no_failure_of_tls() {
    let resetting = Fake::tcp(async |mut stream| {
        let _ = stream.read(&mut [0]).await;
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    })
    .await;
    let report = support::check(&guest(resetting.url(Scheme::Wss)), LONG).await;
    assert_failed(&report, FailureCode::ConnectRefused, Stage::Connect, "connection reset");
}

/// A proxy in front of [`NODE`] that adds `headers` to those of the upgrade, and sends `more` together with them.
async fn adding(headers: String, more: &'static [u8]) -> Fake {
    Fake::tcp(move |mut client| {
        let headers = headers.clone();
        async move {
            let mut node = TcpStream::connect(node()).await.unwrap();
            let request = head(&mut client).await;
            node.write_all(request.as_bytes()).await.unwrap();
            let mut response = head(&mut node).await;
            response.insert_str(response.len() - 2, &headers);
            client.write_all(&[response.as_bytes(), more].concat()).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut node).await;
        }
    })
    .await
}

/// Reads the head of a request or a response.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The headers of a node's own response.
const OF_NODE: usize = 3;

#[tokio::test]
async fn an_upgrade_has_up_to_128_headers() {
    let headers = |count: usize| (OF_NODE..count).map(|nth| format!("x-{nth}: {}\r\n", "v".repeat(100))).collect();
    for count in [OF_NODE, 26, 128] {
        let proxy = adding(headers(count), b"").await;
        assert_online(&support::check(&guest(proxy.url(Scheme::Ws)), LONG).await);
    }
    let proxy = adding(headers(129), b"").await;
    let report = support::check(&guest(proxy.url(Scheme::Ws)), LONG).await;
    assert_failed(&report, FailureCode::NotEasytier, Stage::Handshake, "does not speak WebSocket");
}

/// A server that sends `size` bytes of a response whose headers never end, and then nothing.
async fn endless(size: usize) -> Fake {
    Fake::tcp(move |mut stream| async move {
        let mut response = b"HTTP/1.1 101 Switching Protocols\r\nx: ".to_vec();
        response.resize(size, b'a');
        head(&mut stream).await;
        stream.write_all(&response).await.unwrap();
        fake::listen_only(stream).await;
    })
    .await
}

#[tokio::test]
async fn an_upgrade_that_never_ends_is_given_up_after_16_kib() {
    let endless_url = async |size| {
        let server = endless(size).await;
        (guest(server.url(Scheme::Ws)), server)
    };
    let (peer, _server) = endless_url(16 * 1024 + 1).await;
    // At the deadline it would be a timeout.
    let report = support::check(&peer, SHORT).await;
    assert_failed(&report, FailureCode::NotEasytier, Stage::Handshake, "does not speak WebSocket");

    let (peer, _server) = endless_url(16 * 1024).await;
    let report = support::check(&peer, SHORT).await;
    assert_failed(&report, FailureCode::HandshakeTimeout, Stage::Handshake, "no answer to the WebSocket upgrade");
}

fn switching(accept: &str) -> String {
    format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
}

#[tokio::test]
async fn a_server_that_does_not_know_the_key_does_not_speak_web_socket() {
    let of_another_key = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    for response in [switching(of_another_key), switching(""), switching("?").replace("Sec-WebSocket-Accept", "x")] {
        let server = fake::answering(response.leak().as_bytes()).await;
        let report = support::check(&guest(server.url(Scheme::Ws)), LONG).await;
        assert_failed(&report, FailureCode::NotEasytier, Stage::Handshake, "does not speak WebSocket");
    }
}

#[tokio::test]
async fn what_follows_the_upgrade_at_once_is_not_lost() {
    let text_message = &[0x81, 2, b'h', b'i'];
    let server = adding(String::new(), text_message).await;
    let report = support::check(&guest(server.url(Scheme::Ws)), LONG).await;
    assert_failed(&report, FailureCode::NotEasytier, Stage::Handshake, "it sent a WebSocket text message");
}

/// A redirect is not followed, and its status is named.
#[tokio::test]
async fn a_redirect_is_named() {
    let server = fake::answering(b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://node.test/\r\n\r\n").await;
    let report = support::check(&guest(server.url(Scheme::Ws)), LONG).await;
    assert_failed(&report, FailureCode::NotEasytier, Stage::Handshake, "answered the WebSocket upgrade with 301");
}
