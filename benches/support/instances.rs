//! Instances of the EasyTier library that watch nodes, one a peer, as other monitors do.
//!
//! An instance binds to physical interfaces and reaches a node on loopback only where there are none, so what is
//! compared runs in a network namespace of its own.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::{
    process::Command,
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

/// Set in the child that runs in the namespace.
const IN_NAMESPACE: &str = "BENCH_IN_NAMESPACE";

/// Whether this process is in a namespace of its own. If it is not, it runs again in one, with these arguments.
pub fn in_own_namespace(arguments: &[String]) -> bool {
    if std::env::var_os(IN_NAMESPACE).is_some() {
        return true;
    }
    let status = in_namespace().args(arguments).env(IN_NAMESPACE, "1").status();
    if !status.is_ok_and(|status| status.success()) {
        println!("not measured: no network namespace could be made (needs unshare and ip), or the measurement failed");
    }
    false
}

/// This binary in a network namespace that has only loopback.
pub fn in_namespace() -> Command {
    let this = std::env::current_exe().expect("this binary has a path");
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(this);
    command
}

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
