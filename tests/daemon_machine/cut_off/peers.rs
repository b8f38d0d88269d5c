//! The peers of the probe: each is a listener of one of a few real nodes, at an address of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use easytier_probe::{CheckMode, PeerUrl, Scheme};
use easytier_uptime_store::domain::{PeerSpec, Timestamp};
use hickory_resolver::proto::rr::{
    RData,
    rdata::{A, AAAA},
};

use super::uplink::add_addresses;
use crate::{
    hub::Hub,
    program::PROGRAM,
    support::{
        current_node::{CurrentNode, CurrentNodeOptions},
        node::{Node, NodeOptions},
    },
};

const SCHEMES: [Scheme; 6] = [Scheme::Tcp, Scheme::Udp, Scheme::Ws, Scheme::Wss, Scheme::Wg, Scheme::Quic];
const PORT: u16 = 11010;

/// A peer, by its position from 0.
#[derive(Clone, Copy)]
pub struct PlannedPeer(usize);

impl PlannedPeer {
    pub fn position(self) -> usize {
        self.0
    }

    fn scheme(self) -> Scheme {
        SCHEMES[self.0 % SCHEMES.len()]
    }

    fn row(self) -> usize {
        self.0 / SCHEMES.len()
    }

    /// Whether the URL contains a name instead of an address.
    pub fn is_named(self) -> bool {
        self.row() % 2 == 1
    }

    /// Whether the peer is reached over IPv6.
    pub fn is_ipv6(self) -> bool {
        self.row() % 8 >= 6
    }

    /// Whether only the handshake is checked. Such a peer is joined again and again.
    fn is_handshake_only(self) -> bool {
        self.0 % 10 == 9 && self.scheme() != Scheme::Wg
    }

    fn address(self) -> IpAddr {
        match self.is_ipv6() {
            true => Ipv6Addr::new(0x2a0b, 0, 0, 0, 0, 0, 1, self.0 as u16 + 1).into(),
            false => Ipv4Addr::new(11, 0, (self.0 / 250) as u8, (self.0 % 250) as u8 + 1).into(),
        }
    }

    fn name(self) -> String {
        format!("peer-{}.nodes.test", self.0)
    }

    fn url(self, host: &str) -> PeerUrl {
        PeerUrl::new(self.scheme(), host, Some(PORT)).unwrap()
    }

    fn listener(self) -> String {
        self.url(&self.address().to_string()).to_string()
    }

    fn spec(self) -> PeerSpec {
        let host = if self.is_named() { self.name() } else { self.address().to_string() };
        let mut spec = PeerSpec::new(self.url(&host));
        if self.scheme() == Scheme::Wg {
            spec.network_name = Some("test-network".to_owned());
            spec.network_secret = Some("test-secret".into());
        }
        if self.is_handshake_only() {
            spec.mode = CheckMode::Handshake;
        }
        spec
    }

    /// The records of its name.
    pub fn record(self) -> (String, RData) {
        let data = match self.address() {
            IpAddr::V4(address) => RData::A(A(address)),
            IpAddr::V6(address) => RData::AAAA(AAAA(address)),
        };
        (self.name(), data)
    }
}

/// The peers, and the nodes that run as long as this.
pub struct Peers {
    pub all: Vec<PlannedPeer>,
    _old: Vec<Node>,
    _current: Vec<CurrentNode>,
}

impl Peers {
    /// Starts nodes that listen at the addresses of `count` peers: `nodes` of the older version, and one more of the current
    /// one. So their number is odd, and each has named and numbered peers.
    pub fn start(count: usize, nodes: usize) -> Self {
        let all: Vec<_> = (0..count).map(PlannedPeer).collect();
        add_addresses(all.iter().map(|peer| peer.address()));
        let number = 2 * nodes + 1;
        let listeners = |nth: usize| -> Vec<String> {
            all.iter().filter(|peer| peer.row() % number == nth).map(|peer| peer.listener()).collect()
        };
        let options = |nth: usize| NodeOptions { listen: listeners(nth), ..NodeOptions::listening_on(&[]) };
        let old = (0..nodes).map(|nth| options(nth).start(PROGRAM)).collect();
        let current = (nodes..number)
            .map(|nth| CurrentNodeOptions { node: options(nth), ..CurrentNodeOptions::listening_on(&[]) }.start())
            .collect();
        Self { all, _old: old, _current: current }
    }

    /// Lists them at the hub.
    pub async fn list_at(&self, hub: &Hub) {
        let specs: Vec<_> = self.all.iter().map(|peer| peer.spec()).collect();
        hub.store.import_peers(&specs, Timestamp::now()).await.unwrap();
    }

    pub fn count(&self, which: impl Fn(&PlannedPeer) -> bool) -> usize {
        self.all.iter().filter(|peer| which(peer)).count()
    }
}
