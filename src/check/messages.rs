//! The messages of EasyTier's RPC that a check reads and writes, with just the fields it needs.
//!
//! Numbers and meanings are those of `peer_rpc.proto`, `common.proto` of EasyTier 2.0.3; 2.6 differs in fields that
//! are not here. Fields that are not here are skipped when read.

use prost::Message;

/// `peer_rpc.HandshakeRequest`: both the question and the answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Handshake {
    #[prost(uint32, tag = "1")]
    pub magic: u32,
    #[prost(uint32, tag = "2")]
    pub my_peer_id: u32,
    #[prost(uint32, tag = "3")]
    pub version: u32,
    #[prost(string, tag = "5")]
    pub network_name: String,
    #[prost(bytes = "vec", tag = "6")]
    pub network_secret_digest: Vec<u8>,
}

/// `common.RpcPacket`: one piece of a request or an answer.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcPacket {
    #[prost(uint32, tag = "1")]
    pub from_peer: u32,
    #[prost(uint32, tag = "2")]
    pub to_peer: u32,
    #[prost(int64, tag = "3")]
    pub transaction_id: i64,
    #[prost(message, optional, tag = "4")]
    pub descriptor: Option<RpcDescriptor>,
    #[prost(bytes = "vec", tag = "5")]
    pub body: Vec<u8>,
    #[prost(bool, tag = "6")]
    pub is_request: bool,
    #[prost(uint32, tag = "7")]
    pub total_pieces: u32,
    #[prost(uint32, tag = "8")]
    pub piece_idx: u32,
}

/// `common.RpcDescriptor`: which method of which service, in which network.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcDescriptor {
    #[prost(string, tag = "1")]
    pub domain_name: String,
    #[prost(string, tag = "2")]
    pub proto_name: String,
    #[prost(string, tag = "3")]
    pub service_name: String,
    #[prost(uint32, tag = "4")]
    pub method_index: u32,
}

/// `common.RpcRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcRequest {
    #[prost(message, optional, tag = "1")]
    pub descriptor: Option<RpcDescriptor>,
    #[prost(bytes = "vec", tag = "2")]
    pub request: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub timeout_ms: i32,
}

/// `common.RpcResponse`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub response: Vec<u8>,
}

/// `peer_rpc.SyncRouteInfoResponse`, without its field `error`: there is no value of it that old nodes survive.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SyncRouteInfoResponse {
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

/// `peer_rpc.RoutePeerInfos`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RoutePeerInfos {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<RoutePeerInfo>,
}

/// `peer_rpc.RoutePeerInfo`
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
}

/// `peer_rpc.RouteForeignNetworkInfos`: the networks of strangers that nodes serve.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ForeignNetworks {
    #[prost(message, repeated, tag = "1")]
    pub infos: Vec<ForeignNetwork>,
}

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
    /// Its members at that node; none when the node serves it no longer.
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
