//! The route stage: asking a node for what it says about itself.
//!
//! A node tells its route information to whoever starts a route session with it. The request carries no information
//! of ours, so that the probe stays out of the node's route table.
//!
//! The node tells by a request of its own, which it repeats every three seconds until it is answered. A check is over
//! before that; a held session answers, which leaves both sides with a fifth of the packets, and is told again when
//! something changes.

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

/// More pieces than any node's route information has (each is 1,300 bytes): a bound for what a stranger may make us
/// keep.
const MAX_PIECES: u32 = 1024;
/// More bytes than that of a large network, for the same reason: read, they take many times their size.
const MAX_BODY: usize = 1024 * 1024;
/// A guest is told of the node alone.
const MAX_BODY_FOR_GUESTS: usize = 64 * 1024;
/// More networks than any node serves, for the same reason.
const MAX_NETWORKS: usize = 16 * 1024;

/// Puts a node's route information together from the packets in which it comes. Once a request is answered, the node
/// tells only what has changed since.
#[derive(Default)]
pub(super) struct RouteReader {
    transaction: i64,
    pieces: Vec<Option<Bytes>>,
    /// Networks that the node serves, as hashes: strangers' names are not kept.
    networks: HashSet<u64>,
    told_networks: bool,
    info: Option<NodeInfo>,
}

/// What a packet brought.
pub(super) enum RouteNews {
    /// Nothing of use, or not all of it yet.
    Nothing,
    /// The whole of this request has been read; a held session answers it.
    Told(RpcPacket),
    /// The packet is encrypted in a way that we cannot open; so will be the others.
    Unreadable,
}

impl RouteReader {
    /// What the node has told so far.
    pub fn info(&self) -> Option<&NodeInfo> {
        self.info.as_ref()
    }

    /// Reads a packet of type RpcReq from `node`.
    pub fn read(&mut self, packet: &Packet, identity: &Identity, node: u32) -> RouteNews {
        let rpc = if packet.encrypted {
            match identity.decrypt(&packet.payload) {
                Some(plain) => RpcPacket::decode(plain.as_slice()),
                None => return RouteNews::Unreadable,
            }
        } else {
            RpcPacket::decode(packet.payload.clone())
        };
        let Some(mut request) = rpc.ok().filter(SyncRouteInfoRequest::is_in) else {
            return RouteNews::Nothing;
        };
        let limit = if identity.is_guest() { MAX_BODY_FOR_GUESTS } else { MAX_BODY };
        let Some(sync) = self.add(&mut request, limit).and_then(|body| SyncRouteInfoRequest::decode_body(&body)) else {
            return RouteNews::Nothing;
        };
        self.learn(sync, identity, node);
        RouteNews::Told(request)
    }

    /// Adds a piece; the whole body, of at most `limit` bytes, once none is missing.
    fn add(&mut self, rpc: &mut RpcPacket, limit: usize) -> Option<Vec<u8>> {
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
        if self.pieces.iter().flatten().map(Bytes::len).sum::<usize>() > limit {
            self.pieces.clear();
            return None;
        }
        if self.pieces.iter().any(Option::is_none) {
            return None;
        }
        Some(std::mem::take(&mut self.pieces).into_iter().flatten().flatten().collect())
    }

    fn learn(&mut self, sync: SyncRouteInfoRequest, identity: &Identity, node: u32) {
        for network in sync.foreign_network_infos.into_iter().flat_map(|foreign| foreign.infos) {
            let (Some(key), Some(entry)) = (network.key, network.value) else { continue };
            self.told_networks = true;
            // The probe's own throw-away network is no load of the node.
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
            // A node tells guests nothing of the others, themselves included: for them no word is not zero.
            info.network_count = (self.told_networks || !identity.is_guest()).then_some(self.networks.len() as u32);
        }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
