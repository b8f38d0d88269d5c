//! The primary is killed. Another instance takes its place, and it returns as a dependent.

use std::path::Path;

use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::{
    cluster::{Cluster, PATIENCE, await_that},
    instance::Instance,
    records,
    sender::Senders,
    support::{Hub, command, text},
    visitors::{Delivered, OF_ONCE, once},
};

const DAEMON: &str = "the daemon";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_primary_is_replaced_and_returns_as_a_dependent() {
    let mut cluster = Cluster::start(3).await;
    let folder = tempfile::tempdir().unwrap();
    let _daemon = daemon(folder.path(), &cluster.instances);
    await_results_of_the_daemon(&cluster.instances[0]).await;
    let token = cluster.instances[0].command(&["hub", "token", "create", "--name", "once", "--region", "once"]);
    assert_eq!(cluster.settled().await, 0, "everybody has the tokens");
    assert_edits_are_refused(&cluster.instances[1], &cluster.instances[0]).await;
    let mut senders =
        Senders::start(&cluster.tokens, &cluster.instances, &Cluster::peers(), &mut StdRng::seed_from_u64(1));

    let epoch = cluster.instances[0].view().await.expect("it leads").epoch;
    cluster.instances[0].kill();
    let successor = cluster.successor_of(&[1, 2], epoch).await;
    cluster.instances[successor].command(&[
        "hub",
        "peer",
        "add",
        "tcp://127.0.0.1:5",
        "--name",
        "added by the successor",
    ]);
    let before = reported(&cluster.instances[successor]).await;
    await_that(PATIENCE, "the daemon reports to another instance", async || {
        let now = reported(&cluster.instances[successor]).await;
        (now > before).then_some(()).ok_or_else(|| format!("{now} results after {before}"))
    })
    .await;
    let urls = [0, successor].map(|nth| cluster.instances[nth].url()).join(",");
    let mut of_once = Delivered::default();
    of_once.add(&once(&folder, &urls, &token));
    senders.assert_running();

    cluster.instances[0].start();
    assert_eq!(cluster.settled().await, successor, "the old primary does not take its place back");
    assert_edits_are_refused(&cluster.instances[0], &cluster.instances[successor]).await;
    senders.finish().await;
    let acknowledged = cluster.assert_one_union(&[0, 1, 2], &senders.ledger).await;
    assert!(acknowledged > 50, "{acknowledged}");
    assert_eq!(records::number(&cluster.instances[0], OF_ONCE).await, of_once.results);
}

/// A probe that knows two instances, with a token that the first one made.
fn daemon(folder: &Path, instances: &[Instance]) -> Hub {
    let token = instances[0].command(&["hub", "token", "create", "--name", DAEMON, "--region", "us"]);
    let urls = instances.iter().map(Instance::url).collect::<Vec<_>>().join(",");
    let variables = [
        ("SERVER_PORT", "0"),
        ("SERVER_HOST", "127.0.0.1"),
        ("BACKEND_BASE_URL", urls.as_str()),
        ("NODE_TOKEN", &token),
        ("HEALTH_CHECK_INTERVAL", "1s"),
        ("STATUS_REPORT_INTERVAL", "1s"),
        ("HEALTH_CHECK_TIMEOUT", "1s"),
        ("ALLOW_LOCAL_PEERS", "true"),
    ];
    Hub::of(&mut command(folder, &["daemon"], &variables))
}

async fn reported(instance: &Instance) -> i64 {
    let query = "SELECT count(*) FROM results JOIN regions r ON r.id = results.region_id WHERE r.name = 'us'";
    records::number(instance, query).await
}

async fn await_results_of_the_daemon(instance: &Instance) {
    await_that(PATIENCE, "the daemon reports", async || {
        (reported(instance).await > 0).then_some(()).ok_or_else(|| "no result".to_owned())
    })
    .await;
}

/// A dependent refuses edits in the API and on the command line, and says where to make them.
async fn assert_edits_are_refused(dependent: &Instance, primary: &Instance) {
    let (place, address) = (&primary.name, primary.door.to_string());
    let (status, answer) = dependent.log_in().await.change(1, json!({"description": "edited at a dependent"})).await;
    assert_eq!(status, 409, "{answer}");
    let refused = dependent.output(&["hub", "peer", "add", "tcp://127.0.0.1:9"]);
    assert!(!refused.status.success());
    for message in [answer.to_string(), text(&refused.stderr)] {
        assert!(message.contains(place) && message.contains(&address), "{message}");
    }
    let described = "SELECT count(*) FROM peers WHERE description <> '' OR url LIKE '%:9'";
    assert_eq!(records::number(dependent, described).await, 0);
}
