//! What nodes that change together have in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What several nodes have in common that changed together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// One host name or address.
    Host(String),
    /// One network.
    Network(String),
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
            Self::Probe { .. } => "probe",
        }
    }

    /// The host, the network or the region; of a probe its region.
    pub fn value(&self) -> &str {
        match self {
            Self::Host(value) | Self::Network(value) | Self::Region(value) | Self::Probe { region: value, .. } => value,
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
        let (region, network) = (self.region.clone().map(Cause::Region), self.network.clone().map(Cause::Network));
        [probe, region, network, Some(Cause::Host(self.host.clone()))].into_iter().flatten()
    }

    /// Whether this is one of its causes.
    pub fn has(&self, cause: &Cause) -> bool {
        match cause {
            Cause::Host(host) => self.host == *host,
            Cause::Network(network) => self.network.as_ref() == Some(network),
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
}
