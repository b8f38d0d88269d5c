//! Comparison with the crate `easytier`, byte for byte.

use bytes::{Bytes, BytesMut};
use easytier::{
    common::{
        config::{ConfigLoader, NetworkIdentity, TomlConfigLoader},
        global_ctx::GlobalCtx,
    },
    proto::{common, peer_rpc},
    tunnel::{packet_def, packet_def::ZCPacketType, wireguard::WgConfig},
};
use proptest::prelude::*;
use prost::Message;
use prost_easytier::Message as _;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{
    cipher::MemberCiphers,
    handshake::Handshake,
    keys::{NetworkDigest, aes_128_key, wireguard_key},
    packet::{FLAG_ENCRYPTED, HEADER_SIZE, LENGTH_SIZE, Packet, PacketType},
    route::{self, SyncRouteInfoRequest, acknowledge_route_info, request_route_info},
    rpc::{RpcDescriptor, RpcPacket, RpcRequest, RpcResponse},
    udp::{Datagram, DatagramType, UDP_HEADER_SIZE},
    wireguard::{IP_HEADER_SIZE, packet_in_ip, payload_of_ip},
};

/// A packet of the crate's.
fn reference_packet(from: u32, to: u32, kind: packet_def::PacketType, payload: &[u8]) -> packet_def::ZCPacket {
    let mut packet = packet_def::ZCPacket::new_with_payload(payload);
    // The crate does not initialise the header, and never sets its reserved byte.
    let header = ..packet.payload_offset();
    packet.mut_inner()[header].fill(0);
    packet.fill_peer_manager_hdr(from, to, kind as u8);
    packet
}

fn encoded(packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes);
    bytes
}

#[test]
fn the_version_is_the_crates() {
    // A crate that is built in a Git work tree appends the commit.
    assert_eq!(easytier::VERSION.split('-').next(), Some(super::EASYTIER_VERSION));
}

#[test]
fn sizes_are_the_crates() {
    assert_eq!(HEADER_SIZE, packet_def::PEER_MANAGER_HEADER_SIZE);
    assert_eq!(LENGTH_SIZE, packet_def::TCP_TUNNEL_HEADER_SIZE);
    assert_eq!(UDP_HEADER_SIZE, packet_def::UDP_TUNNEL_HEADER_SIZE);
    assert_eq!(IP_HEADER_SIZE, packet_def::WG_TUNNEL_HEADER_SIZE);
}

#[test]
fn packet_types_are_the_crates() {
    use packet_def::PacketType as Reference;
    for (ours, reference) in [
        (PacketType::Handshake, Reference::HandShake),
        (PacketType::Ping, Reference::Ping),
        (PacketType::Pong, Reference::Pong),
        (PacketType::RpcRequest, Reference::RpcReq),
        (PacketType::RpcResponse, Reference::RpcResp),
        (PacketType::Other(1), Reference::Data),
    ] {
        assert_eq!(ours.code(), reference as u8, "{ours:?}");
    }
}

#[test]
fn datagram_types_are_the_crates() {
    use packet_def::UdpPacketType as Reference;
    for (ours, reference) in [
        (DatagramType::Syn, Reference::Syn),
        (DatagramType::Sack, Reference::Sack),
        (DatagramType::Data, Reference::Data),
        (DatagramType::Fin, Reference::Fin),
    ] {
        assert_eq!(ours as u8, reference as u8, "{ours:?}");
    }
}

#[test]
fn packets_are_the_crates() {
    let mut reference = reference_packet(7, 9, packet_def::PacketType::Ping, b"seq!");
    let mut ours = Packet::new(7, 9, PacketType::Ping, &b"seq!"[..]);
    assert_eq!(encoded(&ours), reference.tunnel_payload());

    reference.mut_peer_manager_header().unwrap().set_encrypted(true);
    ours.encrypted = true;
    assert_eq!(encoded(&ours), reference.tunnel_payload());
    assert_eq!(reference.peer_manager_header().unwrap().flags, FLAG_ENCRYPTED);
    assert_eq!(Packet::decode(Bytes::copy_from_slice(reference.tunnel_payload())), Some(ours));
}

#[test]
fn the_framing_of_streams_is_the_crates() {
    let reference = reference_packet(7, 9, packet_def::PacketType::Pong, b"payload");
    let mut reference = reference.convert_type(ZCPacketType::TCP);
    let length = reference.buf_len() - packet_def::TCP_TUNNEL_HEADER_SIZE;
    reference.mut_tcp_tunnel_header().unwrap().len.set(length as u32);

    let mut ours = BytesMut::new();
    Packet::new(7, 9, PacketType::Pong, &b"payload"[..]).encode_to_stream(&mut ours);
    assert_eq!(ours, reference.into_bytes());
}

#[test]
fn datagrams_are_the_crates() {
    let reference = reference_packet(7, 9, packet_def::PacketType::Pong, b"payload");
    let mut reference = reference.convert_type(ZCPacketType::UDP);
    let length = reference.udp_payload().len();
    let header = reference.mut_udp_tunnel_header().unwrap();
    header.conn_id.set(0x0102_0304);
    header.msg_type = packet_def::UdpPacketType::Data as u8;
    header.padding = 0;
    header.len.set(length as u16);

    let body = encoded(&Packet::new(7, 9, PacketType::Pong, &b"payload"[..]));
    let ours = Datagram { connection: 0x0102_0304, kind: DatagramType::Data, body: &body };
    assert_eq!(ours.encode(), reference.into_bytes());
}

/// The crate fills in the IPv4 header in a private function, which `check/dial/wire_guard.rs` tests over the network.
#[test]
fn packets_in_wireguard_lie_where_the_crate_has_them() {
    let reference = reference_packet(7, 9, packet_def::PacketType::Pong, b"payload").convert_type(ZCPacketType::WG);
    let length = reference.buf_len();
    let reference = reference.into_bytes();

    let ours = packet_in_ip(&Packet::new(7, 9, PacketType::Pong, &b"payload"[..]));
    assert_eq!(payload_of_ip(&ours), Some(&reference[IP_HEADER_SIZE..]));
    assert_eq!(ours.len(), length);
    assert_eq!(ours[2..4], (length as u16).to_be_bytes());
}

proptest! {
    #[test]
    fn digests_and_wireguard_keys_are_the_crates(name in ".{0,40}", secret in ".{0,40}") {
        let reference = NetworkIdentity::new(name.clone(), secret.clone());
        prop_assert_eq!(Some(*NetworkDigest::of(&name, &secret).as_bytes()), reference.network_secret_digest);

        let reference = WgConfig::new_from_network_identity(&name, &secret);
        prop_assert_eq!(&wireguard_key(&name, &secret)[..], reference.my_secret_key());
        prop_assert_eq!(reference.my_public_key(), reference.peer_public_key());
    }
}

#[tokio::test]
async fn encryption_keys_are_the_crates() {
    for secret in ["", "secret", "a secret of more than eight bytes", "ключ 密钥"] {
        let config = TomlConfigLoader::default();
        config.set_network_identity(NetworkIdentity::new("network".to_owned(), secret.to_owned()));
        assert_eq!(aes_128_key(secret), GlobalCtx::new(config).get_128_key(), "{secret}");
    }
}

#[test]
fn encrypted_payloads_end_as_the_crates() {
    let tail = packet_def::AesGcmTail::default();
    assert_eq!(tail.tag.len(), AES_128_GCM.tag_len());
    assert_eq!(tail.nonce.len(), AES_128_GCM.nonce_len());

    let nonce = [7; 12];
    let mut sealed = b"route information".to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &aes_128_key("secret")).unwrap())
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .unwrap();
    sealed.extend_from_slice(&nonce);

    let open = |secret, payload: &[u8]| {
        MemberCiphers::new(secret).open(payload, |opened| (opened == b"route information").then_some(()))
    };
    assert_eq!(open("secret", &sealed), Some(()));
    assert_eq!(open("another secret", &sealed), None);
    for length in 0..sealed.len() {
        assert_eq!(open("secret", &sealed[..length]), None, "{length}");
    }
}

#[test]
fn handshakes_are_the_crates() {
    let digest = NetworkDigest::of("network", "secret");
    let ours = Handshake::new(4711, "network", &digest);
    let reference = peer_rpc::HandshakeRequest {
        magic: 0xd1e1_a5e1,
        my_peer_id: 4711,
        version: 1,
        features: Vec::new(),
        network_name: "network".to_owned(),
        network_secret_digrest: digest.as_bytes().to_vec(),
    };
    assert_eq!(ours.encode_to_vec(), reference.encode_to_vec());

    let packet = reference_packet(4711, 0, packet_def::PacketType::HandShake, &reference.encode_to_vec());
    assert_eq!(encoded(&ours.to_packet()), packet.tunnel_payload());
    let with_features = peer_rpc::HandshakeRequest { features: vec!["new".to_owned()], ..reference };
    assert_eq!(Handshake::decode(&with_features.encode_to_vec()[..]).unwrap(), ours);
}

fn reference_descriptor() -> common::RpcDescriptor {
    common::RpcDescriptor {
        domain_name: "network".to_owned(),
        proto_name: "OspfRouteRpc".to_owned(),
        service_name: "OspfRouteRpc".to_owned(),
        method_index: 1,
    }
}

#[test]
fn the_request_for_route_information_is_the_crates() {
    let sync = peer_rpc::SyncRouteInfoRequest {
        my_peer_id: 7,
        my_session_id: u64::MAX,
        is_initiator: true,
        peer_infos: None,
        conn_bitmap: None,
        foreign_network_infos: None,
    };
    let request = common::RpcRequest {
        descriptor: Some(reference_descriptor()),
        request: sync.encode_to_vec(),
        timeout_ms: 3000,
    };
    let rpc = common::RpcPacket {
        from_peer: 7,
        to_peer: 9,
        transaction_id: 1234,
        descriptor: Some(reference_descriptor()),
        body: request.encode_to_vec(),
        is_request: true,
        total_pieces: 1,
        piece_idx: 0,
        trace_id: 0,
    };
    let reference = reference_packet(7, 9, packet_def::PacketType::RpcReq, &rpc.encode_to_vec());
    assert_eq!(encoded(&request_route_info("network", 7, 9, u64::MAX, 1234)), reference.tunnel_payload());
}

#[test]
fn the_response_to_route_information_is_the_crates() {
    let response = peer_rpc::SyncRouteInfoResponse { is_initiator: true, session_id: 42, error: None };
    let body = common::RpcResponse { response: response.encode_to_vec(), error: None, runtime_us: 0 };
    let rpc = common::RpcPacket {
        from_peer: 7,
        to_peer: 9,
        transaction_id: -1,
        descriptor: Some(reference_descriptor()),
        body: body.encode_to_vec(),
        is_request: false,
        total_pieces: 1,
        piece_idx: 0,
        trace_id: 0,
    };
    let reference = reference_packet(7, 9, packet_def::PacketType::RpcResp, &rpc.encode_to_vec());

    let request = RpcPacket { transaction_id: -1, descriptor: Some(descriptor()), ..RpcPacket::default() };
    assert_eq!(encoded(&acknowledge_route_info(&request, 7, 9, 42)), reference.tunnel_payload());
}

fn descriptor() -> RpcDescriptor {
    RpcDescriptor {
        domain_name: "network".to_owned(),
        proto_name: "OspfRouteRpc".to_owned(),
        service_name: "OspfRouteRpc".to_owned(),
        method_index: 1,
    }
}

#[test]
fn route_information_of_the_crates_is_read() {
    let node = peer_rpc::RoutePeerInfo {
        peer_id: 9,
        cost: 1,
        ipv4_addr: Some(common::Ipv4Addr { addr: 1 }),
        proxy_cidrs: vec!["10.0.0.0/8".to_owned()],
        hostname: Some("host".to_owned()),
        version: 3,
        easytier_version: "2.0.3".to_owned(),
        feature_flag: Some(common::PeerFeatureFlag { is_public_server: true, no_relay_data: true }),
        peer_route_id: 5,
        network_length: 24,
        ..Default::default()
    };
    let guests = peer_rpc::route_foreign_network_infos::Info {
        key: Some(peer_rpc::ForeignNetworkRouteInfoKey { peer_id: 9, network_name: "guests".to_owned() }),
        value: Some(peer_rpc::ForeignNetworkRouteInfoEntry {
            foreign_peer_ids: vec![1, 2],
            version: 3,
            network_secret_digest: vec![1; 32],
            ..Default::default()
        }),
    };
    let reference = peer_rpc::SyncRouteInfoRequest {
        my_peer_id: 9,
        my_session_id: 8,
        is_initiator: true,
        peer_infos: Some(peer_rpc::RoutePeerInfos { items: vec![node] }),
        conn_bitmap: Some(peer_rpc::RouteConnBitmap { peer_ids: Vec::new(), bitmap: vec![1] }),
        foreign_network_infos: Some(peer_rpc::RouteForeignNetworkInfos { infos: vec![guests] }),
    };
    let request = common::RpcRequest {
        descriptor: Some(reference_descriptor()),
        request: reference.encode_to_vec(),
        timeout_ms: 3000,
    };

    let read = SyncRouteInfoRequest::decode_body(&request.encode_to_vec());
    let node = route::RoutePeerInfo {
        peer_id: 9,
        hostname: Some("host".to_owned()),
        easytier_version: "2.0.3".to_owned(),
        feature_flag: Some(route::PeerFeatureFlag { is_public_server: true, avoid_relay_data: true }),
    };
    let guests = route::ForeignNetwork {
        key: Some(route::ForeignNetworkKey { peer_id: 9, network_name: "guests".to_owned() }),
        value: Some(route::ForeignNetworkEntry { foreign_peer_ids: vec![1, 2] }),
    };
    let expected = SyncRouteInfoRequest {
        my_peer_id: 9,
        my_session_id: 8,
        is_initiator: true,
        peer_infos: Some(route::RoutePeerInfos { items: vec![node] }),
        foreign_network_infos: Some(route::ForeignNetworks { infos: vec![guests] }),
    };
    assert_eq!(read, Some(expected));
}

proptest! {
    #[test]
    fn messages_from_strangers_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Handshake::decode(&bytes[..]);
        let _ = RpcPacket::decode(&bytes[..]);
        let _ = RpcRequest::decode(&bytes[..]);
        let _ = RpcResponse::decode(&bytes[..]);
        let _ = SyncRouteInfoRequest::decode_body(&bytes);
    }
}
