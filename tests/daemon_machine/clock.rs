//! A wall clock that is set while the daemon runs, and a time zone that changes to and from summer time.

use std::{fs, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use easytier_probe::Scheme;
use easytier_uptime_store::domain::PeerId;
use tokio::time::{Instant, sleep};

use crate::{
    assert_delivered_once,
    http::data,
    hub::Hub,
    program::{Folder, PROGRAM, Running},
    support::node::NodeOptions,
    until,
};

/// The requests of two jobs that run once a second.
const JOBS: [&str; 2] = ["/peers", "/nodes/status"];

/// How many more runs of a job prove that it continues.
const MIN_RUNS: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_at_their_intervals_when_the_clock_is_set_forward_or_back() {
    let node = NodeOptions::listening_on(&[Scheme::Tcp]).start(PROGRAM);
    let hub = Hub::start().await;
    let id = hub.add(node.url(Scheme::Tcp).to_string()).await;
    let folder = Folder::of_probe(&hub.url(), &hub.token("probe-1").await);
    let clock = Clock::in_folder(&folder);
    clock.set("+0");
    let mut command = folder.command(&["daemon"]);
    command.envs(clock.environment());
    let daemon = Running::of(command).await;
    until("checks that the hub knows of", async || hub.checks(id).await > 3).await;

    let mut node = Some(node);
    for (nth, setting) in ["+2h", "+0", "-2h", "+2h"].into_iter().enumerate() {
        clock.set(setting);
        daemon.await_log_times("the clock was set", nth + 1).await;
        assert_goes_on(&hub, id).await;
        // New results count, also when older ones have later times.
        let stopped = node.take().expect("the node runs").stop();
        until(&format!("the node to be down at {setting}"), async || !is_active(&daemon).await).await;
        node = Some(stopped.start(PROGRAM));
        until(&format!("the node to be up at {setting}"), async || is_active(&daemon).await).await;
    }
    // Neither the hub nor the local history rejected a result.
    let log = assert_delivered_once(&hub, id, &folder, daemon).await;
    assert!(!log.contains("rejected"), "{log}");
}

/// The times of all cycles except the one at the start of the program, to the second.
fn cycles_after_the_start(running: &Running) -> Vec<String> {
    let lines = running.log_with("the cycle took");
    lines.iter().skip(1).map(|line| line[..19].to_owned()).collect()
}

/// A probe with this schedule in Berlin, whose clock shows `start`.
async fn probe_in_berlin(expression: &str, start: &str) -> (Folder, Clock, Running) {
    let folder = Folder::new();
    fs::write(folder.file("peers.txt"), "tcp://127.0.0.1:1").unwrap();
    folder.set(&[("PEERS_FILE", "peers.txt"), ("PROBE_SCHEDULE", expression), ("PROBE_TIMEZONE", "Europe/Berlin")]);
    let clock = Clock::in_folder(&folder);
    clock.set_to(start);
    let mut command = folder.command(&[]);
    command.envs(clock.environment());
    let running = Running::of(command).await;
    running.await_log("the cycle took").await;
    (folder, clock, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daily_cycle_runs_once_in_the_nights_when_the_clocks_change() {
    // The clocks go from 02:00 to 03:00 at 01:00 UTC.
    let (forward, start) = ("2026-03-29T01:00", "2026-03-29T00:59:40Z");
    let at_the_end = probe_in_berlin("0 0 3 * * *", start).await;
    let in_the_hour = probe_in_berlin("0 30 2 * * *", start).await;
    // A scheduler that computes the next run with the old offset would miss the run at 03:00:00 after an earlier run.
    let after_another = probe_in_berlin("0,50 0,59 1,3 * * *", start).await;
    // The clocks go from 03:00 to 02:00 at 01:00 UTC.
    let back = probe_in_berlin("0 30 2 * * *", "2026-10-25T00:29:45Z").await;
    for (_, _, running) in [&at_the_end, &in_the_hour, &back] {
        running.await_log_times("the cycle took", 2).await;
    }
    after_another.2.await_log_times("the cycle took", 3).await;
    back.1.set_to("2026-10-25T01:29:55Z");
    sleep(Duration::from_secs(10)).await;

    for (_, _, running) in [&at_the_end, &in_the_hour] {
        assert_eq!(cycles_after_the_start(running), [format!("{forward}:00")]);
    }
    let times = ["2026-03-29T00:59:50".to_owned(), format!("{forward}:00")];
    assert_eq!(cycles_after_the_start(&after_another.2), times);
    assert_eq!(cycles_after_the_start(&back.2), ["2026-10-25T00:30:00"]);
}

/// Whether the node is up in the daemon's own history.
async fn is_active(daemon: &Running) -> bool {
    data(&daemon.url, "/api/nodes").await["items"][0]["is_active"] == true
}

/// Asserts that the jobs go on at their interval: they neither pause until the old time is reached again, nor run in a
/// burst for the time that was skipped.
async fn assert_goes_on(hub: &Hub, id: PeerId) {
    let started = Instant::now();
    let (checks, before) = (hub.checks(id).await, requests(hub).await);
    until("new runs of the jobs and new checks", async || {
        let now = requests(hub).await;
        now.iter().zip(before).all(|(now, before)| *now >= before + MIN_RUNS) && hub.checks(id).await > checks + 5
    })
    .await;
    let most = started.elapsed().as_secs_f64() + MIN_RUNS;
    for ((job, now), before) in JOBS.iter().zip(requests(hub).await).zip(before) {
        assert!(now - before <= most, "{job} was requested {} times in {:?}", now - before, started.elapsed());
    }
}

/// How many requests of each job the hub has served.
async fn requests(hub: &Hub) -> [f64; JOBS.len()] {
    let metrics = crate::http::get(&format!("{}/metrics", hub.url())).await.1;
    JOBS.map(|path| {
        let of_job = metrics.lines().filter(|line| line.starts_with("easytier_uptime_http_requests_total"));
        let of_job = of_job.filter(|line| line.contains(&format!("route=\"{path}\"")));
        of_job.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    })
}

/// The wall clock of one program.
struct Clock {
    setting: PathBuf,
}

impl Clock {
    fn in_folder(folder: &Folder) -> Self {
        Self { setting: folder.file("clock") }
    }

    /// Sets the clock to this offset from the real one, such as `+2h`, or `-90` in seconds.
    fn set(&self, offset: &str) {
        let new = self.setting.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.setting).unwrap();
    }

    /// Sets the clock to a time in UTC.
    fn set_to(&self, time: &str) {
        let time: DateTime<Utc> = time.parse().unwrap();
        self.set(&(time - Utc::now()).num_seconds().to_string());
    }

    /// The environment to start the program with. The monotonic clock stays right, as when a real wall clock is set.
    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.setting.to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// The path at which Debian's package libfaketime installs the library, on any architecture.
fn library() -> String {
    let mut places = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("faketime"));
    let found = places.find_map(|place| Some(place.join("libfaketimeMT.so.1")).filter(|library| library.exists()));
    found.expect("libfaketime is there; tools/setup installs it").to_str().unwrap().to_owned()
}
