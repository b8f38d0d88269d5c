//! The network is split: both sides have a primary, and both are edited. When it is whole again, nothing is lost.

use std::collections::BTreeMap;

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cluster::Cluster,
    instance::Instance,
    network::Fault,
    records,
    sender::{Senders, post},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_on_both_sides_of_a_split_are_merged() {
    let cluster = Cluster::start(3).await;
    let mut senders =
        Senders::start(&cluster.tokens, &cluster.instances, &Cluster::peers(), &mut StdRng::seed_from_u64(2));
    let disagreement = Disagreement::prepare(&cluster, 0, 10);
    assert_eq!(cluster.settled().await, 0);

    let epoch = cluster.instances[0].view().await.expect("it leads").epoch;
    cluster.network.split(&[&[0], &[1, 2]], Fault::Cut);
    let later = cluster.successor_of(&[1, 2], epoch).await;
    assert_eq!(cluster.instances[0].view().await.expect("it runs").role, "primary", "nobody told it");
    let results = disagreement.edit(&cluster, 0, later).await;
    senders.assert_running();

    cluster.network.heal();
    assert_eq!(cluster.settled().await, later, "the primary of the later epoch leads");
    disagreement.assert_merged(&cluster).await;
    senders.finish().await;
    cluster.assert_one_union(&[0, 1, 2], &senders.ledger).await;
    for instance in &cluster.instances {
        assert_results(instance, &results).await;
    }
}

/// Both added peers had the same id. Each has its own result now.
pub async fn assert_results(instance: &Instance, results: &BTreeMap<String, Uuid>) {
    let stored = records::results(instance, u64::MAX).await;
    for (url, id) in results {
        assert_eq!(stored.get(id), Some(&vec![url.clone()]), "{}", instance.name);
    }
}

/// Peers that both sides of a split change in different ways.
pub struct Disagreement {
    /// Stands before the names of the peers.
    name: String,
    /// Their first port.
    port: u16,
    /// The ids of the peers, by their names.
    peers: BTreeMap<&'static str, i64>,
}

const EDITED_BY_BOTH: &str = "edited by both";
const EDITED_AND_DELETED: &str = "edited by the later, deleted by the earlier";
const DELETED_AND_EDITED: &str = "deleted by the later, edited by the earlier";
const DELETED_BY_EARLIER: &str = "deleted by the earlier";
const DELETED_BY_LATER: &str = "deleted by the later";

impl Disagreement {
    /// Adds peers at the primary. Ten ports belong to them.
    pub fn prepare(cluster: &Cluster, primary: usize, port: u16) -> Self {
        let (primary, name) = (&cluster.instances[primary], format!("from {port}"));
        let all = [EDITED_BY_BOTH, EDITED_AND_DELETED, DELETED_AND_EDITED, DELETED_BY_EARLIER, DELETED_BY_LATER];
        for (port, peer) in (port..).zip(all) {
            add(primary, &format!("tcp://127.0.0.1:{port}"), &format!("{name}: {peer}"));
        }
        let listed = listed(primary, &name);
        let id = |peer: &str| listed[&format!("{name}: {peer}")]["id"].as_i64().unwrap();
        Self { port, peers: all.map(|peer| (peer, id(peer))).into(), name }
    }

    /// Both primaries change the peers, and each adds one and takes a result of it. Both added peers have the same id.
    /// Returns the result of each added peer, by its URL.
    pub async fn edit(&self, cluster: &Cluster, earlier: usize, later: usize) -> BTreeMap<String, Uuid> {
        let mut results = BTreeMap::new();
        let Cluster { instances, tokens, .. } = cluster;
        for (side, instance) in [("the earlier", &instances[earlier]), ("the later", &instances[later])] {
            let deleted = match side {
                "the earlier" => [EDITED_AND_DELETED, DELETED_BY_EARLIER],
                _ => [DELETED_AND_EDITED, DELETED_BY_LATER],
            };
            for peer in deleted {
                instance.command(&["hub", "peer", "remove", &self.peers[peer].to_string()]);
            }
            let session = instance.log_in().await;
            let edited = if side == "the earlier" { DELETED_AND_EDITED } else { EDITED_AND_DELETED };
            for peer in [EDITED_BY_BOTH, edited] {
                let (status, answer) = session.change(self.peers[peer], json!({"description": side})).await;
                assert_eq!(status, 200, "{answer}");
            }
            let name = format!("{}: added by {side}", self.name);
            let port = self.port + if side == "the earlier" { 8 } else { 9 };
            let url = format!("tcp://127.0.0.1:{port}");
            add(instance, &url, &name);
            let id = listed(instance, &self.name)[&name]["id"].as_i64().unwrap();
            let result = Uuid::now_v7();
            while !post(&instance.url(), &tokens[0], &[(result, id)]).await {}
            results.insert(url, result);
        }
        results
    }

    /// The later epoch won, whatever both changed; the rest is there.
    pub async fn assert_merged(&self, cluster: &Cluster) {
        for instance in &cluster.instances {
            let listed = listed(instance, &self.name);
            let names: Vec<&str> = listed.keys().map(|name| name.split_once(": ").unwrap().1).collect();
            assert_eq!(
                names,
                ["added by the earlier", "added by the later", EDITED_BY_BOTH, EDITED_AND_DELETED],
                "{}",
                instance.name
            );
            for peer in [EDITED_BY_BOTH, EDITED_AND_DELETED] {
                assert_eq!(listed[&format!("{}: {peer}", self.name)]["description"], "the later", "{peer}");
            }
        }
    }
}

fn add(instance: &Instance, url: &str, name: &str) {
    instance.command(&["hub", "peer", "add", url, "--name", name]);
}

/// The peers whose name begins like this, by their names.
fn listed(instance: &Instance, name: &str) -> BTreeMap<String, Value> {
    let json = instance.command(&["hub", "peer", "list", "--json", "--search", &format!("{name}: ")]);
    let listed: Vec<Value> = serde_json::from_str(&json).unwrap();
    listed.into_iter().map(|peer| (peer["name"].as_str().unwrap().to_owned(), peer)).collect()
}
