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
use prost::Message;

use super::identity::Identity;
use crate::{
    result::NodeInfo,
    wire::{Packet, RpcPacket, SyncRouteInfoRequest},
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

/// Collects a node's route information from the packets in which it arrives. Once a request is answered, the node sends
/// only what has changed since.
#[derive(Default)]
pub(super) struct RouteReader {
    transaction: i64,
    pieces: Vec<Option<Bytes>>,
    /// The networks that the node serves, as hashes: their names are not kept.
    networks: HashSet<u64>,
    networks_known: bool,
    info: Option<NodeInfo>,
}

/// What a packet contained.
pub(super) enum RouteUpdate {
    /// Nothing of use, or an incomplete request.
    Nothing,
    /// This request, now complete. A held session answers it.
    Complete(RpcPacket),
    /// A payload that is encrypted with another key or cipher; so are all others of the node.
    Unreadable,
}

impl RouteReader {
    /// The node's information, as far as it is known.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.info.as_ref()
    }

    /// Reads a packet of type [`RpcRequest`](crate::wire::PacketType::RpcRequest) from `node`.
    pub fn read(&mut self, packet: &Packet, identity: &Identity, node: u32) -> RouteUpdate {
        let rpc = if packet.encrypted {
            match identity.decrypt(&packet.payload) {
                Some(plain) => RpcPacket::decode(plain.as_slice()),
                None => return RouteUpdate::Unreadable,
            }
        } else {
            RpcPacket::decode(packet.payload.clone())
        };
        let Some(mut request) = rpc.ok().filter(SyncRouteInfoRequest::is_in) else {
            return RouteUpdate::Nothing;
        };
        let max_body = if identity.is_guest() { MAX_BODY_FOR_GUESTS } else { MAX_BODY };
        let body = self.add_piece(&mut request, max_body);
        let Some(sync) = body.and_then(|body| SyncRouteInfoRequest::decode_body(&body)) else {
            return RouteUpdate::Nothing;
        };
        self.apply(sync, identity, node);
        RouteUpdate::Complete(request)
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
            // The probe's own throw-away network does not count.
            if key.network_name == identity.network_name {
                continue;
            }
            let name = hash(&key.network_name);
            match entry.foreign_peer_ids.is_empty() {
                true => self.networks.remove(&name),
                false => self.networks.len() < MAX_NETWORKS && self.networks.insert(name),
            };
        }
        let items = sync.peer_infos.map(|infos| infos.items).unwrap_or_default();
        if let Some(own) = items.iter().find(|item| item.peer_id == node).or(items.first()) {
            self.info = Some(NodeInfo {
                version: Some(own.easytier_version.clone()).filter(|version| !version.is_empty()),
                hostname: own.hostname.clone().filter(|hostname| !hostname.is_empty()),
                is_public_server: Some(own.feature_flag.as_ref().is_some_and(|flag| flag.is_public_server)),
                network_count: None,
            });
        }
        if let Some(info) = &mut self.info {
            // A node does not tell guests about other networks, so for them the number is unknown rather than zero.
            let is_known = self.networks_known || !identity.is_guest();
            info.network_count = is_known.then_some(self.networks.len() as u32);
        }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
