//! Proxies in front of a node that stop or lose packets at a given point, and one in front of a backend whose fault can be
//! changed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use easytier::tunnel::packet_def::{PacketType, UdpPacketType};
use easytier_probe::{PeerUrl, Scheme};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::fake::{Fake, listen_only};

/// How a proxy ends.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    /// Closes the connection.
    Cut,
    /// Leaves it open, and forwards nothing.
    Stall,
    /// Sends bytes to the probe that are not a packet.
    Garbage,
}

/// A proxy to the node at `url` that forwards everything.
pub async fn to(url: &PeerUrl) -> Fake {
    let node = address(url);
    Fake::tcp(move |mut probe| async move {
        let Ok(mut node) = TcpStream::connect(node).await else { return };
        let _ = io::copy_bidirectional(&mut probe, &mut node).await;
    })
    .await
}

/// A proxy to the tcp node at `url` that forwards the node's packets up to the `count`th of type `last`.
pub async fn until(url: &PeerUrl, last: PacketType, count: usize, then: Then) -> Fake {
    assert_eq!(url.scheme(), Some(Scheme::Tcp), "the proxy can only parse the framing of tcp");
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

/// A proxy to the tcp node at `url` that loses the node's first packet of type `lost`, and closes that connection if `closes`.
pub async fn losing_once(url: &PeerUrl, lost: PacketType, closes: bool) -> Fake {
    assert_eq!(url.scheme(), Some(Scheme::Tcp), "the proxy can only parse the framing of tcp");
    let (node, lost, is_lost) = (address(url), lost as u8, Arc::new(AtomicBool::new(false)));
    Fake::tcp(move |probe| {
        let is_lost = is_lost.clone();
        async move {
            let (mut from_node, mut to_node) = TcpStream::connect(node).await.unwrap().into_split();
            let (mut from_probe, mut to_probe) = probe.into_split();
            let to_probe = async {
                while let Ok(packet) = read_packet(&mut from_node).await {
                    let passes = packet[TYPE] != lost || is_lost.swap(true, Ordering::Relaxed);
                    if !passes && closes || passes && to_probe.write_all(&packet).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                _ = io::copy(&mut from_probe, &mut to_node) => {}
                () = to_probe => {}
            }
        }
    })
    .await
}

/// A proxy to the udp node at `url` for one probe. It loses the probe's first datagram of type `lost`.
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
                    let probe = probe.expect("the probe sends the first datagram");
                    probe_side.send_to(&from_node[..length], probe).await.unwrap();
                }
            }
        }
    })
}

async fn pass_until(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, last: u8, mut count: usize) -> io::Result<()> {
    while count > 0 {
        let packet = read_packet(from).await?;
        count -= usize::from(packet[TYPE] == last);
        to.write_all(&packet).await?;
    }
    Ok(())
}

/// The position of the type in a packet: after the length and the ids of sender and receiver, four bytes each.
const TYPE: usize = 12;

async fn read_packet(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet).await?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]]);
    packet.resize(4 + length as usize, 0);
    from.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

fn address(url: &PeerUrl) -> SocketAddr {
    SocketAddr::new(url.ip().expect("a node of the test's own"), url.port().expect("a node's URL has a port"))
}

/// The fault of a [`Faulty`] proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// None: it forwards everything.
    None,
    /// Nobody listens.
    Refuse,
    /// It reads requests, and does not answer.
    Stall,
    /// It reads the request, and resets the connection.
    Reset,
    /// It forwards requests, but only the heads of the answers: the backend acts on a request, and the probe gets an
    /// incomplete answer.
    Truncate,
    /// It answers every request itself, with this status line and headers, such as `500 Nothing Works`.
    Answer(&'static str),
}

/// A proxy in front of a backend. A change of its fault closes all connections. It ends when dropped.
pub struct Faulty {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    taken: Taken,
    proxy: AbortHandle,
}

/// The first line of each request that a proxy did not forward, in lower case, and when it arrived.
type Taken = Arc<Mutex<Vec<(Instant, String)>>>;

impl Faulty {
    /// A proxy to the backend at `target`, which may start later.
    pub async fn to(target: SocketAddr, fault: Fault) -> Self {
        let reserved = bound("127.0.0.1:0".parse().unwrap());
        let address = reserved.local_addr().unwrap();
        let (fault, faults) = watch::channel(fault);
        let taken = Taken::default();
        let proxy = tokio::spawn(pass_on(reserved, target, faults, taken.clone())).abort_handle();
        Self { address, fault, taken, proxy }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// The requests that it did not forward, but answered itself or not at all.
    pub fn taken(&self) -> Vec<(Instant, String)> {
        self.taken.lock().unwrap().clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.proxy.abort();
    }
}

/// `reserved` stays bound, so that nobody else gets its port, and refuses connections while nobody listens on it.
async fn pass_on(reserved: TcpSocket, target: SocketAddr, mut faults: watch::Receiver<Fault>, taken: Taken) {
    let address = reserved.local_addr().unwrap();
    loop {
        if faults.wait_for(|fault| *fault != Fault::Refuse).await.is_err() {
            return;
        }
        let listener = bound(address).listen(1024).unwrap();
        // Dropping this closes all connections.
        let mut connections = JoinSet::new();
        loop {
            let fault = faults.borrow_and_update().clone();
            if fault == Fault::Refuse {
                break;
            }
            tokio::select! {
                Ok((probe, _)) = listener.accept() => {
                    connections.spawn(serve(probe, target, fault, taken.clone()));
                }
                changed = faults.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    connections.abort_all();
                }
            }
        }
    }
}

/// A socket that shares its address with others of this kind.
fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn serve(mut probe: TcpStream, target: SocketAddr, fault: Fault, taken: Taken) {
    match fault {
        Fault::None => {
            let Ok(mut backend) = TcpStream::connect(target).await else { return };
            let _ = io::copy_bidirectional(&mut probe, &mut backend).await;
        }
        Fault::Refuse => {}
        Fault::Stall => {
            let Ok(line) = take_request(&mut probe).await else { return };
            taken.lock().unwrap().push((Instant::now(), line));
            listen_only(probe).await;
        }
        Fault::Reset => {
            let _ = probe.read(&mut [0; 4096]).await;
            let _ = probe.set_zero_linger();
        }
        Fault::Truncate => {
            let Ok(backend) = TcpStream::connect(target).await else { return };
            let (mut from_probe, mut to_probe) = probe.into_split();
            let (mut from_backend, mut to_backend) = backend.into_split();
            tokio::select! {
                _ = io::copy(&mut from_probe, &mut to_backend) => {}
                head = head_of(&mut from_backend) => if let Ok(head) = head {
                    let _ = to_probe.write_all(&head).await;
                }
            }
        }
        Fault::Answer(head) => {
            let Ok(line) = take_request(&mut probe).await else { return };
            taken.lock().unwrap().push((Instant::now(), line));
            let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = probe.write_all(answer.as_bytes()).await;
        }
    }
}

/// Reads one request and returns its first line.
async fn take_request(probe: &mut TcpStream) -> io::Result<String> {
    let head = head_of(probe).await?;
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    io::copy(&mut probe.take(length), &mut io::sink()).await?;
    Ok(head.lines().next().unwrap_or_default().to_owned())
}

/// Everything up to the first empty line.
async fn head_of(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    Ok(head)
}
