//! A primary that accepts connections and never answers is missed like one that is gone.

use rand::{SeedableRng, rngs::StdRng};

use crate::{cluster::Cluster, sender::Senders};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_never_answers_is_replaced() {
    let cluster = Cluster::start(3).await;
    let mut senders =
        Senders::start(&cluster.tokens, &cluster.instances, &Cluster::peers(), &mut StdRng::seed_from_u64(3));
    let epoch = cluster.instances[0].view().await.expect("it leads").epoch;
    cluster.network.deafen(0);
    let leader = cluster.successor_of(&[1, 2], epoch).await;
    cluster.network.heal();
    assert_eq!(cluster.settled().await, leader);
    senders.finish().await;
    cluster.assert_one_union(&[0, 1, 2], &senders.ledger).await;
}
