//! The network is split, again and again.

use rand::{RngExt, seq::IndexedRandom};
use tokio::time::{Instant, sleep};

use super::{EVERYBODY, NEW_PRIMARY_WITHIN, Soak, count, others};
use crate::{
    network::Fault,
    sender::Ledger,
    split::{Disagreement, assert_results},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes half an hour; tools/soak-failover runs it"]
async fn partitions() {
    let mut soak = Soak::start("partitions").await;
    let mut senders = soak.senders();
    for nth in 0..count("PARTITIONS", 20) {
        let fault = if soak.rng.random_bool(0.5) { Fault::Cut } else { Fault::Stall };
        let primary = soak.cluster.settled().await;
        let dependent = *others(primary).choose(&mut soak.rng).expect("there are three");
        match nth % 4 {
            3 => soak.cut_off_dependent(dependent, fault).await,
            2 => soak.cut_off_primary(&[dependent], fault).await,
            _ => soak.cut_off_primary(&[], fault).await,
        }
        senders.assert_running();
    }
    soak.end(senders).await;
}

impl Soak {
    /// Both sides have a primary, and both are edited. These dependents stay with the old primary.
    pub(super) async fn cut_off_primary(&mut self, with: &[usize], fault: Fault) {
        let primary = self.cluster.settled().await;
        let disagreement = Disagreement::prepare(&self.cluster, primary, self.port);
        self.port += 10;
        self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        let old_side: Vec<usize> = with.iter().copied().chain([primary]).collect();
        let new_side: Vec<usize> = EVERYBODY.into_iter().filter(|nth| !old_side.contains(nth)).collect();
        self.cluster.network.split(&[&old_side, &new_side], fault);
        let successor = self.await_successor(&new_side, epoch, Instant::now()).await;
        let results = disagreement.edit(&self.cluster, primary, successor).await;
        self.pause(3.0).await;
        self.cluster.network.heal();
        assert_eq!(self.cluster.settled().await, successor, "the later epoch leads");
        disagreement.assert_merged(&self.cluster).await;
        self.assert_results(successor, &Ledger::default()).await;
        assert_results(&self.cluster.instances[successor], &results).await;
    }

    /// Nobody takes the primary's place when one dependent does not see it.
    async fn cut_off_dependent(&mut self, dependent: usize, fault: Fault) {
        let primary = self.cluster.settled().await;
        let epoch = self.epoch_of(primary).await;
        self.cluster.network.split(&[&[dependent], &others(dependent)], fault);
        sleep(NEW_PRIMARY_WITHIN).await;
        self.cluster.network.heal();
        assert_eq!(self.cluster.settled().await, primary);
        assert_eq!(self.epoch_of(primary).await, epoch, "nobody took the primary's place");
    }
}
