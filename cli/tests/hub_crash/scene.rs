//! A database with peers and tokens, hubs on it, and senders that post to them.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::{JoinSet, yield_now},
    time::timeout,
};
use url::Url;

use crate::{
    database::Database,
    ledger::Ledger,
    postgres,
    sender::{Progress, Sender, Target, Troubles},
    support::{Hub, command, printed, run_with},
    wire::Wire,
    witness::Witness,
};

/// Peers of which senders report.
pub const PEERS: usize = 6;

/// Probes and their regions; each posts on two connections.
const PROBES: [(&str, &str); 3] = [("probe-1", "eu"), ("probe-2", "eu"), ("probe-3", "us")];

/// The most requests that are begun or acknowledged before a random moment.
const MOST_STEPS: u64 = 24;

/// Far longer than anything takes that is waited for here.
pub const DEADLINE: Duration = Duration::from_secs(120);

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
        (Self::of_url(url.clone()), Database::Postgres(url))
    }

    /// The same, where all that hubs say to the database goes over a wire.
    pub async fn with_postgres_over_a_wire() -> (Self, Database, Wire) {
        let url = postgres::fresh_database().await;
        let mut to = Url::parse(&url).unwrap();
        let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], to.port().unwrap()))).await;
        to.set_host(Some(&wire.address.ip().to_string())).unwrap();
        to.set_port(Some(wire.address.port())).unwrap();
        (Self::of_url(to.into()), Database::Postgres(url), wire)
    }

    fn of_url(url: String) -> Self {
        let variables = vec![("DATABASE_URL", url), ("HUB_KEY", "5e".repeat(32))];
        Self { folder: tempfile::tempdir().unwrap(), variables, start_took: Duration::ZERO }
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
        pass(took.mul_f64(rng.random_range(0.0..1.0))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn command(&self, args: &[&str], stdin: &str) -> String {
        printed(&run_with(self.folder.path(), args, &self.variables(), stdin))
    }

    /// Adds so many peers, and gives a token for each probe.
    pub fn furnish(&self, peers: usize) -> Vec<String> {
        let peers: String = (1..=peers).map(|n| format!("tcp://192.0.2.{n}:11010\n")).collect();
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
            let random = StdRng::from_rng(rng);
            let sender = Sender::new(target.subscribe(), token.clone(), PEERS, ledger, progress, troubles, random);
            tasks.spawn(sender.run());
        }
        Self { tasks, target, ledger, progress }
    }

    /// Waits for something that needs the senders.
    pub async fn while_sending(&mut self, what: impl Future<Output = ()>) {
        tokio::select! {
            reached = timeout(DEADLINE, what) => reached.expect("what is waited for comes"),
            Some(ended) = self.tasks.join_next() => panic!("a sender ended: {ended:?}"),
        }
    }

    /// Waits for a moment that nobody knows: after some steps of the senders, and a part of the time of a request.
    pub async fn await_random_moment(&mut self, rng: &mut StdRng) {
        let progress = Arc::clone(&self.progress);
        self.while_sending(progress.steps.more(rng.random_range(1..=MOST_STEPS))).await;
        pass(progress.took().mul_f64(rng.random_range(0.0..1.0))).await;
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
