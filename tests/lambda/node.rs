//! A real EasyTier node, and addresses without a node.

#![allow(dead_code, reason = "the bench uses a part of it, and the tests another")]

use std::{sync::OnceLock, thread, time::Duration};

use easytier::{
    common::config::{ConfigLoader, Flags, NetworkIdentity, TomlConfigLoader},
    launcher::NetworkInstance,
};
use easytier_probe::{PeerUrl, Scheme};

/// The interval of polls until the node listens; it offers no notification.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The URL of the node at one of the loopback addresses, at all of which it listens.
pub fn url(nth: u8) -> String {
    format!("tcp://127.0.0.{nth}:{}", port())
}

/// The port of the node. All tests share it, and it is never stopped, because that would wait for its threads.
fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(start)
}

/// Starts a node that listens at every address on a free port and accepts guests.
pub fn start() -> u16 {
    let config = TomlConfigLoader::default();
    config.set_network_identity(NetworkIdentity::new("test-network".to_owned(), "test-secret".to_owned()));
    config.set_listeners(vec!["tcp://0.0.0.0:0".parse().unwrap()]);
    config.set_flags(Flags {
        no_tun: true,
        disable_p2p: true,
        disable_udp_hole_punching: true,
        enable_ipv6: false,
        ..Flags::default()
    });
    let mut instance = NetworkInstance::new(config);
    instance.start().expect("the node starts");
    let instance = Box::leak(Box::new(instance));
    loop {
        if let Some(info) = instance.get_running_info() {
            assert!(info.error_msg.is_none(), "{:?}", info.error_msg);
            let listeners = info.my_node_info.listeners.iter().filter_map(|url| url.parse::<PeerUrl>().ok());
            let mut ports = listeners.filter(|url| url.scheme() == Some(Scheme::Tcp)).filter_map(|url| url.port());
            if let Some(port) = ports.find(|port| *port != 0) {
                return port;
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// URLs where nothing listens, each with its own address.
pub fn refusing(count: usize) -> impl Iterator<Item = String> {
    // The port of tcpmux, which is obsolete.
    (0..count).map(|nth| format!("tcp://127.1.{}.{}:1", nth / 250, nth % 250 + 1))
}
