//! The figures of a probe, by the names that managers of proxy nodes know.

use std::collections::HashMap;

use easytier_probe::{backend::Statistic, result::Traffic};
use easytier_uptime_store::domain::{ConfigVersion, PeerId};

use crate::observer::Tally;

/// The figures of the probe as a whole. `held`: the configuration that was pushed to it last; `traffic`: that of all checks.
pub fn of_probe(held: ConfigVersion, spool_depth: u64, traffic: Traffic) -> Vec<Statistic> {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    [
        ("inbound>>>remote>>>traffic>>>downlink", traffic.received),
        ("inbound>>>remote>>>traffic>>>uplink", traffic.sent),
        ("probe>>>spool>>>depth", spool_depth),
        ("probe>>>config>>>epoch", number(held.epoch)),
        ("probe>>>config>>>version", number(held.version)),
    ]
    .map(|(name, value)| Statistic { name: name.to_owned(), value })
    .into()
}

/// The figures of the peers, by their ids at the backend. `ids` has these by the probe's own ids; peers without one are left out.
pub fn of_peers(tallies: Vec<(i64, Tally)>, ids: &HashMap<PeerId, i64>) -> Vec<Statistic> {
    let mut peers: Vec<(i64, Tally)> =
        tallies.into_iter().filter_map(|(id, tally)| Some((*ids.get(&PeerId(id))?, tally))).collect();
    peers.sort_unstable_by_key(|(id, _)| *id);
    peers.into_iter().flat_map(|(id, tally)| of_peer(id, tally)).collect()
}

fn of_peer(id: i64, Tally { healthy, unhealthy, unknown, traffic }: Tally) -> [Statistic; 5] {
    [
        ("checks>>>healthy", healthy),
        ("checks>>>unhealthy", unhealthy),
        ("checks>>>unknown", unknown),
        ("traffic>>>downlink", traffic.received),
        ("traffic>>>uplink", traffic.sent),
    ]
    .map(|(name, value)| Statistic { name: format!("peer>>>{id}>>>{name}"), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(statistics: Vec<Statistic>) -> Vec<String> {
        statistics.into_iter().map(|Statistic { name, value }| format!("{name} {value}")).collect()
    }

    #[test]
    fn peers_have_the_ids_of_the_backend() {
        let traffic = Traffic { sent: 30, received: 40 };
        let tally = |healthy| Tally { healthy, unhealthy: 2, unknown: 1, traffic };
        let ids = HashMap::from([(PeerId(1), 70), (PeerId(2), 9)]);
        let expected = [
            "peer>>>9>>>checks>>>healthy 5",
            "peer>>>9>>>checks>>>unhealthy 2",
            "peer>>>9>>>checks>>>unknown 1",
            "peer>>>9>>>traffic>>>downlink 40",
            "peer>>>9>>>traffic>>>uplink 30",
            "peer>>>70>>>checks>>>healthy 4",
            "peer>>>70>>>checks>>>unhealthy 2",
            "peer>>>70>>>checks>>>unknown 1",
            "peer>>>70>>>traffic>>>downlink 40",
            "peer>>>70>>>traffic>>>uplink 30",
        ];
        assert_eq!(shown(of_peers(vec![(1, tally(4)), (2, tally(5)), (3, tally(6))], &ids)), expected);
    }

    #[test]
    fn a_probe_that_holds_nothing_says_zero() {
        let expected = [
            "inbound>>>remote>>>traffic>>>downlink 40",
            "inbound>>>remote>>>traffic>>>uplink 30",
            "probe>>>spool>>>depth 4",
            "probe>>>config>>>epoch 0",
            "probe>>>config>>>version 0",
        ];
        let traffic = Traffic { sent: 30, received: 40 };
        assert_eq!(shown(of_probe(ConfigVersion::default(), 4, traffic)), expected);
    }
}
