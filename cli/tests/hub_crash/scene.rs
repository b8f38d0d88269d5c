//! A database with peers and tokens, its hubs, and senders that post to them.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    process::Command,
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
    support::{Hub, PROGRAM, command, printed},
    wire::Wire,
    witness::Witness,
};

/// The number of peers that senders report.
pub const PEERS: usize = 6;

/// The probes and their regions. Each probe posts on two connections.
const PROBES: [(&str, &str); 3] = [("probe-1", "eu"), ("probe-2", "eu"), ("probe-3", "us")];

/// The maximum number of requests begun or acknowledged before a random moment.
const MAX_STEPS: u64 = 24;

/// Much longer than any wait of these tests takes.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Where hubs run.
pub struct Place {
    pub folder: TempDir,
    variables: Vec<(&'static str, String)>,
    /// How long the last start took.
    pub start_took: Duration,
}

impl Place {
    /// An empty folder without any configuration.
    pub fn with_sqlite() -> (Self, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("uptime.db"));
        (Self { folder, variables: Vec::new(), start_took: Duration::ZERO }, database)
    }

    /// A new empty database.
    pub async fn with_postgres() -> (Self, Database) {
        let url = postgres::fresh_database().await;
        (Self::of_url(url.clone()), Database::Postgres(url))
    }

    /// As `postgres`, with connections that pass through a wire.
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

    /// Starts a hub and kills it at a random moment of its start, which takes this long.
    pub async fn kill_a_starting_hub(&self, took: Duration, rng: &mut StdRng) {
        let mut child =
            command(self.folder.path(), &["hub"], &self.variables()).env("SERVER_PORT", "0").spawn().unwrap();
        sleep_precisely(took.mul_f64(rng.random_range(0.0..1.0))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sets up a command of another program here.
    pub fn command_of(&self, mut program: Command, args: &[&str]) -> Command {
        program.args(args).current_dir(self.folder.path()).env_clear().envs(self.variables());
        program
    }

    /// Adds this number of peers, and creates a token for each probe.
    pub fn furnish(&self, peers: usize) -> Vec<String> {
        self.furnish_by(OsStr::new(PROGRAM), peers)
    }

    /// As [`furnish`](Self::furnish), by commands of another program.
    pub fn furnish_by(&self, program: &OsStr, peers: usize) -> Vec<String> {
        let list = self.folder.path().join("peers.txt");
        let urls: String = (1..=peers).map(|n| format!("tcp://192.0.2.{n}:11010\n")).collect();
        fs::write(&list, urls).unwrap();
        let run = |args: &[&str]| printed(&self.command_of(Command::new(program), args).output().unwrap());
        run(&["hub", "peer", "import", "peers.txt"]);
        fs::remove_file(list).unwrap();
        let token = |name, region| run(&["hub", "token", "create", "--name", name, "--region", region]);
        PROBES.map(|(name, region)| token(name, region).trim().to_owned()).into()
    }
}

/// The size of a long form, which the environment may set.
pub fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Random numbers. A test that fails prints the seed, and `SEED` sets it. It repeats the actions of the test, but not the
/// timing of the machine.
pub fn random() -> StdRng {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Sleeps more precisely than a timer.
pub async fn sleep_precisely(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        yield_now().await;
    }
}

pub struct Senders {
    tasks: JoinSet<()>,
    /// One for each sender.
    targets: Vec<watch::Sender<Target>>,
    pub ledger: Arc<Ledger>,
    pub progress: Arc<Progress>,
}

impl Senders {
    pub fn start(hub: &Hub, tokens: &[String], troubles: Troubles, rng: &mut StdRng) -> Self {
        let mut targets = Vec::new();
        let (ledger, progress) = (Arc::new(Ledger::default()), Arc::new(Progress::default()));
        let mut tasks = JoinSet::new();
        for token in tokens.iter().flat_map(|token| [token, token]) {
            let (ledger, progress) = (Arc::clone(&ledger), Arc::clone(&progress));
            let random = StdRng::from_rng(rng);
            let target = watch::Sender::new(Target { url: hub.url.clone(), is_last: false });
            let sender = Sender::new(target.subscribe(), token.clone(), PEERS, ledger, progress, troubles, random);
            tasks.spawn(sender.run());
            targets.push(target);
        }
        Self { tasks, targets, ledger, progress }
    }

    /// Waits for a future while the senders run.
    pub async fn while_sending(&mut self, awaited: impl Future<Output = ()>) {
        tokio::select! {
            reached = timeout(DEADLINE, awaited) => reached.expect("the awaited event happens in time"),
            Some(ended) = self.tasks.join_next() => panic!("a sender ended: {ended:?}"),
        }
    }

    /// Waits for a random moment: a number of steps of the senders, and a part of the duration of a request.
    pub async fn await_random_moment(&mut self, rng: &mut StdRng) {
        let progress = Arc::clone(&self.progress);
        self.while_sending(progress.steps.more(rng.random_range(1..=MAX_STEPS))).await;
        sleep_precisely(progress.took().mul_f64(rng.random_range(0.0..1.0))).await;
    }

    /// Sets the hub that the senders post to.
    pub fn turn_to(&self, hub: &Hub) {
        self.divide_among(&[hub]);
    }

    /// Sets the hubs that the senders post to. Each probe posts to all of two hubs.
    pub fn divide_among(&self, hubs: &[&Hub]) {
        for (target, hub) in self.targets.iter().zip(hubs.iter().cycle()) {
            target.send_modify(|target| target.url.clone_from(&hub.url));
        }
    }

    /// Waits until all results are acknowledged, and stops the senders.
    pub async fn finish(&mut self) {
        for target in &self.targets {
            target.send_modify(|target| target.is_last = true);
        }
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("the sender works");
            }
        };
        timeout(DEADLINE, all).await.expect("everything is acknowledged at last");
    }
}

/// The end of a test: all results are acknowledged, stored and counted exactly once.
pub async fn assert_complete(hub: &Hub, witness: &mut Witness, senders: &mut Senders) {
    senders.finish().await;
    witness.look(hub, &senders.ledger).await;
    witness.assert_counted(hub).await;
    witness.assert_nothing_missing(&senders.ledger);
}
