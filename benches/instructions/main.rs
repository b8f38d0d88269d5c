//! Counts the instructions of a check and of its packets, by callgrind.
//!
//! `tools/bench-instructions` installs what this needs, and runs it. Only the thread of the check is counted; the kernel and
//! the node are not.

#![allow(clippy::disallowed_methods, clippy::restriction, missing_docs, reason = "a bench fails by a panic")]

mod node;
#[allow(dead_code, unused_imports, reason = "the bench uses a part of it")]
#[path = "../../src/wire/mod.rs"]
mod wire;

use std::hint::black_box;

use bytes::BytesMut;
use easytier_probe::{AddressPolicy, CheckOptions, CheckReport, Checker, Peer, Status};
use gungraun::{library_benchmark, library_benchmark_group, main};
use prost::Message;
use tokio::runtime::{Builder, Runtime};

use self::wire::{Handshake, NetworkDigest, Packet, PacketType, RpcPacket, SyncRouteInfoRequest};

struct Scene {
    runtime: Runtime,
    checker: Checker,
    peer: Peer,
}

/// A node that was checked once, so that what is done at the first check is not counted.
fn scene() -> Scene {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let options = CheckOptions {
        join_interval: std::time::Duration::ZERO,
        addresses: AddressPolicy::ANY,
        ..CheckOptions::default()
    };
    let url = format!("tcp://{}", node::start());
    let scene = Scene { runtime, checker: Checker::new(options), peer: Peer::local(1, url.parse().unwrap()) };
    let report = scene.check();
    assert_eq!((report.result.status, report.result.version.is_some()), (Status::Online, true), "{report:?}");
    scene
}

impl Scene {
    fn check(&self) -> CheckReport {
        self.runtime.block_on(self.checker.check(&self.peer))
    }
}

#[library_benchmark]
#[bench::tcp_with_three_pings(setup = scene)]
fn check(scene: Scene) -> (Scene, CheckReport) {
    let report = scene.check();
    (scene, report)
}

fn handshake() -> Handshake {
    Handshake::new(1, "network", &NetworkDigest::of("network", "secret"))
}

fn encoded(packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    packet.encode_to_stream(&mut bytes);
    bytes
}

fn encoded_handshake() -> BytesMut {
    encoded(&handshake().to_packet())
}

fn ping() -> Packet {
    Packet::new(1, 2, PacketType::Ping, vec![1, 2, 3, 4])
}

fn encoded_ping() -> BytesMut {
    encoded(&ping())
}

fn encoded_route_info() -> BytesMut {
    encoded(&node::route_info(2, 1))
}

#[library_benchmark]
#[bench::handshake(setup = handshake)]
fn encode_handshake(handshake: Handshake) -> BytesMut {
    black_box(encoded(&handshake.to_packet()))
}

#[library_benchmark]
#[bench::ping(setup = ping)]
fn encode_ping(ping: Packet) -> BytesMut {
    black_box(encoded(&ping))
}

#[library_benchmark]
#[bench::handshake(setup = encoded_handshake)]
fn decode_handshake(mut bytes: BytesMut) -> Handshake {
    let packet = Packet::decode_from_stream(&mut bytes).unwrap().unwrap();
    black_box(Handshake::decode(packet.payload).unwrap())
}

#[library_benchmark]
#[bench::ping(setup = encoded_ping)]
fn decode_ping(mut bytes: BytesMut) -> Packet {
    black_box(Packet::decode_from_stream(&mut bytes).unwrap().unwrap())
}

#[library_benchmark]
#[bench::route_info(setup = encoded_route_info)]
fn decode_route_info(mut bytes: BytesMut) -> SyncRouteInfoRequest {
    let packet = Packet::decode_from_stream(&mut bytes).unwrap().unwrap();
    let request = RpcPacket::decode(packet.payload).unwrap();
    black_box(SyncRouteInfoRequest::decode_body(&request.body).unwrap())
}

library_benchmark_group!(name = checks, benchmarks = check);
library_benchmark_group!(name = encode, benchmarks = [encode_handshake, encode_ping]);
library_benchmark_group!(name = decode, benchmarks = [decode_handshake, decode_ping, decode_route_info]);
main!(library_benchmark_groups = [checks, encode, decode]);
