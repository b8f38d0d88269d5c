//! The uids of peers that are new.

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};
use uuid::Builder;

use crate::{
    domain::{ClusterId, PeerSpec},
    store::peers::Identity,
};

/// The uids of peers that exist, or that are remembered.
pub(super) struct Uids {
    cluster: Option<ClusterId>,
    taken: BTreeSet<String>,
}

impl Uids {
    /// Those that are taken, in a cluster.
    pub fn new(cluster: Option<ClusterId>, taken: BTreeSet<String>) -> Self {
        Self { cluster, taken }
    }

    /// The uid of a new peer. It follows from its URL and network, so that two instances that add the same peer while they do not
    /// reach each other give it one uid: when they meet, it is one peer. After a deletion the next uid of that URL and network
    /// is taken, so that a new peer is no later version of the deleted one.
    pub fn of(&mut self, spec: &PeerSpec) -> String {
        let Identity { url, network } = Identity::of(spec);
        let cluster = self.cluster.map(|cluster| cluster.to_string()).unwrap_or_default();
        let mut number: u64 = 0;
        loop {
            let subject = format!("{cluster}\0{url}\0{network}\0{number}");
            let hash = digest(&SHA256, subject.as_bytes());
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(hash.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
            let uid = Builder::from_custom_bytes(bytes).into_uuid().to_string();
            if self.taken.insert(uid.clone()) {
                return uid;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(1));

    /// Few peers, so that they meet.
    fn any_spec() -> impl Strategy<Value = PeerSpec> {
        (1u8..4, proptest::option::of("[ab]?"), "[ab]").prop_map(|(host, network_name, name)| PeerSpec {
            network_name,
            name,
            ..PeerSpec::new(format!("tcp://192.0.2.{host}:1").parse().unwrap())
        })
    }

    proptest! {
        #[test]
        fn two_instances_give_the_same_peers_the_same_uids_in_whatever_order_they_add_them(
            specs in proptest::collection::vec(any_spec(), 0..9)
        ) {
            let uids = |specs: &mut dyn Iterator<Item = &PeerSpec>| {
                let mut uids = Uids::new(Some(CLUSTER), BTreeSet::new());
                specs.map(|spec| uids.of(spec)).collect::<BTreeSet<_>>()
            };
            let one = uids(&mut specs.iter());
            prop_assert_eq!(one.len(), specs.len(), "each has its own");
            prop_assert_eq!(one, uids(&mut specs.iter().rev()));
        }
    }

    #[test]
    fn peers_of_other_networks_and_clusters_are_other_peers() {
        let spec = PeerSpec::new("tcp://192.0.2.1:1".parse().unwrap());
        let named = PeerSpec { network_name: Some("n".into()), ..spec.clone() };
        let unnamed = PeerSpec { network_name: Some(String::new()), name: "another".into(), ..spec.clone() };
        let uid = |cluster, spec| Uids::new(cluster, BTreeSet::new()).of(spec);
        assert_eq!(uid(Some(CLUSTER), &spec), uid(Some(CLUSTER), &unnamed), "no network is one without a name");
        assert_ne!(uid(Some(CLUSTER), &spec), uid(Some(CLUSTER), &named));
        assert_ne!(uid(Some(CLUSTER), &spec), uid(None, &spec));
    }
}
