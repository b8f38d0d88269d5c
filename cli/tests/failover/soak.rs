//! Failovers, partitions and lost databases, one after the other. `tools/soak-failover` says how many.

use std::{env, fs, path::Path, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::{
    cluster::{Cluster, NEW_PRIMARY_WITHIN},
    network::Fault,
    records,
    replaced::lose_database,
    sender::{Ledger, Senders},
    split::{Disagreement, assert_results},
};

const EVERYBODY: [usize; 3] = [0, 1, 2];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes half an hour; tools/soak-failover runs it"]
async fn instances_survive_kills_partitions_and_lost_databases() {
    let mut soak = Soak::start().await;
    soak.kills(count("KILLS", 50)).await;
    soak.partitions(count("PARTITIONS", 20)).await;
    soak.stopped(Duration::from_secs(count("STOPPED_SECONDS", 60).into())).await;
    soak.wrong_clock().await;
    soak.old_backup().await;
    soak.empty_database().await;
    soak.report();
}

fn count(name: &str, default: u16) -> u16 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

struct Soak {
    cluster: Cluster,
    rng: StdRng,
    /// How long it took until there was a new primary.
    took: Vec<Duration>,
    results: usize,
    refused: u64,
    /// The next port of peers to disagree about.
    port: u16,
}

impl Soak {
    async fn start() -> Self {
        let seed = env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"));
        println!("SEED={seed}");
        let rng = StdRng::seed_from_u64(seed);
        Self { cluster: Cluster::start(3).await, rng, took: Vec::new(), results: 0, refused: 0, port: 100 }
    }

    fn senders(&mut self) -> Senders {
        let Cluster { tokens, instances, .. } = &self.cluster;
        Senders::start(tokens, instances, &Cluster::peers(), &mut self.rng)
    }

    /// The end of each part: one primary, one configuration, and no result lost or doubled.
    async fn end(&mut self, part: &str, mut senders: Senders) {
        self.cluster.settled().await;
        senders.finish().await;
        let union = self.cluster.assert_one_union(&EVERYBODY, &senders.ledger).await;
        self.results += union;
        self.refused += senders.ledger.entries().refused;
        println!("{part}: {union} results, none lost, none doubled; configuration equal everywhere");
    }

    async fn kills(&mut self, count: u16) {
        let mut senders = self.senders();
        for _ in 0..count {
            let primary = self.cluster.settled().await;
            self.pause(2.0).await;
            self.kill_and_await_successor(primary).await;
            senders.assert_running();
            self.pause(2.0).await;
            self.cluster.instances[primary].start();
        }
        self.end(&format!("{count} kills of the primary"), senders).await;
    }

    async fn kill_and_await_successor(&mut self, primary: usize) -> usize {
        let epoch = self.epoch_of(primary).await;
        self.cluster.instances[primary].kill();
        self.await_successor(primary, epoch).await
    }

    async fn await_successor(&mut self, primary: usize, epoch: i64) -> usize {
        let began = Instant::now();
        let successor = self.cluster.new_primary_of(&others(primary), epoch).await;
        self.took.push(began.elapsed());
        successor
    }

    async fn epoch_of(&self, instance: usize) -> i64 {
        self.cluster.instances[instance].view().await.expect("it runs").epoch
    }

    async fn pause(&mut self, most_seconds: f64) {
        sleep(Duration::from_secs_f64(self.rng.random_range(0.0..most_seconds))).await;
    }

    async fn partitions(&mut self, count: u16) {
        let mut senders = self.senders();
        for nth in 0..count {
            let fault = if self.rng.random_bool(0.5) { Fault::Cut } else { Fault::Stall };
            match nth % 4 {
                3 => self.cut_off_dependent(fault).await,
                _ => self.cut_off_primary(fault).await,
            }
            senders.assert_running();
        }
        self.end(&format!("{count} partitions"), senders).await;
    }

    /// Both sides have a primary, and both are edited.
    async fn cut_off_primary(&mut self, fault: Fault) {
        let primary = self.cluster.settled().await;
        let disagreement = Disagreement::prepare(&self.cluster, primary, self.port);
        self.port += 10;
        self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        self.cluster.network.split(&[&[primary], &others(primary)], fault);
        let successor = self.await_successor(primary, epoch).await;
        let results = disagreement.edit(&self.cluster, primary, successor).await;
        self.pause(3.0).await;
        self.cluster.network.heal();
        assert_eq!(self.cluster.settled().await, successor, "the later epoch leads");
        disagreement.assert_merged(&self.cluster).await;
        self.cluster.assert_one_union(&EVERYBODY, &Ledger::default()).await;
        assert_results(&self.cluster, &results).await;
    }

    /// Nobody takes the primary's place when one dependent does not see it.
    async fn cut_off_dependent(&mut self, fault: Fault) {
        let primary = self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        let alone = others(primary)[self.rng.random_range(0..2)];
        self.cluster.network.split(&[&[alone], &others(alone)], fault);
        sleep(NEW_PRIMARY_WITHIN).await;
        self.cluster.network.heal();
        assert_eq!(self.cluster.settled().await, primary);
        assert_eq!(self.epoch_of(primary).await, epoch, "nobody took the primary's place");
    }

    /// The primary stands still and then goes on, with what it knew.
    async fn stopped(&mut self, time: Duration) {
        let mut senders = self.senders();
        let primary = self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        self.cluster.instances[primary].signal(Signal::STOP);
        let stopped = Instant::now();
        let successor = self.await_successor(primary, epoch).await;
        sleep(time.saturating_sub(stopped.elapsed())).await;
        senders.assert_running();
        self.cluster.instances[primary].signal(Signal::CONT);
        assert_eq!(self.cluster.settled().await, successor);
        self.end(&format!("the primary stopped for {time:?}"), senders).await;
    }

    /// The clock of a dependent, which becomes the primary, is two hours ahead.
    async fn wrong_clock(&mut self) {
        let Some(library) = faketime() else {
            println!("clocks two hours apart: not tried, because the package libfaketime is missing");
            return;
        };
        let mut senders = self.senders();
        let primary = self.cluster.settled().await;
        let ahead = others(primary)[0];
        let instance = &mut self.cluster.instances[ahead];
        instance.set("LD_PRELOAD", &library);
        instance.set("FAKETIME", "+2h");
        instance.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        instance.stop();
        instance.start();
        self.cluster.settled().await;
        self.kill_and_await_successor(primary).await;
        self.cluster.instances[primary].start();
        self.cut_off_primary(Fault::Cut).await;
        senders.assert_running();
        self.end("clocks two hours apart", senders).await;
        let instance = &mut self.cluster.instances[ahead];
        instance.unset("LD_PRELOAD");
        instance.stop();
        instance.start();
        self.cluster.settled().await;
    }

    /// The primary comes back with a backup in which later edits and results are missing. The others have them.
    async fn old_backup(&mut self) {
        let primary = self.cluster.settled().await;
        self.cluster.instances[primary].command(&["hub", "backup", "backup.db"]);
        let mut senders = self.senders();
        Disagreement::prepare(&self.cluster, primary, self.port);
        self.port += 10;
        self.pause(3.0).await;
        senders.finish().await;
        self.cluster.settled().await;
        self.cluster.assert_one_union(&EVERYBODY, &senders.ledger).await;
        let before = records::configuration(&self.cluster.instances[others(primary)[0]]).await;

        let instance = &mut self.cluster.instances[primary];
        instance.kill();
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(instance.folder().join(format!("uptime.db{suffix}")));
        }
        fs::rename(instance.folder().join("backup.db"), instance.database()).unwrap();
        instance.start();
        self.cluster.settled().await;
        let after = records::configuration(&self.cluster.instances[primary]).await;
        let lost: Vec<_> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let again = self.senders();
        self.pause(3.0).await;
        self.end("an old backup at the primary", again).await;
    }

    /// An empty database is at the address of the primary.
    async fn empty_database(&mut self) {
        let primary = self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        let instance = &mut self.cluster.instances[primary];
        lose_database(instance);
        instance.unset("PRIMARY_SYNC_URL");
        instance.set("ENABLE_SYNC_API", "true");
        instance.start();
        let successor = self.await_successor(primary, epoch).await;
        let door = self.cluster.instances[successor].door;
        let instance = &self.cluster.instances[primary];
        instance.command(&["hub", "role", "--leave"]);
        instance.command(&["hub", "join", &format!("http://{door}")]);
        let senders = self.senders();
        self.end("an empty database at the address of the primary", senders).await;
    }

    fn report(&mut self) {
        self.took.sort();
        let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
        let (half, most) = (self.took.get(self.took.len() / 2), self.took.last());
        println!(
            "{} failovers: a new primary after {:.1} s (p50) and {:.1} s (max); {} acknowledged results, {} requests refused",
            self.took.len(),
            seconds(half),
            seconds(most),
            self.results,
            self.refused
        );
    }
}

fn others(than: usize) -> Vec<usize> {
    EVERYBODY.into_iter().filter(|nth| *nth != than).collect()
}

/// The library that lies about the time to programs with threads, in Debian's package `libfaketime`.
fn faketime() -> Option<String> {
    let library = |folder: &Path| folder.join("faketime/libfaketimeMT.so.1");
    let mut folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| library(&entry.path()));
    folders.find(|path| path.is_file()).map(|path| path.to_string_lossy().into_owned())
}
