//! Instances of the EasyTier library that watch nodes, one instance per peer, as other monitors do.
//!
//! An instance binds to physical interfaces, and reaches a node on loopback only if there are none. So the bench runs
//! in its own network namespace.

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

/// The number of instances. More would use up the CPU time of the machine.
pub const INSTANCES: usize = 64;

/// The role: holds the instances, one per peer.
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
