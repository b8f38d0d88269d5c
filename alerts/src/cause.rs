//! What nodes that change together have in common.

use std::{
    collections::BTreeMap,
    mem::discriminant,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

/// Of how many nodes at least it is said what most of them have in common.
const MOSTLY: usize = 3;

/// What several nodes have in common that changed together; the narrowest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// One host name or address.
    Host(String),
    /// One network.
    Network(String),
    /// The name of the probe that alone checks them.
    Checker(String),
    /// The region that alone checks them, or alone does not see them.
    Region(String),
    /// A probe that stopped reporting.
    Probe {
        /// Its id.
        id: i64,
        /// Its region.
        region: String,
    },
}

impl Cause {
    /// The name of the kind, in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Network(_) => "network",
            Self::Region(_) => "region",
            Self::Checker(_) | Self::Probe { .. } => "probe",
        }
    }

    /// The host, the network, the region or the name; of a probe that stopped its region.
    pub fn value(&self) -> &str {
        match self {
            Self::Host(value) | Self::Network(value) | Self::Checker(value) => value,
            Self::Region(value) | Self::Probe { region: value, .. } => value,
        }
    }
}

/// Where a node is, and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Its host name or address.
    pub host: String,
    /// The network of its address, if its host is an address.
    pub network: Option<String>,
    /// The name of the probe that alone checks it, where somebody is told.
    pub checker: Option<String>,
    /// The region that alone checks it, or alone does not see it.
    pub region: Option<String>,
    /// The probe that stopped reporting when the node changed, and its region.
    pub probe: Option<(i64, String)>,
}

impl Place {
    /// The place of a host, whose address is `ip` if it is one.
    pub fn new(host: &str, ip: Option<IpAddr>) -> Self {
        Self { host: host.to_owned(), network: ip.map(network), ..Self::default() }
    }

    /// What it may share with others, the widest first: what explains many nodes is looked for before what explains few.
    pub fn causes(&self) -> impl Iterator<Item = Cause> {
        let probe = self.probe.clone().map(|(id, region)| Cause::Probe { id, region });
        let (region, checker) = (self.region.clone().map(Cause::Region), self.checker.clone().map(Cause::Checker));
        let network = self.network.clone().map(Cause::Network);
        [probe, region, checker, network, Some(Cause::Host(self.host.clone()))].into_iter().flatten()
    }

    /// Whether this is one of its causes.
    pub fn has(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Host(host) => self.host == *host,
            Cause::Network(network) => self.network.as_ref() == Some(network),
            Cause::Checker(checker) => self.checker.as_ref() == Some(checker),
            Cause::Region(region) => self.region.as_ref() == Some(region),
            Cause::Probe { id, .. } => self.probe.as_ref().is_some_and(|(own, _)| own == id),
        }
    }
}

/// What all of these places have in common, the narrowest that there is; `None` for one alone.
pub fn common(places: &[&Place]) -> Option<Cause> {
    let [first, rest @ ..] = places else { return None };
    if rest.is_empty() {
        return None;
    }
    let mut causes: Vec<Cause> = first.causes().collect();
    causes.sort_unstable();
    causes.into_iter().find(|cause| rest.iter().all(|place| place.has(cause)))
}

/// What at least half of these places have in common, the narrowest that there is, and how many they are; `None` when all have
/// something in common.
pub(crate) fn mostly(places: &[&Place]) -> Option<(usize, Cause)> {
    if common(places).is_some() {
        return None;
    }
    let mut counts: BTreeMap<Cause, usize> = BTreeMap::new();
    for cause in places.iter().flat_map(|place| place.causes()) {
        *counts.entry(cause).or_default() += 1;
    }
    counts.retain(|_, count| *count >= MOSTLY && *count * 2 >= places.len());
    let narrowest = discriminant(counts.first_key_value()?.0);
    let of_kind = counts.into_iter().filter(|(cause, _)| discriminant(cause) == narrowest);
    of_kind.max_by_key(|(_, count)| *count).map(|(cause, count)| (count, cause))
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
    use proptest::prelude::*;

    use super::*;

    fn place(host: &str) -> Place {
        Place::new(host, host.parse().ok())
    }

    fn in_region(host: &str, region: &str) -> Place {
        Place { region: Some(region.into()), ..place(host) }
    }

    #[test]
    fn nodes_have_a_host_or_a_network_or_a_region_in_common_or_nothing() {
        let of = |places: &[Place]| common(&places.iter().collect::<Vec<_>>());
        let hosts = |hosts: &[&str]| of(&hosts.iter().map(|host| place(host)).collect::<Vec<_>>());
        assert_eq!(hosts(&["a.example", "a.example"]), Some(Cause::Host("a.example".into())));
        assert_eq!(hosts(&["192.0.2.1", "192.0.2.200"]), Some(Cause::Network("192.0.2.0/24".into())));
        assert_eq!(hosts(&["2001:db8:1::1", "2001:db8:1:2::1"]), Some(Cause::Network("2001:db8:1::/48".into())));
        assert_eq!(hosts(&["192.0.2.1", "198.51.100.1"]), None);
        assert_eq!(hosts(&["192.0.2.1", "a.example"]), None);
        assert_eq!(hosts(&["192.0.2.1"]), None);
        assert_eq!(of(&[in_region("a", "eu"), in_region("b", "eu")]), Some(Cause::Region("eu".into())));
        assert_eq!(of(&[in_region("a", "eu"), in_region("b", "us")]), None);
        let host = of(&[in_region("a", "eu"), in_region("a", "eu")]);
        assert_eq!(host, Some(Cause::Host("a".into())), "the narrowest");
        let lost = |host: &str| Place { probe: Some((7, "eu".into())), ..place(host) };
        assert_eq!(of(&[lost("a"), lost("b")]), Some(Cause::Probe { id: 7, region: "eu".into() }));
    }
    #[test]
    fn the_only_probe_of_a_region_says_more_than_the_region() {
        let checked =
            |host: &str, checker: Option<&str>| Place { checker: checker.map(Into::into), ..in_region(host, "eu") };
        let of = |checker| common(&[&checked("a", checker), &checked("b", checker)]);
        assert_eq!(of(Some("p1")), Some(Cause::Checker("p1".into())));
        assert_eq!(of(None), Some(Cause::Region("eu".into())));
    }

    proptest! {
        #[test]
        fn what_most_have_in_common_is_shared_by_so_many_and_by_half(
            hosts in prop::collection::vec(prop_oneof![
                (0_u8..3, 0_u8..4).prop_map(|(c, d)| format!("192.0.{c}.{d}")),
                (0_u8..3).prop_map(|name| format!("{name}.example")),
            ], 1..12),
        ) {
            let places: Vec<Place> = hosts.iter().map(|host| place(host)).collect();
            let places: Vec<&Place> = places.iter().collect();
            if let Some((count, shared)) = mostly(&places) {
                prop_assert_eq!(common(&places), None);
                prop_assert!(count >= 3 && count * 2 >= places.len() && count < places.len());
                prop_assert_eq!(places.iter().filter(|place| place.has(&shared)).count(), count);
            }
        }
    }
}
