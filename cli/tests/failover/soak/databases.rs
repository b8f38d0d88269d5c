//! The primary comes back with another database.

use tokio::time::Instant;

use super::{Soak, others};
use crate::{records, replaced::lose_database, split::Disagreement};

/// The primary comes back with a backup in which later edits and results are missing. The others have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes two minutes; tools/soak-failover runs it"]
async fn old_backup() {
    let mut soak = Soak::start("old backup").await;
    let primary = soak.cluster.settled().await;
    soak.cluster.instances[primary].command(&["hub", "backup", "backup.db"]);
    let mut senders = soak.senders();
    Disagreement::prepare(&soak.cluster, primary, soak.port);
    soak.pause(3.0).await;
    senders.finish().await;
    soak.cluster.settled().await;
    soak.assert_results(primary, &senders.ledger).await;
    let before = records::configuration(&soak.cluster.instances[others(primary)[0]]).await;

    let instance = &mut soak.cluster.instances[primary];
    instance.kill();
    instance.command(&["hub", "restore", "backup.db"]);
    instance.start();
    let leader = soak.cluster.settled().await;
    let after = records::configuration(&soak.cluster.instances[leader]).await;
    let lost: Vec<_> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // What the backup does not have is at the others, and comes back.
    soak.assert_results(leader, &senders.ledger).await;
    let again = soak.senders();
    soak.visitors.report().await;
    soak.end(again).await;
}

/// An empty database is at the address of the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes two minutes; tools/soak-failover runs it"]
async fn empty_database() {
    let mut soak = Soak::start("empty database").await;
    let primary = soak.cluster.settled().await;
    let epoch = soak.epoch_of(primary).await;
    let instance = &mut soak.cluster.instances[primary];
    lose_database(instance);
    let lost = Instant::now();
    instance.start();
    let successor = soak.await_successor(&others(primary), epoch, lost).await;
    let door = soak.cluster.instances[successor].door;
    let instance = &soak.cluster.instances[primary];
    instance.command(&["hub", "role", "--leave"]);
    instance.command(&["hub", "join", &format!("http://{door}")]);
    let senders = soak.senders();
    soak.visitors.report().await;
    soak.end(senders).await;
}
