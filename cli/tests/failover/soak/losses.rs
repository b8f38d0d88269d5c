//! The primary is killed or stopped, or the clock of its successor is wrong.

use std::{fs, path::Path, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{Soak, count, others};
use crate::network::Fault;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes half an hour; tools/soak-failover runs it"]
async fn kills() {
    let mut soak = Soak::start("kills").await;
    let mut senders = soak.senders();
    for _ in 0..count("KILLS", 50) {
        let primary = soak.cluster.settled().await;
        soak.pause(2.0).await;
        soak.kill_and_await_successor(primary).await;
        soak.visitors.report().await;
        senders.assert_running();
        soak.pause(2.0).await;
        soak.cluster.instances[primary].start();
    }
    soak.end(senders).await;
}

/// The primary stands still and then goes on, with what it knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes two minutes; tools/soak-failover runs it"]
async fn stopped() {
    let time = Duration::from_secs(count("STOPPED_SECONDS", 60).into());
    let mut soak = Soak::start("stopped").await;
    let mut senders = soak.senders();
    let primary = soak.cluster.settled().await;
    let epoch = soak.epoch_of(primary).await;
    soak.cluster.instances[primary].signal(Signal::STOP);
    let stopped = Instant::now();
    let successor = soak.await_successor(&others(primary), epoch, stopped).await;
    soak.visitors.report().await;
    sleep(time.saturating_sub(stopped.elapsed())).await;
    senders.assert_running();
    soak.cluster.instances[primary].signal(Signal::CONT);
    assert_eq!(soak.cluster.settled().await, successor);
    soak.end(senders).await;
}

/// The clock of a dependent, which becomes the primary, is two hours ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes two minutes; tools/soak-failover runs it"]
async fn wrong_clocks() {
    let library = faketime().expect("Debian's package faketime is installed; tools/setup installs it");
    let mut soak = Soak::start("wrong clocks").await;
    let mut senders = soak.senders();
    let primary = soak.cluster.settled().await;
    let ahead = others(primary)[0];
    let instance = &mut soak.cluster.instances[ahead];
    instance.set("LD_PRELOAD", &library);
    instance.set("FAKETIME", "+2h");
    instance.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    instance.stop();
    instance.start();
    soak.cluster.settled().await;
    assert_eq!(soak.kill_and_await_successor(primary).await, ahead, "it is the first in the order");
    soak.visitors.report().await;
    soak.cluster.instances[primary].start();
    soak.cut_off_primary(&[], Fault::Cut).await;
    senders.assert_running();

    let instance = &mut soak.cluster.instances[ahead];
    for variable in ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"] {
        instance.unset(variable);
    }
    instance.stop();
    instance.start();
    soak.end(senders).await;
}

/// The library that changes the time for programs with threads, of Debian's package `libfaketime`.
fn faketime() -> Option<String> {
    let library = |folder: &Path| folder.join("faketime/libfaketimeMT.so.1");
    let mut folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| library(&entry.path()));
    folders.find(|path| path.is_file()).map(|path| path.to_string_lossy().into_owned())
}
