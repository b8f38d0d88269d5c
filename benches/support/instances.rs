//! Instances of the EasyTier library that watch nodes, one a peer, as other monitors do.
//!
//! An instance binds to physical interfaces and reaches a node on loopback only where there are none, so what is
//! compared runs in a network namespace of its own.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use easytier::{
    common::config::{ConfigLoader, NetworkIdentity, PeerConfig, TomlConfigLoader},
    launcher::NetworkInstance,
};

use crate::nodes;

/// As many as fit without being all that the machine does.
pub const INSTANCES: usize = 64;

/// The role: holds one instance a peer.
pub fn hold(urls: &[String]) {
    nodes::say("ready");
    nodes::wait_to_go_on();
    let instances: Vec<NetworkInstance> = (0..INSTANCES).map(|index| start(&urls[index % urls.len()])).collect();
    let connected = || instances.iter().filter(|instance| has_peer(instance)).count();
    let started = Instant::now();
    while connected() < INSTANCES && started.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(100));
    }
    nodes::say(format!("{} of {INSTANCES} instances online", connected()));
    nodes::wait_to_go_on();
    nodes::say(format!("{} of {INSTANCES} instances online", connected()));
    nodes::wait_to_go_on();
}

pub fn start(url: &str) -> NetworkInstance {
    let config = TomlConfigLoader::default();
    let name = format!("{:016x}", rand::random::<u64>());
    config.set_network_identity(NetworkIdentity::new(name, "bench".to_owned()));
    config.set_peers(vec![PeerConfig { uri: url.parse().expect("a URL") }]);
    let mut flags = config.get_flags();
    flags.no_tun = true;
    config.set_flags(flags);
    let mut instance = NetworkInstance::new(config);
    instance.start().expect("the instance starts");
    instance
}

pub fn has_peer(instance: &NetworkInstance) -> bool {
    instance.get_running_info().is_some_and(|info| !info.peers.is_empty())
}
