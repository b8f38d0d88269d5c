//! A disk that is full for some time.

use std::{fs::File, io::Write, path::Path};

use easytier_probe::Scheme;

use crate::{
    assert_delivered_once, eventually,
    http::get,
    hub::Hub,
    namespace,
    program::{Folder, PROGRAM, Running},
    support::node::NodeOptions,
    until,
};

const ONLINE: &str = "checks_total{status=\"online\",code=\"\"}";

#[tokio::test]
async fn a_full_disk_is_reported_and_no_result_is_lost() {
    if !namespace::has_own("full_disk::a_full_disk_is_reported_and_no_result_is_lost") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let place = disk.path().to_str().unwrap();
    namespace::system("mount", &["-t", "tmpfs", "-o", "size=3m", "tmpfs", place]);
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let hub = Hub::start().await;
    let id = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    folder.set(&[("DATABASE_PATH", disk.path().join("uptime.db").to_str().unwrap())]);
    let daemon = folder.daemon().await;
    until("checks at the hub", async || hub.checks(id).await > 3).await;

    fill(disk.path());
    daemon.await_log("results cannot be stored").await;
    let reason = eventually("an unhealthy daemon", async || unhealthy(&daemon).await).await;
    assert!(reason.contains("results cannot be stored") && reason.contains("full"), "{reason}");

    // The checks go on, and notice changes.
    let before = daemon.figure(ONLINE).await;
    until("more checks", async || daemon.figure(ONLINE).await >= before + 4.0).await;
    let asleep = node.stop();
    daemon.await_log("offline: ").await;
    let node = asleep.start(PROGRAM);
    until("the node to be back", async || daemon.log_with(" online, ").len() >= 2).await;
    assert!(unhealthy(&daemon).await.is_some(), "the disk is full all the while");
    assert_eq!(daemon.log_with("results cannot be stored").len(), 1, "it is logged once");

    std::fs::remove_file(disk.path().join(FILLER)).unwrap();
    daemon.await_log("results are stored again").await;
    until("a healthy daemon", async || unhealthy(&daemon).await.is_none()).await;
    assert_delivered_once(&hub, id, &folder, daemon).await;
    drop(node);
    namespace::system("umount", &[place]);
}

const FILLER: &str = "filler";

/// Fills the disk to the last byte.
fn fill(disk: &Path) {
    let mut filler = File::create(disk.join(FILLER)).unwrap();
    for size in [4096, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}

/// The text of `/health` when the daemon is unhealthy.
async fn unhealthy(daemon: &Running) -> Option<String> {
    let (status, text) = get(&format!("{}/health", daemon.url)).await;
    assert!([200, 503].contains(&status), "{status}: {text}");
    (status == 503).then_some(text)
}
