//! Failovers, partitions and lost databases in a cluster of four, with six senders, a `once` and a function. Each part is a test
//! of its own, so that one that fails hides no other. `tools/soak-failover` runs them.

mod databases;
mod losses;
mod partitions;
mod report;

use std::{env, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use self::report::Report;
use crate::{
    cluster::{Cluster, await_that},
    instance::FAILOVER_AFTER,
    records,
    sender::{Ledger, Senders},
    visitors::Visitors,
};

/// How long after the loss of the primary there must be a new one.
const NEW_PRIMARY_WITHIN: Duration = FAILOVER_AFTER.saturating_add(Duration::from_secs(10));

const EVERYBODY: [usize; 4] = [0, 1, 2, 3];
const SENDERS: usize = 6;

/// A number that the environment overrides.
fn count(name: &str, default: u16) -> u16 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn others(than: usize) -> Vec<usize> {
    EVERYBODY.into_iter().filter(|nth| *nth != than).collect()
}

struct Soak {
    cluster: Cluster,
    visitors: Visitors,
    rng: StdRng,
    report: Report,
    /// The next port of peers to disagree about.
    port: u16,
}

impl Soak {
    async fn start(part: &str) -> Self {
        let seed = env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"));
        println!("{part}: SEED={seed}");
        let cluster = Cluster::with_senders(EVERYBODY.len(), SENDERS).await;
        let visitors = Visitors::start(&cluster.instances).await;
        assert_eq!(cluster.settled().await, 0, "everybody has the tokens");
        Self { cluster, visitors, rng: StdRng::seed_from_u64(seed), report: Report::of(part), port: 100 }
    }

    fn senders(&mut self) -> Senders {
        let Cluster { tokens, instances, .. } = &self.cluster;
        Senders::start(tokens, instances, &Cluster::peers(), &mut self.rng)
    }

    /// The end of a part: one primary, one configuration, and no result lost or doubled.
    async fn end(&mut self, mut senders: Senders) {
        let leader = self.cluster.settled().await;
        senders.finish().await;
        let union = self.assert_results(leader, &senders.ledger).await;
        self.visitors.assert_stored(&self.cluster.instances[leader]).await;
        self.report.end(union, &senders.ledger, &self.visitors);
    }

    /// The primary and its two mirrors have the same results, every acknowledged one of them once; what the last dependent took
    /// is among them. Returns how many are acknowledged.
    async fn assert_results(&self, leader: usize, ledger: &Ledger) -> usize {
        let [first, second, last] = others(leader)[..] else { panic!("there are three") };
        let union = self.cluster.assert_one_union(&[leader, first, second], ledger).await;
        let results = async |nth: usize| records::results(&self.cluster.instances[nth], u64::MAX).await;
        let taken = results(last).await;
        await_that(Duration::from_secs(60), &format!("{leader} has what {last} took"), async || {
            let at_the_primary = results(leader).await;
            let missing = taken.iter().filter(|(id, stored)| at_the_primary.get(*id) != Some(*stored));
            let missing: Vec<_> = missing.map(|(id, stored)| (stored, at_the_primary.get(id))).collect();
            match missing.len() {
                0 => Ok(()),
                count => Err(format!("{count} of {} are missing, such as {:?}", taken.len(), &missing[..count.min(8)])),
            }
        })
        .await;
        union
    }

    async fn kill_and_await_successor(&mut self, primary: usize) -> usize {
        let epoch = self.epoch_of(primary).await;
        self.cluster.instances[primary].kill();
        let candidates = others(primary);
        self.await_successor(&candidates, epoch, Instant::now()).await
    }

    /// Waits until one of these leads in a later epoch; notes how long that took since the primary was `lost`.
    async fn await_successor(&mut self, of: &[usize], epoch: i64, lost: Instant) -> usize {
        let successor = self.cluster.successor_of(of, epoch).await;
        self.report.took(lost.elapsed());
        successor
    }

    async fn epoch_of(&self, instance: usize) -> i64 {
        self.cluster.instances[instance].view().await.expect("it runs").epoch
    }

    async fn pause(&mut self, most_seconds: f64) {
        sleep(Duration::from_secs_f64(self.rng.random_range(0.0..most_seconds))).await;
    }
}
