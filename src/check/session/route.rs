//! The route stage: reading what a node says about itself.
//!
//! A node sends its route information to everyone who asks for it, in a request of its own, which it repeats every three
//! seconds until it is answered. A check is over before that. A held session answers the request, which leaves both
//! sides with a fifth of the packets, and the node sends another when something changes.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use bytes::Bytes;

use super::NetworkMatch;
use crate::{
    check::identity::Identity,
    result::NodeInfo,
    wire::{RpcPacket, SyncRouteInfoRequest},
};

/// The largest number of pieces of one request, of 1,300 bytes each. It limits the memory that a node can claim; no
/// node's route information has as many.
const MAX_PIECES: u32 = 1024;
/// The largest size of a request to a member, in bytes. Decoded, it takes many times its size; the route information of
/// a large network is smaller.
const MAX_BODY: usize = 1024 * 1024;
/// The largest size of a request to a guest, in bytes. Guests are sent the information of one node.
const MAX_BODY_FOR_GUESTS: usize = 64 * 1024;
/// The largest number of networks that are counted.
const MAX_NETWORKS: usize = 16 * 1024;
/// The longest version that is kept, in characters. The hub keeps as many.
const MAX_VERSION_CHARS: usize = 64;
/// The longest host name that is kept, in characters. The hub keeps as many.
const MAX_HOSTNAME_CHARS: usize = 255;

/// Collects a node's route information from the packets in which it arrives. Once a request is answered, the node sends
/// only what has changed since.
pub(super) struct RouteReader {
    /// Whether the session is in another network than the node's own. The node tells it what it tells all guests.
    is_guest: bool,
    transaction: i64,
    pieces: Vec<Option<Bytes>>,
    /// The networks that the node serves, as hashes: their names are not kept.
    networks: HashSet<u64>,
    networks_known: bool,
    info: Option<NodeInfo>,
}

impl RouteReader {
    /// A reader for a session in the node's own network, or in another one.
    pub fn new(network: NetworkMatch) -> Self {
        Self {
            is_guest: network == NetworkMatch::OtherNetwork,
            transaction: 0,
            pieces: Vec::new(),
            networks: HashSet::new(),
            networks_known: false,
            info: None,
        }
    }

    /// The node's information, as far as it is known.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.info.as_ref()
    }

    /// Reads a request from `node`, or a piece of it. Returns the request once it is complete; a held session answers it.
    pub fn read(&mut self, mut request: RpcPacket, identity: &Identity, node: u32) -> Option<RpcPacket> {
        if !SyncRouteInfoRequest::is_in(&request) {
            return None;
        }
        let max_body = if self.is_guest { MAX_BODY_FOR_GUESTS } else { MAX_BODY };
        let body = self.add_piece(&mut request, max_body)?;
        self.apply(SyncRouteInfoRequest::decode_body(&body)?, identity, node);
        Some(request)
    }

    /// Adds a piece; returns the whole body, of at most `max_body` bytes, once no piece is missing.
    fn add_piece(&mut self, rpc: &mut RpcPacket, max_body: usize) -> Option<Vec<u8>> {
        let body = std::mem::take(&mut rpc.body);
        if rpc.total_pieces <= 1 {
            return Some(body);
        }
        if rpc.total_pieces > MAX_PIECES || rpc.piece_idx >= rpc.total_pieces {
            return None;
        }
        let total = rpc.total_pieces as usize;
        if self.transaction != rpc.transaction_id || self.pieces.len() != total {
            self.transaction = rpc.transaction_id;
            self.pieces = vec![None; total];
        }
        self.pieces[rpc.piece_idx as usize] = Some(body.into());
        if self.pieces.iter().flatten().map(Bytes::len).sum::<usize>() > max_body {
            self.pieces.clear();
            return None;
        }
        if self.pieces.iter().any(Option::is_none) {
            return None;
        }
        Some(std::mem::take(&mut self.pieces).into_iter().flatten().flatten().collect())
    }

    fn apply(&mut self, sync: SyncRouteInfoRequest, identity: &Identity, node: u32) {
        for network in sync.foreign_network_infos.into_iter().flat_map(|foreign| foreign.infos) {
            let (Some(key), Some(entry)) = (network.key, network.value) else { continue };
            self.networks_known = true;
            // A node sends the guests of all members. And the probe's own throw-away network does not count.
            if key.peer_id != node || key.network_name == identity.network_name {
                continue;
            }
            let name = hash(&key.network_name);
            match entry.foreign_peer_ids.is_empty() {
                true => self.networks.remove(&name),
                false => self.networks.len() < MAX_NETWORKS && self.networks.insert(name),
            };
        }
        let items = sync.peer_infos.map(|infos| infos.items).unwrap_or_default();
        // The others are other members.
        if let Some(own) = items.iter().find(|item| item.peer_id == node) {
            self.info = Some(NodeInfo {
                version: text(&own.easytier_version, MAX_VERSION_CHARS),
                hostname: own.hostname.as_deref().and_then(|hostname| text(hostname, MAX_HOSTNAME_CHARS)),
                is_public_server: Some(own.feature_flag.as_ref().is_some_and(|flag| flag.is_public_server)),
                // To members a node says it of other networks, not of theirs.
                refuses_relay: self.is_guest && own.feature_flag.as_ref().is_some_and(|flag| flag.avoid_relay_data),
                network_count: None,
            });
        }
        if let Some(info) = &mut self.info {
            // A node does not tell guests about other networks, so for them the number is unknown rather than zero.
            let is_known = self.networks_known || !self.is_guest;
            info.network_count = is_known.then_some(self.networks.len() as u32);
        }
    }
}

/// The first `max_chars` characters of `text`; `None` if it is empty.
fn text(text: &str, max_chars: usize) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(max_chars).collect())
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{Membership, wire::request_route_info};

    const NODE: u32 = 9;
    const OTHER_NODE: u32 = 10;

    // The messages are encoded by hand, because checks only decode them.

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut bytes);
        [&bytes, content].concat()
    }

    fn number(field: u8, value: u32) -> Vec<u8> {
        let mut bytes = vec![field << 3];
        prost::encoding::encode_varint(value.into(), &mut bytes);
        bytes
    }

    /// A node of the network.
    fn item(peer: u32, hostname: &str, version: &str) -> Vec<u8> {
        field(1, &[number(1, peer), field(6, hostname.as_bytes()), field(10, version.as_bytes())].concat())
    }

    /// A network that a node serves, or served if it has no guests.
    fn network(node: u32, name: &str, guests: &[u8]) -> Vec<u8> {
        let key = field(1, &[number(1, node), field(2, name.as_bytes())].concat());
        let guests = if guests.is_empty() { Vec::new() } else { field(1, guests) };
        field(1, &[key, field(2, &guests)].concat())
    }

    /// Reads the request of a node with these nodes and networks.
    fn read(reader: &mut RouteReader, items: &[Vec<u8>], networks: &[Vec<u8>]) {
        let sync = [field(4, &items.concat()), field(6, &networks.concat())].concat();
        let request = request_route_info("net", NODE, 7, 1, 1);
        let mut request = RpcPacket::decode(request.payload).unwrap();
        request.body = field(2, &sync);
        let network = Membership { network_name: "net".to_owned(), network_secret: "secret".into() };
        assert!(reader.read(request, &Identity::member(&network), NODE).is_some());
    }

    fn count(reader: &RouteReader) -> Option<u32> {
        reader.info().unwrap().network_count
    }

    #[test]
    fn only_the_networks_of_the_node_itself_are_counted() {
        let mut reader = RouteReader::new(NetworkMatch::Same);
        let own = item(NODE, "alpha", "2.6.4");
        read(
            &mut reader,
            std::slice::from_ref(&own),
            &[network(OTHER_NODE, "a", &[1]), network(OTHER_NODE, "b", &[2])],
        );
        assert_eq!(count(&reader), Some(0));
        read(&mut reader, &[], &[network(NODE, "a", &[1]), network(NODE, "c", &[3])]);
        assert_eq!(count(&reader), Some(2));
        // The other node no longer serves it, but this one does.
        read(&mut reader, &[], &[network(OTHER_NODE, "a", &[])]);
        assert_eq!(count(&reader), Some(2));
        read(&mut reader, &[], &[network(NODE, "a", &[])]);
        assert_eq!(count(&reader), Some(1));
    }

    #[test]
    fn the_number_of_networks_is_unknown_to_a_member_of_another_network() {
        let own = item(NODE, "PublicServer_alpha", "2.6.4");
        for (network, expected) in [(NetworkMatch::Same, Some(0)), (NetworkMatch::OtherNetwork, None)] {
            let mut reader = RouteReader::new(network);
            read(&mut reader, std::slice::from_ref(&own), &[]);
            assert_eq!(count(&reader), expected, "{network:?}");
        }
    }

    #[test]
    fn what_a_node_says_of_other_members_is_not_taken_for_itself() {
        let mut reader = RouteReader::new(NetworkMatch::Same);
        read(&mut reader, &[item(OTHER_NODE, "charlie", "9.9.9")], &[]);
        assert_eq!(reader.info(), None);
        read(&mut reader, &[item(OTHER_NODE, "charlie", "9.9.9"), item(NODE, "alpha", "2.6.4")], &[]);
        read(&mut reader, &[item(OTHER_NODE, "charlie", "9.9.9")], &[]);
        let info = reader.info().unwrap();
        assert_eq!((info.hostname.as_deref(), info.version.as_deref()), (Some("alpha"), Some("2.6.4")));
    }

    #[test]
    fn long_texts_of_strangers_are_cut() {
        let mut reader = RouteReader::new(NetworkMatch::Same);
        read(&mut reader, &[item(NODE, &"é".repeat(60_000), &"9".repeat(60_000))], &[]);
        let info = reader.info().unwrap();
        assert_eq!(info.hostname, Some("é".repeat(255)));
        assert_eq!(info.version, Some("9".repeat(64)));
    }
}
