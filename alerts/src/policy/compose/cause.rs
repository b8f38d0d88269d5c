//! What nodes that change together have in common.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    policy::facts::{NodeFacts, ProbeFacts},
    words::Common,
};

/// Of how many nodes at least it is said what most of a message have in common.
const MOSTLY: usize = 3;

type Probes = BTreeMap<i64, ProbeFacts>;

/// What all of these nodes have in common, if it explains something.
pub(super) fn common(nodes: &[&NodeFacts], probes: &Probes) -> Option<Common> {
    let [first, rest @ ..] = nodes else { return None };
    if rest.is_empty() {
        return None;
    }
    let shared = |of: fn(&NodeFacts, &Probes) -> Option<Common>| {
        of(first, probes).filter(|shared| rest.iter().all(|node| of(node, probes).as_ref() == Some(shared)))
    };
    [host, network, checker].into_iter().find_map(shared)
}

/// What at least half of these nodes have in common, and how many they are; `None` when all have something in common.
pub(super) fn mostly(nodes: &[&NodeFacts], probes: &Probes) -> Option<(usize, Common)> {
    if common(nodes, probes).is_some() {
        return None;
    }
    let largest = |of: fn(&NodeFacts, &Probes) -> Option<Common>| {
        let mut counts: BTreeMap<Common, usize> = BTreeMap::new();
        for shared in nodes.iter().filter_map(|node| of(node, probes)) {
            *counts.entry(shared).or_default() += 1;
        }
        let (shared, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= MOSTLY && count * 2 >= nodes.len()).then_some((count, shared))
    };
    [host, network, checker].into_iter().find_map(largest)
}

fn host(node: &NodeFacts, _: &Probes) -> Option<Common> {
    Some(Common::Host(node.host.clone()))
}

fn network(node: &NodeFacts, _: &Probes) -> Option<Common> {
    node.ip.map(network_of).map(Common::Network)
}

/// The region that alone checks a node, or the probe if the region has one.
fn checker(node: &NodeFacts, probes: &Probes) -> Option<Common> {
    let mut regions = node.regions.iter();
    let (Some(region), None) = (regions.next(), regions.next()) else { return None };
    let mut of_region = probes.values().filter(|probe| probe.region == *region);
    Some(match (of_region.next(), of_region.next()) {
        (Some(probe), None) => Common::Probe(probe.name.clone()),
        _ => Common::Region(region.clone()),
    })
}

/// The network that an address is likely to share with others of the same place.
fn network_of(ip: IpAddr) -> String {
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
    use proptest::prelude::*;

    use super::*;

    fn node(host: &str, regions: &[&str]) -> NodeFacts {
        let regions = regions.iter().map(|region| (*region).to_owned()).collect();
        NodeFacts { host: host.into(), ip: host.parse().ok(), regions, ..NodeFacts::default() }
    }

    /// One probe in eu, two in asia.
    fn probes() -> Probes {
        let probe = |region: &str| ProbeFacts { name: format!("p-{region}"), region: region.into(), can_check: true };
        [(1, probe("eu")), (2, probe("asia")), (3, probe("asia"))].into()
    }

    fn of(nodes: &[(&str, &[&str])]) -> Option<Common> {
        let nodes: Vec<_> = nodes.iter().map(|(host, regions)| node(host, regions)).collect();
        common(&nodes.iter().collect::<Vec<_>>(), &probes())
    }

    #[test]
    fn nodes_have_a_host_a_network_a_probe_or_a_region_in_common_or_nothing() {
        let everywhere = |hosts: &[&'static str]| of(&hosts.iter().map(|host| (*host, &[][..])).collect::<Vec<_>>());
        assert_eq!(everywhere(&["a.example", "a.example"]), Some(Common::Host("a.example".into())));
        assert_eq!(everywhere(&["192.0.2.1", "192.0.2.200"]), Some(Common::Network("192.0.2.0/24".into())));
        assert_eq!(everywhere(&["2001:db8:1::1", "2001:db8:1:2::1"]), Some(Common::Network("2001:db8:1::/48".into())));
        assert_eq!(everywhere(&["192.0.2.1", "198.51.100.1"]), None);
        assert_eq!(everywhere(&["192.0.2.1", "a.example"]), None);
        assert_eq!(everywhere(&["192.0.2.1"]), None);
        assert_eq!(of(&[("a", &["eu"]), ("b", &["eu"])]), Some(Common::Probe("p-eu".into())));
        assert_eq!(of(&[("a", &["asia"]), ("b", &["asia"])]), Some(Common::Region("asia".into())));
        assert_eq!(of(&[("a", &["asia", "eu"]), ("b", &["asia", "eu"])]), None);
        assert_eq!(of(&[("a", &["asia"]), ("b", &["eu"])]), None);
    }

    proptest! {
        #[test]
        fn what_most_have_in_common_is_shared_by_so_many_and_by_half(
            hosts in prop::collection::vec(prop_oneof![
                (0_u8..3, 0_u8..4).prop_map(|(c, d)| format!("192.0.{c}.{d}")),
                (0_u8..3).prop_map(|name| format!("{name}.example")),
            ], 1..12),
        ) {
            let nodes: Vec<_> = hosts.iter().map(|host| node(host, &[])).collect();
            let nodes: Vec<&NodeFacts> = nodes.iter().collect();
            if let Some((count, shared)) = mostly(&nodes, &probes()) {
                prop_assert_eq!(common(&nodes, &probes()), None);
                prop_assert!(count >= 3 && count * 2 >= nodes.len() && count < nodes.len());
                let having = nodes.iter().filter(|node| {
                    [host(node, &probes()), network(node, &probes())].contains(&Some(shared.clone()))
                });
                prop_assert_eq!(having.count(), count);
            }
        }
    }
}
