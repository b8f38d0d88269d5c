//! The hub under load: the real router over a real store, with upkeep, in a process of its own.

use std::{net::SocketAddr, time::Duration};

use easytier_probe::{AddressPolicy, CheckOptions, Checker};
use easytier_uptime_hub::WebOptions;
use easytier_uptime_store::{Store, domain::Timestamp, upkeep};
use futures::FutureExt;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    client,
    database::{Database, Engine, options},
    role::{self, Helper},
    transactions,
    usage::{cpu_of, resident, resident_peak},
};

/// A running hub. It is killed when this is dropped.
pub struct Hub {
    process: Helper,
    pub address: SocketAddr,
}

impl Hub {
    /// Starts a hub that keeps rollups of five minutes for `hours` hours.
    pub fn start(database: &Database, hours: u64) -> Self {
        let arguments = [database.engine.name().to_owned(), database.place.clone(), hours.to_string()];
        let mut process = Helper::role("hub", &arguments);
        let address = process.line().parse().expect("an address");
        Self { process, address }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: `kill` takes numbers only, and the process is not waited for before this is dropped.
        assert_eq!(unsafe { libc::kill(self.pid() as libc::pid_t, signal) }, 0, "the hub runs");
    }

    /// The CPU time that its process has used so far.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.process.pid())
    }

    /// The resident memory now, and its peak.
    pub fn memory(&self) -> (u64, u64) {
        (resident(self.process.pid()), resident_peak(self.process.pid()))
    }

    /// How many transactions have stored results so far.
    pub fn transactions(&mut self) -> usize {
        self.process.tell("transactions");
        self.process.line().parse().expect("a number")
    }

    /// How long the oldest result that is not applied yet has been waiting; `None` when none is.
    pub fn fold_lag(&mut self) -> Option<Duration> {
        self.process.tell("lag");
        let millis: i64 = self.process.line().parse().expect("a number");
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// Waits until all results are applied.
    pub fn await_fold(&mut self) {
        while self.fold_lag().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of requests of a route so far, and the total time of their responses, from the hub's metrics.
    pub async fn answered(&self, route: &str) -> (f64, Duration) {
        let figures = client::Connection::open(self.address).await.get("/metrics", false).await;
        let figures = String::from_utf8(figures.to_vec()).expect("text");
        let figure = |name: &str| -> f64 {
            let start = format!("easytier_uptime_http_request_duration_seconds_{name}{{route=\"{route}\"}} ");
            let line = figures.lines().find_map(|line| line.strip_prefix(start.as_str()));
            line.unwrap_or("0").parse().expect("a number")
        };
        (figure("count"), Duration::from_secs_f64(figure("sum")))
    }
}

/// The role of the child process: serves a database until its standard input is closed.
pub fn serve(arguments: &[String]) {
    let [engine, place, hours] = arguments else { panic!("an engine, a place, hours: {arguments:?}") };
    // SAFETY: this sets a number. `easytier-uptime hub` does the same, so that its memory is not what its largest answers took.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 512 << 10) };
    let options = options(Engine::named(engine), place, hours.parse().expect("a number"));
    transactions::count();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) }.shared();
    // The same runtime as in `easytier-uptime hub`.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let store = Store::open(options, Timestamp::now()).await.expect("the database opens");
        let asked = store.clone();
        std::thread::spawn(move || {
            while let Some(question) = role::told() {
                match question.as_str() {
                    "lag" => role::say(handle.block_on(lag(&asked))),
                    _ => role::say(transactions::counted()),
                }
            }
            drop(stop);
        });
        let checker = Checker::new(CheckOptions { addresses: AddressPolicy::PUBLIC_ONLY, ..CheckOptions::default() });
        let router = easytier_uptime_hub::router(store.clone(), checker, WebOptions::default(), None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        role::say(listener.local_addr().expect("bound"));
        let serving = easytier_uptime_hub::serve(listener, router, stopped.clone(), Duration::from_secs(10));
        let (served, ()) = tokio::join!(serving, upkeep(store.clone(), stopped));
        served.expect("it serves");
        store.close().await;
    });
}

/// How long the oldest result that is not applied yet has been waiting, in milliseconds; -1 when none is.
async fn lag(store: &Store) -> i64 {
    let backlog = store.backlog().await.expect("the database responds");
    backlog.oldest.map_or(-1, |oldest| (Timestamp::now().0 - oldest.0).max(0))
}
