//! Proxies before a node, which stop, or lose something, where the test wants.

use std::net::SocketAddr;

use easytier::tunnel::packet_def::{PacketType, UdpPacketType};
use easytier_probe::{PeerUrl, Scheme};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::fake::{Fake, listen_only};

/// The end of what a proxy does.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    /// Closes the connection.
    Cut,
    /// Leaves it open, and passes nothing on.
    Stall,
    /// Sends the probe what is no packet.
    Garbage,
}

/// A proxy to the node at `url` that passes on everything.
pub async fn to(url: &PeerUrl) -> Fake {
    let node = address(url);
    Fake::tcp(move |mut probe| async move {
        let Ok(mut node) = TcpStream::connect(node).await else { return };
        let _ = io::copy_bidirectional(&mut probe, &mut node).await;
    })
    .await
}

/// A proxy to the tcp node at `url` that passes the node's packets on up to the `count`th of type `last`.
pub async fn until(url: &PeerUrl, last: PacketType, count: usize, then: Then) -> Fake {
    assert_eq!(url.scheme(), Scheme::Tcp, "packets are told apart by the framing of tcp");
    let (node, last) = (address(url), last as u8);
    Fake::tcp(move |probe| async move {
        let (mut from_node, mut to_node) = TcpStream::connect(node).await.unwrap().into_split();
        let (mut from_probe, mut to_probe) = probe.into_split();
        tokio::select! {
            _ = io::copy(&mut from_probe, &mut to_node) => return,
            passed = pass_until(&mut from_node, &mut to_probe, last, count) => if passed.is_err() { return },
        }
        match then {
            Then::Cut => {}
            Then::Stall => std::future::pending().await,
            Then::Garbage => {
                let _ = to_probe.write_all(&[0xff; 64]).await;
                listen_only(from_probe).await;
            }
        }
    })
    .await
}

/// A proxy to the udp node at `url` for one probe, which loses the first datagram of the probe's of type `lost`.
pub async fn losing(url: &PeerUrl, lost: UdpPacketType) -> Fake {
    let (node, lost) = (address(url), lost as u8);
    let probe_side = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let node_side = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    node_side.connect(node).await.unwrap();
    Fake::run(probe_side.local_addr().unwrap(), |arrivals| async move {
        let (mut from_probe, mut from_node) = ([0; 4096], [0; 4096]);
        let (mut probe, mut is_lost) = (None, false);
        loop {
            tokio::select! {
                Ok((length, from)) = probe_side.recv_from(&mut from_probe) => {
                    arrivals.note();
                    probe = Some(from);
                    // The type comes after the connection's id of four bytes.
                    if !is_lost && from_probe[4] == lost {
                        is_lost = true;
                    } else {
                        node_side.send(&from_probe[..length]).await.unwrap();
                    }
                }
                Ok(length) = node_side.recv(&mut from_node) => {
                    let probe = probe.expect("the probe speaks first");
                    probe_side.send_to(&from_node[..length], probe).await.unwrap();
                }
            }
        }
    })
}

async fn pass_until(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, last: u8, mut count: usize) -> io::Result<()> {
    while count > 0 {
        let mut packet = vec![0; 4];
        from.read_exact(&mut packet).await?;
        let length = u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]]);
        packet.resize(4 + length as usize, 0);
        from.read_exact(&mut packet[4..]).await?;
        // After the length come the ids of sender and receiver, four bytes each, then the type.
        count -= usize::from(packet[12] == last);
        to.write_all(&packet).await?;
    }
    Ok(())
}

fn address(url: &PeerUrl) -> SocketAddr {
    SocketAddr::new(url.ip().expect("a node of the test's own"), url.port().expect("a node's URL has a port"))
}
