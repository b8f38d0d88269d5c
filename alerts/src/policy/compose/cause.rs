//! What nodes that change together have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{policy::facts::NodeFacts, words::Common};

/// What all of these nodes have in common, if it explains something.
pub(super) fn common(nodes: &[&NodeFacts]) -> Option<Common> {
    let [first, rest @ ..] = nodes else { return None };
    if rest.is_empty() {
        return None;
    }
    if rest.iter().all(|node| node.host == first.host) {
        return Some(Common::Host(first.host.clone()));
    }
    let shared = first.ip.map(network);
    if shared.is_some() && rest.iter().all(|node| node.ip.map(network) == shared) {
        return shared.map(Common::Network);
    }
    let mut regions = first.regions.iter();
    let (region, others) = (regions.next()?, regions.next());
    let is_alone = others.is_none() && rest.iter().all(|node| node.regions == first.regions);
    is_alone.then(|| Common::Region(region.clone()))
}

/// The network that an address is likely to share with others of the same place.
fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> NodeFacts {
        NodeFacts { host: host.into(), ip: host.parse().ok(), ..NodeFacts::default() }
    }

    #[test]
    fn nodes_have_a_host_or_a_network_in_common_or_nothing() {
        let of = |hosts: &[&str]| {
            let nodes: Vec<_> = hosts.iter().map(|host| node(host)).collect();
            common(&nodes.iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&["a.example", "a.example"]), Some(Common::Host("a.example".into())));
        assert_eq!(of(&["192.0.2.1", "192.0.2.200"]), Some(Common::Network("192.0.2.0/24".into())));
        assert_eq!(of(&["2001:db8:1::1", "2001:db8:1:2::1"]), Some(Common::Network("2001:db8:1::/48".into())));
        assert_eq!(of(&["192.0.2.1", "198.51.100.1"]), None);
        assert_eq!(of(&["192.0.2.1", "a.example"]), None);
        assert_eq!(of(&["192.0.2.1"]), None);
    }
}
