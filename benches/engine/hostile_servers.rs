//! Servers that harm a probe if they can.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use easytier::{
    proto::peer_rpc::HandshakeRequest,
    tunnel::{
        Tunnel, TunnelListener, ZCPacketSink,
        packet_def::{PacketType, ZCPacket},
        tcp::TcpTunnelListener,
        udp::UdpTunnelListener,
        websocket::WSTunnelListener,
    },
};
use futures::{SinkExt, StreamExt};
use prost_easytier::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::nodes;

const PEER_ID: u32 = 4711;
/// Between two bytes of a server that sends slowly.
const SLOW: Duration = Duration::from_millis(100);
/// Datagrams are sent in bursts, together 10,000 in a second: without a limit, the flood would take a core by itself.
const BURST: usize = 20;
const BURST_INTERVAL: Duration = Duration::from_millis(2);
/// The first bytes of a TLS server's answer: a record of 122 bytes, of which no more come.
const HALF_OF_TLS: [u8; 8] = [0x16, 3, 3, 0, 0x7a, 2, 0, 0];

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Accepts connections and sends nothing.
    Silence,
    /// Sends a valid length of a packet, byte after byte, and then the packet in the same way.
    SlowPacket,
    /// Announces a packet of 4 GiB.
    HugeLength,
    /// Sends bytes that are no packet, for ever.
    Garbage,
    /// Sends packets of an unknown type, of the largest size, for ever.
    Packets,
    /// Answers the handshake, and sends pings for ever.
    Pings { answers_pings: bool },
    /// Sends a header that never ends.
    EndlessHeader,
    /// The same, byte after byte.
    SlowHeader,
    /// Begins a TLS handshake and does not go on.
    HalfOpenTls,
    /// Answers a datagram with datagrams for ever.
    Datagrams,
}

/// What is measured: the name of the row, the protocol, how the server behaves, and whether the probe holds a session.
pub struct Row {
    pub name: &'static str,
    pub scheme: &'static str,
    pub kind: Kind,
    pub is_held: bool,
}

const fn row(name: &'static str, scheme: &'static str, kind: Kind) -> Row {
    Row { name, scheme, kind, is_held: false }
}

const PINGS: Kind = Kind::Pings { answers_pings: false };
const PINGS_AND_PONGS: Kind = Kind::Pings { answers_pings: true };

pub const ROWS: [Row; 16] = [
    row("silent", "tcp", Kind::Silence),
    row("one byte at a time", "tcp", Kind::SlowPacket),
    row("a packet of 4 GiB announced", "tcp", Kind::HugeLength),
    row("endless bytes that are no packet", "tcp", Kind::Garbage),
    row("endless packets of another type", "tcp", Kind::Packets),
    row("endless pings", "tcp", PINGS),
    Row { name: "endless pings on a held session", scheme: "tcp", kind: PINGS_AND_PONGS, is_held: true },
    row("endless datagrams", "udp", Kind::Datagrams),
    row("endless pings", "udp", PINGS),
    row("a header that never ends", "ws", Kind::EndlessHeader),
    row("a header, one byte at a time", "ws", Kind::SlowHeader),
    row("endless pings", "ws", PINGS),
    Row { name: "endless pings on a held session", scheme: "ws", kind: PINGS_AND_PONGS, is_held: true },
    row("half of a TLS handshake", "wss", Kind::HalfOpenTls),
    row("endless bytes that are not TLS", "wss", Kind::Garbage),
    row("endless datagrams", "quic", Kind::Datagrams),
];

/// The role: prints the URL of the server in a row of [`ROWS`], and serves until it is killed.
pub fn serve(arguments: &[String]) {
    let Row { scheme, kind, .. } = ROWS[arguments[0].parse::<usize>().expect("a row")];
    nodes::runtime().block_on(async {
        match (kind, scheme) {
            (Kind::Pings { answers_pings }, _) => serve_pings(scheme, answers_pings).await,
            (Kind::Datagrams, _) => serve_datagrams(scheme).await,
            _ => serve_tcp(scheme, kind).await,
        }
    });
}

fn say_url(scheme: &str, address: SocketAddr) {
    nodes::say(format!("{scheme}://{address}"));
}

async fn serve_tcp(scheme: &str, kind: Kind) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    say_url(scheme, listener.local_addr().expect("bound"));
    loop {
        let (stream, _) = listener.accept().await.expect("accepts");
        tokio::spawn(async move {
            // It ends when the probe closes.
            let _ = harm(stream, kind).await;
        });
    }
}

async fn harm(mut stream: TcpStream, kind: Kind) -> std::io::Result<()> {
    let mut question = [0; 4096];
    if stream.read(&mut question).await? == 0 {
        return Ok(());
    }
    match kind {
        Kind::SlowPacket => send_slowly(&mut stream, &[&4000_u32.to_le_bytes()[..], &[7; 4000]].concat()).await?,
        Kind::HugeLength => stream.write_all(&u32::MAX.to_le_bytes()).await?,
        Kind::Garbage => send_for_ever(&mut stream, &[b'x'; 1 << 16]).await?,
        Kind::Packets => {
            const SIZE: u32 = 4096;
            let packet = [&SIZE.to_le_bytes()[..], &[200; SIZE as usize]].concat();
            send_for_ever(&mut stream, &packet.repeat(16)).await?;
        }
        Kind::EndlessHeader => {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nx: ").await?;
            send_for_ever(&mut stream, &[b'x'; 1 << 16]).await?;
        }
        Kind::SlowHeader => {
            send_slowly(&mut stream, b"HTTP/1.1 101 Switching Protocols\r\n".repeat(100).as_slice()).await?
        }
        Kind::HalfOpenTls => stream.write_all(&HALF_OF_TLS).await?,
        Kind::Silence | Kind::Pings { .. } | Kind::Datagrams => {}
    }
    while stream.read(&mut question).await? > 0 {}
    Ok(())
}

async fn send_slowly(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(std::slice::from_ref(byte)).await?;
        sleep(SLOW).await;
    }
    Ok(())
}

async fn send_for_ever(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
    }
}

/// Answers each first datagram of an address with a flood, until the probe's port is closed.
async fn serve_datagrams(scheme: &str) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    say_url(scheme, socket.local_addr().expect("bound"));
    let mut ticks = interval(BURST_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut question = [0; 4096];
    let mut victim = None;
    loop {
        tokio::select! {
            Ok((_, from)) = socket.recv_from(&mut question) => victim = Some(from),
            _ = ticks.tick(), if victim.is_some() => {
                for _ in 0..BURST {
                    let _ = socket.try_send_to(&[0xa7; 1200], victim.expect("checked"));
                }
            }
        }
    }
}

/// A node that answers the handshake, and pings for ever.
async fn serve_pings(scheme: &str, answers_pings: bool) {
    let url = format!("{scheme}://127.0.0.1:0").parse().expect("a URL");
    let mut listener: Box<dyn TunnelListener> = match scheme {
        "tcp" => Box::new(TcpTunnelListener::new(url)),
        "udp" => Box::new(UdpTunnelListener::new(url)),
        _ => Box::new(WSTunnelListener::new(url)),
    };
    listener.listen().await.expect("a free port");
    nodes::say(listener.local_url());
    while let Ok(tunnel) = listener.accept().await {
        tokio::spawn(ping_for_ever(tunnel, scheme == "udp", answers_pings));
    }
}

async fn ping_for_ever(tunnel: Box<dyn Tunnel>, is_datagram: bool, answers_pings: bool) {
    let (mut stream, mut sink) = tunnel.split();
    let mut ticks = interval(BURST_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probe = None;
    loop {
        let packet = tokio::select! {
            biased;
            packet = stream.next() => match packet {
                Some(Ok(packet)) => packet,
                _ => return,
            },
            _ = ticks.tick(), if is_datagram && probe.is_some() => {
                for _ in 0..BURST {
                    if !send(&mut sink, probe.expect("checked"), PacketType::Ping, b"ping").await {
                        return;
                    }
                }
                continue;
            }
            sent = async { send(&mut sink, probe.expect("checked"), PacketType::Ping, b"ping").await },
                if !is_datagram && probe.is_some() => match sent {
                true => continue,
                false => return,
            },
        };
        let header = packet.peer_manager_header().expect("the crate's framing gives whole headers");
        let from = header.from_peer_id.get();
        if header.packet_type == PacketType::HandShake as u8 {
            let mut answer = HandshakeRequest::decode(packet.payload()).expect("a handshake");
            answer.my_peer_id = PEER_ID;
            send(&mut sink, from, PacketType::HandShake, &answer.encode_to_vec()).await;
            probe = Some(from);
        } else if answers_pings && header.packet_type == PacketType::Ping as u8 {
            send(&mut sink, from, PacketType::Pong, packet.payload()).await;
        }
    }
}

/// Whether the packet could be sent.
async fn send(sink: &mut (impl ZCPacketSink + Unpin), to: u32, kind: PacketType, payload: &[u8]) -> bool {
    let mut packet = ZCPacket::new_with_payload(payload);
    packet.fill_peer_manager_hdr(PEER_ID, to, kind as u8);
    sink.send(packet).await.is_ok()
}
