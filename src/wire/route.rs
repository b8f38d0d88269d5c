//! The exchange of route information: the service `OspfRouteRpc` and its messages.
//!
//! The messages have only the fields that a check needs. Numbers and meanings are those of `peer_rpc.proto` and
//! `common.proto` in EasyTier 2.0.3; the fields in which later versions differ are not among them.

use prost::Message;

use super::{
    packet::{Packet, PacketType},
    rpc::{RpcDescriptor, RpcPacket, RpcRequest, RpcResponse},
};

/// The service's name, which is also the name of its protocol.
const SERVICE: &str = "OspfRouteRpc";
/// The index of its only method, `SyncRouteInfo`.
const SYNC_ROUTE_INFO: u32 = 1;
/// The time that the caller allows for a response, in milliseconds. EasyTier sends the same.
const RPC_TIMEOUT_MS: i32 = 3000;

/// Builds the request that makes a node send its route information.
///
/// `session_id` is any number that stays the same during a session. The request carries no route information of its
/// own, so that the sender stays out of the node's route table.
pub(crate) fn request_route_info(
    network_name: &str,
    from: u32,
    to: u32,
    session_id: u64,
    transaction_id: i64,
) -> Packet {
    let descriptor = RpcDescriptor {
        domain_name: network_name.to_owned(),
        proto_name: SERVICE.to_owned(),
        service_name: SERVICE.to_owned(),
        method_index: SYNC_ROUTE_INFO,
    };
    let sync = SyncRouteInfoRequest {
        my_peer_id: from,
        my_session_id: session_id,
        is_initiator: true,
        peer_infos: None,
        foreign_network_infos: None,
    };
    let request =
        RpcRequest { descriptor: Some(descriptor.clone()), request: sync.encode_to_vec(), timeout_ms: RPC_TIMEOUT_MS };
    let rpc = RpcPacket {
        from_peer: from,
        to_peer: to,
        transaction_id,
        descriptor: Some(descriptor),
        body: request.encode_to_vec(),
        is_request: true,
        total_pieces: 1,
        piece_idx: 0,
    };
    Packet::new(from, to, PacketType::RpcRequest, rpc.encode_to_vec())
}

/// Builds the response to `request`, with which a node sent its route information.
pub(crate) fn acknowledge_route_info(request: &RpcPacket, from: u32, to: u32, session_id: u64) -> Packet {
    let response = SyncRouteInfoResponse { is_initiator: true, session_id };
    let rpc = RpcPacket {
        from_peer: from,
        to_peer: to,
        transaction_id: request.transaction_id,
        descriptor: request.descriptor.clone(),
        body: RpcResponse { response: response.encode_to_vec() }.encode_to_vec(),
        is_request: false,
        total_pieces: 1,
        piece_idx: 0,
    };
    Packet::new(from, to, PacketType::RpcResponse, rpc.encode_to_vec())
}

/// `peer_rpc.SyncRouteInfoResponse` without its field `error`: every value of that field makes 2.0.3 nodes panic.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SyncRouteInfoResponse {
    #[prost(bool, tag = "1")]
    pub is_initiator: bool,
    #[prost(uint64, tag = "2")]
    pub session_id: u64,
}

/// `peer_rpc.SyncRouteInfoRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SyncRouteInfoRequest {
    #[prost(uint32, tag = "1")]
    pub my_peer_id: u32,
    #[prost(uint64, tag = "2")]
    pub my_session_id: u64,
    #[prost(bool, tag = "3")]
    pub is_initiator: bool,
    #[prost(message, optional, tag = "4")]
    pub peer_infos: Option<RoutePeerInfos>,
    #[prost(message, optional, tag = "6")]
    pub foreign_network_infos: Option<ForeignNetworks>,
}

impl SyncRouteInfoRequest {
    /// Whether `rpc` carries such a request, or a piece of one.
    pub fn is_in(rpc: &RpcPacket) -> bool {
        rpc.is_request && rpc.descriptor.as_ref().is_some_and(|descriptor| descriptor.service_name == SERVICE)
    }

    /// Decodes the whole body of an [`RpcPacket`], its pieces joined; `None` when it cannot be decoded.
    pub fn decode_body(body: &[u8]) -> Option<Self> {
        let request = RpcRequest::decode(body).ok()?;
        Self::decode(request.request.as_slice()).ok()
    }
}

/// `peer_rpc.RoutePeerInfos`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoutePeerInfos {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<RoutePeerInfo>,
}

/// `peer_rpc.RoutePeerInfo`: a node of the network.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoutePeerInfo {
    #[prost(uint32, tag = "1")]
    pub peer_id: u32,
    #[prost(string, optional, tag = "6")]
    pub hostname: Option<String>,
    #[prost(string, tag = "10")]
    pub easytier_version: String,
    #[prost(message, optional, tag = "11")]
    pub feature_flag: Option<PeerFeatureFlag>,
}

/// `common.PeerFeatureFlag`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PeerFeatureFlag {
    #[prost(bool, tag = "1")]
    pub is_public_server: bool,
    /// Whether the node relays no data of others: `no_relay_data` in the crate, `avoid_relay_data` since 2.4. To a guest,
    /// nodes since 2.6 say it of the guest's own network.
    #[prost(bool, tag = "2")]
    pub avoid_relay_data: bool,
}

/// `peer_rpc.RouteForeignNetworkInfos`: the networks of guests that the nodes of a network serve.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForeignNetworks {
    #[prost(message, repeated, tag = "1")]
    pub infos: Vec<ForeignNetwork>,
}

/// `peer_rpc.RouteForeignNetworkInfos.Info`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForeignNetwork {
    #[prost(message, optional, tag = "1")]
    pub key: Option<ForeignNetworkKey>,
    #[prost(message, optional, tag = "2")]
    pub value: Option<ForeignNetworkEntry>,
}

/// `peer_rpc.ForeignNetworkRouteInfoEntry`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForeignNetworkEntry {
    /// The guests of this network at the node. Empty when the node no longer serves the network.
    #[prost(uint32, repeated, tag = "1")]
    pub foreign_peer_ids: Vec<u32>,
}

/// `peer_rpc.ForeignNetworkRouteInfoKey`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForeignNetworkKey {
    /// The node that serves the network.
    #[prost(uint32, tag = "1")]
    pub peer_id: u32,
    #[prost(string, tag = "2")]
    pub network_name: String,
}
