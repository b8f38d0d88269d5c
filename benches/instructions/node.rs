//! A node that does what a check needs, in a thread of its own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use bytes::{Bytes, BytesMut};
use prost::{Message, encoding::encode_varint};

use crate::wire::{Handshake, Packet, PacketType, RpcPacket, request_route_info};

const NODE: u32 = 4711;

/// Starts it, and returns its address.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

/// Serves until the other side closes.
fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut received = BytesMut::new();
    let mut space = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut space) {
        received.extend_from_slice(&space[..length]);
        while let Ok(Some(packet)) = Packet::decode_from_stream(&mut received) {
            let mut answer = BytesMut::new();
            if let Some(packet) = answered(packet) {
                packet.encode_to_stream(&mut answer);
            }
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

fn answered(packet: Packet) -> Option<Packet> {
    let probe = packet.from;
    match packet.kind {
        PacketType::Handshake => {
            let mut handshake = Handshake::decode(packet.payload).unwrap();
            handshake.my_peer_id = NODE;
            Some(Packet::new(NODE, probe, PacketType::Handshake, handshake.encode_to_vec()))
        }
        PacketType::Ping => Some(Packet::new(NODE, probe, PacketType::Pong, packet.payload)),
        PacketType::RpcRequest => Some(route_info(NODE, probe)),
        _ => None,
    }
}

/// The route information of `node`, as it sends it to `probe`.
pub fn route_info(node: u32, probe: u32) -> Packet {
    let packet = request_route_info("network", node, probe, 1, 1);
    let mut request = RpcPacket::decode(packet.payload).unwrap();
    // The messages are encoded by hand, because checks only decode them.
    let item = [&[1 << 3], &varint(node.into())[..], &field(6, b"edge-1"), &field(10, b"2.4.5-0123abc")].concat();
    request.body = field(2, &field(4, &field(1, &item)));
    Packet { payload: Bytes::from(request.encode_to_vec()), ..packet }
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_varint(number, &mut bytes);
    bytes
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2], &varint(content.len() as u64)[..], content].concat()
}
