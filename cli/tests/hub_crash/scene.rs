//! A database with peers and tokens, hubs on it, and senders that post to them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::{
    database::Database,
    ledger::Ledger,
    postgres,
    sender::{Progress, Sender, Target, Troubles},
    support::{Hub, command, printed, run_with},
    witness::Witness,
};

const PEERS: usize = 6;

/// Probes and their regions; each posts on two connections.
const PROBES: [(&str, &str); 3] = [("probe-1", "eu"), ("probe-2", "eu"), ("probe-3", "us")];

/// Far longer than anything takes that is waited for here.
const DEADLINE: Duration = Duration::from_secs(120);

/// Where hubs run.
pub struct Place {
    pub folder: TempDir,
    variables: Vec<(&'static str, String)>,
    /// How long the last start took.
    pub start_took: Duration,
}

impl Place {
    /// An empty folder, with nothing configured.
    pub fn with_sqlite() -> (Self, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("uptime.db"));
        (Self { folder, variables: Vec::new(), start_took: Duration::ZERO }, database)
    }

    /// An empty database of the test's own.
    pub async fn with_postgres() -> (Self, Database) {
        let url = postgres::fresh_database().await;
        let variables = vec![("DATABASE_URL", url.clone()), ("HUB_KEY", "5e".repeat(32))];
        (Self { folder: tempfile::tempdir().unwrap(), variables, start_took: Duration::ZERO }, Database::Postgres(url))
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        let quiet = [("RUST_LOG", "info,sqlx=warn")];
        quiet.into_iter().chain(self.variables.iter().map(|(name, value)| (*name, value.as_str()))).collect()
    }

    pub fn start_hub(&mut self) -> Hub {
        let started = Instant::now();
        let hub = Hub::start_with(self.folder.path(), &self.variables());
        self.start_took = started.elapsed();
        hub
    }

    /// Starts a hub and kills it at some moment of a start that takes so long.
    pub async fn kill_a_starting_hub(&self, took: Duration, rng: &mut StdRng) {
        let mut child =
            command(self.folder.path(), &["hub"], &self.variables()).env("SERVER_PORT", "0").spawn().unwrap();
        pass(took.mul_f64(rng.gen_range(0.0..1.0))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn command(&self, args: &[&str], stdin: &str) -> String {
        printed(&run_with(self.folder.path(), args, &self.variables(), stdin))
    }

    /// Adds the peers, and gives a token for each probe.
    pub fn furnish(&self) -> Vec<String> {
        let peers: String = (1..=PEERS).map(|n| format!("tcp://192.0.2.{n}:11010\n")).collect();
        self.command(&["hub", "peer", "import", "-"], &peers);
        PROBES
            .map(|(name, region)| {
                let token = self.command(&["hub", "token", "create", "--name", name, "--region", region], "");
                token.trim().to_owned()
            })
            .into()
    }
}

/// Random numbers; a test that fails shows the seed, and `SEED` takes it. It repeats what the test does, but not what
/// the machine does meanwhile.
pub fn random() -> StdRng {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Lets a time pass more exactly than a timer does.
pub async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        yield_now().await;
    }
}

/// All senders.
pub struct Senders {
    tasks: JoinSet<()>,
    target: watch::Sender<Target>,
    pub ledger: Arc<Ledger>,
    pub progress: Arc<Progress>,
}

impl Senders {
    pub fn start(hub: &Hub, tokens: &[String], troubles: Troubles, rng: &mut StdRng) -> Self {
        let target = watch::Sender::new(Target { url: hub.url.clone(), is_last: false });
        let (ledger, progress) = (Arc::new(Ledger::default()), Arc::new(Progress::default()));
        let mut tasks = JoinSet::new();
        for token in tokens.iter().flat_map(|token| [token, token]) {
            let (ledger, progress) = (Arc::clone(&ledger), Arc::clone(&progress));
            let random = StdRng::from_rng(&mut *rng).unwrap();
            let sender = Sender::new(target.subscribe(), token.clone(), PEERS, ledger, progress, troubles, random);
            tasks.spawn(sender.run());
        }
        Self { tasks, target, ledger, progress }
    }

    /// Waits for so many more requests to begin or to be acknowledged.
    pub async fn await_progress(&mut self, more: u64) {
        let target = self.progress.steps() + more;
        let reached = timeout(DEADLINE, self.progress.reached(target));
        tokio::select! {
            reached = reached => reached.expect("the senders get on"),
            Some(ended) = self.tasks.join_next() => panic!("a sender ended: {ended:?}"),
        }
    }

    /// Tells the senders which hub there is now.
    pub fn turn_to(&self, hub: &Hub) {
        self.target.send_modify(|target| target.url.clone_from(&hub.url));
    }

    /// Has everything acknowledged that was made, and ends.
    pub async fn finish(&mut self) {
        self.target.send_modify(|target| target.is_last = true);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("the sender works");
            }
        };
        timeout(DEADLINE, all).await.expect("everything is acknowledged at last");
    }
}

/// The end of a test: all that was made is acknowledged, stored and counted, once.
pub async fn assert_complete(hub: &Hub, witness: &mut Witness, senders: &mut Senders) {
    senders.finish().await;
    witness.look(hub, &senders.ledger).await;
    witness.assert_nothing_missing(&senders.ledger);
}
