//! A clock that somebody sets while the daemon runs.

use std::{fs, path::PathBuf};

use easytier_probe::Scheme;
use easytier_uptime_store::domain::PeerId;
use tokio::time::Instant;

use crate::{
    assert_delivered_once,
    http::data,
    hub::Hub,
    program::{Folder, PROGRAM, Running},
    support::node::NodeOptions,
    until,
};

/// Requests of these jobs, which run once a second.
const JOBS: [&str; 2] = ["/peers", "/nodes/status"];

/// How many times a job must have run again before it is believed to go on.
const TIMES: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_way_the_clock_is_set_the_jobs_go_on_at_their_intervals() {
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
        // What is seen now counts, whatever was seen at a time that has not come yet.
        let stopped = node.take().expect("it runs").stop();
        until(&format!("the node to be down at {setting}"), async || !is_active(&daemon).await).await;
        node = Some(stopped.start(PROGRAM));
        until(&format!("the node to be up at {setting}"), async || is_active(&daemon).await).await;
    }
    // Nothing of it was refused, by the hub or by its own history.
    let log = assert_delivered_once(&hub, id, &folder, daemon).await;
    assert!(!log.contains("rejected"), "{log}");
}

/// Whether the daemon's own history has the node up.
async fn is_active(daemon: &Running) -> bool {
    data(&daemon.url, "/api/nodes").await["items"][0]["is_active"] == true
}

/// The jobs run again and again, at their interval: there is no pause until the old time comes again, and no storm to make
/// up for the time that was skipped.
async fn assert_goes_on(hub: &Hub, id: PeerId) {
    let started = Instant::now();
    let (checks, before) = (hub.checks(id).await, requests(hub).await);
    until("the jobs to run, and checks to come", async || {
        let now = requests(hub).await;
        now.iter().zip(before).all(|(now, before)| *now >= before + TIMES) && hub.checks(id).await > checks + 5
    })
    .await;
    let most = started.elapsed().as_secs_f64() + TIMES;
    for ((job, now), before) in JOBS.iter().zip(requests(hub).await).zip(before) {
        assert!(now - before <= most, "{job} was asked {} times in {:?}", now - before, started.elapsed());
    }
}

/// How often each job has asked the hub.
async fn requests(hub: &Hub) -> [f64; JOBS.len()] {
    let metrics = crate::http::get(&format!("{}/metrics", hub.url())).await.1;
    JOBS.map(|path| {
        let of_job = metrics.lines().filter(|line| line.starts_with("easytier_uptime_http_requests_total"));
        let of_job = of_job.filter(|line| line.contains(&format!("route=\"{path}\"")));
        of_job.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    })
}

/// The clock that one program goes by, and nobody else.
struct Clock {
    setting: PathBuf,
}

impl Clock {
    fn in_folder(folder: &Folder) -> Self {
        Self { setting: folder.file("clock") }
    }

    /// Sets the clock so far ahead of the real one.
    fn set(&self, offset: &str) {
        let new = self.setting.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.setting).unwrap();
    }

    /// What the program must be started with. The clock that only counts stays as it is, as when a clock is set.
    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.setting.to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// Where Debian's package libfaketime puts it, whatever the architecture.
fn library() -> String {
    let mut places = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("faketime"));
    let found = places.find_map(|place| Some(place.join("libfaketimeMT.so.1")).filter(|library| library.exists()));
    found.expect("libfaketime is there; tools/setup installs it").to_str().unwrap().to_owned()
}
