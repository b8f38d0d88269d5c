//! The envelope of EasyTier's remote procedure calls (`common.proto` of the crate).

use prost::Message;

/// `common.RpcPacket`: one piece of a request or a response.
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
    /// 0 or 1 for a message that is not split.
    #[prost(uint32, tag = "7")]
    pub total_pieces: u32,
    /// Counted from 0.
    #[prost(uint32, tag = "8")]
    pub piece_idx: u32,
}

/// `common.RpcDescriptor`: a method of a service, and the network it is called in.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcDescriptor {
    /// The caller's network name.
    #[prost(string, tag = "1")]
    pub domain_name: String,
    #[prost(string, tag = "2")]
    pub proto_name: String,
    #[prost(string, tag = "3")]
    pub service_name: String,
    /// Counted from 1.
    #[prost(uint32, tag = "4")]
    pub method_index: u32,
}

/// `common.RpcRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcRequest {
    #[prost(message, optional, tag = "1")]
    pub descriptor: Option<RpcDescriptor>,
    #[prost(bytes = "vec", tag = "2")]
    pub request: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub timeout_ms: i32,
}

/// `common.RpcResponse`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub response: Vec<u8>,
}
