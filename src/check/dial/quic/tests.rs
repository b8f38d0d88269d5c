//! How connections begin and end, seen by a server.

use easytier::tunnel::insecure_tls::get_insecure_tls_cert;
use futures::FutureExt;
use quinn::{Endpoint, ServerConfig, TransportConfig};
use tokio::{sync::watch, task::JoinHandle};

use super::*;
use crate::{Stage, tls, wire::PlainServer};

/// A deadline that passes before the test's patience ends.
const SOON: Duration = Duration::from_millis(400);
/// Less than the time after which QUIC gives up a connection that nobody closed.
const PATIENT: Duration = Duration::from_secs(10);

/// A server of `kind` that allows `streams` streams at a time.
fn server(kind: Kind, streams: u32) -> (Endpoint, SocketAddr) {
    let mut config = match kind {
        Kind::Plain => {
            let token_key = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, &[]).extract(&[]);
            ServerConfig::new(Arc::new(PlainServer), Arc::new(token_key))
        }
        Kind::Tls => {
            let (certificates, key) = get_insecure_tls_cert();
            ServerConfig::with_single_cert(certificates, key).unwrap()
        }
    };
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(streams.into());
    config.transport_config(Arc::new(transport));
    let server = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

/// Serves one connection, and returns why it ended.
fn served(server: Endpoint) -> JoinHandle<ConnectionError> {
    tokio::spawn(async move {
        match server.accept().await.unwrap().await {
            Ok(connection) => connection.closed().await,
            Err(error) => error,
        }
    })
}

async fn connect(quic: &Quic, address: SocketAddr, within: Duration) -> Result<QuicStream, StageFailure> {
    quic.connect(address, Arc::new(tls::for_nodes().unwrap()), Instant::now() + within).await
}

#[tokio::test]
async fn either_kind_of_server_is_connected_and_the_connection_closed() {
    let quic = Quic::new(None);
    for kind in [Kind::Plain, Kind::Tls] {
        let (server, address) = server(kind, 1);
        let served = served(server);
        drop(connect(&quic, address, PATIENT).await.expect("connected"));
        let end = timeout(PATIENT, served).await.expect("closed").unwrap();
        assert!(matches!(end, ConnectionError::ApplicationClosed(_)), "{end:?}");
    }
}

/// Old nodes end their listener when a connection fails.
#[tokio::test]
async fn asking_for_the_kind_begins_no_connection() {
    let quic = Quic::new(None);
    let tls = Arc::new(tls::for_nodes().unwrap());
    for kind in [Kind::Plain, Kind::Tls] {
        let (server, address) = server(kind, 1);
        let answer = quic.kind_of(address, &tls, Instant::now() + PATIENT).await.expect("an answer");
        assert_eq!(answer, kind);
        // The question of the other kind has arrived too: it was sent before the answer came.
        let closing = quic.0.wait_idle();
        timeout(PATIENT, closing).await.expect("closed");
        assert!(server.accept().now_or_never().is_none(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_that_allows_no_stream_is_given_up_at_the_deadline_and_told_so() {
    for kind in [Kind::Plain, Kind::Tls] {
        let quic = Quic::new(None);
        let (server, address) = server(kind, 0);
        let served = served(server);
        let error = connect(&quic, address, SOON).await.err().expect("no stream");
        assert_eq!((error.failure.code, error.stage), (FailureCode::HandshakeTimeout, Stage::Handshake), "{error:?}");
        let end = timeout(PATIENT, served).await.expect("closed").unwrap();
        assert!(!matches!(end, ConnectionError::TimedOut), "{end:?}");
    }
}

/// Forwards datagrams to `server`, and those that it sends back only while `open`. Returns the address to send to.
async fn valve(server: SocketAddr, open: watch::Receiver<bool>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut client = None;
        let mut datagram = [0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.unwrap();
            let to = match (from == server, client) {
                (false, _) => {
                    client = Some(from);
                    server
                }
                (true, Some(client)) if *open.borrow() => client,
                (true, _) => continue,
            };
            socket.send_to(&datagram[..length], to).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_plain_connection_that_is_given_up_in_the_handshake_is_closed() {
    let quic = Quic::new(None);
    let tls = Arc::new(tls::for_nodes().unwrap());
    let (server, address) = server(Kind::Plain, 1);
    let served = served(server);
    let (_open, closed) = watch::channel(false);
    let entrance = valve(address, closed).await;
    let connecting = quic.connect_as(Kind::Plain, entrance, &tls);
    assert!(timeout(SOON, connecting).await.is_err(), "no answer arrives");
    let end = timeout(PATIENT, served).await.expect("closed").unwrap();
    assert!(!matches!(end, ConnectionError::TimedOut), "{end:?}");
}

/// Old nodes end their listener when a handshake fails.
#[tokio::test]
async fn a_tls_handshake_is_finished_although_nobody_waits_for_it() {
    let quic = Quic::new(None);
    let tls = Arc::new(tls::for_nodes().unwrap());
    let (server, address) = server(Kind::Tls, 1);
    let accepted = tokio::spawn(async move { server.accept().await.unwrap().await.map(|_| server) });
    let (open, closed) = watch::channel(false);
    let entrance = valve(address, closed).await;
    let connecting = quic.connect_as(Kind::Tls, entrance, &tls);
    assert!(timeout(SOON, connecting).await.is_err(), "no answer arrives");
    open.send(true).unwrap();
    timeout(PATIENT, accepted).await.expect("finished").unwrap().expect("connected");
}

/// A check that is cancelled drops what it waits for.
#[tokio::test]
async fn a_connection_that_is_cancelled_is_closed() {
    let quic = Quic::new(None);
    let (server, address) = server(Kind::Plain, 0);
    let served = served(server);
    let connecting = connect(&quic, address, PATIENT);
    assert!(timeout(SOON, connecting).await.is_err(), "there is no stream");
    let end = timeout(PATIENT, served).await.expect("closed").unwrap();
    assert!(!matches!(end, ConnectionError::TimedOut), "{end:?}");
}

/// The task of an endpoint ends with the runtime that it was spawned on.
#[test]
fn an_endpoint_that_has_ended_is_opened_again_at_the_same_port() {
    let port = std::net::UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let quic = Quic::new(Some(port));
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (server, address) = server(Kind::Plain, 1);
            let serving = tokio::spawn(async move {
                let connection = server.accept().await.unwrap().await.unwrap();
                let from = connection.remote_address();
                (connection, from)
            });
            let _stream = connect(&quic, address, PATIENT).await.expect("connected");
            let (_connection, from) = serving.await.unwrap();
            assert_eq!(from.port(), port);
        });
    }
}

#[tokio::test]
async fn a_local_port_that_is_taken_is_replaced_by_another() {
    let taken = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let quic = Quic::new(Some(taken.local_addr().unwrap().port()));
    let (server, address) = server(Kind::Plain, 1);
    let _served = served(server);
    connect(&quic, address, PATIENT).await.expect("connected");
}

/// With nobody else on this runtime, the packet that closes the connection is sent only while somebody waits for it.
#[test]
fn waiting_lets_the_packet_leave_that_closes_a_connection() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let witness = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (server, address) = server(Kind::Plain, 1);
            sender.send(address).unwrap();
            timeout(PATIENT, served(server)).await.expect("closed").unwrap()
        })
    });
    let address = receiver.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let quic = Quic::new(None);
    runtime.block_on(async {
        drop(connect(&quic, address, PATIENT).await.expect("connected"));
        quic.wait_closed().await;
    });
    drop(runtime);
    let end = witness.join().unwrap();
    assert!(matches!(end, ConnectionError::ApplicationClosed(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_connection_that_nobody_answers_is_bounded() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let quic = Quic::new(None);
    let connecting = connect(&quic, silent.local_addr().unwrap(), PATIENT);
    assert!(timeout(SOON, connecting).await.is_err());
    let started = Instant::now();
    quic.wait_closed().await;
    assert!(started.elapsed() < CLOSE_WAIT * 2, "{:?}", started.elapsed());
}
