//! Two hubs on one PostgreSQL under the results of a large installation: ten regions that each check all peers once a minute.
//!
//! Then one hub is killed in the middle of its fold, and another one is stopped for a minute within a transaction. In the end
//! every result that was acknowledged must be stored and counted, once. `tools/soak-scale` runs it.

mod growth;
mod probes;
mod witness;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use easytier_uptime_store::domain::Timestamp;
use tokio::{task::LocalSet, time::sleep};

use self::{probes::Probes, witness::Witness};
use crate::{
    database::{Database, Engine},
    hub::Hub,
    load::{BATCH, Load},
    postgres, runtime,
    size::Size,
    usage::{mebibytes, own_cpu},
};

/// The number of probes, each in its own region.
const REGIONS: usize = 10;

/// The time in which each region reports all peers.
pub const ROUND: Duration = Duration::from_secs(60);

/// How long results come in before a hub is killed or stopped, and after it goes on.
const BESIDE: Duration = Duration::from_secs(10);

/// The memory that PostgreSQL has for its buffers; its default is too little for tables of this size.
const BUFFERS_MEBIBYTES: u32 = 1024;

pub fn run(engine: Engine, size: &Size) {
    if engine == Engine::Sqlite {
        println!("a SQLite file has one hub");
        return;
    }
    postgres::BUFFERS_MEBIBYTES.store(BUFFERS_MEBIBYTES, std::sync::atomic::Ordering::Relaxed);
    LocalSet::new().block_on(&runtime(), async {
        let mut scene = Scene::new(size).await;
        scene.steady(size).await;
        scene.kill().await;
        scene.stop(size.stopped).await;
        scene.assert_complete().await;
    });
}

struct Scene {
    database: Database,
    /// The oldest first.
    hubs: Vec<Hub>,
    probes: Rc<Probes>,
    witness: Witness,
}

impl Scene {
    async fn new(size: &Size) -> Self {
        let database = Database::fresh(Engine::Postgres).await;
        let tokens = database.fill(size.scale_peers, REGIONS).await;
        let hubs = vec![Hub::start(&database, 48), Hub::start(&database, 48)];
        let mut witness = Witness::of(database.place.clone()).await;
        witness.await_sharing(2).await;
        let probes = Probes::new(Load::from_now(size.scale_peers, ROUND), tokens);
        let scene = Self { database, hubs, probes: Rc::new(probes), witness };
        scene.turn_to_all();
        scene.probes.say_hourly().await;
        scene
    }

    fn turn_to_all(&self) {
        self.probes.turn_to(self.hubs.iter().map(|hub| hub.address).collect());
    }

    /// Both hubs carry the load.
    async fn steady(&mut self, size: &Size) {
        let before = self.witness.sizes().await;
        let cpus = |scene: &Self| {
            let hubs: Duration = scene.hubs.iter().map(Hub::cpu).sum();
            [hubs, scene.database.cpu(), own_cpu()].map(|cpu| cpu.as_secs_f64())
        };
        let (started, cpu_before) = (Instant::now(), cpus(self));
        let running = self.probes.start(&self.database);
        sleep(size.scale).await;
        let seen = running.end().await;
        let took = started.elapsed().as_secs_f64();
        let cpu: Vec<f64> = cpus(self).iter().zip(cpu_before).map(|(after, before)| (after - before) / took).collect();
        let behind = self.await_fold().await;

        let rate = seen.results() as f64 / took;
        println!(
            "{} peers, {REGIONS} regions that each report all of them in {} s, for {took:.0} s, to two hubs",
            size.scale_peers,
            ROUND.as_secs(),
        );
        println!("results stored/s: {rate:.0} of {:.0} that are wanted", self.probes.rate() * REGIONS as f64);
        seen.print();
        println!("the last result was applied {behind:.1} s after the load ended");
        println!("CPU in cores: both hubs {:.2}, the database {:.2}, the load generator {:.2}", cpu[0], cpu[1], cpu[2]);
        for (hub, nth) in self.hubs.iter().zip(1..) {
            let (now, most) = hub.memory();
            println!("memory of hub {nth}: {:.0} MiB, at most {:.0} MiB", mebibytes(now), mebibytes(most));
        }
        let after = self.witness.sizes().await;
        growth::print(&before, &after, seen.results(), size.scale_peers * REGIONS, rate);
    }

    /// A hub is killed while it applies results.
    async fn kill(&mut self) {
        let running = self.probes.start(&self.database);
        sleep(BESIDE).await;
        self.witness.await_work_of_oldest_hub().await;
        let victim = self.hubs.remove(0);
        self.turn_to_all();
        drop(victim);
        let (killed, at) = (Instant::now(), Timestamp::now());
        println!("\nkill -9 of a hub that applies results, the load goes to the other one");
        self.witness.await_sharing(1).await;
        println!("its shards were taken over after {:.1} s", killed.elapsed().as_secs_f64());
        self.witness.await_none_before(at).await;
        println!(
            "recovery after kill -9: all results from before it were applied after {:.1} s",
            killed.elapsed().as_secs_f64()
        );
        running.end().await.print();
        self.await_fold().await;
    }

    /// A hub is stopped within a transaction, as by a machine that is suspended, and goes on.
    async fn stop(&mut self, length: Duration) {
        self.hubs.push(Hub::start(&self.database, 48));
        self.witness.await_sharing(2).await;
        self.turn_to_all();
        let running = self.probes.start(&self.database);
        sleep(BESIDE).await;
        let stopped = &self.hubs[0];
        let is_within = self.witness.stop_within_a_transaction(stopped).await;
        println!(
            "\na hub is stopped for {} s, within a transaction: {is_within}; the load goes to the other one",
            length.as_secs()
        );
        self.probes.turn_to(vec![self.hubs[1].address]);
        sleep(length).await;
        stopped.signal(libc::SIGCONT);
        let went_on = Instant::now();
        self.witness.await_sharing(2).await;
        println!("the hubs share the work again after {:.1} s", went_on.elapsed().as_secs_f64());
        self.turn_to_all();
        sleep(BESIDE).await;
        running.end().await.print();
        self.await_fold().await;
    }

    /// Waits until all results are applied; returns how long that took, in seconds.
    async fn await_fold(&mut self) -> f64 {
        let started = Instant::now();
        while self.witness.lag().await.is_some() {
            sleep(Duration::from_millis(20)).await;
        }
        started.elapsed().as_secs_f64()
    }

    /// Every result that was acknowledged is stored and counted, once, and nothing else.
    async fn assert_complete(&mut self) {
        let acknowledged = (self.probes.batches() * BATCH) as i64;
        let stored = self.witness.stored().await;
        println!(
            "\n{acknowledged} results acknowledged, {} stored, {} of them different",
            stored.rows, stored.different
        );
        println!("{} checks reported, {} counted; {} results parked", stored.checks, stored.counted, stored.parked);
        assert_eq!((stored.rows, stored.different), (acknowledged, acknowledged), "each is stored once");
        assert_eq!((stored.counted, stored.parked), (stored.checks, 0), "each is counted once");
    }
}
