//! The operator changes who leads, and who takes part.

use rand::{SeedableRng, rngs::StdRng};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    cluster::{Cluster, PATIENCE, await_that},
    instance::Instance,
    sender::Senders,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_hands_over_and_back_without_losing_a_result() {
    let cluster = Cluster::start(3).await;
    let mut senders =
        Senders::start(&cluster.tokens, &cluster.instances, &Cluster::peers(), &mut StdRng::seed_from_u64(4));
    let [first, .., last] = &cluster.instances[..] else { panic!("there are three") };

    first.command(&["hub", "peer", "add", "tcp://127.0.0.1:30"]);
    let printed = first.command(&["hub", "promote", &last.name]);
    assert!(printed.contains(&last.name), "{printed}");
    assert_eq!(cluster.leader_of(&[0, 1, 2]).await, 2);
    last.command(&["hub", "peer", "add", "tcp://127.0.0.1:31"]);
    assert_eq!(cluster.settled().await, 2);

    // On a busy machine a heartbeat may be late, and then nobody could take its place.
    await_that(PATIENCE, "a dependent is there", async || {
        let demoted = last.output(&["hub", "demote", &last.name]);
        demoted.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&demoted.stderr).into_owned())
    })
    .await;
    assert_eq!(cluster.leader_of(&[0, 1, 2]).await, 0, "the first in the order leads");
    assert_eq!(cluster.settled().await, 0);
    senders.finish().await;
    cluster.assert_one_union(&[0, 1, 2], &senders.ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standalone_instance_joins_and_leaves() {
    let mut cluster = Cluster::start(2).await;
    let mut other = Instance::new(2, &cluster.network).await;
    other.start();
    other.command(&["hub", "peer", "add", "tcp://127.0.0.1:40", "--name", "its own"]);
    let primary = format!("http://{}", cluster.instances[0].door);

    other.command(&["hub", "join", &primary]);
    cluster.instances.push(other);
    assert_eq!(cluster.settled().await, 0);
    let other = &cluster.instances[2];
    assert_eq!(peers(other), [1, 2, 3, 4], "its own peers are set aside");
    assert!(other.command(&["hub", "peer", "list"]).contains("local, not watched"));

    other.command(&["hub", "role", "--leave"]);
    await_role(other, "standalone").await;
    other.command(&["hub", "peer", "add", "tcp://127.0.0.1:41"]);
    assert_eq!(peers(&cluster.instances[0]), [1, 2, 3, 4]);

    // The configuration of a running instance is read again at SIGHUP.
    other.configure(&[format!("primary_sync_url = '{primary}'")]);
    other.signal(Signal::HUP);
    await_role(other, "dependent").await;
    assert_eq!(cluster.settled().await, 0);
    cluster.instances[2].configure(&[]);
    cluster.instances[2].signal(Signal::HUP);
    await_role(&cluster.instances[2], "standalone").await;
}

async fn await_role(instance: &Instance, wanted: &str) {
    await_that(PATIENCE, &format!("{} is {wanted}", instance.name), async || {
        let told: Value = serde_json::from_str(&instance.command(&["hub", "role", "--json"])).unwrap();
        (told["role"] == wanted).then_some(()).ok_or_else(|| told.to_string())
    })
    .await;
}

/// The ids of the peers that it watches.
fn peers(instance: &Instance) -> Vec<i64> {
    let listed: Vec<Value> = serde_json::from_str(&instance.command(&["hub", "peer", "list", "--json"])).unwrap();
    let watched = listed.iter().filter(|peer| peer["status"] != "local, not watched");
    watched.map(|peer| peer["id"].as_i64().unwrap()).collect()
}
