//! Trusted proxies, and the networks that they are in.

use std::{net::IpAddr, str::FromStr};

use easytier_probe::{Secret, backend::BaseUrl};
use ipnet::IpNet;

use crate::{
    board::Freshness,
    manager::ControlClient,
    service::{DiscoveryOptions, OwnInstance},
};

/// Options of serving the hub.
#[derive(Debug, Clone, Default)]
pub struct WebOptions {
    /// Networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// Who reads `/metrics` needs this token; anybody may read them when it is `None`.
    pub metrics_token: Option<Secret>,
    /// The URL at which others reach the hub.
    pub public_url: Option<BaseUrl>,
    /// This instance among others.
    pub instance: OwnInstance,
    /// Reaches managed probes.
    pub control: ControlClient,
    /// How the hub appears in the list of servers, and whom it takes into it.
    pub discovery: DiscoveryOptions,
    /// How current the nodes are that visitors see.
    pub freshness: Freshness,
}

/// A network of addresses: `10.0.0.0/8`, `fd00::/8`, or one address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// The text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a network; write an address such as 192.0.2.7, or a network such as 10.0.0.0/8")]
pub struct NetworkError(String);

impl Network {
    /// Whether the address is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let trimmed = text.trim();
        let network = trimmed.parse().or_else(|_| trimmed.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| NetworkError(trimmed.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_range() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains(" fd00::/8 ", "fd12::1") && !contains("10.0.0.0/8", "fd12::1"));
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
