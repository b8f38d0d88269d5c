//! The route stage: asking a node for what it says about itself.
//!
//! A node tells its route information to whoever starts a route session with it. The request carries no information
//! of ours, so that the probe stays out of the node's route table. Nothing is ever sent in answer to the node's own
//! requests: it repeats them and does not close, and old nodes die of answers whose `error` field is set.

use std::collections::HashSet;

use bytes::Bytes;
use easytier::tunnel::packet_def::PacketType;
use prost::Message;

use super::{
    identity::Identity,
    messages::{RpcDescriptor, RpcPacket, RpcRequest, SyncRouteInfoRequest},
    packet::Packet,
};
use crate::result::NodeInfo;

/// The service, and the number of its one method (methods count from 1).
const SERVICE: &str = "OspfRouteRpc";
const SYNC_ROUTE_INFO: u32 = 1;
/// More pieces than any node's route information has (each is 1,300 bytes): a bound for what a stranger may make us
/// keep.
const MAX_PIECES: u32 = 1024;

/// The question that makes a node tell its route information.
pub(super) fn request(identity: &Identity, me: u32, node: u32) -> Packet {
    let descriptor = RpcDescriptor {
        domain_name: identity.network_name.clone(),
        proto_name: SERVICE.to_owned(),
        service_name: SERVICE.to_owned(),
        method_index: SYNC_ROUTE_INFO,
    };
    let sync = SyncRouteInfoRequest {
        my_peer_id: me,
        my_session_id: rand::random(),
        is_initiator: true,
        peer_infos: None,
        foreign_network_infos: None,
    };
    let request = RpcRequest { descriptor: Some(descriptor.clone()), request: sync.encode_to_vec(), timeout_ms: 3000 };
    let rpc = RpcPacket {
        from_peer: me,
        to_peer: node,
        transaction_id: i64::from(rand::random::<u32>()),
        descriptor: Some(descriptor),
        body: request.encode_to_vec(),
        is_request: true,
        total_pieces: 1,
        piece_idx: 0,
    };
    Packet::new(me, node, PacketType::RpcReq, rpc.encode_to_vec())
}

/// Puts a node's route information together from the packets in which it comes.
#[derive(Default)]
pub(super) struct RouteReader {
    transaction: i64,
    pieces: Vec<Option<Bytes>>,
}

/// What a packet brought.
pub(super) enum RouteNews {
    /// Nothing of use, or not all of it yet.
    Nothing,
    Info(NodeInfo),
    /// The packet is encrypted in a way that we cannot open; so will be the others.
    Unreadable,
}

impl RouteReader {
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
        let info = rpc.ok().filter(is_route_sync).and_then(|rpc| self.add(rpc));
        match info.and_then(|body| parse(&body, identity, node)) {
            Some(info) => RouteNews::Info(info),
            None => RouteNews::Nothing,
        }
    }

    /// Adds a piece; the whole body once none is missing.
    fn add(&mut self, rpc: RpcPacket) -> Option<Vec<u8>> {
        if rpc.total_pieces <= 1 {
            return Some(rpc.body);
        }
        if rpc.total_pieces > MAX_PIECES || rpc.piece_idx >= rpc.total_pieces {
            return None;
        }
        let total = rpc.total_pieces as usize;
        if self.transaction != rpc.transaction_id || self.pieces.len() != total {
            self.transaction = rpc.transaction_id;
            self.pieces = vec![None; total];
        }
        self.pieces[rpc.piece_idx as usize] = Some(rpc.body.into());
        let whole: Option<Vec<&Bytes>> = self.pieces.iter().map(Option::as_ref).collect();
        Some(whole?.into_iter().flatten().copied().collect())
    }
}

fn is_route_sync(rpc: &RpcPacket) -> bool {
    rpc.is_request && rpc.descriptor.as_ref().is_some_and(|descriptor| descriptor.service_name == SERVICE)
}

fn parse(body: &[u8], identity: &Identity, node: u32) -> Option<NodeInfo> {
    let request = RpcRequest::decode(body).ok()?;
    let sync = SyncRouteInfoRequest::decode(request.request.as_slice()).ok()?;
    let items = sync.peer_infos?.items;
    let own = items.iter().find(|item| item.peer_id == node).or(items.first())?;
    // The probe's own throw-away network is no load of the node.
    let networks: HashSet<&str> = sync
        .foreign_network_infos
        .iter()
        .flat_map(|foreign| &foreign.infos)
        .filter_map(|info| Some(info.key.as_ref()?.network_name.as_str()))
        .filter(|name| *name != identity.network_name)
        .collect();
    Some(NodeInfo {
        version: Some(own.easytier_version.clone()).filter(|version| !version.is_empty()),
        hostname: own.hostname.clone().filter(|hostname| !hostname.is_empty()),
        network_count: Some(networks.len() as u32),
        is_public_server: Some(own.feature_flag.as_ref().is_some_and(|flag| flag.is_public_server)),
    })
}
