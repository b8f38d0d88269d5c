//! The database of the primary is lost: an empty one, or an old backup, is at its address.

use std::fs;

use crate::{
    cluster::{Cluster, PATIENCE, await_that},
    instance::Instance,
    records,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_empty_database_at_the_address_of_the_primary_wipes_nobody() {
    let mut cluster = Cluster::start(3).await;
    let before = records::configuration(&cluster.instances[1]).await;
    let epoch = cluster.instances[0].view().await.expect("it leads").epoch;
    lose_database(&mut cluster.instances[0]);
    cluster.instances[0].start();
    let leader = cluster.successor_of(&[1, 2], epoch).await;
    assert_eq!(cluster.leader_of(&[1, 2]).await, leader);
    for instance in &cluster.instances[1..] {
        let now = records::configuration(instance).await;
        let lost: Vec<_> = before.iter().filter(|(key, content)| now.get(*key) != Some(content)).collect();
        assert!(lost.is_empty(), "{}: {lost:?}", instance.name);
    }
    let others = cluster.instances[0].view().await.expect("it is a primary of another cluster");
    assert_eq!((others.role.as_str(), others.listed), ("primary", 1));

    // An operator makes it a dependent.
    let (lost, successor) = (&cluster.instances[0], &cluster.instances[leader]);
    lost.command(&["hub", "role", "--leave"]);
    lost.command(&["hub", "join", &format!("http://{}", successor.door)]);
    assert_eq!(cluster.settled().await, leader);
    // The instance whose database is lost is listed beside the new one at its address, and leads nobody.
    await_that(PATIENCE, "both instances at the address are listed everywhere", async || {
        let listed = cluster.instances[3 - leader].command(&["hub", "role"]);
        let primaries = listed.lines().filter(|line| line.contains(" primary ") && line.contains("http")).count();
        match (primaries, listed.matches(&cluster.instances[0].name).count()) {
            (1, 2) => Ok(()),
            _ => Err(listed),
        }
    })
    .await;
}

/// Kills it, and removes its database and key.
pub fn lose_database(instance: &mut Instance) {
    instance.kill();
    for file in fs::read_dir(instance.folder()).unwrap().flatten() {
        if file.file_name().to_string_lossy().starts_with("uptime.db") {
            fs::remove_file(file.path()).unwrap();
        }
    }
}
