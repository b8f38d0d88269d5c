//! A backup of the primary is restored.

use std::{fs, sync::Arc};

use rand::{SeedableRng, rngs::StdRng};

use crate::{
    cluster::{Cluster, PATIENCE, await_that},
    instance::Instance,
    records,
    replaced::lose_database,
    sender::{Ledger, Senders},
};

/// A cluster whose primary has a backup from before its last changes, which the dependents have, and is lost then.
async fn primary_that_is_lost_after_a_backup() -> (Cluster, Arc<Ledger>) {
    let mut cluster = Cluster::start(3).await;
    let primary = &cluster.instances[0];
    primary.command(&["hub", "backup", "backup.db"]);
    fs::copy(primary.folder().join("uptime.db.key"), primary.folder().join("the.key")).unwrap();
    primary.command(&["hub", "peer", "add", "tcp://127.0.0.1:30", "--name", "after the backup"]);
    primary.command(&["hub", "peer", "remove", "1"]);
    let mut senders =
        Senders::start(&cluster.tokens, &cluster.instances, &Cluster::peers()[1..], &mut StdRng::seed_from_u64(5));
    await_that(PATIENCE, "results are acknowledged", async || {
        let acknowledged = senders.ledger.entries().acknowledged.len();
        if acknowledged > 50 { Ok(()) } else { Err(acknowledged.to_string()) }
    })
    .await;
    senders.finish().await;
    assert_eq!(cluster.settled().await, 0);
    cluster.assert_one_union(&[0, 1, 2], &senders.ledger).await;
    lose_database(&mut cluster.instances[0]);
    fs::copy(cluster.instances[0].folder().join("the.key"), cluster.instances[0].folder().join("uptime.db.key"))
        .unwrap();
    (cluster, senders.ledger.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_backup_in_the_place_of_the_primary_wipes_nobody() {
    let (mut cluster, _) = primary_that_is_lost_after_a_backup().await;
    let epoch = cluster.instances[1].view().await.expect("it runs").epoch;
    let primary = &mut cluster.instances[0];
    fs::copy(primary.folder().join("backup.db"), primary.database()).unwrap();
    primary.start();
    let leader = cluster.successor_of(&[1, 2], epoch).await;
    assert_eq!(cluster.settled().await, leader, "nobody follows an older configuration");
    assert_has_everything(&cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_primary_leads_again_and_gets_what_the_backup_does_not_have() {
    let (mut cluster, ledger) = primary_that_is_lost_after_a_backup().await;
    let epoch = cluster.instances[1].view().await.expect("it runs").epoch;
    let printed = cluster.instances[0].command(&["hub", "restore", "backup.db"]);
    assert!(printed.contains(&format!("it is the primary, epoch {}", epoch + 1)), "{printed}");
    cluster.instances[0].start();
    assert_eq!(cluster.settled().await, 0);
    assert_eq!(cluster.instances[0].view().await.expect("it leads").epoch, epoch + 1);
    assert_has_everything(&cluster);
    assert!(cluster.assert_one_union(&[0, 1, 2], &ledger).await > 0);
    let probe = &cluster.instances[0];
    assert!(records::number(probe, "SELECT seq FROM sqlite_sequence WHERE name = 'results'").await > 1_000_000_000);

    let refused = probe.output(&["hub", "restore", "backup.db"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("uses it, and holds the lock"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_primary_that_was_replaced_follows_its_successor() {
    let (mut cluster, _) = primary_that_is_lost_after_a_backup().await;
    let epoch = cluster.instances[1].view().await.expect("it runs").epoch;
    let leader = cluster.successor_of(&[1, 2], epoch).await;
    assert_eq!(cluster.leader_of(&[1, 2]).await, leader);
    let printed = cluster.instances[0].command(&["hub", "restore", "backup.db"]);
    assert!(printed.contains(&format!("{} leads in epoch", cluster.instances[leader].name)), "{printed}");
    cluster.instances[0].start();
    assert_eq!(cluster.settled().await, leader);
    assert_has_everything(&cluster);
}

fn assert_has_everything(cluster: &Cluster) {
    for instance in &cluster.instances {
        let listed = peers(instance);
        assert!(
            listed.contains("after the backup") && !listed.contains("127.0.0.1:1\""),
            "{}: {listed}",
            instance.name
        );
    }
}

fn peers(instance: &Instance) -> String {
    instance.command(&["hub", "peer", "list", "--json"])
}
