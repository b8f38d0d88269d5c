//! Two hubs on one PostgreSQL serve the same probes. One of them is killed, and the probes use the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use easytier_probe::{
    CheckResult, Peer, Stage, Status,
    backend::{Backend, BackendConfig, ClaimRequest},
};
use easytier_uptime_store::domain::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::{
    ledger::{Figures, Ledger, Made},
    scene::{DEADLINE, Place, random, sleep_precisely},
    sender::Count,
    support::Hub,
    witness::Witness,
};

const PEERS: usize = 120;
const CLAIMERS: usize = 16;
const KILLS: usize = 6;

/// The duration of leases. A lease is lost if the hub dies before it answers, and then blocks its peers this long.
const LEASE: Duration = Duration::from_secs(5);

/// The time after which peers are due again.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of claims before a kill, over all claimers.
const MAX_CLAIMS: u64 = 60;

/// The state that claimers share.
#[derive(Default)]
struct Shared {
    ledger: Ledger,
    /// Claimed peers, with the end of their leases.
    held: Mutex<HashMap<i64, Timestamp>>,
    /// The number of claims whose results were acknowledged.
    rounds: Count,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashMap<i64, Timestamp>> {
        self.held.lock().unwrap()
    }
}

/// A probe that claims, checks and reports peers, like a function.
struct Claimer {
    backend: Backend,
    shared: Arc<Shared>,
    random: StdRng,
}

impl Claimer {
    fn new(hubs: [&Hub; 2], token: &str, shared: Arc<Shared>, random: StdRng) -> Self {
        let mut config = BackendConfig::new(hubs.map(|hub| hub.url.parse().unwrap()).into());
        config.node_token = Some(token.into());
        Self { backend: Backend::new(config).unwrap(), shared, random }
    }

    async fn run(mut self, rounds: usize) {
        for _ in 0..rounds {
            if self.random.random_bool(0.2) {
                let page = self.backend.peers_page(None, Instant::now() + DEADLINE).await.unwrap();
                assert_eq!((page.peers.len(), page.next.is_none()), (PEERS, true), "the listing is whole");
            }
            let peers = self.claim().await;
            if peers.is_empty() {
                continue;
            }
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..20))).await;
            self.report(&peers).await;
            self.shared.rounds.add();
        }
    }

    async fn claim(&mut self) -> Vec<i64> {
        let wanted = ClaimRequest { count: self.random.random_range(1..=6), interval: INTERVAL, lease: LEASE };
        let claim = self.backend.claim(wanted, Instant::now() + DEADLINE).await.unwrap();
        let until = Timestamp::from(claim.lease_expires_at.expect("a lease ends"));
        let peers: Vec<i64> = claim.peers.iter().map(|Peer { id, .. }| *id).collect();
        let mut held = self.shared.held();
        for peer in &peers {
            let other = held.insert(*peer, until);
            assert!(other.is_none_or(|until| until <= Timestamp::now()), "peer {peer} is claimed by two");
        }
        peers
    }

    async fn report(&self, peers: &[i64]) {
        let results: Vec<CheckResult> = peers.iter().map(|peer| online(*peer)).collect();
        for CheckResult { id, peer_id, .. } in &results {
            let figures = Figures { results: 1, checks: 1, healthy: 1 };
            self.shared.ledger.entries().made.insert(*id, Made { peer: *peer_id, figures });
            // The lease ends with the result.
            self.shared.held().remove(peer_id);
        }
        let delivered = self.backend.send_results(Uuid::now_v7(), &results, Instant::now() + DEADLINE).await.unwrap();
        let taken = (delivered.accepted + delivered.duplicates) as usize;
        assert_eq!((taken, delivered.rejected), (results.len(), Vec::new()));
        self.shared.ledger.entries().acknowledged.extend(results.iter().map(|result| result.id));
    }
}

/// An online result with the current time.
fn online(peer: i64) -> CheckResult {
    CheckResult {
        id: Uuid::now_v7(),
        peer_id: peer,
        checked_at: Timestamp::now().into(),
        checks: 1,
        healthy: None,
        status: Status::Online,
        response_time: Some(12.5),
        min_ms: None,
        max_ms: None,
        stage: Stage::Ping,
        error: None,
        message: None,
        version: None,
        hostname: None,
        network_count: None,
        relay: None,
        relay_error: None,
        relay_ms: None,
        certificate_expires_at: None,
        listing: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_one_of_two_hubs_is_killed_the_other_accepts_all_results_and_leases_no_peer_twice() {
    let (mut place, database) = Place::with_postgres().await;
    let (mut rng, mut witness) = (random(), Witness::new(database));
    let survivor = place.start_hub();
    // Leases belong to a region, so all claimers are in the same one.
    let tokens = &place.furnish(PEERS)[..2];
    let shared = Arc::new(Shared::default());
    for _ in 0..KILLS {
        let victim = place.start_hub();
        let mut claimers = JoinSet::new();
        for nth in 0..CLAIMERS {
            let hubs = if nth % 2 == 0 { [&victim, &survivor] } else { [&survivor, &victim] };
            let random = StdRng::from_rng(&mut rng);
            let claimer = Claimer::new(hubs, &tokens[nth % tokens.len()], Arc::clone(&shared), random);
            claimers.spawn(claimer.run(20));
        }
        tokio::select! {
            () = shared.rounds.more(rng.random_range(1..=MAX_CLAIMS)) => {}
            () = all_end(&mut claimers) => panic!("the claimers ended before the hub was killed"),
        }
        sleep_precisely(Duration::from_millis(20).mul_f64(rng.random_range(0.0..1.0))).await;
        drop(victim);
        timeout(DEADLINE, all_end(&mut claimers)).await.expect("the claimers go on with the other hub");
    }
    witness.look(&survivor, &shared.ledger).await;
    witness.assert_counted(&survivor).await;
    witness.assert_nothing_missing(&shared.ledger);
}

/// Waits until all have ended, or one has failed.
async fn all_end(claimers: &mut JoinSet<()>) {
    while let Some(ended) = claimers.join_next().await {
        ended.expect("the claimer works");
    }
}
