//! Real nodes in child processes, and peers at these nodes.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::process::Command;

use easytier_probe::{AddressPolicy, CheckOptions, Checker, Peer};

pub use crate::role::{Helper, Role, say, wait_to_go_on};

/// The number of nodes. The joins are spread over them, because old versions crash after too many.
pub const NODES: usize = 16;

/// Starts the nodes on loopback. Returns them and the URLs of their tcp listeners.
pub fn start() -> (Vec<Helper>, Vec<String>) {
    start_at("127.0.0.1")
}

/// The same at a given address.
pub fn start_at(address: &str) -> (Vec<Helper>, Vec<String>) {
    let (nodes, urls) = start_nodes(&[format!("tcp://{address}:0")]);
    (nodes, urls.concat())
}

/// The same on loopback over several protocols. Returns the URLs by protocol.
pub fn start_with(schemes: &[&str]) -> (Vec<Helper>, Vec<Vec<String>>) {
    let listeners: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://127.0.0.1:0")).collect();
    start_nodes(&listeners)
}

/// Starts the nodes. Returns their URLs by listener.
fn start_nodes(listeners: &[String]) -> (Vec<Helper>, Vec<Vec<String>>) {
    let mut nodes: Vec<Helper> = (0..NODES)
        .map(|_| {
            let network = ["--network-name", "bench", "--network-secret", "bench"];
            Helper::start(
                Command::new(env!("CARGO_BIN_EXE_easytier-uptime"))
                    .args(["node", "--exit-with-stdin", "--listen"])
                    .args(listeners)
                    .args(network),
            )
        })
        .collect();
    let mut urls = vec![Vec::new(); listeners.len()];
    for node in &mut nodes {
        let line = node.line().replace("listening on ", "");
        urls.iter_mut().zip(line.split(' ')).for_each(|(urls, url)| urls.push(url.to_owned()));
    }
    (nodes, urls)
}

/// `count` peers spread over the nodes.
pub fn peers(urls: &[String], count: usize) -> Vec<Peer> {
    let url = |index: usize| urls[index % urls.len()].parse().expect("a peer URL");
    (0..count).map(|index| Peer::local(index as i64, url(index))).collect()
}

/// A checker without the limit on joins.
pub fn checker() -> Checker {
    Checker::new(CheckOptions {
        join_interval: std::time::Duration::ZERO,
        addresses: AddressPolicy::ANY,
        ..CheckOptions::default()
    })
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
