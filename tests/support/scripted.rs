//! Nodes that follow a script, with the crate's framing. They behave in ways that nodes of the crate's version do not.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use easytier::{
    proto::peer_rpc::HandshakeRequest,
    tunnel::{
        Tunnel, TunnelListener, ZCPacketSink,
        packet_def::{PacketType, ZCPacket},
        tcp::TcpTunnelListener,
        udp::UdpTunnelListener,
    },
};
use easytier_probe::{PeerUrl, Scheme};
use futures::{SinkExt, StreamExt};
use prost_easytier::Message;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::fake::Fake;

const PEER_ID: u32 = 4711;
/// The time in which a node notices that a session is closed.
const SETTLED: Duration = Duration::from_secs(10);
/// The interval of packets of a node that never stops sending. The test runs in the same thread and needs time too.
const BABBLE_INTERVAL: Duration = Duration::from_millis(1);

/// How a scripted node answers the handshake, and behaves after it.
#[derive(Debug, Clone)]
pub struct Script {
    /// The network name in the answer; `None` for that of the request.
    pub network_name: Option<&'static str>,
    /// The digest in the answer; `None` for that of the request.
    pub digest: Option<Vec<u8>>,
    /// The network whose members it refuses by closing without an answer.
    pub refused: Option<&'static str>,
    pub magic: u32,
    pub version: u32,
    /// How many sessions it has at the same time; it closes others without an answer.
    pub sessions: Option<usize>,
    /// Pings it sends before the answer.
    pub pings_before: usize,
    pub then: Then,
}

/// How a scripted node behaves after its answer to the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Answers pings.
    Pong,
    /// Answers pings from the second on.
    PongLater,
    /// Answers each ping after this time, one after the other.
    PongAfter(Duration),
    /// Reads, and sends nothing.
    Silence,
    /// Closes when the first packet arrives.
    Close,
    /// Sends pings for ever, and never a pong.
    Babble,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            network_name: None,
            digest: None,
            refused: None,
            sessions: None,
            magic: 0xd1e1_a5e1,
            version: 1,
            pings_before: 0,
            then: Then::Pong,
        }
    }
}

/// A scripted node that runs until dropped.
pub struct ScriptedNode {
    pub fake: Fake,
    received: Received,
    sessions: Arc<Sessions>,
}

/// How many packets have arrived.
#[derive(Clone, Default)]
struct Received {
    pings: Arc<AtomicUsize>,
    pongs: Arc<AtomicUsize>,
}

/// The sessions that are open.
#[derive(Default)]
struct Sessions {
    open: AtomicUsize,
    most: AtomicUsize,
    closed: Notify,
}

/// An open session; ends when dropped.
struct Open(Arc<Sessions>);

impl Open {
    fn new(sessions: &Arc<Sessions>) -> Self {
        let open = sessions.open.fetch_add(1, Ordering::Relaxed) + 1;
        sessions.most.fetch_max(open, Ordering::Relaxed);
        Self(sessions.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }
}

impl ScriptedNode {
    /// Starts a node that follows `script` on every connection.
    pub async fn start(script: Script) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, script).await
    }

    /// The same at a given address.
    pub async fn start_at(ip: Ipv4Addr, script: Script) -> Self {
        Self::start_on(SocketAddrV4::new(ip, 0), script).await
    }

    /// The same at a given address and port.
    pub async fn start_on(address: SocketAddrV4, script: Script) -> Self {
        let listener = TcpTunnelListener::new(format!("tcp://{address}").parse().unwrap());
        Self::listen(listener, *address.ip(), script).await
    }

    /// The same over UDP.
    pub async fn start_udp(script: Script) -> Self {
        let ip = Ipv4Addr::LOCALHOST;
        Self::listen(UdpTunnelListener::new(format!("udp://{ip}:0").parse().unwrap()), ip, script).await
    }

    async fn listen(mut listener: impl TunnelListener + 'static, ip: Ipv4Addr, script: Script) -> Self {
        listener.listen().await.unwrap();
        let address = SocketAddr::new(ip.into(), listener.local_url().port().unwrap());
        let received = Received::default();
        let (counted, sessions) = (received.clone(), Arc::<Sessions>::default());
        let open = sessions.clone();
        let fake = Fake::run(address, |arrivals| async move {
            let mut serving = JoinSet::new();
            while let Ok(tunnel) = listener.accept().await {
                arrivals.note();
                let session = Open::new(&open);
                if script.sessions.is_some_and(|most| open.open.load(Ordering::Relaxed) > most) {
                    continue;
                }
                let serve = serve(tunnel, script.clone(), counted.clone());
                serving.spawn(async move {
                    serve.await;
                    drop(session);
                });
            }
        });
        Self { fake, received, sessions }
    }

    pub fn url(&self) -> PeerUrl {
        self.fake.url(Scheme::Tcp).parse().unwrap()
    }

    /// The largest number of sessions that were open at the same time.
    pub fn most_sessions(&self) -> usize {
        self.sessions.most.load(Ordering::Relaxed)
    }

    /// Waits until `count` sessions are open.
    pub async fn has_sessions(&self, count: usize) {
        let settled = async {
            loop {
                let closed = self.sessions.closed.notified();
                if self.sessions.open.load(Ordering::Relaxed) == count {
                    return;
                }
                closed.await;
            }
        };
        timeout(SETTLED, settled).await.expect("the node notices that sessions are closed");
    }

    /// How many pings have arrived.
    pub fn pings(&self) -> usize {
        self.received.pings.load(Ordering::Relaxed)
    }

    /// How many pongs have arrived.
    pub fn pongs(&self) -> usize {
        self.received.pongs.load(Ordering::Relaxed)
    }
}

async fn serve(tunnel: Box<dyn Tunnel>, script: Script, received: Received) {
    let (mut stream, mut sink) = tunnel.split();
    let mut answered = false;
    while let Some(Ok(packet)) = stream.next().await {
        let header = packet.peer_manager_header().expect("the crate's framing gives whole headers");
        let (probe, kind) = (header.from_peer_id.get(), header.packet_type);
        if answered && script.then == Then::Close {
            return;
        }
        if kind == PacketType::HandShake as u8 {
            let question = HandshakeRequest::decode(packet.payload()).unwrap();
            if script.refused == Some(question.network_name.as_str()) {
                return;
            }
            for _ in 0..script.pings_before {
                send(&mut sink, probe, PacketType::Ping, b"ping").await;
            }
            let answer = answer(&script, question);
            send(&mut sink, probe, PacketType::HandShake, &answer.encode_to_vec()).await;
            answered = true;
            while script.then == Then::Babble && send(&mut sink, probe, PacketType::Ping, b"ping").await {
                sleep(BABBLE_INTERVAL).await;
            }
        } else if kind == PacketType::Ping as u8 {
            let before = received.pings.fetch_add(1, Ordering::Relaxed);
            if let Then::PongAfter(delay) = script.then {
                sleep(delay).await;
                send(&mut sink, probe, PacketType::Pong, packet.payload()).await;
            } else if script.then == Then::Pong || script.then == Then::PongLater && before > 0 {
                send(&mut sink, probe, PacketType::Pong, packet.payload()).await;
            }
        } else if kind == PacketType::Pong as u8 {
            received.pongs.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn answer(script: &Script, question: HandshakeRequest) -> HandshakeRequest {
    HandshakeRequest {
        magic: script.magic,
        my_peer_id: PEER_ID,
        version: script.version,
        features: Vec::new(),
        network_name: script.network_name.map_or(question.network_name, str::to_owned),
        network_secret_digrest: script.digest.clone().unwrap_or(question.network_secret_digrest),
    }
}

/// Whether the packet could be sent.
async fn send(sink: &mut (impl ZCPacketSink + Unpin), to: u32, kind: PacketType, payload: &[u8]) -> bool {
    let mut packet = ZCPacket::new_with_payload(payload);
    packet.fill_peer_manager_hdr(PEER_ID, to, kind as u8);
    sink.send(packet).await.is_ok()
}
